"""Images, as the network sees and makes them."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

__all__ = ["digits", "samples"]


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
        ax.imshow(images[j, k], cmap="gray", vmin=-1, vmax=1, interpolation="none")
        ax.set(xticks=[], yticks=[])
        ax.grid(False)
        if j == 0:
            ax.set_title(columns[k], fontsize=10)
        if k == 0:
            ax.set_ylabel(rows[j])
    return figure
