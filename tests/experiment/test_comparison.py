import math
from dataclasses import replace

import pytest

from condlesson.experiment import comparison
from condlesson.experiment.canaries import CANARY_TOLERANCES
from condlesson.experiment.comparison import (
    comparison_table,
    conclude,
    conclusions,
    losses_of,
    paired_difference,
    runs_of,
    runs_of_family,
)
from condlesson.experiment.records import RunError
from condlesson.experiment.runs import Run
from condlesson.training import TIERS, TrainConfig

SHARE = 0.001  # of each loss, that it may be off on another kind of machine


def make_run(variant, seed, val_loss, **config):
    config = TrainConfig(variant=variant, seed=seed, **config)
    return Run(
        config=config,
        train_loss=[0.5] * config.epochs,
        val_loss=[2 * val_loss] * (config.epochs - 1) + [val_loss],
        seconds=[1.0] * config.epochs,
        val_loss_by_t=[val_loss] * 10,
        lie={"timesteps": [0], "loss": [[val_loss]]},
        canary={"losses": [1.0] * 5, "tolerances": CANARY_TOLERANCES},
        provenance={
            "device": "a <chip>",
            "device_type": "cpu",
            "threads": 1,
            "torch": "2.14.1",
            "recorded": "2026-01-01",
            "wall_seconds": 1.0,
            "data_sha256": "0" * 64,
        },
        tolerances={"train_loss": SHARE, "val_loss": SHARE, "final_val_loss": SHARE},
        weights=None,
        outputs=None,
    )


def make_pair(losses_a, losses_b):
    a = [make_run("none", seed, loss) for seed, loss in enumerate(losses_a)]
    b = [make_run("adagn", seed, loss) for seed, loss in enumerate(losses_b)]
    return paired_difference(a, b)


def test_difference_is_paired_by_seed_whatever_the_order():
    a = [make_run("none", seed, loss) for seed, loss in ((1, 0.10), (2, 0.20), (3, 0.40))]
    b = [make_run("adagn", seed, loss) for seed, loss in ((3, 0.44), (1, 0.11), (2, 0.21))]
    assert paired_difference(a, b).values == pytest.approx([0.1, 0.05, 0.1])


def test_losses_come_in_the_order_of_the_seeds():
    runs = {"none": [make_run("none", seed, seed / 10) for seed in (3, 1, 2)]}
    assert losses_of(runs) == {"none": [0.1, 0.2, 0.3]}


def test_the_mean_has_students_interval():
    d = make_pair([0.1, 0.1, 0.1], [0.11, 0.12, 0.16])
    logs = [math.log(x) for x in (1.1, 1.2, 1.6)]
    mean = sum(logs) / 3
    half = 4.3027 * math.sqrt(sum((x - mean) ** 2 for x in logs) / 2 / 3)
    expected = [math.expm1(mean + sign * half) for sign in (-1, 1)]
    assert d.interval() == (d.low, d.high) == pytest.approx(expected, abs=1e-4)
    assert d.relative == pytest.approx(math.expm1(mean))
    assert (d.a, d.b, d.df, d.comparisons, d.pooled) == ("none", "adagn", 2, 1, False)
    assert d.in_percent() == (pytest.approx([10, 20, 60]), *(100 * end for end in d.interval()))


def test_the_final_loss_of_a_run_counts():
    """That of the averaged weights, where there is one, and not the last of the epochs."""
    a, b = make_run("none", 1, 0.1), make_run("adagn", 1, 0.1)
    b = replace(b, final={"loss": 0.09})
    assert paired_difference([a], [b]).relative == pytest.approx(-0.1)


@pytest.mark.parametrize(
    ("losses_b", "verdict"),
    [
        ([0.05, 0.051, 0.049], "lower"),
        ([0.15, 0.151, 0.149], "higher"),
        ([0.05, 0.11, 0.10], "open"),
        ([0.0997, 0.0997, 0.0998], "lower"),  # small, and told
        ([0.1, 0.1001, 0.0999], "the same"),
        ([0.1, 0.1, 0.1], "the same"),
    ],
)
def test_the_verdict_is_chosen_by_the_numbers(losses_b, verdict):
    d = make_pair([0.1, 0.1, 0.1], losses_b)
    (row,) = comparison_table([d]).rows
    assert row[0] == "adagn − none"
    assert [cell.replace("−", "-") for cell in row[1:4]] == [
        f"{share:+.1%}" for share in (d.relative, *d.interval())
    ]
    assert row[-1] == d.verdict == verdict
    assert conclusions([d, d]) == f"- {conclude(d)}\n- {conclude(d)}"


