"""The book's figures. Functions take arrays and draw them; they compute nothing.

Each returns the Axes, or the Figure where it holds several. Importing the module applies the
book's style, and makes notebooks draw SVG. This is the only module that imports matplotlib.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

__all__ = [
    "curves",
    "dials",
    "differences",
    "digits",
    "embedding_heatmap",
    "lie_heatmap",
    "modulation_heatmaps",
    "modulation_lines",
    "shares",
    "similarity_matrices",
    "spatial_path",
    "training_curves",
]

DIVERGING = "RdBu_r"
SEQUENTIAL = "viridis"
# Okabe and Ito's colours, safe for colour-blind readers. The matched pair shares those of the pair
# that it refines; no two variants share colour and marker.
COLOURS = {
    "none": "#4D4D4D",
    "simple": "#D55E00",
    "sinusoidal": "#0072B2",
    "adagn": "#009E73",
    "simple_matched": "#D55E00",
    "sinusoidal_matched": "#0072B2",
    "fourier": "#CC79A7",
    "gn_none": "#999999",
    "gn_bottleneck": "#56B4E9",
    "gn_additive": "#E69F00",
}
MARKERS = {
    "none": "s",
    "simple": "^",
    "sinusoidal": "o",
    "adagn": "D",
    "simple_matched": "v",
    "sinusoidal_matched": "X",
    "fourier": "P",
    "gn_none": "s",
    "gn_bottleneck": "o",
    "gn_additive": "^",
}


def use_style() -> None:
    """Apply the book's style; in a notebook, draw figures as SVG."""
    plt.style.use(Path(__file__).parent / "condlesson.mplstyle")
    try:
        from IPython import get_ipython
        from matplotlib_inline.backend_inline import set_matplotlib_formats
    except ImportError:
        return
    if get_ipython() is not None:
        set_matplotlib_formats("svg", metadata={"Date": None})  # same data, same bytes


use_style()


