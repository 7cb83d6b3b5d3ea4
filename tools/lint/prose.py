"""What a page says in words: its paragraphs and sentences, with the lines that they stand on.

Code, formulas, options and addresses are left out. What marks a word up stays in a sentence, so
that one can see which numbers were handed over by a cell and what is cited.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from condlesson.notebooks.pages import Cell, Page

__all__ = [
    "ALT",
    "CAPTION",
    "TEXT",
    "Passage",
    "Reference",
    "Sentence",
    "passages",
    "plain",
    "references",
]

TEXT, CAPTION, ALT = "text", "caption", "alt text"
# Directives whose content is text; that of every other one is code or data.
WITH_TEXT = ("dropdown", "admonition", "note", "tip", "hint", "important", "warning", "caution",
             "attention", "danger", "error", "seealso", "glossary", "margin", "sidebar", "epigraph",
             "card", "tab-set", "tab-item", "predict")  # fmt: skip
WITH_NAME = ("predict",)  # their argument is no text
CLAIM = re.compile(r"\s*% claim\b:? *(.*?) *")

_FENCE = re.compile(r"\s*(`{3,}|~{3,}|:{3,})\s*(?:\{([\w:-]+)\})?\s*(.*)")
_ENDS = {"$$": "$$", r"\begin{": r"\end{", "<!--": "-->"}  # of formulas and comments
_BLOCK = re.compile(r"\s*(\$\$|\\begin\{|<!--(?!.*-->))")
_NOT_TEXT = re.compile(r"\([\w-]+\)=|\+{3}.*|:[\w-]+:.*|%.*|\|?(?:\s*:?-{3,}:?\s*\|?)+")
_STARTS = re.compile(r"\s*(?:[-*] |\d+\. |\||#{1,6} )")
_INLINE = re.compile(
    r"\{(?P<role>[a-z][\w:+-]*)\}(?P<fence>`+)(?P<content>.+?)(?P=fence)(?!`)"
    r"|(?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|<!--.*?-->|</?[a-zA-Z][^>]*>|https?://[^\s)>]+|\$[^$]+\$"
    r"|(?:!?\[[^\s\]]*)?\]\((?P<link>[^)\s]*)\)"  # with the text if that is one word: a name
    r"|!?\[(?=[^\]]*\]\()",
    re.S,
)
_WITH_TITLE = re.compile(r"(?P<title>.+?)\s*<(?P<target>[^<>]+)>", re.S)
_END = re.compile(r"[.!?][\"”')*_]*\s+(?=[\"“'(*_]*[A-Z0-9\0])")


@dataclass(frozen=True)
class Sentence:
    """A sentence as it is written.

    Args:
        line: Line of the page where it starts, from 1.
        text: With what marks words up, on one line.
    """

    line: int
    text: str


class Reference(NamedTuple):
    """A role, or a link.

    Args:
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

    Args:
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
        masked = _INLINE.sub(_mask, self.text)
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

    def spaced(match: re.Match) -> str:
        titled = match["role"] and _WITH_TITLE.fullmatch(match["content"])
        if not titled:
            return _spaces(match[0])
        before, after = match[0].split(titled["title"], 1)
        return _spaces(before) + titled["title"] + _spaces(after)

    return _INLINE.sub(spaced, text)


def references(text: str) -> Iterator[Reference]:
    """What a text refers to, by roles and by links.

    Args:
        text: MyST text without blocks.
    """
    for match in _INLINE.finditer(text):
        line = text.count("\n", 0, match.start())
        if match["role"]:
            titled = _WITH_TITLE.fullmatch(match["content"])
            target = titled["target"] if titled else match["content"]
            yield Reference(match["role"], target, line)
        elif match["link"]:
            yield Reference("", match["link"], line)


def passages(page: Page) -> list[Passage]:
    """What the page says, in the order of its lines.

    Args:
        page: The page.
    """
    found = []
    for cell in page.cells:
        found += _of_text(cell) if cell.kind == "markdown" else _of_figure(cell, page)
    return found


def _of_text(cell: Cell) -> list[Passage]:
    found: list[Passage] = []
    lines: list[str] = []

    def close(end: int) -> None:
        if lines:
            found.append(Passage(end - len(lines), "\n".join(lines)))
            lines.clear()

    number = cell.line
    for number, line in enumerate(_text_lines(cell.source), cell.line):
        if mark := CLAIM.fullmatch(line):
            close(number)
            is_below = found and found[-1].end == number
            last = found.pop() if is_below else Passage(number, "")
            marked = (*last.claims, (mark[1], number))
            found.append(Passage(last.line, last.text, claims=marked))
        elif not line.strip() or _NOT_TEXT.fullmatch(line.strip()):
            close(number)
        else:
            if _STARTS.match(line):
                close(number)
            lines.append(line)
    close(number + 1)
    return found


def _text_lines(source: str) -> Iterator[str]:
    """Lines of a text; those of code, formulas and of directives without text are empty."""
    fences: list[tuple[str, bool]] = []
    until = ""
    for line in source.splitlines():
        if until:
            until = "" if until in line else until
            yield ""
            continue
        is_text = all(shows for _, shows in fences)
        fence = _FENCE.fullmatch(line)
        closes = fence and not fence[2] and not fence[3]
        if fences and closes and fence[1].startswith(fences[-1][0]):
            fences.pop()
            yield ""
        elif fence and is_text:
            shows = fence[2] in WITH_TEXT
            fences.append((fence[1], shows))
            yield fence[3] if shows and fence[2] not in WITH_NAME else ""
        elif is_text and (block := _BLOCK.match(line)):
            end = _ENDS[block[1]]
            until = "" if end in line[block.end() :] else end
            yield ""
        else:
            yield line if is_text else ""


def _of_figure(cell: Cell, page: Page) -> Iterator[Passage]:
    """Caption and alt text of the figure that a cell draws."""
    lines = page.text.splitlines()
    told = ((CAPTION, "caption", cell.caption), (ALT, "alt", cell.alt))
    for kind, key, text in told:
        if text:
            option = re.compile(rf"\s*[\"']?{key}[\"']?\s*:")
            behind = range(cell.line, len(lines))
            line = next((k for k in behind if option.match(lines[k])), cell.line - 1)
            yield Passage(line + 1, text, kind)


def _mask(match: re.Match) -> str:
    """Something that no sentence ends in, of the same length."""
    return re.sub(r"[^\n]", "\0", match[0])


def _spaces(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)
