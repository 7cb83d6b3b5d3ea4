"""Exercises 1 and 2, further: how alike embeddings are."""

import torch
from torch import Tensor

from condlesson.embeddings import sinusoidal_frequencies

__all__ = ["similarity_at", "similarity_matrix"]


def similarity_at(distance: Tensor, d_emb: int) -> Tensor:
    """Cosine similarity of two embeddings whose timesteps lie a distance apart.

    sim(D) = (2 / d_emb) * sum_i cos(w_i D)

    Args:
        distance: Differences of timesteps D, of any shape.
        d_emb: Width of the embedding, even.

    Returns:
        Tensor of the shape of distance, values in [-1, 1].
    """
    distance = torch.as_tensor(distance)
    frequencies = sinusoidal_frequencies(d_emb, device=distance.device)  # (d_emb // 2,)
    # TODO 1: the similarity, without embedding anything: an average over the hands.
    return torch.cos(distance[..., None] * frequencies).mean(dim=-1)
    # END TODO


def similarity_matrix(embeddings: Tensor) -> Tensor:
    """Cosine similarity of every row with every other: (N, D) becomes (N, N).

    S_ij = x_i . x_j / (|x_i| |x_j|)

    Args:
        embeddings: N vectors of shape (N, D), none of them 0.

    Returns:
        Symmetric tensor of shape (N, N), values in [-1, 1], 1 on the diagonal.
    """
    # TODO 1: divide each row by its length.
    directions = embeddings / embeddings.norm(dim=1, keepdim=True)  # (N, D)
    # END TODO
    # TODO 2: all dot products of two rows at once.
    return directions @ directions.T
    # END TODO
