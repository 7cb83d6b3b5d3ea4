"""What of a page Sphinx passes over without a word, and a reader stumbles on.

A heading without words, HTML that is opened and not closed (or closed and not opened), an id that
stands twice, a row of a table with other cells than its head: Markdown drops a cell too many.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

VOID = {"area", "br", "col", "embed", "hr", "img", "input", "link", "meta"}
VOID |= {"source", "track", "wbr"}
ENDS_BY_ITSELF = {"dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr"}
ENDS_BY_ITSELF |= {"colgroup", "optgroup", "rp", "rt"}
FENCE = re.compile(r"\s*(`{3,}|~{3,})")
RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
BAR = re.compile(r"(?<!\\)\|")
logger = logging.getLogger(__name__)


class _Open(HTMLParser):
    """Which elements are open, and which ids there are, over all HTML of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, nodes.raw]] = []
        self.ids: set[str] = set()
        self.faults: list[tuple[str, nodes.raw]] = []
        self.node: nodes.raw | None = None

    def read(self, node: nodes.raw) -> None:
        """Go on with a piece."""
        self.node = node
        self.feed(node.astext())
        if self.rawdata:
            kind = "comment" if self.rawdata.startswith("<!--") else "tag"
            self.faults.append((f"a {kind} is begun in its HTML and not ended", node))
            self.rawdata = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID | ENDS_BY_ITSELF:
            self.open.append((tag, self.node))
        name = dict(attributes).get("id")
        if name in self.ids:
            self.faults.append((f"the id {name} stands twice in its HTML", self.node))
        self.ids |= {name} - {None}

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Nothing is open after `<tag/>`, as in SVG."""

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID | ENDS_BY_ITSELF:
            return
        if self.open and self.open[-1][0] == tag:
            self.open.pop()
        else:
            self.faults.append((f"</{tag}> closes nothing that is open in its HTML", self.node))


def look(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of a page without a title, of headings without words, and of HTML that is not whole."""
    if doctree.next_node(nodes.title) is None:
        logger.warning(
            "the page has no title. Begin it with one: # Title.", location=app.env.docname
        )
    for title in doctree.findall(nodes.title):
        if not title.astext().strip() and not any(True for _ in title.findall(nodes.image)):
            logger.warning("a heading has no words. Write some, or delete it.", location=title)
    html = _Open()
    for node in doctree.findall(nodes.raw):
        if node.get("format") == "html":
            html.read(node)
    for fault, node in html.faults:
        logger.warning("%s. Mend it.", fault, location=node)
    for tag, node in html.open:
        logger.warning("<%s> is opened in its HTML and not closed. Close it.", tag, location=node)


def look_at_tables(app: Sphinx, page: str, source: list[str]) -> None:
    """Warn of each row that has more or fewer cells than the head of its table."""
    for line, cells, columns in _odd_rows(source[0].splitlines()):
        logger.warning(
            "this row has %d cells, and the head of its table %d. A bar in a cell is \\|.",
            cells,
            columns,
            location=(page, line),
        )


def _odd_rows(lines: list[str]) -> Iterator[tuple[int, int, int]]:
    """Line from 1, cells, and cells of the head."""
    columns, fence = 0, ""
    for number, line in enumerate(lines):
        mark = FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        if fence or "|" not in line:
            columns = 0
        elif RULE.fullmatch(line) and number and _cells(lines[number - 1]) == _cells(line):
            columns = _cells(line)
        elif columns and _cells(line) != columns:
            yield number + 1, _cells(line), columns


def _cells(line: str) -> int:
    return len(BAR.findall(re.sub(r"^\s*\||(?<!\\)\|\s*$", "", line))) + 1


def setup(app: Sphinx) -> dict:
    """Look at the text when it is read, and at all else when it is taken apart."""
    app.connect("source-read", look_at_tables, priority=900)
    app.connect("doctree-read", look)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
