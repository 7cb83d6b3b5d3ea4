"""What happens inside a U-Net, block by block."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from condlesson.figures.style import BETA, DIVERGING, GAMMA, SEQUENTIAL, new_axes

__all__ = ["modulation_heatmaps", "modulation_lines", "movements", "shares", "spatial_path"]


def spatial_path(
    names: Sequence[str],
    channels: Sequence[int],
    sizes: Sequence[int],
    skips: Sequence[tuple[int, int]],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw a U-Net's path as boxes: height for pixels, width for channels, arcs for the skips.

    Args:
        names: Labels of the N feature maps, in the order in which they are computed.
        channels: Channels of each.
        sizes: Height of each in pixels; the maps are square.
        skips: Pairs of indices, from which map to which.
        ax: Where to draw; by default on a new figure.
    """
    ax = new_axes(ax, figsize=(7.2, 3.2))
    middles, left = [], 0.0
    for name, width, height in zip(names, channels, sizes, strict=True):
        ax.bar(left, height, width, align="edge", bottom=-height / 2, color="#56B4E9")
        middles.append(left + width / 2)
        label = f"{name}\n{width} channels\n{height} × {height}"
        ax.text(middles[-1], -max(sizes) / 2 - 1, label, ha="center", va="top", fontsize=9)
        left += width + 75
    for start, end in skips:
        corner = (middles[start], sizes[start] / 2), (middles[end], sizes[end] / 2)
        style = {"arrowstyle": "-|>", "color": "#C05200", "linewidth": 1.5}
        rise = {"connectionstyle": "arc,angleA=90,angleB=90,armA=12,armB=12,rad=4"}
        ax.annotate("", xy=corner[1], xytext=corner[0], arrowprops=style | rise)
    ax.set_ylim(-max(sizes) / 2 - 9, max(sizes) / 2 + 4)
    ax.set_axis_off()
    return ax


def modulation_heatmaps(gamma: ArrayLike, beta: ArrayLike, t: Sequence[int]) -> Figure:
    """Draw gamma and beta as images on one colour scale: a row for each t, a column per channel.

    Args:
        gamma: Shape (len(t), C).
        beta: Shape (len(t), C).
        t: The timesteps of the rows.
    """
    both = {"γ": np.asarray(gamma), "β": np.asarray(beta)}
    limit = max(np.abs(values).max() for values in both.values())
    figure, axes = plt.subplots(2, 1, figsize=(7.2, 4.0), sharex=True)
    for ax, (name, values) in zip(axes, both.items(), strict=True):
        image = ax.imshow(
            values, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto", interpolation="none"
        )
        ax.set_yticks(range(len(t)), t)
        ax.set_ylabel(f"{name} at timestep", color=GAMMA if name == "γ" else BETA)
        ax.grid(False)
    axes[1].set_xlabel("channel")
    figure.colorbar(image, ax=axes, label="value")
    return figure


def modulation_lines(gamma: ArrayLike, beta: ArrayLike, t: ArrayLike) -> Figure:
    """Draw gamma and beta of every channel against the timestep, thin lines and one bold one.

    The bold one is that of the channel whose gamma moves most.

    Args:
        gamma: Shape (N, C).
        beta: Shape (N, C).
        t: The N timesteps.
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=True)
    bold = np.ptp(np.asarray(gamma), axis=0).argmax()
    looks = zip(axes, ("γ", "β"), (gamma, beta), (GAMMA, BETA), strict=True)
    for ax, name, values, colour in looks:
        ax.plot(t, np.asarray(values), linewidth=0.5, color="#4D4D4D")
        ax.plot(t, np.asarray(values)[:, bold], linewidth=2.5, color=colour)
        ax.set_xlabel("timestep t")
        ax.set_ylabel(f"{name} of each channel", color=colour)
    return figure


def movements(
    values: Mapping[str, ArrayLike], timesteps: Sequence[int], blocks: Sequence[str]
) -> Figure:
    """Draw how far blocks move as images on one logarithmic colour scale, one for each network.

    Args:
        values: For each network, shape (len(timesteps), len(blocks)), 0 or more; a block that
            does not move at all is left blank.
        timesteps: The true timesteps, from top to bottom.
        blocks: Names of the blocks, from left to right.
    """
    arrays = [np.where(np.asarray(v) > 0, v, np.nan) for v in values.values()]
    rows = -(-len(arrays) // 2)
    figure, axes = plt.subplots(
        rows, 2, figsize=(7.2, 3.4 * rows), sharex=True, sharey=True, squeeze=False
    )
    low = max(min(np.nanmin(a) for a in arrays), 1e-3)
    scale = LogNorm(low, max(np.nanmax(a) for a in arrays))
    for ax in axes.flat[len(arrays) :]:
        ax.set_axis_off()
    for ax, label, array in zip(axes.flat, values, arrays, strict=False):
        image = ax.imshow(array, cmap=SEQUENTIAL, norm=scale, aspect="auto")
        ax.set_xticks(range(len(blocks)), blocks, rotation=90)
        ax.set_yticks(range(len(timesteps)), timesteps)
        ax.set_title(label, fontsize=13)
        ax.grid(False)
    for ax in axes[:, 0]:
        ax.set_ylabel("timestep t")
    bar = figure.colorbar(image, ax=axes, label="movement, share of the output's size")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return figure


def shares(
    values: Mapping[int, float] | Mapping[str, Mapping[int, float]], *, ax: Axes | None = None
) -> Axes:
    """Draw the share of a shift that survives a group norm as bars.

    Args:
        values: For each number of channels per group, the share, 0 .. 1; or such shares for each
            of several labels, to be drawn side by side.
        ax: Where to draw; by default on a new figure.
    """
    ax = new_axes(ax)
    grouped = isinstance(next(iter(values.values())), Mapping)
    sets = values if grouped else {"": values}
    width = 0.8 / max(len(sets), 4 / 3)
    hatches = ("", "//", "..")
    for k, (label, heights) in enumerate(sets.items()):
        x = np.arange(len(heights)) + (k - (len(sets) - 1) / 2) * width
        bars = ax.bar(x, list(heights.values()), width=width, label=label, hatch=hatches[k % 3],
                      edgecolor="white")  # fmt: skip
        ax.bar_label(bars, fmt="{:.0%}", fontsize=9 if grouped else None)
    ax.set_xticks(range(len(heights)), [str(size) for size in heights])
    ax.set(xlabel="channels per group", ylabel="share of the shift that survives", ylim=(0, 1.05))
    if grouped:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.02), ncols=len(sets))
    return ax
