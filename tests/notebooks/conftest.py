import pytest

from condlesson.notebooks.export import KINDS, make_notebook
from condlesson.notebooks.pages import Book
from tests.notebooks.made import BIB, SMALL, AnyNumber


@pytest.fixture
def small(tmp_path):
    """A function that makes a book of one page."""

    def make(text=SMALL):
        folder = tmp_path / "book"
        folder.mkdir(exist_ok=True)
        (folder / "a.md").write_text(text)
        (folder / "references.bib").write_text(BIB)
        return Book(folder)

    return make


@pytest.fixture(scope="session")
def book():
    return Book()


@pytest.fixture(scope="session")
def exported(book):
    """Every notebook of the book, with made-up numbers, by kind and page."""
    return {
        (kind, name): make_notebook(book, page, AnyNumber(), with_answers=kind == "solutions")
        for kind in KINDS
        for name, page in book.with_notebook.items()
    }
