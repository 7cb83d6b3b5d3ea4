"""A browser for tools and tests: the system's Chromium, or else Playwright's own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--no-sandbox", "--disable-gpu"]  # as containers need it
# Images further down come when one scrolls to them, and folded parts stay folded on paper.
UNFOLD = """
async () => {
  for (const part of document.querySelectorAll("article details")) part.open = true;
  const images = [...document.images];
  for (const image of images) image.loading = "eager";
  await Promise.all(images.map((image) => image.decode().catch(() => null)));
  await document.fonts.ready;
}
"""


class NoBrowserError(RuntimeError):
    """No browser is installed."""


@contextmanager
def browser() -> Iterator[Browser]:
    """Headless Chromium.

    Raises:
        NoBrowserError: none is installed; the message says what to install.
    """
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
        found = next(filter(None, map(shutil.which, NAMES)), own)
        if not Path(found).is_file():
            raise NoBrowserError(
                f"no browser: none of {', '.join(NAMES)} is installed. Install one, or "
                "Playwright's own with: .venv/bin/playwright install chromium"
            )
        chromium = playwright.chromium.launch(executable_path=found, args=OPTIONS)
        yield chromium
        chromium.close()


def unfold(page: Page) -> None:
    """Open all that is folded, and wait for every image."""
    page.evaluate(UNFOLD)
