"""Whether a drawing of Matplotlib shows what it was drawn for: each panel, and all that is in it.

Matplotlib draws what cannot be seen without a word: a panel that nobody filled, a line of nan, data
beyond the limits of the axes or in the colour of the page. In its SVG each of these leaves a trace.
"""

import base64
import io
import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from PIL import Image

__all__ = ["empty_parts", "is_blank_image", "words"]

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
FRAME = ("matplotlib.axis", "legend", "patch", "text")  # of axes; a title is a text as well
WORDS = re.compile(r"<!-- (.*?) -->|<text\b[^>]*>([^<]*)</text>", re.S)  # of Matplotlib
PAPER = {"none", "#ffffff"}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
Box = tuple[float, float, float, float]  # left, top, right, bottom


def empty_parts(svg: str) -> Iterator[str]:
    """Which parts of a drawing show nothing; no other SVG is looked at.

    Args:
        svg: A drawing.
    """
    root = ElementTree.fromstring(svg)
    named = {part.get("id", ""): part for part in root.iter()}
    if not any(name.startswith("figure_") for name in named):
        return
    panels = [part for name, part in named.items() if re.fullmatch(r"axes_\d+", name)]
    if not panels:
        yield "the figure that it draws is empty"
    for number, panel in enumerate(panels, 1):
        which = f"panel {number} of {len(panels)}" if panels[1:] else "the figure that it draws"
        frame, artists = _frame(panel), _artists(panel)
        if frame and not any(map(_Seen(named, frame), artists)):
            yield f"{which} is empty"
        elif missing := [artist for artist in artists if _has_no_points(artist)]:
            kind = missing[0].get("id", "").rstrip("_0123456789")
            yield f"{which} has a part without a single point ({kind})"


def words(svg: str) -> str:
    """What is written in a drawing; where letters are drawn as paths, Matplotlib notes it beside.

    Args:
        svg: A drawing.
    """
    return "\n".join(wide or told for told, wide in WORDS.findall(svg))


def _artists(panel: Element) -> list[Element]:
    """What stands for data: all but the frame, the background and words; bars are patches."""
    return [part for part in panel if not part.get("id", "").startswith(FRAME) or _is_filled(part)]


def _frame(panel: Element) -> Box | None:
    """The box of axes that have a ground or a scale; None of those that are switched off."""
    names = [part.get("id", "") for part in panel]
    if not any(name.startswith(("patch", "matplotlib.axis")) for name in names):
        return None
    paths = [p.get("d", "") for part in panel for p in part.iter(f"{SVG}path")]
    return next(filter(None, map(_box, paths)), None)


def _is_filled(part: Element) -> bool:
    paths = list(part.iter(f"{SVG}path"))
    is_patch = part.get("id", "").startswith("patch")
    return is_patch and any(_style(p).get("fill", "none") not in PAPER for p in paths)


def _style(part: Element) -> dict[str, str]:
    pairs = (entry.partition(":") for entry in part.get("style", "").split(";"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _box(path: str) -> Box | None:
    numbers = list(map(float, NUMBER.findall(path)))
    if len(numbers) < 2:
        return None
    x, y = numbers[::2], numbers[1::2]
    return min(x), min(y), max(x), max(y)


class _Seen:
    """Whether a part of axes leaves ink inside of them."""

    def __init__(self, named: dict[str, Element], frame: Box | None) -> None:
        self.named, self.frame = named, frame

    def __call__(self, artist: Element) -> bool:
        pictures = [p.get(HREF, "").partition(",")[2] for p in artist.iter(f"{SVG}image")]
        if pictures:
            return not all(map(is_blank_image, pictures))
        return any(map(self._has_ink, _marks(artist)))

    def _has_ink(self, mark: Element) -> bool:
        style = _style(mark)
        kinds = {"fill": "#000000", "stroke": "none"}  # with what SVG takes where nothing is said
        is_seen = style.get("opacity") != "0" and any(
            style.get(kind, usual) not in PAPER and style.get(f"{kind}-opacity") != "0"
            for kind, usual in kinds.items()
        )
        return is_seen and self._is_inside(mark)

    def _is_inside(self, mark: Element) -> bool:
        path = self.named[mark.get(HREF)[1:]] if HREF in mark.attrib else mark
        box = _box(path.get("d", ""))
        if box is None or self.frame is None:
            return box is not None
        x, y = float(mark.get("x", 0)), float(mark.get("y", 0))
        left, top, right, bottom = self.frame
        beside = box[2] + x < left or box[0] + x > right
        return not (beside or box[3] + y < top or box[1] + y > bottom)


def _marks(artist: Element) -> list[Element]:
    """Paths and uses of paths, less the definitions."""
    defined = {id(p) for group in artist.iter(f"{SVG}defs") for p in group.iter(f"{SVG}path")}
    paths = [p for p in artist.iter(f"{SVG}path") if id(p) not in defined]
    return [*paths, *artist.iter(f"{SVG}use")]


def _has_no_points(artist: Element) -> bool:
    """Whether a line or a collection was drawn, and has none of its points."""
    if any(True for _ in artist.iter(f"{SVG}image")):
        return False
    marks = _marks(artist)
    return bool(marks) and not any(mark.get("d", "").strip() or mark.get(HREF) for mark in marks)


def is_blank_image(encoded: str) -> bool:
    """Whether all pixels of an image are the same.

    Args:
        encoded: The image in base 64.
    """
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        found = image.convert("RGBA").getextrema()
    seen = [found[3]] if found[3] == (0, 0) else found
    return all(low == high for low, high in seen)
