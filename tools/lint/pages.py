"""Hold the pages to their rules, without running a cell.

python -m tools.lint.pages [FILE ...]   (without files: every page, and the texts beside them)
python -m tools.lint.pages --rules      what the rules are

Prints one line for each fault, with file, line, rule, fault and cure, and fails if there is one.
"""

import ast
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from condlesson.notebooks import myst
from condlesson.notebooks.pages import Book, Cell, Page, PageError
from tools.lint import claims, spelling
from tools.lint.cells import parse
from tools.lint.finding import Finding
from tools.lint.names import rerun
from tools.lint.prose import passages, read_texts, references

__all__ = ["CELL_LINES", "CODE_WIDTH", "RULES", "lint"]

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
CELL_LINES = 12  # imports not counted; about eight is usual
CODE_WIDTH = 84  # as many characters fit the column of the pages
LEAST_WORDS = 20  # characters of a caption or an alt text that says something

_ALT = re.compile(r"<img\b(?:[^>]*?\balt=([\"'])(.*?)\1)?", re.I | re.S)
_PLOTTING = re.compile(r"\bplt\.|\bmatplotlib\b")


def cell_length(path: str, page: Page, book: Book) -> Iterator[Finding]:
    """Cells hold one idea."""
    for cell in _code(page):
        length = _lines_of_code(cell.source)
        if length > CELL_LINES:
            fault = f"the cell has {length} lines without its imports, more than {CELL_LINES}."
            cure = "Cut it in two, or move the work into a function of the package."
            yield Finding(path, cell.line, "cell-length", fault, cure)


def code_width(path: str, page: Page, book: Book) -> Iterator[Finding]:
    """Code that is shown fits the page."""
    for cell in _code(page):
        wide = [line for line in cell.source.splitlines() if len(line) > CODE_WIDTH]
        if wide and not {"remove-cell", "remove-input"} & set(cell.tags):
            line = _place(page, cell, wide[0])
            fault = f"the line has {len(wide[0])} characters, more than {CODE_WIDTH}."
            yield Finding(path, line, "code-width", fault, "Break it, or readers must scroll.")


def plotting(path: str, page: Page, book: Book) -> Iterator[Finding]:
    """Figures are drawn by the package."""
    for cell in _code(page):
        if found := _PLOTTING.search(cell.source):
            line = _place(page, cell, _line_of(cell.source, found))
            cure = "Write a function in condlesson.figures.plots, and call it here."
            yield Finding(path, line, "plotting", "the cell uses Matplotlib.", cure)


def figure(path: str, page: Page, book: Book) -> Iterator[Finding]:
    """Figures have a name, a caption and an alt text."""
    drawing = _drawing(page)
    for cell in _code(page):
        if not (cell.figure or cell.alt or _draws(cell.source, drawing)):
            continue
        if not cell.figure.get("name"):
            cure = "Give it one under mystnb, figure, name: in the cell's options."
            yield Finding(path, cell.line, "figure-name", "the figure has no name.", cure)
        if len(cell.caption) <= LEAST_WORDS:
            fault = f"the caption has {len(cell.caption)} characters, not more than {LEAST_WORDS}."
            cure = "Say under mystnb, figure, caption: what to look at."
            yield Finding(path, cell.line, "caption", fault, cure)
        if len(cell.alt) <= LEAST_WORDS:
            yield _poor_alt(path, cell.line, cell.alt)


def image(path: str, page: Page, book: Book) -> Iterator[Finding]:
    """Images have an alt text."""
    for passage in passages(page):
        for mark in myst.marks(passage.text):
            html = mark.kind == "html_inline" and _ALT.match(mark.text)
            if mark.kind == "image" or html:
                alt = (html[2] or "" if html else mark.text).strip()
                if len(alt) <= LEAST_WORDS:
                    line = passage.line + passage.text.count("\n", 0, mark.start)
                    yield _poor_alt(path, line, alt)


