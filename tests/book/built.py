"""The built book as the tests read it: `_build/html`, made by `make book`."""

import os
import sys
from copy import copy
from functools import cache
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag

from tools.contents import page_names

ROOT = Path(__file__).parents[2]
HTML = ROOT / "_build" / "html"


PAGES = tuple(page_names())


@cache
def page(name: str) -> BeautifulSoup:
    """A page, parsed; name is without suffix, relative to the site's root."""
    path = HTML / f"{name}.html"
    if not path.is_file():
        pytest.fail(f"{name}.html is not built. Make it with: make book", pytrace=False)
    return BeautifulSoup(path.read_text(), "html.parser")


def article(name: str) -> Tag:
    """What the page says, without the theme around it."""
    return page(name).select_one("article.bd-article")


def text_without(name: str, selector: str) -> str:
    """Text of the article, leaving out what the selector matches; a space between two tags."""
    tree = copy(article(name))
    for tag in tree.select(selector):
        tag.decompose()
    return tree.get_text(" ")  # or the cells of a table would run together


NEVER = 4e9  # seconds since 1970: no file is newer


def share_environment(folder: Path) -> None:
    """Make this environment that of a copy of the repository; `make` takes it as set up."""
    own = folder / ".venv"
    own.mkdir()
    for part in Path(sys.prefix).iterdir():
        (own / part.name).symlink_to(part)
    stamp = own / ".installed"
    stamp.unlink(missing_ok=True)
    stamp.touch()
    os.utime(stamp, (NEVER, NEVER))
