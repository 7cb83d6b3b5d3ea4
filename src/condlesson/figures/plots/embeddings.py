"""What embeddings look like."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from condlesson.figures.style import DIVERGING, SEQUENTIAL, new_axes

__all__ = ["dials", "embedding_heatmap", "similarity_matrices"]


def embedding_heatmap(embeddings: ArrayLike, t: ArrayLike, *, ax: Axes | None = None) -> Axes:
    """Draw embeddings as an image: timesteps from left to right, dimensions from top to bottom.

    The image holds at least one pixel for each value and is scaled smoothly where it is shown, so
    that no moire appears; few timesteps are repeated, so that they have sharp edges.

    Args:
        embeddings: Shape (N, D), values in [-1, 1].
        t: The N timesteps, evenly spaced.
        ax: Where to draw; by default on a new figure.
    """
    ax = new_axes(ax, figsize=(7.2, 5.6))
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
        ax.set_title(label, fontsize=13)
        ax.set_xlabel("timestep")
        ax.grid(False)
    axes[0, 0].set_ylabel("timestep")
    figure.colorbar(image, ax=axes, label="cosine similarity", shrink=0.8)
    return figure
