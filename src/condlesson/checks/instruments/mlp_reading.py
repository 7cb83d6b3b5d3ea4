"""The sinusoid that enters a timestep MLP, read through its first layer and its activation."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from condlesson.checks.instruments.mlp_layers import Layers
from condlesson.checks.instruments.parameters import ACTIVATIONS, overwritten
from condlesson.embeddings import sinusoidal_embedding

__all__ = [
    "LINE",
    "SPAN",
    "Embed",
    "bent_by",
    "first_input",
    "grid_of",
    "is_readable",
    "passed",
    "straight_line",
]

Embed = Callable[[Tensor], Tensor]
SPAN = 8.0  # an activation is looked at from -8 to 8
LINE = 20.0  # here every rectifier is a straight line


def grid_of(d: int, seen: int) -> Tensor:
    """D numbers of which the first, those that are seen, go from -SPAN to SPAN."""
    return torch.cat([torch.linspace(-SPAN, SPAN, seen), torch.zeros(d - seen)])


def bent_by(table: Tensor) -> str:
    """The activation that makes a table of the sinusoid, in any order of the columns."""
    right = sinusoidal_embedding(torch.arange(0, len(table), 50).double(), table.shape[1])
    for name, function in ACTIVATIONS.items():
        bent = function(right)
        off = torch.cdist(bent.T, table[::50].T, p=math.inf)
        if not torch.allclose(bent, right) and off.amin(dim=1).max() < 1e-3:
            return name
    return ""


def straight_line(layers: Layers, embed: Embed) -> tuple[float, float] | None:
    """Value and slope of the activation at LINE, if it is a straight line there."""
    w_1, b_1, w_2, b_2 = layers
    t, values = torch.tensor([7]), []
    for x in (LINE - 1, LINE, LINE + 1):
        with overwritten({w_1: 0.0, b_1: x, w_2: torch.eye(layers.widths[1]), b_2: 0.0}):
            values.append(embed(t)[0, 0].item())
    low, middle, high = values
    slope = (high - low) / 2
    return (middle, slope) if abs(middle - low - slope) < 1e-4 < abs(slope) else None


def first_input(layers: Layers, embed: Embed, t: Tensor) -> Tensor:
    """What enters the first layer at some timesteps, in float64."""
    line = straight_line(layers, embed)
    if line is None:
        return _bent_input(layers, embed, t)
    value, slope = line
    return (passed(layers, embed, t, LINE, 1.0) - value) / slope


def _bent_input(layers: Layers, embed: Embed, t: Tensor, which: int = 0) -> Tensor:
    """The same where the activation is no straight line: read where it is steep and smooth.

    Small inputs of both signs leave the slope, and an error of their third power, which two sizes
    of them cancel.
    """
    start, small = _smooth_places(layers, embed)[which], 0.06

    def odd(size: float) -> Tensor:
        up, down = (passed(layers, embed, t, start, sign * size) for sign in (1, -1))
        return (up - down) / (2 * size)

    values = (4 * odd(small) - odd(2 * small)) / 3
    return values / _slope_at(layers, embed, start, small)


def _smooth_places(layers: Layers, embed: Embed) -> list[float]:
    """Two places on a steep slope of the activation, far from its kinks and from each other."""
    w_1, b_1, w_2, b_2 = layers
    t, d = torch.tensor([7]), layers.widths[1]
    grid = grid_of(d, len(embed(t)[0]))
    with overwritten({w_1: 0.0, w_2: torch.eye(d), b_2: 0.0, b_1: grid}):
        out = embed(t)[0].detach().double()
    x, steep = grid[3 : len(out) - 3], (out[4:-2] - out[2:-4]).abs()
    bends = out.diff(n=3).abs().unfold(0, 4, 1).amax(1)  # of the seven values around each
    bends = torch.where(steep > 0.3 * steep.max(), bends, math.inf)
    first = x[bends.argmin()]
    second = x[torch.where((x - first).abs() > 0.5, bends, math.inf).argmin()]
    return [first.item(), second.item()]


def is_readable(layers: Layers, embed: Embed) -> bool:
    """Whether the sinusoid is the same, read at two places of a bent activation."""
    t = torch.tensor([3, 400, 998])
    one, other = (_bent_input(layers, embed, t, which) for which in (0, 1))
    return bool((one - other).abs().max() < 1e-4)


def _slope_at(layers: Layers, embed: Embed, start: float, small: float) -> float:
    """Slope of the activation, by the same differences."""
    w_1, b_1, w_2, b_2 = layers
    values = {}
    for step in (-2, -1, 1, 2):
        x = start + step * small
        with overwritten({w_1: 0.0, b_1: x, w_2: torch.eye(layers.widths[1]), b_2: 0.0}):
            values[step] = embed(torch.tensor([7]))[0, 0].item()
    return (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * small)


def passed(layers: Layers, embed: Embed, t: Tensor, start: float, factor: float) -> Tensor:
    """What the activation makes of start + factor * input, (len(t), d_sinusoidal)."""
    w_1, b_1, w_2, b_2 = layers
    d_in, d = layers.widths
    seen = len(embed(t[:1])[0])
    parts = []
    for first in range(0, d_in, seen):
        width = min(seen, d_in - first)
        chosen = torch.zeros(d, d_in)
        chosen[torch.arange(width), first + torch.arange(width)] = factor
        if tuple(w_1.squeeze().shape) == (d_in, d):
            chosen = chosen.T
        with overwritten({w_1: chosen, b_1: start, w_2: torch.eye(d), b_2: 0.0}):
            parts.append(embed(t).detach().double()[:, :width])
    return torch.cat(parts, dim=1)
