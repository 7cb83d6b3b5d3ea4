"""The desk, by keyboard and pointer, served and from a folder: what it says is what torch says."""

import hashlib
import json
import re

import numpy as np
import pytest
import torch

from condlesson import GuidedModel, alphas_cumprod, linear_beta_schedule, sample_ddim
from condlesson.experiment.network_file import network_file
from condlesson.experiment.outputs import denoise_lied_to
from condlesson.figures.desk import networks
from condlesson.training import TrainConfig, make_model
from tests.browser.desk import FIRST, SHARED
from tests.browser.firefox import firefox
from tests.browser.site import as_file
from tests.conftest import weekly_but

pytestmark = pytest.mark.slow

SCHEDULE = alphas_cumprod(linear_beta_schedule())


def network():
    return networks()[FIRST][1]


def number(pattern, text):
    return float(re.search(pattern, text)[1])


def check_lie(desk):
    """The lie that is shown is what torch makes of the same digit and noise."""
    desk.set("lie", "told", 100)
    said = desk.says("lie", "told 100, .* times")
    shared = desk.shared()
    lied, right = denoise_lied_to(network(), shared["noised"], 400, [100, 400])
    wrong, least = ((x - shared["digit"]).square().mean().sqrt().item() for x in (lied, right))
    assert number(r"digit by (\d\.\d+)", said) == pytest.approx(wrong, abs=0.01)  # int8
    assert number(r"(\d+\.\d) times", said) == pytest.approx(wrong / least, abs=0.1)
    shown = (lied[0, 0].clamp(-1, 1) + 1).numpy() * 127.5
    assert np.abs(desk.pixels("lie", "lied") - shown).mean() < 3


def test_a_lie_is_what_torch_makes_of_it(open_desk):
    desk = open_desk().start()
    check_lie(desk)
    assert desk.visit.complaints == []


def test_it_runs_from_a_folder_without_a_network(open_desk):
    desk = open_desk(as_file("desk"), offline=True).start()
    check_lie(desk)
    assert desk.visit.complaints == []


def test_nothing_large_is_loaded_before_the_start_and_the_size_is_said(open_desk):
    desk = open_desk()
    before = [address for address in desk.visit.asked if f"/{FIRST}-" in address]
    desk.start()
    after = {address for address in desk.visit.asked if f"/{FIRST}-" in address}
    assert not before and len(after) > 3
    size = sum(len(desk.page.request.get(address).body()) for address in after)
    label = desk.page.locator(".desk-start .desk-network option").first.inner_text()
    assert f"{size / 1e6:.1f} MB" in label


def test_what_is_loaded_later_is_asked_for_by_its_content(open_desk):
    """Or a browser that has an earlier part would set a network together from two."""
    desk = open_desk().start()
    later = [address for address in desk.visit.asked if "/desk/" in address]
    assert any("/engine.js" in address for address in later)
    by_content = [address for address in later if f"/{FIRST}-" in address]
    assert len(by_content) > 3
    for address in by_content:
        path, _, version = address.partition("?v=")
        content = desk.page.request.get(path).body()
        assert hashlib.sha256(content).hexdigest().startswith(version)
        assert len(version) == 8
    assert all("?v=" in address for address in later)


def test_loading_can_be_stopped_and_goes_on(open_desk):
    desk = open_desk()
    let_it_come = desk.begin_without(3)
    desk.says("start", "Loaded 0.7 of")
    desk.page.locator(".desk-start .desk-begin", has_text="Stop loading").click()
    let_it_come()
    desk.says("start", "Stopped")
    desk.start()
    assert sum(f"/{FIRST}-1.js" in address for address in desk.visit.asked) == 1


