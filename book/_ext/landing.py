"""What only the landing page has, from templates of its own.

Directives:
    start                  where to begin
    exercise-cards         the exercises, each with a picture and its minutes
"""

from typing import ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import reading
import templates
from condlesson.notebooks import addresses


class landing_part(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes so
    """A part of the page, as long as not all pages have been read."""


class Start(SphinxDirective):
    """Buttons: begin, see the results, open a notebook."""

    template: ClassVar = "start"

    def run(self) -> list[nodes.Node]:
        return [landing_part(template=self.template)]


class ExerciseCards(Start):
    """The exercises side by side."""

    template: ClassVar = "cards"


def write_parts(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Render the parts of a page."""
    for node in list(doctree.findall(landing_part)):
        base = app.config.launch_settings.get("colab_url")
        context = {
            "link": lambda other: app.builder.get_relative_uri(page, other),
            "minutes": lambda other: reading.minutes(app.env, other),
            "colab": base and addresses.colab_address("exercise-1", base.rstrip("/")),
        }
        markup = templates.render(
            app.builder.templates.environment, f"landing/{node['template']}.html", **context
        )
        node.replace_self(nodes.raw("", markup, format="html"))


def setup(app: Sphinx) -> dict:
    """Register the directives."""
    app.add_directive("start", Start)
    app.add_directive("exercise-cards", ExerciseCards)
    app.add_node(landing_part)
    app.connect("doctree-resolved", write_parts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