def embedding_heatmap(embeddings: ArrayLike, t: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw embeddings as an image: timesteps from left to right, dimensions from top to bottom.

    The image holds at least one pixel for each value and is scaled smoothly where it is shown, so
    that no moire appears; few timesteps are repeated, so that they have sharp edges.

    Args:
        embeddings: Shape (N, D), values in [-1, 1].
        t: The N timesteps, evenly spaced.
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax, figsize=(7.2, 5.6))
    values, t = np.asarray(embeddings), np.asarray(t)
    step = (t[1] - t[0]) / 2
    image = ax.imshow(
        values.T.repeat(max(1, 1000 // len(t)), axis=1),
        cmap=DIVERGING,
        vmin=-1,
        vmax=1,
        aspect="auto",
        interpolation="hanning",  # "none" makes browsers pick single pixels: moire
        extent=(t[0] - step, t[-1] + step, values.shape[1] - 0.5, -0.5),
    )
    ax.set(xlabel="timestep t", ylabel="dimension")
    ax.grid(False)
    ax.figure.colorbar(image, ax=ax, label="value")
    return ax


def dials(angles: ArrayLike, periods: ArrayLike, t: Sequence[int]) -> Figure:
    """Draw each frequency as the hand of a clock, a row of dials for each timestep.

    Args:
        angles: Shape (len(t), K), angle of each hand in radians, clockwise from the top.
        periods: K periods in timesteps, for the labels.
        t: The timesteps, for the labels.
    """
    angles = np.asarray(angles)
    rows, columns = angles.shape
    figure, axes = plt.subplots(
        rows, columns, figsize=(7.2, 1.5 * rows), subplot_kw={"projection": "polar"}, squeeze=False
    )
    for j, k in np.ndindex(rows, columns):
        ax = axes[j, k]
        ax.set_theta_zero_location("N")
        ax.set_theta_direction(-1)
        ax.set(xticks=[], yticks=[], ylim=(0, 1))
        ax.annotate(
            "",
            xy=(angles[j, k], 0.95),
            xytext=(0, 0),
            arrowprops={"arrowstyle": "-|>", "color": "#0072B2", "linewidth": 2},
        )
        if j == 0:
            ax.set_title(f"period\n{periods[k]:,.{0 if periods[k] > 100 else 2}f}", fontsize=10)
        if k == 0:
            ax.set_ylabel(f"t = {t[j]}", labelpad=14)
    return figure


def curves(
    x: ArrayLike,
    ys: Mapping[str, ArrayLike],
    *,
    xlabel: str,
    ylabel: str,
    dots: Mapping[str, ArrayLike] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw lines over a common x, and dots over the same x if there are any.

    A line that is labelled with a variant's name has that variant's colour.

    Args:
        x: Shape (N,).
        ys: For each label, a line of shape (N,).
        xlabel: Label of x, with its unit.
        ylabel: Label of y, with its unit.
        dots: For each label, values of shape (N,) to draw as dots; nan leaves one out.
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax)
    for label, y in ys.items():
        ax.plot(x, np.asarray(y), label=label, color=COLOURS.get(label))
    for label, y in (dots or {}).items():
        ax.plot(x, np.asarray(y), "o", label=label, color="#D55E00", markersize=4)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if len(ys) + len(dots or {}) > 1:
        ax.legend()
    return ax


def similarity_matrices(matrices: Mapping[str, ArrayLike], t: ArrayLike) -> Figure:
    """Draw similarity matrices side by side, on one colour scale, axes in timesteps.

    Args:
        matrices: For each label, shape (N, N).
        t: The N timesteps, evenly spaced.
    """
    t = np.asarray(t)
    arrays = [np.asarray(matrix) for matrix in matrices.values()]
    low = min(0.0, *(array.min() for array in arrays))
    step = (t[1] - t[0]) / 2
    extent = (t[0] - step, t[-1] + step, t[-1] + step, t[0] - step)
    figure, axes = plt.subplots(
        1, len(arrays), figsize=(7.2, 7.2 / len(arrays) * 0.95), sharey=True, squeeze=False
    )
    for ax, label, array in zip(axes[0], matrices, arrays, strict=True):
        image = ax.imshow(array, cmap=SEQUENTIAL, vmin=low, vmax=1, extent=extent)
        ax.set_xlabel(f"timestep\n{label}")
        ax.grid(False)
    axes[0, 0].set_ylabel("timestep")
    figure.colorbar(image, ax=axes, label="cosine similarity", shrink=0.8)
    return figure


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
    ax = _new_axes(ax, figsize=(7.2, 3.2))
    middles, left = [], 0.0
    for name, width, height in zip(names, channels, sizes, strict=True):
        ax.bar(left, height, width, align="edge", bottom=-height / 2, color="#56B4E9")
        middles.append(left + width / 2)
        label = f"{name}\n{width} channels\n{height} × {height}"
        ax.text(middles[-1], -max(sizes) / 2 - 1, label, ha="center", va="top", fontsize=9)
        left += width + 75
    for start, end in skips:
        corner = (middles[start], sizes[start] / 2), (middles[end], sizes[end] / 2)
        style = {"arrowstyle": "-|>", "color": "#D55E00", "linewidth": 1.5}
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
        ax.set_ylabel(f"{name} at timestep")
        ax.grid(False)
    axes[1].set_xlabel("channel")
    figure.colorbar(image, ax=axes, label="value")
    return figure


def modulation_lines(gamma: ArrayLike, beta: ArrayLike, t: ArrayLike) -> Figure:
    """Draw gamma and beta of every channel against the timestep, one thin line per channel.

    Args:
        gamma: Shape (N, C).
        beta: Shape (N, C).
        t: The N timesteps.
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=True)
    for ax, name, values in zip(axes, ("γ", "β"), (gamma, beta), strict=True):
        ax.plot(t, np.asarray(values), linewidth=0.8, alpha=0.7)
        ax.set(xlabel="timestep t", ylabel=f"{name} of each channel")
    return figure


def shares(values: Mapping[int, float], *, ax: Axes | None = None) -> Axes:
    """Draw the share of a shift that survives a group norm as bars.

    Args:
        values: For each number of channels per group, the share, 0 .. 1.
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax)
    bars = ax.bar([str(k) for k in values], list(values.values()), width=0.6)
    ax.bar_label(bars, fmt="{:.0%}")
    ax.set(xlabel="channels per group", ylabel="share of the shift that survives", ylim=(0, 1.05))
    return ax


def training_curves(
    losses: Mapping[str, ArrayLike], *, ylabel: str, log: bool = False, ax: Axes | None = None
) -> Axes:
    """Draw losses per epoch, a colour and a marker for each variant, a thin line for each seed.

    Args:
        losses: For each variant, shape (seeds, epochs).
        ylabel: Label of the loss.
        log: Whether the loss axis is logarithmic.
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax)
    for variant, values in losses.items():
        values = np.atleast_2d(np.asarray(values))
        epochs = np.arange(1, values.shape[1] + 1)
        style = {"color": COLOURS.get(variant), "marker": MARKERS.get(variant)}
        [line] = ax.plot(epochs, values.mean(axis=0), label=variant, **style)
        ax.plot(epochs, values.T, linewidth=0.6, alpha=0.6, color=line.get_color())
    ax.set(xlabel="epoch", ylabel=ylabel, xticks=epochs, yscale="log" if log else "linear")
    ax.legend()
    return ax


def differences(
    rows: Mapping[str, tuple[Sequence[float], float, float]], *, xlabel: str, ax: Axes | None = None
) -> Axes:
    """Draw paired differences: a dot for each seed, a bar for the interval, a line at zero.

    Args:
        rows: For each comparison, the differences, and the low and high end of the interval.
        xlabel: What a difference means, with its unit.
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax, figsize=(7.2, 0.9 + 0.7 * len(rows)))
    ax.axvline(0, color="#4D4D4D", linewidth=1)
    for y, (values, low, high) in enumerate(rows.values()):
        ax.plot(
            [low, high], [y, y], color="#0072B2", linewidth=6, alpha=0.35, solid_capstyle="butt"
        )
        ax.plot(values, [y] * len(values), "o", color="#0072B2")
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    ax.locator_params(axis="x", nbins=5)
    return ax