def test_a_digit_is_drawn_by_pointer(open_desk):
    desk = open_desk()
    desk.page.locator(".desk-drawing").scroll_into_view_if_needed()
    box = desk.page.locator(".desk-drawing").bounding_box()
    place = lambda x, y: (box["x"] + x * box["width"], box["y"] + y * box["height"])  # noqa: E731
    desk.page.mouse.move(*place(0.2, 0.1))
    desk.page.mouse.down()
    desk.page.mouse.move(*place(0.2, 0.5), steps=4)
    desk.page.mouse.up()
    desk.says("pad", "Your drawing is the digit")
    digit = desk.shared()["digit"][0, 0].numpy() + 1
    rows, columns = np.nonzero(digit > 0.2)
    assert rows.max() - rows.min() in (18, 19, 20)  # as tall as MNIST's digits
    centre = [(np.indices(digit.shape)[k] * digit).sum() / digit.sum() for k in (0, 1)]
    assert centre == pytest.approx([13.5, 13.5], abs=0.6)
    assert columns.max() - columns.min() < 8


def test_a_digit_is_drawn_by_keyboard(open_desk):
    desk = open_desk()
    before = desk.shared()["digit"]
    desk.page.locator(".desk-drawing").focus()
    for key in [" ", *["ArrowDown"] * 8, *["ArrowRight"] * 4, " "]:
        desk.page.keyboard.press(key)
    desk.says("pad", "Your drawing is the digit")
    assert not torch.equal(desk.shared()["digit"], before)


def test_one_block_can_be_lied_to(open_desk):
    desk = open_desk().start()
    desk.page.locator("[id='predict-desk-bottleneck'] summary, .predict-option input").first.click()
    desk.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    desk.tool("orchestra").locator(".desk-bottleneck").click()
    said = desk.says("orchestra", "Lied to: bottleneck")
    assert number(r"(\d+\.\d) times", said) < 1.3
    desk.tool("orchestra").locator(".desk-truth").click()
    desk.says("orchestra", "All are told the truth")
    desk.tool("orchestra").locator("[name='mute']").select_option("both")
    said = desk.says("orchestra", "Muted: gamma and beta")
    assert number(r"(\d+\.\d) times", said) > 1.3


def test_a_bug_can_be_switched_on_and_off(open_desk):
    desk = open_desk().start()
    desk.tool("break").locator("[data-bug='swapped_halves']").check()
    said = desk.says("break", "With swapped halves")
    assert number(r"(\d+\.\d) times", said) > 1.3
    desk.tool("break").locator("[data-bug='swapped_halves']").uncheck()
    desk.says("break", "No bug is on")
    assert desk.tool("break").locator(".desk-switch a[href*='museum.html#exhibit-']").count() == 8


def test_the_clock_is_found_and_the_rounds_are_counted(open_desk):
    desk = open_desk().start()
    desk.page.evaluate("Math.random = () => 0.3")
    desk.tool("find").locator(".desk-next").click()
    desk.set("find", "guess", 250)
    desk.tool("find").locator(".desk-guess").click()
    said = desk.says("find", "It was t = 300. You said 250, off by 50")
    assert number(r"network says (\d+)", said) == pytest.approx(300, abs=60)
    assert desk.tool("find").locator(".desk-strip li").count() == 20
    assert desk.tool("find").locator("tbody tr").count() == 1


def test_a_digit_is_sampled_and_can_be_gone_through(open_desk):
    desk = open_desk().start()
    desk.tool("sample").locator("[name='steps']").select_option("5")
    desk.tool("sample").locator(".desk-draw").click()
    desk.says("sample", "5 steps took")
    last = desk.pixels("sample", "x")
    slider = desk.tool("sample").locator("[name='step']")
    slider.focus()
    desk.page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "0 of 5"
    assert not np.array_equal(desk.pixels("sample", "x"), last)
    desk.page.keyboard.press("End")
    assert np.array_equal(desk.pixels("sample", "x"), last)


def asked_for_a_seven(desk, scale):
    """What the desk shows when it is asked for a 7, and what it says."""
    sample = desk.tool("sample")
    sample.locator("[name='steps']").select_option("5")
    sample.locator("[name='scale']").fill(scale)
    sample.locator("[data-digit='7']").click()
    return desk.says("sample", "5 steps took"), desk.pixels("sample", "x")


