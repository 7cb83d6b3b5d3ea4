"""The planned analysis on made-up results: every branch, and its numbers against other formulas."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from condlesson.experiment import analysis
from condlesson.experiment.analysis import (
    Assumptions,
    Estimate,
    conclude,
    estimate_pairs,
    fit,
    power,
    trend,
)
from condlesson.experiment.intervals import student_quantile
from condlesson.experiment.plan import ALPHA

NETWORKS = ("a", "b", "c", "d")
GROUPS = (NETWORKS,)


def made_up(effects, sd=0.005, seeds=8, seed=1, luck=0.02):
    """Losses of networks that differ by shares, with luck of each seed and noise of each run."""
    rng = np.random.default_rng(seed)
    shared = luck * rng.standard_normal(seeds)
    return {
        name: (0.05 * (1 + effect) * np.exp(shared + sd * rng.standard_normal(seeds))).tolist()
        for name, effect in zip(NETWORKS, effects, strict=True)
    }


def only(effect, pair=("a", "b"), **kwargs):
    losses = made_up((0, effect, 0, 0), **kwargs)
    return estimate_pairs(losses, [pair], GROUPS)[0]


# --- verdicts ---------------------------------------------------------------------------------

VERDICTS = {
    "lower": (-0.08, 0.005, "lower", False),
    "higher": (0.08, 0.005, "higher", False),
    "lower, and small": (-0.008, 0.0005, "lower", True),
    "higher, and small": (0.008, 0.0005, "higher", True),
    "the same": (0.0, 0.005, "the same", True),
    "open, about nothing": (0.0, 0.05, "open", False),
    "open, with a gap": (-0.03, 0.05, "open", False),
}


@pytest.mark.parametrize("case", VERDICTS)
def test_verdicts(case):
    effect, sd, verdict, small = VERDICTS[case]
    found = only(effect, sd=sd)
    assert found.pooled
    assert (found.verdict, found.is_small) == (verdict, small)


SMALL = r"\. A difference of less than 2% is small\.$"
WORDS = {
    "lower": r"b ends \d\.\d% below a \(interval −\d\.\d% to −\d\.\d%\)\.$",
    "higher": r"b ends \d\.\d% above a \(interval \+\d.* to \+\d.*%\)\.$",
    "lower, and small": r"b ends 0\.\d% below a \(.*\)" + SMALL,
    "higher, and small": r"b ends 0\.\d% above a \(.*\)" + SMALL,
    "the same": r"b and a end with the same loss within 2% \(.\d\.\d% of the loss, interval",
    "open, about nothing": r"Whether b ends below or above a is open \(.* interval −\d.* to \+\d",
    "open, with a gap": r"Whether b ends below or above a is open \(",
}


@pytest.mark.parametrize("case", WORDS)
def test_words(case):
    effect, sd, *_ = VERDICTS[case]
    assert re.match(WORDS[case], conclude(only(effect, sd=sd)))


def test_the_margin_itself_is_not_within_the_margin():
    exact = Estimate("a", "b", math.log(1.02), 1e-9, 21, 1, pooled=True)
    assert not exact.is_small
    assert replace(exact, mean=math.log(1.0199)).is_small
    assert replace(exact, mean=-math.log(1.0199)).is_small


# --- the layout -------------------------------------------------------------------------------


def test_the_layout_is_that_of_least_squares():
    """Against NumPy's solver, on the design matrix of the model."""
    losses = made_up((0, 0.1, -0.2, 0.3), seeds=5)
    y = np.log(np.array(list(losses.values())))
    rows, columns = np.indices(y.shape)
    design = np.concatenate([np.eye(4)[rows.ravel()], np.eye(5)[columns.ravel()][:, 1:]], axis=1)
    _, rest, rank, _ = np.linalg.lstsq(design, y.ravel(), rcond=None)
    layout = fit(losses)
    assert layout.df == y.size - rank == 12
    assert layout.sd == pytest.approx(math.sqrt(rest[0] / layout.df))


def test_two_networks_alone_are_compared_as_students_pairs():
    """With two networks the pooled interval is the paired one."""
    losses = {name: values for name, values in made_up((0, 0.1, 0, 0)).items() if name in "ab"}
    found = estimate_pairs(losses, [("a", "b")], [("a", "b")])[0]
    d = np.log(losses["b"]) - np.log(losses["a"])
    half_width = student_quantile(7) * d.std(ddof=1) / math.sqrt(8)
    assert found.df == 7
    assert found.interval() == pytest.approx(
        (math.expm1(d.mean() - half_width), math.expm1(d.mean() + half_width))
    )


def test_the_luck_of_a_seed_is_in_no_interval():
    quiet, loud = (only(-0.05, luck=luck) for luck in (0, 0.5))
    assert loud.interval() == pytest.approx(quiet.interval())


def test_more_comparisons_widen_every_interval_as_bonferroni_says():
    losses = made_up((0, 0.1, 0, 0))
    one, ten = (estimate_pairs(losses, [("a", "b")], GROUPS, n)[0] for n in (1, 10))
    ratio = np.diff(np.log1p(ten.interval())) / np.diff(np.log1p(one.interval()))
    assert ratio == pytest.approx(student_quantile(21, 0.995) / student_quantile(21, 0.95))


