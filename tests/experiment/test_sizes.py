"""What can be read off images of fewer pixels, and the gain from being told."""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch

from condlesson.experiment.analysis import trend
from condlesson.experiment.plan import SIZES
from condlesson.experiment.sizes import bound_and_floor, gains, guess_error, trained_judge
from condlesson.probes import timestep_bound, timestep_floor

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
    judge = trained_judge(subset, size, steps=200)
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
