"""The exporter on small pages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from condlesson.notebooks import export
from condlesson.notebooks.export import KINDS, make_notebook, write_notebooks
from condlesson.notebooks.first_cell import first_cell
from condlesson.notebooks.pages import PageError
from tests.notebooks.made import BIB, FRONT, SMALL, AnyNumber, sources

pytestmark = pytest.mark.slow


def test_a_page_becomes_cells(small):
    book = small()
    made = make_notebook(book, book.pages["a"], {"x": 0.5}, with_answers=False)
    assert sources(made, "markdown") == [
        "# A page\n\nText ([One, 2020](https://arxiv.org/abs/1)).",
        "**Fig. 1.** *A caption, 0.50.*\n\n"
        "<details><summary>The figure in words</summary>A line &amp; a dot.</details>",
        "## References\n\n- A. One. [T](https://arxiv.org/abs/1). 2020.",
        "## Where you stand\n\nThe checks of this notebook, as they ended last:",
    ]
    setup, drawing, gaps, *checks, last = sources(made)
    assert setup.startswith(first_cell())
    assert '\nremember("a")  # how checks end, in condlesson-progress.json; delete' in setup
    assert drawing == "from condlesson.conditioning import check_inputs"
    assert "TODO 4" in gaps
    assert len(checks) == 2
    assert last.endswith('as one text: for your teacher\nprogress(["check_adagn"])')
    assert [cell.id for cell in made.cells] == [f"a-{k}" for k in range(len(made.cells))]
    assert [cell.metadata for cell in made.cells if cell.metadata] == [
        {"jupyter": {"source_hidden": True}}
    ]


def test_the_solution_notebook_differs_in_the_answers_only(small):
    book = small()
    blank, filled = (
        sources(make_notebook(book, book.pages["a"], {"x": 0.5}, with_answers=answers))
        for answers in (False, True)
    )
    differing = [pair for pair in zip(blank, filled, strict=True) if pair[0] != pair[1]]
    assert len(differing) == 1
    assert ".chunk(2, dim=-1)  # (B, C) each" in differing[0][1]


@pytest.fixture
def unmeasured(monkeypatch):
    """No page is run; every number is made up."""
    run = []

    def numbers(paths, report):
        return run.append(paths) or {p.stem: AnyNumber() for p in paths}

    monkeypatch.setattr(export, "measure", numbers)
    return run


def test_the_numbers_of_the_pages_are_measured(small, tmp_path):
    exercise, _ = write_notebooks(tmp_path, small())
    assert "*A caption, 0.50.*" in exercise.read_text()


def test_the_same_page_gives_the_same_bytes(small, tmp_path, unmeasured):
    book = small()
    read = {}
    for folder in ("one", "two"):
        written = write_notebooks(tmp_path / folder, book)
        read[folder] = {path.relative_to(tmp_path / folder): path.read_bytes() for path in written}
    assert read["one"] == read["two"]
    assert set(map(str, read["one"])) == {"exercises/a.ipynb", "solutions/a.ipynb"}
    assert all(content.endswith(b"}\n") for content in read["one"].values())


@pytest.mark.parametrize(
    "code",
    ["x = 1", "from condlesson.conditioning import check_groups\ncheck_groups(8, 4)"],
    ids=["none", "a check of arguments"],
)
def test_no_progress_without_checks(small, code):
    book = small(f"{FRONT}\n# A page\n\n```{{code-cell}}\n{code}\n```\n")
    made = make_notebook(book, book.pages["a"], {}, with_answers=False)
    assert sources(made) == [first_cell(), code]


@pytest.mark.fault("notebooks are written where somebody worked in one", "it is not written over")
def test_what_a_learner_wrote_is_not_written_over(small, tmp_path, unmeasured):
    book = small()
    exercise, solution = write_notebooks(tmp_path, book)
    made = exercise.read_bytes(), solution.read_bytes()
    write_notebooks(tmp_path, book)
    exercise.write_text("their work")
    solution.unlink()
    with pytest.raises(FileExistsError, match=r"exercises/a\.ipynb must not differ .* --overwrite"):
        write_notebooks(tmp_path, book)
    assert exercise.read_text() == "their work"
    assert not solution.exists()
    write_notebooks(tmp_path, book, overwrite=True)
    assert (exercise.read_bytes(), solution.read_bytes()) == made


def test_a_notebook_that_somebody_worked_in_is_found_before_pages_run(small, tmp_path, unmeasured):
    book = small()
    exercise, _ = write_notebooks(tmp_path, book)
    made = exercise.read_text()
    exercise.write_text(made.replace("0.12", "9.99"))  # numbers of another run
    with pytest.raises(FileExistsError):
        write_notebooks(tmp_path, book)
    assert len(unmeasured) == 2
    exercise.write_text(made.replace("check_adagn(AdaGN)", "check_adagn(Mine)"))
    with pytest.raises(FileExistsError, match=r"exercises/a\.ipynb must not differ"):
        write_notebooks(tmp_path, book)
    assert len(unmeasured) == 2


def test_the_first_cell_verifies_the_wheel_that_it_is_given(
    small, tmp_path, unmeasured, monkeypatch
):
    monkeypatch.setenv("CONDLESSON_REPOSITORY", "https://github.com/a/b")
    paths = write_notebooks(tmp_path, small(), wheel_hash="f" * 64)
    assert [path.read_text().count(f"#sha256={'f' * 64}") for path in paths] == [1, 1]


# Cites a lot in one year, so that the order of a set would show.
MANY = "".join(
    f"@misc{{k{k},\n  author = {{One, A. and Two, B.}},\n  title = {{T{k}}},\n  year = {{2020}},\n"
    f"  eprint = {{{k}}},\n}}\n"
    for k in range(12)
)
WRITE = """
import sys
from pathlib import Path
from condlesson.notebooks.export import write_notebooks
from condlesson.notebooks.pages import Book
write_notebooks(sys.argv[2], Book(Path(sys.argv[1])), measured={"a": {"x": 0.5}})
"""


@pytest.mark.weekly
def test_neither_hashes_nor_place_nor_language_change_a_byte(small, tmp_path):
    folder = small(f"{SMALL}\nγ {{cite}}`{','.join(f'k{k}' for k in range(12))}`").folder
    (folder / "references.bib").write_text(BIB + MANY)
    made = []
    for number, locale in enumerate(["C", "C.UTF-8"]):
        out = tmp_path / str(number)
        out.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": str(number), "LC_ALL": locale}
        environment["PYTHONPATH"] = str(Path(export.__file__).parents[2])
        command = [sys.executable, "-W", "error", "-c", WRITE, folder, "made"]
        subprocess.run(command, cwd=out, env=environment, check=True)
        made.append({path.parent.name: path.read_bytes() for path in out.rglob("*.ipynb")})
    assert set(made[0]) == set(KINDS)
    assert made[0] == made[1]


def test_a_cell_may_raise_if_the_page_says_so(small):
    book = small(f"{FRONT}\n```{{code-cell}}\n:tags: [raises-exception]\n1 / 0\n```\n")
    made = make_notebook(book, book.pages["a"], {}, with_answers=False)
    assert made.cells[1].metadata == {"tags": ["raises-exception"]}


@pytest.mark.fault("a page has an unknown tag", "page and line are named")
def test_an_unknown_tag_is_an_error_with_page_and_line(small):
    book = small(f"{FRONT}\n```{{code-cell}}\n:tags: [blink]\nx\n```\n")
    with pytest.raises(PageError, match=r"^a\.md, line 6: the tag blink is not known"):
        make_notebook(book, book.pages["a"], {}, with_answers=False)


LEARNERS = f"""{FRONT}
# A page

