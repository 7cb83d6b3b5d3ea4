"""What a notebook keeps of its checks: in a session of IPython, as a kernel has one."""

import json

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from condlesson.checks import hand_in, progress
from condlesson.checks.harness import remembered, result
from condlesson.checks.harness.remembered import FILE

BEGIN = """
from condlesson.checks import check_draw_timesteps, progress, remember
remember("exercise-4")
"""
RIGHT = """
import torch
def draw_timesteps(batch_size, num_timesteps):
    return torch.randint(0, num_timesteps, (batch_size,))
"""
CHECK = "check_draw_timesteps(draw_timesteps)"


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A function that starts a kernel anew, and runs cells in it."""
    monkeypatch.chdir(tmp_path)

    def run(*cells):
        for known in (result._RESULTS, result._EARLIER, remembered._asked):
            known.clear()
        InteractiveShell.clear_instance()
        shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
        for cell in cells:
            shell.run_cell(cell, store_history=True)
        return shell

    yield run
    InteractiveShell.clear_instance()
    for known in (result._RESULTS, result._EARLIER, remembered._asked):
        known.clear()


def test_what_passed_is_still_there_when_the_kernel_starts_anew(start):
    start(BEGIN, RIGHT, CHECK)
    assert progress().statuses == {"check_draw_timesteps": "passed"}
    start(BEGIN)
    summed = progress(["check_draw_timesteps", "check_adagn"])
    assert summed.statuses == {"check_draw_timesteps": "passed", "check_adagn": "not tried"}
    assert "Passed, in an earlier session check_draw_timesteps" in repr(summed)
    assert "Passed, in an earlier session" in summed._repr_html_()
    start(BEGIN, RIGHT.replace("(0, num_timesteps", "(1, num_timesteps"), CHECK)
    summed = progress()
    assert (summed.statuses, summed.earlier) == ({"check_draw_timesteps": "wrong"}, frozenset())


def test_who_deletes_the_file_begins_anew(start, tmp_path):
    start(BEGIN, RIGHT, CHECK)
    (tmp_path / FILE).unlink()
    start(BEGIN)
    assert progress(["check_draw_timesteps"]).statuses == {"check_draw_timesteps": "not tried"}


def test_a_teacher_gets_one_text(start):
    assert hand_in() == f"Nothing is kept in {FILE} yet. Run a check first."
    start(BEGIN, RIGHT, CHECK)
    text = hand_in()
    assert text.startswith("# exercise-4\n\n## check_draw_timesteps: passed, 20")
    assert RIGHT.strip() in text


@pytest.mark.fault(
    "a cell that names a check ends before the check does",
    "what passed before is not handed in with the new code",
)
@pytest.mark.parametrize(
    "cell", [f"1 / 0; {CHECK}", f"# {CHECK}", f"raise KeyboardInterrupt; {CHECK}"]
)
def test_a_check_that_did_not_end_says_nothing_of_new_code(start, cell):
    start(BEGIN, RIGHT, CHECK, RIGHT.replace("(0,", "(1,"), cell)
    assert RIGHT.strip() in hand_in()
    assert "(1," not in hand_in()


def test_another_notebook_beside_it_is_kept_apart(start, tmp_path):
    start(BEGIN, RIGHT, CHECK)
    start(BEGIN.replace("exercise-4", "museum"))
    assert progress().statuses == {}
    start(BEGIN.replace("exercise-4", "museum"), RIGHT, CHECK)
    assert list(json.loads((tmp_path / FILE).read_text())) == ["exercise-4", "museum"]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ((), "Its cell has not run. Run that cell"),
        (
            (RIGHT.replace("draw_timesteps", "draw_timestep"),),
            "Did you mean your draw_timestep? It must be called draw_timesteps. Run that cell",
        ),
        ((RIGHT.replace("):\n", ")\n"),), "Its cell stopped with an error before it made one."),
        (
            (RIGHT.replace("import torch", "import tork"),),
            "Its cell stopped with an error before it made one.",
        ),
    ],
)
def test_a_name_that_is_not_there_is_said_and_does_not_pass(start, capsys, cells, reason):
    start(BEGIN, *cells, CHECK)
    said = capsys.readouterr().out
    assert "Not done yet: check_draw_timesteps" in said
    assert f"There is no draw_timesteps in this session. {reason}" in said
    assert progress(["check_draw_timesteps"]).statuses == {"check_draw_timesteps": "not done"}


def test_another_name_that_is_not_there_is_no_matter_of_the_check(start, capsys):
    start(BEGIN, RIGHT, "nothing(3)", f"{CHECK}; nothing(3)")
    assert "There is no" not in capsys.readouterr().out
    assert progress().statuses == {"check_draw_timesteps": "passed"}


@pytest.mark.fault("the file of progress is something else", "checks work without it")
@pytest.mark.parametrize(
    "content", ["no JSON", "[]", '{"exercise-4": 3}', '{"exercise-4": {"a": 3}}']
)
def test_a_file_that_is_not_ours_is_no_fault(start, tmp_path, content):
    (tmp_path / FILE).write_text(content)
    start(BEGIN)
    assert progress().statuses == {}


@pytest.mark.fault("the notebook's folder cannot be written", "checks work without the file")
def test_a_folder_that_cannot_be_written_is_no_fault(start, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(remembered, "FILE", "missing/progress.json")
    start(BEGIN, RIGHT, CHECK)
    assert "Traceback" not in capsys.readouterr().out
    assert progress().statuses == {"check_draw_timesteps": "passed"}


def test_outside_of_a_notebook_nothing_is_kept(start, tmp_path):
    InteractiveShell.clear_instance()
    remembered.remember("exercise-4")
    assert list(tmp_path.iterdir()) == []
