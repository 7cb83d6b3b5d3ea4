"""Figures that move, by keyboard and by pointer: what they show is what the package says."""

import re

import numpy as np
import pytest
import torch
from matplotlib import colormaps

from condlesson import (
    alphas_cumprod,
    cosine_similarity_at,
    linear_beta_schedule,
    load_model,
    load_run,
    load_subset,
    q_sample,
    sinusoidal_embedding,
    sinusoidal_frequencies,
    to_model_range,
)
from condlesson.experiment.outputs import denoise_lied_to, to_bytes
from condlesson.figures import moving
from condlesson.notebooks.pages import Book
from condlesson.probes import modulation, pair_similarities
from tests.book.built import HTML
from tests.browser.site import Visit, visit

pytestmark = pytest.mark.slow

FIGURES = sorted(path.stem for path in moving.FOLDER.glob("*/*.js"))
PAGES = {
    name: page.name
    for page in Book().pages.values()
    for name in re.findall(rf"\bmoving\.({'|'.join(FIGURES)})\(", page.text)
}
SIZES = {"screen": {"width": 1300, "height": 1000}, "phone": {"width": 390, "height": 844}}
every_figure = pytest.mark.parametrize("name", PAGES)
# Pixels of a tile of the sheet that the figure of lies shows, by the place of its window.
TILE = """
async (window) => {
  const image = window.querySelector("image");
  const sheet = new Image();
  sheet.src = image.getAttribute("href");
  await sheet.decode();
  const { x, y, width, height } = window.viewBox.baseVal;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  context.drawImage(sheet, -x, -y);
  return [...context.getImageData(0, 0, width, height).data].filter((_, k) => k % 4 === 0);
}
"""


