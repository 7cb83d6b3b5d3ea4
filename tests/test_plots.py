import base64
import re
import struct

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from condlesson import VARIANTS, plots


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_embedding_heatmap_has_a_pixel_for_every_value_and_a_fixed_scale():
    values = np.random.default_rng(0).uniform(-0.5, 0.5, (1000, 16))
    ax = plots.embedding_heatmap(values, np.arange(1000))
    image = ax.get_images()[0]
    np.testing.assert_array_equal(image.get_array(), values.T)
    assert image.get_clim() == (-1, 1)
    assert ax.get_xlabel() == "timestep t"


def test_embedding_heatmap_is_smooth_and_finer_than_its_values(tmp_path):
    plots.embedding_heatmap(np.zeros((1000, 256)), np.arange(1000)).figure.savefig(
        tmp_path / "heatmap.svg"
    )
    markup = (tmp_path / "heatmap.svg").read_text()
    assert "pixelated" not in markup  # a browser would pick single pixels: moire
    image = re.search(r'data:image/png;base64,([\w+/=\s]+)"', markup).group(1)
    width, height = struct.unpack(">II", base64.b64decode(image)[16:24])
    assert width > 1000
    assert height > 256


def test_few_timesteps_are_repeated_to_sharp_edges():
    values = np.arange(22.0).reshape(11, 2) / 22
    array = plots.embedding_heatmap(values, np.arange(495, 506)).get_images()[0].get_array()
    assert array.shape[1] >= 900
    np.testing.assert_array_equal(array[:, :: array.shape[1] // 11], values.T)


def test_similarity_matrices_share_one_colour_scale():
    a, b = np.full((4, 4), 0.5), np.full((4, 4), -0.3)
    figure = plots.similarity_matrices({"a": a, "b": b}, np.arange(0, 40, 10))
    limits = {ax.get_images()[0].get_clim() for ax in figure.axes if ax.get_images()}
    assert limits == {(-0.3, 1.0)}


def test_one_similarity_matrix_can_be_drawn():
    figure = plots.similarity_matrices({"a": np.eye(3)}, np.arange(3))
    assert len(figure.axes[0].get_images()) == 1


def test_modulation_heatmaps_share_one_symmetric_scale():
    figure = plots.modulation_heatmaps(np.full((2, 3), 0.1), np.full((2, 3), -0.4), [0, 999])
    limits = [ax.get_images()[0].get_clim() for ax in figure.axes[:2]]
    assert limits == [(-0.4, 0.4), (-0.4, 0.4)]


def test_modulation_lines_draw_each_channel():
    figure = plots.modulation_lines(np.zeros((5, 7)), np.ones((5, 7)), np.arange(5))
    assert [len(ax.lines) for ax in figure.axes] == [7, 7]


def test_dials_point_where_the_angles_say():
    figure = plots.dials(np.array([[0.5, 1.0]]), [6.283, 58470.0], [3])
    assert figure.axes[0].texts[0].xy == (0.5, 0.95)
    assert [ax.get_title() for ax in figure.axes] == ["period\n6.28", "period\n58,470"]


def test_curves_draw_lines_and_dots():
    ax = plots.curves(
        np.arange(3), {"a": [1, 2, 3]}, xlabel="x", ylabel="y", dots={"b": [np.nan, 2, np.nan]}
    )
    assert [line.get_label() for line in ax.lines] == ["a", "b"]
    assert ax.get_legend() is not None
    alone = plots.curves(
        np.arange(3), {"a": [1, 2, 3]}, xlabel="x", ylabel="y", ax=plt.subplots()[1]
    )
    assert alone.get_legend() is None


def test_shares_are_labelled_bars():
    ax = plots.shares({1: 0.0, 2: 0.5})
    assert [bar.get_height() for bar in ax.patches] == [0.0, 0.5]
    assert [text.get_text() for text in ax.texts] == ["0%", "50%"]


def test_training_curves_show_seeds_and_their_mean():
    ax = plots.training_curves({"none": [[3.0, 1.0], [5.0, 3.0]]}, ylabel="loss", log=True)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [4.0, 2.0])
    assert len(ax.lines) == 3
    assert ax.get_yscale() == "log"


def test_differences_show_dots_and_intervals():
    ax = plots.differences({"b − a": ([0.1, 0.3], 0.05, 0.35)}, xlabel="d")
    zero, bar, dots = ax.lines
    assert list(bar.get_xdata()) == [0.05, 0.35]
    assert list(dots.get_xdata()) == [0.1, 0.3]
    assert set(zero.get_xdata()) == {0}


def test_lie_heatmap_is_logarithmic_about_the_truth():
    ax = plots.lie_heatmap(np.array([[1.0, 4.0], [2.0, 1.0]]), [50, 950])
    np.testing.assert_allclose(ax.get_images()[0].get_array(), [[0, 2], [1, 0]])
    assert ax.get_images()[0].get_clim() == (-2, 2)
    ax.figure.canvas.draw()
    assert "4" in [tick.get_text() for tick in ax.figure.axes[1].get_yticklabels()]


def test_digits_are_a_labelled_grid():
    figure = plots.digits(np.zeros((2, 3, 4, 4)), columns=["a", "b", "c"], rows=["x", "y"])
    assert [ax.get_title() for ax in figure.axes[:3]] == ["a", "b", "c"]
    assert figure.axes[3].get_ylabel() == "y"
    assert all(ax.get_images()[0].get_clim() == (-1, 1) for ax in figure.axes)


def test_style_is_the_books():
    assert mpl.rcParams["axes.spines.top"] is False


def test_spatial_path_draws_boxes_and_skips():
    ax = plots.spatial_path(["a", "b", "c"], [1, 4, 2], [28, 7, 28], skips=[(0, 2)])
    boxes = [(patch.get_width(), patch.get_height()) for patch in ax.patches[:3]]
    assert boxes == [(1, 28), (4, 7), (2, 28)]
    assert sum("channels" in text.get_text() for text in ax.texts) == 3


def test_a_variant_has_the_same_colour_in_every_figure():
    ax = plots.curves([0, 1], {"adagn": [1, 2]}, xlabel="x", ylabel="y")
    other = plots.training_curves({"adagn": [[1.0, 2.0]]}, ylabel="loss")
    assert ax.lines[0].get_color() == other.lines[0].get_color() == plots.COLOURS["adagn"]


def test_every_variant_has_a_look_of_its_own():
    looks = [(plots.COLOURS[name], plots.MARKERS[name]) for name in VARIANTS]
    assert len(set(looks)) == len(looks)
    assert set(plots.COLOURS) == set(plots.MARKERS) == set(VARIANTS)
