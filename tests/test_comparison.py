import json
import math
import statistics
from dataclasses import replace

import pytest

from condlesson import comparison
from condlesson.comparison import STUDENT_95, beside, conclude, paired_difference
from condlesson.runs import CANARY_TOLERANCES, Run, RunError
from condlesson.training import TrainConfig


def make_run(variant, seed, val_loss, **config):
    return Run(
        config=TrainConfig(variant=variant, seed=seed, **config),
        train_loss=[1.0, 0.5],
        val_loss=[2 * val_loss, val_loss],
        seconds=[1.0, 1.0],
        val_loss_by_t=[val_loss] * 10,
        lie={},
        canary={"losses": [1.0] * 5, "tolerances": CANARY_TOLERANCES},
        provenance={"device": "a <chip>", "device_type": "cpu", "recorded": "2026-01-01"},
        weights=None,
    )


def make_pair(losses_a, losses_b):
    a = [make_run("none", seed, loss) for seed, loss in enumerate(losses_a)]
    b = [make_run("adagn", seed, loss) for seed, loss in enumerate(losses_b)]
    return paired_difference(a, b)


def test_difference_is_paired_by_seed_whatever_the_order():
    a = [make_run("none", seed, loss) for seed, loss in ((1, 0.10), (2, 0.20), (3, 0.30))]
    b = [make_run("adagn", seed, loss) for seed, loss in ((3, 0.33), (1, 0.11), (2, 0.22))]
    assert paired_difference(a, b).values == pytest.approx([0.01, 0.02, 0.03])


def test_interval_is_students():
    d = make_pair([0.1, 0.1, 0.1], [0.11, 0.12, 0.16])
    values = [0.01, 0.02, 0.06]
    half = 4.303 * statistics.stdev(values) / math.sqrt(3)
    assert d.mean == pytest.approx(0.03)
    assert (d.low, d.high) == pytest.approx((0.03 - half, 0.03 + half))
    assert d.relative == pytest.approx(0.3)


