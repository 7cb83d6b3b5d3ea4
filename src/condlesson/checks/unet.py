"""Check of exercise 4: a U-Net that is told the timestep at its bottleneck."""

from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor, nn

from condlesson import unet
from condlesson.checks.harness.answer import as_factory, build, call, call_on, shape, tensor_from
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, run_check
from condlesson.checks.instruments.parameters import overwritten, squeezed, trainable
from condlesson.checks.instruments.spatial_path import check_head, check_skips, path_notes
from condlesson.checks.instruments.time_path import (
    ACTIVATED,
    D_EMB,
    PATH,
    WIDE,
    check_clock,
    find_path,
)
from condlesson.checks.instruments.trace import Entrance, find_entrance, record

__all__ = ["check_unet_sinusoidal"]


def check_unet_sinusoidal(cls: Callable[[], nn.Module]) -> CheckResult:
    """Check a U-Net with sinusoid and timestep MLP, added to the whole bottleneck.

    Args:
        cls: Called as cls(); an object is called with x_t (B, 1, 28, 28) and t (B,), and returns
            the shape of x_t.

    Returns:
        What was found.
    """
    return run_check(
        "check_unet_sinusoidal",
        cls,
        _unet_sinusoidal,
        exercise=unet.UNetSinusoidal,
        praise="Well done: the clock reaches every channel of the bottleneck, and gradients reach "
        "the clock's network. Next, train it for a few steps, and lay your run beside the "
        "recorded one.",
    )


def _unet_sinusoidal(answer: object) -> list[str]:
    model = build(as_factory(answer, "cls()"), text="cls()")
    x, t = _images(2, 28), torch.tensor([10, 700])
    out = _predict(model, x, t)
    if out.shape != x.shape:
        raise Wrong(
            f"x_t {shape(x)} must give a prediction of its shape, got {shape(out)}. One number is "
            "predicted for each pixel."
        )
    trainable(model)
    notes = _wake(model)
    dead = _check_backward(model, x, t)
    model.eval()
    check_head(model, x[:1])
    _check_items(model)
    side, entrance = _entrance_of(model)
    _check_entrance(entrance, side)
    _check_channels(model, entrance, side)
    _check_elsewhere(model, entrance, side)
    check_skips(model, _images(1, side))
    path = find_path(model, x[:1])
    # The shift can be read with a bottleneck of one pixel.
    notes += check_clock(model, path, entrance, _images(1, 4 if side == 8 else side))
    clock = {*path.perceptron, path.projection}
    return [*notes, *_place_note(entrance), *path_notes(model, dead, clock)]


def _images(count: int, side: int) -> Tensor:
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(4))


def _predict(model: nn.Module, x: Tensor, t: Tensor) -> Tensor:
    return call_on(model, x, t, what=f"The network, with x_t {shape(x)} and t {shape(t)},")


def _wake(model: nn.Module) -> list[str]:
    """Random values for weights that start at 0, behind which nothing could be measured."""
    asleep = {n: p for n, p in model.named_parameters() if p.ndim > 1 and not p.any()}
    with torch.no_grad():
        for p in asleep.values():
            p.normal_(std=p[0].numel() ** -0.5)
    return [
        f"Note: {name} starts at 0, so that what it makes is silent at first. It can learn."
        for name in asleep
    ]


