"""Figures of what training gave, and lines and dots over a common axis."""

import numpy as np
import pytest

from condlesson.experiment.intervals import mean_interval
from condlesson.figures import plots


def test_training_curves_show_seeds_and_their_mean():
    ax = plots.training_curves({"none": [[3.0, 1.0], [5.0, 3.0]]}, ylabel="loss", log=True)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [4.0, 2.0])
    assert len(ax.lines) == 3
    assert ax.get_yscale() == "log"


def test_a_run_of_yours_is_told_from_the_network_that_it_lies_beside():
    ax = plots.training_curves({"sinusoidal": [[3.0, 1.0]], "yours": [[4.0, 2.0]]}, ylabel="loss")
    theirs, yours = ax.lines
    assert yours.get_color() != theirs.get_color()
    assert yours.get_linestyle() != theirs.get_linestyle()


def test_differences_show_dots_and_intervals():
    ax = plots.differences({"b − a": ([0.1, 0.3], 0.05, 0.35)}, xlabel="d")
    zero, bar, dots, mean = ax.lines
    assert mean.get_xdata() == pytest.approx([0.2])
    assert list(bar.get_xdata()) == [0.05, 0.35]
    assert list(dots.get_xdata()) == [0.1, 0.3]
    assert set(zero.get_xdata()) == {0}


def test_lie_heatmaps_are_logarithmic_about_the_truth_on_one_scale():
    lies = {"a": np.array([[1.0, 4.0], [2.0, 1.0]]), "b": np.array([[1.0, 8.0], [1.0, 1.0]])}
    figure = plots.lie_heatmaps(lies, [50, 950])
    one, other, bar = figure.axes
    np.testing.assert_allclose(one.get_images()[0].get_array(), [[0, 2], [1, 0]])
    assert {ax.get_images()[0].get_clim() for ax in (one, other)} == {(-3, 3)}
    assert [ax.get_title() for ax in (one, other)] == ["a", "b"]
    figure.canvas.draw()
    assert "4" in [tick.get_text() for tick in bar.get_yticklabels()]
    assert bar.get_ylim() == (0, 3)


def test_the_bar_of_small_lies_has_round_numbers_and_no_colour_that_none_has():
    figure = plots.lie_heatmaps({"a": np.array([[1.0, 1.3], [0.9, 1.0]])}, [3, 8], "class")
    one, bar = figure.axes
    assert (one.get_xlabel(), one.get_ylabel()) == ("class told", "true class")
    assert bar.get_ylim() == pytest.approx(np.log2([0.9, 1.3]))
    np.testing.assert_allclose(2 ** bar.get_yticks(), [0.9, 1, 1.1, 1.2, 1.3])


def test_guidance_curves_have_a_panel_for_each_measure_with_intervals_and_real_images():
    one = {"a": np.array([[1.0, 3.0], [2.0, 4.0]]), "b": np.array([[5.0, 5.0], [5.0, 5.0]])}
    other = {"a": np.array([[2.0, 2.0], [2.0, 2.0]]), "b": np.array([[5.0, 60.0], [5.0, 70.0]])}
    ways = {"kept": one, "anew": other}
    figure = plots.guidance_curves([1, 2], ways, {"a": 2.5, "b": 6.0})
    first, second = figure.axes
    assert [ax.get_title("left") for ax in figure.axes] == ["a", "b"]
    kept, anew = first.containers
    assert kept.lines[0].get_ydata().tolist() == [1.5, 3.5]
    assert anew.lines[0].get_ydata().tolist() == [2.0, 2.0]
    _, low, high = mean_interval([1.0, 2.0])
    [bars] = kept.lines[2]
    np.testing.assert_allclose(bars.get_segments()[0][:, 1], [low, high])
    assert set(first.get_lines()[-1].get_ydata()) == {2.5}
    assert (first.get_yscale(), second.get_yscale()) == ("linear", "log")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["kept", "anew", "real digits"]


def test_gains_stand_side_by_side_with_their_intervals():
    gains = {"gn_additive": ([[0.1, 0.2], [0.3, 0.2]], [0.0, 0.1], [0.4, 0.3])}
    gains["adagn"] = gains["gn_additive"]
    ax = plots.gains_by_size(gains, [4, 8], ylabel="gain")
    assert [text.get_text() for text in ax.get_xticklabels()] == ["4 × 4", "8 × 8"]
    means = [line for line in ax.lines if line.get_label() in gains]
    for line, bars in zip(means, ax.collections, strict=True):
        np.testing.assert_allclose(line.get_ydata(), [0.2, 0.2])
        np.testing.assert_allclose([s[:, 1] for s in bars.get_segments()], [[0, 0.4], [0.1, 0.3]])
    assert np.abs(np.subtract(*(line.get_xdata() for line in means))).min() > 0.1
    assert ax.yaxis.get_major_formatter()(0.25) == "25%"


def test_a_grid_of_curves_has_one_legend():
    panels = {name: {"a": [1, 2], "b": [2, 3]} for name in ("one", "two", "three")}
    figure = plots.curve_grid(panels, [0, 1], xlabel="x", ylabel="y")
    assert [ax.get_title(loc="left") for ax in figure.axes[:3]] == list(panels)
    assert [len(ax.lines) for ax in figure.axes[:3]] == [2, 2, 2]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]


def test_dots_have_a_marker_for_each_label():
    ax = plots.dots({"a": ([1, 2], [3, 4]), "b": ([1, 2], [5, 6])}, xlabel="x", ylabel="y")
    assert len({line.get_marker() for line in ax.lines}) == 2
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [5, 6])
    assert {line.get_linestyle() for line in ax.lines} == {"None"}


def test_a_forest_has_a_row_for_each_comparison_under_its_title():
    rows = {"one − other": ([-3.0, -1.0], -4.0, 0.5, 1.5)}
    ax = plots.forest({"Why?": rows, "And?": rows}, xlabel="x")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Why?", *rows, "And?", *rows]
    assert [label.get_fontweight() for label in ax.get_yticklabels()] == ["bold", "normal"] * 2
    box = ax.patches[0]
    assert (box.get_x(), box.get_width()) == (-1.5, 3)
    _, interval, dots, mean = ax.lines[:4]
    np.testing.assert_array_equal(interval.get_xdata(), [-4, 0.5])
    np.testing.assert_array_equal(dots.get_xdata(), [-3, -1])
    assert mean.get_xdata() == [-2]
