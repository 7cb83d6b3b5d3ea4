"""Exercise and solution notebooks from the book's pages.

A page is the one source. Its text is translated for plain Jupyter, its cells are taken as they
are, and code that the page shows from the package becomes cells: exercises with their gaps, or
with the solutions. A first cell fetches the lesson where it is missing, and a last one sums the
checks up. The same pages give the same bytes.
"""

import html
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from condlesson.notebooks.blocks import Code, Translator
from condlesson.notebooks.files import write_all
from condlesson.notebooks.first_cell import first_cell, installed_hash
from condlesson.notebooks.glued import measure
from condlesson.notebooks.pages import Book, Cell, Page, PageError
from condlesson.scaffold import used_names, without_imports

__all__ = ["KINDS", "make_notebook", "write_notebooks"]

KINDS = ("exercises", "solutions")

BLANK = "\0"  # stands in a text for a number that is not measured yet
REMEMBER = """

from condlesson.checks import remember

remember("{name}")  # how checks end, in condlesson-progress.json; delete it to begin anew"""
PROGRESS = """\
from condlesson.checks import hand_in, progress

# print(hand_in())  # what you wrote and how it ended, as one text: for your teacher
progress([{names}])"""
# Of cells in a notebook, for what the book leaves out: code must be there to run.
HIDDEN = {
    "hide-input": {"source_hidden": True},
    "remove-input": {"source_hidden": True},
    "hide-output": {"outputs_hidden": True},
    "remove-output": {"outputs_hidden": True},
}
_CHECK = re.compile(r"^(check_\w+)\(", re.M)


def write_notebooks(
    folder: str | Path,
    book: Book | None = None,
    *,
    overwrite: bool = False,
    measured: Mapping[str, Mapping] | None = None,
    wheel_hash: str | None = None,
    report: Callable[[str], object] = lambda line: None,
) -> list[Path]:
    """Write all notebooks, or none.

    Args:
        folder: Gets the folders exercises and solutions, with a notebook for each page in both.
        book: The pages; by default those of the package.
        overwrite: Write over notebooks that are there and differ, as those that somebody has
            worked in do.
        measured: For each page the values that it glues, as `glued.measure` returns them;
            by default the pages are run for them.
        wheel_hash: Of the wheel that the notebooks fetch, as `first_cell` takes it; by default
            that of the wheel that this package was installed from, if it is known.
        report: Is told in a line when a page has run.

    Returns:
        The files.

    Raises:
        ValueError: A page holds what a notebook cannot show; the message names page and line.
        RuntimeError: A cell of a page raises.
        ModuleNotFoundError: jupytext is missing.
        FileExistsError: A notebook is there and differs; then nothing is written.
        NotADirectoryError: folder is a file.
    """
    if Path(folder).exists() and not Path(folder).is_dir():
        raise NotADirectoryError(f"{folder} must be a folder, got a file.")
    book = book or Book()
    setup = first_cell(installed_hash() if wheel_hash is None else wheel_hash)

    def made(values: Mapping[str, Mapping]) -> dict[Path, bytes]:
        return {
            Path(folder, kind, f"{name}.ipynb"): _bytes(
                make_notebook(
                    book, page, values[name], with_answers=kind == "solutions", setup=setup
                )
            )
            for kind in KINDS
            for name, page in book.with_notebook.items()
        }

    if measured is None:
        unmeasured = made(dict.fromkeys(book.with_notebook, _Blanks()))  # finds faults in time
        if not overwrite:
            _refuse_to_overwrite(unmeasured)
        pages = [book.folder / f"{name}.md" for name in book.with_notebook]
        measured = measure(pages, report)
    files = made(measured)
    if not overwrite:
        _refuse_to_overwrite(files)
    write_all(files)
    return list(files)


