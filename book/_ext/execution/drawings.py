"""Whether a drawing of Matplotlib shows what it was drawn for: each panel, and all that is in it.

Matplotlib draws what cannot be seen without a word: a panel that nobody filled, a line of nan, data
beyond the limits of the axes or in the colour of the page. In its SVG each of these leaves a trace.
What may be meant counts as seen: words inside of axes, bars and shapes that are outlines only, axes
that are switched off or that share their place with others.
"""

import base64
import io
import re
from collections.abc import Iterator
from functools import cached_property
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from PIL import Image, ImageColor

__all__ = ["empty_parts", "is_blank_image", "words"]

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
PANEL = re.compile(r"axes_\d+")
LINE = re.compile(r"line2d_\d+$")
KIND = re.compile(r"(matplotlib\.axis|legend|patch|text)_\d+")  # as Matplotlib names parts of axes
WORDS = re.compile(r"<!-- (.*?) -->|<text\b[^>]*>([^<]*)</text>", re.S)  # of Matplotlib
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
# Points a side of a figure; set after a look, since strips of 40 are made on purpose.
SMALLEST, LARGEST = 20, 1500
NEAR = 0.5  # points
UNSEEN = 5  # of 255: so little between two colours is no difference to an eye
FAINT = 0.02  # of 1: what lets more through than that is not seen
Box = tuple[float, float, float, float]  # left, top, right, bottom


def empty_parts(svg: str) -> Iterator[str]:
    """Which parts of a drawing show nothing; no other SVG is looked at.

    Args:
        svg: A drawing.
    """
    named = {part.get("id", ""): part for part in ElementTree.fromstring(svg).iter()}
    figures = [part for name, part in named.items() if name.startswith("figure_")]
    if not figures:
        return
    yield from _odd_size(named)
    panels = [_Panel(part, named) for name, part in named.items() if PANEL.fullmatch(name)]
    beside = [part for part in figures[0][1:] if not PANEL.fullmatch(part.get("id", ""))]
    if not beside and not any(panel.has_frame or panel.has_ink for panel in panels):
        yield "the figure that it draws is empty"
    for number, panel in enumerate(panels, 1):
        which = f"panel {number} of {len(panels)}" if panels[1:] else "the figure that it draws"
        if panel.has_frame and not any(p.has_ink for p in panels if p.covers(panel)):
            yield f"{which} is empty"
        elif panel.has_lost_points:
            yield f"{which} has a part without a single point"
        elif panel.has_hidden_line:
            yield f"{which} has a line that lies under another one, point for point"


def _odd_size(named: dict[str, Element]) -> Iterator[str]:
    """What is far larger than a page, as where a text lies far outside, or like a dot."""
    paper = next(named["patch_1"].iter(f"{SVG}path"), None) if "patch_1" in named else None
    box = _box(paper.get("d", "")) if paper is not None else None
    sides = [box[2] - box[0], box[3] - box[1]] if box else []
    if any(not SMALLEST <= side <= LARGEST for side in sides):
        size = " x ".join(f"{side:.0f}" for side in sides)
        yield f"the figure that it draws has {size} points, and not {SMALLEST} to {LARGEST} a side"


def words(svg: str) -> str:
    """What is written in a drawing; where letters are drawn as paths, Matplotlib notes it beside.

    Args:
        svg: A drawing.
    """
    return "\n".join(wide or told for told, wide in WORDS.findall(svg))


def is_blank_image(encoded: str) -> bool:
    """Whether all pixels of an image are the same.

    Args:
        encoded: The image in base 64.
    """
    return all(low == high for low, high in _extrema(encoded))


def _extrema(encoded: str) -> list[tuple[int, int]]:
    """Least and largest value of each band; of what is transparent that band alone."""
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        found = image.convert("RGBA").getextrema()
    return [found[3]] if found[3] == (0, 0) else list(found)


