"""The pages of the book in reading order, as `_toc.yml` lists them."""

from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def page_names() -> list[str]:
    """Names of all pages, without suffix."""
    return list(_names(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))))


def _names(entry: dict) -> Iterator[str]:
    for key in ("root", "file"):
        if key in entry:
            yield entry[key]
    for key in ("parts", "chapters", "sections"):
        for child in entry.get(key, []):
            yield from _names(child)
