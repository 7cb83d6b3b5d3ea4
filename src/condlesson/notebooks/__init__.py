"""Exercise and solution notebooks, made from the book's pages."""

from condlesson.notebooks.export import KINDS, make_archive, make_notebook, write_notebooks

__all__ = ["KINDS", "make_archive", "make_notebook", "write_notebooks"]
