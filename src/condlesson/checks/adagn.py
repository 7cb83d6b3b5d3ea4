"""Checks of exercise 3: adaptive group norm, and its start."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from condlesson import conditioning, embeddings, exercises
from condlesson.checks.harness.answer import as_factory, build
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check
from condlesson.checks.instruments.modulation import FORMULA, Scores
from condlesson.checks.instruments.norm import (
    PAGE,
    SIZES,
    Sizes,
    embeddings_like,
    examine_layer,
    examine_scores,
    measure,
    moved_by_t,
)
from condlesson.checks.instruments.norm_start import Start, start_of

__all__ = ["check_adagn", "check_zero_init_adagn"]

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
