"""Links in a page's own HTML: each must lead to a page of the book, and to a place on it.

Sphinx knows where a reference leads, and passes HTML by. Here a link in HTML to a page or a place
that is not there fails the build, as one in Markdown does. What is published beside the pages, as
the notebooks are, is there later: `tests/book/test_links.py` looks at those.
"""

import posixpath
import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

LINK = re.compile(r'<a\s[^>]*?\bhref="([^":?#]*)(?:#([^"]+))?"', re.I)  # within the book
PLACE = re.compile(r'\sid="([^"]+)"')
logger = logging.getLogger(__name__)


def look(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Warn of each link of a page that leads nowhere."""
    written = (*app.config.html_additional_pages, "genindex", "search")  # without a source
    for node in doctree.findall(nodes.raw):
        for path, place in LINK.findall(node.astext()) if node.get("format") == "html" else ():
            if path and not path.endswith(".html"):
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
            target = target.removesuffix(".html") if path else page
            if target in written:
                continue
            if target not in app.env.found_docs:
                told = f"a link in HTML leads to {path}, and there is no such page."
            elif place and place not in _places(app.env, target):
                told = f"a link in HTML leads to {path}#{place}, and there is no such place."
            else:
                continue
            logger.warning("%s Mend the address, or write a reference.", told, location=node)


def _places(env: BuildEnvironment, page: str) -> set[str]:
    """Ids of a page."""
    doctree = env.get_doctree(page)
    raw = " ".join(node.astext() for node in doctree.findall(nodes.raw))
    ids = {name for node in doctree.findall(nodes.Element) for name in node["ids"]}
    return ids.union(PLACE.findall(raw))


def setup(app: Sphinx) -> dict:
    """Look when all references are resolved."""
    app.connect("doctree-resolved", look, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
