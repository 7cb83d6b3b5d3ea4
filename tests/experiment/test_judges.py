"""The two judges: that they learn what they are for, and their numbers against plain formulas."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from condlesson.data import to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.experiment.judges import (
    DIGITS,
    KINDS,
    NOISE,
    accuracy,
    confidence,
    frechet_distance,
    guess_timesteps,
    make_judge,
    score_samples,
    spread_within_classes,
    train_judge,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def digits(subset):
    judge = make_judge(DIGITS)
    losses = list(train_judge(judge, DIGITS, subset, steps=150))
    return judge, losses


def test_the_digit_judge_learns_to_read(digits, subset):
    judge, losses = digits
    assert len(losses) == 150
    assert losses[0] == pytest.approx(math.log(10), abs=0.2)
    test_images = to_model_range(subset.test_images)
    assert accuracy(judge, test_images, subset.test_labels) > 0.85
    assert accuracy(make_judge(DIGITS), test_images, subset.test_labels) < 0.3


def test_the_noise_judge_reads_low_noise_levels(subset):
    judge = make_judge(NOISE)
    list(train_judge(judge, NOISE, subset, steps=150))
    schedule = alphas_cumprod(linear_beta_schedule())
    x_0 = to_model_range(subset.test_images[:200])
    noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(1))
    for t in (100, 600):
        guess = guess_timesteps(judge, q_sample(x_0, t, noise, schedule))
        assert (guess - t).abs().median() < 100


def test_a_judge_is_decided_by_its_seeds(subset):
    losses = [
        [*train_judge(make_judge(NOISE, seed=a), NOISE, subset, steps=2, seed=b)]
        for a, b in ((1, 1), (1, 1), (2, 1), (1, 2))
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]
    assert losses[0] != losses[3]


def test_an_unknown_judge_is_refused():
    with pytest.raises(ValueError, match=f"kind must be one of {', '.join(KINDS)}, got 'cats'"):
        make_judge("cats")


def test_confidence_is_the_largest_probability(draw):
    judge = make_judge(DIGITS)
    x = draw(5, 1, 28, 28)
    logits = judge(x).detach().double()
    expected = (logits.exp() / logits.exp().sum(dim=1, keepdim=True)).max(dim=1).values
    torch.testing.assert_close(confidence(judge, x).double(), expected, atol=1e-6, rtol=0)


def test_frechet_distance_is_that_of_gaussians(draw):
    """Features that are the first pixels themselves, so that the formula can be worked by hand."""
    judge = make_judge(DIGITS)
    judge.features = lambda x: x[:, 0, 0, :2]
    a, b = draw(500, 1, 28, 28), 2 * draw(400, 1, 28, 28) + 1
    x, y = (judge.features(v).double().numpy() for v in (a, b))
    cov_x, cov_y = np.cov(x.T), np.cov(y.T)
    values, vectors = np.linalg.eigh(cov_x)
    root = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ cov_y @ root)).sum()
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y) - 2 * cross
    assert frechet_distance(judge, a, b) == pytest.approx(expected, rel=1e-6)
    assert frechet_distance(judge, a, a) == pytest.approx(0, abs=1e-6)


def test_scores_are_the_numbers_with_their_spreads(draw):
    judge, x, real = make_judge(DIGITS), draw(6, 1, 28, 28), draw(40, 1, 28, 28) / 2
    scores, sure = score_samples(judge, x, real), confidence(judge, x)
    assert scores.confidence == pytest.approx(sure.mean().item())
    assert scores.confidence_sd == pytest.approx(sure.std().item())
    assert scores.distance == pytest.approx(frechet_distance(judge, x, real))
    without = [frechet_distance(judge, x[torch.arange(6) != k], real) for k in range(6)]
    error = np.sqrt(5 / 6 * ((np.array(without) - np.mean(without)) ** 2).sum())
    assert scores.distance_error == pytest.approx(error, rel=1e-4)
    assert not any(p.grad is not None for p in judge.parameters())


def test_spread_within_classes_is_about_their_means():
    features = torch.tensor([[0.0, 0.0], [2.0, 0.0], [9.0, 9.0], [9.0, 7.0]])
    judge = SimpleNamespace(features=lambda images: features)
    spread = spread_within_classes(judge, features, torch.tensor([1, 1, 5, 5]))
    assert spread == pytest.approx(2**0.5)  # variances of 2 and 2, with n - 1


def test_guesses_are_timesteps(draw):
    guess = guess_timesteps(make_judge(NOISE), 50 * draw(9, 1, 28, 28))
    assert torch.equal(guess, guess.round())
    assert guess.min() >= 0
    assert guess.max() <= 999