@pytest.mark.parametrize("df", STUDENT_95)
def test_quantiles_hold_two_and_a_half_per_cent(df):
    # Student's density, integrated by Simpson's rule from 0 to the quantile.
    norm = math.gamma((df + 1) / 2) / (math.sqrt(df * math.pi) * math.gamma(df / 2))
    n, q = 2000, STUDENT_95[df]
    xs = [q * k / n for k in range(n + 1)]
    weights = [1, *([4, 2] * (n // 2 - 1)), 4, 1]
    area = sum(
        w * norm * (1 + x * x / df) ** (-(df + 1) / 2) for w, x in zip(weights, xs, strict=True)
    )
    assert 0.5 + area * q / n / 3 == pytest.approx(0.975, abs=2e-5)


@pytest.mark.parametrize(
    ("losses_b", "winner", "words"),
    [
        ([0.05, 0.051, 0.049], "adagn", "adagn has a lower validation loss than none"),
        ([0.15, 0.151, 0.149], "none", "none has a lower validation loss than adagn"),
        ([0.05, 0.15, 0.10], None, "No difference between none and adagn can be told"),
        ([0.10, 0.10, 0.10], None, "holds 0"),
    ],
)
def test_conclusion_is_chosen_by_the_numbers(losses_b, winner, words):
    difference = make_pair([0.1, 0.1, 0.1], losses_b)
    assert difference.winner == winner
    assert words in conclude(difference)
    assert f"{difference.mean:+.5f}" in conclude(difference)


def test_two_seeds_make_a_wide_interval():
    d = make_pair([0.1, 0.1], [0.09, 0.08])
    assert d.winner is None
    assert d.high > 0


@pytest.mark.parametrize(
    ("seeds_a", "seeds_b"), [((1, 2), (1, 3)), ((1, 2), (1, 2, 2)), ((1, 1, 2), (1, 2))]
)
def test_unpaired_runs_are_refused(seeds_a, seeds_b):
    a = [make_run("none", seed, 0.1) for seed in seeds_a]
    b = [make_run("adagn", seed, 0.1) for seed in seeds_b]
    with pytest.raises(ValueError, match="runs must come in pairs of one seed each, got seeds"):
        paired_difference(a, b)


@pytest.mark.parametrize("n", [1, 11])
def test_too_few_or_too_many_pairs_are_refused(n):
    with pytest.raises(ValueError, match=f"an interval needs 2 to 10 pairs, got {n}"):
        make_pair([0.1] * n, [0.2] * n)


def test_runs_of_two_variants_are_no_side():
    a = [make_run("none", seed, 0.1) for seed in (1, 2)]
    b = [make_run("adagn", 1, 0.1), make_run("sinusoidal", 2, 0.1)]
    with pytest.raises(ValueError, match="runs_b must be of one variant, size and setting, got"):
        paired_difference(a, b)


def test_runs_of_two_sizes_are_no_pair():
    a = [make_run("none", seed, 0.1) for seed in (1, 2)]
    b = [replace(run, config=replace(run.config, variant="adagn", epochs=9)) for run in a]
    with pytest.raises(ValueError, match="runs must differ in their variant only, got none-seed1"):
        paired_difference(a, b)


# --- a run of the reader's beside a recorded one ----------------------------------------------

LOSSES = {42: 0.100, 43: 0.102, 44: 0.101}  # by seed; their mean is 0.101 and their sd 0.001
HALF_WIDTH = 4.303 * 0.001 * math.sqrt(4 / 3)


@pytest.fixture
def recorded(monkeypatch):
    """What is recorded: three seeds of one variant, and one of another."""
    found = [make_run("none", seed, loss) for seed, loss in LOSSES.items()]
    found.append(make_run("adagn", 42, 0.05))
    list_runs = comparison.list_runs
    monkeypatch.setattr(
        comparison, "list_runs", lambda folder=None: list_runs(folder) if folder else found
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
    assert found.table.rows[-1] == (2, "0.11220", "0.10200", "+10.0%")
    assert found.curves == {
        "none": [[2 * loss, loss] for loss in LOSSES.values()],
        "yours": [[0.2244, 0.1122]],
    }


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (0.101 + 0.99 * HALF_WIDTH, "yours is one of them: no sign of a mistake"),
        (0.101 + 1.01 * HALF_WIDTH, "yours ends above it. Chance does that to one run in twenty"),
        (0.101 - 1.01 * HALF_WIDTH, "yours ends below it"),
    ],
)
@pytest.mark.parametrize(("seed", "of_seed"), [(42, "the same seed"), (7, "seed 42 in place of 7")])
def test_the_verdict_is_chosen_by_the_numbers(recorded, loss, words, seed, of_seed):
    found = beside(make_run("none", seed, loss))
    assert found.likely == pytest.approx((0.101 - HALF_WIDTH, 0.101 + HALF_WIDTH), abs=1e-6)
    assert words in found.verdict
    assert f"{loss / 0.1 - 1:+.1%} from the recorded run, which has {of_seed}" in found.verdict
    assert "Judging by 3 recorded runs" in found.verdict


def test_a_copy_is_the_same_and_no_yardstick_of_itself(recorded):
    found = beside(make_run("none", 43, LOSSES[43]))
    assert found.verdict == "The two runs are the same to the last digit."
    assert [run.config.seed for run in found.others] == [42, 44]


def test_one_recorded_run_is_no_yardstick(recorded):
    found = beside(make_run("adagn", 7, 0.06))
    assert found.likely is None
    assert "Only 1 other run is recorded with this configuration" in found.verdict


def test_runs_that_were_not_trained_alike_are_laid_down_and_not_judged(recorded):
    found = beside(make_run("none", 42, 0.09, images=60_000, width=16), recorded[3])
    assert found.table.rows[-1][-1] == "+80.0%"
    assert found.curves == {"adagn": [[0.1, 0.05]], "yours": [[0.18, 0.09]]}
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
    with pytest.raises(ValueError, match=r'beside\(..., load_run\("none", seed=44\)\)'):
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
