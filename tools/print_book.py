"""Print the built book into one PDF file, with all that is folded unfolded: make pdf.

The articles of all pages come one after another into a single page, in the order of `_toc.yml`.
Links between them stay inside the file. The browser prints it: what paper looks like is said in
the book's own style sheet, which also holds when a reader prints a page.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from bs4 import BeautifulSoup, Tag

from tools import browser
from tools.contents import page_names

ROOT = Path(__file__).parents[1]
FOOTER = (
    '<div style="font: 7pt sans-serif; color: #555; width: 100%; margin: 0 16mm; '
    'display: flex; justify-content: space-between">'
    '<span>{title}</span><span class="pageNumber"></span></div>'
)
MARGINS = {"top": "16mm", "right": "16mm", "bottom": "18mm", "left": "16mm"}
SCALE = 0.8  # of the size on a screen
# Identifiers of a page are its own; in one file they need the page's name.
REFERS = ("for", "aria-labelledby", "aria-describedby", "aria-controls")
NOT_ON_PAPER = ".headerlink, .reading-time, .launch, button, script, template, .needs-script"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page and print it."""
    parser = argparse.ArgumentParser(prog="python -m tools.print_book", description=__doc__)
    parser.add_argument("site", type=Path, help="folder of the built book")
    parser.add_argument("pdf", type=Path, help="the file to write")
    args = parser.parse_args(argv)
    page = args.pdf.with_suffix(".html")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(one_page(args.site, page.parent), "utf-8")
    print_page(page, args.pdf)
    print(f"The book is at {args.pdf.resolve()}")
    return 0


def one_page(site: Path, folder: Path) -> str:
    """All articles as one page, which is to lie in a folder.

    Raises:
        FileNotFoundError: a page is not built.
    """
    names = page_names()
    to_site = Path(os.path.relpath(site, folder)).as_posix()
    title = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["title"]
    articles = "\n".join(str(_article(site, name, set(names), to_site)) for name in names)
    return (
        '<!doctype html>\n<html lang="en" data-theme="light"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        f'<link rel="stylesheet" href="{to_site}/_static/book.css"></head>\n'
        f"<body>{articles}</body></html>\n"
    )


def _article(site: Path, name: str, names: set[str], to_site: str) -> Tag:
    path = site / f"{name}.html"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not built. Make it with: make html")
    tree = BeautifulSoup(path.read_text("utf-8"), "html.parser")
    article = tree.select_one("article.bd-article")
    for tag in article.select(NOT_ON_PAPER):
        tag.decompose()
    for tag in article.select("details"):
        tag["open"] = ""
    for tag in article.select("[id]"):
        tag["id"] = f"{name}--{tag['id']}"
    for attribute in REFERS:
        for tag in article.select(f"[{attribute}]"):
            tag[attribute] = " ".join(f"{name}--{part}" for part in tag[attribute].split())
    for tag in article.select("a[href]"):
        if target := _target(tag["href"], name, names):
            tag["href"] = target
        else:
            tag.unwrap()
    for tag in article.select("img[src]"):
        tag["loading"] = "eager"
        if not tag["src"].startswith("data:"):
            tag["src"] = f"{to_site}/{tag['src']}"
    article["id"] = f"{name}--"
    return article


def _target(link: str, page: str, names: set[str]) -> str:
    """Where a link of a page leads from paper; empty for what only the site has."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return link
    name = parts.path.removesuffix(".html") or page
    return f"#{name}--{parts.fragment}" if name in names else ""


def print_page(page: Path, pdf: Path) -> None:
    """Print a page on A4, with bookmarks from its headings."""
    with browser.browser() as chromium:
        opened = chromium.new_page(color_scheme="light")
        opened.goto(page.resolve().as_uri(), wait_until="load")
        browser.unfold(opened)
        opened.pdf(
            path=pdf,
            format="A4",
            scale=SCALE,
            margin=MARGINS,
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER.format(title=escape(opened.title())),
            outline=True,
            tagged=True,
        )


if __name__ == "__main__":
    sys.exit(main())
