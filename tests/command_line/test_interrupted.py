"""Commands that are killed, or whose disk is full: nothing half-written counts, the next goes on.

A kill comes before each file in turn that a command would put in its place, and leaves what a kill
leaves: nothing is tidied up.
"""

import itertools
from pathlib import Path

import pytest

from condlesson.__main__ import main
from condlesson.experiment.runs import list_runs
from condlesson.experiment.sweeps import is_recorded
from tests.command_line.conftest import CONFIG, TRAIN
from tests.conftest import no_file_longer_than

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread", "few_lies")]


class Killed(BaseException):
    """As a kill: nothing of ours catches it."""


def killed(moment, words):
    """Whether a command still had files to write when it was killed before one of them."""
    replace, moments = Path.replace, itertools.count()

    def last(self, target):
        if next(moments) == moment:
            raise Killed
        return replace(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", last)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        try:
            main(words)
        except Killed:
            return True
    return False


def contents(folder):
    """Files by path; what begins with a dot or ends with .partial is nobody's."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
    whole = [path for path in files if path.suffix != ".partial"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in whole}


@pytest.mark.fault(
    "`condlesson runs collect` is killed while it writes",
    "each run that is read is whole, and the same command brings the rest",
)
def test_collect_goes_on_after_a_kill(recorded, tmp_path, capsys):
    for moment in itertools.count():
        out = tmp_path / str(moment)
        words = ["runs", "collect", str(recorded), "--out", str(out)]
        was_killed = killed(moment, words)
        assert all(is_recorded(run.config, out, weights=True) for run in list_runs(out))
        assert main(words) == 0
        assert contents(out) == contents(recorded)
        if not was_killed:
            break
    assert moment == len(contents(recorded)) == 2


@pytest.mark.fault(
    "`condlesson notebooks` is killed while it writes",
    "each notebook is whole or not there, and the same command writes the rest",
)
def test_notebooks_are_written_after_a_kill(small_book, tmp_path, capsys):
    words = ["notebooks", str(tmp_path / "whole"), "--archive", str(tmp_path / "whole" / "a.zip")]
    assert main(words) == 0
    wanted = contents(tmp_path / "whole")
    for moment in itertools.count():
        out = tmp_path / str(moment)
        words = ["notebooks", str(out), "--archive", str(out / "a.zip")]
        was_killed = killed(moment, words)
        assert contents(out).items() <= wanted.items()
        assert main(words) == 0
        assert contents(out) == wanted
        if not was_killed:
            break
    assert moment == len(wanted) == 3


@pytest.mark.fault(
    "the disk is full when a command writes",
    "one line says so, nothing half-written counts, and the same command works when there is room",
)
@pytest.mark.parametrize("name", ["collect", "notebooks", "train"])
def test_a_full_disk_leaves_nothing_that_counts(name, recorded, small_book, tmp_path, capsys):
    out = tmp_path / "out"
    words = {
        "collect": ["runs", "collect", str(recorded), "--out", str(out)],
        "notebooks": ["notebooks", str(out)],
        "train": [*TRAIN, "--weights", "--out", str(out)],
    }[name]
    with no_file_longer_than(10):
        assert main(words) == 1
    assert "condlesson: [Errno 27] File too large" in capsys.readouterr().err
    assert contents(out) == {}
    assert main(words) == 0
    assert contents(out)
    if name != "notebooks":
        assert is_recorded(CONFIG, out, weights=True)


@pytest.mark.fault("the output folder cannot be written", "one line names it")
def test_a_folder_that_cannot_be_written_is_named(recorded, tmp_path, capsys):
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    assert main(["runs", "collect", str(recorded), "--out", str(out)]) == 1
    assert str(out) in capsys.readouterr().err
