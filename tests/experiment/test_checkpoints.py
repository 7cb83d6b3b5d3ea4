import hashlib
import io
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from condlesson import unet
from condlesson.__main__ import main
from condlesson.data import FILES, Mnist
from condlesson.experiment import checkpoints
from condlesson.experiment.checkpoints import awaiting_signals
from condlesson.experiment.recording import record
from condlesson.experiment.records import RunError
from condlesson.experiment.runs import list_runs, run_name, train_command
from tests.conftest import TINY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread", "few_lies")]

NAME = run_name(TINY)
MOMENTS = [1, 2, 3, 4, 4, 5, 6, 7, 8, 8]  # steps done, at each step and each validation


def json_of(folder):
    return json.loads((folder / f"{NAME}.json").read_text())


def without_times(content):
    """What two recordings of one run must share."""
    content = {key: value for key, value in content.items() if key not in ("sha256", "seconds")}
    changing = ("started", "recorded", "wall_seconds")
    kept = {key: x for key, x in content["provenance"].items() if key not in changing}
    return {**content, "provenance": kept}


def assert_same_files(folder, original):
    assert without_times(json_of(folder)) == without_times(json_of(original))
    parts = [f"{NAME}.npz", f"{NAME}-outputs.npz"]
    for name in parts:
        assert (folder / name).read_bytes() == (original / name).read_bytes()
    assert len(list(folder.iterdir())) == 1 + len(parts)


# --- going on ---------------------------------------------------------------------------------


class Killed(Exception):  # noqa: N818
    pass


def at(moment, act):
    """An `on_step` that acts at one of the moments of a run."""
    seen = []

    def on_step(state):
        seen.append(state.step)
        if len(seen) == moment + 1:
            act()

    return on_step


def die():
    raise Killed


@pytest.fixture
def every_moment(monkeypatch):
    monkeypatch.setattr(checkpoints, "SECONDS", -1)


@pytest.mark.parametrize("moment", [0, 3, 4, 6, 8, 9])
def test_a_stopped_run_goes_on_to_the_same_files(moment, original, tmp_path, subset, every_moment):
    with pytest.raises(Killed):
        record(TINY, subset, tmp_path, weights=True, outputs=True, on_step=at(moment, die))
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.checkpoint"]
    steps = []
    record(
        TINY,
        subset,
        tmp_path,
        weights=True,
        outputs=True,
        on_step=lambda state: steps.append(state.step),
    )
    assert steps == MOMENTS[moment + 1 :]
    assert_same_files(tmp_path, original)


@pytest.mark.fault("a signal ends a training", "the next start goes on to the same files")
@pytest.mark.parametrize("number", checkpoints.SIGNALS)
@pytest.mark.parametrize("moment", [0, 5])
def test_a_signal_leaves_a_checkpoint(moment, number, original, tmp_path, subset, monkeypatch):
    def handler(number, frame):
        raise Killed

    before = signal.signal(number, handler)
    try:
        with pytest.raises(Killed):
            on_step = at(moment, lambda: signal.raise_signal(number))
            record(TINY, subset, tmp_path, weights=True, outputs=True, on_step=on_step)
        assert signal.getsignal(number) is handler
    finally:
        signal.signal(number, before)
    steps = []
    record(
        TINY,
        subset,
        tmp_path,
        weights=True,
        outputs=True,
        on_step=lambda state: steps.append(state.step),
    )
    assert steps == MOMENTS[moment + 1 :]
    assert_same_files(tmp_path, original)


