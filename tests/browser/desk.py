"""The desk's page in a browser, and what works on it."""

import json
import re

import numpy as np
import torch

from condlesson.figures.desk import networks
from tests.browser.site import Visit

WAIT = 240_000  # milliseconds; a busy machine takes its time
# What the tools work on, as the page's own scripts know it.
SHARED = """JSON.stringify({
  digit: [...desk.shared.digit], noised: [...desk.noised(400)], network: desk.shared.network })"""


FIRST = next(iter(networks()))  # which is started


class Desk:
    """The opened page."""

    def __init__(self, page, address):
        self.page = page
        page.set_default_timeout(WAIT)
        self.visit = Visit(page).open(address)

    def start(self):
        self.page.locator(".desk-start .desk-begin").click()
        self.page.wait_for_selector("html.desk-runs")
        return self

    def begin_without(self, part):
        """Begin to load, where one part of the network does not come; what lets it come."""
        held = []
        self.page.route(f"**/{FIRST}-{part}.js?*", lambda route: held.append(route))
        self.page.locator(".desk-start .desk-begin").click()
        return lambda: held[0].continue_()

    def tool(self, name):
        return self.page.locator(f".desk-{name}")

    def says(self, name, words, state="visible"):
        """What a tool says, once these words are in it."""
        place = self.page.locator(f".desk-{name} .desk-says", has_text=re.compile(words))
        place.wait_for(state=state)
        return place.inner_text()

    def set(self, name, control, value):
        """Move a slider by its keys."""
        slider = self.tool(name).locator(f"[name='{control}']")
        slider.focus()
        self.page.keyboard.press("Home")
        for _ in range(value // 50):
            slider.evaluate("it => { it.step = 50; }")
            self.page.keyboard.press("ArrowRight")

    def shared(self):
        found = json.loads(self.page.evaluate(SHARED))
        images = {k: torch.tensor(found[k]).view(1, 1, 28, 28) for k in ("digit", "noised")}
        return found | images

    def pixels(self, name, tile):
        values = self.page.evaluate(
            """([name, tile]) => {
              const canvas = document.querySelector(`.desk-${name} canvas[data-tile="${tile}"]`);
              return [...canvas.getContext("2d").getImageData(0, 0, 28, 28).data]
                .filter((_, k) => k % 4 === 0);
            }""",
            [name, tile],
        )
        return np.array(values).reshape(28, 28)
