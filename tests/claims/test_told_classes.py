"""What exercise 5 says of the network that is told classes, from its record."""

import pytest
import torch

from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.experiment import judges, plan
from condlesson.experiment.intervals import mean_interval
from condlesson.experiment.judge_records import load_judge
from condlesson.experiment.outputs import from_bytes
from condlesson.experiment.runs import load_model, read_expected
from condlesson.experiment.told_classes import load_classes
from condlesson.guidance import GuidedModel
from condlesson.sampling import sample_ddim

pytestmark = pytest.mark.slow  # a part of `make book`


@pytest.fixture(scope="module")
def told():
    return load_classes()


def measured(x, labels):
    """The share that is right, and the spread in a class."""
    judge = load_judge(judges.DIGITS)
    measures = (judges.accuracy, judges.spread_within_classes)
    return [measure(judge, x, labels) for measure in measures]


def test_guidance_with_clipped_images_and_kept_noise_falls_apart(told):
    labels = torch.tensor(told["labels"])
    right = {
        scale: torch.tensor([measured(from_bytes(x), labels)[0] for x in sets])
        for scale, sets in zip(told["scales"].tolist(), told["drawn"], strict=True)
    }
    assert (right[0.0] < 0.2).all()  # in each of the sets
    assert (right[1.0] > 0.7).all()
    assert right[1.5].mean() > right[1.0].mean()
    assert (right[3.0] < right[1.0] / 2).all()
    assert (right[8.0] < 0.05).all()


@torch.no_grad()
def test_guidance_with_noise_computed_anew_finds_the_digit_and_takes_variety():
    network = load_model(read_expected(plan.DRAFT[1], plan.MATRIX_DIR), plan.MATRIX_DIR)
    labels, schedule = torch.arange(10).repeat(5), alphas_cumprod(linear_beta_schedule())
    start = torch.randn(50, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    (right_1, spread_1), (right_3, spread_3) = (
        measured(sample_ddim(GuidedModel(network, labels, scale), start, schedule,
                             num_steps=25, noise_from_x_0=True), labels)
        for scale in (1.0, 3.0)
    )  # fmt: skip
    assert right_3 > right_1 + 0.1 > 0.6
    assert spread_3 < spread_1


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
