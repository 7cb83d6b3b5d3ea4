"""The book's pages as data: their cells, and what other pages can refer to."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from condlesson.notebooks.references import Reference, read_references

__all__ = ["PAGES_DIR", "Book", "Cell", "Page", "PageError", "Target", "has_notebook"]

INSTALLED = Path(__file__).parents[1] / "pages"
PAGES_DIR = INSTALLED if INSTALLED.is_dir() else Path(__file__).parents[3] / "book"

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.S)
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.M)
_LABELLED = re.compile(r"^\(([\w-]+)\)=\n+#{1,6} +(.+?) *$", re.M)
_EQUATION = re.compile(r"^\$\$ *\(([\w-]+)\) *$", re.M)
_CODE_CELL = re.compile(r"^ *(`{3,}|~{3,})\{code-cell\}.*?^ *\1", re.M | re.S)


class PageError(ValueError):
    """A page cannot be read, or holds what a notebook cannot show.

    Args:
        page: Name of the page.
        line: Line in its file.
        fault: What is wrong, as a sentence.
    """

    def __init__(self, page: str, line: int, fault: str) -> None:
        super().__init__(f"{page}.md, line {line}: {fault}")
        self.line, self.fault = line, fault


@dataclass(frozen=True)
class Cell:
    """A piece of a page.

    Args:
        kind: markdown or code.
        source: Its text.
        line: Line of the page where it starts, from 1.
        options: What the page says of a code cell.
    """

    kind: str
    source: str
    line: int
    options: Mapping = field(default_factory=dict)

    @property
    def figure(self) -> Mapping:
        """Name and caption of the figure that the cell draws; empty if it draws none."""
        return self._shown("figure")

    @property
    def alt(self) -> str:
        """What is seen in the figure, in words."""
        return str(self._shown("image").get("alt") or "")

    @property
    def caption(self) -> str:
        """What stands below the figure."""
        return str(self.figure.get("caption") or "")

    def _shown(self, key: str) -> Mapping:
        shown = self.options.get("mystnb")
        found = shown.get(key) if isinstance(shown, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    @property
    def tags(self) -> list[str]:
        """Tags of the cell."""
        return self.options.get("tags", [])


@dataclass(frozen=True)
class Target:
    """What a label stands for.

    Args:
        page: Name of the page.
        text: Heading of a section; else the number on its page, as "Fig. 2" or "(1)".
        is_section: Whether it is a section.
    """

    page: str
    text: str
    is_section: bool = False


@dataclass(frozen=True)
class Page:
    """A page of the book.

    Args:
        name: Name of the file, without its ending.
        text: The file's content.
    """

    name: str
    text: str

    @cached_property
    def cells(self) -> list[Cell]:
        """Text and code in turn.

        Raises:
            ModuleNotFoundError: jupytext is missing.
            PageError: What a cell says of itself is no YAML, or of another form.
        """
        # The front matter is ours; only its lines must stay, for those of what follows to be right.
        body = _FRONT_MATTER.sub(lambda match: "\n" * match[0].count("\n"), self.text)
        try:
            notebook = _myst_to_notebook(body)
        except ModuleNotFoundError:
            raise
        except Exception as error:  # jupytext, YAML and nbformat have their own
            raise PageError(self.name, *_unreadable(body, error)) from error
        found = []
        for cell, start in zip(notebook.cells, notebook.metadata["source_map"], strict=True):
            if cell.cell_type == "markdown":  # text starts behind the blank lines that are left out
                lines = body.splitlines()[start:]
                start += 1 + next(k for k, line in enumerate(lines) if line.strip())
            found.append(Cell(cell.cell_type, cell.source, start, cell.metadata))
        return found

    @property
    def title(self) -> str:
        """Its first heading."""
        heading = _HEADING.search(self.text)
        return heading[1] if heading else self.name

    def targets(self) -> Iterator[tuple[str, Target]]:
        """Labels of sections, figures and formulas."""
        for label, heading in _LABELLED.findall(self.text):
            yield label, Target(self.name, heading, is_section=True)
        for number, label in enumerate(_EQUATION.findall(self.text), 1):
            yield label, Target(self.name, f"({number})")
        if has_notebook(self.text):
            figures = [cell.figure for cell in self.cells if cell.figure]
            for number, figure in enumerate(figures, 1):
                if name := figure.get("name"):
                    yield name, Target(self.name, f"Fig. {number}")


class Book:
    """All pages of a folder.

    Args:
        folder: Where they are; by default those of the package.

    Raises:
        FileNotFoundError: There is no page.
    """

    def __init__(self, folder: Path = PAGES_DIR) -> None:
        self.folder = folder
        files = sorted(folder.glob("*.md"))
        if not files:
            raise FileNotFoundError(f"{folder} must hold the book's pages, got none.")
        self.pages = {path.stem: Page(path.stem, path.read_text("utf-8-sig")) for path in files}

    @cached_property
    def targets(self) -> dict[str, Target]:
        """What every label of the book stands for."""
        return {label: found for page in self.pages.values() for label, found in page.targets()}

    @cached_property
    def references(self) -> dict[str, Reference]:
        """What the pages cite, by key."""
        return read_references(self.folder / "references.bib")

    @property
    def with_notebook(self) -> dict[str, Page]:
        """Pages that become notebooks."""
        return {name: page for name, page in self.pages.items() if has_notebook(page.text)}


def has_notebook(text: str) -> bool:
    """Whether a page becomes a notebook: it has a kernel, and does not say `notebook: false`."""
    front = _FRONT_MATTER.match(text)
    return bool(front) and "\nkernelspec:" in front[0] and "\nnotebook: false" not in front[0]


def _myst_to_notebook(text: str) -> object:
    try:
        from jupytext.myst import myst_to_notebook
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "jupytext must be installed to read the pages. Install it: pip install jupytext."
        ) from error
    return myst_to_notebook(text, add_source_map=True)


def _unreadable(text: str, error: Exception) -> tuple[int, str]:
    """Line of the first cell that cannot be read, and what is wrong with it."""
    line = 1
    for cell in _CODE_CELL.finditer(text):
        try:
            _myst_to_notebook(cell[0])
        except Exception as found:
            line, error = text.count("\n", 0, cell.start()) + 1, found
            break
    first, *behind = str(error).partition("could not be read: ")[2].split("\n")[:2]
    reason = " ".join([first, *behind]) or str(error).partition("\n")[0]
    return line, f"the options of the cell cannot be read: {' '.join(reason.split()).rstrip(':')}."
