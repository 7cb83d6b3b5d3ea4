"""What a page's outputs must not hold, since a reader would take it for a result.

A cell that ran can still have gone wrong: a warning that nobody wants on the page, a figure that
was promised and not drawn, or drawn and empty, a number that is none. Each is a fault with its
cell and a cure, and the page is not kept.
"""

import base64
import io
import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from nbformat import NotebookNode
from PIL import Image

__all__ = ["faults", "unknown_tags"]

LONGEST = 100_000  # characters that a cell may print; MyST-NB needs minutes for a few millions
RAISES = "raises-exception"
ALLOWS_STDERR, ALLOWS_NAN = "remove-stderr", "shows-nan"
TAGS = {
    *("hide-input", "hide-output", "hide-cell", "remove-input", "remove-output", "remove-cell"),
    *(RAISES, "skip-execution", "full-width", "margin", "scroll-output"),
    *("remove-stdout", ALLOWS_STDERR, ALLOWS_NAN),
}
NO_NUMBER = re.compile(r"(?<![\w.-])-?(?:nan|NaN|inf|Infinity)\b")
SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
FRAME = ("matplotlib.axis", "legend", "patch")  # of axes: what is there before anything is drawn


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
    if printed > LONGEST:
        yield f"it prints {printed:,} characters, more than {LONGEST:,}. Print less."
        return
    stderr = [stream.text for stream in streams if stream.name == "stderr"]
    if stderr and ALLOWS_STDERR not in tags:
        lines = "".join(stderr).strip().splitlines() or [""]
        told = next((line for line in lines if "Warning" in line), lines[-1])
        yield (
            f"it prints to the standard error stream: {told.strip()} | Mend what it warns of, or "
            f"give the cell the tag {ALLOWS_STDERR}."
        )
    if RAISES in tags and all(output.output_type != "error" for output in cell.outputs):
        yield f"it has the tag {RAISES}, and raises nothing. Take the tag away."
    found = next(filter(None, map(NO_NUMBER.search, shown)), None)
    if found and ALLOWS_NAN not in tags:
        yield (
            f"it shows {found[0]}, which is no finite number. Mend the calculation, or, where that "
            f"is what the page is about, give the cell the tag {ALLOWS_NAN}."
        )
    yield from _faults_of_figures(cell)


def _faults_of_figures(cell: NotebookNode) -> Iterator[str]:
    """A figure that was promised is drawn, and none is empty."""
    options = cell.metadata.get("mystnb") or {}
    pictures = [
        (mime, value)
        for output in cell.outputs
        for mime, value in output.get("data", {}).items()
        if mime.startswith("image/")
    ]
    if (options.get("figure") or options.get("image")) and not pictures:
        yield (
            "it has the caption or the alt text of a figure, and draws none. End it with a call "
            "that draws, or take its `mystnb` options away."
        )
    for mime, value in pictures:
        if _is_blank_svg(value) if mime == "image/svg+xml" else _is_blank_image(value):
            yield "the figure that it draws is empty. Draw finite numbers into it."


def _texts(cell: NotebookNode) -> list[str]:
    """All that a cell prints and shows as text, and what it glues."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {})
        found += [output.text] if output.output_type == "stream" else []
        found += [str(v) for mime, v in data.items() if mime.split("/")[-2:][0] == "text"]
    return found


def _is_blank_svg(svg: str) -> bool:
    """Whether a drawing of Matplotlib holds no more than axes; any other SVG counts as drawn."""
    parts = {part.get("id", ""): part for part in ElementTree.fromstring(svg).iter()}
    if not any(name.startswith("figure_") for name in parts):
        return False
    axes = [part for name, part in parts.items() if re.fullmatch(r"axes_\d+", name)]
    return not any(_draws(artist) for part in axes for artist in part)


def _draws(artist: Element) -> bool:
    """Whether a part of axes shows something of the data: ink, and not the axes' own frame."""
    paths = list(artist.iter(f"{SVG}path"))
    if artist.get("id", "").startswith(FRAME):  # bars are patches too, and they are filled
        return any(re.search(r"fill: #(?!ffffff)", path.get("style", "")) for path in paths)
    pictures = [picture.get(HREF, "").partition(",")[2] for picture in artist.iter(f"{SVG}image")]
    if pictures:
        return not all(map(_is_blank_image, pictures))
    marks = [mark for kind in ("use", "text") for mark in artist.iter(f"{SVG}{kind}")]
    return bool(marks) or any(path.get("d", "").strip() for path in paths)


def _is_blank_image(encoded: str) -> bool:
    """Whether all pixels of an image are the same."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        return all(low == high for low, high in _extrema(image))


def _extrema(image: Image.Image) -> list[tuple[int, int]]:
    found = image.convert("RGBA").getextrema()
    return [found[3]] if found[3] == (0, 0) else list(found)
