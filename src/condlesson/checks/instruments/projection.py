"""How gamma and beta come of the embedding: by one linear layer, or by something else."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.modulation import FORMULA, Scores
from condlesson.checks.instruments.parameters import (
    ACTIVATIONS,
    SILU,
    listed,
    overwritten,
    slices,
    trainable,
)

__all__ = ["activation_note", "check_linear", "is_linear", "parameter_notes"]


def check_linear(scores: Scores, t_emb: Tensor) -> list[str]:
    """Raise `Wrong` unless a linear layer makes both, of t_emb or of an activation of it."""
    for name, function in ACTIVATIONS.items():
        inputs = function(t_emb).double()
        if not is_linear(scores.scale, inputs):
            continue
        if is_linear(scores.shift, inputs):
            return activation_note(name)
        if is_linear(scores.shift / scores.scale, inputs):
            raise Wrong(
                f"Beta is scaled as well: what is added is (1 + gamma) * beta. Write {FORMULA}, "
                "with beta outside of the product."
            )
    raise Wrong(_bend(scores, t_emb))


def is_linear(values: Tensor, inputs: Tensor) -> bool:
    """Whether each column of values is an affine function of the inputs."""
    design = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=inputs.dtype)], dim=1)
    left = values - design @ torch.linalg.lstsq(design, values).solution
    return bool(left.abs().max() < 1e-3 * values.abs().max())


def activation_note(name: str) -> list[str]:
    """A note on what stands in front of the projection, if anything does."""
    if name == "no activation":
        return []
    if name == SILU:
        return [
            "Note: a SiLU stands before the projection, as in most production U-Nets. The page "
            "projects t_emb itself. Both are fine."
        ]
    return [f"Note: {name} stands before the projection. The page projects t_emb itself."]


_BENDS = {
    "tanh": lambda x: torch.atanh(x.clamp(-1 + 1e-9, 1 - 1e-9)),
    "sigmoid": lambda x: torch.logit(x.clamp(1e-9, 1 - 1e-9)),
    "exp": lambda x: x.clamp(min=1e-9).log(),
    "softplus": lambda x: x.clamp(min=1e-9).expm1().clamp(min=1e-9).log(),
}


def _bend(scores: Scores, t_emb: Tensor) -> str:
    for name, undo in _BENDS.items():
        for values, who in (
            (scores.scale, "the scale"),
            (scores.scale - 1, "gamma"),
            (scores.shift, "beta"),
        ):
            undone = undo(values)  # one number throughout, where no value lies in its range
            if (undone.std(0) > 1e-3).all() and is_linear(undone, t_emb.double()):
                return (
                    f"{who.capitalize()} goes through {name} after the projection, so that it "
                    f"cannot take every value. Use what the projection gives: {FORMULA}."
                )
    for values, who in (
        (scores.scale - 1, "gamma"),
        (scores.scale, "scale"),
        (scores.shift, "beta"),
    ):
        if values.min() >= -1e-6:
            return (
                f"No {who} of any channel is ever negative, so an activation stands after the "
                f"projection, or it is squared. Use what the projection gives: {FORMULA}."
            )
    normed = F.normalize(t_emb.double()), F.layer_norm(t_emb.double(), t_emb.shape[1:])
    if any(is_linear(values, x) for x in normed for values in (scores.scale, scores.shift)):
        return (
            "t_emb is normalised before it is projected, so that its size has no effect. Project "
            "t_emb itself: [gamma, beta] = Linear(t_emb)."
        )
    return (
        "Gamma and beta are not linear in t_emb. One linear layer makes both: [gamma, beta] = "
        "Linear(t_emb), with nothing before or after it."
    )


def parameter_notes(
    layer: nn.Module, sizes: tuple[int, int, int], read: Callable[[], Scores]
) -> list[str]:
    """Notes on parameters that the page's layer has not, or has more.

    Args:
        layer: A conditioned norm.
        sizes: Its num_channels, d_emb and num_groups.
        read: Its scores, as its tensors are now.
    """
    num_channels, d_emb, _ = sizes
    found = trainable(layer)
    extra = sum(p.numel() for p in found.values()) - 2 * num_channels * (d_emb + 1)
    if extra == 0:
        return []
    if extra == 2 * num_channels:
        return [
            "Note: the norm keeps a scale and a shift of its own, as in most U-Nets. That is "
            "fine. affine=False leaves them out, since gamma and beta can do the same."
        ]
    if extra == -2 * num_channels:
        fixed = _fixed_bias(layer, num_channels, read)
        if fixed:
            return [
                f"Note: {fixed} is part of gamma or beta, and no optimiser trains it: it is no "
                "parameter, or frozen. The page's projection has a bias that is trained."
            ]
        return ["Note: the projection has no bias. The page's has one; nn.Linear has by default."]
    wanted = 2 * num_channels * (d_emb + 1)
    return [
        f"Note: with {num_channels} channels and d_emb = {d_emb} the page's layer has {wanted:,} "
        f"parameters; yours has {wanted + extra:,}: {listed(found)}."
    ]


def _fixed_bias(layer: nn.Module, num_channels: int, read: Callable[[], Scores]) -> str:
    """Name of a tensor, one number for each gamma and beta, that counts and is not trained."""
    tensors = {**dict(layer.named_parameters()), **dict(layer.named_buffers())}
    for path, part in layer.named_modules():
        prefix = f"{path}." * bool(path)
        tensors |= {prefix + n: v for n, v in vars(part).items() if isinstance(v, Tensor)}
    before = read()
    for name, value in tensors.items():
        if value.requires_grad or not value.is_floating_point() or not slices(value, num_channels):
            continue
        with overwritten({value: value.detach() + 1.0}):
            after = read()
        if not (_alike(before.scale, after.scale) and _alike(before.shift, after.shift)):
            return name
    return ""


def _alike(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, atol=1e-3)
