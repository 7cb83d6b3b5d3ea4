"""Numbers hold: against float64, against finite differences, and against a case that is known."""

import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from condlesson import (
    AdaGN,
    alphas_cumprod,
    linear_beta_schedule,
    q_sample,
    sample_ddim,
    sample_ddpm,
    sinusoidal_embedding,
    sinusoidal_frequencies,
    timestep_sequence,
)
from condlesson.conditioning import add_to_channels

EPS = torch.finfo(torch.float32).eps


@pytest.mark.parametrize("d", [2, 256, 4096])
@pytest.mark.parametrize("t", [0, 1, 999, 1000, 65_537, 1_000_000])
def test_a_float32_sinusoid_is_as_good_as_its_angles(t, d):
    """Its exponent, up to log(10,000), is rounded, then the power, the product and the sine.

    The bound was first put at four roundings, without that of the exponent, and was too low.
    """
    found = sinusoidal_embedding(torch.tensor([t]), d)[0].double()
    exact = sinusoidal_embedding(torch.tensor([t], dtype=torch.float64), d)[0]
    angles = t * sinusoidal_frequencies(d, dtype=torch.float64)
    bound = (math.log(10_000) + 3) * EPS * angles.repeat(2) + 2 * EPS
    assert ((found - exact).abs() <= bound).all()


def test_a_float32_sinusoid_of_the_lesson_is_off_by_less_than_a_ten_thousandth():
    t = torch.arange(1000)
    off = sinusoidal_embedding(t, 256).double() - sinusoidal_embedding(t.double(), 256)
    assert off.abs().max() < 1e-4


@pytest.mark.slow
def test_gradients_are_those_of_finite_differences(draw):
    torch.manual_seed(0)
    layer = AdaGN(8, 6, num_groups=4).double()
    h = draw(2, 8, 3, 3, dtype=torch.float64).requires_grad_()
    t_emb = draw(2, 6, dtype=torch.float64).requires_grad_()
    assert gradcheck(layer, (h, t_emb))
    assert gradcheck(add_to_channels, (h, draw(2, 4, dtype=torch.float64).requires_grad_()))
    t = torch.tensor([3.5, 700.25], dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda t: sinusoidal_embedding(t, 8), (t,))
    x_0, noise = h.detach().requires_grad_(), draw(2, 8, 3, 3, dtype=torch.float64)
    schedule = alphas_cumprod(linear_beta_schedule()).double()
    assert gradcheck(lambda x: q_sample(x, torch.tensor([0, 999]), noise, schedule), (x_0,))


class Posterior(nn.Module):
    """The best prediction of the noise for pixels from N(mean, std^2): a mean of Gaussians."""

    def __init__(self, mean, std, schedule):
        super().__init__()
        self.mean, self.std, self.schedule = mean, std, schedule

    def forward(self, x_t, t):
        alpha_bar = self.schedule[t][:, None, None, None]
        variance = alpha_bar * self.std**2 + 1 - alpha_bar
        return (1 - alpha_bar).sqrt() * (x_t - alpha_bar.sqrt() * self.mean) / variance


MEAN, STD = 0.3, 0.2
COUNT = 64 * 16 * 16
# Three standard errors of what so many pixels give.
MEAN_OFF, STD_OFF = 3 * STD / math.sqrt(COUNT), 3 * STD / math.sqrt(2 * COUNT)


def drawn(sample, **options):
    """Mean and standard deviation of the pixels of images that a sampler draws with it."""
    schedule = alphas_cumprod(linear_beta_schedule()).double()
    generator = torch.Generator().manual_seed(0)
    x_t = torch.randn(64, 1, 16, 16, dtype=torch.float64, generator=generator)
    if sample is sample_ddpm:
        options |= {"generator": generator}
    x_0 = sample(Posterior(MEAN, STD, schedule), x_t, schedule, clip_x_0=False, **options)
    return x_0.mean().item(), x_0.std().item()


@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_ancestral_sampling_gives_the_mean_and_spread_of_a_known_gaussian(variance):
    mean, std = drawn(sample_ddpm, variance=variance)
    assert mean == pytest.approx(MEAN, abs=MEAN_OFF)
    assert std == pytest.approx(STD, abs=STD_OFF + 0.01 * STD)  # a thousand steps are not endless


@pytest.mark.parametrize("num_steps", [10, 100, 1000])
def test_ddim_gives_what_its_steps_make_of_a_known_gaussian(num_steps):
    """A step is linear in x here, so mean and spread go from step to step in plain numbers."""
    schedule = alphas_cumprod(linear_beta_schedule()).double().tolist()
    steps = timestep_sequence(1000, num_steps)
    mean, std = 0.0, 1.0
    for t, t_prev in zip(steps, [*steps[1:], -1], strict=True):
        now, then = schedule[t], schedule[t_prev] if t_prev >= 0 else 1.0
        slope = math.sqrt(1 - now) / (now * STD**2 + 1 - now)  # of the noise, by x
        noise_mean = slope * (mean - math.sqrt(now) * MEAN)
        clean_mean = (mean - math.sqrt(1 - now) * noise_mean) / math.sqrt(now)
        clean_slope = (1 - math.sqrt(1 - now) * slope) / math.sqrt(now)
        mean = math.sqrt(then) * clean_mean + math.sqrt(1 - then) * noise_mean
        std *= math.sqrt(then) * clean_slope + math.sqrt(1 - then) * slope
    found_mean, found_std = drawn(sample_ddim, num_steps=num_steps)
    assert found_mean == pytest.approx(mean, abs=MEAN_OFF)
    assert found_std == pytest.approx(std, abs=STD_OFF)
    if num_steps == 1000:
        assert (mean, std) == pytest.approx((MEAN, STD), rel=0.01)
