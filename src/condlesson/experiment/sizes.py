"""How well the time can be read off images of fewer pixels, and what being told it is worth there.

Theory says that the noise level of N pixels is known to within about 1 / sqrt(N) of itself, so the
fewer pixels, the more a network has to be told. Three numbers stand beside the loss at each size:
the bound of Cramér and Rao, the error of the best guess, and that of a small network that was
trained to guess.

Source: Sun et al. 2025, arXiv:2502.13129, for the noise levels that images give away.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from condlesson.data import Mnist, reduce_images, to_model_range
from condlesson.diffusion import NUM_TIMESTEPS, alphas_cumprod, linear_beta_schedule
from condlesson.experiment.analysis import Estimate, estimate_pairs, trend
from condlesson.experiment.judge_records import noised_test_images
from condlesson.experiment.judges import Judge, guess_timesteps
from condlesson.experiment.plan import FAMILIES, Pair
from condlesson.experiment.runs import Run
from condlesson.probes import timestep_bound, timestep_floor
from condlesson.tables import true_minus

__all__ = ["bound_and_floor", "estimate_sizes", "gains", "guess_error", "trend_finding"]

NUM_BINS = 10


def bound_and_floor(data: Mnist, size: int, *, draws: int = 500) -> tuple[Tensor, Tensor]:
    """What no guess of the timestep can beat, for images of a size whose clean pixels are known.

    Args:
        data: Its test images say how large a clean pixel is.
        size: Pixels a side.
        draws: As in `condlesson.probes.timestep_floor`.

    Returns:
        The bound for guesses without a bias, and the error of the best guess of all, each the
        value in the middle of ten equal bins of t, of shape (10,), in timesteps.
    """
    x_0 = to_model_range(reduce_images(data.test_images, size))
    mean_square = x_0.square().mean().item()
    schedule = alphas_cumprod(linear_beta_schedule())
    middles = [int((k + 0.5) * NUM_TIMESTEPS / NUM_BINS) for k in range(NUM_BINS)]
    bound = timestep_bound(schedule, size**2, mean_square)[middles]
    floor = timestep_floor(schedule, size**2, middles, mean_square=mean_square, draws=draws)
    return bound, floor


def guess_error(judge: Judge, data: Mnist) -> Tensor:
    """Root mean square error of a judge of noise, in ten equal bins of t.

    Returns:
        Float64 tensor of shape (10,), in timesteps.
    """
    x_t, t = noised_test_images(data, judge.image_size)
    squares = (guess_timesteps(judge, x_t) - t).double().square()
    bins = t * NUM_BINS // NUM_TIMESTEPS
    total = torch.zeros(NUM_BINS, dtype=torch.float64).index_add_(0, bins, squares)
    return (total / torch.bincount(bins, minlength=NUM_BINS)).sqrt()


def gains(runs: Mapping[int, Mapping[str, Sequence[Run]]], pair: Pair) -> dict[int, list[float]]:
    """What being told t is worth at each size, seed by seed.

    Args:
        runs: For each size, for each network its runs.
        pair: The network that is not told t, and one that is.

    Returns:
        The logarithm of the first loss over the second, for each size in the order of the seeds;
        `condlesson.experiment.analysis.trend` takes it.

    Raises:
        ValueError: The two networks have not the same seeds at a size.
    """
    found = {}
    for size, networks in runs.items():
        untold, told = ({run.config.seed: run.final_loss for run in networks[n]} for n in pair)
        if untold.keys() != told.keys():
            raise ValueError(
                f"{pair[0]} and {pair[1]} must have the same seeds at {size} pixels, "
                f"got {sorted(untold)} and {sorted(told)}."
            )
        found[size] = [math.log(untold[seed] / told[seed]) for seed in sorted(told)]
    return found


def estimate_sizes(
    runs: Mapping[int, Mapping[str, Sequence[Run]]],
) -> tuple[dict[int, list[Estimate]], dict[Pair, Estimate]]:
    """What the plan asks of the family of sizes, with intervals that hold all together.

    Args:
        runs: As for `gains`, each network's in one order of seeds.

    Returns:
        For each size an estimate for each pair of the plan, and for each pair the trend of its gain
        when the pixels grow fourfold.
    """
    family = FAMILIES["sizes"]
    comparisons = len(family.pairs) * (len(runs) + 1)
    estimates = {
        size: estimate_pairs(
            {name: [run.final_loss for run in networks[name]] for name in family.variants},
            family.pairs,
            [family.variants],
            comparisons,
        )
        for size, networks in runs.items()
    }
    return estimates, {pair: trend(gains(runs, pair), comparisons) for pair in family.pairs}


def trend_finding(pair: Pair, estimate: Estimate) -> str:
    """State in a sentence what a trend shows, with its numbers, and no more.

    Args:
        pair: The network that is not told t, and one that is.
        estimate: The trend of its gain, as `estimate_sizes` gives it.
    """
    low, high, mean = (true_minus(f"{x:+.1%}") for x in (*estimate.interval(), estimate.relative))
    numbers = f"{mean} for each doubling of the side, interval {low} to {high}"
    words = {
        "lower": "falls as the pixels grow in number",
        "higher": "grows with the number of pixels",
        "the same": "hardly changes with the number of pixels",
        "open": "may fall or grow with the number of pixels; these runs leave it open",
    }
    gain = f"The loss of {pair[0]} as a multiple of that of {pair[1]}"
    return f"{gain} {words[estimate.verdict]} ({numbers})."
