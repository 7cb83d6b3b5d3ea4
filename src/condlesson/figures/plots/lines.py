"""Lines and dots over a common axis."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from condlesson.figures.style import COLOURS, LINES, log_axis, look, new_axes, seeds_and_mean

__all__ = ["bands", "curve_grid", "curve_panels", "curves", "dots", "guesses"]


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
    ax = new_axes(ax)
    for number, (label, y) in enumerate(ys.items()):
        plain = {"linestyle": LINES[number % len(LINES)]}
        ax.plot(x, np.asarray(y), label=label, **(look(label, len(np.asarray(y))) or plain))
    for label, y in (dots or {}).items():
        ax.plot(x, np.asarray(y), "o", label=label, color="#C05200", markersize=4)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if log:
        log_axis(ax)
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
            seeds_and_mean(ax, x, values, variant)
        ax.set_ylabel(ylabel)
        ax.set_title(label, loc="left", fontsize=13)
        if log:
            log_axis(ax)
        ax.legend()
    axes[-1, 0].set_xlabel(xlabel)
    axes[-1, 0].xaxis.get_major_locator().set_params(integer=True)
    return figure


def curve_grid(
    panels: Mapping[str, Mapping[str, ArrayLike]], x: ArrayLike, *, xlabel: str, ylabel: str
) -> Figure:
    """Draw panels two in a row that share their axes, with the same lines in each.

    Args:
        panels: For each panel's label, for each line's label, shape (N,).
        x: Shape (N,).
        xlabel: Label of x, with its unit.
        ylabel: Label of y, with its unit.
    """
    rows = -(-len(panels) // 2)
    figure, axes = plt.subplots(
        rows, 2, figsize=(7.2, 2.3 * rows + 0.6), sharex=True, sharey=True, squeeze=False
    )
    for ax, (label, lines) in zip(axes.flat, panels.items(), strict=False):
        for (name, y), style in zip(lines.items(), LINES, strict=False):
            ax.plot(x, np.asarray(y), linestyle=style, label=name)
        ax.set_title(label, loc="left", fontsize=13)
    _label_grid(figure, xlabel, ylabel)
    return figure


def dots(
    points: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    xlabel: str,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw points, a colour and a marker for each label.

    Args:
        points: For each of at most four labels, x and y, each of shape (N,).
        xlabel: Label of x, with its unit.
        ylabel: Label of y, with its unit.
        ax: Where to draw; by default on a new figure.
    """
    ax = new_axes(ax, figsize=(7.2, 3.8))
    for (label, (x, y)), marker in zip(points.items(), "osD^", strict=False):
        ax.plot(np.asarray(x), np.asarray(y), marker, label=label, markersize=6)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend()
    return ax


def guesses(guessed: ArrayLike, t: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw guesses of the timestep against the true one, with the line on which they agree.

    Args:
        guessed: Shape (N,).
        t: The true timesteps, shape (N,).
        ax: Where to draw; by default on a new figure.
    """
    ax = new_axes(ax, figsize=(5.6, 4.4))
    ax.plot(t, np.asarray(guessed), ".", color=COLOURS["sinusoidal"], markersize=3)
    ax.plot([0, 1000], [0, 1000], color="#4D4D4D", linewidth=1)
    ax.set(xlabel="true timestep t", ylabel="guessed timestep", aspect="equal")
    return ax


def bands(
    values: Mapping[str, Mapping[str, ArrayLike]], x: ArrayLike, *, xlabel: str, ylabel: str
) -> Figure:
    """Draw in a grid of panels where most of some values lie: the middle 80%, and the median.

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
        ax.set_title(label, loc="left", fontsize=13)
    _label_grid(figure, xlabel, ylabel)
    return figure


def _label_grid(figure: Figure, xlabel: str, ylabel: str) -> None:
    """Name the axes that all panels share, and in one row above them the lines of the first."""
    figure.supxlabel(xlabel, fontsize=13)
    figure.supylabel(ylabel, fontsize=13)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
