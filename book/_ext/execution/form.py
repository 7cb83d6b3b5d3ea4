"""Reads pages, and says what of their form stops a build: each with page, line and cure."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from pathlib import Path

from myst_nb.core.read import (
    MystMetadataParsingError,
    is_myst_markdown_notebook,
    read_myst_markdown_notebook,
)
from nbformat import NotebookNode, ValidationError

from execution.scrutiny import unknown_tags

__all__ = ["FormError", "not_in_contents", "read_page", "wrong_tags"]


class FormError(ValueError):
    """A page cannot be read; the message says where, why, and what to do."""


def read_page(path: Path) -> NotebookNode | None:
    """The cells of a page that has some that run; None of any other.

    Raises:
        FormError: It is no text in UTF-8, or what a cell or the page says of itself is no YAML.
    """
    raw = path.read_bytes()
    if raw.startswith(BOM_UTF8):  # Sphinx would drop it, and others take it for text
        raise FormError(
            f"{path.name}, line 1: it must begin with its text, got a byte order mark. Save it as "
            "UTF-8 without one."
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise FormError(
            f"{path.name}, line {line}: it must be UTF-8 text, got the byte 0x{byte:02x}. Save it "
            "as UTF-8."
        ) from error
    try:
        if path.suffix != ".md" or not is_myst_markdown_notebook(text):
            return None
        return read_myst_markdown_notebook(text, add_source_map=True, path=path)
    except ValidationError as error:
        raise FormError(
            f"{path.name}: {error.message}. Tags are a list, in brackets: `:tags: [hide-input]`."
        ) from error
    except MystMetadataParsingError as error:
        number, line = re.search(r"cell (\d+) at line (\d+)", str(error)).groups()
        raise FormError(
            f"{path.name}, line {line}, code cell {number}: its options are no YAML. Indent by "
            "spaces, close brackets and quotes, and end the options with a line of their own: an "
            "empty one behind `:tags:`, or `---`."
        ) from error


def wrong_tags(path: Path, notebook: NotebookNode) -> Iterator[str]:
    """Tags that nothing knows: what they were to do would not happen, and nobody would notice."""
    lines = notebook.metadata.source_map
    for cell, line in zip(notebook.cells, lines, strict=True):
        for tag in unknown_tags(cell) if cell.cell_type == "code" else ():
            yield f"{path.name}, line {line + 1}: the tag {tag} is not known. Is it spelt right?"


def not_in_contents(folder: Path, found: Iterable[str]) -> Iterator[str]:
    """Pages that lie in the book's folder and that nobody would find."""
    known = set(found)
    for path in sorted(folder.glob("*.md")):
        if path.stem not in known:
            yield f"{path.name} is not in _toc.yml. Enter it there, or take it out of the folder."
