"""What of a page Sphinx passes over without a word, and a reader stumbles on.

A heading without words, a picture without an alt text, a link to nowhere, markup that is shown in
place of what it means, HTML that is opened and not closed (or closed and not opened), an id that
stands twice, a fence that is open or broken, a row of a table with other cells than its head:
Markdown drops a cell too many, a footnote without a mark in the text, and the numbers of a list but
for the first.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from docutils import nodes
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.footnote import footnote_plugin
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging

from as_typed import literal_markup
from tags import Tags

BEGIN = r"\s*(?:(?:[-*+]|\d+[.)])\s+|>\s?)*"  # of a line, in lists and quotations, too
FENCE = re.compile(BEGIN + r"(`{3,}|~{3,}|:{3,}) *([^`]*)")
CODE = re.compile(r"$|[\w.+-]|\{(?:code|code-block|code-cell|literalinclude|math|raw)\b")
RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*")
BAR = re.compile(r"(?<!\\)\|")
COMMENT = re.compile(r"% (?:claim: \w+|answered)$")  # what reads the comments of pages
CONFLICT = re.compile(r"(?:<{7}|>{7}|\|{7}) ")
UNSEEN = re.compile(
    "[\x01-\x08\x0b\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffd\u00ad\u2028\u2029]"
)
NOWHERE = re.compile(  # addresses without one, or of the reader's own machine
    r"(?:mailto|tel|https?|ftp):/*|(?:file:|https?://(?:localhost|127\.[\d.]+)\b(?!\.)).*", re.I
)
LATEX = re.compile(r"\\\([^)]*[=^_+\\][^)]*\\\)|\\\[[^\]]*[=^_\\][^\]]*\\\]")
QUOTED = re.compile(r"(`+).*?\1|\$[^$]*\$", re.S)  # code and formulas in a text
logger = logging.getLogger(__name__)


def look(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of a page without a title, of headings without words, and of HTML that is not whole."""
    if doctree.next_node(nodes.title) is None:
        logger.warning(
            "the page has no title. Begin it with one: # Title.", location=app.env.docname
        )
    for title in doctree.findall(nodes.title):
        if not title.astext().strip() and not any(True for _ in title.findall(nodes.image)):
            logger.warning("a heading has no words. Write some, or delete it.", location=title)
    lines = Path(app.env.doc2path(app.env.docname)).read_text("utf-8").splitlines()
    for fault, cure, node in literal_markup(doctree, lines):
        logger.warning("%s is shown as it stands. %s", fault, cure, location=node)
    for link in doctree.findall(nodes.reference):
        if not link.astext().strip() and not any(True for _ in link.findall(nodes.image)):
            logger.warning("a link has no words. Write some, or delete it.", location=link)
        if NOWHERE.fullmatch(link.get("refuri", "").strip()):
            told = "a link leads to %s and no further. Write the address."
            logger.warning(told, link["refuri"], location=link)
    for image in doctree.findall(nodes.image):
        if not image.get("alt", "").strip() and not _is_drawn(image):
            told = "a picture has no alt text. Say in it what can be seen: ![text](file)."
            logger.warning(told, location=image)
    html = Tags(" in its HTML")
    for node in doctree.findall(nodes.raw):
        if node.get("format") == "html":
            html.read(node.astext(), node)
        elif node.astext().strip() != r"\\":  # a break of a line, for LaTeX
            logger.warning("raw %s is shown on no page.", node.get("format"), location=node)
    for node, told in _empty_parts(doctree):
        logger.warning("%s. Write some, or delete it.", told, location=node)
    for node, told in _published(app, doctree):
        logger.warning("%s. Link to its place in the repository.", told, location=node)
    for fault, node in html.faults():
        logger.warning("%s", fault, location=node)


def _empty_parts(doctree: nodes.document) -> Iterator[tuple[nodes.Element, str]]:
    """What holds nothing, or is there for other builders than ours only."""
    for node in doctree.findall(addnodes.only):
        yield node, f"what is `only` for {node['expr']} is not shown as a page of its own"
    for item in doctree.findall(nodes.list_item):
        if not item.children:
            yield item, "an item of a list has no words"
    for section in doctree.findall(nodes.section):
        if len(section) == 1:
            yield section, "nothing stands below this heading"


def _published(app: Sphinx, doctree: nodes.document) -> Iterator[tuple[nodes.Element, str]]:
    """Files from outside of the book's folder that a link would publish."""
    for link in doctree.findall(addnodes.download_reference):
        path = Path(app.srcdir, app.env.docname).parent / link["reftarget"]
        if not path.resolve().is_relative_to(Path(app.srcdir).resolve()):
            yield link, f"this link publishes {link['reftarget']}, from outside of the book"


def _is_drawn(image: nodes.image) -> bool:
    """Whether a cell draws it. What such pictures need is for `make lint` to say."""
    around = image.parent
    while around is not None and "nb_element" not in around:
        around = around.parent
    return around is not None


def look_at_source(app: Sphinx, page: str, source: list[str]) -> None:
    """Warn of broken fences, rows unlike the head of their table, and what Markdown would drop."""
    lines = source[0].splitlines()
    found = [*_odd_fences(lines), *_odd_rows(lines), *_dropped(source[0]), *_unseen(lines)]
    for line, fault in found:
        logger.warning(fault, location=(page, line))


