"""A second drawing of each figure, for narrow screens: panels below one another, less wide.

While the book is built, a figure is shown with this drawing in a comment at its end; the book's
extension `figures` makes a file of it. Letters keep their size, which a figure that is only shown
smaller would not.
"""

import base64
import os

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text

__all__ = ["VARIABLE", "show_both", "squeeze"]

VARIABLE = "CONDLESSON_BOOK"  # of the environment: set while the book is built
WIDTH, LEAST = 3.9, 6.0  # inches: of a narrow figure, and from which width on one is made narrow
MOST_PANELS = 3  # side by side, that are put below one another; more are small, and stay
LONG, SMALL = 12, 10  # letters of a label that takes too much of the width; points of small ones


def show_both() -> None:
    """Let this notebook show figures with their narrow drawing, if the book is being built."""
    from IPython import get_ipython

    if not os.environ.get(VARIABLE):
        return
    formatter = get_ipython().display_formatter.formatters["image/svg+xml"]
    draw = formatter.for_type(Figure)

    def both(figure: Figure) -> str:
        wide = draw(figure)
        if figure.get_figwidth() < LEAST:
            return wide
        squeeze(figure)
        narrow = base64.b64encode(draw(figure).encode()).decode()
        return wide.replace("</svg>", f"<!--narrow {narrow}--></svg>")

    formatter.for_type(Figure, both)


def squeeze(figure: Figure) -> None:
    """Make a figure narrow; it is changed.

    Args:
        figure: With panels in a grid, or with one.
    """
    for text in figure.findobj(Text):
        text.set_fontsize(max(text.get_fontsize(), SMALL))
    panels = [ax for ax in figure.axes if ax.get_subplotspec() is not None]
    columns = len({ax.get_subplotspec().colspan.start for ax in panels})
    width, height = figure.get_size_inches()
    if not any(ax.axison for ax in panels):  # drawings, each with its own words
        _place(figure, [ax for ax in panels if ax.patches], MOST_PANELS)
        figure.set_size_inches(WIDTH, height * 1.4)
    elif columns > MOST_PANELS:
        _smaller_letters(panels)
        figure.set_size_inches(WIDTH, height * WIDTH / width * 1.15)
    elif columns > 1:
        shown = [ax for ax in panels if ax.axison]
        _place(figure, shown, 1)
        is_square = any(ax.get_aspect() != "auto" for ax in shown)
        each = WIDTH * 0.8 if is_square else height * columns * 0.75 / len(shown)
        figure.set_size_inches(WIDTH, len(shown) * each)
    else:
        above = [_labels_above(ax) for ax in panels]
        figure.set_size_inches(WIDTH, height * (1.35 if any(above) else 1))


def _place(figure: Figure, panels: list[Axes], columns: int) -> None:
    """Put panels into a grid of so many columns, and take the others out."""
    grid = GridSpec(-(-len(panels) // columns), columns, figure=figure)
    for ax in [ax for ax in figure.axes if ax.get_subplotspec() is not None]:
        if ax in panels:
            number = panels.index(ax)
            ax.set_subplotspec(grid[number // columns, number % columns])
            is_last = number == len(panels) - 1
            ax.tick_params(labelleft=True, labelbottom=is_last or bool(ax.get_xlabel()))
        else:
            ax.remove()


def _smaller_letters(panels: list[Axes]) -> None:
    for ax in panels:
        for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
            text.set_fontsize(min(text.get_fontsize(), SMALL))


def _labels_above(ax: Axes) -> bool:
    """Put long words beside rows above them, so that the rows have the width; tell if so."""
    labels = [label.get_text() for label in ax.get_yticklabels()]
    if max(map(len, labels), default=0) < LONG:
        return False
    if ax.images:  # rows of images have no room between them
        ax.set_yticks(ax.get_yticks(), [label.replace("_", "\n") for label in labels])
        ax.tick_params(axis="y", labelsize=SMALL)
        return False
    for y, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True):
        ax.annotate(
            label.get_text(), (0, y), (0, 7), xycoords=("axes fraction", "data"), va="bottom",
            textcoords="offset points", fontsize=SMALL + 1, fontweight=label.get_fontweight(),
        )  # fmt: skip
    ax.set_yticks(ax.get_yticks(), [""] * len(labels))
    return True
