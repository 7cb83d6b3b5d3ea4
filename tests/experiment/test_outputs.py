"""What is kept of a trained network: the same starts for all, the samplers' own images."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from condlesson.data import to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.experiment.outputs import (
    OutputSizes,
    compute_outputs,
    denoise_lied_to,
    from_bytes,
    to_bytes,
)
from condlesson.sampling import sample_ddim
from condlesson.training import TrainConfig, make_model, stream

pytestmark = pytest.mark.usefixtures("one_thread")

CONFIG = TrainConfig(variant="adagn", width=8, num_timesteps=20, precision="float32")
SIZES = OutputSizes(ddim=3, ddim_steps=4, ddpm=2, moved=4, moved_by=1, timesteps=5)


@pytest.fixture(scope="module")
def made(subset):
    return compute_outputs(make_model(CONFIG), CONFIG, subset, SIZES)


def test_outputs_have_their_shapes(made):
    assert {name: (value.dtype.kind, value.shape) for name, value in made.items()} == {
        "ddim": ("u", (3, 28, 28)),
        "ddpm": ("u", (2, 28, 28)),
        "movement": ("f", (5, 7)),
        "timesteps": ("i", (5,)),
        "blocks": ("U", (7,)),
    }
    assert made["timesteps"].tolist() == [2, 6, 10, 14, 18]


def test_outputs_are_the_same_again_and_need_no_global_seed(made, subset):
    torch.rand(3)
    again = compute_outputs(make_model(CONFIG), CONFIG, subset, SIZES)
    for name, value in made.items():
        assert np.array_equal(value, again[name]), name


def test_ddim_images_are_those_of_the_sampler(made):
    x_T = torch.randn(3, 1, 28, 28, generator=stream(0, "samples"))  # noqa: N806
    schedule = alphas_cumprod(linear_beta_schedule(20))
    expected = sample_ddim(make_model(CONFIG).eval(), x_T, schedule, num_steps=4)
    difference = made["ddim"].astype(int) - to_bytes(expected).astype(int)
    assert np.abs(difference).max() <= 1


def test_the_control_does_not_move(subset):
    config = replace(CONFIG, variant="none")
    outputs = compute_outputs(make_model(config), config, subset, replace(SIZES, ddpm=0))
    assert "ddpm" not in outputs
    assert not outputs["movement"].any()


def test_the_mode_of_the_network_is_put_back(subset):
    model = make_model(CONFIG)
    for mode in (True, False):
        model.train(mode)
        compute_outputs(model, CONFIG, subset, SIZES)
        assert model.training is mode


def test_bytes_span_the_range_of_the_images():
    x = torch.tensor([-3.0, -1.0, 0.0, 1.0, 2.0]).reshape(5, 1, 1, 1)
    assert to_bytes(x).ravel().tolist() == [0, 0, 128, 255, 255]


def test_the_truth_denoises_and_a_lie_does_not(subset, draw):
    x_0 = to_model_range(subset.test_images[:2])
    noise = draw(2, 1, 28, 28)
    schedule = alphas_cumprod(linear_beta_schedule())

    class Knows(nn.Module):
        """Predicts the noise where it is told the truth, and nothing otherwise."""

        def forward(self, x_t, t):
            return noise * (t == 300)[:, None, None, None]

    x_t = q_sample(x_0, 300, noise, schedule)
    true, lied_to = denoise_lied_to(Knows(), x_t, 300, [300, 10])
    torch.testing.assert_close(true, x_0, atol=1e-5, rtol=0)
    assert (lied_to - x_0).abs().mean() > 0.1


def test_bytes_become_the_image_that_they_were_made_of():
    x = torch.linspace(-1, 1, 256).reshape(1, 1, 16, 16)
    torch.testing.assert_close(from_bytes(to_bytes(x)), x, atol=1e-6, rtol=0)
    assert from_bytes(to_bytes(x)).dtype == torch.float32
