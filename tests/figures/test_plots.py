import base64
import itertools
import re
import struct

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import matplotlib.pyplot as plt

from condlesson import VARIANTS
from condlesson.figures import plots
from condlesson.networks import DESIGNS


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


def test_modulation_lines_draw_each_channel_and_one_boldly():
    gamma = np.zeros((5, 7))
    gamma[:, 3] = np.arange(5)  # it moves most
    figure = plots.modulation_lines(gamma, np.ones((5, 7)), np.arange(5))
    assert [len(ax.lines) for ax in figure.axes] == [7 + 1, 7 + 1]
    bold = figure.axes[0].lines[-1]
    np.testing.assert_array_equal(bold.get_ydata(), gamma[:, 3])
    assert bold.get_linewidth() > figure.axes[0].lines[0].get_linewidth()


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


def test_steps_of_adagn_are_what_the_layer_computes():
    h = np.random.default_rng(0).normal(size=(2, 3, 3))
    figure = plots.adagn_steps(h, 2 * h, [[9, 1.0]], [[9, -0.5]], [50], channel=1)
    images = [ax.get_images()[0].get_array() for ax in figure.axes]
    after = 2 * 2 * h[1] - 0.5
    for image, expected in zip(
        images, (h[1], 2 * h[1], 4 * h[1], after, np.maximum(after, 0)), strict=True
    ):
        np.testing.assert_allclose(image, expected)
    assert [figure.axes[k].get_xlabel() for k in (2, 3)] == ["× 2.00", "−0.50"]


def test_small_unets_mark_where_the_time_enters():
    figure = plots.small_unets(DESIGNS)
    drawn = {ax.get_title().replace("\n", "_"): [t.get_text() for t in ax.texts]
             for ax in figure.axes if ax.patches}  # fmt: skip
    assert set(drawn) == set(DESIGNS)
    assert drawn["none"] == ["not told"]
    assert drawn["simple"] == ["+½", "t / T"]
    assert drawn["sinusoidal"] == ["+", "sinusoid"]
    assert drawn["gn_additive"].count("+") == 6
    assert (drawn["adagn"].count("+"), drawn["adagn"].count("×")) == (6, 6)


def test_two_messages_meet_and_reach_every_block():
    [ax] = plots.two_messages(500, 7).axes
    texts = [text.get_text() for text in ax.texts]
    assert texts[-5:] == ["t = 500", "MLP", "class 7", "row 7", "+"]
    assert (texts.count("×"), texts.count("+")) == (6, 6 + 1)
    joined, *branches, time, label = (line.get_xdata() for line in ax.lines)
    assert [x[0] for x in branches] == list(range(6))
    assert time[-1] == label[-1] == joined[0]


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


# --- what the lines of variants look like -------------------------------------------------------

