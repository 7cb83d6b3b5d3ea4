"""What runs the notebooks as Colab would finds what is wrong with them."""

import re
import textwrap
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from zipfile import ZipFile

import nbformat
import pytest

from tests.colab.run import COLABS_OWN, Job, changed, fill, problems, sample, unexpected

pytestmark = pytest.mark.slow

OWN = {name: find_spec(name).origin for name in COLABS_OWN}
CELLS = ["x = 1", "class A:\n    # TODO 1: a.\n    ...", "check_a(A)", "check_b(x)"]


def report(a, b, **summary):
    """What a notebook of CELLS tells, with the status of its two checks."""
    checks = [["check_a(A)", a, ["m"]], ["check_b(x)", b, []]]
    return {"checks": checks, "summary": [summary or {"check_a": a, "check_b": b}]}


@pytest.mark.parametrize("state", ["not done", "wrong"])
def test_what_is_to_be_written_must_not_pass_and_the_rest_must(state):
    assert unexpected(report(state, "passed"), CELLS, filled=False) == []
    assert unexpected(report("passed", "passed"), CELLS, filled=True) == []


@pytest.mark.parametrize(
    ("told", "filled", "fault"),
    [
        (report("passed", "passed"), False, r"check_a\(A\)' must not pass, got passed: \['m'\]"),
        (report("not done", "wrong"), False, r"check_b\(x\)' must pass, got wrong"),
        (report("wrong", "passed"), True, r"check_a\(A\)' must pass, got wrong"),
        (report("passed", "passed", check_a="not tried"), True, "not say of check_a: not tried"),
        ({**report("passed", "passed"), "summary": []}, True, "one summary, got 0"),
        ({"checks": [], "summary": [{}]}, True, "2 checks must show their results, got 0"),
    ],
)
def test_another_result_is_a_fault(told, filled, fault):
    with pytest.raises(AssertionError, match=fault):
        assert unexpected(told, CELLS, filled=filled) == []


def test_a_notebook_without_checks_needs_no_summary():
    assert unexpected({"checks": [], "summary": []}, ["x = 1"], filled=False) == []


@pytest.mark.parametrize(
    ("files", "installed", "fault"),
    [
        (OWN, ["condlesson"], []),
        ({**OWN, "numpy": "/elsewhere"}, ["condlesson"], ["What is used must be"]),
        (OWN, [], ["What is installed must be ['condlesson'], got []"]),
        (OWN, ["condlesson", "numpy"], ["What is installed must be ['condlesson']"]),
    ],
)
def test_what_a_notebook_changes_is_seen(files, installed, fault, tmp_path):
    for name in installed:
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
    found = changed({"files": files}, tmp_path, ["condlesson"])
    assert [text[: len(start)] for text, start in zip(found, fault, strict=True)] == fault


def notebook(*cells):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])


def test_solutions_go_where_the_gaps_are():
    ours, theirs = notebook("x = 1", "# TODO\n..."), notebook("x = 2", "y = 3")
    fill(ours, theirs)
    assert [cell.source for cell in ours.cells] == ["x = 1", "y = 3"]
    with pytest.raises(ValueError, match="2 code cells must match the 1 of the solutions"):
        fill(ours, notebook("x"))


def test_a_word_takes_a_seventh_of_the_runs_and_other_words_the_others():
    jobs = list(range(39))
    assert sample(jobs, []) == jobs
    samples = [sample(jobs, [str(word)]) for word in range(50)]
    assert set(map(len, samples)) == {5, 6}
    assert {job for taken in samples for job in taken} == set(jobs)
    assert all({job % 3 for job in taken} == {0, 1, 2} for taken in samples)  # all kinds of run


LESSON = """
class Result:
    def __init__(self, passed):
        self.status, self.messages = ("passed" if passed else "wrong"), ["a message"]

class Summary:
    statuses = {"check_a": "passed"}

def check_a(answer):
    return Result(answer == 2)
"""
IMPORT = "from lesson import Summary, check_a"


@pytest.fixture
def job(tmp_path):
    """A function that makes a notebook, and an archive of a small lesson, as a job."""

    def make(*cells, name="exercise-1"):
        path = tmp_path / f"{name}.ipynb"
        nbformat.write(notebook(*map(textwrap.dedent, cells)), path)
        with ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("folder/lesson.py", LESSON)
        return Job(path, tmp_path / "a.zip", filled=False)

    return make


@pytest.mark.weekly
@pytest.mark.slow
@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ([IMPORT, "check_a(2)", "Summary()"], None),
        ([IMPORT, "check_a(3)", "Summary()"], "check_a.* must pass, got wrong"),
        ([IMPORT, "1 / 0", "check_a(2)", "Summary()"], "ZeroDivisionError"),
        (["x = 1"], "No check ran"),
        (["import urllib.request as u\nu.urlopen('http://192.0.2.1', timeout=1)"], "no network"),
    ],
    ids=["right", "wrong", "raises", "no checks", "network"],
)
def test_a_notebook_is_judged_by_a_real_run(job, cells, fault):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(problems, job(*cells)).result()
    if fault is None:
        assert found == []
    else:
        assert re.search(fault, "\n".join(found))