def test_the_digit_that_is_asked_for_is_that_of_the_package(open_desk):
    desk = open_desk()
    sample = desk.tool("sample")
    assert sample.locator("[data-digit='7']").is_disabled()
    sample.locator(".desk-untold button").click()
    desk.says("sample", "This network runs on this page: adagn_class")
    assert sample.locator(".desk-untold button").is_disabled()
    said, made = asked_for_a_seven(desk, "3")
    assert "It was asked for a 7, with a guidance scale of 3: two predictions a step." in said
    assert sample.locator("[data-digit='7']").get_attribute("aria-pressed") == "true"
    noise = json.loads(desk.page.evaluate("JSON.stringify([...diffusion.gaussian(784, 1)])"))
    x_T = torch.tensor(noise).view(1, 1, 28, 28)  # noqa: N806
    model = GuidedModel(networks()["class"][1], torch.tensor([7]), 3.0)
    expected = sample_ddim(model, x_T, SCHEDULE, num_steps=5, noise_from_x_0=True)
    shown = (expected[0, 0].clamp(-1, 1) + 1).numpy() * 127.5
    assert np.abs(made - shown).mean() < 6  # int8, guided three times as far
    said, plain = asked_for_a_seven(desk, "1")
    assert "without guidance" in said
    assert not np.array_equal(plain, made)
    desk.page.locator(".desk-start .desk-network").select_option("adagn")
    desk.says("start", "This network runs on this page: adagn,")
    assert sample.locator("[data-digit='7']").is_disabled()
    # A canvas is read twice by this test alone.
    assert [c for c in desk.visit.complaints if not c.startswith("Canvas2D")] == []


def test_sampling_can_be_stopped(open_desk):
    desk = open_desk().start()
    desk.tool("sample").locator("[name='steps']").select_option("100")
    desk.tool("sample").locator(".desk-draw").click()
    desk.says("sample", "Drawing in 100")
    desk.tool("sample").locator(".desk-draw", has_text="Stop").click()
    desk.says("sample", "Stopped")


def test_a_network_of_ones_own_is_opened_and_others_are_refused(open_desk, tmp_path):
    config = TrainConfig(variant="sinusoidal", width=16)
    (text,) = network_file(make_model(config), config, "my-first-network")
    (tmp_path / "mine.js").write_text(text)
    (tmp_path / "wrong.js").write_text("window.ran = true;")
    desk = open_desk()
    chooser = desk.page.locator(".desk-start input[type='file']")
    chooser.set_input_files(tmp_path / "wrong.js")
    assert "This is no network for the desk" in desk.says("start", "no network")
    chooser.set_input_files(tmp_path / "mine.js")
    desk.says("start", "This network runs on this page: my-first-network")
    assert desk.shared()["network"] == "yours"
    assert desk.page.evaluate("window.ran ?? null") is None


def shift(desk):
    """How far the layout has moved since this was first asked."""
    return desk.page.evaluate("""() => {
      window.moved ??= { by: 0 };
      moved.observer ??= new PerformanceObserver((list) => {
        for (const { value } of list.getEntries()) moved.by += value;
      });
      moved.observer.observe({ type: "layout-shift" });
      return moved.by;
    }""")


@pytest.mark.parametrize("name, tool", [("index", "first"), ("inside", "lie"), ("desk", "break")])
@pytest.mark.parametrize("width", weekly_but([390], [1300, 390]))
def test_a_button_starts_and_stops_the_network_and_nothing_shifts(
    open_desk, site, name, tool, width
):
    desk = open_desk(f"{site}/{name}.html", viewport={"width": width, "height": 900})
    button = desk.tool(tool).locator(".desk-begin")
    button.scroll_into_view_if_needed()
    shift(desk)
    button.press("Enter")
    desk.page.wait_for_selector("html.desk-runs")
    desk.says(tool, r"error is|misses the digit")
    assert button.inner_text() == "Stop the network"
    button.press("Enter")
    desk.page.wait_for_selector("html:not(.desk-runs)")
    desk.says(tool, "The network has stopped", state="attached")  # hidden where figures return
    assert button.inner_text() == "Start the network"  # there is nothing left to load
    assert button.evaluate("it => it === document.activeElement")
    assert shift(desk) < 0.01
    assert desk.visit.complaints == []


