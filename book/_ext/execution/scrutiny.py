"""What a page's outputs must not hold, since a reader would take it for a result.

A cell that ran can still have gone wrong: a warning that nobody wants on the page, a figure that
was promised and not drawn, or drawn and empty, a number that is none. Each is a fault with its
cell and a cure, and the page is not kept.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import ParseError

from nbformat import NotebookNode
from PIL import UnidentifiedImageError

from execution.drawings import empty_parts, is_blank_image, words

__all__ = ["faults", "unknown_tags"]

LONGEST = 100_000  # characters that a cell may print; MyST-NB needs minutes for a few millions
# What it may show in all, for a page is read on a phone, too. Set after a look: 141,000 is today's
# largest.
LARGEST = 500_000
RAISES = "raises-exception"
ALLOWS_STDERR, ALLOWS_NAN, ALLOWS_EMPTY = "remove-stderr", "shows-nan", "shows-empty"
TAGS = {
    *("hide-input", "hide-output", "hide-cell", "remove-input", "remove-output", "remove-cell"),
    *(RAISES, "skip-execution", "full-width", "margin", "scroll-output"),
    *("remove-stdout", ALLOWS_STDERR, ALLOWS_NAN, ALLOWS_EMPTY),
}
GLUED = "application/papermill.record/"  # before the type of what is glued, and not shown there
VALUE = re.compile(r"[-+]?[\d.]+(?:e[-+]?\d+)?|nan|-?inf|True|False|(['\"]).+\1", re.S)
NO_NUMBER = re.compile(
    r"(?<![\w.\\-])-?(?:nan|NaN|NaT|inf|Infinity)(?![\w-])|(?:<|&lt;)NA(?:>|&gt;)"
    r"|\[(?:[^][\n]*[\s,])?--[],\s]"  # a masked number in an array of NumPy
)
ADDRESS = re.compile(r" at 0x[0-9a-f]{6,}>|<\w+ object of \d+ ")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")  # \x1b begins a colour
HERE = tuple(f"{place}{os.sep}" for place in (Path(__file__).parents[3], Path.home()))
MARKUP = re.compile(r"<[^<>]*>")


def unknown_tags(cell: NotebookNode) -> list[str]:
    """Tags of a cell that nothing knows, misspelt ones above all."""
    return sorted(set(cell.metadata.get("tags", [])) - TAGS)


def faults(cell: NotebookNode) -> Iterator[str]:
    """What is wrong with the outputs of a cell that raised nothing, as sentences with their cures.

    Args:
        cell: A code cell that was run.
    """
    tags, shown = set(cell.metadata.get("tags", [])), _texts(cell)
    streams = [output for output in cell.outputs if output.output_type == "stream"]
    printed = sum(len(stream.text) for stream in streams)
    for how, count, most in (("print", printed, LONGEST), ("show", sum(map(len, shown)), LARGEST)):
        if count > most:
            yield f"it {how}s {count:,} characters, more than {most:,}. {how.title()} less."
            return
    stderr = [stream.text for stream in streams if stream.name == "stderr"]
    if stderr and ALLOWS_STDERR not in tags:
        lines = "".join(stderr).strip().splitlines() or [""]
        told = next((line for line in lines if "Warning" in line), lines[-1])
        yield (
            f"it prints to the standard error stream: {told.strip()} | Mend what it warns of, or "
            f"give the cell the tag {ALLOWS_STDERR}."
        )
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if RAISES in tags and not errors:
        yield f"it has the tag {RAISES}, and raises nothing. Take the tag away."
    if errors and RAISES not in tags:  # that it goes on from, as behind %run
        yield (
            f"it shows {errors[0].ename}: {errors[0].evalue}. Mend it, or, where that is what the "
            f"page is about, give the cell the tag {RAISES}."
        )
    if any(map(ADDRESS.search, shown)):
        yield "it shows what an object is, and not what is in it. End the line with `;`."
    if any(map(CONTROL.search, shown)):
        yield "it shows a character that nobody can see. Print it by repr."
    if place := next((place for place in HERE if any(place in text for text in shown)), None):
        yield f"it shows {place}, which is another folder elsewhere. Print the file's name alone."
    found = next(filter(None, map(NO_NUMBER.search, shown)), None)
    if found and ALLOWS_NAN not in tags:
        yield (
            f"it shows {found[0].strip()}, which is no finite number. Mend the calculation, "
            f"or, where that is what the page is about, give the cell the tag {ALLOWS_NAN}."
        )
    for name, value in _glued(cell):
        if not VALUE.fullmatch(value) or value.strip(" '\"") in ("", "None"):
            yield f"it glues {value[:60]} as {name}. Glue a number or a text, such as x.item()."
    yield from _faults_of_figures(cell)


def _glued(cell: NotebookNode) -> Iterator[tuple[str, str]]:
    """Names and values that it hands to the page's text; a figure is no value."""
    for output in cell.outputs:
        shown = {mime.removeprefix(GLUED) for mime in output.get("data", {})}
        if "scrapbook" in output.get("metadata", {}) and shown == {"text/plain"}:
            [value] = output.data.values()
            yield output.metadata.scrapbook.name, value.strip()


def _faults_of_figures(cell: NotebookNode) -> Iterator[str]:
    """A figure that was promised is drawn, and none is empty."""
    options = cell.metadata.get("mystnb") or {}
    pictures = [
        (mime.removeprefix(GLUED), value)
        for output in cell.outputs
        for mime, value in output.get("data", {}).items()
        if mime.removeprefix(GLUED).startswith("image/")
    ]
    if (options.get("figure") or options.get("image")) and not pictures:
        yield (
            "it has the caption or the alt text of a figure, and draws none. End it with a call "
            "that draws, or take its `mystnb` options away."
        )
    try:
        empty = [part for picture in pictures for part in _empty_parts(*picture)]
    except (ParseError, UnidentifiedImageError, ValueError):
        yield "it shows a picture that cannot be read. Is it in the format that it says?"
        return
    for part in empty if ALLOWS_EMPTY not in cell.metadata.get("tags", []) else ():
        yield (
            f"{part}. Draw finite numbers, within the axes and in a colour that is seen, and of "
            f"two lines in one place the upper one dashed; where it is meant to be empty, give the "
            f"cell the tag {ALLOWS_EMPTY}."
        )


def _empty_parts(mime: str, picture: str) -> list[str]:
    if mime == "image/svg+xml":
        return [*empty_parts(picture)]
    return ["the figure that it draws is empty"] if is_blank_image(picture) else []


def _texts(cell: NotebookNode) -> list[str]:
    """All that a cell prints and shows as text, what it glues, and the words of its figures."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        found += [output.text] if output.output_type == "stream" else []
        texts = {mime: str(v) for mime, v in data.items() if mime.split("/")[-2:][0] == "text"}
        if texts.keys() - {"text/plain"} or any(mime.startswith("image/") for mime in data):
            texts.pop("text/plain", None)  # which no page shows beside these
        found += [MARKUP.sub(" ", v) if "html" in mime else v for mime, v in texts.items()]
        found += [words(v) for mime, v in data.items() if mime == "image/svg+xml"]
    return found
