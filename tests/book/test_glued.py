"""Numbers of the pages come from the last build, and are those that running the pages gives."""

import subprocess
import sys

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from condlesson.notebooks.glued import measure
from condlesson.notebooks.pages import Book
from tests.book.built import ROOT
from tools import glued as tool
from tools.glued import glued

BOOK = Book()
GLUED = [BOOK.folder / f"{name}.md" for name, page in BOOK.pages.items() if "glue(" in page.text]
PAGE = """---
file_format: mystnb
kernelspec:
  name: python3
---

# A page

```{code-cell} ipython3
from myst_nb import glue
glue("answer", 6 * 7, display=False)
```
"""


@pytest.fixture
def nothing_runs(monkeypatch):
    def refuse(paths):
        assert list(paths) == []
        return {}

    monkeypatch.setattr(tool, "measure", refuse)


def test_after_a_build_no_page_is_run(nothing_runs):
    found = glued(GLUED)
    assert len(found) == len(GLUED) > 8
    assert all(found.values())


@pytest.mark.slow
def test_the_build_gives_what_running_gives():
    quick = [path for path in GLUED if path.stem in ("refresher", "takeaways", "in-other-code")]
    assert len(quick) == 3
    assert glued(quick) == measure(quick)


@pytest.mark.parametrize("value", [3, -0.5, 6e-05, True, "58,470", "it's", np.float64(0.25)])
def test_a_value_is_read_as_it_was(value, tmp_path, monkeypatch, nothing_runs):
    output = new_output(
        "display_data",
        data={tool.TEXT: repr(value)},
        metadata={"scrapbook": {"name": "x", "mime_prefix": "application/papermill.record/"}},
    )
    plain = new_output("display_data", data={"text/plain": "5"})
    notebook = new_notebook(cells=[new_code_cell("", outputs=[plain, output])])
    monkeypatch.setattr(tool, "cached_page", lambda path, cache: notebook)
    assert glued([tmp_path / "page.md"]) == {"page": {"x": value}}


@pytest.mark.parametrize("folder", ["none", "empty"])
def test_without_a_build_the_page_is_run(tmp_path, folder):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    (tmp_path / "empty").mkdir()
    assert glued([page], tmp_path / folder) == {"page": {"answer": 42}}
    assert not (tmp_path / "none").exists()


def test_the_ledger_of_the_whole_book_is_printed_and_holds():
    done = subprocess.run(
        [sys.executable, "-m", "tools.lint.claims"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *claims, counts = done.stdout.splitlines()
    shown = sum(page.text.count("{glue:text}") for page in BOOK.pages.values())
    measured, cited, checked = map(int, counts.split()[::2])
    assert measured == shown > 100
    assert min(cited, checked) > 10
    assert not [line for line in claims if "{glue:" in line]
