"""What the lesson's pages need of Sphinx: the map, and the exercises' code.

Directives:
    lesson-map STEP        the path from t to a block, with one step lit
    source NAME            source of something in the package; in a notebook a cell to change,
                           or with the option read-only no cell
    scaffold NAME          the same with the parts that a learner writes taken out
    solution NAME          the source, folded away
"""

import html
from importlib import import_module
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from condlesson import scaffold as exercises
from condlesson.notebooks.blocks import STEPS


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

    @staticmethod
    def _item(key: str, is_lit: bool) -> str:
        name, note = (html.escape(text) for text in STEPS[key])
        current = ' class="lit" aria-current="step"' if is_lit else ""
        return f"<li{current}><strong>{name}</strong> <span>{note}</span></li>"


class Source(SphinxDirective):
    """Source of a class or function of the package."""

    required_arguments = 1
    option_spec: ClassVar = {"read-only": directives.flag}
    show = staticmethod(exercises.source)

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].rpartition(".")
        if not module:
            raise self.error(
                f"{self.name} must name a module and something in it, as condlesson.unet.UNet, "
                f"got {name}."
            )
        try:
            code = self.show(getattr(import_module(module), name))
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise self.error(f"{self.name} {self.arguments[0]}: {error}") from error
        self.env.note_dependency(import_module(module).__file__)
        return [nodes.literal_block(code, code, language="python", classes=["source"])]


class Scaffold(Source):
    """The exercise: the source with the learner's parts taken out."""

    show = staticmethod(exercises.scaffold)


class Solution(Source):
    """The source as the answer to an exercise, without the exercise's comments."""

    show = staticmethod(exercises.solution)


def setup(app: Sphinx) -> dict:
    """Register the directives."""
    app.add_directive("lesson-map", LessonMap)
    app.add_directive("source", Source)
    app.add_directive("scaffold", Scaffold)
    app.add_directive("solution", Solution)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
