"""The archive to hand out: the exercises, and the package that they need, in one file."""

from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from condlesson.notebooks import addresses
from condlesson.notebooks.files import write_all

__all__ = ["make_archive"]

PACKED = (
    ".css",
    ".gz",
    ".html",
    ".js",
    ".json",
    ".md",
    ".mplstyle",
    ".npz",
    ".py",
)  # of the package
IN_THE_BOOK = "The book, with the solutions folded away on its pages: {site}"
IN_HERE = "The solutions are in the folder solutions, for when you have tried."
README = """\
How a U-Net knows what time it is: the lesson as notebooks
==========================================================

Start Jupyter in this folder, where Python has torch, numpy and matplotlib, and open
exercise-1.ipynb:

    jupyter lab exercise-1.ipynb

Nothing else needs to be installed, and no network: the folder condlesson holds the lesson's
package, with the digits and the recorded runs that the notebooks use. Leave it beside them.

{solutions}

The exercises are made from the package, so its modules hold their solutions too.

Code: MIT licence. Text, figures and recorded runs: CC BY 4.0. Both are in this folder.
The digits have terms of their own, in condlesson/subset/README.md.
"""


def make_archive(notebooks: str | Path, file: str | Path, *, with_solutions: bool = False) -> None:
    """Pack the exercise notebooks with the package, so that they run without a network.

    Args:
        notebooks: Folder that `write_notebooks` has filled.
        file: The archive, a zip file; the same content gives the same bytes.
        with_solutions: Also pack the solution notebooks, in a folder of their own.

    Raises:
        FileNotFoundError: There are no notebooks.
    """
    exercises = sorted((Path(notebooks) / "exercises").glob("*.ipynb"))
    if not exercises:
        raise FileNotFoundError(f"{notebooks} must hold exercise notebooks, got none.")
    package = Path(__file__).parents[1]
    where = IN_HERE if with_solutions else IN_THE_BOOK.format(site=addresses.site_address())
    content = {"README.txt": README.format(solutions=where).encode()}
    content |= {path.name: path.read_bytes() for path in exercises} | _licences()
    if with_solutions:
        solutions = (Path(notebooks) / "solutions").glob("*.ipynb")
        content |= {f"solutions/{path.name}": path.read_bytes() for path in solutions}
    for path in package.rglob("*"):
        inside = path.relative_to(package)
        is_packed = path.suffix in PACKED and path.is_file()  # no editor's link to nowhere
        if is_packed and inside.parts[0] != "pages":
            content[f"condlesson/{inside.as_posix()}"] = path.read_bytes()
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for name in sorted(content):
            info = ZipInfo(f"condlesson-lesson/{name}")  # with the date that all zip files can hold
            info.external_attr = 0o644 << 16
            archive.writestr(info, content[name], ZIP_DEFLATED)
    write_all({Path(file): packed.getvalue()})


def _licences() -> dict[str, bytes]:
    """Files with the licences, which go where the code and the text go."""
    checkout = Path(__file__).parents[3]
    if (checkout / "pyproject.toml").is_file():
        found = checkout.glob("LICENSE*")
    else:
        files = distribution("condlesson").files or ()
        found = [Path(file.locate()) for file in files if file.name.startswith("LICENSE")]
    return {path.name: path.read_bytes() for path in found}
