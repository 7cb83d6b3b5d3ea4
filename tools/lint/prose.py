"""What a page says in words: its paragraphs and sentences, with the lines that they stand on.

Code, formulas, options and addresses are left out. What marks a word up stays in a sentence, so
that one can see which numbers were handed over by a cell and what is cited.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from condlesson.notebooks import myst
from condlesson.notebooks.myst import Mark
from condlesson.notebooks.pages import Book, Cell, Page

__all__ = [
    "ALT",
    "CAPTION",
    "TEXT",
    "Mention",
    "Passage",
    "Sentence",
    "passages",
    "plain",
    "read_texts",
    "references",
]

ROOT = Path(__file__).parents[2]
TEXT, CAPTION, ALT = "text", "caption", "alt text"
TITLED = {*myst.WITH_TEXT} - {"predict"}  # directives whose argument is text
CLAIM = re.compile(r" *claim\b:? *(.*?) *")
_END = re.compile(r"[.!?][\"”')*_]*\s+(?=[\"“'(*_]*[A-Z0-9\0])")


@dataclass(frozen=True)
class Sentence:
    """A sentence as it is written.

    Attributes:
        line: Line of the page where it starts, from 1.
        text: With what marks words up, on one line.
    """

    line: int
    text: str


class Mention(NamedTuple):
    """A role, or a link.

    Attributes:
        role: Name of the role; empty for a link.
        target: What it names.
        line: Lines between the text's start and it.
    """

    role: str
    target: str
    line: int


@dataclass(frozen=True)
class Passage:
    """A paragraph, an item of a list, a row of a table, a heading, a caption or an alt text.

    Attributes:
        line: Line of the page where it starts, from 1.
        text: As it is written, with its line breaks.
        kind: TEXT, CAPTION or ALT.
        claims: Names of the claims that it is marked with, each with its line.
    """

    line: int
    text: str
    kind: str = TEXT
    claims: tuple[tuple[str, int], ...] = ()

    @property
    def end(self) -> int:
        """The line below it and its marks."""
        return self.line + len(self.text.splitlines()) + len(self.claims)

    def sentences(self) -> Iterator[Sentence]:
        """Its sentences in order."""
        masked = _blanked(self.text, "\0", _shown_by_link)  # no sentence ends in a mark
        start = 0
        for end in [*(match.end() for match in _END.finditer(masked)), len(masked)]:
            text = self.text[start:end]
            if text.strip():
                before = self.text[:start] + text[: len(text) - len(text.lstrip())]
                yield Sentence(self.line + before.count("\n"), " ".join(text.split()))
            start = end


def plain(text: str) -> str:
    """Words alone: what is not text becomes spaces, so that places stay.

    Args:
        text: MyST text without blocks.
    """
    return _blanked(text, " ", _words)


def _words(mark: Mark) -> str:
    """What a mark shows of text: a title, or what stands in a link if that is more than a name."""
    if mark.kind == "myst_role":
        return myst.titled(mark.text)[0]
    is_text = mark.kind in ("link", "image") and re.search(r"\s", mark.text)
    return mark.text if is_text else ""


def _shown_by_link(mark: Mark) -> str:
    return mark.text if mark.kind == "link" else ""


def _blanked(text: str, blank: str, words: Callable[[Mark], str]) -> str:
    """The text with marks as blanks, but for their words."""
    pieces, done = [], 0
    for mark in myst.marks(text):
        raw, kept = text[mark.start : mark.end], words(mark)
        start = raw.replace("\n", " ").index(kept.replace("\n", " "))
        inner = raw[start : start + len(kept)]
        pieces += [text[done : mark.start], re.sub(r"[^\n]", blank, raw[:start])]
        pieces.append(_blanked(inner, blank, words) if mark.kind == "link" else inner)
        pieces.append(re.sub(r"[^\n]", blank, raw[start + len(kept) :]))
        done = mark.end
    return "".join([*pieces, text[done:]])


def references(text: str) -> Iterator[Mention]:
    """What a text refers to, by roles and by links.

    Args:
        text: MyST text without blocks.
    """
    for mark in myst.marks(text):
        line = text.count("\n", 0, mark.start)
        if mark.kind == "myst_role":
            yield Mention(mark.target, myst.titled(mark.text)[1], line)
        elif mark.kind in ("link", "image"):
            yield Mention("", mark.target, line)


def passages(page: Page) -> list[Passage]:
    """What the page says, in the order of its lines.

    Args:
        page: The page.
    """
    lines = page.text.splitlines()
    found = [passage for cell in page.cells for passage in _of_figure(cell, lines)]
    for token, line in page.blocks:
        if token.type == "myst_line_comment":
            for number, comment in enumerate(token.content.split("\n"), line):
                if mark := CLAIM.fullmatch(comment):
                    found.append(_marked(found, mark[1], number))
        elif myst.is_directive(token):
            named = myst.directive(token, line)
            if named and named.argument and named.name in TITLED:
                found.append(Passage(line, named.argument))
        elif token.type in ("inline", "html_block") and not myst.is_comment(token):
            height = max(token.map[1] - token.map[0], 1)
            if not found or found[-1].line != line:  # cells of a row are one
                found.append(Passage(line, "\n".join(lines[line - 1 : line - 1 + height])))
    return sorted(found, key=lambda passage: passage.line)


def _marked(found: list[Passage], name: str, line: int) -> Passage:
    """The passage above a mark, taken from those found, with it; or one without text."""
    is_below = found and found[-1].end == line
    last = found.pop() if is_below else Passage(line, "")
    return Passage(last.line, last.text, claims=(*last.claims, (name, line)))


def _of_figure(cell: Cell, lines: list[str]) -> Iterator[Passage]:
    """Caption and alt text of the figure that a cell draws."""
    told = ((CAPTION, "caption", cell.caption), (ALT, "alt", cell.alt))
    for kind, key, text in told:
        if text:
            option = re.compile(rf"\s*[\"']?{key}[\"']?\s*:")
            behind = range(cell.line, len(lines))
            line = next((k for k in behind if option.match(lines[k])), cell.line - 1)
            yield Passage(line + 1, text, kind)


def read_texts(book: Book, root: Path = ROOT) -> dict[str, Page]:
    """Pages, and the texts at the root that are read like pages, by their paths.

    A page that does nothing but include a text is that text.

    Args:
        book: The pages.
        root: The repository.
    """
    texts = {}
    for name, page in book.pages.items():
        included = _included(page)
        file = book.folder / (included or f"{name}.md")
        path = file.resolve().relative_to(root.resolve())
        texts[path.as_posix()] = Page(path.stem, file.read_text("utf-8-sig")) if included else page
    beside = [root / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")]
    for file in (*beside, *sorted((root / "docs").rglob("[!.]*.md"))):
        if file.is_file():
            path = file.relative_to(root).as_posix()
            texts[path] = Page(file.stem, file.read_text("utf-8"))
    return texts


def _included(page: Page) -> str:
    """The file that a page includes and has nothing else."""
    tokens = [token for token, _ in page.blocks]
    found = myst.directive(tokens[0], 1) if len(tokens) == 1 else None
    return found.argument if found and found.name == "include" else ""
