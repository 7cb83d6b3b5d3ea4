"""Small books and notebooks that the tests of the exporter share."""

from condlesson.notebooks.pages import Book

FRONT = "---\nkernelspec:\n  name: python3\n---\n"
SMALL = f"""{FRONT}
# A page

Text {{cite}}`one2020`.

```{{code-cell}} ipython3
:tags: [remove-cell]

from myst_nb import glue
glue("x", 0.5)
```

```{{code-cell}} ipython3
---
mystnb:
  figure:
    name: fig-a
    caption: "A caption, {{glue:text}}`x:.2f`."
  image:
    alt: "A line & a dot."
tags: [hide-input]
---
from condlesson import AdaGN
from condlesson.conditioning import check_inputs
```

```{{scaffold}} condlesson.conditioning.AdaGN
```

```{{code-cell}} ipython3
check_adagn = repr
check_adagn(AdaGN)
```

```{{code-cell}} ipython3
check_adagn(AdaGN)
```
"""
BIB = (
    "@misc{one2020,\n  author = {One, A.},\n  title = {T},\n  year = {2020},\n  eprint = {1},\n}\n"
)


class AnyNumber(dict):
    """Has a number for each name."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return 0.125


def sources(notebook, kind="code"):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


PAGES = tuple(Book().with_notebook)
