"""The desk in odd orders: what it says and shows is about what is there now."""

import re

import numpy as np
import pytest

from tests.browser.desk import FIRST
from tests.browser.site import as_file
from tests.conftest import weekly_but

pytestmark = pytest.mark.slow

# What is to be pressed or chosen before a tool is told to listen.
HEARD = "button.desk-begin, select.desk-network, [name='sample'], [name='file']"
# Errors that tools say, and those of the same predictions, made anew.
ERRORS = """
async () => {
  const ask = (request) => new Promise((resolve) => engine.ask(
    "test", "estimate", { network: desk.shared.network, ...request }, resolve));
  const part = (name, place) => document.querySelector(`.desk-${name} ${place}`);
  const number = (name, key) => Number(part(name, `[name="${key}"]`).value);
  const found = {};
  for (const name of ["lie", "orchestra", "break"]) {
    const t = number(name, "true"), x_t = desk.noised(t);
    const told = name === "lie" ? diffusion.everywhere(number("lie", "told"))
      : name === "break" ? diffusion.everywhere(t)
      : Object.fromEntries(unet.BLOCKS.map((block) => [block, { t: number(name, block) }]));
    const bugs = name === "break" ? Object.fromEntries([...document.querySelectorAll(
      ".desk-break [data-bug]:checked")].map((input) => [input.dataset.bug, true])) : {};
    const { done } = await ask({ x_t, t, told, bugs });
    const [, said] = /(?:digit by|error is) ([0-9.]+)/.exec(part(name, ".desk-says").textContent);
    found[name] = [Number(said), desk.error(done.x_0)];
  }
  return found;
}
"""


def move(desk, name, control, *values):
    """Drag a slider over values."""
    desk.tool(name).locator(f"[name='{control}']").evaluate(
        """async (input, values) => {
          for (const value of values) {
            input.value = value;
            input.dispatchEvent(new Event("input", { bubbles: true }));
            await new Promise(requestAnimationFrame);
          }
        }""",
        values,
    )


def choose(desk, network):
    desk.page.locator(".desk-start .desk-network").select_option(network)


@pytest.mark.parametrize("where", weekly_but(["from a folder"], ["served", "from a folder"]))
def test_what_is_changed_while_it_works_is_what_is_said(open_desk, where):
    desk = open_desk(as_file("desk") if where == "from a folder" else None).start()
    desk.tool("sample").locator(".desk-draw").evaluate("it => it.click()")
    move(desk, "lie", "told", 900, 700, 500, 300)
    move(desk, "orchestra", "enc_1", 0)
    desk.tool("break").locator("[data-bug='unit_interval']").check()
    desk.page.locator(".desk-pad [name='sample']").select_option("3")
    move(desk, "lie", "true", 100, 350)
    desk.page.locator(".desk-lie [data-noise]").click()
    desk.page.set_viewport_size({"width": 390, "height": 800})
    desk.says("sample", "25 steps took")
    desk.says("lie", "t = 350 and told 300")
    desk.page.wait_for_timeout(3000)
    for name, (said, made) in desk.page.evaluate(ERRORS).items():
        assert said == pytest.approx(made, abs=0.0051), name
    assert desk.visit.complaints == []


@pytest.mark.parametrize("t, told, happened", [
    (400, 400, "it was told the truth"),
    (400, 0, "grainier"),
    (400, 999, "paler"),
    (950, 400, "smoother"),
    (0, 999, "nearly the same"),
])  # fmt: skip
def test_what_a_lie_did_is_what_the_picture_shows(open_desk, t, told, happened):
    desk = open_desk().start()
    move(desk, "lie", "true", t)
    move(desk, "lie", "told", told)
    assert happened in desk.says("lie", f"t = {t} and told {told},")
    lied, right = (desk.pixels("lie", name) / 127.5 for name in ("lied", "truth"))
    apart = np.sqrt(np.square(lied - right).mean())
    assert (apart < 0.12) == (happened in ("it was told the truth", "nearly the same"))
    if happened == "paler":
        assert lied.std() < 0.85 * right.std()


def test_what_a_network_is_not_told_is_neither_a_lie_nor_muted(open_desk):
    desk = open_desk().start()
    desk.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    move(desk, "orchestra", "enc_1", 0)
    desk.tool("orchestra").locator("[name='mute']").select_option("both")
    assert "Lied to: enc_1. Muted: gamma and beta." in desk.says("orchestra", "Muted")
    choose(desk, "sinusoidal")
    said = desk.says("orchestra", "All are told the truth")
    assert "Muted: beta. This network has no gamma." in said
    assert desk.tool("orchestra").locator("[name='enc_1']").is_disabled()


def test_going_back_while_it_draws_shows_what_is_drawn(open_desk):
    desk = open_desk().start()
    sample = desk.tool("sample")
    sample.locator("[name='steps']").select_option("100")
    sample.locator(".desk-draw").click()
    slider, shown = sample.locator("[name='step']"), sample.locator("output[data-value='step']")
    desk.says("sample", "Drawing in 100")
    while int(slider.input_value()) < 4:
        desk.page.wait_for_timeout(20)
    move(desk, "sample", "step", 2)
    desk.page.wait_for_timeout(500)
    assert shown.inner_text() == "2 of 100"
    move(desk, "sample", "step", 100)  # not yet there
    reached, title = sample.evaluate(
        "tool => [tool.querySelector('[name=step]').value,"
        " tool.querySelector('[data-title=x]').textContent]"
    )  # at one moment: it goes on drawing
    assert 4 <= int(reached) < 100
    assert title == f"x after step {reached}"
    sample.locator(".desk-draw").click()
    desk.says("sample", "Stopped")


