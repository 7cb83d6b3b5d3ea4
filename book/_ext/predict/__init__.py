"""Questions to answer before a result is shown.

Directives:
    predict NAME           a question with its choices, one of them right (`:right: 2`). Readers
                           may guess, and then look down. With `:stop:` what follows is folded
                           until they do: the next cell, with its outputs and the text behind it,
                           up to the cell after it, the next question, the next heading, or a
                           comment `% answered`. `:cells: 2` folds one more cell,
                           `:whole-section:` all. Keep that for results that surprise.
                           `:mistake: batch_axis` asks what `museum.mistakes` asks of that one.
    predictions            all questions of the book; a script says how the reader answered

A result that the reader can guess stands behind a question:

    :::{predict} neighbours
    :right: 2
    How similar are the embeddings of 500 and 501? And of 500 and 50?

    - Both near 0: they are different vectors.

      Why this is tempting, and why it is not so.

    - Near 1 for the neighbours, much less for the strangers.

      Why it is so.
    :::

The name is unique in the book. Give every choice a reason, and let no choice be silly: the reader
should be able to hold each. If the right one depends on recorded runs, add a test to
`tests/notebooks/test_predictions.py`, so that it cannot become wrong unseen. A notebook has the
question and the choices in front of the cell.

A question is a `details` element with everything in it. Where scripts run, `predict.js` makes a
`fieldset` of it, says what there is to say to a choice, and opens an answer that is folded.
"""

import math
import re
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from condlesson.arguments import check_choice
from condlesson.notebooks.predictions import take_apart

NAME = re.compile(r"[a-z][a-z0-9-]*")
logger = logging.getLogger(__name__)


class predict(nodes.General, nodes.Element):  # noqa: N801 - docutils names nodes so
    """A question, its choices, and the answer that comes behind it on the page."""


class predict_part(nodes.General, nodes.Element):  # noqa: N801
    """A part of a question: an element of HTML with a class."""


class predictions(nodes.General, nodes.Element):  # noqa: N801
    """Where all questions of the book are listed."""


class Predict(SphinxDirective):
    """A question."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar = {
        "mistake": directives.unchanged_required,
        "right": directives.positive_int,
        "cells": directives.nonnegative_int,
        "stop": directives.flag,
        "whole-section": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        try:
            question, choices, right = self._asked()
        except ValueError as error:
            raise self.error(f"{{predict}} {name}: {error}") from error
        if not NAME.fullmatch(name):
            raise self.error(
                f"{{predict}} {name}: a name has small letters, digits and hyphens, as in two-fans."
            )
        known = self.env.__dict__.setdefault("predictions", {})
        if "stop" not in self.options and {"cells", "whole-section"} & set(self.options):
            raise self.error(
                f"{{predict}} {name}: cells and whole-section say what stop folds, and need it."
            )
        if any(name in names for names in known.values()):
            raise self.error(f"{{predict}} {name}: there is another question of that name.")
        cells = math.inf if "whole-section" in self.options else self.options.get("cells", 1)
        node = predict(name=name, right=right, cells=cells, stops="stop" in self.options)
        node["wanted"] = self.options.get("cells", 0)
        node["ids"] = [f"predict-{name}"]
        summary = predict_part("", tag="summary", classes=["predict-question"])
        summary += question
        known.setdefault(self.env.docname, {})[name] = summary.deepcopy()
        listed = predict_part("", tag="ol", classes=["predict-choices"])
        for choice in choices:
            item = predict_part("", tag="li")
            for text, kind in zip(choice, ("predict-choice", "predict-feedback"), strict=True):
                item += predict_part("", *text, tag="div", classes=[kind])
            listed += item
        node += [summary, listed]
        return [node]

    def _asked(self) -> tuple[list[nodes.Node], list[tuple[list, list]], int]:
        """The question, its choices with what to say to each, and the number of the right one.

        Raises:
            ValueError: something is missing or wrong.
        """
        if "mistake" in self.options:
            if self.content or "right" in self.options:
                raise ValueError(
                    "mistake must stand alone, since the museum has its question, its choices and "
                    "which is right. Take the rest away."
                )
            from condlesson.museum.mistakes import (
                MISTAKES,  # loads torch, which takes longer than a build
            )

            check_choice("mistake", self.options["mistake"], MISTAKES)
            asked = MISTAKES[self.options["mistake"]].question
            choices = [(_plain(c.text), _plain(c.feedback)) for c in asked.choices]
            right = [choice.is_right for choice in asked.choices].index(True) + 1
            return _plain(asked.text), choices, right
        asked = take_apart("\n".join(self.content))
        right, count = self.options.get("right", 0), len(asked.choices)
        if not 1 <= right <= count:
            raise ValueError(
                f"right must be the number of a choice, from 1 to {count}, got {right}."
            )
        pairs = zip(asked.choices, asked.feedback, strict=True)
        choices = [(self._parsed(choice), self._parsed(feedback)) for choice, feedback in pairs]
        return self._parsed(asked.question), choices, right

    def _parsed(self, text: str) -> list[nodes.Node]:
        source, line = self.get_source_info()
        holder = nodes.Element()
        lines = StringList(text.splitlines(), items=[(source, line)] * len(text.splitlines()))
        self.state.nested_parse(lines, self.content_offset, holder)
        return holder.children


def _plain(text: str) -> list[nodes.Node]:
    return [nodes.paragraph("", text)]


class TakeAnswers(SphinxTransform):
    """Folds behind each question that stops its reader what answers it."""

    default_priority = 880  # when all cells are there

    def apply(self, **_: object) -> None:
        """Move the nodes."""
        for question in [q for q in self.document.findall(predict) if q["stops"]]:
            answer = predict_part("", tag="details", classes=["predict-answer"])
            summary = predict_part("", nodes.Text("The answer"), tag="summary")
            folded = self._answer(question)
            if not folded:
                logger.warning(
                    "{predict} %s: stop folds what follows the question, and nothing follows. Take "
                    "it away, or put the answer behind the question.",
                    question["name"],
                    location=question,
                )
            answer += [summary, *folded]
            question += answer

    def _answer(self, question: predict) -> list[nodes.Node]:
        parent, cells, taken = question.parent, 0, []
        for node in parent.children[parent.index(question) + 1 :]:
            cells += "cell" in node.get("classes", []) if isinstance(node, nodes.Element) else 0
            ends = isinstance(node, nodes.section | nodes.target | predict) or (
                isinstance(node, nodes.comment) and "answered" in node.astext().split("\n")
            )
            if ends or cells > question["cells"]:
                break
            taken.append(node)
        if cells < question["wanted"]:
            logger.warning(
                "{predict} %s: cells says that stop folds %d cells, and %d follow. Count again.",
                question["name"],
                question["wanted"],
                cells,
                location=question,
            )
        for node in taken:
            parent.remove(node)
        return taken


class Predictions(SphinxDirective):
    """The list of all questions."""

    def run(self) -> list[nodes.Node]:
        return [predictions()]


def list_predictions(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Write the list, in the order of the pages."""
    for node in list(doctree.findall(predictions)):
        questions = predict_part("", tag="ul", classes=["predictions"])
        for other, names in _in_order(app.env):
            title = nodes.inline("", app.env.titles[other].astext())
            page_item = predict_part("", title, tag="li", classes=[])
            of_page = predict_part("", tag="ul", classes=[])
            for name, question in names.items():
                address = f"{app.builder.get_relative_uri(page, other)}#predict-{name}"
                link = nodes.reference("", "", internal=True, refuri=address)
                for paragraph in question.findall(nodes.paragraph):
                    link += paragraph.deepcopy().children
                item = predict_part("", tag="li", classes=[], name=name)
                item += nodes.inline("", "", link)
                of_page += item
            page_item += of_page
            questions += page_item
        node.replace_self(questions)


