"""The look of the book's figures: its colours, the looks of the variants, and what plots share."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import ArrayLike

from condlesson.figures.narrow import show_both
from condlesson.networks import NETWORKS

__all__ = [
    "BETA",
    "COLOURS",
    "DIVERGING",
    "GAMMA",
    "LINES",
    "LOOKS",
    "SEQUENTIAL",
    "log_axis",
    "look",
    "new_axes",
    "seeds_and_mean",
    "use_style",
]

DIVERGING = "RdBu_r"
GAMMA, BETA = "#0072B2", "#C05200"  # the same in the pages' formulas, see lesson.css
SEQUENTIAL = "viridis"
LOOKS = {name: network.look for name, network in NETWORKS.items()}
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
        show_both()


def new_axes(ax: Axes | None, **options: object) -> Axes:
    """The axes to draw on; by default those of a new figure."""
    return plt.subplots(**options)[1] if ax is None else ax


def log_axis(ax: Axes) -> None:
    """Make the axis of y logarithmic, with numbers such as 0.06 and not as powers of ten."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 4, 6)))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}")


def look(variant: str, length: int) -> dict:
    """How the line of a variant is drawn, with ten markers or so; empty for other labels."""
    if variant not in LOOKS:
        return {}
    names = ("color", "marker", "linestyle")
    return dict(zip(names, LOOKS[variant], strict=True), markevery=max(1, length // 10))


def seeds_and_mean(ax: Axes, x: ArrayLike, values: ArrayLike, variant: str) -> None:
    """Draw the mean over seeds, and each seed as a thin line if there are several."""
    values = np.atleast_2d(np.asarray(values))
    own = look(variant, values.shape[1]) or {"color": _free_colour(ax), "linestyle": "--"}
    [line] = ax.plot(x, values.mean(axis=0), label=variant, **own)
    if len(values) > 1:
        thin = {"linewidth": 0.5, "linestyle": "-"}  # pale lines would be hard to see
        ax.plot(x, values.T, color=line.get_color(), **thin)


def _free_colour(ax: Axes) -> str:
    """The first colour of the style that no line of these axes has; one of it if all are taken."""
    taken = {to_hex(line.get_color()) for line in ax.lines}
    colours = [to_hex(colour) for colour in plt.rcParams["axes.prop_cycle"].by_key()["color"]]
    return next((colour for colour in colours if colour not in taken), colours[-1])
