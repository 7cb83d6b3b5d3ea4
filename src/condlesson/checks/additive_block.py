"""Check of a further task of exercise 3: a block whose norm cancels the timestep's shift."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson import exercises
from condlesson.checks.harness.answer import as_factory, build, call_on, cured, shape
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Raised, Wrong, name_of, run_check
from condlesson.checks.instruments.modulation import EPS, WantedLayer
from condlesson.checks.instruments.norm import apply_raw, check_backward, embeddings_like
from condlesson.checks.instruments.norm_cures import layer_cure
from condlesson.checks.instruments.parameters import (
    ACTIVATIONS,
    SILU,
    check_frozen,
    check_modes,
    listed,
    overwritten,
    slices,
    squeezed,
    trainable,
)
from condlesson.checks.instruments.projection import activation_note
from condlesson.checks.instruments.slopes import stepped, unmoved

__all__ = ["check_additive_block"]


class Sizes(NamedTuple):
    """What a block is made with."""

    in_channels: int = 3
    out_channels: int = 12
    d_emb: int = 16
    num_groups: int = 4


SIZES = Sizes()
OTHERS = {"num_groups": (2, 3), "in_channels": (5,), "out_channels": (20,), "d_emb": (24,)}
BATCH = 3
BEFORE = ("no activation", SILU)  # what may stand before the projection
AFTER = {"ReLU": F.relu, "SiLU": F.silu, "GELU": F.gelu, "ReLU6": F.relu6}  # at the end


def check_additive_block(cls: Callable[[int, int, int, int], nn.Module]) -> CheckResult:
    """Check a block that is told the time by addition: convolution, shift, norm, ReLU.

    Args:
        cls: Called as cls(in_channels, out_channels, d_emb, num_groups); an object is called
            with h (B, in_channels, H, W) and t_emb (B, d_emb), and returns
            (B, out_channels, H, W).

    Returns:
        What was found.
    """
    return run_check(
        "check_additive_block",
        cls,
        _additive_block,
        exercise=exercises.AdditiveBlock,
        praise="Found. With one channel in each group the norm would subtract exactly what the "
        "timestep added. Next, measure how much of the shift is left with 2, 4 and 12 channels a "
        "group.",
    )


def _additive_block(answer: object) -> list[str]:
    factory = as_factory(answer, "AdditiveBlock(in_channels, out_channels, d_emb, num_groups)")
    h, t_emb = _inputs(SIZES)
    wanted = WantedLayer(SIZES.out_channels, SIZES.num_groups, adds_only=True, width="out_channels")
    with cured(partial(layer_cure, asked=wanted, d_emb=SIZES.d_emb)):
        block = _build(factory, SIZES)
        _apply(block, h, t_emb, SIZES)
    parts = _find_parts(block, SIZES)
    with overwritten(parts.values(h, t_emb)):
        out = _apply(block, h, t_emb, SIZES).detach()
        again = _apply(block, h, t_emb, SIZES).detach()
        other = _apply(block, h, embeddings_like(BATCH, SIZES.d_emb, seed=6), SIZES).detach()
        alone = _apply(block, h[1:2], t_emb[1:2], SIZES).detach()
        first = _apply(block, h, t_emb[:1].expand_as(t_emb), SIZES).detach()
    if not torch.equal(out, again):
        raise Wrong(
            "The same input gives another result each time. Draw nothing at random here: there was "
            "no dropout in the block, and no layer that forward makes."
        )
    if (out - other).abs().max() < 1e-3:
        changed = _apply(block, h, t_emb, SIZES) - _apply(block, h, t_emb.flip(0), SIZES)
        is_told = changed.abs().max() > 1e-3  # with the block's own values
        raise Wrong((_other_form if is_told else _no_effect)(parts, h, t_emb, out))
    if not torch.allclose(out[1:2], alone, atol=1e-3):
        if torch.allclose(out, first, atol=1e-3):
            raise Wrong(
                "Every feature map of the batch is told the first embedding, t_emb[0]. Each has "
                "its own timestep: keep the batch dimension."
            )
        raise Wrong(
            "A feature map comes out differently alone and in a batch: the items influence one "
            "another. Keep the batch dimension, and use a group norm, which looks at each "
            "feature map by itself."
        )
    if _name_form(parts, h, t_emb, out) is None:
        raise Wrong(_other_form(parts, h, t_emb, out))
    notes = _check_large(parts, t_emb)
    _check_own(parts, h, t_emb)
    check_modes(block, lambda: _apply(block, h, t_emb, SIZES))
    check_backward(block, h, t_emb)
    _check_learns(block, h, t_emb)
    for name, others in OTHERS.items():
        for value in others:
            _check_argument(factory, name, value)
    _build(factory, SIZES)  # another one shares nothing
    return notes


def _inputs(sizes: Sizes) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(8)
    h = torch.randn(BATCH, sizes.in_channels, 6, 8, generator=generator)
    return h, embeddings_like(BATCH, sizes.d_emb)


def _build(factory: Callable, sizes: Sizes) -> nn.Module:
    return build(factory, *sizes, text=f"{name_of(factory)}{tuple(sizes)}")


def _check_argument(factory: Callable, name: str, value: int) -> None:
    """Each number must be the one that is handed in, and not written down."""
    sizes = SIZES._replace(**{name: value})
    text = (
        f"With {name} = {getattr(SIZES, name)} the block is right, with {name} = {value} it is "
        "wrong: something else is used in its place, such as a number that is written down. Use "
        f"the argument {name}."
    )
    try:
        block = _build(factory, sizes)
        h, t_emb = _inputs(sizes)
        _apply(block, h, t_emb, sizes)
        parts = _find_parts(block, sizes)
        with overwritten(parts.values(h, t_emb)):
            out = _apply(block, h, t_emb, sizes).detach()
    except Raised as error:
        raise Wrong(f"{text} {error.args[0].removesuffix('.')}.") from None
    except Wrong:
        raise Wrong(text) from None
    if _name_form(parts, h, t_emb, out) is None:
        raise Wrong(text)


def _check_learns(block: nn.Module, h: Tensor, t_emb: Tensor) -> None:
    """Refuse a start at which no gradient comes as far as the timestep."""
    values = stepped(block, partial(apply_raw, block), h, t_emb)
    with overwritten(values):
        told, other = (apply_raw(block, h.clone(), x) for x in (t_emb, t_emb.flip(0)))
    if (told - other).abs().max() > 1e-5:
        return
    raise Wrong(
        "From this start the block cannot learn to use t_emb: after some steps of gradient "
        "descent it still has no effect. A ReLU of 0 passes no gradient on. Let the layers start "
        f"as they come, and the norm's scale at 1.{unmoved(block, values)}"
    )


def _apply(block: nn.Module, h: Tensor, t_emb: Tensor, sizes: Sizes) -> Tensor:
    out = call_on(block, h, t_emb, what="The block")
    wanted = (len(h), sizes.out_channels, *h.shape[2:])
    if out.shape != wanted:
        raise Wrong(
            f"The block must return shape {wanted} for h of shape {shape(h)}, got {shape(out)}."
        )
    return out


class _Parts(NamedTuple):
    block: nn.Module
    convolution: nn.Parameter
    projection: nn.Parameter
    sizes: Sizes

    def values(self, h: Tensor, t_emb: Tensor) -> dict[nn.Parameter, Tensor | float]:
        """Large random weights, no biases, and the norm's own scale at 1, if it has one."""
        random = self._random()
        rest = [p for p in self.block.parameters() if p not in random]
        zeros = {p: torch.zeros_like(p) for p in rest}
        scales = [{p: part.to(p)} for p in rest for part in slices(p, self.sizes.out_channels)]
        tried = [random | zeros | scale for scale in ({}, *scales)]
        return next((values for values in tried if self._varies(values, h, t_emb)), tried[0])

    def _random(self) -> dict[nn.Parameter, Tensor]:
        generator = torch.Generator().manual_seed(9)
        both = self.convolution, self.projection
        return {p: torch.randn(p.shape, generator=generator) for p in both}

    def _varies(self, values: dict[nn.Parameter, Tensor], h: Tensor, t_emb: Tensor) -> bool:
        """Whether a channel of the result is not one number at all pixels."""
        with overwritten(values):
            out = _apply(self.block, h, t_emb, self.sizes).detach()
        return bool(out.flatten(2).std(2).max() > 1e-3)

    def signals(self, h: Tensor, t_emb: Tensor) -> tuple[Tensor, Tensor]:
        """What enters the norm without a timestep, and the shift, both with `values`."""
        random = self._random()
        weight = random[self.projection].squeeze()
        wanted = self.sizes.out_channels, self.sizes.d_emb
        shift = t_emb @ (weight if weight.shape == wanted else weight.T).T
        return F.conv2d(h, random[self.convolution], padding=1), shift[:, :, None, None]