@pytest.mark.parametrize(
    "steps, said",
    [("100", "Drawing in 100"), pytest.param("5", "5 steps took", marks=pytest.mark.weekly)],
)
def test_another_network_has_drawn_nothing_yet(open_desk, steps, said):
    desk = open_desk().start()
    desk.tool("sample").locator("[name='steps']").select_option(steps)
    desk.tool("sample").locator(".desk-draw").click()
    desk.says("sample", said)
    choose(desk, "sinusoidal")
    desk.says("start", "This network runs on this page: sinusoidal")
    assert desk.tool("sample").locator(".desk-says").inner_text() == ""
    assert desk.tool("sample").locator(".desk-draw").inner_text() == "Draw a digit"
    assert desk.tool("sample").locator("[name='step']").input_value() == "0"


def test_a_drawing_begins_with_its_own_noise(open_desk):
    desk = open_desk().start()
    desk.tool("sample").locator("[name='steps']").select_option("5")
    before = desk.pixels("sample", "x")
    desk.tool("sample").locator(".desk-draw").click()
    desk.says("sample", "5 steps took")
    desk.page.locator(".desk-lie [data-noise]").click()
    move(desk, "sample", "step", 0)
    assert np.array_equal(desk.pixels("sample", "x"), before)


def test_a_round_can_be_left_and_another_network_has_rounds_of_its_own(open_desk):
    desk = open_desk().start()
    find = desk.tool("find")
    find.locator(".desk-guess").click()
    desk.says("find", "It was t =")
    desk.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert find.locator("tbody tr").count() == 1
    find.locator(".desk-next").click()
    find.locator(".desk-guess").click()
    desk.says("find", "tries twenty")
    find.locator(".desk-next").click()
    desk.says("find", "A new round")
    assert find.locator(".desk-guess").is_enabled()
    choose(desk, "adagn")
    desk.says("start", "This network runs on this page: adagn,")
    assert find.locator("tbody tr").count() == 0
    find.locator(".desk-guess").click()
    assert "After 1 round you" in desk.says("find", "It was t =")


def test_the_same_digit_can_be_taken_again_after_a_drawing(open_desk):
    desk = open_desk()
    before = desk.shared()["digit"]
    desk.page.locator(".desk-drawing").focus()
    for key in [" ", *["ArrowDown"] * 8, " "]:
        desk.page.keyboard.press(key)
    desk.says("pad", "Your drawing is the digit")
    samples = desk.page.locator(".desk-pad [name='sample']")
    assert samples.input_value() == ""  # no change is told of the one that it shows
    samples.select_option("6")
    desk.says("pad", "A 6 of the test images")
    assert desk.shared()["digit"].equal(before)


def test_only_the_newest_is_said_of_the_network(open_desk):
    desk = open_desk().start()
    assert desk.page.locator("progress").evaluate("it => it.value") == 1
    desk.tool("sample").locator(".desk-untold button").click()
    desk.says("sample", "This network runs on this page: adagn_class")
    assert desk.tool("start").locator(".desk-says").inner_text() == ""
    desk.page.locator(".desk-lie .desk-begin").click()
    desk.says("lie", "The network has stopped")
    assert desk.page.locator("progress").evaluate("it => it.value") == 0


def test_what_waits_when_the_network_stops_is_not_asked_for(open_desk):
    """A slider moves while the network works, and before it is done the network is stopped."""
    desk = open_desk().start()
    desk.says("lie", "the network misses the digit by")
    desk.tool("lie").evaluate(
        """tool => {
          const told = tool.querySelector("[name='told']");
          for (const value of [100, 700]) {
            told.value = value;
            told.dispatchEvent(new Event("input", { bubbles: true }));
          }
          tool.querySelector(".desk-begin").click();
        }"""
    )
    desk.says("lie", "The network has stopped")
    desk.page.wait_for_timeout(1500)
    desk.says("lie", "The network has stopped")


def test_a_part_that_does_not_come_can_be_asked_for_again(open_desk):
    desk = open_desk()
    part = f"**/{FIRST}-2.js?*"
    desk.page.route(part, lambda route: route.abort())
    desk.page.locator(".desk-start .desk-begin").click()
    desk.says("start", "could not be loaded. Try it again.")
    desk.page.unroute(part)
    desk.start()


def test_numbers_of_the_first_screen_are_those_of_its_marks(open_desk, site):
    desk = open_desk(f"{site}/index.html", reduced_motion="reduce")
    first = desk.tool("first")
    move(desk, "first", "told", 66)
    first.locator(".desk-begin").click()
    said = desk.says("first", "t = 250, told 66")
    assert first.locator("output[data-value='told']").inner_text() == "66"
    assert re.search("told 66", said)
    first.locator(".desk-begin").click()
    desk.page.wait_for_selector("html:not(.desk-runs)")
    assert first.locator("output[data-value='told']").inner_text() == "50"  # what was recorded


@pytest.mark.parametrize("name", ["desk", "index", "inside"])
def test_nothing_can_be_pressed_before_it_is_heard(open_desk, site, name):
    without = open_desk(f"{site}/{name}.html", java_script_enabled=False).page.locator(HEARD)
    with_scripts = open_desk(f"{site}/{name}.html").page.locator(HEARD)
    assert without.count() == with_scripts.count() > 0
    assert all(it.is_disabled() for it in without.all())
    outside = with_scripts.locator("xpath=self::*[not(ancestor::fieldset)]")
    assert outside.count() > 0
    assert all(it.is_enabled() for it in outside.all())
