import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condlesson.__main__ import _parser
from condlesson.experiment import plan, runs
from condlesson.experiment.canaries import canary_losses
from condlesson.experiment.command import config_of
from condlesson.experiment.records import RunError
from condlesson.experiment.runs import (
    FOLDERS,
    expected_runs,
    list_runs,
    load_model,
    load_run,
    read_run,
    run_name,
    train_command,
)
from condlesson.experiment.verifying import verify
from condlesson.training import TIERS, TrainConfig
from condlesson.unet import VARIANTS
from tests.conftest import TINY
from tests.experiment.records import NAME, hashed_again, json_of, only_message

pytestmark = pytest.mark.usefixtures("one_thread", "few_lies")

# --- names and commands -----------------------------------------------------------------------


def test_name_holds_what_is_not_at_its_default():
    assert run_name(TrainConfig()) == "sinusoidal-seed42-12800x5"
    assert run_name(TINY) == NAME
    assert run_name(replace(TrainConfig(), learning_rate=1e-3)).endswith("x5-learning_rate0.001")


def test_expected_runs_are_the_first_study_and_two_quick_ones():
    names = {run_name(config) for config in expected_runs()}
    small = {f"{v}-seed{s}-12800x5" for v, s in itertools.product(VARIANTS, (42, 43, 44))}
    quick = {run_name(replace(TIERS["quick"], variant=v)) for v in ("none", "adagn")}
    assert names == small | quick


def test_expected_runs_of_the_plan_are_what_pages_tell_of():
    expected = expected_runs(plan.MATRIX_DIR)
    told = [config for family in plan.FAMILIES.values() for config in family.runs()]
    assert expected == [*plan.FULL, *told]
    assert expected_runs("elsewhere") == []


CHANGED = replace(TINY, learning_rate=3e-4, num_timesteps=500)


OF_MANY_KINDS = [*expected_runs(), *plan.WITH_OUTPUTS, TINY, CHANGED]


@pytest.mark.parametrize("config", OF_MANY_KINDS, ids=run_name)
def test_the_command_means_the_run(config):
    words = train_command(config).split()
    assert words[0] == "condlesson"
    args = _parser().parse_args(words[1:])
    assert config_of(args) == config
    assert args.weights == (config in plan.WITH_WEIGHTS)
    assert args.outputs == (config in plan.WITH_OUTPUTS)
    assert Path(args.out).resolve() == runs.RECORDED_DIR.resolve()


def test_the_command_can_name_another_folder():
    assert train_command(TINY, "a folder", weights=True).endswith(
        " --weights --data DIR --out 'a folder'"
    )


def test_the_command_can_name_the_data():
    assert " --data 'my data' --out " in train_command(TINY, data="my data")


def test_the_data_of_a_run_are_those_it_was_trained_on():
    quick = replace(TIERS["quick"], variant="none", seed=5)
    assert runs.data_of(quick, "here") == runs.SUBSET
    assert runs.data_of(TrainConfig(dataset="glyphs"), "here") == runs.SUBSET
    assert runs.data_of(TrainConfig(), "here") == "here"
    assert runs.data_of(replace(quick, epochs=9), "here") == "here"


def test_the_command_is_short_inside_the_repository(monkeypatch):
    monkeypatch.chdir(runs.RECORDED_DIR.parents[3])
    assert train_command(TrainConfig()).endswith("--out src/condlesson/experiment/recorded")
    monkeypatch.chdir("/")
    assert Path(train_command(TrainConfig()).split()[-1]).resolve() == runs.RECORDED_DIR.resolve()


# --- reading and verifying --------------------------------------------------------------------


def test_reading_a_run_gives_what_was_recorded(original):
    small = {name: getattr(TINY, name) for name in ("width", "images", "batch_size", "val_images")}
    run = load_run("adagn", 7, folder=original, epochs=2, precision="float32", **small)
    assert run == list_runs(original)[0]
    assert (run.config, run.name) == (TINY, NAME)


def test_a_run_is_read_by_its_file_with_or_without_the_ending(original):
    [run] = list_runs(original)
    assert read_run(original / f"{NAME}.json") == read_run(original / NAME) == run
    with pytest.raises(RunError, match=r"no-run\.json must be a recorded run, and is no file"):
        read_run(original / "no-run")


