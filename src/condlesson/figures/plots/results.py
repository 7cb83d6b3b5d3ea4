"""What training gave."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from condlesson.experiment.intervals import mean_interval
from condlesson.figures.style import DIVERGING, log_axis, look, new_axes, seeds_and_mean
from condlesson.networks import BLUE, GREY, ORANGE

__all__ = [
    "differences",
    "forest",
    "gains_by_size",
    "guidance_curves",
    "lie_heatmaps",
    "training_curves",
]


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
    ax = new_axes(ax)
    for variant, values in losses.items():
        epochs = np.arange(1, np.atleast_2d(values).shape[1] + 1)
        seeds_and_mean(ax, epochs, values, variant)
    ax.set(xlabel="epoch", ylabel=ylabel, xticks=epochs)
    if log:
        log_axis(ax)
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
    ax = new_axes(ax, figsize=(7.2, 0.9 + 0.55 * max(len(rows), 2)))
    ax.axvline(0, color="#4D4D4D", linewidth=1)
    for y, (row, size) in enumerate(zip(rows.values(), too_small or [0] * len(rows), strict=True)):
        _difference(ax, y, *row, size)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    ax.locator_params(axis="x", nbins=4)
    return ax


def forest(
    groups: Mapping[str, Mapping[str, tuple[Sequence[float], float, float, float]]], *, xlabel: str
) -> Axes:
    """Draw paired differences in groups below one another, each group under its title.

    Args:
        groups: For each title, for each comparison, the differences, the low and high end of the
            interval, and up to which size a mean is too small to count, drawn as a grey box.
        xlabel: What a difference means, with its unit.
    """
    lines = [line for title, rows in groups.items() for line in ((title, None), *rows.items())]
    ax = new_axes(None, figsize=(7.2, 0.9 + 0.33 * len(lines)))
    ax.axvline(0, color="#4D4D4D", linewidth=1)
    for y, (_, row) in enumerate(lines):
        if row:
            _difference(ax, y, *row)
    ax.set_yticks(range(len(lines)), [label for label, _ in lines])
    for label, (_, row) in zip(ax.get_yticklabels(), lines, strict=True):
        label.set(fontsize=12, fontweight="normal" if row else "bold")
    ax.set(xlabel=xlabel, ylim=(len(lines) - 0.5, -0.5))
    ax.tick_params(axis="y", length=0)
    ax.locator_params(axis="x", nbins=4)
    return ax


def _difference(
    ax: Axes, y: float, values: Sequence[float], low: float, high: float, too_small: float = 0
) -> None:
    """A dot for each seed, a bar for the interval, a stroke for the mean, a box for too small."""
    ax.barh(y, 2 * too_small, left=-too_small, height=0.5, color="#D9D9D9", zorder=0.5)
    if np.isfinite([low, high]).all():
        ax.plot([low, high], [y, y], color="#0072B2", linewidth=2, solid_capstyle="butt")
    ax.plot(values, [y] * len(values), "o", color="#0072B2")
    ax.plot(np.mean(values), y, "|", color="#0072B2", markersize=14, markeredgewidth=2)


def lie_heatmaps(
    losses: Mapping[str, ArrayLike], told: Sequence[int], what: str = "timestep"
) -> Figure:
    """Draw the loss of networks that are told something, as a multiple of that of the truth.

    Args:
        losses: For each network, shape (N, N): each row's loss divided by its diagonal entry.
        told: The N timesteps, or whatever else they are told.
        what: What that is.
    """
    powers = {label: np.log2(np.asarray(loss)) for label, loss in losses.items()}
    limit = max(0.1, *(np.abs(array).max() for array in powers.values()))
    figure, axes = plt.subplots(1, len(powers), figsize=(7.2, 3.9), sharey=True, squeeze=False)
    for ax, (label, array) in zip(axes[0], powers.items(), strict=True):
        image = ax.imshow(array, cmap=DIVERGING, vmin=-limit, vmax=limit)
        ax.set_xticks(range(len(told)), told, rotation=90)
        ax.set_yticks(range(len(told)), told)
        ax.set_title(label, fontsize=13)
        ax.set_xlabel(f"{what} told")
        ax.grid(False)
    axes[0, 0].set_ylabel(f"true {what}")
    bar = figure.colorbar(image, ax=axes, label="loss, times that of the truth", shrink=0.7)
    least = min(0, *(array.min() for array in powers.values()))
    if limit < 2:  # else powers of two stand more evenly
        ticks = MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(2**least, 2**limit)
        bar.set_ticks(np.log2(ticks[ticks > 0]))
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{2**value:.3g}")
    bar.ax.set_ylim(least, limit)  # of both colours, what there is
    return figure


def gains_by_size(
    gains: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike]],
    sizes: Sequence[int],
    *,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw what networks gain at each size of image: dots for seeds, bars for intervals.

    Args:
        gains: For each network, the gains of shape (seeds, S), and the low and the high end of the
            interval of their mean, each of shape (S,).
        sizes: The S sizes, pixels a side.
        ylabel: What a gain is, with its unit.
        ax: Where to draw; by default on a new figure.
    """
    ax = new_axes(ax, figsize=(7.2, 3.8))
    ax.axhline(0, color=GREY, linewidth=1)
    for number, (name, (values, low, high)) in enumerate(gains.items()):
        x = np.log2(sizes) + 0.12 * (number - (len(gains) - 1) / 2)  # side by side
        values, drawn = np.asarray(values), look(name, 1)
        ax.plot(x, values.mean(axis=0), label=name, **drawn)
        ax.vlines(x, low, high, color=drawn["color"], linewidth=2)
        ax.plot(x, values.T, "o", color=drawn["color"], markersize=2.5)
    ax.set_xticks(np.log2(sizes), [f"{size} × {size}" for size in sizes])
    ax.set(xlabel="pixels", ylabel=ylabel)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    ax.legend()
    return ax


