"""What a table of embeddings is made of: each column compared with the hands of the clock.

A column is one dimension of the embedding over the timesteps. The right ones are sin(w_i t) and
cos(w_i t), each once, in any order and with any sign: the next linear layer absorbs both.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "BASE",
    "Hands",
    "Matched",
    "explains",
    "farthest",
    "fit_hands",
    "match_hands",
    "some_rows",
    "twice",
    "wheel",
]

BASE = 10000.0
STILL = 1e-6  # radians per timestep; of what is slower float32 shows a straight line
ROWS = 48  # of the table, to find the partners of its columns; all rows confirm them


class Hands(NamedTuple):
    """What fits each column best: amplitude * sin(w t + phase), or a constant."""

    w: Tensor  # radians per timestep, modulo 2 pi, in [0, pi]
    amplitude: Tensor
    phase: Tensor  # in (-pi, pi]; 0 or pi for sines, +- pi/2 for cosines
    residual: Tensor  # root mean square, relative to the column's own
    constant: Tensor  # bool

    @property
    def is_sine(self) -> Tensor:
        """Columns that are a sine of t, of either sign."""
        return ~self.constant & (torch.sin(self.phase).abs() < 0.02)

    @property
    def is_cosine(self) -> Tensor:
        """Columns that are a cosine of t, of either sign."""
        return ~self.constant & (torch.cos(self.phase).abs() < 0.02)


class Matched(NamedTuple):
    """How the columns are laid out."""

    order: Tensor  # column of each hand: all sines, then all cosines, fastest first
    is_negative: Tensor  # of each hand


def wheel(d_emb: int, *, base: float = BASE, steps: float | None = None) -> Tensor:
    """Frequencies base ** (-i / steps) in float64, fastest first; steps is d_emb // 2 at first."""
    half = d_emb // 2
    return base ** (-torch.arange(half, dtype=torch.float64) / (half if steps is None else steps))


def match_hands(table: Tensor, t: Tensor, w: Tensor, noise: float) -> Matched | None:
    """Find each hand of the frequencies w among the columns, once; None if one is missing.

    Args:
        table: Embeddings in float64, (N, 2 * len(w)).
        t: Timesteps in float64, (N,).
        w: Frequencies in float64.
        noise: Error of the values. What t * w has in float32 comes on top.
    """
    hands, near, rows = _hands(t, w), _tolerance(t, w, noise), some_rows(t)
    plus, minus = (farthest(hands[rows], sign * table[rows]) for sign in (1, -1))
    order = (torch.minimum(plus, minus) / near[:, None]).argmin(dim=1)
    is_negative = minus.gather(1, order[:, None])[:, 0] < plus.gather(1, order[:, None])[:, 0]
    if len(order.unique()) < len(order):
        return None
    signs = torch.where(is_negative, -1.0, 1.0)
    off = (table[:, order] * signs - hands).abs().amax(dim=0)
    return Matched(order, is_negative) if bool((off <= near).all()) else None


def explains(
    table: Tensor, t: Tensor, w: Tensor, noise: float, *, all_columns: bool = True
) -> bool:
    """Whether each hand is among the columns, if only once for several that look alike.

    Args:
        table: Embeddings in float64, (N, d).
        t: Timesteps in float64, (N,).
        w: Frequencies in float64.
        noise: As in `match_hands`.
        all_columns: Each column must be a hand, too.
    """
    rows, near = some_rows(t), _tolerance(t, w, noise)
    hands, some = _hands(t[rows], w), table[rows]
    off = torch.minimum(farthest(hands, some), farthest(hands, -some)) / near[:, None]
    return bool((off.amin(dim=1) <= 1).all() and (not all_columns or (off.amin(dim=0) <= 1).all()))


def twice(
    table: Tensor, t: Tensor, w: Tensor, noise: float
) -> tuple[tuple[int, int], str, str] | None:
    """Two columns that hold one hand, that hand, and a hand that is missing; None if not so.

    Args:
        table: Embeddings in float64, (N, 2 * len(w)).
        t: Timesteps in float64, (N,).
        w: Frequencies in float64.
        noise: As in `match_hands`. Each column must be a hand up to that.
    """
    rows, near = some_rows(t), _tolerance(t, w, noise)
    hands, some = _hands(t[rows], w), table[rows]
    off = torch.minimum(farthest(hands, some), farthest(hands, -some)) / near[:, None]
    least, which = off.min(dim=0)
    count = torch.bincount(which, minlength=len(near))
    missing = int((count == 0).sum())
    if bool((least > 1).any()) or not 0 < missing <= len(near) // 8:  # more are another mistake
        return None
    names = [f"{kind}(w_{i} t)" for kind in ("sin", "cos") for i in range(len(w))]
    hand = int(count.argmax())
    first, second = (which == hand).nonzero().flatten()[:2].tolist()
    return (first, second), names[hand], names[int(count.argmin())]


def _hands(t: Tensor, w: Tensor) -> Tensor:
    angles = t[:, None] * w
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _tolerance(t: Tensor, w: Tensor, noise: float) -> Tensor:
    """Error of each hand in float32, for sines and for cosines."""
    return (noise + 3e-6 * w.abs() * t.abs().max()).repeat(2)


def some_rows(t: Tensor) -> Tensor:
    """Indices of rows that tell the columns of a table apart, spread evenly."""
    return torch.linspace(0, len(t) - 1, min(ROWS, len(t))).round().long()


def farthest(hands: Tensor, table: Tensor) -> Tensor:
    """Largest difference of each hand and each column, (hands, columns)."""
    return torch.cdist(hands.T.contiguous(), table.T.contiguous(), p=math.inf)


def fit_hands(table: Tensor) -> Hands:
    """Fit one sine of any phase to each column of a table for t = 0, 1, 2, ...

    A sinusoid satisfies f(t + k) + f(t - k) = 2 cos(w k) f(t). The larger k, the finer the
    estimate of w; each k is used as long as the one before says that w k < pi.
    """
    w = torch.zeros(table.shape[1], dtype=torch.float64)
    k = 1
    while 4 * k < len(table):
        middle, sides = table[k:-k], table[2 * k :] + table[: -2 * k]
        cosine = (sides * middle).sum(0) / (2 * middle.square().sum(0)).clamp(min=1e-12)
        fresh = cosine.clamp(-1, 1).arccos() / k
        w = torch.where((w * k < 2.5) | torch.tensor(k == 1), fresh, w)
        k *= 2
    return _phases(table, w.clamp(min=STILL))


def _phases(table: Tensor, w: Tensor) -> Hands:
    t = torch.arange(len(table), dtype=torch.float64)[:, None]
    basis = torch.stack([(w * t).sin().T, (w * t).cos().T], dim=-1)  # (d, N, 2)
    found = torch.linalg.lstsq(basis, table.T[..., None], driver="gelsd").solution  # (d, 2, 1)
    fitted = (basis @ found)[..., 0].T
    a, b = found[:, 0, 0], found[:, 1, 0]
    size = table.square().mean(0).sqrt()
    residual = (table - fitted).square().mean(0).sqrt() / size.clamp(min=1e-12)
    amplitude = torch.hypot(a, b)
    residual[(w == STILL) & (amplitude > 2)] = 1.0  # a straight line
    constant = table.std(0) < 1e-6
    return Hands(w, amplitude, torch.atan2(b, a), residual, constant)
