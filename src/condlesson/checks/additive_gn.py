"""Check of exercise 3: a group norm to which the timestep only adds."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from condlesson import conditioning
from condlesson.checks.harness.answer import as_factory
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, run_check
from condlesson.checks.instruments.modulation import Scores, feature_maps
from condlesson.checks.instruments.norm import (
    SIZES,
    Sizes,
    check_backward,
    check_learns,
    embeddings_like,
    examine_layer,
    measure,
    moved_by_t,
    with_random_parameters,
)
from condlesson.checks.instruments.parameters import (
    ACTIVATIONS,
    overwritten,
    slices,
    trainable,
)
from condlesson.checks.instruments.projection import activation_note, is_linear
from condlesson.checks.instruments.tied import check_free

__all__ = ["check_additive_gn"]

ARGUMENTS = "(num_channels, d_emb, num_groups)"


def check_additive_gn(cls: Callable[[int, int, int], nn.Module]) -> CheckResult:
    """Check a group norm that t_emb only shifts.

    Args:
        cls: As in `check_adagn`.

    Returns:
        What was found.
    """
    return run_check(
        "check_additive_gn",
        cls,
        _additive_gn,
        exercise=conditioning.AdditiveGN,
        praise="Well done: this is AdaGN without its gamma, and the shift is where no norm can "
        "cancel it. Next, put it into UNetAdaGN in AdaGN's place, and count the parameters.",
    )


def _additive_gn(answer: object) -> list[str]:
    factory = as_factory(answer, f"AdditiveGN{ARGUMENTS}")
    for sizes in SIZES:
        layer = examine_layer(factory, sizes, adds_only=True)
        t_emb = embeddings_like(48, sizes[1])
        start = measure(layer, sizes, t_emb)
        with with_random_parameters(layer):
            notes = _check_shift(start, measure(layer, sizes, t_emb), t_emb)
        check_free(layer, partial(_shifts, layer, sizes, t_emb), sizes[0])
        notes += _check_own(layer, sizes)
        check_backward(layer, feature_maps(3, sizes[0]), t_emb[:3])
        check_learns(layer, sizes, adds_only=True)
    return notes


def _shifts(layer: nn.Module, sizes: Sizes, t_emb: Tensor) -> dict[str, Tensor]:
    return {"shift": measure(layer, sizes, t_emb).shift}


def _check_own(layer: nn.Module, sizes: Sizes) -> list[str]:
    """The norm's own scale and shift, which must be trained."""
    t_emb = torch.zeros(1, sizes[1])
    found = [p for p in trainable(layer).values() if slices(p, sizes[0])]
    vectors = {p: p.detach() + k for k, p in enumerate(found, 1)}  # no two of them cancel
    before = measure(layer, sizes, t_emb)
    with overwritten(vectors):
        after = measure(layer, sizes, t_emb)
    for kind, one, other in (
        ("scale", before.scale, after.scale),
        ("shift", before.shift, after.shift),
    ):
        if (one - other).abs().max() < 1e-3:
            raise Wrong(
                f"The norm has no {kind} of its own that an optimiser would train. Nothing else "
                "sets it here: take nn.GroupNorm(num_groups, num_channels), and freeze nothing."
            )
    _check_apart(layer, sizes)
    if sum(len(slices(p, sizes[0])) for p in found) > 2:
        return []
    return [
        "Note: the norm's own shift, or the projection's bias, is missing. One of both can do what "
        "both do; the page's layer has both."
    ]


def _check_apart(layer: nn.Module, sizes: Sizes) -> None:
    """The norm's own scale works once, and on the norm alone."""
    t_emb = embeddings_like(2, sizes[1])
    vectors = {n: p for n, p in layer.named_parameters() if slices(p, sizes[0])}
    for name, p in vectors.items():
        for part in slices(p, sizes[0]):
            with with_random_parameters(layer, only_matrices=True):
                before = measure(layer, sizes, t_emb)
                with overwritten({p: p.detach() + part}):
                    after = measure(layer, sizes, t_emb)
            ratio = (after.scale / before.scale).mean().item()
            if (
                abs(ratio - 1) > 1e-3
                and (before.shift - after.shift).diff(dim=0).abs().max() > 1e-3
            ):
                raise Wrong(
                    f"The norm's own scale, {name}, multiplies the timestep's shift, too. Add the "
                    "shift behind it: norm(h) + Linear(t_emb)."
                )
            if abs(before.scale.mean() - 1) < 1e-2 and abs(ratio - 4) < 1e-2:
                raise Wrong(
                    f"The norm's own scale, {name}, works twice: a scale of 2 makes features 4 "
                    "times as large. nn.GroupNorm multiplies by it already; leave the second out."
                )


def _check_shift(start: Scores, scores: Scores, t_emb: Tensor) -> list[str]:
    shifted = moved_by_t(scores.shift)
    if moved_by_t(scores.scale).any():
        raise Wrong(
            "t_emb scales the channels, too. This layer only adds: norm(h) + Linear(t_emb)."
        )
    if not shifted.all():
        count = int(shifted.sum())
        raise Wrong(
            f"t_emb shifts {count} of {len(shifted)} channels, and it must shift all of them. "
            "Project t_emb to num_channels numbers, and add each to its channel."
        )
    if (scores.shift - scores.shift[:, :1]).diff(dim=0).abs().max() < 1e-3:
        raise Wrong("All channels are shifted by the same number. Project to num_channels numbers.")
    linear = (n for n, f in ACTIVATIONS.items() if is_linear(scores.shift, f(t_emb).double()))
    activation = next(linear, "")
    if not activation:
        raise Wrong("The shift is not linear in t_emb. One linear layer makes it: Linear(t_emb).")
    if (scores.scale - start.scale).abs().max() < 1e-3:
        raise Wrong(
            "The norm has no scale and shift of its own. Nothing else scales the channels here, so "
            "leave out affine=False."
        )
    if abs(start.scale.mean().item() - 1) > 0.05:
        raise Wrong(
            f"At the start the normalised features are multiplied by {start.scale.mean():.2g}, "
            "which should be 1."
        )
    return activation_note(activation)