def _find_parts(block: nn.Module, sizes: Sizes) -> _Parts:
    found = trainable(block)
    kernel = (sizes.out_channels, sizes.in_channels, 3, 3)
    linear = {(sizes.out_channels, sizes.d_emb), (sizes.d_emb, sizes.out_channels)}
    convolutions = [p for p in found.values() if p.shape == kernel]
    projections = [p for p in found.values() if squeezed(p) in linear]
    if len(convolutions) == 1 and len(projections) == 1:
        known = (convolutions[0], projections[0])
        _check_added({n: p for n, p in found.items() if not any(p is k for k in known)}, sizes)
        return _Parts(block, convolutions[0], projections[0], sizes)
    check_frozen(block, {kernel} | linear)
    missing = "convolution" if len(convolutions) != 1 else "projection of t_emb"
    raise Wrong(
        f"The block's {missing} is not there as it was given. Only one line was wrong; leave the "
        f"others as they were. The block's parameters are {listed(found)}."
    )


def _check_added(rest: dict[str, nn.Parameter], sizes: Sizes) -> None:
    """Beside the two matrices there are biases, and the norm's own scale and shift."""
    added = [name for name, p in rest.items() if not slices(p, sizes.out_channels)]
    if added:
        raise Wrong(
            f"The block has {added[0]}, {shape(rest[added[0]])}, which was not there. Only the "
            "line of the norm was wrong; leave the others as they were."
        )


