"""What training gave."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from condlesson.figures.style import DIVERGING, new_axes, seeds_and_mean

__all__ = ["differences", "lie_heatmap", "training_curves"]


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
    ax = new_axes(ax, figsize=(7.2, 0.9 + 0.55 * max(len(rows), 2)))
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
    ax = new_axes(ax, figsize=(5.6, 4.4))
    powers = np.log2(np.asarray(losses))
    limit = max(np.abs(powers).max(), 0.1)
    image = ax.imshow(powers, cmap=DIVERGING, vmin=-limit, vmax=limit)
    ax.set_xticks(range(len(timesteps)), timesteps, rotation=90)
    ax.set_yticks(range(len(timesteps)), timesteps)
    ax.set(xlabel="timestep told", ylabel="true timestep")
    ax.grid(False)
    bar = ax.figure.colorbar(image, ax=ax, label="loss, times that of the truth")
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{2**value:.3g}")
    return ax
