"""AdaGN against diffusers, torch.nn.GroupNorm and a float64 loop; the addition; what is refused."""

import math
import re

import pytest
import torch
from diffusers.models.normalization import AdaGroupNorm
from torch import nn
from torch.testing import assert_close

from condlesson import AdaGN, add_to_channels, count_parameters
from condlesson.conditioning import AdditiveGN

pytestmark = pytest.mark.usefixtures("one_thread")


def group_norm_by_hand(h, num_groups, eps=1e-5):
    """Group norm of (B, C, H, W), a group at a time, with the biased variance of the paper."""
    out = torch.empty_like(h)
    size = h.shape[1] // num_groups
    for b in range(h.shape[0]):
        for start in range(0, h.shape[1], size):
            group = h[b, start : start + size]
            mean = group.sum() / group.numel()
            variance = ((group - mean) ** 2).sum() / group.numel()
            out[b, start : start + size] = (group - mean) / math.sqrt(variance + eps)
    return out


def test_adagn_is_the_formula(draw):
    layer = AdaGN(6, 5, num_groups=3).double()
    h, t_emb = 2 + 3 * draw(2, 6, 4, 4, dtype=torch.float64), draw(2, 5, dtype=torch.float64)
    weight, bias = layer.projection.weight, layer.projection.bias
    normed = group_norm_by_hand(h, 3)
    expected = torch.empty_like(h)
    for b in range(2):
        for c in range(6):
            gamma = weight[c] @ t_emb[b] + bias[c]
            beta = weight[6 + c] @ t_emb[b] + bias[6 + c]
            expected[b, c] = (1 + gamma) * normed[b, c] + beta
    assert_close(layer(h, t_emb), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (8, 1), (8, 8), (12, 4), (1, 1)])
def test_adagn_is_that_of_diffusers(draw, channels, groups):
    ours, theirs = AdaGN(channels, 16, groups), AdaGroupNorm(16, channels, groups)
    theirs.linear.load_state_dict(ours.projection.state_dict())
    h, t_emb = draw(3, channels, 8, 8), draw(3, 16)
    assert_close(ours(h, t_emb), theirs(h, t_emb), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("channels", "groups"), [(64, 32), (8, 1), (8, 8)])
def test_zero_init_is_group_norm_exactly(draw, channels, groups):
    layer = AdaGN(channels, 16, groups, zero_init=True)
    h = 5 + 2 * draw(2, channels, 7, 7)
    out = layer(h, draw(2, 16))
    assert torch.equal(out, nn.GroupNorm(groups, channels, affine=False)(h))
    assert_close(out, nn.GroupNorm(groups, channels)(h), rtol=0, atol=2e-6)  # rounds otherwise


def test_zero_init_can_still_learn(draw):
    layer = AdaGN(8, 4, 2, zero_init=True)
    layer(draw(2, 8, 4, 4), draw(2, 4)).square().sum().backward()
    assert layer.projection.weight.grad.abs().max() > 0


def test_default_init_modulates(draw):
    layer = AdaGN(64, 512)
    h, t_emb = draw(2, 64, 4, 4), draw(2, 512)
    assert layer.norm.num_groups == 32
    assert (layer(h, t_emb) - layer.norm(h)).abs().max() > 0.1


def test_adagn_has_only_its_projection_to_learn():
    assert count_parameters(AdaGN(64, 512)) == 512 * 128 + 128


def test_adagn_treats_each_image_by_its_own_embedding(draw):
    layer = AdaGN(8, 4, 2)
    h, t_emb = draw(3, 8, 4, 4), draw(3, 4)
    whole = layer(h, t_emb)
    for b in range(3):
        assert_close(whole[b : b + 1], layer(h[b : b + 1], t_emb[b : b + 1]))


def test_adagn_ignores_scale_and_shift_of_its_input(draw):
    layer = AdaGN(8, 4, 2).double()
    h, t_emb = draw(1, 8, 4, 4, dtype=torch.float64), draw(1, 4, dtype=torch.float64)
    assert_close(layer(100 * h + 7, t_emb), layer(h, t_emb), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("channels", "groups"), [(8, 3), (8, 16), (8, 0), (0, 1), (8, -2), (-8, 2)]
)
def test_groups_that_do_not_fit_are_refused(channels, groups):
    message = f"num_channels must be .* got {channels} channels and {groups} groups"
    with pytest.raises(ValueError, match=message):
        AdaGN(channels, 4, groups)


@pytest.mark.parametrize("name", ["num_channels", "num_groups"])
def test_sizes_that_are_no_integers_are_named(name):
    with pytest.raises(TypeError, match=f"{name} must be an integer, got 8.0"):
        AdaGN(**{"num_channels": 8, "num_groups": 2, "d_emb": 4, name: 8.0})


@pytest.mark.parametrize("layer", [AdaGN, AdditiveGN])
def test_an_embedding_of_no_width_is_refused(layer):
    with pytest.raises(ValueError, match="d_emb must be at least 1, got 0"):
        layer(64, 0)


@pytest.mark.parametrize("sizes", [(10**22, 4, 1), (64, 10**22)])
def test_sizes_that_no_layer_can_have_are_refused(sizes):
    name = "num_channels" if sizes[0] > sizes[1] else "d_emb"
    with pytest.raises(ValueError, match=name + r" must be .* at most 2147483647, got 1\d{22}"):
        AdaGN(*sizes)


@pytest.mark.parametrize("shape", [(8, 4, 4), (1, 4, 4, 4), (8,), (1, 8, 2, 2, 2)])
def test_feature_maps_that_do_not_fit_are_refused(draw, shape):
    with pytest.raises(ValueError, match=r"h must have the shape \(B, 8, H, W\), got .*h\[None\]"):
        AdaGN(8, 4, 2)(draw(*shape), draw(1, 4))