def _no_effect(parts: _Parts, h: Tensor, t_emb: Tensor, out: Tensor) -> str:
    z, shift = parts.signals(h, t_emb)
    groups, channels = SIZES.num_groups, SIZES.out_channels
    normed = F.group_norm(z + shift, channels)
    if any(_same(out, after(normed)) for after in AFTER.values()):
        return (
            f"The timestep still does nothing: another t_emb changes no value. The norm has "
            f"{channels} groups for {channels} channels, one channel each, so it subtracts each "
            "channel's mean, and the shift changes nothing but that mean. Use the groups that were "
            "asked for: "
            f"nn.GroupNorm(num_groups, out_channels), here nn.GroupNorm({groups}, {channels})."
        )
    return (
        "The timestep does nothing: another t_emb changes no value. Add its projection to every "
        "channel, before the norm of num_groups groups or after it."
    )


class _Own(NamedTuple):
    """What numbers of the block's own, one for each channel, do in it."""

    convolved: Tensor | float = 0.0  # added to what the convolution gives
    told: Tensor | float = 0.0  # added to the timestep's shift
    scale: Tensor | float = 1.0  # times what the norm gives
    normed: Tensor | float = 0.0  # added to that


NONE = _Own()


def _owns(by: Tensor) -> list[_Own]:
    """What such numbers may do, if they are not 0 but these."""
    by = by[:, None, None]
    return [
        _Own(convolved=by),
        _Own(told=by),
        _Own(scale=1 + by),
        _Own(scale=by.exp()),
        _Own(normed=by),
        NONE,
    ]


def _name_form(
    parts: _Parts, h: Tensor, t_emb: Tensor, out: Tensor, own: _Own = NONE
) -> list[str] | None:
    """Notes on what is otherwise than it was given, or None if it is no form that is right."""
    for before in BEFORE:
        z, shift = parts.signals(h, ACTIVATIONS[before](t_emb))
        z, shift = z + own.convolved, shift + own.told
        groups, channels = parts.sizes.num_groups, parts.sizes.out_channels
        forms = (
            (F.group_norm(z + shift, groups) * own.scale + own.normed, []),
            (F.group_norm(z, groups) * own.scale + own.normed + shift, [BEHIND]),
            (F.group_norm(z, channels) * own.scale + own.normed + shift, [BEHIND]),
        )
        for normed, notes in forms:
            for name, after in AFTER.items():
                if _same(out, after(normed)):
                    return [*activation_note(before), *notes, *_after_note(name)]
    return None


