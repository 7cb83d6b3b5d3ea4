"""Write the notebooks of the checkout, with the numbers of its last build.

python -m tools.write_notebooks FOLDER ARCHIVE

They are those that `condlesson notebooks` writes, which runs every page for its numbers.
"""

import sys

from condlesson.notebooks.export import make_archive, write_notebooks
from condlesson.notebooks.pages import Book
from tools.glued import glued


def main(folder: str, archive: str) -> None:
    """Write the notebooks, and the archive of the exercises."""
    book = Book()
    values = glued([book.folder / f"{name}.md" for name in book.with_notebook])
    written = write_notebooks(folder, book, measured=values)
    make_archive(folder, archive)
    print(f"{len(written)} notebooks are in {folder}.")
    print(f"The exercises and what they need are in {archive}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
