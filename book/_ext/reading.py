"""How long a page takes to read: its words and its code, the same measure for every page.

Roles:
    minutes PAGE           minutes to read of a page, as below its title
"""

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

logger = logging.getLogger(__name__)
WORDS, LINES = 200, 25  # of prose and of code, that one reads in a minute
NO_PROSE = (nodes.literal_block, nodes.math, nodes.math_block, nodes.citation, addnodes.desc)
NO_PROSE_CLASSES = {"cell_output", "predictions"}
# Of cells whose code is folded; of replies to the choices of a question, of which one reads one.
FOLDED = {"tag_hide-input", "tag_remove-input", "predict-feedback"}


class minutes_of(nodes.Inline, nodes.TextElement):  # noqa: N801 - docutils names nodes so
    """Minutes of a page, as long as not all pages have been read."""


class Minutes(SphinxRole):
    """A page's minutes in a sentence."""

    def run(self) -> tuple[list[nodes.Node], list]:
        if self.text not in self.env.found_docs:
            told = "there is no page %s whose minutes could be told. Is it spelt right?"
            logger.warning(told, self.text, location=self.get_location())
        return [minutes_of("", page=self.text)], []


def measure(app: Sphinx, doctree: nodes.document) -> None:
    """Remember how long a page takes."""
    env = app.env
    env.__dict__.setdefault("reading", {})[env.docname] = round(
        _words(doctree) / WORDS + _lines(doctree) / LINES
    )


def minutes(env: BuildEnvironment, page: str) -> int:
    """Minutes to read a page; 0 if it is short, or not there."""
    return env.__dict__.get("reading", {}).get(page, 0)


def _words(doctree: nodes.document) -> int:
    """How many words of prose stand open on the page."""
    texts = doctree.findall(nodes.Text)
    return sum(len(t.split()) for t in texts if _is_prose(t) and not _is_folded(t.parent))


def _lines(doctree: nodes.document) -> int:
    """How many lines of code stand open on the page."""
    blocks = [b for b in doctree.findall(nodes.literal_block) if not _is_folded(b)]
    return sum(bool(line.strip()) for block in blocks for line in block.astext().splitlines())


def _is_prose(text: nodes.Text) -> bool:
    node, in_sentence = text.parent, False
    while node is not None:
        if isinstance(node, NO_PROSE) or NO_PROSE_CLASSES.intersection(node.get("classes", [])):
            return False
        in_sentence = in_sentence or isinstance(node, nodes.paragraph | nodes.title)
        node = node.parent
    return in_sentence


def _is_folded(node: nodes.Element) -> bool:
    while node is not None:
        if node.get("design_component") == "dropdown":
            return True
        if {"cell_output", *FOLDED}.intersection(node.get("classes", [])):
            return True
        node = node.parent
    return False


def fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Write the minutes where a page names them."""
    for node in list(doctree.findall(minutes_of)):
        node.replace_self(nodes.Text(f"{minutes(app.env, node['page'])} min"))


def forget(app: Sphinx, env: BuildEnvironment, page: str) -> None:
    """Forget a page that is read again."""
    env.__dict__.get("reading", {}).pop(page, None)


def merge(app: Sphinx, env: BuildEnvironment, pages: set[str], other: BuildEnvironment) -> None:
    """Take over what another process has read."""
    found = other.__dict__.get("reading", {})
    known = env.__dict__.setdefault("reading", {})
    known.update({page: found[page] for page in pages if page in found})


def setup(app: Sphinx) -> dict:
    """Register the role, and what is remembered."""
    app.add_role("minutes", Minutes())
    app.add_node(minutes_of)
    app.connect("doctree-read", measure)
    app.connect("doctree-resolved", fill)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    return {"env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
