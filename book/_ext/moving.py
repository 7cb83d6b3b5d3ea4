"""Figures that move: a still figure with the data of a moving one becomes both.

A cell that ends with a `condlesson.figures.moving.Moving` puts data on the page, below a still
figure. Here that figure gets the data, with the controls of its template, and its page the scripts
that draw it. A folder of `condlesson.figures.moving` holds all of that, and is found by itself.
Nothing shifts when a script takes over: the room is kept.
"""

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

import condlesson
import templates

FOLDER = Path(condlesson.__file__).parent / "figures" / "moving"
SHARED = "moving"  # the script that all of them use
DATA = re.compile(r'<script [^>]*data-moving="(\w+)">(.*?)</script>', re.S)
IMAGE = re.compile(r"data:image/(\w+);base64,([\w+/=]+)")
logger = logging.getLogger(__name__)


class MovingFigures(SphinxPostTransform):
    """Move a cell's data into the figure that the cell drew, with the controls."""

    default_priority = 500  # when it is settled which of its forms an output is shown in
    formats: ClassVar = ("html",)

    def run(self, **kwargs: object) -> None:
        """Do so for each cell of the page."""
        for raw in list(self.document.findall(nodes.raw)):
            found = DATA.search(raw.astext())
            if found:
                self._join(found[1], json.loads(found[2]), raw)

    def _join(self, name: str, values: dict, data: nodes.raw) -> None:
        output = _around(data, "cell_output")
        figures = list(self.document.findall(nodes.figure))
        before = [figure for figure in figures if figure.line < _around(output, "cell").line]
        if not before:
            told = (
                "the moving figure %s must stand below a cell that draws it still. Add that cell."
            )
            logger.warning(told, name, location=_around(output, "cell"))
            return
        figure = before[-1]
        image = figure.next_node(nodes.image)
        context = {"figure": figure["ids"][0], "data": values}
        environment = self.app.builder.templates.environment
        controls = templates.render(environment, f"moving/{name}/{name}.html", **context)
        shipped = html.escape(IMAGE.sub(self._as_file, json.dumps(values, separators=(",", ":"))))
        # No script in our pages; and no text, in which a search would find words.
        kept = f'<template data-moving="{name}" data-values="{shipped}"></template>'
        markup = nodes.raw("", controls + kept, format="html")
        parts = nodes.container("", image.deepcopy(), markup, classes=["moving-parts"])
        figure["classes"] += ["moving", f"moving-{name}"]
        figure["moving"] = name
        figure.replace(image, parts)
        output.parent.remove(output)

    def _as_file(self, image: re.Match) -> str:
        """Address of an image that is large: it is loaded when the figure comes into sight."""
        content = base64.b64decode(image[2])
        name = f"{hashlib.sha256(content).hexdigest()}.{image[1]}"
        folder = Path(self.app.outdir, self.app.builder.imagedir)
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
        return f"{self.app.builder.imgpath}/{name}"


def _around(node: nodes.Node, kind: str) -> nodes.Element:
    while kind not in node.get("classes", ()):
        node = node.parent
    return node


def add_scripts(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Give a page the scripts of its moving figures, and no other page."""
    figures = doctree.findall(nodes.figure) if doctree else ()
    names = [figure["moving"] for figure in figures if "moving" in figure]
    for name in [SHARED, *names] if names else []:
        app.add_js_file(f"{name}.js")


def find_files(app: Sphinx, config: Config) -> None:
    """Tell Sphinx of the templates, the scripts and the sheets, what figures share first.

    Raises:
        ExtensionError: A figure lacks one of its files; the message says which.
    """
    if told := list(_missing(FOLDER)):
        raise ExtensionError("\n".join(told))
    config.templates_path.append(str(FOLDER.parent))
    sheets = [*FOLDER.glob("[!.]*.css"), *sorted(FOLDER.glob("*/[!.]*.css"))]
    config.html_static_path += map(str, [*sheets, *sorted(FOLDER.rglob("[!.]*.js"))])
    for sheet in sheets:
        app.add_css_file(sheet.name)


def _missing(folder: Path) -> Iterator[str]:
    """What the figures of a folder need and do not have."""
    needed = [folder / f"{SHARED}.js", folder / f"{SHARED}.css"]
    for module in sorted(folder.glob("*/__init__.py")):
        own = module.parent
        needed += [own / f"{own.name}.{kind}" for kind in ("js", "html")]
    for path in needed:
        if not path.is_file():
            place = path.relative_to(folder.parent)
            yield f"{place} is missing, and its figure would not move. Write it, or take it back."


def setup(app: Sphinx) -> dict:
    """Register the transform, the scripts and the sheets."""
    app.add_post_transform(MovingFigures)
    app.connect("config-inited", find_files)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