class _Blanks(dict):
    """Stands for the numbers of a page that has not run: each is a BLANK."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> "_Blanks":
        return self

    def __format__(self, form: str) -> str:
        return BLANK


def _bytes(notebook: object) -> bytes:
    import nbformat

    return f"{nbformat.writes(notebook)}\n".encode()


def _refuse_to_overwrite(made: dict[Path, bytes]) -> None:
    other = [path for path, content in made.items() if path.is_file() and not _fits(path, content)]
    if other:
        raise FileExistsError(
            f"{', '.join(map(str, other))} must not differ from what would be written there: "
            "somebody may have worked in it. Name another folder, or add --overwrite."
        )


def _fits(path: Path, content: bytes) -> bool:
    """Whether a file holds a content, whatever stands in the place of its blanks."""
    pieces = content.decode().split(json.dumps(BLANK)[1:-1])
    pattern = "[^\n]*?".join(map(re.escape, pieces))
    return re.fullmatch(pattern, path.read_text("utf-8", errors="replace")) is not None


def make_notebook(
    book: Book, page: Page, glued: Mapping, *, with_answers: bool, setup: str | None = None
) -> object:
    """Make the notebook of a page.

    Args:
        book: The book that the page is in.
        page: The page.
        glued: Values that the page glues, by name.
        with_answers: With the solutions, or else with gaps in their places.
        setup: The first cell; by default that which verifies nothing.

    Returns:
        A valid notebook of nbformat 4.5, without outputs.

    Raises:
        ValueError: The page holds what a notebook cannot show.
    """
    import nbformat

    made = list(_cells(Translator(book, page, glued, with_answers=with_answers)))
    setup = first_cell() if setup is None else setup
    if made[-1][0].startswith(PROGRESS.partition("\n")[0]):
        setup += REMEMBER.format(name=page.name)
    cells = [nbformat.v4.new_code_cell(setup)]
    for source, metadata in made:
        is_code = isinstance(source, Code)
        new = nbformat.v4.new_code_cell if is_code else nbformat.v4.new_markdown_cell
        cells.append(new(str(source), metadata=metadata))
    for number, cell in enumerate(cells):
        cell["id"] = f"{page.name}-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata, nbformat_minor=5)
    nbformat.validate(notebook)
    return notebook


def _cells(translator: Translator) -> Iterator[tuple[str, dict]]:
    """Source and metadata of each cell behind the first."""
    figures, checks = 0, {}
    cells = [cell for cell in translator.page.cells if "remove-cell" not in cell.tags]
    for cell, names in zip(cells, _in_the_way(translator, cells), strict=True):
        if cell.kind == "markdown":
            yield from ((piece, {}) for piece in translator.text(cell.source, cell.line))
        else:
            source = without_imports(cell.source, names)
            translator.run(source)
            called = _CHECK.findall(source)
            checks |= dict.fromkeys(name for name in called if _is_check(translator, name))
            if source:
                yield Code(source), _metadata(translator.page, cell)
            if cell.figure:
                figures += 1
                yield _below_figure(translator, cell, figures), {}
    if translator.cited:
        references = [translator.book.references[key] for key in translator.cited]
        entries = sorted((found.who, found.year, found.entry()) for found in references)
        yield "## References\n\n" + "\n".join(f"- {entry}" for *_, entry in entries), {}
    if checks:
        yield "## Where you stand\n\nThe checks of this notebook, as they ended last:", {}
        names = ", ".join(f'"{name}"' for name in checks)
        yield Code(PROGRESS.format(names=names)), {}


def _in_the_way(translator: Translator, cells: Sequence[Cell]) -> list[set[str]]:
    """For each cell, names that it may not import: other cells make them.

    Before such a cell the name must not be there yet, or a check would judge the package's own
    where the learner's cell has not run. The page may use it until then, if it says so by its code.
    Behind the cell an import would undo what the learner made.
    """
    made = [set(translator.makes(c.source)) if c.kind == "markdown" else set() for c in cells]
    used = [used_names(c.source) if c.kind == "code" else set() for c in cells]
    found = []
    for place in range(len(cells)):
        names, until_now = set().union(*made[:place]), set()
        for reads, makes in zip(used[place:], made[place:], strict=True):
            until_now |= reads
            names |= makes - until_now
        found.append(names)
    return found


def _is_check(translator: Translator, name: str) -> bool:
    """Whether a function of this name, as far as the notebook imports it, checks an exercise."""
    module = getattr(translator.known.get(name), "__module__", None)
    return module is None or module.startswith("condlesson.checks")


def _below_figure(translator: Translator, cell: Cell, number: int) -> str:
    """Caption of a figure, and what is seen in it for who cannot see it."""
    caption = translator.inline(cell.caption, cell.line)
    text = f"**Fig. {number}.** *{caption}*"
    if cell.alt:
        words = html.escape(cell.alt, quote=False)
        text += f"\n\n<details><summary>The figure in words</summary>{words}</details>"
    return text


def _metadata(page: Page, cell: Cell) -> dict:
    metadata: dict = {}
    for tag in cell.tags:
        if tag in HIDDEN:
            metadata.setdefault("jupyter", {}).update(HIDDEN[tag])
        elif tag == "raises-exception":
            metadata["tags"] = [tag]
        else:
            raise PageError(page.name, cell.line, f"the tag {tag} is not known.")
    return metadata