def test_additive_gn_is_the_formula(draw):
    layer = AdditiveGN(6, 5, num_groups=3).double()
    nn.init.normal_(layer.norm.weight)
    nn.init.normal_(layer.norm.bias)
    h, t_emb = 2 + 3 * draw(2, 6, 4, 4, dtype=torch.float64), draw(2, 5, dtype=torch.float64)
    normed = group_norm_by_hand(h, 3)
    expected = torch.empty_like(h)
    for b in range(2):
        for c in range(6):
            shift = layer.projection.weight[c] @ t_emb[b] + layer.projection.bias[c]
            expected[b, c] = layer.norm.weight[c] * normed[b, c] + layer.norm.bias[c] + shift
    assert_close(layer(h, t_emb), expected, rtol=0, atol=1e-12)


def test_additive_gn_refuses_what_does_not_fit(draw):
    with pytest.raises(ValueError, match=r"num_channels must be .* got 8 channels and 3 groups"):
        AdditiveGN(8, 4, 3)
    with pytest.raises(ValueError, match=r"t_emb must have the shape \(B, 4\)"):
        AdditiveGN(8, 4, 2)(draw(2, 8, 3, 3), draw(2, 5))


@pytest.mark.parametrize("name", ["h", "t_emb"])
def test_inputs_that_are_no_floating_tensors_are_named(draw, name):
    inputs = {"h": draw(2, 8, 3, 3), "t_emb": draw(2, 4)}
    with pytest.raises(TypeError, match=rf"^{name} must be floating, got torch.int64\."):
        AdaGN(8, 4, 2)(**{**inputs, name: inputs[name].long()})
    with pytest.raises(TypeError, match=f"^{name} must be a tensor, got list"):
        AdaGN(8, 4, 2)(**{**inputs, name: inputs[name].tolist()})


@pytest.mark.parametrize("layer", [AdaGN(8, 4, 2), AdditiveGN(8, 4, 2)])
@pytest.mark.parametrize("name", ["h", "t_emb"])
def test_another_type_than_the_weights_is_refused(draw, layer, name):
    inputs = {"h": draw(2, 8, 3, 3), "t_emb": draw(2, 4)}
    inputs[name] = inputs[name].double()
    message = (
        f"{name} must have the type of the weights, torch.float32, got torch.float64. "
        f"Convert it: {name}.to(torch.float32)."
    )
    with pytest.raises(TypeError, match=re.escape(message)):
        layer(**inputs)
    inputs[name] = inputs[name].bfloat16()
    with torch.autocast("cpu"):  # which converts what it has to
        assert layer(**inputs).isfinite().all()


@pytest.mark.parametrize("layer", [AdaGN(8, 4, 2), AdditiveGN(8, 4, 2)])
def test_another_device_than_that_of_the_weights_is_refused(draw, layer):
    with pytest.raises(ValueError, match="h must be on the device of the weights, cpu, got meta"):
        layer(draw(2, 8, 3, 3).to("meta"), draw(2, 4).to("meta"))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_addition_is_the_formula(draw, k):
    h, shift = draw(2, 5, 3, 4), draw(2, k)
    before = h.clone()
    out = add_to_channels(h, shift)
    for b in range(2):
        for c in range(5):
            assert torch.equal(out[b, c], before[b, c] + (shift[b, c] if c < k else 0))
    assert torch.equal(h, before)


def test_addition_lets_the_gradient_through_a_relu(draw):
    h, shift = draw(2, 4, 3, 3).requires_grad_(), draw(2, 2).requires_grad_()
    add_to_channels(torch.relu(h), shift).sum().backward()
    assert torch.equal(h.grad, (h > 0).float())
    assert torch.equal(shift.grad, torch.full((2, 2), 9.0))


@pytest.mark.parametrize(
    ("h_shape", "shift_shape"),
    [
        ((4, 3, 3), (4, 2)),
        ((2, 4, 3, 3), (4,)),
        ((2, 4, 3, 3), (2, 5)),
        ((2, 4, 3, 3), (2, 4, 1, 1)),
    ],
)
def test_shifts_that_do_not_fit_are_refused(draw, h_shape, shift_shape):
    with pytest.raises(ValueError, match=r"h must have .* and shift \(B, K\)"):
        add_to_channels(draw(*h_shape), draw(*shift_shape))


@pytest.mark.parametrize("shape", [(16,), (2, 15), (2, 16, 1)])
def test_adagn_refuses_other_embeddings(shape):
    with pytest.raises(
        ValueError, match=r"t_emb must have the shape \(B, 16\), got .*t_emb\[None\]"
    ):
        AdaGN(8, 16, 4)(torch.zeros(2, 8, 3, 3), torch.zeros(shape))


def test_one_embedding_may_stand_for_all(draw):
    h, t_emb, shift = draw(3, 8, 3, 3), draw(1, 4), draw(1, 8)
    for layer in (AdaGN(8, 4, 2), AdditiveGN(8, 4, 2)):
        assert_close(layer(h, t_emb), layer(h, t_emb.expand(3, 4)))
    assert torch.equal(add_to_channels(h, shift), add_to_channels(h, shift.expand(3, 8)))


def test_groups_of_32_are_the_default():
    assert AdaGN(64, 4).norm.num_groups == AdditiveGN(64, 4).norm.num_groups == 32


def test_other_batch_sizes_are_refused():
    h = torch.zeros(2, 8, 3, 3)
    with pytest.raises(ValueError, match="one embedding for each of the 2 feature maps"):
        AdaGN(8, 16, 4)(h, torch.zeros(3, 16))
    with pytest.raises(ValueError, match=r"h must have .* and shift \(B, K\)"):
        add_to_channels(h, torch.zeros(3, 8))
