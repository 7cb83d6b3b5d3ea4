import json
import shutil
from dataclasses import replace

import pytest

from condlesson.experiment import plan, sweeps
from condlesson.experiment.recording import record
from condlesson.experiment.records import RunError
from condlesson.experiment.runs import expected_runs, list_runs, load_model, run_name
from condlesson.experiment.sweeps import SWEEPS, collect, is_recorded, missing, sweep
from condlesson.training import TIERS
from tests.conftest import TINY

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread", "few_lies")]

NAME = run_name(TINY)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def jobs(original, tmp_path, subset):
    """Two folders as the jobs of an array leave them, with a run each."""
    one, two = shutil.copytree(original, tmp_path / "one"), tmp_path / "two"
    record(replace(TINY, seed=8, epochs=1, images=4), subset, two)
    return one, two


def rewrite(folder, **changes):
    """Record something else of a run, with a checksum that fits."""
    (run,) = list_runs(folder)
    (folder / f"{run.name}.json").write_text(json.dumps(replace(run, **changes).to_json()))


# --- what is expected -------------------------------------------------------------------------


def test_a_sweep_is_every_variant_with_every_seed():
    for tier, (variants, seeds) in SWEEPS.items():
        configs = sweep(tier)
        assert [(c.variant, c.seed) for c in configs] == [(v, s) for v in variants for s in seeds]
        assert {replace(c, variant="none", seed=0) for c in configs} == {
            replace(TIERS[tier], variant="none", seed=0)
        }


def test_a_family_of_the_plan_is_a_sweep():
    assert [c for name in ("matrix", "sizes", "glyphs") for c in sweep(name)] == [
        config for family in plan.FAMILIES.values() for config in family.runs()
    ]
    assert sweep("full") == plan.FULL


def test_the_sweep_by_default_is_the_books():
    assert sweep() == [*expected_runs(), *expected_runs(plan.MATRIX_DIR)]
    assert missing(sweep()) == []


def test_a_run_is_looked_for_where_the_package_has_its_kind(monkeypatch, tmp_path):
    """A family of the plan does not lie among the others."""
    assert missing(sweep("glyphs")) == []
    monkeypatch.setattr("condlesson.experiment.plan.MATRIX_DIR", tmp_path)
    assert missing(sweep("glyphs")) == sweep("glyphs")


def test_a_tier_that_is_none_is_refused():
    message = "tier must be one of quick, small, matrix, sizes, glyphs, full, got 'huge'"
    with pytest.raises(ValueError, match=message):
        sweep("huge")


def test_missing_is_what_is_not_there_whole(jobs):
    one, other = jobs[0], replace(TINY, seed=8)
    assert missing([TINY, other], one) == [other]
    (one / f"{NAME}.npz").write_bytes(b"cut off")
    assert missing([TINY], one) == [TINY]
    assert missing([TINY], one / "nowhere") == [TINY]


def test_a_run_without_the_weights_that_it_should_have_is_missing(jobs, monkeypatch):
    (run,) = list_runs(jobs[1])
    assert is_recorded(run.config, jobs[1])
    assert not is_recorded(run.config, jobs[1], weights=True)
    monkeypatch.setattr(sweeps, "WITH_WEIGHTS", (run.config,))
    assert not is_recorded(run.config, jobs[1])


def test_a_run_without_the_outputs_that_it_should_have_is_missing(jobs, monkeypatch):
    (run,) = list_runs(jobs[1])
    assert not is_recorded(run.config, jobs[1], outputs=True)
    monkeypatch.setattr(sweeps, "needs_outputs", lambda config: True)
    assert not is_recorded(run.config, jobs[1])
    assert is_recorded(TINY, jobs[0])


# --- collect ----------------------------------------------------------------------------------


def test_collect_brings_runs_together(jobs, tmp_path):
    out = tmp_path / "out"
    found = collect(jobs, out)
    names = [run.name for run in list_runs(out)]
    assert found.new == names
    assert found.known == found.unfinished == []
    assert sorted(names) == sorted(list_runs(job)[0].name for job in jobs)
    assert len(names_in(out)) == 4
    for job in jobs:
        assert all((out / name).read_bytes() == (job / name).read_bytes() for name in names_in(job))


