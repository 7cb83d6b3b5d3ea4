"""A book of a few pages over a package of its own, and a log of the pages that run."""

import os
from pathlib import Path

import pytest

from tests.book.built import ROOT
from tests.book.test_broken_builds import make_html, tiny_book

PAGE = """---
file_format: mystnb
kernelspec:
  name: python3
---

# Page {name}

Some words.

```{{code-cell}} ipython3
import os
with open("../.venv/ran.log", "a") as log:
    log.write("{name}\\n")
{code}
```

{more}
"""
CODE = {
    "index": """from ipykernel.connect import get_connection_info
print("kernels listen by", get_connection_info(unpack=True)["transport"])""",
    "one": """from pathlib import Path
from toy import direct
recorded = Path(direct.__file__).parent / "recorded"
print("one shows", direct.twice(4), (recorded / "a.json").read_text())""",
    "two": """from pathlib import Path
from toy import other
recorded = Path(other.__file__).parent / "recorded"
print("two shows", other.__doc__, len(list(recorded.glob("*.json"))))""",
}
MORE = {
    "index": """
```{bibliography}
```
""",
    "one": """
(place)=
## A place

:::{predict} which
:right: 2
Which of them?

- This one.

  No.

- That one.

  Yes.
:::

It is that one.

```{figure} _static/card.png
:name: fig-card
:alt: The card of the book.

A card.
```
""",
    "two": """
There is {ref}`place`, and {numref}`fig-card`, says {cite}`somebody`.

```{predictions}
```
""",
}
PACKAGE = {
    "__init__.py": "",
    "direct.py": '"""Doubles."""\n\nfrom toy.indirect import TWO\n\n\n'
    'def twice(x):\n    """A number twice."""\n    return TWO * x\n',
    "indirect.py": "TWO = 2\n",
    "other.py": '"""Another."""\n',
    "unused.py": "UNUSED = 1\n",
    "recorded/a.json": "[1]",
    "recorded/b.json": "[2]",
}
TOC = "format: jb-book\nroot: index\nchapters:\n- file: one\n- file: two\n"
PAPER = "@article{somebody, author={Body, Some}, title={It}, journal={J}, year={2020}}\n"
ONE, TWO, TOY = "book/one.md", "book/two.md", "src/toy"


class Tiny:
    """Such a book in a folder of its own; `build` says what ran."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / ".venv" / "ran.log"
        self.log.parent.mkdir(parents=True)  # where pages may write
        tiny_book(folder, "")
        (folder / "_toc.yml").write_text(TOC)
        (folder / "book" / "references.bib").write_text(PAPER)
        for name, code in CODE.items():
            self.write(f"book/{name}.md", PAGE.format(name=name, code=code, more=MORE[name]))
        for name, content in PACKAGE.items():
            self.write(f"{TOY}/{name}", content)

    def write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text() if (self.folder / name).exists() else ""
        assert old in text
        self.write(name, text.replace(old, new, 1) if old else text + new)

    def build(self, target: str = "html", **environment: str) -> tuple[bool, list[str], str]:
        """Whether the build succeeded, which pages ran, and what it said."""
        self.log.write_text("")
        sources = f"{self.folder / 'src'}{os.pathsep}{ROOT / 'src'}"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            result = make_html(self.folder, sources, target)
        output = result.stdout + result.stderr
        return result.returncode == 0, sorted(self.log.read_text().split()), output

    def shown(self, page: str) -> str:
        return (self.folder / "_build" / "html" / page).read_text()
