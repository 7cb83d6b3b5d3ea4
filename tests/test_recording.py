import hashlib
import json
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from condlesson import recording, unet
from condlesson.__main__ import main
from condlesson.data import SUBSET_DIR, Mnist, load_subset
from condlesson.recording import record
from condlesson.runs import (
    RunError,
    canary_losses,
    list_runs,
    load_model,
    run_name,
    train_command,
)
from condlesson.training import (
    TrainState,
    evaluate,
    make_model,
    train,
    validation_batches,
)
from tests.conftest import TINY

pytestmark = pytest.mark.usefixtures("one_thread", "few_lies")

NAME = run_name(TINY)
STEPS = 8


def json_of(folder):
    return json.loads((folder / f"{NAME}.json").read_text())


def without_times(content):
    """What two recordings of one run must share."""
    content = {key: value for key, value in content.items() if key not in ("sha256", "seconds")}
    changing = ("recorded", "wall_seconds")
    kept = {key: x for key, x in content["provenance"].items() if key not in changing}
    return {**content, "provenance": kept}


# --- what is recorded -------------------------------------------------------------------------


def test_a_run_is_two_files(original):
    assert sorted(p.name for p in original.iterdir()) == [f"{NAME}.json", f"{NAME}.npz"]


def test_a_run_says_what_happened(original, subset):
    (run,) = list_runs(original)
    state = TrainState.start(TINY)
    for _ in train(state, subset):
        pass
    assert run.config == TINY
    assert run.train_loss == state.train_loss
    assert run.val_loss == state.val_loss
    assert len(run.seconds) == 2
    batches = validation_batches(TINY, subset)
    losses, t = evaluate(state.model, batches), torch.cat([b.t for b in batches])
    for k, loss in enumerate(run.val_loss_by_t):
        inside = losses[(100 * k <= t) & (t < 100 * (k + 1))]
        assert loss == pytest.approx(inside.mean().item(), rel=1e-6)
    assert run.canary["losses"] == canary_losses(TINY)
    assert run.name == NAME


def test_lies_are_told_about_the_same_images(original):
    lie = json_of(original)["lie"]
    assert lie["timesteps"] == [125, 375, 625, 875]
    matrix = torch.tensor(lie["loss"])
    assert matrix.shape == (4, 4)
    batches = recording._lie_batches(TINY, load_subset(), torch.device("cpu"))
    assert list(batches) == lie["timesteps"]
    assert all(set(batch.t.tolist()) == {t} for t, batch in batches.items())
    assert all(torch.equal(batch.noise, batches[125].noise) for batch in batches.values())


def test_provenance_is_that_of_this_machine(original, subset):
    provenance = json_of(original)["provenance"]
    assert list(provenance) == [
        "device",
        "device_type",
        "threads",
        "torch",
        "recorded",
        "wall_seconds",
        "data_sha256",
    ]
    assert provenance["device_type"] == "cpu"
    assert provenance["device"]
    assert provenance["threads"] == 1
    assert provenance["torch"] == torch.__version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", provenance["recorded"])
    assert provenance["data_sha256"] == subset.checksum()


def test_the_name_of_a_gpu_is_asked_of_torch(monkeypatch, subset):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU of {device}")
    monkeypatch.setattr(recording, "canary_losses", lambda config: [1.0])
    origin = recording._origin(TINY, subset, torch.device("cuda:1"))
    assert (origin["device"], origin["device_type"]) == ("GPU of cuda:1", "cuda")


def test_a_machine_without_cpuinfo_has_a_name_too(monkeypatch):
    monkeypatch.setattr(Path, "exists", lambda path: False)
    assert recording._cpu_name()


def test_weights_are_the_trained_ones_in_half_precision(original, subset):
    (run,) = list_runs(original)
    raw = (original / run.weights["file"]).read_bytes()
    assert run.weights["sha256"] == hashlib.sha256(raw).hexdigest()
    assert len(raw) < 2.3 * sum(p.numel() for p in make_model(TINY).parameters())
    model = load_model(run, original)
    state = TrainState.start(TINY)
    for _ in train(state, subset):
        pass
    assert not model.training
    for name, value in state.model.state_dict().items():
        loaded = model.state_dict()[name]
        assert loaded.dtype == value.dtype
        assert torch.equal(loaded, value.half().to(value.dtype)), name


def test_batch_norm_counters_keep_their_type(tmp_path, subset):
    config = replace(TINY, variant="none", epochs=1, images=16)
    run = record(config, subset, tmp_path, weights=True)
    counters = [x for n, x in load_model(run, tmp_path).state_dict().items() if "tracked" in n]
    assert {(x.dtype, x.item()) for x in counters} == {(torch.int64, 1)}


def test_a_bin_without_images_has_no_number(tmp_path, subset):
    config = replace(TINY, epochs=1, images=16, val_images=5)
    run = record(config, subset, tmp_path)
    assert [loss is None for loss in run.val_loss_by_t] == [False, True] * 5
    assert list_runs(tmp_path) == [run]


@pytest.mark.parametrize("learning_rate", [1e30])
def test_a_run_that_diverges_is_not_recorded(learning_rate, tmp_path, subset):
    config = replace(TINY, learning_rate=learning_rate)
    with pytest.raises(
        ValueError, match=r"the losses of .* must be finite, .* Lower learning_rate"
    ):
        record(config, subset, tmp_path)
    assert list(tmp_path.glob("*.json")) == []


def test_an_epoch_that_diverges_stops_the_run(tmp_path, subset, monkeypatch):
    monkeypatch.setattr(recording, "canary_losses", lambda config: [1.0])
    seen = []
    with pytest.raises(ValueError, match="must be finite"):
        record(
            replace(TINY, learning_rate=1e30),
            subset,
            tmp_path,
            on_step=lambda state: seen.append(state.step),
        )
    assert seen == [1, 2, 3]


