import hashlib
import json
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import torch

from condlesson.data import load_subset
from condlesson.experiment import recording
from condlesson.experiment.canaries import canary_losses
from condlesson.experiment.recording import record
from condlesson.experiment.runs import list_runs, load_model, load_outputs, run_name
from condlesson.glyphs import load_glyphs
from condlesson.training import (
    TrainState,
    evaluate,
    make_model,
    train,
    validation_batches,
)
from tests.conftest import TINY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread", "few_lies")]

NAME = run_name(TINY)


def json_of(folder):
    return json.loads((folder / f"{NAME}.json").read_text())


# --- what is recorded -------------------------------------------------------------------------


def test_a_run_is_a_record_and_a_file_for_each_part(original):
    names = [f"{NAME}-outputs.npz", f"{NAME}.json", f"{NAME}.npz"]
    assert sorted(p.name for p in original.iterdir()) == names


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
        "started",
        "recorded",
        "wall_seconds",
        "data_sha256",
    ]
    assert provenance["device_type"] == "cpu"
    assert provenance["device"]
    assert provenance["threads"] == 1
    assert provenance["torch"] == torch.__version__
    assert (
        datetime.fromisoformat(provenance["started"]).date().isoformat() <= provenance["recorded"]
    )
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
    config = replace(TINY, variant="none", epochs=1, images=4)
    run = record(config, subset, tmp_path, weights=True)
    counters = [x for n, x in load_model(run, tmp_path).state_dict().items() if "tracked" in n]
    assert {(x.dtype, x.item()) for x in counters} == {(torch.int64, 1)}


def test_a_bin_without_images_has_no_number(tmp_path, subset):
    config = replace(TINY, epochs=1, images=4, val_images=5)
    run = record(config, subset, tmp_path)
    assert [loss is None for loss in run.val_loss_by_t] == [False, True] * 5
    assert list_runs(tmp_path) == [run]


@pytest.mark.fault("a training diverges", "nothing is recorded, and it says so")
@pytest.mark.parametrize("learning_rate", [1e30])
def test_a_run_that_diverges_is_not_recorded(learning_rate, tmp_path, subset):
    config = replace(TINY, learning_rate=learning_rate)
    with pytest.raises(
        ValueError, match=r"the losses of .* must be finite, .* Lower learning_rate"
    ):
        record(config, subset, tmp_path)
    assert list(tmp_path.glob("*.json")) == []


@pytest.mark.fault("an epoch diverges", "the training stops at once")
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
    assert seen == [1, 2, 3, 4]


def test_recording_leaves_the_random_state_alone(subset, tmp_path):
    state = torch.get_rng_state()
    record(replace(TINY, epochs=1, images=4), subset, tmp_path, weights=True)
    assert torch.equal(state, torch.get_rng_state())


# --- what later runs hold besides ---------------------------------------------------------------

LATER = replace(TINY, ema_decay=0.5, final_images=48, image_size=8)


def trained(config, data):
    state = TrainState.start(config)
    for _ in train(state, data):
        pass
    return state


@pytest.mark.parametrize("variant", ["none", "adagn", "adagn_class"])
def test_a_later_run_holds_the_loss_of_both_weights_on_images_of_its_seed(
    variant, subset, tmp_path
):
    config = replace(LATER, variant=variant)
    run = record(config, subset, tmp_path)
    assert list_runs(tmp_path) == [run]
    state, batches = trained(config, subset), validation_batches(config, subset, final=True)
    expected = {"loss": evaluate(state.average, batches).mean().item()}
    expected["last_weights"] = evaluate(state.model, batches).mean().item()
    if variant == "adagn_class":
        untold = evaluate(state.average, batches, told_class=False)
        expected["without_class"] = untold.mean().item()
    assert run.final == expected
    assert run.final_loss == expected["loss"] != run.val_loss[-1]
    assert run.tolerance == 0.025 * run.final_loss


def test_a_run_without_an_average_has_one_final_loss(subset, tmp_path):
    run = record(replace(LATER, ema_decay=0.0), subset, tmp_path)
    assert list(run.final) == ["loss"]


def test_the_weights_that_are_written_are_the_average(subset, tmp_path):
    run = record(LATER, subset, tmp_path, weights=True)
    expected = trained(LATER, subset).average.state_dict()
    for name, value in load_model(run, tmp_path).state_dict().items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)


def test_lies_of_later_runs_are_about_images_of_their_seed(subset):
    def images(config):
        return next(iter(recording._lie_batches(config, subset, "cpu").values())).x_0

    assert torch.equal(images(TINY), images(replace(TINY, seed=8)))
    assert not torch.equal(images(LATER), images(replace(LATER, seed=8)))
    assert images(LATER).shape[-1] == 8


def test_a_run_is_recorded_on_the_data_set_that_it_names(subset, tmp_path):
    with pytest.raises(ValueError, match="data must be glyphs, as dataset says, got mnist"):
        record(replace(TINY, dataset="glyphs"), subset, tmp_path)
    run = record(replace(LATER, dataset="glyphs"), load_glyphs(64, 64), tmp_path)
    assert run.config.dataset == "glyphs"


def test_what_a_network_of_fewer_pixels_makes_is_as_small(subset, tmp_path):
    run = record(LATER, subset, tmp_path, outputs=True)
    assert load_outputs(run, tmp_path)["ddim"].shape[1:] == (8, 8)