class _Panel:
    """Axes: their frame, and what is drawn in them."""

    def __init__(self, panel: Element, named: dict[str, Element]) -> None:
        self.parts, self.named = list(panel), named
        kinds = [KIND.fullmatch(part.get("id", "")) for part in self.parts]
        self.kinds = [kind[1] if kind else "" for kind in kinds]

    @cached_property
    def has_frame(self) -> bool:
        """Whether it is a place for data: axes that are switched off, or a mere scale, are none."""
        box = self.box
        if "matplotlib.axis" not in self.kinds or box is None:
            return False
        return box[2] - box[0] > 1 and box[3] - box[1] > 1

    @cached_property
    def box(self) -> Box | None:
        """Where it lies: its ground, or what is drawn first."""
        paths = (path.get("d", "") for part in self.parts for path in part.iter(f"{SVG}path"))
        return next(filter(None, map(_box, paths)), None)

    def covers(self, other: "_Panel") -> bool:
        """Whether it lies where the other one does, as twin axes do."""
        pairs = zip(self.box or (), other.box or (), strict=False)
        return self is other or (bool(self.box) and all(abs(a - b) < NEAR for a, b in pairs))

    @cached_property
    def artists(self) -> list[Element]:
        """What stands for data: all but the scales, the words, the ground and the frame's edges."""
        return [
            part
            for part, kind in zip(self.parts, self.kinds, strict=True)
            if not kind
            or (kind == "patch" and part is not self._ground and not self._is_edge(part))
        ]

    @cached_property
    def _ground(self) -> Element | None:
        pairs = zip(self.parts, self.kinds, strict=True)
        first = next((part for part, kind in pairs if kind == "patch"), None)
        return first if "matplotlib.axis" in self.kinds else None

    def _is_edge(self, part: Element) -> bool:
        """Whether a patch is an outline along the frame: one of its four lines, or all."""
        path = next(part.iter(f"{SVG}path"), None)
        box = _box(path.get("d", "")) if path is not None else None
        if box is None or not self.has_frame or _style(path).get("fill", "#000000") != "none":
            return False
        sides = [(box[k], box[k + 2], self.box[k], self.box[k + 2]) for k in (0, 1)]
        along = [abs(a - left) < NEAR and abs(b - right) < NEAR for a, b, left, right in sides]
        thin = [
            b - a < NEAR and min(abs(a - left), abs(a - right)) < NEAR
            for a, b, left, right in sides
        ]
        return all(along) or (along[0] and thin[1]) or (along[1] and thin[0])

    @cached_property
    def has_ink(self) -> bool:
        """Whether anything can be seen in it."""
        return any(map(self._is_seen, self.artists)) or any(map(self._is_said, self._said()))

    @cached_property
    def has_lost_points(self) -> bool:
        """Whether a line or a collection has none of its points, or a bar is one of nan."""
        return any(
            (_is_of_nan if part.get("id", "").startswith("patch") else _has_no_points)(part)
            for part in self.artists
        )

    def _said(self) -> list[Element]:
        pairs = zip(self.parts, self.kinds, strict=True)
        return [part for part, kind in pairs if kind in ("text", "legend")]

    def _is_said(self, part: Element) -> bool:
        """Whether words begin inside of the frame; a title begins above it. An arrow is ink."""
        for item in part.iter():
            moved = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", item.get("transform", ""))
            place = moved.groups() if moved else (item.get("x", ""), item.get("y", ""))
            if all(place) and self._holds(*(float(value.split()[0]) for value in place)):
                return True
        arrows = () if part.get("id", "").startswith("legend") else _marks(part)
        return any(self._has_ink(mark) for mark in arrows if HREF not in mark.attrib)

    def _holds(self, x: float, y: float) -> bool:
        if not self.has_frame:
            return True
        left, top, right, bottom = self.box
        return left <= x <= right and top <= y <= bottom

    def _is_seen(self, artist: Element) -> bool:
        pictures = [p.get(HREF, "").partition(",")[2] for p in artist.iter(f"{SVG}image")]
        if pictures:  # of one value is a picture too, unless it looks like paper
            return any(_extrema(p) not in ([(0, 0)], [(255, 255)] * 4) for p in pictures)
        return any(map(self._has_ink, _marks(artist)))

    @cached_property
    def _paper(self) -> str:
        """The colour of its ground."""
        ground = next(self._ground.iter(f"{SVG}path"), None) if self._ground is not None else None
        colour = _style(ground).get("fill", "#000000") if ground is not None else "none"
        return "#ffffff" if colour == "none" else colour

    def _is_paper(self, colour: str) -> bool:
        """Whether nobody tells a colour from that of the ground."""
        if not colour.startswith("#"):  # none, or the address of a pattern
            return colour == "none"
        pairs = zip(ImageColor.getrgb(colour), ImageColor.getrgb(self._paper), strict=True)
        return all(abs(a - b) <= UNSEEN for a, b in pairs)

    @cached_property
    def has_hidden_line(self) -> bool:
        """Whether a line lies under another one that runs through the same points, as wide as it.

        A wider one picks it out.
        """
        under = set()
        for path in (p for a in self.artists if LINE.match(a.get("id", "")) for p in _marks(a)):
            style = _style(path)
            line = path.get("d", "").strip(), style.get("stroke-width")
            if line in under and "stroke-dasharray" not in style:
                return True
            if line[0] and style.get("stroke", "none") != "none":
                under.add(line)
        return False

    def _has_ink(self, mark: Element) -> bool:
        style = _style(mark)
        kinds = {"fill": "#000000", "stroke": "none"}  # with what SVG takes where nothing is said
        is_drawn = _is_opaque(style, "opacity") and any(
            _is_opaque(style, f"{kind}-opacity") and not self._is_paper(style.get(kind, usual))
            for kind, usual in kinds.items()
        )
        return is_drawn and self._is_extended(mark, style) and self._is_inside(mark)

    def _is_extended(self, mark: Element, style: dict[str, str]) -> bool:
        """Whether a path leads from one point to another, and what is filled alone has an area."""
        box = _box(mark.get("d", ""))
        if HREF in mark.attrib or box is None:
            return True
        sides = box[2] - box[0], box[3] - box[1]
        is_line = style.get("stroke", "none") != "none"
        return max(sides) > 0 if is_line else min(sides) > 0

    def _is_inside(self, mark: Element) -> bool:
        path = self.named[mark.get(HREF)[1:]] if HREF in mark.attrib else mark
        box = _box(path.get("d", ""))
        if box is None or not self.has_frame:
            return box is not None
        x, y = float(mark.get("x", 0)), float(mark.get("y", 0))
        left, top, right, bottom = self.box
        beside = box[2] + x < left or box[0] + x > right
        return not (beside or box[3] + y < top or box[1] + y > bottom)


