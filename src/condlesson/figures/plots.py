"""The book's figures. Functions take arrays and draw them; they compute nothing.

Each returns the Axes, or the Figure where it holds several. Importing the module applies the
book's style, and makes notebooks draw SVG. This is the only module that imports matplotlib.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike

__all__ = [
    "bands",
    "curve_panels",
    "curves",
    "dials",
    "differences",
    "digits",
    "embedding_heatmap",
    "guesses",
    "lie_heatmap",
    "lie_heatmaps",
    "modulation_heatmaps",
    "modulation_lines",
    "movements",
    "samples",
    "shares",
    "similarity_matrices",
    "spatial_path",
    "training_curves",
]

DIVERGING = "RdBu_r"
SEQUENTIAL = "viridis"
# The hues of Okabe and Ito, safe for colour-blind readers, dark enough for lines on white. Networks
# of one norm are drawn together, those of two norms in two panels: each family has a colour for
# each network but for the matched pair, which is dashed in the colours of the pair that it refines.
# No two networks of a family share a marker, which tells them apart without any colour.
LOOKS = {
    "none": ("#4D4D4D", "s", "-"),
    "simple": ("#C05200", "^", "-"),
    "simple_matched": ("#C05200", "v", "--"),
    "sinusoidal": ("#0072B2", "o", "-"),
    "sinusoidal_matched": ("#0072B2", "X", "--"),
    "fourier": ("#B0568A", "P", "-."),
    "gn_none": ("#4D4D4D", "p", "-"),
    "gn_bottleneck": ("#0072B2", "h", "-"),
    "gn_additive": ("#B0568A", "*", "-."),
    "adagn": ("#1C6E37", "D", "-"),
}
COLOURS = {variant: colour for variant, (colour, _, _) in LOOKS.items()}
LINES = ("-", "--", "-.", ":")  # of lines that are no variant's, in turn


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
    log: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw lines over a common x, and dots over the same x if there are any.

    A line that is labelled with a variant's name has that variant's look.

    Args:
        x: Shape (N,).
        ys: For each label, a line of shape (N,).
        xlabel: Label of x, with its unit.
        ylabel: Label of y, with its unit.
        dots: For each label, values of shape (N,) to draw as dots; nan leaves one out.
        log: Whether the axis of y is logarithmic.
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax)
    for number, (label, y) in enumerate(ys.items()):
        plain = {"linestyle": LINES[number % len(LINES)]}
        ax.plot(x, np.asarray(y), label=label, **(_look(label, len(np.asarray(y))) or plain))
    for label, y in (dots or {}).items():
        ax.plot(x, np.asarray(y), "o", label=label, color="#C05200", markersize=4)
    ax.set(xlabel=xlabel, ylabel=ylabel, yscale="log" if log else "linear")
    if len(ys) + len(dots or {}) > 1:
        ax.legend()
    return ax


def curve_panels(
    panels: Mapping[str, Mapping[str, ArrayLike]],
    x: ArrayLike,
    *,
    xlabel: str,
    ylabel: str,
    log: bool = False,
    level: float | None = None,
) -> Figure:
    """Draw panels below one another that share both axes, a line for each variant.

    Args:
        panels: For each panel's label, for each variant, shape (N,), or (seeds, N) for a line of
            their mean and a thin line for each seed.
        x: Shape (N,).
        xlabel: Label of x, with its unit.
        ylabel: Label of y, with its unit.
        log: Whether the axis of y is logarithmic.
        level: Where to draw a horizontal line, if any.
    """
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(7.2, 2.7 * len(panels) + 0.4), sharex=True, sharey=True,
        squeeze=False,
    )  # fmt: skip
    for ax, (label, lines) in zip(axes[:, 0], panels.items(), strict=True):
        if level is not None:
            ax.axhline(level, color="#4D4D4D", linewidth=1)
        for variant, values in lines.items():
            _seeds_and_mean(ax, x, values, variant)
        ax.set(ylabel=f"{ylabel}\n{label}", yscale="log" if log else "linear")
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    axes[-1, 0].set_xlabel(xlabel)
    return figure


def guesses(guessed: ArrayLike, t: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw guesses of the timestep against the true one, with the line on which they agree.

    Args:
        guessed: Shape (N,).
        t: The true timesteps, shape (N,).
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax, figsize=(5.6, 4.4))
    ax.plot(t, np.asarray(guessed), ".", color=COLOURS["sinusoidal"], markersize=3)
    ax.plot([0, 1000], [0, 1000], color="#4D4D4D", linewidth=1)
    ax.set(xlabel="true timestep t", ylabel="guessed timestep", aspect="equal")
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
        ax.plot(t, np.asarray(values), linewidth=0.6)
        ax.set(xlabel="timestep t", ylabel=f"{name} of each channel")
    return figure


def bands(
    values: Mapping[str, Mapping[str, ArrayLike]], x: ArrayLike, *, xlabel: str, ylabel: str
) -> Figure:
    """Draw in a grid of panels where most of some values lie: the middle 80 %, and the median.

    Args:
        values: For each panel's label, for each of at most three labels, shape (N, C): C values
            for each x.
        x: Shape (N,).
        xlabel: Label of x, with its unit.
        ylabel: Label of the values, with their unit.
    """
    rows = -(-len(values) // 3)
    figure, axes = plt.subplots(
        rows, 3, figsize=(7.2, 2.2 * rows + 0.5), sharex=True, sharey=True, squeeze=False
    )
    styles = (("#4D4D4D", "--"), ("#1C6E37", "-"), ("#C05200", "-."))
    for ax, (label, sets) in zip(axes.flat, values.items(), strict=False):
        for (name, array), (colour, line) in zip(sets.items(), styles, strict=False):
            low, middle, high = np.percentile(np.asarray(array), (10, 50, 90), axis=1)
            ax.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
            ax.plot(x, middle, color=colour, linestyle=line, label=name)
        ax.text(0.04, 0.96, label, transform=ax.transAxes, va="top")
    figure.supxlabel(xlabel, fontsize=13)
    figure.supylabel(ylabel, fontsize=13)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
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
        ax.set_xlabel(label)
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
    ax = _new_axes(ax)
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
        epochs = np.arange(1, np.atleast_2d(values).shape[1] + 1)
        _seeds_and_mean(ax, epochs, values, variant)
    ax.set(xlabel="epoch", ylabel=ylabel, xticks=epochs, yscale="log" if log else "linear")
    ax.legend()
    return ax


def differences(
    rows: Mapping[str, tuple[Sequence[float], float, float]],
    *,
    xlabel: str,
    too_small: Sequence[float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw paired differences: a dot for each seed, a bar for the interval, a line at zero.

    Args:
        rows: For each comparison, the differences, and the low and high end of the interval; an
            infinite one, that of a single seed, is left out.
        xlabel: What a difference means, with its unit.
        too_small: For each comparison, up to which size a mean is too small to count; drawn as a
            grey box around zero.
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax, figsize=(7.2, 0.9 + 0.55 * max(len(rows), 2)))
    ax.axvline(0, color="#4D4D4D", linewidth=1)
    for y, size in enumerate(too_small or ()):
        ax.barh(y, 2 * size, left=-size, height=0.8, color="#D9D9D9", zorder=0.5)
    for y, (values, low, high) in enumerate(rows.values()):
        if np.isfinite([low, high]).all():
            ax.plot([low, high], [y, y], color="#0072B2", linewidth=2, solid_capstyle="butt")
        ax.plot(values, [y] * len(values), "o", color="#0072B2")
        ax.plot(np.mean(values), y, "|", color="#0072B2", markersize=14, markeredgewidth=2)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    ax.locator_params(axis="x", nbins=4)
    return ax


def lie_heatmap(losses: ArrayLike, timesteps: Sequence[int], *, ax: Axes | None = None) -> Axes:
    """Draw the loss of a network that is told a timestep, as a multiple of that of the truth.

    Args:
        losses: Shape (N, N): each row's loss divided by its diagonal entry.
        timesteps: The N timesteps.
        ax: Where to draw; by default on a new figure.
    """
    ax = _new_axes(ax, figsize=(5.6, 4.4))
    limit = max(np.abs(np.log2(losses)).max(), 0.1)
    image = _lies(ax, losses, timesteps, limit)
    ax.set_ylabel("true timestep")
    _lie_bar(ax.figure, image, ax)
    return ax


def lie_heatmaps(losses: Mapping[str, ArrayLike], timesteps: Sequence[int]) -> Figure:
    """Draw several of `lie_heatmap` side by side on one colour scale.

    Args:
        losses: For each network, shape (N, N): each row's loss divided by its diagonal entry.
        timesteps: The N timesteps.
    """
    limit = max(*(np.abs(np.log2(array)).max() for array in losses.values()), 0.1)
    figure, axes = plt.subplots(1, len(losses), figsize=(7.2, 3.9), sharey=True, squeeze=False)
    for ax, (label, array) in zip(axes[0], losses.items(), strict=True):
        image = _lies(ax, array, timesteps, limit)
        ax.set_xlabel(f"timestep told\n{label}")
    axes[0, 0].set_ylabel("true timestep")
    _lie_bar(figure, image, axes, shrink=0.7)
    return figure


def samples(rows: Mapping[str, ArrayLike], columns: int = 10) -> Figure:
    """Draw rows of images without gaps, a label beside each row.

    Args:
        rows: For each label, images of shape (N, H, W), as bytes, 0 is black; the first ones are
            drawn.
        columns: Images in a row, at most N.
    """
    strips = [
        np.concatenate(list(np.asarray(images)[:columns]), axis=1) for images in rows.values()
    ]
    height, width = strips[0].shape
    size = 7.2 - 1.8
    figure, ax = plt.subplots(figsize=(7.2, size / width * height * len(strips) + 0.2))
    ax.imshow(np.concatenate(strips), cmap="gray", vmin=0, vmax=255, interpolation="none")
    ax.set_yticks([height * (k + 0.5) - 0.5 for k in range(len(strips))], list(rows))
    ax.hlines([height * k - 0.5 for k in range(1, len(strips))], -0.5, width - 0.5, color="white")
    ax.set(xticks=[], xlim=(-0.5, width - 0.5))
    ax.tick_params(length=0)
    ax.grid(False)
    return figure


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


def _look(variant: str, length: int) -> dict:
    """How the line of a variant is drawn, with ten markers or so; empty for other labels."""
    if variant not in LOOKS:
        return {}
    names = ("color", "marker", "linestyle")
    return dict(zip(names, LOOKS[variant], strict=True), markevery=max(1, length // 10))


def _seeds_and_mean(ax: Axes, x: ArrayLike, values: ArrayLike, variant: str) -> None:
    """Draw the mean over seeds, and each seed as a thin line if there are several."""
    values = np.atleast_2d(np.asarray(values))
    [line] = ax.plot(x, values.mean(axis=0), label=variant, **_look(variant, values.shape[1]))
    if len(values) > 1:
        thin = {"linewidth": 0.5, "linestyle": "-"}  # pale lines would be hard to see
        ax.plot(x, values.T, color=line.get_color(), **thin)


def _lies(ax: Axes, losses: ArrayLike, timesteps: Sequence[int], limit: float) -> AxesImage:
    image = ax.imshow(np.log2(np.asarray(losses)), cmap=DIVERGING, vmin=-limit, vmax=limit)
    ax.set_xticks(range(len(timesteps)), timesteps, rotation=90)
    ax.set_yticks(range(len(timesteps)), timesteps)
    ax.set_xlabel("timestep told")
    ax.grid(False)
    return image


def _lie_bar(figure: Figure, image: AxesImage, ax: Axes, **options: float) -> None:
    bar = figure.colorbar(image, ax=ax, label="loss, times that of the truth", **options)
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{2**value:.3g}")
