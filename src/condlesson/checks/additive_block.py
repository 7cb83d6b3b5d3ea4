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
from condlesson.checks.harness.run import Wrong, name_of, run_check
from condlesson.checks.instruments.modulation import WantedLayer
from condlesson.checks.instruments.norm import check_backward, embeddings_like, layer_cure
from condlesson.checks.instruments.parameters import (
    SILU,
    check_frozen,
    check_modes,
    listed,
    overwritten,
    squeezed,
    trainable,
)
from condlesson.checks.instruments.projection import activation_note

__all__ = ["check_additive_block"]

IN, OUT, D_EMB, GROUPS = 3, 12, 16, 4
BATCH = 3
WANTED = WantedLayer(OUT, GROUPS, adds_only=True, width="out_channels")


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
    h = torch.randn(BATCH, IN, 6, 8, generator=torch.Generator().manual_seed(8))
    t_emb = embeddings_like(BATCH, D_EMB)
    with cured(partial(layer_cure, asked=WANTED, d_emb=D_EMB)):
        block = _build(factory, OUT, GROUPS)
        out = _apply(block, h, t_emb)
    parts = _find_parts(block)
    with overwritten(parts.values()):
        out = _apply(block, h, t_emb).detach()
        again = _apply(block, h, t_emb).detach()
        other = _apply(block, h, embeddings_like(BATCH, D_EMB, seed=6)).detach()
        alone = _apply(block, h[1:2], t_emb[1:2]).detach()
    if not torch.equal(out, again):
        raise Wrong(
            "The same input gives another result each time. Draw nothing at random here: there was "
            "no dropout in the block, and no layer that forward makes."
        )
    if (out - other).abs().max() < 1e-3:
        raise Wrong(_no_effect(parts, h, t_emb, out))
    if not torch.allclose(out[1:2], alone, atol=1e-3):
        raise Wrong(
            "A feature map comes out differently alone and in a batch: the items influence one "
            "another. Keep the batch dimension, and use a group norm, which looks at each "
            "feature map by itself."
        )
    given, notes = t_emb, []  # what is projected
    if _same(out, F.relu(F.group_norm(sum(_signals(parts, h, F.silu(t_emb))), GROUPS))):
        given, notes = F.silu(t_emb), activation_note(SILU)
    notes += _name_form(parts, h, given, out)
    check_modes(block, lambda: _apply(block, h, t_emb))
    check_backward(block, h, t_emb)
    _check_other_groups(factory, h, t_emb, given)
    return notes


def _build(factory: Callable, out_channels: int, num_groups: int) -> nn.Module:
    sizes = IN, out_channels, D_EMB, num_groups
    return build(factory, *sizes, text=f"{name_of(factory)}{sizes}")


def _check_other_groups(factory: Callable, h: Tensor, t_emb: Tensor, given: Tensor) -> None:
    """The number of groups must be the one that is handed in, and not written down."""
    for num_groups in (2, 3):
        block = _build(factory, OUT, num_groups)
        parts = _find_parts(block)
        with overwritten(parts.values()):
            out = _apply(block, h, t_emb).detach()
        z, shift = _signals(parts, h, given)
        forms = [F.group_norm(z + shift, num_groups)]
        forms += [F.group_norm(z, groups) + shift for groups in (num_groups, OUT)]
        if not any(_same(out, f(x)) for x in forms for f in (F.relu, F.silu, F.gelu)):
            raise Wrong(
                f"With {GROUPS} groups the block is right, with {num_groups} it is wrong: its "
                "number of groups is fixed. Use the argument num_groups."
            )


def _apply(block: nn.Module, h: Tensor, t_emb: Tensor) -> Tensor:
    out = call_on(block, h, t_emb, what="The block")
    wanted = (len(h), OUT, *h.shape[2:])
    if out.shape != wanted:
        raise Wrong(
            f"The block must return shape {wanted} for h of shape {shape(h)}, got {shape(out)}."
        )
    return out


class _Parts(NamedTuple):
    block: nn.Module
    convolution: nn.Parameter
    projection: nn.Parameter

    def values(self) -> dict[nn.Parameter, Tensor | float]:
        """Large random weights, no biases, and norms as they start."""
        generator = torch.Generator().manual_seed(9)
        random = {p: torch.randn(p.shape, generator=generator) for p in self[1:]}
        rest = [p for p in self.block.parameters() if p not in set(self[1:])]
        return random | {p: 1.0 if bool((p == 1).all()) else 0.0 for p in rest}