def test_a_run_ends_at_a_signal_whatever_its_handler_does(tmp_path, subset):
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        with pytest.raises(KeyboardInterrupt):
            record(TINY, subset, tmp_path, on_step=at(1, lambda: signal.raise_signal(2)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert list(tmp_path.glob("*.json")) == []


def test_a_second_signal_acts_at_once():
    with pytest.raises(KeyboardInterrupt), awaiting_signals() as came:
        signal.raise_signal(signal.SIGINT)
        assert came == [signal.SIGINT]
        signal.raise_signal(signal.SIGINT)
        pytest.fail("went on")


def test_signals_that_are_ignored_still_are():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with awaiting_signals() as came:
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
            signal.raise_signal(signal.SIGTERM)
        assert came == []
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_run_in_a_thread_leaves_signals_alone():
    handlers = []

    def look():
        with awaiting_signals():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGINT)]


@pytest.mark.parametrize(
    ("seconds", "saved"), [(1000, [4, 8, 8]), (-1, MOMENTS)], ids=["not yet", "each time"]
)
def test_checkpoints_come_after_their_time_and_before_a_long_wait(
    seconds, saved, tmp_path, subset, monkeypatch
):
    steps, save = [], checkpoints.Checkpoint.save

    def noted(self, state):
        steps.append(state.step)
        save(self, state)

    monkeypatch.setattr(checkpoints, "SECONDS", seconds)
    monkeypatch.setattr(checkpoints.Checkpoint, "save", noted)
    record(TINY, subset, tmp_path)
    assert steps == saved


def test_what_a_kill_at_the_very_end_leaves_is_removed(tmp_path, subset, capsys):
    options = f"--tier quick --variant none --width 8 --images 128 --val-images 8 --out {tmp_path}"
    words = ["train", *options.split(), "--epochs", "1", "--device", "cpu"]
    assert main(words) == 0
    (run,) = tmp_path.iterdir()
    old = run.with_suffix(".checkpoint")
    old.write_bytes(b"of the run that ended")
    os.utime(old, ns=(0, 0))
    old.with_name(f"{old.name}.partial").touch()
    assert main(words) == 0
    assert "is recorded" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [run]
    old.write_bytes(b"of one that is made again")
    os.utime(old, ns=(run.stat().st_mtime_ns + 1,) * 2)
    assert main(words) == 0
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.fault("a training is killed while it writes a checkpoint", "the last whole one stays")
def test_a_checkpoint_that_was_cut_short_replaces_nothing(
    original, tmp_path, subset, every_moment, monkeypatch
):
    save = torch.save

    def save_half(content, buffer):
        save(content, buffer)
        if content["step"] >= 5:  # killed when the bytes are written and not yet in their place
            monkeypatch.setattr(Path, "replace", killed)

    def killed(*_):
        raise Killed

    monkeypatch.setattr(torch, "save", save_half)
    with pytest.raises(Killed):
        record(TINY, subset, tmp_path, weights=True, outputs=True)
    monkeypatch.undo()
    steps = []
    record(
        TINY,
        subset,
        tmp_path,
        weights=True,
        outputs=True,
        on_step=lambda state: steps.append(state.step),
    )
    assert steps == MOMENTS[5:]
    assert_same_files(tmp_path, original)


@pytest.fixture(scope="module")
def left(subset, tmp_path_factory, few_lies):
    """A folder with the checkpoint of a run that was stopped."""
    folder = tmp_path_factory.mktemp("left")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoints, "SECONDS", -1)
        record(TINY, subset, folder, on_step=at(2, die))
    return folder


@pytest.fixture
def stopped(left, tmp_path):
    """A copy of that folder, to do damage to."""
    return shutil.copytree(left, tmp_path / "stopped")


@pytest.mark.fault("a checkpoint belongs to other data", "it is refused with the cure")
def test_a_checkpoint_of_other_data_is_refused(stopped, subset):
    other = Mnist(*(getattr(subset, name).flip(0) for name in FILES))
    with pytest.raises(RunError, match=r"checkpoint .* must have the data_sha256 .* delete it"):
        record(TINY, other, stopped)


