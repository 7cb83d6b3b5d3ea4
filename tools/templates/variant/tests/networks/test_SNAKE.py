"""The network that the experiment calls SNAKE."""

import pytest
import torch
from torch.testing import assert_close

from condlesson.networks import NETWORKS
from condlesson.unet import UNetSinusoidal, count_parameters

T = torch.tensor([10, 900])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return NETWORKS["SNAKE"].make(8)


def test_it_is_as_large_as_the_sinusoidal_network(model):
    assert count_parameters(model) == count_parameters(UNetSinusoidal(8))


def test_each_channel_is_multiplied_by_one_and_the_projection(model):
    h, t_emb = torch.randn(2, 64, 3, 3), torch.randn(2, 512)
    factors = t_emb @ model.time_projection.weight.T + model.time_projection.bias
    expected = [h[b, c] * (1 + factors[b, c]) for b in range(2) for c in range(64)]
    assert_close(model.condition(h, t_emb).flatten(0, 1), torch.stack(expected))


def test_each_image_hears_its_own_timestep(model):
    x_t = torch.randn(2, 1, 28, 28)
    predicted = model.eval()(x_t, T)
    assert predicted.shape == x_t.shape
    assert_close(model(x_t[1:], T[1:]), predicted[1:])
    assert not torch.allclose(model(x_t, T.flip(0)), predicted)


def test_what_carries_the_timestep_learns(model):
    model(torch.randn(2, 1, 28, 28), T).square().mean().backward()
    for part in (model.time_embedding, model.time_projection):
        assert all(weight.grad.any() for weight in part.parameters())