class Figure:
    """A moving figure of an opened page."""

    def __init__(self, page, name):
        self.page = page
        stage = page.locator(f"figure.moving-{name} .moving-stage")
        stage.evaluate("it => it.scrollIntoView({ behavior: 'instant', block: 'center' })")
        self.root = page.locator(f"figure.moving-{name}.moves")
        self.root.wait_for()

    def control(self, name):
        return self.root.locator(f".moving-controls [name='{name}']")

    def value(self, name):
        """Of a control, as the page shows it."""
        output = f".moving-controls output[data-value='{name}']"
        return int(self.root.locator(output).inner_text())

    def press(self, name, *keys):
        self.control(name).focus()
        for key in keys:
            self.page.keyboard.press(key)

    def set(self, name, value):
        """Move a slider there by its keys."""
        step = int(self.control(name).get_attribute("step"))
        self.press(name, "Home", *["ArrowRight"] * (value // step))

    def rows(self):
        """Of the table, each a list of texts."""
        texts = self.root.locator("tbody").evaluate(
            "body => [...body.rows].map(row => [...row.cells].map(cell => cell.textContent))"
        )
        return {row[0]: row[1:] for row in texts}

    def drag(self, start, *ends):
        """Drag from one place of the stage to others, each in shares of its width and height."""
        box = self.root.locator(".moving-stage").bounding_box()
        places = [
            (box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, *ends)
        ]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place)
        self.page.mouse.up()

    def says(self):
        return self.root.locator(".moving-says").inner_text()


@pytest.fixture
def opened(chromium, site):
    """Opens the page of a figure, in a window of its own."""
    contexts = []

    def start(name, address=None, **options):
        contexts.append(chromium.new_context(**{"viewport": SIZES["screen"], **options}))
        page = contexts[-1].new_page()
        seen = Visit(page).open(f"{address or site}/{PAGES[name]}.html")
        page.complaints = seen.complaints
        return page

    yield start
    for context in contexts:
        context.close()


def number(text):
    return float(re.sub(r"[,°%]| turns", "", text))


def check_clock(figure, t):
    emb = sinusoidal_embedding(t, 256)[0]
    degrees = torch.rad2deg(t * sinusoidal_frequencies(256))
    for hand, (_, turned, _, sine, cosine) in figure.rows().items():
        expected = emb[[int(hand), int(hand) + 128]].tolist()
        assert [float(sine), float(cosine)] == pytest.approx(expected, abs=5.1e-5)
        whole = 360 if "turns" in turned else 1
        assert number(turned) == pytest.approx(degrees[int(hand)].item() / whole, abs=0.051)


@pytest.mark.parametrize("t", [0, 1, 999])
def test_the_clock_by_keyboard(opened, t):
    figure = Figure(opened("clock"), "clock")
    figure.press("t", *{0: ["Home"], 1: ["Home", "ArrowRight"], 999: ["End"]}[t])
    assert figure.value("t") == t
    check_clock(figure, t)


def test_the_slowest_hand_turns_six_degrees(opened):
    figure = Figure(opened("clock"), "clock")
    figure.press("hand", "End")
    whole = torch.rad2deg(1000 * sinusoidal_frequencies(256)[-1])
    assert figure.rows()["127"][2] == f"{whole:.1f}°"
    assert f"{whole:.1f}°" in figure.says()
    figure.press("hand", "ArrowLeft")
    assert "126" in figure.rows()
    assert figure.control("hand").get_attribute("aria-valuetext") == "126"


def test_the_clock_by_pointer(opened):
    figure = Figure(opened("clock"), "clock")
    figure.drag((0.6, 0.7), (0.75, 0.7), (0.8, 0.9))
    assert 550 < figure.value("t") < 800
    check_clock(figure, figure.value("t"))
    figure.drag((0.9, 0.15), (0.57, 0.15))
    assert figure.value("hand") < 10


def check_similarity(figure):
    t, other = figure.value("t"), figure.value("other")
    run = load_run("sinusoidal")
    embeds = {
        "sinusoid": lambda t: sinusoidal_embedding(t, 256),
        "trained MLP": load_model(run).embed,
    }
    rows = figure.rows()
    for label, embed in embeds.items():
        [expected] = pair_similarities(embed, [(t, other)])
        assert float(rows[label][0]) == pytest.approx(expected, abs=1.01e-4)
    closed_form = cosine_similarity_at(torch.tensor(t - other), 256)
    assert float(rows["closed form"][0]) == pytest.approx(closed_form.item(), abs=5.1e-5)
    assert {"scalar MLP", "untrained MLP"} < set(rows)


def test_similarity_by_keyboard(opened):
    figure = Figure(opened("similarity"), "similarity")
    figure.press("t", "Home", "ArrowRight", "ArrowRight")
    figure.press("other", "End", "ArrowLeft")
    assert (figure.value("t"), figure.value("other")) == (20, 980)
    check_similarity(figure)


def test_similarity_by_pointer(opened):
    figure = Figure(opened("similarity"), "similarity")
    figure.drag((0.2, 0.5), (0.5, 0.4), (0.62, 0.4))
    assert 750 < figure.value("t") < 950
    figure.drag((0.3, 0.88), (0.15, 0.88))
    assert 0 < figure.value("other") < 200
    check_similarity(figure)


def test_a_trained_neighbourhood_widens_with_t(opened):
    figure = Figure(opened("similarity"), "similarity")

    def widths():
        rows = figure.rows()
        return [int(rows[name][2]) - int(rows[name][1]) for name in ("sinusoid", "trained MLP")]

    figure.set("t", 200)
    early = widths()
    figure.set("t", 600)
    late = widths()
    assert early[0] == late[0]
    assert late[1] > 1.5 * early[1]


def check_score(figure, block):
    t, channel = figure.value("t"), figure.value("channel")
    model = load_model(load_run("adagn"))
    gamma, beta = modulation(model.get_submodule(block).norm_1, model.embed(torch.tensor([t])))
    for row, (g, b, share) in figure.rows().items():
        assert float(g) == pytest.approx(gamma[0, int(row)].item(), abs=1.01e-3)
        assert float(b) == pytest.approx(beta[0, int(row)].item(), abs=1.01e-3)
        assert 0 <= number(share) <= 100
    assert figure.rows()[str(channel)][2] in figure.says()


def test_the_score_by_keyboard(opened):
    figure = Figure(opened("score"), "score")
    check_score(figure, "enc_1")
    before = figure.root.locator("path.moving-after").get_attribute("d")
    figure.press("t", "End")
    figure.press("block", "ArrowDown", "ArrowDown", "ArrowDown")
    figure.press("channel", "Home", "ArrowRight")
    assert (figure.value("t"), figure.value("channel")) == (975, 1)
    check_score(figure, "bottleneck")
    assert figure.root.locator("path.moving-after").get_attribute("d") != before


def test_the_score_by_pointer(opened):
    figure = Figure(opened("score"), "score")
    figure.drag((0.1, 0.2), (0.3, 0.2), (0.5, 0.6))
    assert figure.value("channel") >= 28
    check_score(figure, "enc_1")


def check_lies(figure, network):
    true, told = figure.value("true"), figure.value("told")
    torch.manual_seed(0)
    x_0 = to_model_range(load_subset().test_images[2:3])
    x_t = q_sample(x_0, true, torch.randn(x_0.shape), alphas_cumprod(linear_beta_schedule()))
    model = load_model(load_run(network))
    with torch.no_grad():
        [estimate] = denoise_lied_to(model, x_t, true, [told])
    error = (estimate - x_0).square().mean().sqrt()
    assert float(figure.rows()[str(told)][0]) == pytest.approx(error.item(), abs=5.1e-4)
    shown = [window.evaluate(TILE) for window in figure.root.locator("svg svg").all()]
    for pixels, image in zip(shown, (x_t, estimate, x_0), strict=False):
        difference = np.subtract(pixels, to_bytes(image).ravel().astype(float))
        assert np.abs(difference).max() <= 1  # one level of 256: another machine rounds otherwise


def test_lies_by_keyboard(opened):
    figure = Figure(opened("lies"), "lies")
    figure.press("true", "Home", "ArrowRight", "ArrowRight")
    figure.press("told", "End")
    figure.press("network", "ArrowDown")
    assert (figure.value("true"), figure.value("told")) == (250, 950)
    check_lies(figure, "adagn")


def test_lies_by_pointer(opened):
    figure = Figure(opened("lies"), "lies")
    figure.drag((0.1, 0.2), (0.2, 0.3), (0.3, 0.5))
    assert 350 <= figure.value("true") <= 650
    assert figure.value("true") != 450 or figure.value("told") != 150
    check_lies(figure, "sinusoidal")


@pytest.mark.weekly
@every_figure
def test_from_a_folder_it_moves_too(opened, name):
    page = opened(name, address=HTML.as_uri())
    figure = Figure(page, name)
    assert not figure.root.locator("img").is_visible()
    before = figure.says()
    figure.press(figure.root.locator("input").first.get_attribute("name"), "End")
    assert figure.says() != before
    assert page.complaints == []


@pytest.mark.weekly
@every_figure
def test_colours_follow_the_theme(opened, name):
    page = opened(name)
    text = Figure(page, name).root.locator(".moving-stage > text").first
    light = text.evaluate("it => getComputedStyle(it).fill")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert text.evaluate("it => getComputedStyle(it).fill") != light


@every_figure
@pytest.mark.parametrize("size", SIZES)
def test_text_is_legible_and_inside(opened, name, size):
    page = opened(name, viewport=SIZES[size])
    stage = Figure(page, name).root.locator(".moving-stage")
    box = stage.bounding_box()
    for text in stage.locator("text").all():
        assert float(text.evaluate("it => getComputedStyle(it).fontSize")[:-2]) >= 11
        place = text.bounding_box()
        assert place["x"] >= box["x"] - 1
        assert place["x"] + place["width"] <= box["x"] + box["width"] + 1


@every_figure
def test_a_key_that_is_pressed_before_a_figure_is_drawn_counts(opened, name):
    """The tab key comes to a figure from far above, where nothing of it is drawn yet."""
    page = opened(name)
    root = page.locator(f"figure.moving-{name}")
    slider = root.locator(".moving-controls input").first
    assert not root.evaluate("it => it.classList.contains('moves')")
    assert root.locator("output").first.is_hidden()  # the number in it is not yet in words
    slider.evaluate("it => it.focus({ preventScroll: true })")
    page.keyboard.press("Home")
    assert slider.input_value() == "0"
    Figure(page, name)
    assert slider.input_value() == "0"


@every_figure
@pytest.mark.parametrize("how", ["on paper", "without scripts"])
def test_the_still_figure_stands_alone(opened, name, how):
    page = opened(name, java_script_enabled=how != "without scripts")
    if how == "on paper":
        Figure(page, name)
        page.emulate_media(media="print")
    root = page.locator(f"figure.moving-{name}")
    assert root.locator("img").first.is_visible()
    assert len(root.locator("img").first.get_attribute("alt")) > 100
    assert root.locator("figcaption").is_visible()
    for part in (".needs-script", ".moving-stage", "input", "select", "svg", "details", "output"):
        assert not any(found.is_visible() for found in root.locator(part).all()), part


@every_figure
def test_nothing_shifts_when_a_script_takes_over(chromium, site, name):
    context = chromium.new_context(viewport=SIZES["screen"])
    with visit(context, f"{site}/{PAGES[name]}.html") as still:
        label = still.page.locator(f".moving-{name}").get_attribute("id")
    with visit(context, f"{site}/{PAGES[name]}.html#{label}") as there:
        assert there.shift <= 0.05
    context.close()


def test_a_page_has_the_scripts_of_its_figures_and_of_no_others(opened, site):
    ours = re.compile(rf"_static/(moving|{'|'.join(FIGURES)})\.js")

    def scripts():
        sources = [script.get_attribute("src") for script in page.locator("script").all()]
        return [found[1] for source in sources if (found := ours.match(source))]

    page = opened("clock")
    assert scripts() == ["moving", "clock"]
    page.goto(f"{site}/exercise-4.html")
    assert scripts() == []


def test_every_figure_moves_on_a_page():
    assert sorted(PAGES) == FIGURES


def test_a_dragged_value_ends_at_the_edge(opened):
    figure = Figure(opened("clock"), "clock")
    figure.drag((0.6, 0.7), (1.2, 0.7))
    assert figure.value("t") == 999


def test_colours_of_values_are_matplotlib_s(opened):
    page = opened("clock")
    values = np.linspace(-1, 1, 11)
    shown = [page.evaluate("value => moving.colour(value)", value) for value in values]
    expected = colormaps["RdBu_r"](np.linspace(0, 1, 11), bytes=True)[:, :3]
    found = [[int(part) for part in re.findall(r"\d+", text)] for text in shown]
    np.testing.assert_allclose(found, expected, atol=2)  # theirs is a table of 256