def heading(path: str, page: Page, book: Book) -> Iterator[Finding]:
    """A page has one title, and headings have one form."""
    cure = "Begin the page with one line that starts with #, and use ## for its sections."
    headings = [(token, line) for token, line in page.blocks if token.type == "heading_open"]
    for token, line in headings:
        if not token.markup.startswith("#"):
            yield Finding(path, line, "heading", "this heading is underlined.", cure)
    titles = [line for token, line in headings if token.tag == "h1"]
    if not titles:
        yield Finding(path, 1, "heading", "the page has no heading of the first level.", cure)
    for line in titles[1:]:
        fault = "this is a second heading of the first level."
        yield Finding(path, line, "heading", fault, cure)


def link(path: str, page: Page, book: Book) -> Iterator[Finding]:
    """What a page refers to is there."""
    labels = set(book.targets) | {
        cell.figure["name"] for other in book.pages.values() for cell in other.cells
        if cell.figure.get("name")
    }  # fmt: skip
    known = {
        "doc": (set(book.pages), "page"),
        **dict.fromkeys(("ref", "numref", "eq"), (labels, "label")),
        **dict.fromkeys(("cite", "cite:p", "cite:t"), (set(book.references), "reference")),
    }
    for passage in passages(page):
        for role, target, line in references(passage.text):
            names, kind = known.get(role, (set(), ""))
            if not role:
                missing, kind = _missing(target, ROOT / path, labels), "target"
            else:
                missing = [n for n in target.split(",") if kind and n.strip() not in names]
            for name in missing:
                fault = f"there is no {kind} {name.strip()}."
                cure = "Mend the name, or add what it names."
                yield Finding(path, passage.line + line, "link", fault, cure)


RULES = (cell_length, code_width, plotting, figure, image, heading, link, rerun)
ASKS = {
    "cell": "code is Python, % and ! lines included, and options are YAML; until then no other "
    "rule is asked",
    "cell-length": f"at most {CELL_LINES} lines in a cell, imports and comments around statements "
    "not counted",
    "code-width": f"at most {CODE_WIDTH} characters in a line that is shown; more must be scrolled",
    "plotting": "no Matplotlib in a cell: figures are drawn by condlesson.figures.plots",
    "figure-name": "every figure has a name",
    "caption": f"every figure has a caption of more than {LEAST_WORDS} characters",
    "alt-text": f"every figure has an alt text of more than {LEAST_WORDS} characters",
    "heading": "one title on each page",
    "rerun": "a name that a cell reads is bound for one thing, so that cells can run again",
    "link": "pages, labels, papers and files that a page names are there",
    "spelling": f"words of the dictionary or of {spelling.WORDS.relative_to(ROOT)}, in British "
    "spelling",
    "number": "a decimal, a percentage or an exact large count in a sentence is glued, cited, an "
    "input of the page's code, or part of a marked claim",
    "removed-cell": "a removed cell calls glue and does nothing else",
    "claim": "every marked claim has its test, and every such test its mark",
}


def lint(texts: dict[str, Page], book: Book) -> list[Finding]:
    """All faults, in the order of files and lines; if something cannot be read, only those.

    Args:
        texts: What is to be checked, by path.
        book: The book whose pages the texts refer to.
    """
    pages = {f"book/{name}.md": page for name, page in book.pages.items()}
    if unreadable := [f for path, page in (pages | texts).items() for f in _unreadable(path, page)]:
        return sorted(unreadable)
    found = [
        finding for path, page in texts.items() for rule in RULES
        for finding in rule(path, page, book)
    ]  # fmt: skip
    return sorted([*found, *spelling.check(texts), *claims.lint(texts, book.pages.values())])


def _unreadable(path: str, page: Page) -> Iterator[Finding]:
    """Cells that no rule can be asked about."""
    try:
        cells = _code(page)
    except PageError as error:
        cure = "Write them as YAML, and tags as a list: [one, another]."
        yield Finding(path, error.line, "cell", error.fault, cure)
        return
    for cell in cells:
        try:
            parse(cell.source)
        except SyntaxError as error:
            lines = cell.source.splitlines()
            line = lines[error.lineno - 1] if 0 < (error.lineno or 0) <= len(lines) else ""
            place = _place(page, cell, line) if line.strip() else cell.line
            fault = f"this is no Python: {error.msg}."
            cure = "Mend it. Code that is to be shown and not run goes into a block of python."
            yield Finding(path, place, "cell", fault, cure)


