"""What tells a network's blocks different times, and that read the time off its noise."""

import pytest
import torch

from condlesson.telling import (
    CONDITIONED,
    clock_by_noise_size,
    predict_divided,
    predict_embedded,
)
from condlesson.training import TrainConfig, make_model


@pytest.fixture(scope="module")
def model():
    return make_model(TrainConfig(variant="adagn", width=8)).eval()


@torch.no_grad()
def test_all_told_the_same_is_the_network_told_that(model, draw):
    x_t = draw(3, 1, 28, 28)
    expected = model(x_t, torch.tensor(300))
    made = predict_divided(model, x_t, dict.fromkeys(CONDITIONED, 300))
    torch.testing.assert_close(made, expected)
    t_emb = model.embed(torch.tensor([300]))
    torch.testing.assert_close(predict_embedded(model, x_t, t_emb), expected)


@torch.no_grad()
@pytest.mark.parametrize("block", CONDITIONED)
def test_one_block_is_told_another_time(model, draw, block):
    x_t = draw(2, 1, 28, 28)
    made = predict_divided(model, x_t, {block: 700})
    projection = model.get_submodule(f"{block}.norm_1.projection")
    kept = projection.bias.clone()
    difference = model.embed(torch.tensor([700])) - model.embed(torch.tensor([0]))
    projection.bias += (projection.weight @ difference.T)[:, 0]
    expected = model(x_t, torch.tensor(0))  # what the block would be told, put into its bias
    projection.bias.copy_(kept)
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-5)
    assert not torch.allclose(made, model(x_t, torch.tensor(0)), atol=1e-4)


def test_no_hook_stays(model, draw):
    x_t = draw(1, 1, 28, 28)
    with pytest.raises(AttributeError):
        predict_divided(model, x_t, {"enc_1": 5, "enc_9": 5})
    assert not model.enc_1.norm_1._forward_pre_hooks


@pytest.mark.parametrize(
    "t, expected",
    [(125, 125), (140, 140), (20, 25), (400, 300)],  # beyond the candidates: the nearest of them
)
def test_the_clock_is_where_the_noise_has_size_one(t, expected):
    def model(x_t, told):
        size = 1 + (t - told) / 1000  # mean square: 1 at the truth, more if told too early
        return torch.ones_like(x_t) * size.sqrt()[:, None, None, None]

    clock = clock_by_noise_size(model, torch.zeros(2, 1, 4, 4), range(25, 301, 25))
    torch.testing.assert_close(clock, torch.full((2,), float(expected)), rtol=0, atol=1)
