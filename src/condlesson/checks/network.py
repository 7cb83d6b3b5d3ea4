"""Check of exercise 4: a U-Net that is told the timestep at its bottleneck."""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor, nn

from condlesson import unet
from condlesson.checks.calling import as_factory, build, call, call_on, shape, tensor_from
from condlesson.checks.entrance import Entrance, find_entrance, tensor_at
from condlesson.checks.layers import listed, overwritten, squeezed, trainable
from condlesson.checks.perceptron import examine_perceptron
from condlesson.checks.result import CheckResult
from condlesson.checks.running import Wrong, run_check
from condlesson.checks.spatial import check_head, path_notes
from condlesson.checks.structure import Layers

__all__ = ["check_unet_sinusoidal"]

D_SINUSOIDAL, D_EMB, WIDE = 256, 512, 256
PATH = (
    "Sinusoid and MLP, TimestepEmbedding(256, 512), then nn.Linear(512, 256), added to the 256 "
    "channels of the bottleneck"
)
ACTIVATED = (
    "An activation stands between the projection and the bottleneck, so that the shift cannot take "
    "every value. Add what nn.Linear(512, 256) gives."
)


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
    matrices = _time_matrices(model)
    notes += _check_clock(model, matrices, entrance, side)
    return [
        *notes,
        *_place_note(entrance),
        *path_notes(model, dead, {*matrices.perceptron, matrices.projection}),
    ]


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
            "The prediction does not depend on t: t = 0, 300 and 999 give the same. Embed t, and "
            f"let it in. {PATH}."
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
    flat = entrance.change.flatten(1)
    if (flat - flat[:, :1]).abs().max() > 1e-4 * flat.abs().max() + 1e-6:
        raise Wrong(
            "What the timestep changes differs from pixel to pixel of the bottleneck, so it is not "
            "one number added to each channel. Reshape the projection to (B, 256, 1, 1), and add "
            "it."
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


def _told(change: Tensor) -> Tensor:
    return change.flatten(1).abs().amax(1) > 1e-6


def _where(entrance: Entrance, side: int) -> str:
    pixels = 28 * entrance.size // side
    if entrance.wide == 0 and pixels == 28:
        return f"at the first block, in {entrance.channels} channels of 28 x 28 pixels"
    stage = "in front of the bottleneck" if entrance.wide == 0 else "in the decoder"
    return f"{stage}, in {entrance.channels} channels of {pixels} x {pixels} pixels"


def _place_note(entrance: Entrance) -> list[str]:
    if entrance.is_behind:
        return []
    return [
        "Note: the timestep enters between the two convolutions of the bottleneck, as in the first "
        "diffusion U-Nets. The page adds it behind both."
    ]


_SHAPES = {(D_EMB, D_EMB), (D_EMB, D_SINUSOIDAL), (D_SINUSOIDAL, D_EMB)}  # also of convolutions


class _Matrices(NamedTuple):
    """Parameters of the timestep's path."""

    perceptron: Layers
    projection: nn.Parameter


def _time_matrices(model: nn.Module) -> _Matrices:
    found = {n: p for n, p in trainable(model).items() if p.grad is not None}
    matrices = {n: p for n, p in found.items() if p.ndim in (2, 3) or squeezed(p) in _SHAPES}
    outer = [p for p in matrices.values() if sorted(squeezed(p)) == [D_SINUSOIDAL, D_EMB]]
    inner = [p for p in matrices.values() if squeezed(p) == (D_EMB, D_EMB)]
    biases = [p for p in found.values() if squeezed(p) == (D_EMB,)]
    if len(matrices) == 3 and (len(outer), len(inner), len(biases)) == (2, 1, 2):
        first, last = _in_order(model, outer, biases)
        return _Matrices(Layers(first, biases[0], inner[0], biases[1]), last)
    cut = [
        name
        for name, p in model.named_parameters()
        if p.grad is None and sorted(squeezed(p)) in ([D_SINUSOIDAL, D_EMB], [D_EMB, D_EMB])
    ]
    if cut:
        raise Wrong(
            f"No gradient reaches {', '.join(cut)}: the timestep's path would never learn. Look "
            "for detach, .data, no_grad or a frozen layer on it."
        )
    raise Wrong(_structure_mistake(matrices, len(outer), len(inner)))


def _structure_mistake(matrices: dict[str, nn.Parameter], outer: int, inner: int) -> str:
    shapes = [squeezed(p) for p in matrices.values()]
    table = next((s[0] for s in shapes if s[0] in (1000, 1001)), 0)
    if table:
        reason = f"A table of {table} rows is learned; the sinusoid is missing."
    elif any(len(s) == 1 for s in shapes):
        reason = "t enters as one number; the sinusoid is missing."
    elif shapes == [(WIDE, D_SINUSOIDAL)]:
        reason = "The sinusoid is projected as it is; the timestep MLP is missing."
    elif not inner and outer and len(shapes) <= 2:
        reason = "The second layer of the timestep MLP is missing."
    elif len(shapes) == 2 and inner == outer == 1:
        reason = "The projection from 512 to 256 is missing, or has another width."
    else:
        reason = "The timestep's path has other layers."
    return f"{reason} {PATH}. Matrices found: {listed(matrices) or 'none'}."


def _in_order(
    model: nn.Module, outer: list[nn.Parameter], biases: list[nn.Parameter]
) -> list[nn.Parameter]:
    """First layer and projection: behind a projection of 0, biases change nothing."""
    x, t = _images(1, 28), torch.tensor([5])
    moved = []
    for p in outer:
        with overwritten({p: 0.0}), torch.no_grad():
            before = model(x, t)
            with overwritten(dict.fromkeys(biases, 3.0)):
                moved.append((model(x, t) - before).abs().max().item())
    return outer if moved[0] > moved[1] else outer[::-1]


def _check_clock(model: nn.Module, parts: _Matrices, entrance: Entrance, side: int) -> list[str]:
    """Read the timestep MLP through the projection: with an identity, it hands on 256 numbers."""
    x = _images(1, 4 if side == 8 else side)  # for the shift, a bottleneck of one pixel will do

    def at(t: Tensor, projection: Tensor | float) -> Tensor:
        with overwritten({parts.projection: projection}):
            images = x.expand(len(t), -1, -1, -1)
            return tensor_at(model, images, t, entrance.index)[:, :, 0, 0]

    def shift(t: Tensor, projection: Tensor) -> Tensor:
        return at(t, projection) - at(t[:1], 0.0)

    identity = torch.eye(WIDE, D_EMB)
    if squeezed(parts.projection) != identity.shape:
        identity = identity.T
    t = torch.tensor([3, 400])
    if not torch.allclose(shift(t, -2 * identity), -2 * shift(t, identity), atol=1e-3):
        raise Wrong(ACTIVATED)
    try:
        return examine_perceptron(
            parts.perceptron,
            lambda t: shift(t, identity),
            is_whole=False,
            stride=8,
        )
    except Wrong as error:
        raise Wrong(f"The timestep's path, in front of the projection: {error}") from None