def test_one_seed_gives_no_interval_and_no_conclusion():
    d = make_pair([0.1], [0.05])
    assert d.interval() == (-1, math.inf)
    assert (d.verdict, d.is_small) == ("open", False)
    assert comparison_table([d]).rows[0][2:] == ("none", "none", "open")
    assert conclude(d) == (
        "With one seed, adagn ends 50.0% below none. One seed gives no interval, so nothing "
        "follows from it about the two networks."
    )
    assert conclude(make_pair([0.1], [0.11])).startswith("With one seed, adagn ends 10.0% above")


def test_a_table_has_a_head():
    head = ["pair", "difference", "interval from", "to", "what follows"]
    assert list(comparison_table([]).columns) == head


def test_two_seeds_make_a_wide_interval():
    d = make_pair([0.1, 0.1], [0.09, 0.08])
    assert d.verdict == "open"
    assert d.interval()[1] > 0


def test_a_higher_level_may_no_longer_exclude_zero():
    d = make_pair([0.1, 0.1, 0.1], [0.09, 0.088, 0.094])
    assert d.interval()[1] < 0 < d.interval(0.997)[1]


def test_more_than_ten_seeds_are_no_trouble():
    assert make_pair([0.1] * 12, [0.09 + 0.0001 * k for k in range(12)]).verdict == "lower"


@pytest.mark.parametrize(
    ("seeds_a", "seeds_b"), [((1, 2), (1, 3)), ((1, 2), (1, 2, 2)), ((1, 1, 2), (1, 2))]
)
def test_unpaired_runs_are_refused(seeds_a, seeds_b):
    a = [make_run("none", seed, 0.1) for seed in seeds_a]
    b = [make_run("adagn", seed, 0.1) for seed in seeds_b]
    with pytest.raises(ValueError, match="runs must come in pairs of one seed each, got seeds"):
        paired_difference(a, b)


def test_no_runs_are_refused():
    with pytest.raises(ValueError, match="runs_a must be of one variant, got no run"):
        make_pair([], [])


def test_runs_of_two_variants_are_no_side():
    a = [make_run("none", seed, 0.1) for seed in (1, 2)]
    b = [make_run("adagn", 1, 0.1), make_run("sinusoidal", 2, 0.1)]
    names = "adagn-seed1-12800x5, sinusoidal-seed2-12800x5"
    told = f"runs_b must be of one variant, got {names}"
    with pytest.raises(ValueError, match=told):
        paired_difference(a, b)


def test_runs_of_two_sizes_are_no_pair():
    a = [make_run("none", seed, 0.1) for seed in (1, 2)]
    b = [replace(run, config=replace(run.config, variant="adagn", epochs=9)) for run in a]
    names = ", ".join(sorted(run.name for run in (*a, *b)))
    told = f"runs must differ in their variant and seed only, got {names}"
    with pytest.raises(ValueError, match=told):
        paired_difference(a, b)


def test_runs_are_found_by_their_size(monkeypatch):
    wanted = [make_run("none", seed, 0.1) for seed in (44, 42)] + [make_run("adagn", 42, 0.1)]
    full = make_run("none", 42, 0.1)
    full = replace(full, config=replace(TIERS["full"], variant="none"))
    narrow = make_run("none", 43, 0.1, width=16)
    monkeypatch.setattr(comparison, "list_runs", lambda _: [*wanted, full, narrow])
    assert runs_of("small") == {"none": [wanted[1], wanted[0]], "adagn": [wanted[2]]}
    assert runs_of("full") == {"none": [full]}
    assert runs_of("quick") == {}
    assert runs_of("small", [narrow, wanted[0]]) == {"none": [wanted[0]]}
    with pytest.raises(ValueError, match=f"tier must be one of {', '.join(TIERS)}, got 'large'"):
        runs_of("large")


def test_a_family_must_be_whole(tmp_path):
    with pytest.raises(RunError, match=r"run gn_none-seed45-.*image_size16.* is missing\. Make it"):
        runs_of_family("sizes", tmp_path)