def _check_backward(model: nn.Module, x: Tensor, t: Tensor) -> list[str]:
    """Names of parameters that no gradient reaches; `Wrong` if nothing of the path learns."""
    out = tensor_from(call(model, x.clone(), t, what="The network"), "The network")
    if not out.requires_grad:
        raise Wrong(
            "The prediction carries no gradient, so nothing would be learned. Look for "
            "torch.no_grad, detach, .data or .item."
        )
    call((out * torch.randn_like(out)).sum().backward, what="The backward pass")
    return [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


def _check_items(model: nn.Module) -> None:
    x, t = _images(1, 28).expand(3, -1, -1, -1), torch.tensor([0, 300, 999])
    out = _predict(model, x, t).detach()
    if (_predict(model, x, t) - out).abs().max() > 1e-5:
        raise Wrong(
            "In evaluation mode the same input gets another prediction each time. A layer that is "
            "made in forward starts anew in every call, and never learns; make it in __init__. And "
            "nothing may be drawn at random there."
        )
    alone = torch.cat([_predict(model, x[:1], t[k : k + 1]) for k in range(3)]).detach()
    if max((y - y[:1]).abs().max() for y in (alone, out)) < 1e-6:
        raise Wrong(
            "The prediction does not depend on t: t = 0, 300 and 999 give the same. "
            f"{_lost(*_entrance_of(model))}"
        )
    if torch.allclose(out, alone, atol=1e-4):
        return
    if (out - out[:1]).abs().max() < 1e-6:
        raise Wrong(
            "All images of a batch are told one timestep, though each has its own. Keep the batch "
            "dimension of t."
        )
    raise Wrong(
        "In evaluation mode an image gets another prediction alone than in a batch: timesteps or "
        "images influence one another. Nothing may mix along dimension 0."
    )


def _lost(side: int, entrance: Entrance | None) -> str:
    if entrance is None:
        return f"Embed t, and let it in. {PATH}."
    return (
        f"It enters {_where(entrance, side)}, and what follows cancels it. Does a norm with one "
        "channel in each group follow? It subtracts each channel's mean. Add the shift behind it."
    )


def _entrance_of(model: nn.Module) -> tuple[int, Entrance | None]:
    """The side of an image that the network takes, as small as may be, and the entrance."""
    for side in (8, 16):
        with suppress(Exception):  # it may be made for 28 pixels only
            return side, find_entrance(model, _images(1, side), WIDE)
    return 28, find_entrance(model, _images(1, 28), WIDE)


def _check_entrance(entrance: Entrance | None, side: int) -> None:
    if entrance is None:
        raise Wrong(f"t enters no feature map. {PATH}.")
    deepest, where = side // 4, _where(entrance, side)
    if entrance.size != deepest or entrance.wide == 0:
        raise Wrong(
            f"The timestep enters {where}, and not at the bottleneck. {PATH}, where every pixel's "
            "view is widest."
        )
    if entrance.channels > WIDE:
        raise Wrong(
            f"The embedding stands beside the feature map, {entrance.channels} channels in all, "
            f"and is not added to it. {PATH}."
        )
    flat = entrance.change.flatten(1)
    if (flat - flat[:, :1]).abs().max() > 1e-4 * flat.abs().max() + 1e-6:
        raise Wrong(
            "What the timestep changes differs from pixel to pixel of the bottleneck, so it is not "
            "one number added to each channel. Reshape the projection to (B, 256, 1, 1), and add "
            "it; multiply nothing."
        )
    if entrance.channels == WIDE and (flat[:, 0] - flat[0, 0]).abs().max() < 1e-6:
        raise Wrong(
            "Every channel of the bottleneck gets the same number. Project the embedding to 256 "
            "numbers, one for each channel: nn.Linear(512, 256)."
        )


def _check_channels(model: nn.Module, entrance: Entrance, side: int) -> None:
    """All channels must be told the time, whatever the weights are."""
    told = _told(entrance.change)
    if entrance.channels == WIDE and told.all():
        return
    negated = {
        p: -p.detach()
        for p in model.parameters()
        if squeezed(p) in {(WIDE, D_EMB), (D_EMB, WIDE), (WIDE,)}
    }
    with overwritten(negated):
        other = find_entrance(model, _images(1, side), WIDE)
    if other is not None and other.channels == WIDE and not torch.equal(_told(other.change), told):
        raise Wrong(ACTIVATED)
    raise Wrong(
        f"The timestep reaches {int(told.sum())} of the {WIDE} channels of the bottleneck; the "
        f"others are told nothing. Project the embedding to all {WIDE}: nn.Linear(512, 256)."
    )


def _check_elsewhere(model: nn.Module, entrance: Entrance, side: int) -> None:
    """With the feature map of one t at the entrance, nothing of another t may be left."""
    x = _images(1, side)
    one = record(model, x, torch.tensor([10]))
    given = {entrance.index: one[entrance.index].output}
    other = record(model, x, torch.tensor([700]), given)
    if not torch.allclose(one[-1].output, other[-1].output, atol=1e-5):
        raise Wrong(
            "The timestep enters the network at a second place, too: with the bottleneck of "
            f"another t the prediction still changes with t. Only this belongs: {PATH}."
        )


def _told(change: Tensor) -> Tensor:
    return change.flatten(1).abs().amax(1) > 1e-6


def _where(entrance: Entrance, side: int) -> str:
    pixels = 28 * entrance.size // side
    if entrance.wide == 0 and pixels == 28:
        return f"at the first block, in {entrance.channels} channels of 28 x 28 pixels"
    stage = "in front of the bottleneck" if entrance.wide == 0 else "in the decoder"
    if entrance.size == side // 4 and entrance.wide:
        stage = "at the bottleneck"
    return f"{stage}, in {entrance.channels} channels of {pixels} x {pixels} pixels"


def _place_note(entrance: Entrance) -> list[str]:
    if entrance.is_behind:
        return []
    return [
        "Note: the timestep enters between the two convolutions of the bottleneck, as in the first "
        "diffusion U-Nets. The page adds it behind both."
    ]
