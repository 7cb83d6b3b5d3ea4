"""What to do about an error of a layer that embeddings scale and shift."""

import re

from condlesson.checks.harness.cures import reshape_cure
from condlesson.checks.harness.failure import Failure
from condlesson.checks.instruments.modulation import BATCH, WantedLayer

__all__ = ["layer_cure"]


def layer_cure(failure: Failure, asked: WantedLayer, d_emb: int) -> str:
    """What to do about an error of a layer of these sizes."""
    for look in (_groups_cure, _norm_cure, _width_cure, _split_cure, _reshape_cure):
        text = look(failure, asked, d_emb)
        if text:
            return text
    return ""


def _groups_cure(failure: Failure, asked: WantedLayer, d_emb: int) -> str:
    if "divisible by num_groups" not in failure.text:
        return ""
    given = failure.numbers.get("num_groups"), failure.numbers.get("num_channels")
    if given == (asked.num_channels, asked.num_groups):
        return f"nn.GroupNorm takes the number of groups first, then the channels: {asked.norm}."
    if given[0] == asked.num_groups:
        return f"The norm gets {given[1]} channels, and h has {asked.num_channels}: {asked.norm}."
    return (
        f"The norm must have {asked.num_groups} groups. Use the argument num_groups: "
        f"{asked.norm_of('num_groups', asked.width)}, here {asked.norm}."
    )


def _norm_cure(failure: Failure, asked: WantedLayer, d_emb: int) -> str:
    if "normalized_shape" not in failure.text:
        return ""
    return f"A layer norm works on the last dimension, here a row of pixels. Take {asked.norm}."


def _width_cure(failure: Failure, asked: WantedLayer, d_emb: int) -> str:
    """A linear layer of another width than what enters it."""
    match = re.search(r"cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", failure.text)
    if not match:
        return ""
    came, wanted = int(match[1]), int(match[2])
    layer = failure.layer or "the projection"
    out = asked.outputs
    if came == d_emb:
        return f"{layer} takes {wanted} numbers, and d_emb is {d_emb}: nn.Linear(d_emb, {out})."
    maps = (
        f"{name} is {found}, a feature map"
        for name, found in failure.shapes.items()
        if len(found) == 4
    )
    seen = next(maps, f"it gets {came}")
    return (
        f"{layer} takes {wanted} numbers, and {seen}. Project t_emb, (B, d_emb); your layer is "
        "called with (h, t_emb)."
    )


def _split_cure(failure: Failure, asked: WantedLayer, d_emb: int) -> str:
    """Gamma and beta that were not split, or along the batch."""
    if asked.adds_only or failure.kind not in ("RuntimeError", "ValueError"):
        return ""
    both = "split the last dimension, .chunk(2, dim=-1)."
    for name, size in failure.shapes.items():
        if size[1:2] == (2 * asked.num_channels,) and size[0] != BATCH:
            return f"{name} is {size}: the batch is split. For gamma and beta, {both}"
        if size[1:2] == (2 * asked.num_channels,):
            return f"{name} is {size}, gamma and beta in one: {both}"
        if size[:2] == (BATCH, asked.num_channels // 2):
            return (
                f"{name} is {size}, for half of the channels: the projection has "
                f"{asked.num_channels} outputs. A gamma and a beta for each channel need 2 * "
                "num_channels."
            )
    return ""


def _reshape_cure(failure: Failure, asked: WantedLayer, d_emb: int) -> str:
    return reshape_cure(failure, (BATCH, asked.num_channels))
