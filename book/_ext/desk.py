"""The desk: the lesson's network, running in the page.

Directives:
    desk NAME              a tool of the desk, from its template in `desk/`. With `:still:` and the
                           name of a figure it moves into that figure: what this shows stays until
                           the network runs, in print and without scripts, and nothing shifts. The
                           figure may be one that moves.

The scripts in `desk/` are shipped as two files: the engine, which also runs in a worker, and the
tools. The networks are written once by `condlesson.figures.desk`, and kept until their runs or the
code change; the script only says where they lie and how large they are.
"""

import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from jinja2 import Environment, FileSystemLoader
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import condlesson
import templates

ENGINE = ("layers", "unet", "diffusion", "network-file", "jobs")
TOOLS = (
    "ask",
    "weights",
    "tool",
    "running",
    *("pad", "lie", "orchestra", "break", "find", "sample", "first"),
    "start",
)
FOLDER = "_static/desk"  # of the site, where all this lies
PACKAGE = Path(condlesson.__file__).parent
RECORDED = "experiment/recorded"
SHARED = ("desk.css", "parts.html")
OTHER = {"checks", "museum", "notebooks", "exercises"}  # code that no network of the desk runs
logger = logging.getLogger(__name__)


class desk_tool(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes so
    """A tool of the desk, until it gets its HTML."""


class Desk(SphinxDirective):
    """A tool of the desk."""

    required_arguments = 1
    option_spec: ClassVar = {"still": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if not Path(self.env.srcdir, "desk", f"{name}.html").is_file():
            raise self.error(f"{{desk}} {name}: there is no template desk/{name}.html.")
        for template in sorted(Path(self.env.srcdir, "desk").glob("*.html")):  # they share parts
            self.env.note_dependency(str(template))
        node = desk_tool(name=name, still=self.options.get("still"))
        self.set_source_info(node)
        return [node]


class DeskTools(SphinxPostTransform):
    """Give each tool its HTML, inside its still figure if it has one."""

    default_priority = 510  # behind the figures that move
    formats: ClassVar = ("html",)

    def run(self, **kwargs: object) -> None:
        """Do so for each tool of the page."""
        for node in list(self.document.findall(desk_tool)):
            if node["still"] is None:
                kind = ["desk", f"desk-{node['name']}"]
                markup = self._markup(node, f"desk-{node['name']}", moves=False)
                node.replace_self(nodes.container("", markup, classes=kind))
            else:
                self._join(node)

    def _markup(self, node: desk_tool, figure: str, **context: object) -> nodes.raw:
        return nodes.raw("", render(self.app, node["name"], figure, **context), format="html")

    def _join(self, node: desk_tool) -> None:
        figures = self.document.findall(nodes.figure)
        figure = next((f for f in figures if node["still"] in f["ids"] + f["names"]), None)
        if figure is None:
            told = "{desk} %s: still must be a figure of this page, got %r. Mend the name."
            logger.warning(told, node["name"], node["still"], location=node)
            node.parent.remove(node)  # nothing can write it
            return
        shown, moves = figure[0], "moving" in figure
        markup = self._markup(node, f"desk-{node['name']}" if moves else node["still"], moves=moves)
        classes = ["desk-parts", *(["desk-instead"] if moves else [])]
        figure["classes"] += ["desk", f"desk-{node['name']}"]
        figure.replace(shown, nodes.container("", shown.deepcopy(), markup, classes=classes))
        node.parent.remove(node)


def render(app: Sphinx, name: str, figure: str, **context: object) -> str:
    """HTML of a tool; `figure` begins the ids in it."""
    environment = Environment(
        loader=FileSystemLoader(Path(app.srcdir, "desk")), autoescape=True, trim_blocks=True
    )
    about = read_about(files(app))
    return templates.render(environment, f"{name}.html", figure=figure, **about, **context)


def read_about(folder: Path) -> dict:
    """What `condlesson.figures.desk` says of the files in a folder, as pages address them."""
    about = json.loads((folder / "desk" / "about.json").read_text("utf-8"))
    for file in [file for network in about["networks"].values() for file in network["files"]]:
        file["address"] = _versioned(folder / "desk" / file["address"])
    sheet = about["first"]["sheet"]
    sheet["file"] = _versioned(folder / "desk" / sheet["file"])
    return about


@cache
def _versioned(path: Path) -> str:
    """Address of a file, which is another one when the file is: browsers keep what they have."""
    return f"{FOLDER}/{path.name}?v={hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"


def find_files(app: Sphinx, config: Config) -> None:
    """Write the two scripts and, if their runs or the code have changed, the networks.

    A book without a page that has a tool gets none of them.

    Raises:
        ExtensionError: A part of the desk is missing, or none of ours; the message says which.
    """
    pages = filter(Path.is_file, Path(app.srcdir).glob("[!.]*.md"))
    if not any("{desk}" in path.read_text("utf-8", errors="replace") for path in pages):
        return
    kept, source = Path(app.doctreedir), Path(app.srcdir, "desk")
    if told := list(_wrong_parts(source)):
        raise ExtensionError("\n".join(told))
    scripts = kept / "desk-scripts" / "desk"
    scripts.mkdir(parents=True, exist_ok=True)
    networks = files(app)
    about = read_about(networks)
    known = {"networks": about["networks"], "digits": about["digits"]}
    data = f"globalThis.deskFiles = {json.dumps(known, separators=(',', ':'))};"
    for name, parts, texts in (("engine", ENGINE, []), ("desk", TOOLS, [data])):
        texts += [_without_comments((source / f"{part}.js").read_text("utf-8")) for part in parts]
        (scripts / f"{name}.js").write_text("\n".join(texts), "utf-8")
    config.html_static_path += map(str, (source / "desk.css", scripts.parent, networks))
    app.add_css_file("desk.css")


def _wrong_parts(folder: Path) -> Iterator[str]:
    """Files that are missing, and scripts that would not be shipped."""
    scripts = {f"{part}.js" for part in (*ENGINE, *TOOLS)}
    for name in sorted({*scripts, *SHARED}):
        if not (folder / name).is_file():
            yield f"desk/{name} is missing, and the desk needs it. Take it back."
    for path in sorted(folder.glob("[!.]*.js")):
        if path.name not in scripts:
            yield f"desk/{path.name} is in neither ENGINE nor TOOLS of desk.py. Enter it there."


def _without_comments(script: str) -> str:
    """A script without lines of comments and indentation, which are for those who edit it."""
    lines = map(str.strip, script.splitlines())
    return "\n".join(line for line in lines if not line.startswith("//"))


def files(app: Sphinx) -> Path:
    """Folder of what `condlesson.figures.desk` writes; named by all that it is made of."""
    weights = sorted((PACKAGE / RECORDED).rglob("*-seed*[0-9].npz"))
    code = [p for p in sorted(PACKAGE.rglob("*.py")) if p.is_file()]
    code = [p for p in code if not OTHER & set(p.relative_to(PACKAGE).parts)]
    made_of = [*code, *sorted((PACKAGE / "subset").glob("*.gz")), *weights]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()
    folder = Path(app.doctreedir, f"desk-{digest[:16]}")
    if not (folder / "desk" / "about.json").is_file():
        from condlesson.figures.desk import write_files  # loads torch

        write_files(folder / "desk")
    return folder


def add_scripts(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Give a page with tools the scripts, and no other page."""
    if doctree is not None and any("desk" in n["classes"] for n in doctree.findall(nodes.Element)):
        for name in ("engine", "desk"):
            app.add_js_file(f"desk/{name}.js")


def setup(app: Sphinx) -> dict:
    """Register the directive, and what its pages load."""
    app.add_node(desk_tool)
    app.add_directive("desk", Desk)
    app.add_post_transform(DeskTools)
    app.connect("config-inited", find_files)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
