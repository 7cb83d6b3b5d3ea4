"""Take a picture of every built page, light and dark, wide and narrow: make screenshots.

Pictures are for looking at; nothing compares them. A long page becomes several.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page

from tools import browser

WIDTHS = (1300, 390)
THEMES = ("light", "dark")
HEIGHT = 900  # of the window
LONGEST = 8000  # pixels of a picture; browsers leave longer ones partly empty


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pictures, and a page that shows them beside each other."""
    parser = argparse.ArgumentParser(prog="python -m tools.screenshots", description=__doc__)
    parser.add_argument("site", type=Path, help="folder of the built book")
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--pages", nargs="+", help="names of pages; all, if left out")
    args = parser.parse_args(argv)
    built = sorted(path.stem for path in args.site.glob("*.html"))
    names = args.pages or built
    if unknown := set(names) - set(built):
        parser.error(f"pages must be of {', '.join(built)}; got {', '.join(sorted(unknown))}")
    args.folder.mkdir(parents=True, exist_ok=True)
    with browser.browser() as chromium:
        for width in WIDTHS:
            for theme in THEMES:
                context = chromium.new_context(
                    viewport={"width": width, "height": HEIGHT}, color_scheme=theme
                )
                for name in names:
                    opened = context.new_page()
                    opened.goto((args.site / f"{name}.html").resolve().as_uri())
                    take(opened, args.folder / f"{name}-{theme}-{width}")
                    opened.close()
                context.close()
    print(f"{len(list(args.folder.glob('*.png')))} pictures are in {args.folder.resolve()}")
    return 0


def take(page: Page, name: Path) -> list[Path]:
    """Pictures of a whole page, from top to bottom, as NAME-1.png and so on."""
    browser.unfold(page)
    height = page.evaluate("document.documentElement.scrollHeight")
    width = page.viewport_size["width"]
    taken = []
    for number, top in enumerate(range(0, height, LONGEST), 1):
        clip = {"x": 0, "y": top, "width": width, "height": min(LONGEST, height - top)}
        taken.append(name.with_name(f"{name.name}-{number}.png"))
        page.screenshot(path=taken[-1], clip=clip, full_page=True)
    return taken


if __name__ == "__main__":
    sys.exit(main())
