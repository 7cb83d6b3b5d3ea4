"""What exercise 5 says of the network that is told classes, from its record."""

import pytest
import torch

from condlesson.experiment import judges
from condlesson.experiment.intervals import mean_interval
from condlesson.experiment.judge_records import load_judge
from condlesson.experiment.outputs import from_bytes
from condlesson.experiment.told_classes import load_classes

pytestmark = pytest.mark.slow  # a part of `make book`


@pytest.fixture(scope="module")
def told():
    return load_classes()


@pytest.fixture(scope="module")
def drawn(told):
    """By guidance scale, for each set: the share that is right, and the spread in a class."""
    judge, labels = load_judge(judges.DIGITS), torch.tensor(told["labels"])
    measures = (judges.accuracy, judges.spread_within_classes)
    return {
        scale: torch.tensor([[m(judge, from_bytes(x), labels) for m in measures] for x in sets])
        for scale, sets in zip(told["scales"].tolist(), told["drawn"], strict=True)
    }


def test_guidance_finds_the_digit_and_takes_variety(drawn):
    (right_1, spread_1), (right_3, spread_3), (_, spread_8) = (drawn[s].T for s in (1.0, 3.0, 8.0))
    assert (right_3 > right_1).all()  # in each of the sets
    assert (spread_8 < spread_3).all()
    assert (spread_3 < spread_1).all()


def gains(told):
    """By timestep the interval of what the class takes off the error of an image."""
    with_class, without = torch.tensor(told["errors"]).unbind(dim=1)
    rows = (without - with_class) / without.mean(dim=1, keepdim=True)
    return {int(t): mean_interval(row.tolist()) for t, row in zip(told["timesteps"], rows)}  # noqa: B905


def test_the_class_helps_the_network_in_the_middle_of_the_clock(told):
    found = gains(told)
    most = max(found, key=lambda t: found[t][0])
    assert 400 < most < 800
    assert all(low > 0 for t, (_, low, _) in found.items() if 300 < t < 800)
    assert all(mean < found[most][0] / 4 for t, (mean, _, _) in found.items() if t < 200)


def test_a_wrong_time_costs_far_more_than_a_wrong_class(told):
    classes = torch.tensor(told["class_lies"]).mean(dim=0)
    of_class = (classes / classes.diagonal()[:, None]).max()
    times = torch.tensor(told["time_lies"])
    of_time = (times / times.diagonal(dim1=1, dim2=2)[..., None]).amax(dim=(1, 2))
    assert (of_time > 10 * of_class).all()  # told the class, and told none
    assert of_class > 1.02
