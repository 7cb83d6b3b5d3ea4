"""Checks of exercise 3: adaptive group norm, its start, and what only adds."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from condlesson import conditioning, embeddings, exercises
from condlesson.checks.harness.answer import as_factory, build
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check
from condlesson.checks.instruments.modulation import FORMULA, Scores, feature_maps
from condlesson.checks.instruments.norm import (
    PAGE,
    SMALL,
    Sizes,
    check_backward,
    check_learns,
    embeddings_like,
    examine_layer,
    examine_scores,
    measure,
    moved_by_t,
    with_random_parameters,
)
from condlesson.checks.instruments.norm_start import Start, start_of
from condlesson.checks.instruments.parameters import (
    ACTIVATIONS,
    overwritten,
    slices,
    trainable,
)
from condlesson.checks.instruments.projection import activation_note, is_linear
from condlesson.checks.instruments.tied import check_free

__all__ = ["check_adagn", "check_additive_gn", "check_zero_init_adagn"]

ONE_EACH = (6, 5, 6)  # as many groups as channels
FEW = (64, 24, 8)  # fewer groups than the usual 32, which divide the channels, too
SIZES = (SMALL, ONE_EACH, FEW)
LARGE, TOO_LARGE = 1.0, 2.0  # spread of gamma or beta at the start; the page's has about 0.1
ARGUMENTS = "(num_channels, d_emb, num_groups)"


def check_adagn(cls: Callable[[int, int, int], nn.Module]) -> CheckResult:
    """Check an adaptive group norm.

    Args:
        cls: Called as cls(num_channels, d_emb, num_groups); an object is called with h
            (B, C, H, W) and t_emb (B, d_emb), and returns the shape of h.

    Returns:
        What was found.
    """
    return run_check(
        "check_adagn",
        cls,
        _adagn,
        exercise=conditioning.AdaGN,
        praise="Well done: every timestep sets the scale and the shift of every channel. Next, "
        "leave the 1 out and see what this check measures; then start the projection at 0.",
    )


def _adagn(answer: object) -> list[str]:
    factory = as_factory(answer, f"AdaGN{ARGUMENTS}")
    for sizes in SIZES:
        layer = examine_layer(factory, sizes)
        notes = examine_scores(layer, sizes)
    t_emb = _real_embeddings()
    return [*_check_start(start_of(factory, t_emb)), *notes]


def _real_embeddings() -> Tensor:
    """What the untrained timestep MLP makes of ten timesteps."""
    with torch.no_grad():
        return embeddings.TimestepEmbedding(256, PAGE[1])(torch.arange(0, 1000, 100))


def _check_start(begun: Start) -> list[str]:
    """The 1 of 1 + gamma, written or in the bias, and values of gamma and beta that are small."""
    start, zeroed = begun.scores, begun.zeroed
    mean, size = start.scale.mean().item(), start.scale.square().mean().sqrt().item()
    neutral = zeroed.scale.mean().item()
    spread = _spread(start.scale)
    if abs(mean - 1) >= 0.25 and abs(begun.freed.scale.mean() - 1) < 0.25:
        raise Wrong(
            f"The norm's own scale, {begun.own}, starts at {begun.own_mean:.2g} on average, so at "
            f"initialisation features are multiplied by {mean:.2g}, which should be about 1. Let "
            "it start at 1, as nn.GroupNorm does, or leave it out: affine=False."
        )
    if spread > TOO_LARGE and abs(mean - 1) < spread / 2:
        raise Wrong(
            f"Gamma is large at initialisation: it has a spread of {spread:.2g}, and the page's "
            "layer about 0.1. So features are enlarged, silenced or turned around at random. Let "
            "the projection start with small values, as nn.Linear does by itself."
        )
    if abs(mean - 1) < 0.25:
        _check_shift_start(start.shift, zeroed.shift)
        return _start_notes(start, neutral)
    if abs(mean) < 0.3 and start.shift.mean() > 0.7:
        raise Wrong(
            f"Your formula adds the 1 to the shift, not to gamma. Write the parentheses: {FORMULA}."
            if abs(zeroed.shift.mean() - 1) < 2e-2
            else "The 1 is in the wrong half of the bias: at initialisation the shifts are about "
            f"{start.shift.mean():.2g} and the scales about {size:.2g}. The 1 belongs to gamma."
        )
    if abs(mean) < 0.3:
        symptom = (
            "silences all features: they are multiplied by 0"
            if size < 1e-3
            else f"shrinks your features to {size:.2g} of their size"
        )
        raise Wrong(
            f"Gamma multiplies without the 1 +. At initialisation gamma is small, and the layer "
            f"{symptom}. Write {FORMULA}."
        )
    is_written = abs(neutral - 1) < 2e-2
    cure = (
        "The 1 is in the formula already. Let the projection start with small values, and "
        "without a 1 in its bias."
        if is_written
        else f"Write {FORMULA}, where the 1 is added once."
    )
    raise Wrong(
        f"At initialisation features are multiplied by {mean:.2g} on average, which should be "
        f"about 1. {cure}"
    )


def _spread(values: Tensor) -> float:
    """How much the channels of (N, C) differ."""
    return values.std(dim=1).mean().item()


def _check_shift_start(shift: Tensor, zeroed: Tensor) -> None:
    """Refuse shifts that start far from 0."""
    mean, spread, added = shift.mean().item(), _spread(shift), zeroed.mean().item()
    if spread > TOO_LARGE:
        raise Wrong(
            f"Beta is large at initialisation: it has a spread of {spread:.2g}, and the page's "
            "layer about 0.1. Let beta's half of the projection start with small values, as "
            "nn.Linear does by itself."
        )
    if abs(mean) < 0.25 + spread / 2:
        return
    cure = (
        f"Your formula adds {added:.2g} to it. Write {FORMULA}."
        if abs(added) > 0.2
        else "Beta's half of the bias must start near 0, and so must a shift of the norm's own."
    )
    raise Wrong(
        f"At initialisation every channel is shifted by about {mean:.2g}, which should be about 0. "
        f"{cure}"
    )


def _start_notes(start: Scores, neutral: float) -> list[str]:
    notes = []
    if abs(neutral) < 1e-3:
        notes.append(
            "Note: your formula has gamma without the 1 +, and gamma's bias starts at 1 instead. "
            "Both start in the same way. But a weight decay on biases would pull your scale to "
            "0, and the page's scale to 1."
        )
    elif _is_off(neutral):
        notes.append(_size_note(neutral))
    for name, values in (("gamma", start.scale), ("beta", start.shift)):
        if _spread(values) > LARGE:
            notes.append(
                f"Note: at initialisation {name} has a spread of {_spread(values):.2g}, and the "
                "page's layer about 0.1. Smaller values are a calmer start."
            )
    if (start.scale - 1).abs().max() < 1e-3 and start.shift.abs().max() < 1e-4:
        notes.append("Note: the projection starts at 0, so the layer starts as group norm exactly.")
    return notes


def _is_off(size: float) -> bool:
    """Whether a norm makes values of another size than nn.GroupNorm, by a little."""
    return 1e-4 < abs(size - 1) < 2e-2


def _size_note(size: float) -> str:
    return (
        f"Note: your norm makes values {size:.4f} times the size of nn.GroupNorm's. Is its "
        "variance divided by n - 1 instead of n, or is its eps not 1e-5?"
    )


def check_zero_init_adagn(cls: Callable[[int, int, int], nn.Module]) -> CheckResult:
    """Check an adaptive group norm that starts as group norm exactly.

    Args:
        cls: As in `check_adagn`.

    Returns:
        What was found.
    """
    return run_check(
        "check_zero_init_adagn",
        cls,
        _zero_init_adagn,
        exercise=exercises.ZeroInitAdaGN,
        praise="Well done: at the start the layer is group norm exactly, and every weight can "
        "still learn. Next, say which bias would make the layer return 0 at the start, "
        "and why diffusion transformers want that of a whole branch.",
    )


def _zero_init_adagn(answer: object) -> list[str]:
    factory = as_factory(answer, f"ZeroInitAdaGN{ARGUMENTS}")
    for sizes in SIZES:
        layer = examine_layer(factory, sizes)
        notes = examine_scores(layer, sizes)
        norm = _check_exact(_fresh(factory, sizes), factory)
    _check_exact(_fresh(factory, PAGE), factory)
    return [*norm, *notes]


def _fresh(factory: Callable, sizes: Sizes) -> Scores:
    layer = build(factory, *sizes, text=f"{name_of(factory)}{sizes}")
    return measure(layer, sizes, embeddings_like(16, sizes[1]))


def _check_exact(start: Scores, factory: Callable) -> list[str]:
    gamma, beta = start.scale, start.shift
    if (gamma - 1).abs().max() < 1e-3 and beta.abs().max() < 1e-3:
        return []
    size = start_of(factory, embeddings_like(16, PAGE[1])).zeroed.scale.mean().item()
    is_near = (gamma - 1).abs().max() < 2e-2 and not moved_by_t(gamma).any()
    if is_near and beta.abs().max() < 1e-3 and _is_off(size):
        return [_size_note(size)]
    ranges = (
        f"the scale of the channels runs from {gamma.min():.2g} to {gamma.max():.2g}, and the "
        f"shift from {beta.min():.2g} to {beta.max():.2g}"
    )
    if moved_by_t(gamma).any() or moved_by_t(beta).any():
        cure = "The result still depends on t_emb, so the projection's weight must start at 0."
    elif gamma.abs().max() < 1e-3 and (beta - 1).abs().max() < 1e-3:
        cure = "The ones are in beta's half of the bias. They belong to gamma's half."
    elif gamma.abs().max() < 1e-3:
        cure = _scale_cure(start_of(factory, embeddings_like(16, PAGE[1])))
    elif (gamma - 2).abs().max() < 1e-3:
        cure = "The 1 is added twice, in the formula and in the bias. Leave one of the two out."
    elif (gamma - 1).abs().max() < 1e-3:
        cure = "Beta's half of the bias must start at 0."
    else:
        cure = _bias_cure(gamma, beta)
    raise Wrong(
        f"At the start the layer is not group norm: {ranges}. The scale must be 1 and the shift "
        f"0. {cure}"
    )


def _scale_cure(begun: Start) -> str:
    """What to do where all scales start at 0."""
    if (begun.freed.scale - 1).abs().max() < 1e-3:
        return (
            f"The norm's own scale, {begun.own}, starts at {begun.own_mean:.2g}. Let it start at "
            "1, as nn.GroupNorm does, or leave it out: affine=False."
        )
    return "Without a 1 + in the formula, gamma's half of the bias must start at 1."


def _bias_cure(gamma: Tensor, beta: Tensor) -> str:
    """What to do where the same values for every t_emb are no 1 and 0."""
    for name, right in (
        ("scale is 1", (gamma - 1).abs().amax(0) < 1e-3),
        ("shift is 0", beta.abs().amax(0) < 1e-3),
    ):
        if right.any() and not right.all():
            return (
                f"The {name} in {int(right.sum())} of {len(right)} channels. Set all numbers of "
                "gamma, and all of beta: .chunk(2, dim=-1) makes the first num_channels gamma."
            )
    if gamma.std() < 1e-3 and beta.abs().max() < 1e-3:
        return "Change gamma's half of the bias, so that the scale starts at 1."
    return "Set the projection's bias, too, so that the scale starts at 1 and the shift at 0."


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
    if sum(len(slices(p, sizes[0])) for p in found) > 2:
        return []
    return [
        "Note: the norm's own shift, or the projection's bias, is missing. One of both can do what "
        "both do; the page's layer has both."
    ]


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
