"""The drawing of a figure for narrow screens: less wide, and nothing lost."""

import base64
import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")


from condlesson.figures import narrow, plots

LEAST = 9  # points of a letter


def letters(figure):
    figure.canvas.draw()
    texts = figure.findobj(mpl.text.Text)
    return sorted(t.get_text() for t in texts if t.get_visible() and t.get_text().strip())


def pixels(figure):
    return [np.unique(image.get_array()) for image in figure.findobj(mpl.image.AxesImage)]


FIGURES = {
    "one panel": lambda: plots.curves([0, 1], {"a": [0, 1]}, xlabel="x", ylabel="y").figure,
    "two panels": lambda: plots.similarity_matrices({"a": np.eye(3), "b": np.eye(3)}, [0, 1, 2]),
    "six panels": lambda: plots.bands(
        {name: {"after": np.ones((2, 5))} for name in "abcdef"}, [0, 1], xlabel="x", ylabel="y"
    ),
    "many small ones": lambda: plots.digits(
        np.zeros((2, 7, 4, 4)), columns=list("abcdefg"), rows=["r", "s"]
    ),
    "one row": lambda: plots.digits(
        np.zeros((1, 7, 4, 4)), columns=[f"told {k}" for k in range(7)]
    ),
    "rows of pictures": lambda: plots.samples({"a name": np.ones((10, 4, 4))}),
    "a long legend": lambda: plots.curve_panels(
        {"a title": {f"line {k}": [0, 1] for k in range(6)}}, [0, 1], xlabel="x", ylabel="y"
    ),
    "two heatmaps": lambda: plots.modulation_heatmaps(
        np.arange(160.0).reshape(5, 32), -np.arange(160.0).reshape(5, 32), [0, 250, 500, 750, 999]
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


@pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES)
def test_no_pixel_is_lost_or_cut_off(draw):
    before = pixels(draw())
    figure = draw()
    narrow.squeeze(figure)
    for values, image in zip(before, figure.findobj(mpl.image.AxesImage), strict=True):
        np.testing.assert_array_equal(np.unique(image.get_array()), values)
        left, right, bottom, top = image.get_extent()
        across, up = sorted(image.axes.get_xlim()), sorted(image.axes.get_ylim())
        assert across[0] <= left < right <= across[1]
        assert up[0] <= top < bottom <= up[1]


def test_panels_side_by_side_come_to_stand_below_one_another():
    figure = FIGURES["two panels"]()
    narrow.squeeze(figure)
    figure.canvas.draw()
    above, below = (ax.get_position() for ax in figure.axes[:2])
    assert above.y0 > below.y1
    assert above.x0 == pytest.approx(below.x0)


def test_one_row_becomes_two():
    figure = FIGURES["one row"]()
    narrow.squeeze(figure)
    figure.canvas.draw()
    boxes = [ax.get_position() for ax in figure.axes]
    assert boxes[3].y0 > boxes[4].y1
    assert boxes[4].x0 == pytest.approx(boxes[0].x0)


def test_a_long_legend_stands_above_what_is_drawn():
    figure = FIGURES["a long legend"]()
    narrow.squeeze(figure)
    figure.canvas.draw()
    [ax] = figure.axes
    assert ax.get_legend().get_window_extent().y0 > ax.title.get_window_extent().y1
    assert ax.get_legend().get_window_extent().x1 < figure.bbox.x1


def test_rows_of_pictures_are_broken_into_two():
    pictures = np.arange(10)[:, None, None] * np.ones((10, 4, 4))
    figure = plots.samples({"a": pictures, "b": pictures + 10})
    narrow.squeeze(figure)
    [image] = figure.axes[0].images
    shown = np.asarray(image.get_array())[::4, ::4]
    assert shown.tolist() == np.arange(20).reshape(4, 5).tolist()
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["a", "b"]


def test_an_odd_number_of_pictures_stays_in_one_row():
    figure = plots.samples({"a": np.ones((3, 4, 4))}, columns=3)
    narrow.squeeze(figure)
    assert figure.axes[0].images[0].get_array().shape == (4, 12)


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
