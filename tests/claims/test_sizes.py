"""What is said of images of fewer pixels, from the runs of the plan's family of sizes."""

import itertools

import pytest
import torch

from condlesson.data import load_subset
from condlesson.experiment import sizes
from condlesson.experiment.analysis import fit
from condlesson.experiment.comparison import runs_of_family
from condlesson.experiment.judge_records import load_judge
from condlesson.experiment.judges import noise_kind
from condlesson.experiment.plan import SIZES
from condlesson.probes import rank_correlation

pytestmark = pytest.mark.slow  # a part of `make book`


@pytest.fixture(scope="module")
def sized():
    """For each size, from the largest to the smallest, for each network its runs."""
    return {setting.image_size: runs for setting, runs in runs_of_family("sizes").items()}


@pytest.fixture(scope="module")
def estimated(sized):
    return sizes.estimate_sizes(sized)


@pytest.fixture(scope="module")
def shares(sized):
    """Of each size the loss with t over that without it, of both networks, in ten bins of t."""
    losses = {
        size: {v: torch.tensor([run.val_loss_by_t for run in seeds]).mean(0)
               for v, seeds in runs.items()} for size, runs in sized.items()
    }  # fmt: skip
    return {
        size: torch.stack([loss[v] / loss["gn_none"] for v in ("gn_additive", "adagn")])
        for size, loss in losses.items()
    }


@pytest.fixture(scope="module")
def errors():
    """Of each size the error of its judge, in ten bins of t."""
    data = load_subset()
    return {size: sizes.guess_error(load_judge(noise_kind(size)), data) for size in SIZES}


def test_fewer_pixels_show_the_time_less(errors):
    data = load_subset()
    overall = {}
    for size in SIZES:
        _, floor = sizes.bound_and_floor(data, size)
        by_judge, best = (e.square().mean().sqrt() for e in (errors[size], floor))
        assert best < by_judge < 1.25 * best
        overall[size] = by_judge
        # Below the bound late on the clock, and above it early.
        bound, _ = sizes.bound_and_floor(data, size)
        assert errors[size][0] > bound[0]
        assert errors[size][-1] < bound[-1]
    assert list(overall.values()) == sorted(overall.values())
    early = [errors[size][:4] for size in SIZES]
    assert all((fewer > more).all() for more, fewer in itertools.pairwise(early))


def test_time_is_worth_more_on_fewer_pixels(estimated):
    estimates, trends = estimated
    assert {estimate.verdict for estimate in trends.values()} == {"lower"}
    assert {e.verdict for of_size in estimates.values() for e in of_size} == {"lower"}
    for at_16, at_8, at_4 in zip(*estimates.values(), strict=True):
        assert at_16.interval()[0] < at_8.interval()[1]  # these two overlap
        assert at_8.interval()[0] < at_16.interval()[1]
        assert at_4.interval()[1] < at_8.interval()[0]
        assert 1.9 < at_4.relative / at_8.relative < 2.3


def test_one_size_fails_the_test_of_additivity(sized, estimated):
    holds = {
        size: fit({v: [r.final_loss for r in seeds] for v, seeds in runs.items()}).assumptions.hold
        for size, runs in sized.items()
    }
    assert holds == {16: True, 8: True, 4: False}
    assert {size: {e.pooled for e in of} for size, of in estimated[0].items()} == {
        size: {hold} for size, hold in holds.items()
    }


def test_time_begins_to_matter_earlier_on_fewer_pixels(shares):
    for share in shares.values():
        assert share[:, 0].min() > 0.89
    for more, fewer in itertools.pairwise((16, 8, 4)):
        assert (shares[fewer][:, 2:5] < shares[more][:, 2:5]).all()
    assert (shares[4][:, 1:] < torch.minimum(shares[8], shares[16])[:, 1:]).all()
    assert (shares[8][:, -1] - shares[16][:, -1]).abs().max() < 0.05
    assert (shares[8][:, -1] > shares[16][:, -1]).all()


def test_gain_goes_with_the_error_of_the_judge(shares, errors):
    error = torch.cat([errors[size] for size in shares])
    share = torch.cat([both[1] for both in shares.values()])
    assert rank_correlation(error, share) < -0.8
    for size, both in shares.items():  # within each size too
        assert rank_correlation(errors[size], both[1]) < -0.6
    assert share[error < 30].min() > 0.84
    assert share[error >= 80].max() < 2 / 3
