"""A run of the reader's beside a recorded one."""

import json
import math
from dataclasses import replace

import pytest

from condlesson.experiment import beside as module
from condlesson.experiment import plan
from condlesson.experiment.beside import _as_loaded, beside
from condlesson.experiment.records import RunError
from condlesson.experiment.runs import load_run
from condlesson.training import TrainConfig
from tests.experiment.test_comparison import make_run

LOSSES = {42: 0.100, 43: 0.102, 44: 0.101}  # by seed; their mean is 0.101 and their sd 0.001
HALF_WIDTH = 4.303 * 0.001 * math.sqrt(4 / 3)


@pytest.fixture
def recorded(monkeypatch):
    """What is recorded: three seeds of one variant, and one of another."""
    found = [make_run("none", seed, loss) for seed, loss in LOSSES.items()]
    found.append(make_run("adagn", 42, 0.05))
    list_runs = module.list_runs
    monkeypatch.setattr(
        module, "list_runs", lambda folder=None: list_runs(folder) if folder else found
    )
    return found


def write(folder, *runs):
    for run in runs:
        (folder / f"{run.name}.json").write_text(json.dumps(run.to_json()))
    return folder


def test_a_run_lies_beside_that_of_its_seed(recorded):
    found = beside(make_run("none", 43, 0.1122))
    assert found.recorded is recorded[1]
    assert found.table.columns == ["epoch", "yours", "recorded", "difference"]
    assert found.table.rows[-1] == (5, "0.11220", "0.10200", "+10.0%")
    assert found.curves == {
        "none": [[2 * loss] * 4 + [loss] for loss in LOSSES.values()],
        "yours": [[0.2244] * 4 + [0.1122]],
    }


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (0.101 + 0.99 * HALF_WIDTH, "yours does: no sign of a mistake"),
        (0.101 + 1.01 * HALF_WIDTH, "yours ends above that. Chance alone does so in one case of"),
        (0.101 - 1.01 * HALF_WIDTH, "yours ends below that"),
    ],
)
@pytest.mark.parametrize(("seed", "of_seed"), [(42, "the same seed"), (7, "seed 42 in place of 7")])
def test_the_verdict_is_chosen_by_the_numbers(recorded, loss, words, seed, of_seed):
    found = beside(make_run("none", seed, loss))
    assert found.likely == pytest.approx((0.101 - HALF_WIDTH, 0.101 + HALF_WIDTH), abs=1e-6)
    assert words in found.verdict
    assert f"{loss / 0.1 - 1:+.1%} from the recorded run, which has {of_seed}" in found.verdict
    assert "Judging by 3 recorded runs" in found.verdict


def test_a_run_on_other_data_says_nothing_about_the_code(recorded):
    other = replace(recorded[1], provenance={**recorded[1].provenance, "data_sha256": "a"})
    recorded[1] = replace(recorded[1], provenance={**other.provenance, "data_sha256": "b"})
    found = beside(replace(other, val_loss=[0.1] * 5))
    assert "not trained on the same data" in found.verdict
    assert "no sign of a mistake" not in found.verdict


def test_it_says_what_a_run_of_the_same_seed_may_be_off_by(recorded):
    words = f"the same training may end {recorded[1].tolerance / 0.102:.1%} from it"
    assert words in beside(make_run("none", 43, 0.1021)).verdict
    assert words not in beside(make_run("none", 7, 0.1021)).verdict


def test_a_file_that_is_no_run_is_not_to_be_deleted(recorded, tmp_path):
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(RunError, match=r"package\.json has not the name of a run: move it to"):
        beside(tmp_path)


def test_a_copy_is_the_same_and_no_yardstick_of_itself(recorded):
    found = beside(make_run("none", 43, LOSSES[43]))
    assert found.verdict == "The two runs are the same to the last digit."
    assert [run.config.seed for run in found.others] == [42, 44]


def test_one_recorded_run_is_no_yardstick(recorded):
    found = beside(make_run("adagn", 7, 0.06))
    assert found.likely is None
    assert "Only one other run is recorded with this configuration" in found.verdict
    alone = beside(make_run("adagn", 42, 0.05), recorded[3])
    assert "same to the last digit" in alone.verdict


def test_runs_that_were_not_trained_alike_are_laid_down_and_not_judged(recorded):
    found = beside(make_run("none", 42, 0.09, images=60_000, width=16), recorded[3])
    assert found.table.rows[-1][-1] == "+80.0%"
    assert found.curves == {"adagn": [[0.1] * 4 + [0.05]], "yours": [[0.18] * 4 + [0.09]]}
    assert found.verdict == (
        "The two were not trained alike: the recorded run has variant adagn where yours has none, "
        "images 12800 where yours has 60000, width 32 where yours has 16. So what their losses "
        "differ by says nothing about your code."
    )


def test_a_run_like_none_that_is_recorded_names_the_nearest(recorded):
    with pytest.raises(ValueError, match=r"no recorded run was trained as none-seed44-60000x5 was"):
        beside(make_run("none", 44, 0.09, images=60_000))
    with pytest.raises(ValueError, match=r"none-seed44-12800x5, has images 12800 where yours has "):
        beside(make_run("none", 44, 0.09, images=60_000))
    with pytest.raises(ValueError, match=r'load_run\("none", seed=44, tier="small"\)\)'):
        beside(make_run("none", 44, 0.09, images=60_000))


def test_a_folder_with_one_run_is_enough(recorded, tmp_path):
    mine = make_run("none", 42, 0.1005)
    assert beside(write(tmp_path, mine)).mine == mine
    assert beside(str(tmp_path)).recorded is recorded[0]


def test_of_several_runs_the_one_that_is_meant_must_be_named(recorded, tmp_path):
    runs = [make_run("none", 42, 0.1), make_run("none", 43, 0.1), make_run("adagn", 43, 0.1)]
    folder = write(tmp_path, *runs)
    assert beside(folder, variant="none", seed=43).mine == runs[1]
    assert beside(folder, variant="adagn").mine == runs[2]
    with pytest.raises(ValueError, match=r"must hold one run that is meant, got none-seed42-.*43"):
        beside(folder, variant="none")


def test_an_unfinished_run_is_named(recorded, tmp_path):
    (tmp_path / "adagn-seed42-12800x5.checkpoint").touch()
    with pytest.raises(
        RunError, match=r"got none\. adagn-seed42-12800x5 is not finished: give the"
    ):
        beside(tmp_path)


def test_a_folder_without_runs_is_refused(recorded, tmp_path):
    with pytest.raises(
        RunError, match=r"must hold a finished run of this kind, got none\. Is it the"
    ):
        beside(tmp_path)
    with pytest.raises(RunError, match="must be a folder of recorded runs, and is none"):
        beside(tmp_path / "missing")


def test_both_forms_name_the_runs_and_hold_table_and_verdict(recorded):
    found = beside(make_run("none", 7, 0.101))
    for shown in (repr(found), found._repr_html_()):
        assert "none-seed7-12800x5" in shown
        assert "none-seed42-12800x5" in shown
        assert "0.10100" in shown
        assert "no sign of a mistake" in shown
    assert "a &lt;chip&gt; (CPU), 2026-01-01" in found._repr_html_()


@pytest.mark.parametrize(
    "config",
    [plan.FULL[0], TrainConfig(variant="adagn"), plan.FAMILIES["glyphs"].runs()[0]],
)
def test_the_call_that_is_named_loads_that_run(config):
    said = _as_loaded(config)
    assert said.startswith("load_run(")
    assert eval(said, {"load_run": load_run}).config == config
