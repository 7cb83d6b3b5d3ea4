"""What the U-Nets take, and what they refuse."""

from functools import partial

import pytest
import torch

from condlesson import VARIANTS, UNet, UNetAdaGN, UNetSimple
from condlesson.unet import UNetMatched

pytestmark = pytest.mark.usefixtures("one_thread")

T = torch.tensor([3, 700])


@pytest.mark.parametrize(
    "shape",
    [(1, 28, 28), (2, 3, 28, 28), (2, 1, 26, 28), (2, 1, 28, 27), (2, 1, 28), (2, 1, 4, 4, 4)],
)
@pytest.mark.parametrize("network", [UNet, UNetAdaGN])
def test_images_that_do_not_fit_are_refused(draw, network, shape):
    with pytest.raises(ValueError, match=r"x_t must have the shape \(B, 1, H, W\) .*, got \("):
        network(8)(draw(*shape), T)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_network_follows_its_dtype(variant, dtype):
    network = VARIANTS[variant](8).to(dtype).eval()
    out = network(torch.zeros(2, 1, 28, 28, dtype=dtype), torch.tensor([0, 999]))
    assert out.dtype == dtype


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_timestep_serves_all_images(variant):
    network, x = VARIANTS[variant](8).eval(), torch.ones(3, 1, 28, 28)
    expected = network(x, torch.tensor([7, 7, 7]))
    assert torch.equal(network(x, 7), expected)
    assert torch.equal(network(x, torch.tensor(7)), expected)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("t", [torch.tensor([1]), torch.tensor([[1], [2], [3]]), torch.ones(4)])
def test_timesteps_of_another_shape_are_refused(variant, t):
    with pytest.raises(ValueError, match="t must be one timestep, or one for each of the 3 images"):
        VARIANTS[variant](8)(torch.ones(3, 1, 28, 28), t)


def test_timesteps_of_another_type_are_refused():
    with pytest.raises(TypeError, match=r"t must be integer or floating, got dtype torch.bool"):
        UNet(8)(torch.ones(1, 1, 28, 28), torch.tensor([True]))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("t", [float("nan"), float("inf")])
def test_timesteps_that_are_no_numbers_are_refused(variant, t):
    with pytest.raises(ValueError, match="t must be finite, got a nan or an infinity"):
        VARIANTS[variant](8)(torch.ones(1, 1, 28, 28), torch.tensor([t]))


def test_no_timesteps_are_refused():
    with pytest.raises(ValueError, match="num_timesteps must be at least 1, got 0"):
        UNetSimple(8, num_timesteps=0)


def test_width_that_the_groups_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="num_channels must be a positive multiple of num_groups"):
        UNetAdaGN(12)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (torch.tensor([1]), ValueError, r"labels must have the shape \(2,\), .* got \(1,\)"),
        (torch.tensor([1, 2, 0]), ValueError, r"labels must have the shape \(2,\), .* got \(3,\)"),
        (torch.tensor([1, 2], device="meta"), ValueError, "labels must be on the device of the"),
        ([1, 2], TypeError, "labels must be a tensor of integers, got list"),
    ],
)
def test_labels_that_do_not_fit_the_images_are_refused(labels, error, message):
    with pytest.raises(error, match=message):
        UNetAdaGN(8, num_classes=3)(torch.ones(2, 1, 28, 28), T, labels)


def test_labels_of_a_type_without_a_least_are_taken():
    network = UNetAdaGN(8, num_classes=3).eval()
    x_t, labels = torch.ones(2, 1, 28, 28), torch.tensor([1, 2])
    assert torch.equal(network(x_t, T, labels.to(torch.uint16)), network(x_t, T, labels))


@pytest.mark.parametrize("variant", VARIANTS)
def test_shapes_can_be_asked_of_a_network_without_numbers(variant):
    network = VARIANTS[variant](8).to("meta")
    assert network(torch.ones(2, 1, 28, 28, device="meta"), T).shape == (2, 1, 28, 28)


@pytest.mark.parametrize(("width", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError)])
def test_a_width_that_is_none_is_refused(width, error):
    with pytest.raises(error, match="width must be"):
        UNet(width)


@pytest.mark.parametrize("steps", [0, -5, float("nan")])
def test_a_clock_without_timesteps_is_refused(steps):
    for make in (UNetSimple, partial(UNetMatched, encoding="scalar")):
        with pytest.raises((TypeError, ValueError), match="num_timesteps must be"):
            make(8, num_timesteps=steps)