def test_a_run_is_of_the_study_that_has_its_seed():
    assert load_run("adagn", plan.SEEDS[0]).config.final_images > 0
    assert load_run("adagn", 42).config.final_images == 0


def test_a_run_of_an_unknown_size_cannot_be_read():
    with pytest.raises(TypeError, match=r"^seed must be an integer, got '42'"):
        load_run("adagn", "42")
    with pytest.raises(ValueError, match=r"^tier must be one of quick, small, study, full, got"):
        load_run("adagn", 42, tier="huge")


def test_what_is_written_has_no_place_for_a_final_loss_that_is_none(original):
    [run] = list_runs(original)
    assert "final" not in replace(run, final=None).to_json()
    assert replace(run, final={"loss": 0.5}).to_json()["final"] == {"loss": 0.5}


def test_a_run_that_is_not_there_cannot_be_read(original):
    with pytest.raises(RunError, match=r"run adagn-seed7-12800x5 is missing\. Make it with: "):
        load_run("adagn", 7, folder=original)


@pytest.mark.parametrize(
    ("kind", "shown"), [("cuda", "X1 (GPU), 2026-01-02"), ("cpu", "X1 (CPU), 2026-01-02")]
)
def test_a_gpu_is_named_only_if_it_was_one(kind, shown, original):
    (run,) = list_runs(original)
    provenance = {"device": "X1", "device_type": kind, "recorded": "2026-01-02"}
    assert replace(run, provenance=provenance).recorded_on == shown


def test_the_checksum_is_over_the_canonical_form(original):
    content = json_of(original)
    assert hashed_again(content)["sha256"] == content["sha256"]


def test_a_good_run_passes(original):
    assert verify(original, [TINY]) == []
    assert verify(str(original)) == []


def test_the_canary_is_the_same_whatever_the_threads(original):
    torch.set_num_threads(2)
    try:
        assert canary_losses(TINY) == json_of(original)["canary"]["losses"]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_what_the_canary_reduces_does_not_change_it(original):
    bigger = replace(TINY, images=4096, epochs=5, batch_size=128, precision="bfloat16")
    assert canary_losses(bigger) == json_of(original)["canary"]["losses"]


def test_a_missing_run_is_named(folder):
    other = replace(TINY, seed=8)
    message = only_message(verify(folder, [TINY, other]))
    assert message.startswith(f"run {run_name(other)} is missing. Make it with: ")
    assert "--width 8" in message


def test_the_books_runs_are_expected_in_the_package_alone(folder, monkeypatch):
    assert verify(folder) == []
    monkeypatch.setattr(runs, "RECORDED_DIR", folder)
    problems = verify(folder)
    assert len(problems) == len(expected_runs()) > 30
    for message, config in zip(problems, sorted(expected_runs(), key=run_name), strict=True):
        assert f"run {run_name(config)} is missing" in message


def test_a_folder_that_is_not_there_is_no_good_news(tmp_path):
    assert "must be a folder of recorded runs" in only_message(verify(tmp_path / "none"))
    with pytest.raises(RunError, match="none must be a folder of recorded runs"):
        list_runs(tmp_path / "none")


def test_the_cure_of_a_damaged_run_of_the_plan_is_its_command(tmp_path):
    config = plan.FAMILIES["sizes"].runs()[0]
    path = tmp_path / f"{run_name(config)}.json"
    path.write_text("{")
    with pytest.raises(RunError, match=f"condlesson train --variant {config.variant} --seed"):
        read_run(path)


def test_the_shipped_runs_are_whole():
    """Their canaries are replayed by the book's build and by `make runs-verify`."""
    for folder in FOLDERS:
        assert {run.config for run in list_runs(folder)} == set(expected_runs(folder))
    for run in list_runs():
        assert run.lie["timesteps"] == [50, 150, 250, 350, 450, 550, 650, 750, 850, 950]
        assert len(run.canary["losses"]) == len(run.canary["tolerances"]) == 5
        assert all(math.isfinite(x) for x in (*run.train_loss, *run.val_loss, *run.val_loss_by_t))
        if run.weights is not None:
            assert load_model(run)