def test_recording_leaves_the_random_state_alone(subset, tmp_path):
    state = torch.get_rng_state()
    record(replace(TINY, epochs=1, images=16), subset, tmp_path, weights=True)
    assert torch.equal(state, torch.get_rng_state())


# --- going on ---------------------------------------------------------------------------------


class Killed(Exception):  # noqa: N818
    pass


def stop_at(step):
    def on_step(state):
        if state.step == step:
            raise Killed

    return on_step


@pytest.fixture
def every_step(monkeypatch):
    monkeypatch.setattr(recording, "CHECKPOINT_SECONDS", 0)


@pytest.mark.parametrize("step", [1, 4, 6, STEPS])
def test_a_stopped_run_goes_on_to_the_same_files(step, original, tmp_path, subset, every_step):
    with pytest.raises(Killed):
        record(TINY, subset, tmp_path, weights=True, on_step=stop_at(step))
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.checkpoint"]
    steps = []
    record(TINY, subset, tmp_path, weights=True, on_step=lambda state: steps.append(state.step))
    assert steps == list(range(step + 1, STEPS + 1))
    assert without_times(json_of(tmp_path)) == without_times(json_of(original))
    weights = f"{NAME}.npz"
    assert (tmp_path / weights).read_bytes() == (original / weights).read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_checkpoint_is_written_after_its_time_and_not_before(tmp_path, subset):
    found = []
    record(
        replace(TINY, epochs=1),
        subset,
        tmp_path,
        on_step=lambda state: found.extend(tmp_path.glob("*.checkpoint")),
    )
    assert found == []


def test_a_checkpoint_that_was_cut_short_replaces_nothing(
    original, tmp_path, subset, every_step, monkeypatch
):
    save = torch.save

    def save_half(content, path):
        if content["step"] < 5:
            return save(content, path)
        path.write_bytes(b"half a checkpoint")
        raise Killed

    monkeypatch.setattr(torch, "save", save_half)
    with pytest.raises(Killed):
        record(TINY, subset, tmp_path, weights=True)
    monkeypatch.undo()
    steps = []
    record(TINY, subset, tmp_path, weights=True, on_step=lambda state: steps.append(state.step))
    assert steps == [5, 6, 7, 8]
    assert without_times(json_of(tmp_path)) == without_times(json_of(original))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.fixture
def stopped(tmp_path, subset, every_step):
    """A folder with the checkpoint of a run that was stopped."""
    with pytest.raises(Killed):
        record(TINY, subset, tmp_path, on_step=stop_at(3))
    return tmp_path


def test_a_checkpoint_of_other_data_is_refused(stopped, subset):
    other = Mnist(*(getattr(subset, name).flip(0) for name in vars(subset)))
    with pytest.raises(RunError, match=r"checkpoint .* must have the data_sha256 .* Delete it"):
        record(TINY, other, stopped)


@pytest.mark.parametrize("name", ["device", "torch"])
def test_a_checkpoint_of_another_machine_is_refused(name, stopped, subset):
    path = stopped / f"{NAME}.checkpoint"
    content = torch.load(path, weights_only=True)
    content["origin"][name] = "another"
    torch.save(content, path)
    with pytest.raises(RunError, match=rf"must have the {name} .*, got another\. Delete it"):
        record(TINY, subset, stopped)


def test_a_checkpoint_of_other_code_is_refused(stopped, subset, monkeypatch):
    monkeypatch.setattr(unet.F, "relu", F.silu)
    with pytest.raises(RunError, match=r"comes from other code\. Loss 0 .* Delete it"):
        record(TINY, subset, stopped)


def test_a_checkpoint_of_another_run_is_refused(stopped, subset):
    other = replace(TINY, seed=8)
    (stopped / f"{NAME}.checkpoint").rename(stopped / f"{run_name(other)}.checkpoint")
    with pytest.raises(RunError, match=r"cannot be used \(the checkpoint must belong to"):
        record(other, subset, stopped)


@pytest.mark.parametrize("size", [0, 10, 1000, -1000], ids=["empty", "start", "more", "most"])
def test_a_damaged_checkpoint_is_named(size, stopped, subset):
    path = stopped / f"{NAME}.checkpoint"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RunError, match=rf"{re.escape(str(path))} cannot be used .*Delete it"):
        record(TINY, subset, stopped)


CHILD = """
import sys
from condlesson import recording
from condlesson.__main__ import main
recording.CHECKPOINT_SECONDS = 0
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_run_survives_kill_minus_nine(tmp_path, subset):
    config = replace(TINY, epochs=12)
    whole = record(config, subset, tmp_path / "whole")
    out = tmp_path / "killed"
    words = train_command(config, out).split()[1:]
    words[words.index("DIR")] = str(SUBSET_DIR)
    words += ["--device", "cpu", "--threads", "1"]
    checkpoint = out / f"{run_name(config)}.checkpoint"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, *words],
        env={"PYTHONPATH": str(SUBSET_DIR.parents[1]), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    while not checkpoint.exists() and child.poll() is None:
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.3))
    child.kill()
    assert child.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert checkpoint.exists()
    assert main(words) == 0
    (again,) = list_runs(out)
    assert (again.train_loss, again.val_loss) == (whole.train_loss, whole.val_loss)
    assert (again.lie, again.val_loss_by_t) == (whole.lie, whole.val_loss_by_t)
    assert [path.name for path in out.iterdir()] == [f"{run_name(config)}.json"]