BEHIND = (
    "Note: you moved the shift behind the norm, where nothing can cancel it. That "
    "works, too. The mistake was in the norm's number of groups."
)


def _after_note(name: str) -> list[str]:
    if name == "ReLU":
        return []
    return [f"Note: the block had a ReLU, and yours has a {name}. Both are fine."]


def _check_large(parts: _Parts, t_emb: Tensor) -> list[str]:
    """Notes, from a single bright pixel, which the norm makes larger than others ever are."""
    h = torch.zeros(BATCH, SIZES.in_channels, 24, 24)
    h[..., 7, 5] = 1000.0
    with overwritten(parts.values(h, t_emb)):
        out = _apply(parts.block, h, t_emb, SIZES).detach()
    notes = _name_form(parts, h, t_emb, out)
    if notes is None:
        raise Wrong(
            f"Large values come out otherwise than small ones: the largest is {out.max():.3g}. Is "
            "the result bounded, as by clamp? The block ends with a ReLU, which has no upper end."
        )
    return notes


def _check_own(parts: _Parts, h: Tensor, t_emb: Tensor) -> None:
    """The norm's own scale and shift, and all biases, do what they did in the block."""
    values = parts.values(h, t_emb)
    by = torch.linspace(1, 4, SIZES.out_channels)
    for name, p in parts.block.named_parameters():
        for part in slices(p, SIZES.out_channels):
            moved = values[p].masked_scatter(part, values[p][part] + by.to(p))
            with overwritten({**values, p: moved}):
                out = _apply(parts.block, h, t_emb, SIZES).detach()
            if all(_name_form(parts, h, t_emb, out, own) is None for own in _owns(by)):
                raise Wrong(
                    f"With other numbers in {name} the block does not compute convolution, shift, "
                    "norm, ReLU any more. Is the norm applied twice, or the shift multiplied by "
                    "the norm's scale? Only the line of the norm was wrong."
                )


def _other_form(parts: _Parts, h: Tensor, t_emb: Tensor, out: Tensor) -> str:
    for before in BEFORE:
        text = _wrong_form(*parts.signals(h, ACTIVATIONS[before](t_emb)), out)
        if text:
            return text
    return (
        "The block does not compute convolution, shift, norm, ReLU in this order any more. Only "
        "the line of the norm was wrong; leave the others as they were given."
    )


def _wrong_form(z: Tensor, shift: Tensor, out: Tensor) -> str:
    """Which known mistake makes this result, or ""."""
    asked, channels = SIZES.num_groups, SIZES.out_channels
    if _same(out, F.group_norm(z + shift, asked)) or _same(out, F.group_norm(z, asked) + shift):
        return "The ReLU is gone. It was right: leave it at the end of the block."
    if _same(out, F.relu(z + shift)):
        return (
            "The norm is gone. Then nothing cancels the shift, but nothing normalises either: keep "
            f"it, with the groups that were asked for, nn.GroupNorm({asked}, {channels})."
        )
    eps = _eps(z + shift, out)
    if eps > 0 and _same(out, F.relu(F.group_norm(z + shift, asked, eps=eps))):
        return (
            f"The norm's eps is about {eps:.2g}, and it must be tiny beside the variance, which it "
            f"is added to: leave it at {EPS:g}, nn.GroupNorm({asked}, {channels})."
        )
    for groups in (k for k in range(1, channels + 1) if channels % k == 0 and k != asked):
        for normed in (F.group_norm(z + shift, groups), F.group_norm(z, groups) + shift):
            if any(_same(out, after(normed)) for after in AFTER.values()):
                return (
                    f"The norm works in {groups} group{'s' * (groups > 1)}, and {asked} were "
                    f"asked for: nn.GroupNorm(num_groups, out_channels), here "
                    f"nn.GroupNorm({asked}, {channels})."
                )
    return ""


def _eps(x: Tensor, out: Tensor) -> float:
    """What a group norm of x adds to the variance, from what a ReLU leaves of it."""
    groups = x.double().reshape(len(x), SIZES.num_groups, -1)
    off = groups - groups.mean(2, keepdim=True)
    normed = out.double().reshape(off.shape)
    added = (off / normed).square() - groups.var(2, correction=0, keepdim=True)
    return added[normed > 0.5].median().item()


def _same(out: Tensor, expected: Tensor) -> bool:
    return torch.allclose(out.float(), expected, atol=1e-3)
