"""Numbers that the timestep cannot set one by one: two channels that share one gamma, and so on.

A score is what one embedding does to each channel. Over many values of the parameters and many
embeddings the scores of a free layer point everywhere. If they do not, some follow from others,
whatever is trained. A projection of low rank is free all the same: it points elsewhere each time.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.parameters import overwritten, squeezed

__all__ = ["check_free"]

Read = Callable[[], dict[str, Tensor]]  # by name, each (N, C) for N embeddings
FLAT = 1e-8  # part of the largest variance, below which there is none
ALIKE = 1 - 1e-6  # correlation of two numbers of which one follows from the other


def check_free(layer: nn.Module, read: Read, num_channels: int) -> None:
    """Raise `Wrong` if some scores follow from others for all values of the parameters.

    Args:
        layer: A layer that is conditioned.
        read: Its scores, such as those of gamma and beta, as the parameters are now.
        num_channels: Channels C; a parameter of this size may be the norm's own.
    """
    moments, rank = _second_moments(layer, read, num_channels, is_random=False)
    if moments.diagonal().min() < 1e-6:  # something that starts at 0 hides the rest
        moments, rank = _second_moments(layer, read, num_channels, is_random=True)
    if rank < len(moments):
        raise Wrong(_tied(moments, rank, list(read()), num_channels))


def _second_moments(
    layer: nn.Module, read: Read, num_channels: int, *, is_random: bool
) -> tuple[Tensor, int]:
    """Second moments of all scores, and their rank, from draws until no draw adds to it."""
    moments, rank, idle, draw = torch.zeros(1, 1), 0, 0, 0
    while rank < len(moments) and idle < 2:
        with _drawn(layer, num_channels, draw, is_random):
            scores = torch.cat(list(read().values()), dim=1)
        scores = scores - scores.mean(0)
        moments, before = moments + scores.T @ scores / len(scores), rank
        rank = _rank(moments)
        idle, draw = idle + 1 if rank == before else 0, draw + 1
    return moments, rank


def _drawn(
    layer: nn.Module, num_channels: int, draw: int, is_random: bool
) -> AbstractContextManager:
    """Other values in all parameters for a while, but for the norm's own the same each time."""
    other, same = (torch.Generator().manual_seed(seed) for seed in (100 + draw, 99))
    values = {}
    for p in layer.parameters():
        if squeezed(p) != (num_channels,) or p.ndim == 2:  # (C, 1) is a layer of one input
            size = p.shape[-1] ** -0.5 if p.ndim > 1 else 1.0
            values[p] = torch.randn(p.shape, generator=other) * size
        elif is_random:
            values[p] = torch.randn(p.shape, generator=same)
    return overwritten(values)


def _correlations(moments: Tensor) -> Tensor:
    size = moments.diagonal().clamp(min=1e-12).sqrt()
    return moments / size / size[:, None]


def _rank(moments: Tensor) -> int:
    found = torch.linalg.eigvalsh(_correlations(moments))
    return int((found > FLAT * found[-1]).sum())


def _tied(moments: Tensor, rank: int, kinds: list[str], num_channels: int) -> str:
    """Which number follows from which."""
    outputs = "num_channels" if len(kinds) == 1 else "2 * num_channels"
    alike = (_correlations(moments).abs() > ALIKE).tril(-1)
    for k, kind in enumerate(kinds):
        part = slice(k * num_channels, (k + 1) * num_channels)
        within = alike[part, part]
        if within.any():
            j, i = within.nonzero()[0].tolist()
            return (
                f"The {kind} of channel {j} always moves {_how(moments[part, part], j, i)} that of "
                f"channel {i}: only {int((~within.any(1)).sum())} of {num_channels} channels have "
                f"a {kind} of their own. The projection has {outputs} outputs, and each is used "
                "once."
            )
    if alike.any():
        j, i = alike.nonzero()[0].tolist()
        return (
            f"The {kinds[1]} of channel {j - num_channels} always moves {_how(moments, j, i)} "
            f"the {kinds[0]} of channel {i}. Both must be free: the projection has {outputs} "
            f"outputs, one half for {kinds[0]}, the other for {kinds[1]}."
        )
    return (
        f"Of the {len(moments)} numbers for the {' and the '.join(kinds)} of {num_channels} "
        f"channels only {rank} are free: the others follow from these, whatever is trained. The "
        f"projection has {outputs} outputs, and each is used once."
    )


def _how(moments: Tensor, j: int, i: int) -> str:
    """How one number moves beside another."""
    ratio = (moments[j, i] / moments[i, i]).item()
    if abs(abs(ratio) - 1) < 1e-3:
        return "as" if ratio > 0 else "against"
    return f"{ratio:.2g} times as far as"
