"""The best noise prediction for known images, against a plain loop and other predictions."""

import math

import pytest
import torch
from torch.testing import assert_close

from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.ideal import IdealModel

NULL = 2


@pytest.fixture
def known(draw):
    images = draw(6, 1, 2, 2).tanh()
    schedule = alphas_cumprod(linear_beta_schedule())
    return IdealModel(images, torch.tensor([0, 1, 0, 1, 1, 0]), schedule, NULL)


@pytest.mark.parametrize("told", [0, 1, NULL])
@pytest.mark.parametrize("t", [0, 150, 600, 999])
def test_prediction_is_the_formula_in_a_loop(known, draw, told, t):
    x_t, alpha_bar = 1.3 * draw(1, 1, 2, 2), known.alphas_cumprod[t].item()
    x = x_t.flatten().tolist()
    rows = [
        image.flatten().tolist()
        for image, label in zip(known.images, known.labels, strict=True)
        if told in (NULL, label)
    ]
    away = [
        sum((a - math.sqrt(alpha_bar) * b) ** 2 for a, b in zip(x, row, strict=True))
        for row in rows
    ]
    shares = [math.exp((min(away) - d) / (2 * (1 - alpha_bar))) for d in away]
    mean = [
        sum(s * row[k] for s, row in zip(shares, rows, strict=True)) / sum(shares) for k in range(4)
    ]
    noise = [
        (a - math.sqrt(alpha_bar) * m) / math.sqrt(1 - alpha_bar)
        for a, m in zip(x, mean, strict=True)
    ]
    got = known(x_t, torch.tensor([t]), torch.tensor([told]))
    assert_close(got.flatten(), torch.tensor(noise), rtol=1e-3, atol=1e-4)


def test_what_knows_more_errs_less_and_what_is_off_errs_more(known):
    generator = torch.Generator().manual_seed(3)
    picks = torch.randint(0, 6, (4000,), generator=generator)
    noise = torch.randn(4000, 1, 2, 2, generator=generator)
    x_t = q_sample(known.images[picks], 200, noise, known.alphas_cumprod)
    t, labels = torch.full((4000,), 200), known.labels[picks]

    def loss(told, off=0.0):
        return (known(x_t, t, told) + off - noise).square().mean()

    without = loss(torch.full_like(labels, NULL))
    assert loss(labels) < without < loss(1 - labels)
    assert without < loss(torch.full_like(labels, NULL), off=0.1)


def test_weights_are_those_of_the_images_that_come_into_question(known, draw):
    weights = known.weights(draw(2, 1, 2, 2), 500, torch.tensor([1, NULL]))
    assert_close(weights.sum(dim=1), torch.ones(2))
    assert (weights[0][known.labels == 0] == 0).all()
    assert (weights[1] > 0).all()


def test_what_is_wrong_is_refused(known, draw):
    images, labels, schedule = known.images, known.labels, known.alphas_cumprod
    with pytest.raises(ValueError, match=r"labels must have the shape \(6,\)"):
        IdealModel(images, labels[:3], schedule, NULL)
    with pytest.raises(ValueError, match="null_label must be the label of no image, got 1"):
        IdealModel(images, labels, schedule, 1)
    with pytest.raises(ValueError, match=r"labels must be among .* or 2, got \[7\]"):
        known(draw(2, 1, 2, 2), torch.tensor([3, 3]), torch.tensor([7, 0]))
    with pytest.raises(ValueError, match=r"t must lie in 0 \.\. 999"):
        known(draw(1, 1, 2, 2), torch.tensor([1000]), torch.tensor([0]))


@pytest.mark.parametrize(
    ("x_t", "labels"),
    [
        (torch.ones(2, 1, 3, 3), torch.tensor([0, 1])),
        (torch.ones(2, 1, 2, 2, dtype=torch.float64), torch.tensor([0, 1])),
        (torch.ones(2, 1, 2, 2), torch.tensor([0])),
        (torch.ones(2, 1, 2, 2), torch.tensor([[0], [1]])),
    ],
)
def test_images_and_labels_of_another_shape_are_refused(known, x_t, labels):
    with pytest.raises(ValueError, match=r"(x_t|labels) must have the shape"):
        known(x_t, 5, labels)


def test_a_schedule_that_the_images_round_to_1_is_refused():
    schedule = alphas_cumprod(torch.full((3,), 1e-12, dtype=torch.float64))
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        IdealModel(torch.ones(1, 2), torch.tensor([0]), schedule, NULL)
    with pytest.raises(TypeError, match=r"images must be floating, got torch\.uint8"):
        IdealModel(torch.ones(1, 2).byte(), torch.tensor([0]), schedule, NULL)
    with pytest.raises(TypeError, match="null_label must be an integer, got None"):
        IdealModel(torch.ones(1, 2).double(), torch.tensor([0]), schedule, None)