def test_inside_the_network_takes_the_place_of_the_recorded_lies(open_desk, site):
    desk = open_desk(f"{site}/inside.html")
    recorded = desk.tool("lie").locator(".moving-stage")
    recorded.evaluate("it => it.scrollIntoView()")
    desk.page.wait_for_selector("figure.moving-lies.moves")
    assert recorded.is_visible()
    assert desk.tool("lie").locator(".desk-fields").is_hidden()
    desk.tool("lie").locator(".desk-begin").click()
    desk.says("lie", "misses the digit")
    assert recorded.is_hidden()
    before = desk.pixels("lie", "clean")
    desk.tool("lie").locator(".desk-digit").select_option("3")
    desk.says("lie", "misses the digit")
    assert desk.tool("lie").locator(".desk-fields").is_visible()
    desk.page.wait_for_timeout(2000)
    assert not np.array_equal(desk.pixels("lie", "clean"), before)


def test_on_paper_is_what_was_recorded(open_desk):
    desk = open_desk().start()
    desk.says("lie", "misses the digit")
    desk.page.emulate_media(media="print")
    assert desk.tool("lie").locator("img").first.is_visible()
    assert desk.tool("lie").locator(".desk-stage").is_hidden()


def test_another_network_can_be_chosen_while_one_is_loaded(open_desk):
    desk = open_desk()
    let_it_come = desk.begin_without(2)
    desk.says("start", "Loaded 0.5 of")
    desk.page.locator(".desk-start .desk-network").select_option("sinusoidal")
    desk.says("start", "This network runs on this page: sinusoidal")
    assert desk.shared()["network"] == "sinusoidal"
    let_it_come()
    desk.page.locator(".desk-start .desk-network").select_option(FIRST)
    desk.says("start", "This network runs on this page: adagn")
    assert sum(f"/{FIRST}-1.js" in address for address in desk.visit.asked) == 1


def test_a_finger_draws_and_the_page_stays_where_it_is(open_desk):
    desk = open_desk(viewport={"width": 390, "height": 844}, has_touch=True)
    pad = desk.page.locator(".desk-drawing")
    pad.scroll_into_view_if_needed()
    before, box = desk.shared()["digit"], pad.bounding_box()
    top = desk.page.evaluate("scrollY")
    touch = desk.page.context.new_cdp_session(desk.page)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 5
    for kind, places in (
        ("touchStart", [(x, y)]),
        *(("touchMove", [(x, y + 10 * k)]) for k in range(8)),
        ("touchEnd", []),
    ):
        points = [{"x": x, "y": y} for x, y in places]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    desk.says("pad", "Your drawing is the digit")
    assert not torch.equal(desk.shared()["digit"], before)
    assert desk.page.evaluate("scrollY") == top


def test_in_firefox_a_lie_is_told_by_pointer_and_keyboard(site, tmp_path):
    with firefox(tmp_path) as started:
        started.open(f"{site}/desk.html")
        started.click(".desk-start .desk-begin")
        says = "document.querySelector('.desk-lie .desk-says').textContent"
        wait = "new Promise((r) => {{ const f = () => (({}) ? r({}) : setTimeout(f, 100)); f(); }})"
        started.evaluate(wait.format(f"{says}.includes('told 50')", says))
        started.click(".desk-lie [name=told]")
        started.press("\ue010")  # End
        said = started.evaluate(wait.format(f"{says}.includes('told 999')", says))
        shared = json.loads(started.evaluate(SHARED))
    x_t, digit = (torch.tensor(shared[k]).view(1, 1, 28, 28) for k in ("noised", "digit"))
    lied = denoise_lied_to(network(), x_t, 400, [999])[0]
    wrong = (lied - digit).square().mean().sqrt().item()
    assert number(r"digit by (\d\.\d+)", said) == pytest.approx(wrong, abs=0.01)
