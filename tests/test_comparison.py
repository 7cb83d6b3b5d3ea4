import math
import statistics
from dataclasses import replace

import pytest

from condlesson.comparison import STUDENT_95, beside, conclude, paired_difference
from condlesson.runs import Run
from condlesson.training import TrainConfig


def make_run(variant, seed, val_loss):
    return Run(
        config=TrainConfig(variant=variant, seed=seed),
        train_loss=[1.0, 0.5],
        val_loss=[2 * val_loss, val_loss],
        seconds=[1.0, 1.0],
        val_loss_by_t=[val_loss] * 10,
        lie={},
        canary={},
        provenance={},
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


def test_runs_lie_beside_each_other():
    table = beside(make_run("none", 0, 0.11), make_run("none", 1, 0.1))
    assert table.rows[-1] == (2, "0.11000", "0.10000", "+10.0%")
    assert "none-seed0" in table.columns[1]
    assert "none-seed1" in table.columns[2]


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
