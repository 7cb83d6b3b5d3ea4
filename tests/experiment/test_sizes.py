"""What can be read off images of fewer pixels, and the gain from being told."""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch

from condlesson.experiment.analysis import trend
from condlesson.experiment.judges import make_judge, noise_kind, train_judge
from condlesson.experiment.plan import FAMILIES, SIZES
from condlesson.experiment.sizes import (
    bound_and_floor,
    estimate_sizes,
    gains,
    guess_error,
    trend_finding,
)
from condlesson.probes import timestep_bound, timestep_floor
from condlesson.tables import true_minus

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.mark.weekly
def test_the_floor_is_that_of_all_pixels_drawn_one_by_one(schedule):
    """The same guess on whole images, in float64, with no shortcut by sums of squares."""
    pixels, true = 16, [100, 400, 800]
    alpha_bar = schedule.double()
    generator = torch.Generator().manual_seed(3)
    floor = timestep_floor(schedule, pixels, true, draws=4000)
    for t, expected in zip(true, floor, strict=True):
        noise = torch.randn(4000, pixels, generator=generator, dtype=torch.float64)
        x = -alpha_bar[t].sqrt() + (1 - alpha_bar[t]).sqrt() * noise
        normal = torch.distributions.Normal(-alpha_bar.sqrt(), (1 - alpha_bar).sqrt())
        likelihood = normal.log_prob(x[:, :, None]).sum(1)
        guess = likelihood.softmax(-1) @ torch.arange(1000).double()
        error = (guess - t).square().mean().sqrt()
        assert error == pytest.approx(expected.item(), rel=0.06)


def test_the_floor_is_the_bound_where_pixels_are_many_and_the_ends_are_far(schedule):
    bound = timestep_bound(schedule, 784)[[200, 300, 400]]
    floor = timestep_floor(schedule, 784, [200, 300, 400], draws=3000)
    torch.testing.assert_close(floor, bound, rtol=0.06, atol=0)


def test_the_best_guess_beats_the_bound_at_the_end_of_the_clock(schedule):
    """It is biased: it knows that no timestep lies beyond 999."""
    (floor,) = timestep_floor(schedule, 784, [950])
    assert floor < 0.7 * timestep_bound(schedule, 784)[950]


def test_fewer_pixels_tell_less(subset):
    found = {size: bound_and_floor(subset, size, draws=200) for size in SIZES}
    for more, fewer in itertools.pairwise(SIZES):
        (bound, floor), (bound_more, floor_more) = found[fewer], found[more]
        assert (bound > bound_more).all()
        assert (floor[:5] > floor_more[:5]).all()  # later a guess of the middle does well
        assert floor.square().mean() > floor_more.square().mean()
    assert all(bound.shape == floor.shape == (10,) for bound, floor in found.values())


@pytest.mark.parametrize("size", [16, 4])
def test_a_judge_of_fewer_pixels_reads_the_time_and_not_better_than_can_be(size, subset):
    judge = make_judge(noise_kind(size))
    list(train_judge(judge, noise_kind(size), subset, steps=200))
    error = guess_error(judge, subset)
    spread = 1000 / math.sqrt(12)
    assert error.square().mean().sqrt() < 0.7 * spread
    _, floor = bound_and_floor(subset, size, draws=200)
    assert error.square().mean() > 0.9 * floor.square().mean()


def made_up(losses):
    return [
        SimpleNamespace(config=SimpleNamespace(seed=seed), final_loss=loss)
        for seed, loss in losses.items()
    ]


def test_gains_are_logarithms_of_ratios_seed_by_seed():
    runs = {
        28: {"gn_none": made_up({1: 0.05, 2: 0.06}), "adagn": made_up({2: 0.05, 1: 0.04})},
        4: {"gn_none": made_up({1: 0.2, 2: 0.2}), "adagn": made_up({1: 0.1, 2: 0.1})},
    }
    found = gains(runs, ("gn_none", "adagn"))
    assert found[28] == pytest.approx([math.log(0.05 / 0.04), math.log(0.06 / 0.05)])
    assert found[4] == pytest.approx([math.log(2)] * 2)
    assert trend(found).mean < 0


def test_gains_need_the_same_seeds():
    runs = {8: {"gn_none": made_up({1: 0.05}), "adagn": made_up({2: 0.05})}}
    with pytest.raises(ValueError, match="must have the same seeds at 8 pixels"):
        gains(runs, ("gn_none", "adagn"))


def made_up_sizes(gain_of, noise=0.002):
    """Runs of the plan's networks, whose gain from t at a size is given, with a little luck."""
    family, generator = FAMILIES["sizes"], torch.Generator().manual_seed(5)

    def loss(size, name):
        luck = noise * torch.randn((), generator=generator).item()
        return 0.1 * math.exp(luck - (gain_of(size) if name != "gn_none" else 0))

    return {
        size: {
            name: made_up({seed: loss(size, name) for seed in family.seeds})
            for name in family.variants
        }
        for size in SIZES[1:]
    }


@pytest.mark.parametrize(
    ("gain_of", "verdict", "words"),
    [
        (lambda size: 1 / size, "lower", "falls as the pixels grow in number"),
        (lambda size: size / 100, "higher", "grows with the number of pixels"),
        (lambda size: 0.05, "the same", "hardly changes"),
    ],
)
def test_the_trend_over_sizes_is_found_and_said(gain_of, verdict, words):
    estimates, trends = estimate_sizes(made_up_sizes(gain_of))
    assert list(trends) == list(FAMILIES["sizes"].pairs)
    for pair, trend_of_pair in trends.items():
        assert trend_of_pair.verdict == verdict
        sentence = trend_finding(pair, trend_of_pair)
        assert f"as a multiple of that of {pair[1]} {words}" in sentence
        mean = true_minus(f"{trend_of_pair.relative:+.1%}")
        assert f"({mean} for each doubling of the side, interval" in sentence
    for size, of_size in estimates.items():
        for estimate in of_size:
            assert estimate.relative == pytest.approx(math.expm1(-gain_of(size)), abs=0.005)
            assert estimate.verdict == "lower"


def test_a_trend_that_scatters_is_open():
    _, trends = estimate_sizes(made_up_sizes(lambda size: 0.05, noise=0.1))
    for pair, estimate in trends.items():
        assert estimate.verdict == "open"
        assert "these runs leave it open" in trend_finding(pair, estimate)


def test_the_intervals_of_all_sizes_and_trends_hold_together():
    estimates, trends = estimate_sizes(made_up_sizes(lambda size: 0.05))
    every = [*trends.values(), *itertools.chain(*estimates.values())]
    assert {estimate.comparisons for estimate in every} == {len(every)} == {8}
