"""Figures that suit the page: light or dark with it, small, and with their size given.

An SVG in an `img` follows the `color-scheme` of the page around it. So each figure carries both
looks: the colours of the book's style as matplotlib writes them, and a rule for each that holds
where the page is dark; where a browser does not do so, the figure stays readable on its own ground.
Images inside a figure, which show digits or values, stay as they are.
"""

import base64
import io
import re
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

from pictures import fault_of, is_drawn

# Colours of condlesson.mplstyle and plots.py on the page's dark ground; text and lines have a
# contrast of 4.5 to 1 or more there, as the others have on white.
DARK = {
    "#ffffff": "#121212",  # the page
    "#333333": "#ced6dd",  # text
    "#4d4d4d": "#b6bec7",  # axes and their numbers
    "#e6e6e6": "#2f3742",  # grid
    "#d9d9d9": "#3a4350",  # boxes
    "#0072b2": "#4794eb",
    "#00366b": "#b5d4f9",
    "#c05200": "#f57f2e",
    "#7a3300": "#fbc9a3",
    "#1c6e37": "#70db9d",
    "#b0568a": "#e59cc6",
    "#56b4e9": "#2b77ab",
}
NARROW = re.compile(r"<!--narrow ([\w+/=]+)-->")  # as condlesson.figures.narrow adds it
PHONE = "(max-width: 600px)"  # where the narrow drawing is shown, as in lesson.css
LARGE = 20_000  # characters of an image inside a figure that is worth compressing again
PIXELS = 96 / 72  # to a point
logger = logging.getLogger(__name__)


def dark_rules() -> str:
    """A style element that gives each colour its dark counterpart, in a fill and in a stroke."""
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in DARK.items()
        for kind in ("fill", "stroke")
    )
    return f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"


def suit(svg: str) -> str:
    """A figure of matplotlib's for light and dark pages, and smaller."""
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"\d+\.\d{3,}", _rounded, path[0]), svg)
    svg = re.sub(r"data:image/png;base64,\s*([\w+/=\s]+)", _compressed, svg)
    return re.sub(r"(<svg [^>]*>)", lambda tag: tag[0] + dark_rules(), svg, count=1)


def _rounded(number: re.Match) -> str:
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def _compressed(image: re.Match) -> str:
    """The same image as WebP, if it is large and that is smaller."""
    if len(image[1]) < LARGE:
        return image[0]
    picture = Image.open(io.BytesIO(base64.b64decode(image[1])))
    picture.save(file := io.BytesIO(), "WEBP", quality=90, method=6)
    webp = base64.b64encode(file.getvalue()).decode()
    return f"data:image/webp;base64,{webp}" if len(webp) < len(image[1]) else image[0]


def give_size(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Say how large each image of a page is, so that nothing moves when it comes."""
    files = {f"{app.builder.imagedir}/{name}": path for path, name in app.builder.images.items()}

    def with_size(tag: re.Match) -> str:
        source = re.search(r' src="([^"]*)"', tag[0])
        if source is None or source[1] not in files:
            return tag[0]
        path = Path(app.srcdir, files[source[1]])
        try:
            fault = fault_of(path)
            width, height, kind = (0, 0, "") if fault else _size(path)
        except ExtensionError as error:
            fault = str(error)
        if fault:
            logger.warning("%s", fault, location=page)
        if fault or " width=" in tag[0]:
            return tag[0]
        added = f'<img width="{width}" height="{height}" loading="lazy" decoding="async"'
        image = added + (f' class="{kind}"' if kind else "") + tag[0].removeprefix("<img")
        return _picture(source[1], image, narrow_of(path))

    if "body" in context:
        context["body"] = re.sub(r"<img [^>]*>", with_size, context["body"])


def narrow_of(path: Path) -> str:
    """The drawing of a figure for narrow screens; empty if it has none."""
    found = path.suffix == ".svg" and NARROW.search(path.read_text("utf-8"))
    return base64.b64decode(found[1]).decode() if found else ""


def _narrow_name(source: str) -> str:
    return source.removesuffix(".svg") + "-narrow.svg"


def _picture(source: str, image: str, narrow: str) -> str:
    """An image, in the company of its narrow form if it has one."""
    if not narrow:
        return image
    width, height, _ = _size_of(narrow, source)
    return (
        f'<picture><source media="{PHONE}" srcset="{_narrow_name(source)}" width="{width}" '
        f'height="{height}">{image}</picture>'
    )


def _size(path: Path) -> tuple[int, int, str]:
    """Width and height in pixels, and the theme's class for what suits both grounds."""
    if path.suffix != ".svg":
        with Image.open(path) as image:
            return *image.size, ""
    text = path.read_text("utf-8")
    return _size_of(text, path)


def _size_of(svg: str, path: Path | str) -> tuple[int, int, str]:
    found = re.search(r"<svg [^>]*>", svg)
    tag = found[0] if found else svg[:60]
    size = [re.search(rf' {side}="([\d.]+)(pt)?"', tag) for side in ("width", "height")]
    box = re.search(r' viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"', tag)
    if all(size):
        width, height = (round(float(side[1]) * (PIXELS if side[2] else 1)) for side in size)
    elif box:
        width, height = (round(float(side)) for side in box.groups())
    else:
        name = Path(path).name
        raise ExtensionError(f"{name} must say its width and height or its viewBox, got {tag}")
    return width, height, "dark-light" if is_drawn(svg) else ""


def suit_figures(app: Sphinx, error: Exception | None) -> None:
    """Change the figures that the pages show, and remove those that none shows any more."""
    if error or app.builder.format != "html":
        return
    pages = "".join(path.read_text("utf-8") for path in Path(app.outdir).rglob("*.html"))
    for path in sorted((Path(app.outdir) / app.builder.imagedir).glob("*.svg")):
        if path.name not in pages:
            path.unlink()
        elif is_drawn(svg := path.read_text("utf-8")) and dark_rules() not in svg:
            if narrow := narrow_of(path):
                path.with_name(_narrow_name(path.name)).write_text(suit(narrow), "utf-8")
            path.write_text(suit(NARROW.sub("", svg)), "utf-8")


def setup(app: Sphinx) -> dict:
    """Work on pages when they are written, and on figures when all are there."""
    app.connect("html-page-context", give_size, priority=800)
    app.connect("build-finished", suit_figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