def guidance_curves(
    scales: Sequence[float],
    values: Mapping[str, Mapping[str, ArrayLike]],
    real: Mapping[str, float],
) -> Figure:
    """Draw what becomes of images as they are guided more, a panel for each measure.

    Args:
        scales: The S guidance scales.
        values: For each way to sample, at most two, and each measure's label, shape (sets, S): a
            line of the means of the sets of images, with a bar for the interval of each.
        real: For each measure's label, that of real images: a dashed line. A measure that is
            spread over a factor of five or more has a logarithmic axis.
    """
    figure, axes = plt.subplots(1, len(real), figsize=(7.2, 2.9))
    for ax, label in zip(axes, real, strict=True):
        middles = []
        for (way, measures), colour, marker in zip(values.items(), (BLUE, ORANGE), "os"):  # noqa: B905
            means, lows, highs = _intervals(measures[label])
            middles += means.tolist()
            bars = [means - lows, highs - means]
            ax.errorbar(scales, means, bars, label=way, color=colour, marker=marker, markersize=4)
        ax.axhline(real[label], color=GREY, linestyle="--", label="real digits")
        ax.set_title(label, loc="left", fontsize=13)
        ax.set_xlabel("guidance scale s")
        if min(middles) > 0 and max(middles) > 5 * min(middles):
            log_axis(ax)
            ax.yaxis.get_major_locator().set_params(subs=(1, 3))  # three panels have less room
    real_digits, *ways = zip(*axes[0].get_legend_handles_labels(), strict=True)
    handles, labels = zip(*ways, real_digits, strict=True)
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _intervals(sets: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means of columns with the low and high ends of their intervals, three arrays."""
    rows = [mean_interval(column) for column in np.asarray(sets, dtype=float).T.tolist()]
    means, lows, highs = np.array(rows).T
    return means, lows, highs