def test_what_is_there_already_is_left_as_it_is(jobs, tmp_path):
    out = tmp_path / "out"
    collect(jobs, out)
    rewrite(jobs[1], seconds=[5.0], provenance={**list_runs(jobs[1])[0].provenance, "device": "X"})
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    found = collect(jobs, out)
    assert found.new == []
    assert sorted(found.known) == sorted(run.name for run in list_runs(out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_a_run_with_weights_is_taken_for_one_without(jobs, tmp_path):
    bare = shutil.copytree(jobs[0], tmp_path / "bare")
    (bare / f"{NAME}.npz").unlink()
    rewrite(bare, weights=None)
    out = tmp_path / "out"
    assert collect([bare], out).new == [NAME]
    assert collect([jobs[0]], out).new == [NAME]
    (run,) = list_runs(out)
    load_model(run, out)
    assert collect([bare], out).known == [NAME]


def test_two_recordings_of_which_each_holds_something_else_are_refused(jobs, tmp_path):
    one, other = (shutil.copytree(jobs[0], tmp_path / name) for name in ("left", "right"))
    rewrite(one, weights=None)
    rewrite(other, outputs=None)
    with pytest.raises(RunError, match=r"outputs in .*left alone, and weights in .*right alone"):
        collect([one, other], tmp_path / "out")


CHANGES = {
    "train_loss": lambda run: [*run.train_loss[:-1], 0.5],
    "val_loss": lambda run: [run.val_loss[0] * (1 + 1e-9), *run.val_loss[1:]],
    "val_loss_by_t": lambda run: [None] * 10,
    "lie": lambda run: {**run.lie, "loss": [[x * 1.01 for x in row] for row in run.lie["loss"]]},
    "tolerances": lambda run: {**run.tolerances, "val_loss": 0.03},
    "canary": lambda run: {**run.canary, "losses": [1.0] * 5},
    "weights": lambda run: {**run.weights, "canary_loss": 1.0},
    "outputs": lambda run: {**run.outputs, "canary": [1.0] * len(run.outputs["canary"])},
}


@pytest.mark.fault("two runs of one name disagree", "nothing is collected, and both are named")
@pytest.mark.parametrize("name", CHANGES)
def test_two_runs_of_one_name_must_agree(name, jobs, tmp_path):
    other, out = shutil.copytree(jobs[0], tmp_path / "other"), tmp_path / "out"
    rewrite(other, **{name: CHANGES[name](list_runs(other)[0])})
    message = f"run {NAME} must be the same in .*one and in .*other, .* disagree in {name}. Delete"
    with pytest.raises(RunError, match=message):
        collect([*jobs, other], out)
    assert not out.exists()


@pytest.mark.fault("a run to be collected is damaged", "nothing is collected")
@pytest.mark.parametrize("part", ["", "-outputs"], ids=["weights", "outputs"])
@pytest.mark.parametrize("content", [None, b"", b"something else"], ids=["none", "empty", "other"])
def test_a_run_with_a_damaged_file_is_refused(content, part, jobs, tmp_path):
    path = jobs[0] / f"{NAME}{part}.npz"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(RunError, match=rf"{NAME}{part}\.npz of run {NAME} is missing or damaged"):
        collect(jobs, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_run_and_a_folder_that_is_none_are_refused(jobs, tmp_path):
    (jobs[1] / "broken.json").write_text("{")
    with pytest.raises(RunError, match="run broken is damaged"):
        collect(jobs, tmp_path / "out")
    with pytest.raises(RunError, match="nowhere must be a folder of recorded runs"):
        collect([tmp_path / "nowhere"], tmp_path / "out")


def test_collect_names_what_is_not_finished(jobs, tmp_path):
    left = jobs[1] / "adagn-seed44-12800x5.checkpoint"
    left.touch()
    assert collect(jobs, tmp_path / "out").unfinished == [left]
    assert not (tmp_path / "out" / left.name).exists()
