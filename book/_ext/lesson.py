"""What the lesson's pages need of Sphinx: the map, and the exercises' code.

Directives:
    lesson-map STEP        the path from t to a block, with one step lit
    source NAME            source of something in the package; in a notebook a cell to change,
                           or with the option read-only no cell
    scaffold NAME          the same with the parts that a learner writes taken out
    solution NAME          the source, folded away
"""

import html
import inspect
import re
from importlib import import_module
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from myst_nb.ext.glue.roles import PasteTextRole
from myst_nb.ext.glue.utils import retrieve_glue_data
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from condlesson import scaffold as exercises
from condlesson.notebooks.blocks import STEPS
from condlesson.tables import true_minus

# The page that a step of the map is about.
PAGE_OF = {
    "timestep": "refresher",
    "embedding": "exercise-1",
    "mlp": "exercise-2",
    "projection": "exercise-3",
    "modulation": "exercise-3",
    "block": "exercise-4",
}
SOLVED = re.compile(r'<details class="check-solved">.*?</details>', re.S)
logger = logging.getLogger(__name__)


class LessonMap(SphinxDirective):
    """The path from t to a block as an ordered list; the named steps are lit."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        lit = self.arguments[0].split() if self.arguments else []
        unknown = set(lit) - set(STEPS)
        if unknown:
            raise self.error(f"a step must be one of {', '.join(STEPS)}, got {', '.join(unknown)}.")
        items = "".join(self._item(key, key in lit) for key in STEPS)
        markup = f'<nav class="lesson-map" aria-label="Where we are"><ol>{items}</ol></nav>'
        return [nodes.raw("", markup, format="html")]

    def _item(self, key: str, is_lit: bool) -> str:
        name, note = (html.escape(text) for text in STEPS[key])
        current = ' class="lit" aria-current="step"' if is_lit else ""
        step = f"<strong>{name}</strong> <span>{note}</span>"
        page = PAGE_OF[key]
        if page in self.env.found_docs and page != self.env.docname:
            address = self.env.app.builder.get_relative_uri(self.env.docname, page)
            step = f'<a href="{address}">{step}</a>'
        return f"<li{current}>{step}</li>"


class Source(SphinxDirective):
    """Source of a class or function of the package."""

    required_arguments = 1
    option_spec: ClassVar = {"read-only": directives.flag}
    show = staticmethod(exercises.source)
    kinds: ClassVar = ["source"]

    def run(self) -> list[nodes.Node]:
        place, _, name = self.arguments[0].rpartition(".")
        if not place:
            raise self.error(
                f"{self.name} must name a module and something in it, as condlesson.unet.UNet, "
                f"got {name}."
            )
        try:
            module = import_module(place)
            named = getattr(module, name)
            code = self.show(named)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise self.error(f"{self.name} {self.arguments[0]}: {error}") from error
        for path in (module.__file__, inspect.getsourcefile(inspect.unwrap(named))):
            self.env.note_dependency(path)
        shown = nodes.literal_block(code, code, language="python", classes=self.kinds)
        self.set_source_info(shown)
        return [shown]


class Scaffold(Source):
    """The exercise: the source with the learner's parts taken out."""

    show = staticmethod(exercises.scaffold)


class Solution(Source):
    """The source as the answer to an exercise, without the exercise's comments."""

    show = staticmethod(exercises.solution)
    kinds: ClassVar = ["source", "solution"]


class ChecksWithSolutions(SphinxPostTransform):
    """Moves what a check says of a solution to the solution, folded away as that is."""

    default_priority = 500  # when it is settled which of its forms an output is shown in
    formats: ClassVar = ("html",)

    def run(self, **kwargs: object) -> None:
        """Do so for each check that has a solution behind it."""
        code = self.document.findall(nodes.literal_block)
        solutions = [block for block in code if "solution" in block["classes"]]
        for raw in list(self.document.findall(nodes.raw)):
            found = SOLVED.search(raw.astext())
            behind = [s for s in solutions if found and s.line > _around(raw, "cell").line]
            if not behind:
                continue
            raw.children = [nodes.Text(SOLVED.sub("", raw.astext()))]
            opened = found[0].replace("<details", "<details open", 1)
            behind[0].parent.append(nodes.raw("", opened, format="html"))


class PastedText(PasteTextRole):
    """A number that a cell glued, in the text; its format must not show as 0 what is none."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        found, messages = super().run()
        key, _, form = self.text.partition(":")
        for inline in found if form else ():
            value = retrieve_glue_data(self.document, key).data["text/plain"]
            number = _number(value) or 0
            if (_number(inline.astext()) == 0 and number) or (form[-1] == "d" and number % 1):
                told = "a number of a cell shows as %s and is %s. Have its format show more digits."
                logger.warning(told, inline.astext(), value, location=inline)
        return found, messages


def _number(text: str) -> float | None:
    try:
        return float(text.strip("%").replace(",", ""))
    except ValueError:
        return None


class TrueMinus(SphinxPostTransform):
    """Gives numbers that a page glues into its text a minus sign in the place of a hyphen."""

    default_priority = 600  # when they are in the text

    def run(self, **kwargs: object) -> None:
        """Do so for each number."""
        for inline in self.document.findall(nodes.inline):
            if "pasted-text" in inline["classes"]:
                inline.children = [nodes.Text(true_minus(inline.astext()))]


def _around(node: nodes.Node, kind: str) -> nodes.Element:
    while kind not in node.get("classes", ()):
        node = node.parent
    return node


def setup(app: Sphinx) -> dict:
    """Register the directives."""
    app.add_directive("lesson-map", LessonMap)
    app.add_directive("source", Source)
    app.add_directive("scaffold", Scaffold)
    app.add_directive("solution", Solution)
    app.add_role_to_domain("glue", "text", PastedText(), override=True)
    app.add_post_transform(ChecksWithSolutions)
    app.add_post_transform(TrueMinus)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
