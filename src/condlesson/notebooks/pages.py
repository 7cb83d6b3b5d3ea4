"""The book's pages as data: their cells, and what other pages can refer to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from condlesson.notebooks import myst
from condlesson.notebooks.references import Reference, read_references

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["PAGES_DIR", "Book", "Cell", "Page", "PageError", "Target"]

INSTALLED = Path(__file__).parents[1] / "pages"
PAGES_DIR = INSTALLED if INSTALLED.is_dir() else Path(__file__).parents[3] / "book"


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

    Attributes:
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

    Attributes:
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

    Attributes:
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
        lines = self.text.splitlines(keepends=True)
        height = self._front.map[1] if self._front else 0
        body = "\n" * height + "".join(lines[height:])
        try:
            notebook = _myst_to_notebook(body)
        except ModuleNotFoundError:
            raise
        except Exception as error:  # jupytext, YAML and nbformat have their own
            raise PageError(self.name, *self._unreadable(error)) from error
        found = []
        for cell, start in zip(notebook.cells, notebook.metadata["source_map"], strict=True):
            if cell.cell_type == "markdown":  # text starts behind the blank lines that are left out
                lines = body.splitlines()[start:]
                start += 1 + next(k for k, line in enumerate(lines) if line.strip())
            found.append(Cell(cell.cell_type, cell.source, start, cell.metadata))
        return found

    @cached_property
    def blocks(self) -> "list[tuple[Token, int]]":
        """Its blocks, with those within directives that hold text, and the lines they start on."""
        return list(myst.walk(self.text))

    @property
    def _front(self) -> "Token | None":
        """The front matter, if there is one."""
        first = self.blocks[0][0] if self.blocks else None
        return first if first and first.type == "front_matter" else None

    @property
    def has_notebook(self) -> bool:
        """Whether it becomes a notebook, as a page with a kernel does if it says nothing else."""
        lines = self._front.content.splitlines() if self._front else []
        return "kernelspec:" in lines and "notebook: false" not in lines

    @property
    def title(self) -> str:
        """Its first heading."""
        return next((heading for _, heading in self._headings()), self.name)

    def _headings(self) -> "Iterator[tuple[Token | None, str]]":
        """What comes before each heading, and its text."""
        tokens = [None, *(token for token, _ in self.blocks)]
        for k, token in enumerate(tokens[2:], 2):
            if tokens[k - 1] and tokens[k - 1].type == "heading_open":
                yield tokens[k - 2], token.content

    def targets(self) -> Iterator[tuple[str, Target]]:
        """Labels of sections, figures and formulas."""
        for before, heading in self._headings():
            if before and before.type == "myst_target":
                yield before.content, Target(self.name, heading, is_section=True)
        labelled = (token for token, _ in self.blocks if token.type == "math_block_label")
        for number, token in enumerate(labelled, 1):
            yield token.info, Target(self.name, f"({number})")
        if self.has_notebook:
            figures = [cell.figure for cell in self.cells if cell.figure]
            for number, figure in enumerate(figures, 1):
                if name := figure.get("name"):
                    yield name, Target(self.name, f"Fig. {number}")

    def _unreadable(self, error: Exception) -> tuple[int, str]:
        """Line of the first cell that cannot be read, and what is wrong with it."""
        line, lines = 1, self.text.splitlines()
        for token, start in self.blocks:
            if myst.is_directive(token) and token.info.strip().startswith("{code-cell}"):
                try:
                    _myst_to_notebook(
                        "\n".join(lines[start - 1 : start - 1 + token.map[1] - token.map[0]])
                    )
                except Exception as found:
                    line, error = start, found
                    break
        first, *behind = str(error).partition("could not be read: ")[2].split("\n")[:2]
        reason = " ".join([first, *behind]) or str(error).partition("\n")[0]
        reason = " ".join(reason.split()).rstrip(":")
        return line, f"the options of the cell cannot be read: {reason}."


class Book:
    """All pages of a folder; what begins with a dot is an editor's.

    Args:
        folder: Where they are; by default those of the package.

    Raises:
        FileNotFoundError: There is no page.
    """

    def __init__(self, folder: Path = PAGES_DIR) -> None:
        self.folder = folder
        files = sorted(filter(Path.is_file, folder.glob("[!.]*.md")))
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
        return {name: page for name, page in self.pages.items() if page.has_notebook}


def _myst_to_notebook(text: str) -> object:
    try:
        from jupytext.myst import myst_to_notebook
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "jupytext must be installed to read the pages. Install it: pip install jupytext."
        ) from error
    return myst_to_notebook(text, add_source_map=True)
