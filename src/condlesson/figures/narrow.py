"""A second drawing of each figure, for narrow screens: panels below one another, less wide.

While the book is built, a figure is shown with this drawing in a comment at its end; the book's
extension `figures` makes a file of it. Letters keep their size, which a figure that is only shown
smaller would not.
"""

import base64
import os

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.text import Text

__all__ = ["VARIABLE", "show_both", "squeeze"]

VARIABLE = "CONDLESSON_BOOK"  # of the environment: set while the book is built
WIDTH, LEAST = 3.9, 6.0  # inches: of a narrow figure, and from which width on one is made narrow
MOST_PANELS = 3  # side by side, that are put below one another; more are small
LONG, SMALL = 12, 10  # letters of a label that takes too much of the width; points of small ones
MOST_LINES = 2  # of a legend that has room among what is drawn


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
    elif columns > MOST_PANELS and len(panels) == columns:  # one row, of which two are made
        _smaller_letters(panels)
        half = -(-columns // 2)
        _place(figure, panels, half)
        figure.set_size_inches(WIDTH, 2 * (WIDTH / half + 0.2))
    elif columns > MOST_PANELS:
        _smaller_letters(panels)
        figure.set_size_inches(WIDTH, height * WIDTH / width * 1.15)
    elif columns > 1:
        shown = [ax for ax in panels if ax.axison]
        _place(figure, shown, 1)
        is_square = any(ax.get_aspect() != "auto" for ax in shown)
        each = WIDTH * 0.8 if is_square else height * columns * 0.75 / len(shown)
        figure.set_size_inches(WIDTH, len(shown) * each)
    elif len(panels) == 1 and panels[0].images and not panels[0].get_xlabel():
        _wrap(panels[0])
        figure.set_size_inches(WIDTH, height * 2)
    else:
        above = [_labels_above(ax) for ax in panels]
        lines = sum(_legend_above(ax) for ax in panels)
        figure.set_size_inches(WIDTH, height * (1.35 if any(above) else 1) + 0.2 * lines)


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
    for y, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True):
        ax.annotate(
            label.get_text(), (0, y), (0, 7), xycoords=("axes fraction", "data"), va="bottom",
            textcoords="offset points", fontsize=SMALL + 1, fontweight=label.get_fontweight(),
        )  # fmt: skip
    ax.set_yticks(ax.get_yticks(), [""] * len(labels))
    return True


def _legend_above(ax: Axes) -> int:
    """Put a long legend above the panel, and turn numbers of bars beside each other; its lines."""
    handles, labels = ax.get_legend_handles_labels()
    if len(labels) <= MOST_LINES or ax.get_legend() is None:
        return 0
    above = 1.12 if ax.get_title(loc="left") or ax.containers else 1.03
    ax.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0, above), ncols=2, fontsize=SMALL,
        borderaxespad=0, handlelength=1.6, columnspacing=1,
    )  # fmt: skip
    for number in ax.texts if ax.containers else ():
        number.set_rotation(90)
    return -(-len(labels) // 2)


def _wrap(ax: Axes) -> None:
    """Break each row of pictures into two, so that they are larger."""
    [image], names = ax.images, [label.get_text() for label in ax.get_yticklabels()]
    pixels = image.get_array()
    rows = pixels.reshape(len(names), -1, pixels.shape[1])
    if rows.shape[2] // rows.shape[1] % 2 == 0:
        rows = np.concatenate(np.split(rows, 2, axis=2), axis=1)
    height, width = rows.shape[1:]
    bottom, right = len(names) * height - 0.5, width - 0.5
    image.set_data(rows.reshape(-1, width))
    image.set_extent((-0.5, right, bottom, -0.5))
    for lines in list(ax.collections):
        lines.remove()
    edges = [height * k - 0.5 for k in range(len(names))]
    ax.hlines(edges[1:], -0.5, right, color="white", linewidth=4)
    labels = [name.replace("_", "\n") for name in names]
    ax.set_yticks([edge + height / 2 for edge in edges], labels, fontsize=SMALL)
    ax.set(xlim=(-0.5, right), ylim=(bottom, -0.5))
