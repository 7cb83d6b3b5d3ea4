import sys

import pytest

from condlesson.notebooks.pages import PAGES_DIR, Book, Page, Target

FRONT = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n"
TEXT = f"""{FRONT}
# A title

(here)=
## A section

```{{code-cell}} ipython3
---
mystnb:
  figure:
    name: fig-a
    caption: "A caption."
---
x = 1
```

$$
a = b
$$ (eq-a)

```{{code-cell}} ipython3
:tags: [remove-cell]

y = 2
```
"""


def test_a_page_has_text_and_code_in_turn():
    cells = Page("a", TEXT).cells
    assert [cell.kind for cell in cells] == ["markdown", "code", "markdown", "code"]
    assert [TEXT.splitlines()[cell.line - 1] for cell in cells] == [
        "# A title", "```{code-cell} ipython3", "$$", "```{code-cell} ipython3"
    ]  # fmt: skip
    assert cells[1].figure == {"name": "fig-a", "caption": "A caption."}
    assert (cells[1].source, cells[1].tags) == ("x = 1", [])
    assert (cells[3].figure, cells[3].tags) == ({}, ["remove-cell"])


def test_a_page_has_targets_and_a_title():
    page = Page("a", TEXT)
    assert page.title == "A title"
    assert dict(page.targets()) == {
        "here": Target("a", "A section", is_section=True),
        "eq-a": Target("a", "(1)"),
        "fig-a": Target("a", "Fig. 1"),
    }


def test_a_page_without_a_heading_is_called_by_its_name():
    assert Page("a", "Text.").title == "a"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FRONT, True),
        (FRONT.replace("kernelspec", "notebook: false\nkernelspec"), False),
        ("---\ntitle: a\n---\nkernelspec:", False),
        ("# kernelspec:", False),
    ],
)
def test_a_page_with_a_kernel_has_a_notebook(text, expected):
    assert Page("a", text).has_notebook is expected


def test_the_book_has_notebooks_of_its_exercises_and_none_of_the_landing_page():
    book = Book()
    assert {f"exercise-{n}" for n in (1, 2, 3, 4)} <= set(book.with_notebook)
    assert set(book.pages) == {path.stem for path in PAGES_DIR.glob("*.md")}
    assert "index" not in book.with_notebook
    assert book.targets["fig-dials"] == Target("exercise-1", "Fig. 1")
    assert book.references["ho2020"].year == "2020"


def test_a_folder_without_pages_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold the book's pages, got none"):
        Book(tmp_path)


def test_without_jupytext_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "jupytext.myst", None)
    with pytest.raises(ModuleNotFoundError, match=r"jupytext must be installed .* pip install"):
        Page("a", TEXT).cells  # noqa: B018