def _code(page: Page) -> list[Cell]:
    return [cell for cell in page.cells if cell.kind == "code"]


def _lines_of_code(source: str) -> int:
    """Lines of a cell without imports, comments between statements and blank lines."""
    lines = source.splitlines()
    counted = {
        number
        for node in parse(source).body
        if not isinstance(node, ast.Import | ast.ImportFrom)
        for number in range(node.lineno, node.end_lineno + 1)
        if "".join(lines[number - 1 : number]).strip()
    }
    return len(counted)


def _drawing(page: Page) -> tuple[str, ...]:
    """How calls of functions of plots begin on the page."""
    found = ["plots.", "condlesson.figures.plots."]
    for cell in _code(page):
        for node in ast.walk(parse(cell.source)):
            if isinstance(node, ast.ImportFrom) and node.module == "condlesson.figures.plots":
                found += [f"{alias.asname or alias.name}(" for alias in node.names]
            elif isinstance(node, ast.Import | ast.ImportFrom):
                within = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                plots = [a for a in node.names if within + a.name == "condlesson.figures.plots"]
                found += [f"{alias.asname}." for alias in plots if alias.asname]
    return tuple(found)


def _draws(source: str, drawing: tuple[str, ...]) -> bool:
    """Whether a cell calls a function of plots, outside the functions that it defines."""
    todo: list[ast.AST] = [parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Call) and f"{ast.unparse(node.func)}(".startswith(drawing):
            return True
        todo += ast.iter_child_nodes(node)
    return False


def _place(page: Page, cell: Cell, line: str) -> int:
    """Where a line of a cell stands in its page; the cell may be indented there."""
    behind = page.text.splitlines()[cell.line - 1 :]
    return cell.line + next((k for k, text in enumerate(behind) if text.strip() == line.strip()), 0)


def _line_of(source: str, match: re.Match) -> str:
    return source.splitlines()[source.count("\n", 0, match.start())]


def _poor_alt(path: str, line: int, alt: str) -> Finding:
    fault = f"the alt text has {len(alt)} characters, not more than {LEAST_WORDS}."
    cure = "Say what is seen, for somebody who cannot see it."
    return Finding(path, line, "alt-text", fault, cure)


def _missing(target: str, source: Path, labels: set[str]) -> list[str]:
    """The target of a link of a file, if it is in the repository and not there."""
    address = urlsplit(target)
    if address.scheme or address.netloc:
        return []
    file = source.parent / address.path if address.path else source
    if address.path and not file.exists():
        file = file.with_suffix(".md")
        if not file.exists():
            return [target]
    if not address.fragment or file.suffix != ".md":
        return []
    is_page = BOOK in file.resolve().parents
    return [] if address.fragment in (labels if is_page else _anchors(file)) else [target]


def _anchors(file: Path) -> set[str]:
    """What GitHub calls the headings of a text."""
    blocks = [token for token, _ in Page(file.stem, file.read_text("utf-8-sig")).blocks]
    headings = [after.content for token, after in pairwise(blocks) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


def main(*names: str) -> None:
    """Check the files that are named, or all; or say what the rules are."""
    if names == ("--rules",):
        print(*(f"{rule:14}{asks}" for rule, asks in ASKS.items()), sep="\n")
        return
    book = Book(ROOT / "book")
    texts = read_texts(book)
    chosen = {Path(name).resolve().relative_to(ROOT).as_posix() for name in names}
    found = lint({path: texts[path] for path in texts if not chosen or path in chosen}, book)
    print(*found, sep="\n", end="\n" * bool(found))
    if found:
        sys.exit(f"{len(found)} faults in the pages.")


if __name__ == "__main__":
    main(*sys.argv[1:])
