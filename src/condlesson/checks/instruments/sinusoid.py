"""Whether a table of embeddings is the sinusoid, and if not, which mistake made it."""

from typing import NamedTuple

import torch
from torch import Tensor

from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.sinusoid_fit import (
    Hands,
    Matched,
    explains,
    fit_hands,
    match_hands,
    wheel,
)
from condlesson.checks.instruments.sinusoid_mistakes import base_text, known_wheels

__all__ = ["Reading", "inspect_hands", "read_clock"]

FORMULA = "w_i = 10000 ** (-i / (d/2)), i = 0 .. d/2 - 1"
HALF_MINUS_ONE = (
    "Note: your exponents are i / (d/2 - 1), as in the first diffusion code; the page has "
    "i / (d/2). Both are good clocks. Only never mix them: a network trained with one cannot read "
    "the other."
)
HALF_PRECISION = 2.5e-3  # more than bfloat16 is off, near 1
NEGATIVE = (
    "Note: {count} of the {all} dimensions have the opposite sign of the formula's. The next "
    "linear layer absorbs that, so it is no mistake, but no other code will read your checkpoint."
)


class Reading(NamedTuple):
    """How a right table is laid out."""

    matched: Matched
    notes: list[str]


def read_clock(table: Tensor, noise: float = 3e-6, stride: int = 1) -> Reading:
    """Read a table of embeddings; raise `Wrong` if it is not the sinusoid.

    Args:
        table: The embeddings of t = 0, stride, 2 * stride, ..., (N, d), d even.
        noise: Error of the values, beside what t * w has in float32.
        stride: Timesteps from row to row; 1 tells most about a mistake.
    """
    table, d = table.detach().double(), table.shape[1]
    t = torch.arange(len(table), dtype=torch.float64) * stride
    for steps, notes in ((d // 2, []), (d // 2 - 1, [HALF_MINUS_ONE])):
        matched = match_hands(table, t, wheel(d, steps=steps), noise) if steps else None
        if matched:
            return Reading(matched, [*notes, *_sign_note(matched)])
    raise Wrong(_mistake(table, t, noise))


def _sign_note(matched: Matched) -> list[str]:
    count = int(matched.is_negative.sum())
    return [NEGATIVE.format(count=count, all=len(matched.order))] if count else []


def _mistake(table: Tensor, t: Tensor, noise: float) -> str:
    """The root of what is wrong with a table, most obvious first."""
    hands = fit_hands(table)
    for look in (
        _frozen,
        _collisions,
        _rounded,
        _known_wheel,
        _angles,
        _constant,
        _noise,
        _size,
        _halves,
        _phase,
    ):
        message = look(table, t, hands, noise)
        if message:
            return message
    return _speeds(hands)


def _frozen(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    if not hands.constant.all():
        return ""
    return (
        "The embedding does not depend on t: t = 0 and t = 999 give the same row. Every timestep "
        "must have a row of its own."
    )


def _constant(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    count, d = int(hands.constant.sum()), table.shape[1]
    if count:
        return (
            f"{count} of {d} dimensions {_are(count)} the same at every t (dimension "
            f"{int(hands.constant.nonzero()[0])} is always {table[0, hands.constant][0]:.3g}). "
            f"That tells nothing. {d} dimensions hold {d // 2} frequencies, each as a sine and a "
            "cosine."
        )
    return ""


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _collisions(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    same = ((table[1:] - table[:-1]).abs().amax(dim=1) < 1e-7).nonzero()
    if not len(same):
        return ""
    k = int(same[len(same) // 2])
    return (
        f"t = {k} and t = {k + 1} get the same embedding, and so do {len(same)} pairs of "
        "neighbours in all. Something rounds or clamps t: an integer division, or half precision, "
        "in which 500 and 501 are one number. Divide with /, and compute in float32."
    )


def _rounded(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    if not explains(table, t, wheel(table.shape[1]), HALF_PRECISION):
        return ""
    return (
        "Up to the third digit it is the sinusoid, but its values are rounded, as by half "
        "precision. Compute in float32."
    )


def _known_wheel(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    """The message of the known mistake that explains every column."""
    half = table.shape[1] // 2
    some = sorted({0, min(1, half - 1), half // 2, half - 1})
    for known in known_wheels(table.shape[1], hands.w.max().item()):
        at = known.shift + known.sense * t
        if explains(table, at, known.w[some], noise, all_columns=False) and explains(
            table, at, known.w, noise
        ):
            return known.text.format(half=half)
    return ""


def _angles(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    steps = table.diff(dim=0)
    if bool((steps - steps[0]).abs().max() >= 1e-3 * steps.abs().max()):
        return ""
    if (steps[0] - steps[0, 0]).abs().max() < 1e-3 * steps[0].abs().max():
        return (
            "Every dimension is t itself, times the same number: one number, where a clock "
            "with many hands belongs. Take the sines and cosines of w_i t."
        )
    return "The values are angles, t times w_i, which nobody took the sine and cosine of."


def _noise(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    strange = int((hands.residual > 0.05).sum())
    if not strange:
        return ""
    return (
        f"{strange} of {table.shape[1]} dimensions {_are(strange)} no sine or cosine of t at all. "
        f"The values run from {table.min():.3g} to {table.max():.3g}. "
        "Each dimension is sin(w_i t) or cos(w_i t) with a fixed w_i."
    )


def _size(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    fast = hands.w > 0.05  # the amplitude of a hand that hardly moves cannot be told
    amplitude = hands.amplitude[fast].median().item() if fast.any() else 1.0
    if abs(amplitude - 1) < 1e-2:
        return ""
    return (
        f"The sines and cosines reach {amplitude:.3g} instead of 1. Leave out the factor: every "
        "value of the formula lies in [-1, 1]."
    )


def _halves(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    sines, cosines, half = int(hands.is_sine.sum()), int(hands.is_cosine.sum()), table.shape[1] // 2
    if sines + cosines < 2 * half or sines == cosines:
        return ""
    more, less = ("sines", "cosines") if sines > cosines else ("cosines", "sines")
    few = min(sines, cosines)
    tell = "no dimension is a" if few == 0 else f"only {few} are"
    kind = less[:-1] if few == 0 else less
    return (
        f"{max(sines, cosines)} of {2 * half} dimensions are {more}, and {tell} {kind}. One hand "
        "seen from one side only leaves two times of day that look alike. Each frequency needs "
        "both a sine and a cosine."
    )


def _phase(table: Tensor, t: Tensor, hands: Hands, noise: float) -> str:
    odd = ~hands.constant & ~hands.is_sine & ~hands.is_cosine
    if not odd.any():
        return ""
    k = int(odd.nonzero()[0])
    return (
        f"Dimension {k} is sin(w t + {hands.phase[k]:.3g}) with w = {hands.w[k]:.3g}: the hand "
        "does not start at 12. At t = 0 every sine must be 0 and every cosine 1."
    )


def _speeds(hands: Hands) -> str:
    """What is wrong if there are as many sines as cosines, all of size 1."""
    sines, cosines = hands.w[hands.is_sine].sort()[0], hands.w[hands.is_cosine].sort()[0]
    half = len(sines)
    if (sines / cosines - 1).abs().max() > 0.01:
        k = int((sines / cosines - 1).abs().argmax())
        return (
            "A sine and a cosine that belong together turn at different speeds, such as "
            f"w = {sines[k]:.4g} and w = {cosines[k]:.4g}. Both dimensions of a pair take the same "
            f"i: {FORMULA}."
        )
    w = hands.w.sort(descending=True)[0]
    distinct = int((w[:-1] / w[1:].clamp(min=1e-9) > 1.001).sum()) + 1
    steps = w[::2].clamp(min=1e-9).log().diff()
    if distinct > 0.9 * half and steps.std() > 0.5 * steps.mean().abs():
        return (
            f"The frequencies, from {w[0]:.3g} to {w[-1]:.3g}, are spread irregularly, as if drawn "
            f"at random. Such features make a clock, too, but this exercise has the formula's: "
            f"{FORMULA}."
        )
    if distinct != half:
        return f"Only {distinct} of the {half} frequencies differ from one another. {FORMULA}."
    slowest = (w[0] / w[-1]).item() ** (half / (half - 1))
    if (steps - steps.mean()).abs().max() < 1e-2 * steps.abs().max():
        return base_text(float(f"{slowest:.3g}")) + f" The fastest hand has w = {w[0]:.4g}."
    right = wheel(2 * half)
    k = int((w[::2] / right - 1).abs().argmax())
    return (
        f"The frequencies are off: w_{k} is {w[2 * k]:.4g}, and {right[k]:.4g} belongs. {FORMULA}."
    )


def inspect_hands(table: Tensor, hands: Hands) -> None:
    """Raise `Wrong` unless each column is a sine or cosine of size 1, half of them each."""
    t = torch.arange(len(table), dtype=torch.float64)
    for look in (_frozen, _collisions, _angles, _noise, _size, _halves, _phase):
        message = look(table, t, hands, 0.0)
        if message:
            raise Wrong(message)
