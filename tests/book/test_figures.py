"""Still figures: both looks readable, small, with their size given, and their images untouched."""

import base64
import io
import itertools
import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from sphinx.errors import ExtensionError

import figures
from condlesson.figures import plots
from tests.book.built import HTML, PAGES, ROOT, article
from tests.figures.test_plots import FAMILIES, SEEN_AS, lab, linear

CONTRAST = 4.5
LIGHT, DARK = "#ffffff", figures.DARK["#ffffff"]
AREAS = {"#ffffff", "#e6e6e6", "#d9d9d9", "#56b4e9"}  # the ground, the grid, boxes
COLOUR = re.compile(r"(fill|stroke): (#[0-9a-f]{6})")


def drawn():
    """The built figures that matplotlib drew."""
    texts = {path.name: path.read_text() for path in sorted((HTML / "_images").glob("*.svg"))}
    return {name: text for name, text in texts.items() if figures.is_drawn(text)}


def contrast(one, other):
    """As WCAG 2.2 defines it."""
    low, high = sorted(linear(colour) @ (0.2126, 0.7152, 0.0722) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def svg_of(figure):
    figure.savefig(file := io.StringIO(), format="svg")
    plt.close(figure)
    return file.getvalue()


def test_contrast_is_that_of_wcag():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("light", [c for c in figures.DARK if c not in AREAS])
def test_text_and_lines_stand_out_on_both_grounds(light):
    assert contrast(light, LIGHT) >= CONTRAST
    assert contrast(figures.DARK[light], DARK) >= CONTRAST


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("eyes", SEEN_AS)
def test_dark_colours_of_a_family_differ_to_all_eyes_or_else_the_lines_do(family, eyes):
    looks = {(figures.DARK[plots.LOOKS[v][0].lower()], plots.LOOKS[v][2]) for v in family}
    for (one, line), (other, other_line) in itertools.combinations(looks, 2):
        seen = [lab(np.asarray(SEEN_AS[eyes]) @ linear(c)) for c in (one, other)]
        assert np.linalg.norm(seen[0] - seen[1]) > 15 or line != other_line, (one, other)


def test_all_colours_of_the_style_have_a_dark_counterpart():
    cycle = {c["color"].lower() for c in plt.rcParams["axes.prop_cycle"]}
    cycle = {c if c.startswith("#") else f"#{c}" for c in cycle}
    looks = {colour.lower() for colour in plots.COLOURS.values()}
    assert cycle | looks <= set(figures.DARK) - AREAS


def test_built_figures_have_both_looks_and_no_other_colours():
    assert drawn()
    for name, text in drawn().items():
        assert figures.dark_rules() in text, name
        own = text.replace(figures.dark_rules(), "")
        assert {colour for _, colour in COLOUR.findall(own)} <= set(figures.DARK), name


@pytest.mark.parametrize("name", PAGES)
def test_pages_say_how_large_images_are(name):
    for image in article(name)("img"):
        assert int(image["width"]) > 0
        assert int(image["height"]) > 0
        assert image["loading"] == "lazy"


def test_letters_can_be_read_on_a_phone():
    """A figure that is wider than a phone has a narrow drawing whose letters are large enough."""
    column, least, seen = 358, 8.5, 0
    for name in PAGES:
        for source in article(name).select("figure picture source"):
            text = (HTML / source["srcset"]).read_text()
            assert source["media"] == figures.PHONE
            assert int(source["width"]) < int(source.find_next("img")["width"])
            width = float(re.search(r' viewBox="\S+ \S+ ([\d.]+)', text)[1])
            sizes = re.findall(r"font(?:-size)?: [^;\"]*?([\d.]+)px", text)
            letters = map(float, sizes)
            assert min(letters, default=99) * column / width >= least, source["srcset"]
            seen += 1
    assert seen > 25


def test_a_figure_s_size_is_that_of_its_drawing(tmp_path):
    figure, _ = plt.subplots(figsize=(3, 2))
    (tmp_path / "a.svg").write_text(svg_of(figure))
    assert figures._size(tmp_path / "a.svg") == (3 * 96, 2 * 96, "dark-light")
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    assert figures._size(tmp_path / "a.png") == (30, 20, "")
    (tmp_path / "b.svg").write_text('<svg viewBox="0 0 64 32"></svg>')
    assert figures._size(tmp_path / "b.svg") == (64, 32, "")
    (tmp_path / "c.svg").write_text('<svg role="img"></svg>')
    with pytest.raises(ExtensionError, match=r"c\.svg must say its width and height"):
        figures._size(tmp_path / "c.svg")


def test_a_suited_figure_is_whole_and_smaller():
    figure, ax = plt.subplots()
    ax.plot(np.sin(np.linspace(0, 9, 500)))
    before = svg_of(figure)
    after = figures.suit(before)
    assert len(after) < len(before)
    assert ElementTree.fromstring(after).get("viewBox") == ElementTree.fromstring(before).get(
        "viewBox"
    )

    def path(text):
        longest = max(re.findall(r' d="([^"]*)"', text), key=len)
        return np.array(re.findall(r"\d+\.?\d*", longest), dtype=float)

    np.testing.assert_allclose(path(after), path(before), atol=0.0051)


def test_images_inside_keep_their_values():
    figure, ax = plt.subplots()
    values = np.random.default_rng(0).random((200, 200))
    ax.imshow(values, cmap="gray", interpolation="none")
    before = svg_of(figure)
    after = figures.suit(before)

    def pixels(text):
        data = re.search(r"base64,\s*([\w+/=\s]+)", text)[1]
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), dtype=float)

    assert "image/webp" in after
    assert np.abs(pixels(after) - pixels(before)).mean() < 4  # of 256 levels


def test_moving_figures_have_the_colours_of_still_ones():
    sheet = (ROOT / "src/condlesson/figures/moving/moving.css").read_text()
    light, dark = (
        dict(re.findall(r"(--moving-\w+): (#[0-9a-f]{6})", block))
        for block in re.findall(r"\{([^{}]*--moving-page: [^{}]*)\}", sheet)
    )
    assert len(light) > 5
    assert {name: figures.DARK[colour] for name, colour in light.items()} == dark
