"""Exercise and solution notebooks, made from the book's pages.

Each page with cells is also two notebooks, one with gaps and one with the solutions; one that
should become none says `notebook: false` in its front matter. `make notebooks` writes them to
`_build/notebooks`, with the numbers of the last build (`tools/glued.py`).
`condlesson notebooks DIR` does so for whoever installed the package, which has the pages in it, and
runs them for the numbers. Both write the same bytes. Nothing in a notebook is written twice:

- Cells are those of the page. Those tagged `remove-cell` are left out: they only hand numbers over.
- `{source}` shows code of the package, in a notebook as a cell that a learner can change; what is
  only to be read gets the option `:read-only:`. The imports that it needs are worked out from its
  module, and code that came earlier in the notebook is used as the learner left it. So it must not
  use private names.
- `{scaffold}` becomes a cell with gaps, or with the solution. `{solution}`, and the dropdown around
  it, stand in the solution notebook only.
- Checks are ordinary cells, `check_...(...)` at the start of a line. A notebook that has some ends
  with a summary of them.
- Images become part of the notebook. They belong into `book/images`, which goes into the package.
  Attachments of cells would be tidier, but Colab does not show them
  (https://github.com/googlecolab/colabtools/issues/3836). Under the figure that a cell draws stand
  its caption and, folded, its alt text. A moving figure moves in a frame of its own.
- Text loses what only Sphinx understands: a citation becomes a link to the paper, a reference a
  link to the notebook beside, a hint a folded part, a `glue` the number.

A directive or role that is not known here is an error with page and line; so are footnotes,
substitutions and addresses in HTML that lead to no notebook. To add one, add a method and its entry
in `inline.ROLES` or `blocks.DIRECTIVES`, and a line to the module's test.
"""

from condlesson.notebooks.archive import make_archive
from condlesson.notebooks.export import KINDS, make_notebook, write_notebooks
from condlesson.notebooks.first_cell import SETUP

__all__ = ["KINDS", "SETUP", "make_archive", "make_notebook", "write_notebooks"]


def __getattr__(name: str) -> tuple[str, ...]:
    """``PAGES``, the names of the pages that become notebooks; it was a constant once."""
    if name != "PAGES":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.")
    from condlesson.notebooks.pages import Book

    return tuple(Book().with_notebook)
