"""Exercise and solution notebooks, made from the book's pages."""

from condlesson.notebooks.archive import make_archive
from condlesson.notebooks.export import KINDS, make_notebook, write_notebooks
from condlesson.notebooks.first_cell import SETUP

__all__ = ["KINDS", "SETUP", "make_archive", "make_notebook", "write_notebooks"]
