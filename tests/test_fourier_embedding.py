"""Random Fourier features, and the embedding on top of them."""

import pytest
import torch
from diffusers.models.embeddings import GaussianFourierProjection
from torch import nn
from torch.testing import assert_close

from condlesson import count_parameters
from condlesson.embeddings import FourierTimestepEmbedding, RandomFourierFeatures


def test_fourier_features_are_those_of_diffusers():
    ours = RandomFourierFeatures(16, num_timesteps=1000)
    theirs = GaussianFourierProjection(8, log=False, flip_sin_to_cos=True)
    theirs.weight.data = ours.frequencies
    t = torch.tensor([0.0, 3.0, 999.0])
    assert_close(ours(t), theirs(t / 1000), rtol=0, atol=1e-4)


def test_fourier_frequencies_are_drawn_by_the_seed_and_not_trained():
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(RandomFourierFeatures(4096, scale=3.0))
    assert torch.equal(drawn[0].frequencies, drawn[1].frequencies)
    assert not torch.equal(drawn[0].frequencies, drawn[2].frequencies)
    assert drawn[0].frequencies.std().item() == pytest.approx(3, rel=0.05)
    assert count_parameters(drawn[0]) == 0
    assert list(drawn[0].state_dict()) == ["frequencies"]


def test_fourier_sizes_are_the_lessons_and_go_where_they_are_sent():
    torch.manual_seed(0)
    embed, features = FourierTimestepEmbedding(), RandomFourierFeatures(8192)
    assert (embed.linear_1.in_features, embed.linear_2.out_features) == (256, 512)
    assert features.num_timesteps == embed.features.num_timesteps == 1000
    assert RandomFourierFeatures().frequencies.shape == (128,)
    assert features.frequencies.std().item() == pytest.approx(16, rel=0.02)
    other = FourierTimestepEmbedding(8, 4, num_timesteps=50)
    assert (other.linear_2.out_features, other.features.num_timesteps) == (4, 50)


def test_fourier_features_keep_the_precision_of_t():
    features = RandomFourierFeatures(8)
    assert features(3).shape == (1, 8)
    assert features(torch.tensor([1, 2])).dtype == torch.float32
    assert features(torch.tensor([1.0], dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_fourier_embedding_follows_the_dtype_of_its_weights(dtype):
    embed = FourierTimestepEmbedding(8, 4).to(dtype)
    assert embed(torch.tensor([3, 7])).dtype == dtype


def test_fourier_embedding_is_the_mlp_on_the_features():
    embed = FourierTimestepEmbedding(16, 32)
    t = torch.tensor([0, 5, 999])
    hidden = nn.functional.gelu(embed.linear_1(embed.features(t)))
    assert_close(embed(t), embed.linear_2(hidden))


@pytest.mark.parametrize(("width", "error"), [(7, ValueError), (0, ValueError), (2.0, TypeError)])
def test_fourier_widths_that_do_not_fit_are_refused(width, error):
    with pytest.raises(error, match=r"d_emb must be (even|at least 2|an integer)"):
        RandomFourierFeatures(width)


@pytest.mark.parametrize("num_timesteps", [0, -5])
def test_features_of_no_timesteps_are_refused(num_timesteps):
    with pytest.raises(ValueError, match=f"num_timesteps must be at least 1, got {num_timesteps}"):
        RandomFourierFeatures(16, num_timesteps=num_timesteps)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), "16"])
def test_a_spread_of_frequencies_that_is_none_is_refused(scale):
    with pytest.raises(TypeError if scale == "16" else ValueError, match="scale must be"):
        RandomFourierFeatures(16, scale=scale)