def _find_parts(block: nn.Module) -> _Parts:
    found = trainable(block)
    convolutions = [p for p in found.values() if p.shape == (OUT, IN, 3, 3)]
    projections = [p for p in found.values() if squeezed(p) in {(OUT, D_EMB), (D_EMB, OUT)}]
    if len(convolutions) == 1 and len(projections) == 1:
        return _Parts(block, convolutions[0], projections[0])
    check_frozen(block, {(OUT, IN, 3, 3), (OUT, D_EMB), (D_EMB, OUT)})
    missing = "convolution" if len(convolutions) != 1 else "projection of t_emb"
    raise Wrong(
        f"The block's {missing} is not there as it was given. Only one line was wrong; leave the "
        f"others as they were. The block's parameters are {listed(found)}."
    )


def _signals(parts: _Parts, h: Tensor, t_emb: Tensor) -> tuple[Tensor, Tensor]:
    """What enters the norm without a timestep, and the shift, both with `parts.values`."""
    values = parts.values()
    weight = values[parts.projection].squeeze()
    weight = weight if weight.shape == (OUT, D_EMB) else weight.T
    return F.conv2d(h, values[parts.convolution], padding=1), (t_emb @ weight.T)[:, :, None, None]


def _no_effect(parts: _Parts, h: Tensor, t_emb: Tensor, out: Tensor) -> str:
    z, shift = _signals(parts, h, t_emb)
    if torch.allclose(out, F.relu(F.group_norm(z + shift, OUT)), atol=1e-3):
        return (
            f"The timestep still does nothing: another t_emb changes no value. The norm has {OUT} "
            f"groups for {OUT} channels, one channel each, so it subtracts each channel's mean, "
            "and the shift changes nothing but that mean. Use the groups that were asked for: "
            f"nn.GroupNorm(num_groups, out_channels), here nn.GroupNorm({GROUPS}, {OUT})."
        )
    return (
        "The timestep does nothing: another t_emb changes no value. Add its projection to every "
        "channel, before the norm of num_groups groups or after it."
    )


def _name_form(parts: _Parts, h: Tensor, t_emb: Tensor, out: Tensor) -> list[str]:
    z, shift = _signals(parts, h, t_emb)
    norm = F.group_norm(z + shift, GROUPS)
    if _same(out, F.relu(norm)):
        return []
    for groups in (GROUPS, OUT):
        if _same(out, F.relu(F.group_norm(z, groups) + shift)):
            return [
                "Note: you moved the shift behind the norm, where nothing can cancel it. That "
                "works, too. The mistake was in the norm's number of groups."
            ]
    for name, function in (("SiLU", F.silu), ("GELU", F.gelu)):
        if _same(out, function(norm)):
            return [f"Note: the block had a ReLU, and yours has a {name}. Both are fine."]
    raise Wrong(_other_form(z, shift, norm, out))


def _other_form(z: Tensor, shift: Tensor, norm: Tensor, out: Tensor) -> str:
    if _same(out, norm) or _same(out, F.group_norm(z, GROUPS) + shift):
        return "The ReLU is gone. It was right: leave it at the end of the block."
    if _same(out, F.relu(z + shift)):
        return (
            "The norm is gone. Then nothing cancels the shift, but nothing normalises either: keep "
            f"it, with the groups that were asked for, nn.GroupNorm({GROUPS}, {OUT})."
        )
    for form in (z + shift, z):
        for groups in (k for k in range(1, OUT + 1) if OUT % k == 0 and k != GROUPS):
            normed = F.group_norm(form, groups) + (0 if form is not z else shift)
            if _same(out, F.relu(normed)):
                return (
                    f"The norm works in {groups} group{'s' * (groups > 1)}, and {GROUPS} were "
                    f"asked for: nn.GroupNorm(num_groups, out_channels), here "
                    f"nn.GroupNorm({GROUPS}, {OUT})."
                )
    return (
        "The block does not compute convolution, shift, norm, ReLU in this order any more. Only "
        "the line of the norm was wrong; leave the others as they were given."
    )


def _same(out: Tensor, expected: Tensor) -> bool:
    return torch.allclose(out.float(), expected, atol=1e-3)
