"""A moving figure as a notebook shows it: in a frame, from the output alone, without a network."""

import pytest

from condlesson.embeddings import sinusoidal_frequencies
from condlesson.figures import moving

FITS = """
() => {
  const frame = document.querySelector("iframe");
  const free = frame.clientHeight - frame.contentDocument.documentElement.offsetHeight;
  return free >= 0 && free < 10;
}
"""


@pytest.fixture
def shown(chromium, tmp_path, monkeypatch):
    """A function that shows the output of a cell; no address can be reached."""
    monkeypatch.delenv(moving.BOOK, raising=False)
    file = tmp_path / "output.html"
    output = moving.clock(sinusoidal_frequencies(256))._repr_html_()
    file.write_text(f"<!DOCTYPE html><title>Cell</title><h1>Cell</h1>{output}", "utf-8")

    def show(**options):
        context = chromium.new_context(offline=True, **options)
        page = context.new_page()
        page.goto(file.as_uri())
        return page

    return show


def test_it_moves(shown):
    page, faults = shown(), []
    page.on("pageerror", lambda error: faults.append(error))
    frame = page.frame_locator("iframe")
    frame.locator("svg.moving-stage line.moving-chosen").wait_for()
    frame.get_by_label("timestep t").fill("501")
    assert "at t = 501" in frame.locator("svg.moving-stage").get_attribute("aria-label")
    frame.get_by_text("Values as a table").click()
    assert frame.locator("tbody tr").count() > 5
    assert page.locator("p").is_hidden()
    page.wait_for_function(FITS)
    assert faults == []


def test_without_scripts_a_sentence_says_what_is_left(shown):
    page = shown(java_script_enabled=False)
    assert "trust the notebook" in page.locator("p").inner_text()
    assert page.locator("p").is_visible()
