import json
import sys
from pathlib import Path
from threading import Lock
from time import sleep

import pytest

from condlesson.notebooks import glued
from condlesson.notebooks.glued import measure, run_page
from condlesson.notebooks.pages import Page

pytestmark = pytest.mark.slow

FRONT = "---\nkernelspec:\n  name: python3\n---\n"


def page(*cells):
    return Page("a", FRONT + "".join(f"\n```{{code-cell}}\n{cell}\n```\n" for cell in cells))


def test_collects_what_the_cells_glue():
    cells = ["x = 2", 'from myst_nb import glue\nglue("x", x, display=False)\nglue("s", "text")']
    assert run_page(page(*cells)) == {"x": 2, "s": "text"}


def test_runs_silently(capfd):
    run_page(page("import sys\nprint(1)\nprint(2, file=sys.stderr)\ndisplay(3)"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("installed", [True, False])
def test_a_page_may_show_things(installed, monkeypatch):
    monkeypatch.setattr(glued, "find_spec", lambda name: installed or None)
    assert run_page(page('from IPython.display import Markdown\nMarkdown("a")')) == {}


def test_the_stand_ins_are_taken_away():
    before = sys.modules.get("myst_nb")
    run_page(page("import myst_nb"))
    assert sys.modules.get("myst_nb") is before


def test_an_exception_names_page_cell_and_line():
    with pytest.raises(RuntimeError, match=r"a\.md, code cell 2, line 10 raises ZeroDivisionError"):
        run_page(page("x = 0", "1 / x"))


def test_only_numbers_and_texts_are_glued():
    with pytest.raises(RuntimeError, match="x must be a number or a text to be glued"):
        run_page(page('from myst_nb import glue\nglue("x", [1])'))


def test_a_cell_may_raise_if_the_page_says_so():
    cells = ["x = 1", ":tags: [raises-exception]\n1 / 0", 'from myst_nb import glue\nglue("x", x)']
    assert run_page(page(*cells)) == {"x": 1}


@pytest.fixture
def files(tmp_path):
    """A function that writes pages of one cell each."""

    def write(**cells):
        for name, cell in cells.items():
            (tmp_path / f"{name}.md").write_text(page(cell).text)
        return [tmp_path / f"{name}.md" for name in cells]

    return write


def test_each_page_runs_in_a_python_of_its_own(files):
    glue = "import os\nfrom myst_nb import glue\n"
    glue += 'glue("id", os.getpid())\nglue("backend", os.environ["MPLBACKEND"])'
    found = measure(files(one=glue, two=glue))
    assert list(found) == ["one", "two"]
    assert found["one"]["id"] != found["two"]["id"]
    assert found["one"]["backend"] == "Agg"


def test_a_fault_comes_back_from_there(files):
    with pytest.raises(RuntimeError, match=r"^bad.md, code cell 1, line 6 raises NameError: name"):
        measure(files(bad="\nx"))


def test_the_child_writes_json(files, tmp_path):
    [path] = files(one='from myst_nb import glue\nglue("x", 0.1)')
    glued.main(str(path), str(tmp_path / "result"))
    assert json.loads((tmp_path / "result").read_text()) == {"values": {"x": 0.1}}


def test_the_child_tells_a_fault_in_one_line(files, tmp_path):
    [path] = files(one='raise ValueError("a\\nb")')
    glued.main(str(path), str(tmp_path / "result"))
    told = json.loads((tmp_path / "result").read_text())
    assert told["fault"].endswith("raises ValueError: a b")


def test_a_library_that_prints_beside_python_does_no_harm(files):
    printing = 'import os\nfrom myst_nb import glue\nos.write(1, b"one")\nos.write(2, b"two")\n'
    assert measure(files(one=f'{printing}glue("x", 1)')) == {"one": {"x": 1}}


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("os.kill(os.getpid(), 9)", "one.md must run .* was ended by SIGKILL.*memory is short"),
        ('os.write(2, b"a\\nlast\\n")\nos._exit(3)', "one.md must run .* with status 3: last"),
        ("os._exit(3)", "one.md must run .* with status 3: it said nothing"),
    ],
)
def test_a_page_whose_process_ended_is_named(files, end, told):
    with pytest.raises(RuntimeError, match=told):
        measure(files(one=f"import os\n{end}"))


@pytest.fixture
def most(monkeypatch):
    """How many pages ran at a time, most of all; no page is run."""
    running, counted, lock = [], [], Lock()

    def child(path):
        with lock:
            running.append(path)
            counted.append(len(running))
        sleep(0.05)
        with lock:
            running.remove(path)
        if path.stem == "bad":
            raise RuntimeError("bad")
        return {}

    monkeypatch.setattr(glued, "_in_a_child", child)
    return counted


@pytest.mark.parametrize(("allowed", "expected"), [(1, 1), (3, 3)])
def test_no_more_pages_run_at_a_time_than_the_machine_allows(most, monkeypatch, allowed, expected):
    monkeypatch.setattr(glued, "processes", lambda memory: allowed)
    told = []
    found = measure([Path(f"{k}.md") for k in range(9)], told.append)
    assert list(found) == [str(k) for k in range(9)]
    assert max(most) == expected
    assert len(told) == 9
    assert told[-1].endswith("has run, 9 of 9 pages.")


def test_after_a_fault_no_further_page_begins(most, monkeypatch):
    monkeypatch.setattr(glued, "processes", lambda memory: 1)
    with pytest.raises(RuntimeError, match="bad"):
        measure([Path(f"{name}.md") for name in ("bad", *range(9))])
    assert len(most) <= 2