def lie_heatmap(losses: ArrayLike, timesteps: Sequence[int], *, ax: Axes | None = None) -> Axes:
    """Draw the loss of a network that is told a timestep, as a multiple of that of the truth.

    Args:
        losses: Shape (N, N): each row's loss divided by its diagonal entry.
        timesteps: The N timesteps.
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax, figsize=(5.6, 4.4))
    values = np.log2(np.asarray(losses))
    limit = max(np.abs(values).max(), 0.1)
    image = ax.imshow(values, cmap=DIVERGING, vmin=-limit, vmax=limit)
    ax.set_xticks(range(len(timesteps)), timesteps, rotation=90)
    ax.set_yticks(range(len(timesteps)), timesteps)
    ax.set(xlabel="timestep told", ylabel="true timestep")
    ax.grid(False)
    bar = ax.figure.colorbar(image, ax=ax, label="loss, times that of the truth")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{2**value:.3g}")
    return ax


def digits(images: ArrayLike, *, columns: Sequence[str], rows: Sequence[str] = ("",)) -> Figure:
    """Draw images in a grid, with a label above each column and beside each row.

    Args:
        images: Shape (len(rows), len(columns), H, W), values in [-1, 1]; others are clipped.
        columns: Labels of the columns.
        rows: Labels of the rows.
    """
    images = np.asarray(images)
    figure, axes = plt.subplots(
        len(rows), len(columns), figsize=(7.2, 7.2 / len(columns) * len(rows) + 0.3), squeeze=False
    )
    for j, k in np.ndindex(axes.shape):
        ax = axes[j, k]
        ax.imshow(images[j, k], cmap="gray", vmin=-1, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        if j == 0:
            ax.set_title(columns[k], fontsize=10)
        if k == 0:
            ax.set_ylabel(rows[j])
    return figure


def _new_axes(ax: Axes | None, **options: object) -> Axes:
    return plt.subplots(**options)[1] if ax is None else ax
