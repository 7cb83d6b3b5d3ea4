"""The lesson's mechanism as drawings: what AdaGN does, and what networks are told, and where."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from condlesson.figures.style import BETA, DIVERGING, GAMMA
from condlesson.networks import GREY, Design
from condlesson.tables import true_minus

__all__ = ["adagn_steps", "small_unets", "two_messages"]

SIZES = (28, 14, 7, 7, 14, 28)  # pixels of the six blocks, in the order of the path
BOTTLENECK = 3
NORMS = {"batch": "#D9D9D9", "group": "#56B4E9"}
SHORT = {"t / T, 256 times": "256 × t / T", "random Fourier features": "Fourier"}


def adagn_steps(
    h: ArrayLike,
    normed: ArrayLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    told: Sequence[int],
    *,
    channel: int,
) -> Figure:
    """Draw what AdaGN and a ReLU do to one channel, step by step, a row for each told timestep.

    Args:
        h: Feature maps, shape (C, H, W).
        normed: The same behind the group norm.
        gamma: Shape (len(told), C).
        beta: Shape (len(told), C).
        told: The timesteps.
        channel: Which channel is drawn.
    """
    before, middle = np.asarray(h)[channel], np.asarray(normed)[channel]
    factors, shifts = np.asarray(gamma)[:, channel] + 1, np.asarray(beta)[:, channel]
    rows = [
        (before, middle, f * middle, f * middle + b, np.maximum(f * middle + b, 0))
        for f, b in zip(factors, shifts, strict=True)
    ]
    limit = max(np.abs(image).max() for row in rows for image in row)
    figure, axes = plt.subplots(len(rows), 5, figsize=(7.2, 1.75 * len(rows) + 0.3), squeeze=False)
    for k, row in enumerate(rows):
        for ax, image in zip(axes[k], row, strict=True):
            ax.imshow(image, cmap=DIVERGING, vmin=-limit, vmax=limit, interpolation="none")
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
        axes[k, 0].set_ylabel(f"told {told[k]}")
        axes[k, 2].set_xlabel(f"× {factors[k]:.2f}", color=GAMMA, fontweight="bold")
        axes[k, 3].set_xlabel(true_minus(f"{shifts[k]:+.2f}"), color=BETA, fontweight="bold")
    for ax, title in zip(axes[0], ("h", "GroupNorm", "× (1 + γ)", "+ β", "ReLU"), strict=True):
        ax.set_title(title, fontsize=13)
    axes[0, 2].title.set_color(GAMMA)
    axes[0, 3].title.set_color(BETA)
    return figure


def small_unets(designs: Mapping[str, Design]) -> Figure:
    """Draw networks as small U-Nets, a row for each norm, with marks where t enters.

    Args:
        designs: The networks by name.
    """
    families = [[n for n, d in designs.items() if d.norm == norm] for norm in NORMS]
    columns = max(map(len, families))
    figure, axes = plt.subplots(2, columns, figsize=(7.2, 4.2), sharex=True, sharey=True)
    for row, names in zip(axes, families, strict=True):
        for ax in row[len(names) :]:
            ax.set_axis_off()
        for ax, name in zip(row, names, strict=False):
            _small_unet(ax, designs[name])
            ax.set_title(name.replace("_", "\n", 1), fontsize=10)
    return figure


def _small_unet(ax: Axes, design: Design) -> None:
    _blocks(ax, design.norm)
    told = {"every block": range(len(SIZES)), "–": ()}.get(design.place, (BOTTLENECK,))
    for k in told:
        top = SIZES[k] / 2 + 1
        half = "½" if design.place.startswith("half") else ""
        ax.text(k, top, f"+{half}", color=BETA, ha="center", va="bottom", fontsize=12)
        if design.action.startswith("scales"):
            ax.text(k, top + 5, "×", color=GAMMA, ha="center", va="bottom", fontsize=12)
    encoding = "not told" if design.encoding == "–" else SHORT.get(design.encoding, design.encoding)
    ax.text(2.5, -21, encoding, ha="center", va="top", fontsize=10)
    ax.set(xlim=(-0.7, 5.7), ylim=(-28, 27))
    ax.set_axis_off()


def _blocks(ax: Axes, norm: str) -> None:
    """The six blocks of a U-Net, as high as their feature maps."""
    ax.bar(range(len(SIZES)), SIZES, width=0.82, bottom=[-s / 2 for s in SIZES], color=NORMS[norm])


def two_messages(t: int, label: int) -> Figure:
    """Draw how a timestep and a class become one embedding, which all blocks of a U-Net read.

    Args:
        t: The timestep that is told.
        label: The class that is told.
    """
    figure, ax = plt.subplots(figsize=(5.8, 3.2))  # fits a phone as it is
    _blocks(ax, "group")
    plus, wire = -2.2, -24
    line = {"color": GREY, "linewidth": 1.5}
    box = {"facecolor": "white", "edgecolor": GREY}
    centred = {"ha": "center", "va": "center"}
    ax.plot([plus, len(SIZES) - 1], [wire, wire], **line)
    for k, size in enumerate(SIZES):
        ax.plot([k, k], [wire, -size / 2], **line)
        ax.text(k, size / 2 + 1, "×", color=GAMMA, ha="right", va="bottom", fontsize=13)
        ax.text(k, size / 2 + 1, "+", color=BETA, ha="left", va="bottom", fontsize=13)
    messages = ((f"t = {t}", "MLP", wire + 13), (f"class {label}", f"row {label}", wire - 13))
    for told, how, height in messages:
        ax.plot([-6.1, -4, plus], [height, height, wire], zorder=0, **line)
        for x, text in ((-6.1, told), (-4, how)):
            ax.text(x, height, text, fontsize=12, bbox={"boxstyle": "round", **box}, **centred)
    ax.text(plus, wire, "+", fontsize=14, bbox={"boxstyle": "circle,pad=0.15", **box}, **centred)
    ax.set(xlim=(-7.2, len(SIZES) - 0.4), ylim=(wire - 18, 26))
    ax.set_axis_off()
    return figure