@pytest.mark.fault(
    "a checkpoint belongs to another kind of machine",
    "it is refused with the cure",
)
@pytest.mark.parametrize("name", ["device", "torch", "threads", "processes"])
def test_a_checkpoint_of_another_machine_is_refused(name, stopped, subset):
    path = stopped / f"{NAME}.checkpoint"
    buffer = io.BytesIO(path.read_bytes().partition(b"\n")[2])
    content = torch.load(buffer, weights_only=True)
    content["origin"][name] = "another"
    torch.save(content, buffer := io.BytesIO())
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    path.write_bytes(sha256.encode() + b"\n" + buffer.getvalue())
    with pytest.raises(RunError, match=rf"must have the {name} .*, got another\. .* delete it"):
        record(TINY, subset, stopped)


@pytest.mark.fault("a checkpoint belongs to other code", "it is refused with the cure")
def test_a_checkpoint_of_other_code_is_refused(stopped, subset, monkeypatch):
    monkeypatch.setattr(unet.F, "relu", F.silu)
    with pytest.raises(RunError, match=r"comes from other code\. Loss 0 .* Delete it"):
        record(TINY, subset, stopped)


@pytest.mark.fault("a checkpoint belongs to another run", "it is refused with the cure")
def test_a_checkpoint_of_another_run_is_refused(stopped, subset):
    other = replace(TINY, seed=8)
    (stopped / f"{NAME}.checkpoint").rename(stopped / f"{run_name(other)}.checkpoint")
    with pytest.raises(RunError, match=r"cannot be used \(the checkpoint must belong to"):
        record(other, subset, stopped)


@pytest.mark.fault("a checkpoint is cut short", "it is refused and named")
@pytest.mark.parametrize("size", [0, 10, 1000, -1000], ids=["empty", "start", "more", "most"])
def test_a_damaged_checkpoint_is_named(size, stopped, subset):
    path = stopped / f"{NAME}.checkpoint"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RunError, match=rf"{re.escape(str(path))} cannot be used .*Delete it"):
        record(TINY, subset, stopped)


# --- killed at random -------------------------------------------------------------------------

CHILD = """
import sys
from condlesson.__main__ import main
from condlesson.experiment import checkpoints
from tests.conftest import little
checkpoints.SECONDS = 0
with little():
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.fault("a training is killed at random moments", "it goes on to the same record")
@pytest.mark.weekly
def test_a_run_survives_kill_minus_nine_again_and_again(tmp_path, subset):
    """Killed three times: while a checkpoint, a record or nothing at all is being written."""
    config = replace(TINY, epochs=12)
    whole = record(config, subset, tmp_path / "whole", weights=True)
    out = tmp_path / "killed"
    words = shlex.split(train_command(config, out, weights=True, data="subset"))[1:]
    words += ["--device", "cpu", "--threads", "1"]
    kills = [kill_at_random(words, out / f"{run_name(config)}.checkpoint") for _ in range(3)]
    assert any(kills), "the run ended before it could be killed"
    assert main(words) == 0
    (again,) = list_runs(out)
    ours, theirs = (json.loads(json.dumps(run.to_json())) for run in (again, whole))
    assert without_times(ours) == without_times(theirs)
    assert sorted(path.suffix for path in out.iterdir()) == [".json", ".npz"]


def kill_at_random(words, checkpoint):
    """Start a run, or go on with it, and kill it a random while after its next checkpoint."""
    before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while child.poll() is None:
        if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
            break
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.2))
    child.kill()
    return child.wait() == -signal.SIGKILL


@pytest.mark.fault("a bit of a checkpoint is flipped", "it is refused and named")
@pytest.mark.parametrize("place", [0.0, 0.001, 0.2, 0.5, 0.8, 0.999])
def test_a_checkpoint_with_a_flipped_bit_is_refused(place, stopped, subset):
    path = stopped / f"{NAME}.checkpoint"
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 4
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"cannot be used \(it is damaged: .*Delete it to train"):
        record(TINY, subset, stopped)
    assert not (stopped / f"{NAME}.json").exists()
