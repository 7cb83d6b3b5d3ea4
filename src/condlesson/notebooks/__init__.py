"""Exercise and solution notebooks, made from the book's pages."""

from condlesson.notebooks.export import KINDS, PAGES, make_archive, make_notebook, write_notebooks

__all__ = ["KINDS", "PAGES", "make_archive", "make_notebook", "write_notebooks"]
