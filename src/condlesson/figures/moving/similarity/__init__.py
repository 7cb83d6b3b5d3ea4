"""The similarity explorer."""

from collections.abc import Mapping

import torch
from torch import Tensor

from condlesson.figures.moving import Moving, pack

__all__ = ["similarity"]


def similarity(matrices: Mapping[str, Tensor], t: Tensor, closed_form: Tensor) -> Moving:
    """The similarity explorer: choose a timestep, and see how alike all others are to it.

    Args:
        matrices: For each embedding's label, the cosine similarities of all pairs, shape (N, N).
        t: The N timesteps, evenly spaced from 0 on.
        closed_form: Similarity of two sinusoids by the distance of their timesteps, 0 .. t[-1].
    """
    upper = tuple(torch.triu_indices(len(t), len(t)))  # the matrices are symmetric
    data = {
        "t": t.tolist(),
        "matrices": {label: pack(matrix[upper]) for label, matrix in matrices.items()},
        "closed_form": pack(closed_form),
    }
    return Moving("similarity", data)
