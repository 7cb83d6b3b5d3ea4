"""Says what is wrong with a picture: none, of another format than its name says, large, or unsafe.

Browsers show an SVG as a picture, and run and load nothing that it holds; a reader who opens the
file alone would have both.
"""

import re
from pathlib import Path
from xml.etree.ElementTree import ParseError, fromstring

from PIL import Image

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".gif": "GIF"}
SHOWN = {*FORMATS, ".svg"}
LONGEST = 4000  # pixels of a side
HEAVIEST = 1_000_000  # bytes
OUTSIDE = re.compile(r"url\(\s*['\"]?(?!#|data:)([^'\")\s]+)|@import\s+(\S+)")


def fault_of(path: Path) -> str:
    """What is wrong with a picture, with a cure; empty if nothing is."""
    if path.suffix.lower() not in SHOWN:
        return f"{path.name} is no PNG, JPEG, WebP, GIF or SVG. Save it as one of these."
    try:
        return _fault_of_svg(path) if path.suffix.lower() == ".svg" else _fault_of_image(path)
    except (OSError, ParseError, UnicodeDecodeError, SyntaxError, Image.DecompressionBombError):
        return (
            f"{path.name} holds no image that can be read. Save it once more, in the format that "
            "its name says."
        )


def _fault_of_image(path: Path) -> str:
    size = path.stat().st_size
    with Image.open(path) as image:
        told, sides = FORMATS[path.suffix.lower()], image.size
        if image.format != told:
            return f"{path.name} holds {image.format}, and its name says {told}. Name it right."
        if max(sides) > LONGEST:
            return (
                f"{path.name} has {sides[0]} x {sides[1]} pixels, more than {LONGEST} a side. "
                "Make it smaller."
            )
        image.load()  # or one that was cut short would be found by readers
    return _fault_of_weight(path, size)


def _fault_of_svg(path: Path) -> str:
    text = path.read_text("utf-8")
    for element in fromstring(text).iter():
        tag = _local(element.tag)
        if tag in ("script", "foreignObject"):
            return f"{path.name} has <{tag}>, which no page shows. Take it out."
        for attribute, value in element.items():
            name = _local(attribute)
            if name.startswith("on"):
                return f"{path.name} has {name}, which no page runs. Take it out."
            if name == "href" and not value.startswith(("#", "data:image/")):
                return f"{path.name} asks for {value}, which no page loads. Draw it inside."
    if found := OUTSIDE.search(text):
        asked = found[1] or found[2]
        return f"{path.name} asks for {asked}, which no page loads. Draw it inside."
    # What a cell draws is made smaller by `figures`.
    return "" if is_drawn(text) else _fault_of_weight(path, len(text))


def is_drawn(svg: str) -> bool:
    """Whether matplotlib drew it."""
    return "matplotlib" in svg[:2000].lower()


def _local(name: str) -> str:
    return str(name).rpartition("}")[2]


def _fault_of_weight(path: Path, size: int) -> str:
    if size <= HEAVIEST:
        return ""
    return f"{path.name} has {size:,} bytes, more than {HEAVIEST:,}. Make it smaller."