```{{code-cell}}
from condlesson import AdaGN, Table
from condlesson.conditioning import AdditiveGN
from condlesson.embeddings import sinusoidal_frequencies as freqs, sinusoidal_embedding
```

```{{code-cell}}
sinusoidal_embedding(3)
```

```{{source}} condlesson.embeddings.sinusoidal_embedding
```

```{{scaffold}} condlesson.conditioning.AdaGN
```

```{{code-cell}}
from condlesson import (
    AdaGN, plots,
)
layer = AdaGN
```

```{{scaffold}} condlesson.conditioning.AdditiveGN
```

```{{source}} condlesson.embeddings.sinusoidal_frequencies
:read-only:
```
"""


def test_what_a_learner_makes_is_not_there_before(small):
    """What the page uses before is; an import behind the learner's cell is left out as well."""
    book = small(LEARNERS)
    first, _, embedding, _, again, *_ = sources(
        make_notebook(book, book.pages["a"], {}, with_answers=False)
    )[1:]
    assert first == (
        "from condlesson import Table\n"
        "from condlesson.embeddings import sinusoidal_frequencies as freqs, sinusoidal_embedding"
    )
    assert again == "from condlesson import plots\nlayer = AdaGN"
    assert "sinusoidal_frequencies" in embedding.partition("\n\n\n")[0]


def test_a_cell_of_imports_that_all_go_is_left_out(small):
    cell = "```{code-cell}\nfrom condlesson import AdaGN\n```\n\n"
    book = small(f"{FRONT}\n# A page\n\n{cell}```{{scaffold}} condlesson.conditioning.AdaGN\n```\n")
    _, only = sources(make_notebook(book, book.pages["a"], {}, with_answers=False))
    assert "class AdaGN" in only


def test_a_section_runs_alone_behind_the_first_cell(small):
    scaffold = "```{scaffold} condlesson.conditioning.AdaGN\n```\n"
    other = scaffold.replace("AdaGN", "AdditiveGN")
    cell = "```{code-cell}\nfrom torch import nn\n```\n"
    book = small(f"{FRONT}\n# A page\n\n{cell}\n## One\n\n{scaffold}\n### Two\n\n{other}")
    _, _, one, two = sources(make_notebook(book, book.pages["a"], {}, with_answers=False))
    assert [text.partition("\n")[0] for text in (one, two)] == 2 * ["from torch import Tensor"]
