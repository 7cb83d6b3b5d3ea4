"""What carries t is float32 in every network, whatever the images are computed in."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from condlesson.conditioning import AdaGN
from condlesson.config import PRECISIONS, TrainConfig
from condlesson.networks import NETWORKS
from condlesson.training import make_model, predict
from condlesson.unet import UNetAdaGN

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

TOLD = [name for name in NETWORKS if name not in ("none", "gn_none")]
EVERY_T = torch.arange(1000)
SMALL = TrainConfig(width=8, image_size=8)
each = pytest.mark.parametrize("precision", PRECISIONS)


def entering(model, x_t, t, precision):
    """What t has changed, where it enters: the bottleneck's or the norms' output, by its place."""
    seen = {}

    def keep(name):
        return lambda module, inputs, output: seen.setdefault(name, output.detach())

    layers = [n for n, _ in model.named_modules() if n.endswith("projection")] or ["time_mlp.2"]
    hooks = [model.get_submodule(n).register_forward_hook(keep(n)) for n in layers]
    denoise = model.denoise
    model.denoise = lambda x, t_emb: (seen.setdefault("t_emb", t_emb.detach()), denoise(x, t_emb))[
        1
    ]
    seen["noise_pred"] = predict(model, x_t, t, precision).detach()
    for hook in hooks:
        hook.remove()
    del model.denoise
    return seen


def neighbours_told_apart(values):
    return (values[1:] != values[:-1]).flatten(1).any(1)


@each
@pytest.mark.parametrize("variant", TOLD)
def test_every_timestep_differs_from_its_neighbour_where_it_enters(variant, precision):
    model = make_model(replace(SMALL, variant=variant)).eval()
    x_t = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(1000, -1, 8, 8)
    seen = entering(model, x_t, EVERY_T, precision)
    seen.pop("noise_pred")
    for name, values in seen.items():
        assert values.dtype == torch.float32, name
        assert len(torch.unique(values, dim=0)) == 1000, name


@each
@pytest.mark.parametrize("variant", TOLD)
def test_every_timestep_differs_from_its_neighbour_in_what_comes_out(variant, precision):
    """Around the timesteps that t / 1000 in bfloat16 threw together, 600 to 603."""
    model, t = make_model(TrainConfig(variant=variant, width=16)).eval(), torch.arange(592, 624)
    x_t = torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    outs = [
        entering(model, x, t, precision)["noise_pred"]
        for x in (image.expand(len(t), 1, 28, 28) for image in x_t)
    ]
    assert neighbours_told_apart(torch.cat(outs, dim=1)).all()


@pytest.mark.parametrize("variant", ["simple", "adagn"])
def test_the_images_are_still_computed_in_the_precision_that_is_asked_for(variant):
    model, dtypes = make_model(replace(SMALL, variant=variant)), set()
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            module.register_forward_hook(lambda m, i, output: dtypes.add(output.dtype))
    predict(model, torch.ones(2, 1, 8, 8), torch.tensor([3, 4]), "bfloat16")
    assert dtypes == {torch.bfloat16}


class OwnAdaGN(AdaGN):
    """A layer of a reader's, who knows nothing of precision."""

    def forward(self, h, t_emb):
        weight, bias = self.projection.weight, self.projection.bias
        gamma, beta = (t_emb @ weight.T + bias)[:, :, None, None].chunk(2, dim=1)
        self.seen = (h.dtype, gamma.dtype)
        return (1 + gamma) * self.norm(h) + beta


def test_a_layer_of_ones_own_is_told_the_time_in_float32_too():
    model = UNetAdaGN(8, adagn=OwnAdaGN)
    predict(model, torch.ones(2, 1, 8, 8), torch.tensor([3, 4]), "bfloat16")
    assert model.enc_1.norm_1.seen == (torch.float32, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_network_in_another_precision_stays_in_it_without_autocast(dtype):
    model = make_model(replace(SMALL, variant="adagn")).to(dtype)
    x_t = torch.ones(2, 1, 8, 8, dtype=dtype)
    assert model(x_t, torch.tensor([3, 4])).dtype == dtype


@each
def test_gradients_reach_what_carries_t(precision):
    model = make_model(replace(SMALL, variant="adagn"))
    predict(
        model, torch.ones(2, 1, 8, 8), torch.tensor([3, 4]), precision
    ).square().sum().backward()
    for name, value in model.named_parameters():
        assert value.grad is not None, name
        assert value.grad.dtype == torch.float32, name
