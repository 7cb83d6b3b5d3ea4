"""What exercise 5 says of the network that is told classes, from its record."""

import pytest
import torch

from condlesson.data import load_subset, to_model_range
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
def judged(told):
    """Of each way, by what it was asked for: of each set what is right, spread, and distance."""
    judge, labels = load_judge(judges.DIGITS), torch.tensor(told["labels"])
    with torch.no_grad():
        real = judge.features(to_model_range(load_subset().train_images))

    def of(sets):
        x = [from_bytes(images) for images in sets]
        right = [judges.accuracy(judge, images, labels) for images in x]
        spread = [judges.spread_within_classes(judge, images, labels) for images in x]
        with torch.no_grad():
            away = [judges.feature_distance(judge.features(images), real) for images in x]
        return torch.tensor([right, spread, away])

    scales = told["scales"].tolist()
    ways = {way: dict(zip(scales, map(of, told[way]), strict=True)) for way in ("kept", "anew")}
    parts = dict(zip(("low", "middle", "high"), map(of, told["in_interval"]), strict=True))
    return {**ways, **parts, "longer": of(told["equal_cost"])}


def above(high, low):
    """Whether one is above the other in each set, and their intervals do not overlap."""
    (_, low_end, _), (_, _, high_end) = mean_interval(high.tolist()), mean_interval(low.tolist())
    return bool((high > low).all()) and low_end > high_end


def test_guidance_with_clipped_images_and_kept_noise_falls_apart(judged):
    right = {scale: of[0] for scale, of in judged["kept"].items()}
    assert (right[0.0] < 0.2).all()  # in each of the sets
    assert (right[1.0] > 0.7).all()
    assert right[1.5].mean() > right[1.0].mean()
    assert (right[3.0] < right[1.0] / 2).all()
    assert above(right[1.0], right[3.0])
    assert (right[8.0] < 0.05).all()


def test_guidance_with_noise_computed_anew_finds_the_digit_and_takes_variety(judged):
    (right_1, spread_1, _), (right_3, spread_3, _) = (judged["anew"][s] for s in (1.0, 3.0))
    assert above(right_3, right_1)
    assert right_3.mean() > right_1.mean() + 0.1 > 0.6
    assert above(spread_1, spread_3)


def test_the_distance_is_smallest_at_some_guidance_and_the_mend_costs_without_it(judged):
    away = {scale: of[2] for scale, of in judged["anew"].items()}
    assert above(away[1.0], away[3.0])
    assert above(away[8.0], away[1.0])
    assert above(away[1.0], judged["kept"][1.0][2])


def test_guidance_in_the_middle_of_the_clock_does_nearly_all_of_it(judged):
    low, middle, high = (judged[part] for part in ("low", "middle", "high"))
    everywhere, nowhere = (judged["anew"][scale] for scale in (3.0, 1.0))
    assert above(middle[0], low[0])
    assert above(middle[0], high[0])
    assert (everywhere[0] - middle[0]).mean() < (everywhere[0] - nowhere[0]).mean() / 10
    assert above(nowhere[1], middle[1])


def test_guidance_finds_more_digits_than_twice_the_steps(judged):
    guided, unguided = judged["anew"][3.0], judged["anew"][1.0]
    assert above(guided[0], judged["longer"][0])
    assert abs((judged["longer"][0] - unguided[0]).mean()) < 0.05
    assert above(judged["longer"][1], guided[1])


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
