"""The drawing of a figure for narrow screens: less wide, and nothing lost."""

import base64
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from condlesson.figures import narrow, plots

LEAST = 9  # points of a letter


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def letters(figure):
    figure.canvas.draw()
    texts = figure.findobj(mpl.text.Text)
    return sorted(t.get_text() for t in texts if t.get_visible() and t.get_text().strip())


FIGURES = {
    "one panel": lambda: plots.curves([0, 1], {"a": [0, 1]}, xlabel="x", ylabel="y").figure,
    "two panels": lambda: plots.similarity_matrices({"a": np.eye(3), "b": np.eye(3)}, [0, 1, 2]),
    "six panels": lambda: plots.bands(
        {name: {"after": np.ones((2, 5))} for name in "abcdef"}, [0, 1], xlabel="x", ylabel="y"
    ),
    "many small ones": lambda: plots.digits(
        np.zeros((2, 7, 4, 4)), columns=list("abcdefg"), rows=["r", "s"]
    ),
    "long labels": lambda: (
        plots.differences({"a long label − another": ([0, 1], -1, 2)}, xlabel="x").figure
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_a_squeezed_figure_is_narrow_and_keeps_its_words(draw):
    figure = draw()
    panels = len(figure.axes)
    named = {t for t in letters(figure) if not re.fullmatch(r"[\d.−]+", t)}
    narrow.squeeze(figure)
    assert figure.get_figwidth() == narrow.WIDTH
    assert len(figure.axes) == panels
    assert named <= set(letters(figure))
    shown = [t for t in figure.findobj(mpl.text.Text) if t.get_visible() and t.get_text().strip()]
    assert min(t.get_fontsize() for t in shown) >= LEAST


def test_panels_side_by_side_come_to_stand_below_one_another():
    figure = FIGURES["two panels"]()
    narrow.squeeze(figure)
    figure.canvas.draw()
    above, below = (ax.get_position() for ax in figure.axes[:2])
    assert above.y0 > below.y1
    assert above.x0 == pytest.approx(below.x0)


def test_a_notebook_of_the_book_shows_both(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.pylabtools import select_figure_formats

    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    select_figure_formats(shell, {"svg"})
    show = shell.display_formatter.formatters["image/svg+xml"]
    figure = FIGURES["one panel"]()
    narrow.show_both()
    assert "<!--narrow" not in show(figure)
    monkeypatch.setenv(narrow.VARIABLE, "1")
    narrow.show_both()
    text = show(figure)
    ElementTree.fromstring(text.partition("<svg")[1] + text.partition("<svg")[2])
    [packed] = re.findall(r"<!--narrow ([\w+/=]+)-->", text)
    second = base64.b64decode(packed).decode()
    wide, small = (float(re.search(r'width="([\d.]+)pt"', svg)[1]) for svg in (text, second))
    assert small < wide - 100