def _style(part: Element) -> dict[str, str]:
    pairs = (entry.partition(":") for entry in part.get("style", "").split(";"))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _is_opaque(style: dict[str, str], kind: str) -> bool:
    return float(style.get(kind, 1)) > FAINT


def _box(path: str) -> Box | None:
    numbers = list(map(float, NUMBER.findall(path)))
    if len(numbers) < 2:
        return None
    x, y = numbers[::2], numbers[1::2]
    return min(x), min(y), max(x), max(y)


def _marks(artist: Element) -> list[Element]:
    """Paths and uses of paths, less the definitions."""
    defined = {id(p) for group in artist.iter(f"{SVG}defs") for p in group.iter(f"{SVG}path")}
    paths = [p for p in artist.iter(f"{SVG}path") if id(p) not in defined]
    return [*paths, *artist.iter(f"{SVG}use")]


def _has_no_points(artist: Element) -> bool:
    if any(True for _ in artist.iter(f"{SVG}image")):
        return False
    marks = _marks(artist)
    return bool(marks) and not any(
        mark.get("d", "").strip() or HREF in mark.attrib for mark in marks
    )


def _is_of_nan(patch: Element) -> bool:
    """Whether Matplotlib had no corner to draw."""
    return any(mark.get("d", "").split() == ["M", "0", "0", "z"] for mark in _marks(patch))
