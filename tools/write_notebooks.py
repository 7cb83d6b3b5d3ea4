"""Write the notebooks of the checkout, with the numbers of its last build.

python -m tools.write_notebooks FOLDER ARCHIVE WHEEL

They are those that `condlesson notebooks` writes, which runs every page for its numbers. WHEEL is
the built package, published beside them: they verify it by its hash.
"""

import hashlib
import sys
from pathlib import Path

from condlesson.notebooks import make_archive, write_notebooks
from condlesson.notebooks.pages import Book
from tools.glued import glued


def main(folder: str, archive: str, wheel: str) -> None:
    """Write the notebooks, and the archive of the exercises."""
    book = Book()
    values = glued([book.folder / f"{name}.md" for name in book.with_notebook])
    digest = hashlib.sha256(Path(wheel).read_bytes()).hexdigest()
    written = write_notebooks(folder, book, measured=values, wheel_hash=digest)
    make_archive(folder, archive)
    print(f"{len(written)} notebooks are in {folder}.")
    print(f"The exercises and what they need are in {archive}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
