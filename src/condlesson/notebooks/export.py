"""Exercise and solution notebooks from the book's pages, and an archive of them to hand out.

A page is the one source. Its text is translated for plain Jupyter, its cells are taken as they
are, and code that the page shows from the package becomes cells: exercises with their gaps, or
with the solutions. A first cell fetches the lesson where it is missing, and a last one sums the
checks up. The same pages give the same bytes.
"""

import html
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from condlesson.notebooks import addresses
from condlesson.notebooks.blocks import Code, Translator
from condlesson.notebooks.glued import measure
from condlesson.notebooks.pages import Book, Cell, Page, PageError
from condlesson.scaffold import used_names, without_imports

__all__ = ["KINDS", "make_archive", "make_notebook", "write_notebooks"]

KINDS = ("exercises", "solutions")

SETUP = """\
# Fetches the lesson if it is not here yet, and what else is missing. What is here already,
# torch, numpy and matplotlib above all, stays as it is.
import os
import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec

pip = [sys.executable, "-m", "pip", "install", "--quiet"]
if not find_spec("condlesson"):
    published = "{wheel}"
    wheel = os.environ.get("CONDLESSON_WHEEL", published)
    subprocess.run([*pip, "--no-deps", wheel], check=True)
missing = [name for name in ("torch", "numpy", "matplotlib") if not find_spec(name)]
if missing:
    subprocess.run([*pip, *missing], check=True)
invalidate_caches()"""
PROGRESS = """\
from condlesson.checks import progress

progress([{names}])"""
README = """\
How a U-Net knows what time it is: the lesson as notebooks
==========================================================

Start Jupyter in this folder, where Python has torch, numpy and matplotlib, and open
exercise-1.ipynb:

    jupyter lab exercise-1.ipynb

Nothing else needs to be installed, and no network: the folder condlesson holds the lesson's
package, with the digits and the recorded runs that the notebooks use. Leave it beside them.

The book, with the solutions folded away on its pages: {site}

The exercises are made from the package, so its modules hold their solutions too.

Code: MIT licence. Text, figures and recorded runs: CC BY 4.0. Both are in this folder.
The digits have terms of their own, in condlesson/subset/README.md.
"""
# Of cells in a notebook, for what the book leaves out: code must be there to run.
HIDDEN = {
    "hide-input": {"source_hidden": True},
    "remove-input": {"source_hidden": True},
    "hide-output": {"outputs_hidden": True},
    "remove-output": {"outputs_hidden": True},
}
PACKED = (".gz", ".json", ".md", ".mplstyle", ".npz", ".py")  # of the package, in the archive
_CHECK = re.compile(r"^(check_\w+)\(", re.M)


def write_notebooks(
    folder: str | Path,
    book: Book | None = None,
    *,
    overwrite: bool = False,
    measured: Mapping[str, Mapping] | None = None,
) -> list[Path]:
    """Write all notebooks.

    Args:
        folder: Gets the folders exercises and solutions, with a notebook for each page in both.
        book: The pages; by default those of the package.
        overwrite: Write over notebooks that are there and differ, as those that somebody has
            worked in do.
        measured: For each page the values that it glues, as `glued.measure` returns them;
            by default the pages are run for them.

    Returns:
        The files.

    Raises:
        ValueError: A page holds what a notebook cannot show; the message names page and line.
        RuntimeError: A cell of a page raises.
        ModuleNotFoundError: jupytext is missing.
        FileExistsError: A notebook is there and differs; then nothing is written.
    """
    import nbformat

    book = book or Book()
    if measured is None:
        measured = measure([book.folder / f"{name}.md" for name in book.with_notebook])
    made = {}
    for kind in KINDS:
        for name, page in book.with_notebook.items():
            notebook = make_notebook(book, page, measured[name], with_answers=kind == "solutions")
            path = Path(folder) / kind / f"{name}.ipynb"
            made[path] = f"{nbformat.writes(notebook)}\n".encode()
    if not overwrite:
        _refuse_to_overwrite(made)
    for path, content in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(made)


def _refuse_to_overwrite(made: dict[Path, bytes]) -> None:
    other = [p for p, content in made.items() if p.is_file() and p.read_bytes() != content]
    if other:
        raise FileExistsError(
            f"{', '.join(map(str, other))} must not differ from what would be written there: "
            "somebody may have worked in it. Name another folder, or add --overwrite."
        )


def make_notebook(book: Book, page: Page, glued: dict, *, with_answers: bool) -> object:
    """Make the notebook of a page.

    Args:
        book: The book that the page is in.
        page: The page.
        glued: Values that the page glues, by name.
        with_answers: With the solutions, or else with gaps in their places.

    Returns:
        A valid notebook of nbformat 4.5, without outputs.

    Raises:
        ValueError: The page holds what a notebook cannot show.
    """
    import nbformat

    cells = [nbformat.v4.new_code_cell(SETUP.format(wheel=addresses.wheel_address()))]
    for source, metadata in _cells(Translator(book, page, glued, with_answers=with_answers)):
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
    for place, cell in enumerate(translator.page.cells):
        if cell.kind == "markdown":
            yield from ((piece, {}) for piece in translator.text(cell.source, cell.line))
        elif "remove-cell" not in cell.tags:
            source = without_imports(cell.source, _in_the_way(translator, place))
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


def _in_the_way(translator: Translator, place: int) -> set[str]:
    """Names that the page's cell at a place may not import: other cells make them.

    Before such a cell the name must not be there yet, or a check would judge the package's own
    where the learner's cell has not run. The page may use it until then, if it says so by its code.
    Behind the cell an import would undo what the learner made.
    """
    cells, names, used = translator.page.cells, set(), set()
    for k, cell in enumerate(cells):
        if cell.kind == "markdown":
            made = set(translator.makes(cell.source))
            names |= made if k < place else made - used
        elif k >= place and "remove-cell" not in cell.tags:
            used |= used_names(cell.source)
    return names


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


def make_archive(notebooks: str | Path, file: str | Path) -> None:
    """Pack the exercise notebooks with the package, so that they run without a network.

    Args:
        notebooks: Folder that `write_notebooks` has filled.
        file: The archive, a zip file; the same content gives the same bytes.

    Raises:
        FileNotFoundError: There are no notebooks.
    """
    exercises = sorted((Path(notebooks) / "exercises").glob("*.ipynb"))
    if not exercises:
        raise FileNotFoundError(f"{notebooks} must hold exercise notebooks, got none.")
    package = Path(__file__).parents[1]
    content = {"README.txt": README.format(site=addresses.site_address()).encode()}
    content |= {path.name: path.read_bytes() for path in exercises} | _licences()
    for path in package.rglob("*"):
        inside = path.relative_to(package)
        if path.suffix in PACKED and inside.parts[0] != "pages":
            content[f"condlesson/{inside.as_posix()}"] = path.read_bytes()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name in sorted(content):
            info = ZipInfo(f"condlesson-lesson/{name}")  # with the date that all zip files can hold
            info.external_attr = 0o644 << 16
            archive.writestr(info, content[name], ZIP_DEFLATED)


def _licences() -> dict[str, bytes]:
    """Files with the licences, which go where the code and the text go."""
    checkout = Path(__file__).parents[3]
    if (checkout / "pyproject.toml").is_file():
        found = checkout.glob("LICENSE*")
    else:
        files = distribution("condlesson").files or ()
        found = [Path(file.locate()) for file in files if file.name.startswith("LICENSE")]
    return {path.name: path.read_bytes() for path in found}