@pytest.mark.slow
def test_intervals_hold_together_as_often_as_they_say():
    """Of 14 pairs of networks that do not differ, in 400 made-up experiments."""
    pairs = [(x, y) for x in NETWORKS for y in NETWORKS if x < y]
    missed = 0
    for seed in range(400):
        estimates = estimate_pairs(made_up((0, 0, 0, 0), seed=seed), pairs, GROUPS)
        missed += any(not e.interval()[0] <= 0 <= e.interval()[1] for e in estimates)
    assert missed / 400 < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert missed > 0


def test_pairs_across_groups_pool_their_own_scatter():
    losses = made_up((0, 0.1, 0, 0.1))
    across = [("a", "b"), ("c", "d")]
    found = estimate_pairs(losses, across, [("a", "c"), ("b", "d")])
    d = np.array([np.log(losses[y]) - np.log(losses[x]) for x, y in across])
    sd = math.sqrt(d.var(axis=1, ddof=1).mean())
    assert [e.df for e in found] == [14, 14]
    assert [e.error for e in found] == pytest.approx([sd / math.sqrt(8)] * 2)
    assert all(e.pooled for e in found)


def test_a_single_pair_across_groups_has_nothing_to_pool_with():
    losses = made_up((0, 0.1, 0, 0.1))
    found = estimate_pairs(losses, [("a", "b")], [("a", "c"), ("b", "d")])[0]
    assert (found.df, found.pooled) == (7, False)


@pytest.mark.parametrize(
    "losses", [{}, {"a": [1, 2]}, {"a": [1], "b": [2]}, {"a": [1, 2], "b": [1]}]
)
def test_layouts_that_cannot_be_fitted_are_refused(losses):
    with pytest.raises(ValueError, match="losses must hold two networks or more, with as many"):
        fit(losses)


# --- the assumptions --------------------------------------------------------------------------


def test_the_assumptions_hold_where_the_model_does_as_often_as_they_should():
    tests = [fit(made_up((0, 0.1, -0.2, 0.3), seed=seed)).assumptions for seed in range(60)]
    for name in ("additive", "even", "normal"):
        values = np.array([getattr(test, name) for test in tests])
        assert 0.35 < values.mean() < 0.65, name
        assert (values < 0.05).mean() < 0.15, name


def uneven(losses):
    noise = np.random.default_rng(0).standard_normal(8)
    return {**losses, "d": (np.array(losses["d"]) * np.exp(0.1 * noise)).tolist()}


def one_outlier(losses):
    return {**losses, "d": [*losses["d"][:-1], losses["d"][-1] * 1.3]}


def not_additive(losses):
    """The luck of a seed counts threefold for the highest network."""
    shared = np.log(losses["a"]) - np.log(losses["a"]).mean()
    return {
        name: (np.array(values) * np.exp(k * 3 * shared)).tolist()
        for k, (name, values) in enumerate(losses.items())
    }


FAULTS = {"even": uneven, "normal": one_outlier, "additive": not_additive}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_assumption_is_noticed_and_each_pair_stands_alone(name):
    losses = FAULTS[name](made_up((0, 0.1, 0.2, 0.3)))
    assumptions = fit(losses).assumptions
    assert getattr(assumptions, name) < ALPHA
    assert not assumptions.hold
    found = estimate_pairs(losses, [("a", "b")], GROUPS)[0]
    assert (found.pooled, found.df) == (False, 7)
    d = np.log(losses["b"]) - np.log(losses["a"])
    assert found.error == pytest.approx(d.std(ddof=1) / math.sqrt(8))


def test_one_failing_assumption_is_enough():
    assert Assumptions(0.5, 0.5, 0.5).hold
    for values in ((0.001, 0.5, 0.5), (0.5, 0.001, 0.5), (0.5, 0.5, 0.001)):
        assert not Assumptions(*values).hold


# --- trend and power --------------------------------------------------------------------------


def gains(slope, sd=0.01):
    rng = np.random.default_rng(2)
    return {
        size: (0.2 + slope * math.log2(size) + sd * rng.standard_normal(8)).tolist()
        for size in (28, 16, 8, 4)
    }


@pytest.mark.parametrize(
    ("slope", "verdict"), [(-0.05, "lower"), (0.05, "higher"), (0.0, "the same")]
)
def test_the_trend_is_the_slope_of_each_seed(slope, verdict):
    values = gains(slope)
    found = trend(values)
    x = np.log2(list(values))
    slopes = [np.polyfit(x, [values[size][k] for size in values], 1)[0] for k in range(8)]
    assert found.mean == pytest.approx(np.mean(slopes))
    assert found.error == pytest.approx(np.std(slopes, ddof=1) / math.sqrt(8))
    assert found.verdict == verdict


@pytest.mark.slow
def test_power_is_what_the_rule_itself_does():
    """Against the rule on made-up experiments."""
    expected = power(0.006, 8, 4, 1)
    told = [only(0.02, sd=0.006, seed=s).verdict == "higher" for s in range(300)]
    same = [only(0.0, sd=0.006, seed=s).verdict == "the same" for s in range(300)]
    assert np.mean(told) == pytest.approx(expected["told"], abs=0.07)
    assert np.mean(same) == pytest.approx(expected["same"], abs=0.07)


def test_more_seeds_and_less_scatter_have_more_power():
    few, many = (power(0.01, seeds, 6, 14) for seeds in (3, 12))
    assert few["told"] < many["told"]
    assert few["same"] < many["same"]
    assert power(0.002, 8, 6, 14)["told"] > 0.99
    assert analysis.DRAWS >= 10_000