def _unseen(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines of two versions that git could not join, and characters that nobody sees."""
    for number, line in enumerate(lines, 1):
        if CONFLICT.match(line):
            yield number, f"git left {line[:7]} here. Choose one of the versions, and delete it."
        if found := UNSEEN.search(line):
            yield number, f"the character U+{ord(found[0]):04X} cannot be seen. Delete it."


def _dropped(text: str) -> Iterator[tuple[int, str]]:
    """Footnotes that no mark calls, and numbers of lists that would be others."""
    known: dict = {}
    tokens = MarkdownIt().use(footnote_plugin).use(deflist_plugin).parse(text, known)
    yield from _lost_lines(tokens)
    for label in known.get("references", {}):
        if len(re.findall(rf"\[{re.escape(label)}\]", text, re.I)) == 1:
            line = text[: re.search(rf"\[{re.escape(label)}\]:", text, re.I).start()].count("\n")
            yield (
                line + 1,
                f"no text has the link [{label.lower()}]. Set it, or delete its address.",
            )
    yield from _unused_footnotes(text, known.get("footnotes", {}).get("refs", {}))
    yield from _renumbered(tokens)


def _lost_lines(tokens: Iterable[Token]) -> Iterator[tuple[int, str]]:
    """Lines that are code since they are indented, comments within a text, and LaTeX's formulas."""
    for token in tokens:
        if token.type == "code_block":
            yield token.map[0] + 1, "what is indented so far is shown as code. Indent it less."
        lines = token.content.splitlines() if token.type == "inline" and token.map else []
        for number, line in enumerate(lines):
            is_text = any(not above.startswith("%") for above in lines[:number])
            if line.startswith("%") and is_text and not COMMENT.match(line):
                yield (
                    token.map[0] + number + 1,
                    "a line that begins with % is not shown. Write \\%.",
                )
        if lines and (found := LATEX.search(QUOTED.sub("", token.content))):
            yield token.map[0] + 1, f"{found[0]} is shown without its \\. Write a formula: $x$."


def _unused_footnotes(text: str, places: Mapping[str, int]) -> Iterator[tuple[int, str]]:
    """By their names behind a colon, with -1 for those that have no mark where Markdown looked."""
    for name, place in places.items():
        mark = rf"\[\^{re.escape(name[1:])}\]"
        if place < 0 and not re.search(rf"{mark}(?!:)", text):
            line = text.count("\n", 0, re.search(f"{mark}:", text).start()) + 1
            yield line, f"no text has the mark [^{name[1:]}]. Set it, or delete the footnote."


def _renumbered(tokens: Iterable[Token]) -> Iterator[tuple[int, str]]:
    """Items that were given another number than their list counts to, and not 1 throughout."""
    counts: list[int] = []  # the next number of each list that is open
    for token in tokens:
        if token.type in ("ordered_list_open", "bullet_list_open"):
            counts.append(token.attrs.get("start", 1))
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            counts.pop()
        elif token.type == "list_item_open":
            if token.info and int(token.info) not in (counts[-1], 1):  # of bullets it is empty
                fault = f"{token.info} in this list is shown as {counts[-1]}. Number it so."
                yield token.map[0] + 1, fault
            counts[-1] += 1


def _odd_fences(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines from 1, and what is wrong there."""
    still_open: list[tuple[str, bool, int]] = []  # mark, whether all in it is code, line
    for number, line in enumerate(lines, 1):
        found = FENCE.fullmatch(line)
        mark, info = found.groups() if found else ("", "")
        inner = still_open[-1] if still_open else ("", False, 0)
        if not mark:
            continue
        if not info and inner[0] and mark.startswith(inner[0]):
            still_open.pop()
        elif inner[1]:
            continue
        elif info.startswith("{") and inner[0] and mark.startswith(inner[0]):
            yield number, f"{mark}{info} ends the {inner[0]} above it. Give that one a mark more."
        elif mark[0] == ":" and not info.startswith("{"):
            yield number, f"{mark} must be followed by a name in braces, as in {mark}{{note}}."
        elif info.startswith("{") and "}" not in info:
            yield number, f"the brace behind {mark} is not closed. Close it."
        else:
            still_open.append((mark, CODE.match(info) is not None, number))
    for mark, _, number in still_open:
        yield number, f"{mark} is opened here and not closed. Close it."


def _odd_rows(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines from 1, and what is wrong there."""
    columns, fence = 0, ""
    for number, line in enumerate(lines):
        mark = re.match(BEGIN + r"(`{3,}|~{3,})", line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        if fence or "|" not in line:
            columns = 0
        elif RULE.fullmatch(line) and number and "|" in lines[number - 1]:
            columns, above = _cells(line), _cells(lines[number - 1])
            if "|" not in (lines[number + 1] if lines[number + 1 :] else ""):
                yield number + 1, "below this rule the table has no row. Write one."
            if columns != above:
                yield number + 1, f"this rule has {columns} columns, and the head above it {above}."
        elif columns and _cells(line) != columns:
            told = f"this row has {_cells(line)} cells, and the head of its table {columns}"
            yield number + 1, f"{told}. A bar in a cell is \\|."


def _cells(line: str) -> int:
    return len(BAR.findall(re.sub(r"^\s*\||(?<!\\)\|\s*$", "", line))) + 1


def setup(app: Sphinx) -> dict:
    """Look at the text when it is read, and at all else when it is taken apart."""
    app.connect("source-read", look_at_source, priority=900)
    app.connect("doctree-read", look)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