FAMILIES = [
    ("none", "simple", "simple_matched", "sinusoidal", "sinusoidal_matched", "fourier"),
    ("gn_none", "gn_bottleneck", "gn_additive", "adagn"),
    ("none", "simple", "sinusoidal", "adagn"),
]
# Linear RGB as people without one kind of cone see it; Machado, Oliveira and Fernandes 2009, table
# of severity 1.0.
SEEN_AS = {
    "all cones": np.eye(3),
    "no long cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no middle cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no short cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)  # of sRGB, IEC 61966-2-1


def linear(colour):
    rgb = np.array(mpl.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIE L*a*b* of linear RGB."""
    x, y, z = np.cbrt(np.clip(TO_XYZ @ rgb, 0, 1) / TO_XYZ.sum(axis=1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_every_variant_has_a_look_of_its_own():
    assert len({plots.LOOKS[v] for v in VARIANTS}) == len(VARIANTS)
    assert {v for family in FAMILIES for v in family} == set(VARIANTS)


@pytest.mark.parametrize("family", FAMILIES)
def test_markers_tell_a_family_apart_without_colour(family):
    assert len({plots.LOOKS[variant][1] for variant in family}) == len(family)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("eyes", SEEN_AS)
def test_colours_of_a_family_differ_to_all_eyes_or_else_the_lines_do(family, eyes):
    for one, other in itertools.combinations(family, 2):
        (colour, _, line), (other_colour, _, other_line) = plots.LOOKS[one], plots.LOOKS[other]
        if colour == other_colour:
            assert line != other_line
            continue
        seen = [lab(np.asarray(SEEN_AS[eyes]) @ linear(c)) for c in (colour, other_colour)]
        assert np.linalg.norm(seen[0] - seen[1]) > 15 or line != other_line, (one, other)


@pytest.mark.parametrize("variant", VARIANTS)
def test_colours_stand_out_on_white(variant):
    luminance = TO_XYZ[1] @ linear(plots.LOOKS[variant][0])
    assert 1.05 / (luminance + 0.05) >= 4.5  # as WCAG 2.2 asks of text


def test_a_variant_looks_the_same_in_every_figure():
    ax = plots.curves([0, 1], {"adagn": [1, 2]}, xlabel="x", ylabel="y")
    other = plots.training_curves({"adagn": [[1.0, 2.0]]}, ylabel="loss")
    panels = plots.curve_panels({"p": {"adagn": [1, 2]}}, [0, 1], xlabel="x", ylabel="y")
    for lines in (ax.lines, other.lines, panels.axes[0].lines):
        look = (lines[0].get_color(), lines[0].get_marker(), lines[0].get_linestyle())
        assert look == plots.LOOKS["adagn"]


def test_lines_of_no_variant_differ_in_more_than_colour():
    ax = plots.curves([0, 1], {"a": [1, 2], "b": [2, 3]}, xlabel="x", ylabel="y", log=True)
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    assert ax.get_yscale() == "log"


def test_long_lines_have_few_markers():
    ax = plots.curves(np.arange(1000), {"adagn": np.arange(1000)}, xlabel="x", ylabel="y")
    assert ax.lines[0].get_markevery() == 100


# --- several panels -----------------------------------------------------------------------------


def test_panels_share_axes_and_show_means_and_seeds():
    lines = {"none": [[3.0, 1.0], [5.0, 3.0]], "simple": [2.0, 2.0]}
    figure = plots.curve_panels(
        {"one": lines, "other": {"adagn": [1, 9]}}, [1, 2], xlabel="x", ylabel="y", level=1
    )
    first, second = figure.axes
    assert first.get_ylim() == second.get_ylim()
    np.testing.assert_array_equal(first.lines[1].get_ydata(), [4.0, 2.0])
    assert [len(ax.lines) for ax in figure.axes] == [1 + 1 + 2 + 1, 1 + 1]
    assert (first.get_ylabel(), first.get_title(loc="left")) == ("y", "one")
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["none", "simple"]


def test_guesses_are_dots_about_a_diagonal():
    ax = plots.guesses([10, 20], [11, 19])
    dots, diagonal = ax.lines
    np.testing.assert_array_equal(dots.get_xydata(), [[11, 10], [19, 20]])
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())


def test_bands_hold_the_middle_of_the_values():
    values = np.tile(np.arange(101.0), (2, 1))
    panels = {name: {"before": values, "after": 2 * values} for name in "abcd"}
    figure = plots.bands(panels, [0, 1], xlabel="t", ylabel="v")
    ax = figure.axes[0]
    assert [line.get_ydata()[0] for line in ax.lines] == [50, 100]
    assert ax.collections[0].get_paths()[0].get_extents().intervaly.tolist() == [10, 90]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["before", "after"]


def test_movements_share_one_scale_and_leave_stillness_blank():
    figure = plots.movements(
        {"a": [[0.0, 0.1]], "b": [[0.5, 2.0]], "c": [[1.0, 1.0]]}, [50], ["enc", "dec"]
    )
    images = [ax.get_images()[0] for ax in figure.axes[:3]]
    assert {image.get_clim() for image in images} == {(0.1, 2.0)}
    assert np.isnan(images[0].get_array().filled(np.nan)[0, 0])
    figure.canvas.draw()


def test_grouped_shares_are_side_by_side():
    ax = plots.shares({"before": {1: 0.0, 2: 0.5}, "after": {1: 1.0, 2: 1.0}})
    assert [bar.get_height() for bar in ax.patches] == [0.0, 0.5, 1.0, 1.0]
    assert len({bar.get_x() for bar in ax.patches}) == 4
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "2"]


def test_differences_of_one_seed_have_no_bar_and_small_ones_a_box():
    rows = {"a": ([0.1], -np.inf, np.inf), "b": ([0.1, 0.3], 0.05, 0.35)}
    ax = plots.differences(rows, xlabel="d", too_small=[0.2, 0.1])
    assert [len(line.get_xdata()) for line in ax.lines] == [2, 1, 1, 2, 2, 1]
    assert [(box.get_x(), box.get_width()) for box in ax.patches] == [(-0.2, 0.4), (-0.1, 0.2)]


def test_samples_are_rows_of_images():
    images = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
    figure = plots.samples({"a": images, "b": images[::-1]}, columns=2)
    array = figure.axes[0].get_images()[0].get_array()
    np.testing.assert_array_equal(array[:4], np.concatenate([images[0], images[1]], axis=1))
    np.testing.assert_array_equal(array[4:, :4], images[2])
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["a", "b"]
