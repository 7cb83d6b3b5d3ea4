import math
from dataclasses import replace

import pytest

from condlesson.experiment import comparison
from condlesson.experiment.canaries import CANARY_TOLERANCES
from condlesson.experiment.comparison import (
    LEAST,
    comparison_table,
    conclude,
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
    a = [make_run("none", seed, loss) for seed, loss in ((1, 0.10), (2, 0.20), (3, 0.30))]
    b = [make_run("adagn", seed, loss) for seed, loss in ((3, 0.33), (1, 0.11), (2, 0.22))]
    assert paired_difference(a, b).values == pytest.approx([0.01, 0.02, 0.03])


def test_the_mean_has_students_interval():
    d = make_pair([0.1, 0.1, 0.1], [0.11, 0.12, 0.16])
    half = 4.3027 * math.sqrt((0.02**2 + 0.01**2 + 0.03**2) / 2 / 3)
    assert (d.mean, d.low, d.high) == pytest.approx((0.03, 0.03 - half, 0.03 + half), abs=1e-5)
    assert d.relative == pytest.approx(0.3)
    assert d.tolerance == pytest.approx(0.16 * SHARE)  # the largest of all runs


NO_DIFFERENCE = "No difference between none and adagn can be told with 3 seeds"
HOLDS_ZERO, SMALL = "The interval holds 0", "The mean is below 4 times the 0.00010 by which"


@pytest.mark.parametrize(
    ("losses_b", "winner", "words", "unsaid"),
    [
        (
            [0.05, 0.051, 0.049],
            "adagn",
            ["adagn has a lower validation loss than none on average over 3 seeds"],
            ["cannot", "No difference", "holds 0", "below 4 times"],
        ),
        (
            [0.15, 0.151, 0.149],
            "none",
            ["none has a lower validation loss than adagn on average over 3 seeds"],
            ["cannot", "No difference", "holds 0", "below 4 times"],
        ),
        (  # large on average, and scattered
            [0.05, 0.11, 0.10],
            None,
            [NO_DIFFERENCE, HOLDS_ZERO],
            ["lower validation loss", "below 4 times", "excludes 0"],
        ),
        (  # steady, and small
            [0.0997, 0.0997, 0.0997],
            None,
            [NO_DIFFERENCE, "The interval excludes 0, but that is not enough", SMALL],
            ["lower validation loss", "holds 0", "scatter"],
        ),
        ([0.0999, 0.1001, 0.1], None, [NO_DIFFERENCE, HOLDS_ZERO, SMALL], ["excludes 0"]),
        ([0.1, 0.1, 0.1], None, [NO_DIFFERENCE, HOLDS_ZERO, SMALL], ["excludes 0"]),
    ],
)
def test_conclusion_is_chosen_by_the_numbers(losses_b, winner, words, unsaid):
    difference = make_pair([0.1, 0.1, 0.1], losses_b)
    said = conclude(difference).replace("−", "-")
    assert difference.winner == winner
    assert [word for word in words if word not in said] == []
    assert [word for word in unsaid if word in said] == []
    assert f"{difference.mean:+.5f} ({abs(difference.relative):.1%} of the loss of none)" in said
    assert f"{difference.low:+.5f} to {difference.high:+.5f}" in said


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_mean_counts_from_four_tolerances_on(sign):
    """The runs of a have the larger tolerance if sign is -1; a hair's breadth either way."""
    edge = LEAST * 0.1 * SHARE if sign < 0 else LEAST * 0.1 * SHARE / (1 - LEAST * SHARE)
    for factor, told in ((1.001, True), (0.999, False)):
        d = make_pair([0.1, 0.1, 0.1], [0.1 + sign * factor * edge] * 3)
        assert d.excludes_zero()
        assert d.is_large is told
        assert (d.winner is not None) is told


def test_one_seed_gives_no_interval_and_no_conclusion():
    d = make_pair([0.1], [0.05])
    said = conclude(d)
    assert (d.low, d.high) == (-math.inf, math.inf)
    assert d.winner is None
    assert said == (
        "With one seed, adagn minus none is −0.05000 (50.0% of the loss of none). One seed gives "
        "no interval, so nothing follows from it about the two networks."
    )


@pytest.mark.parametrize(
    ("losses_b", "verdict"),
    [
        ([0.05, 0.051, 0.049], "adagn is lower"),
        ([0.15, 0.151, 0.149], "none is lower"),
        ([0.05, 0.11, 0.10], "cannot tell: seeds scatter"),
        ([0.0999, 0.0999, 0.0999], "cannot tell: too small"),
        ([0.0999, 0.1001, 0.1], "cannot tell: seeds scatter, too small"),
    ],
)
def test_a_table_says_what_follows_and_why_not(losses_b, verdict):
    d = make_pair([0.1] * 3, losses_b)
    (row,) = comparison_table([d]).rows
    assert row[0] == "adagn − none"
    assert (float(row[1]), float(row[3])) == pytest.approx((d.mean, d.low), abs=1e-5)
    assert row[-1] == d.verdict == verdict


def test_a_table_has_a_head():
    head = ["pair", "mean", "share", "95% from", "to", "what follows"]
    assert list(comparison_table([]).columns) == head


def test_what_failed_is_said_in_whole_sentences():
    said = conclude(make_pair([0.1, 0.1, 0.1], [0.0999, 0.1001, 0.1]))
    assert said.endswith(
        ". The interval holds 0: the seeds scatter too much to tell a difference from luck. The "
        "mean is below 4 times the 0.00010 by which a loss may differ on another kind of machine: "
        "too small to count, whichever way it points."
    )


def test_two_seeds_make_a_wide_interval():
    d = make_pair([0.1, 0.1], [0.09, 0.08])
    assert d.winner is None
    assert d.high > 0


def test_a_higher_level_may_no_longer_exclude_zero():
    d = make_pair([0.1, 0.1, 0.1], [0.09, 0.088, 0.094])
    assert d.excludes_zero()
    assert not d.excludes_zero(0.997)


def test_more_than_ten_seeds_are_no_trouble():
    d = make_pair([0.1] * 12, [0.09 + 0.0001 * k for k in range(12)])
    assert d.winner == "adagn"


@pytest.mark.parametrize(
    ("seeds_a", "seeds_b"), [((1, 2), (1, 3)), ((1, 2), (1, 2, 2)), ((1, 1, 2), (1, 2))]
)
def test_unpaired_runs_are_refused(seeds_a, seeds_b):
    a = [make_run("none", seed, 0.1) for seed in seeds_a]
    b = [make_run("adagn", seed, 0.1) for seed in seeds_b]
    with pytest.raises(ValueError, match="runs must come in pairs of one seed each, got seeds"):
        paired_difference(a, b)


def test_no_runs_are_refused():
    with pytest.raises(ValueError, match="runs_a must be of one variant, size and setting, got no"):
        make_pair([], [])


def test_runs_of_two_variants_are_no_side():
    a = [make_run("none", seed, 0.1) for seed in (1, 2)]
    b = [make_run("adagn", 1, 0.1), make_run("sinusoidal", 2, 0.1)]
    names = "adagn-seed1-12800x5, sinusoidal-seed2-12800x5"
    told = f"runs_b must be of one variant, size and setting, got {names}"
    with pytest.raises(ValueError, match=told):
        paired_difference(a, b)


def test_runs_of_two_sizes_are_no_pair():
    a = [make_run("none", seed, 0.1) for seed in (1, 2)]
    b = [replace(run, config=replace(run.config, variant="adagn", epochs=9)) for run in a]
    names = "none-seed1-12800x5 and adagn-seed1-12800x9"
    with pytest.raises(ValueError, match=f"runs must differ in their variant only, got {names}"):
        paired_difference(a, b)


def test_runs_are_found_by_their_size(monkeypatch):
    wanted = [make_run("none", seed, 0.1) for seed in (44, 42)] + [make_run("adagn", 42, 0.1)]
    full = make_run("none", 42, 0.1, images=60_000, epochs=10)
    narrow = make_run("none", 43, 0.1, width=16)
    monkeypatch.setattr(comparison, "list_runs", lambda: [*wanted, full, narrow])
    assert runs_of("small") == {"none": [wanted[1], wanted[0]], "adagn": [wanted[2]]}
    assert runs_of("full") == {"none": [full]}
    assert runs_of("quick") == {}
    assert runs_of("small", [narrow, wanted[0]]) == {"none": [wanted[0]]}
    with pytest.raises(ValueError, match=f"tier must be one of {', '.join(TIERS)}, got 'large'"):
        runs_of("large")


def test_a_family_must_be_whole(tmp_path):
    with pytest.raises(RunError, match=r"run gn_none-seed45-.*image_size16.* is missing\. Make it"):
        runs_of_family("sizes", tmp_path)