def texts(env: BuildEnvironment) -> dict[str, list[str]]:
    """What is asked on each page, in plain text."""
    known = getattr(env, "predictions", {})
    return {page: [q.astext() for q in names.values()] for page, names in known.items()}


def _in_order(env: BuildEnvironment) -> list[tuple[str, dict[str, nodes.Element]]]:
    known = getattr(env, "predictions", {})
    pages = [env.config.root_doc, *env.toctree_includes.get(env.config.root_doc, [])]
    return [(page, known[page]) for page in pages if page in known]


def forget(app: Sphinx, env: BuildEnvironment, page: str) -> None:
    """Forget the questions of a page that is read again."""
    env.__dict__.get("predictions", {}).pop(page, None)


def merge(app: Sphinx, env: BuildEnvironment, pages: set[str], other: BuildEnvironment) -> None:
    """Take over what another process has read."""
    found = getattr(other, "predictions", {})
    known = env.__dict__.setdefault("predictions", {})
    known.update({page: names for page, names in found.items() if page in pages})


def add_script(app: Sphinx, config: Config) -> None:
    """Have the script copied; `assets` makes it part of every page's."""
    config.html_static_path.append(str(Path(__file__).with_name("predict.js")))


def visit_predict(self: HTML5Translator, node: predict) -> None:
    """Open a question."""
    self.body.append(
        f'<details class="predict" id="{node["ids"][0]}" data-predict="{node["name"]}" '
        f'data-right="{node["right"]}">\n'
    )


def depart_predict(self: HTML5Translator, node: predict) -> None:
    """Close a question."""
    self.body.append("</details>\n")


def visit_part(self: HTML5Translator, node: predict_part) -> None:
    """Open a part."""
    kinds = f' class="{" ".join(node["classes"])}"' if node["classes"] else ""
    name = f' data-predict="{node["name"]}"' if "name" in node else ""
    self.body.append(f"<{node['tag']}{kinds}{name}>")


def depart_part(self: HTML5Translator, node: predict_part) -> None:
    """Close a part."""
    self.body.append(f"</{node['tag']}>\n")


def setup(app: Sphinx) -> dict:
    """Register the directives, their nodes, the script, and what is remembered of them."""
    app.add_directive("predict", Predict)
    app.add_directive("predictions", Predictions)
    app.add_node(predict, html=(visit_predict, depart_predict))
    app.add_node(predict_part, html=(visit_part, depart_part))
    app.add_node(predictions)
    app.add_transform(TakeAnswers)
    app.connect("config-inited", add_script)
    app.connect("doctree-resolved", list_predictions)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    return {"env_version": 2, "parallel_read_safe": True, "parallel_write_safe": True}
