"""How often values occur."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from condlesson.figures.style import COLOURS, new_axes

__all__ = ["SNAKE"]


def SNAKE(values: ArrayLike, xlabel: str, *, ax: Axes | None = None) -> Axes:
    """Draw how often values occur.

    Args:
        values: Numbers, of any shape.
        xlabel: What they are, with their unit.
        ax: Where to draw; by default on a new figure.
    """
    ax = new_axes(ax)
    ax.hist(np.ravel(values), bins=16, color=COLOURS["sinusoidal"])
    ax.set(xlabel=xlabel, ylabel="how many")
    return ax
