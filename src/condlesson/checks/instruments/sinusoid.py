"""Whether a table of embeddings is the sinusoid, and if not, which mistake made it."""

from typing import NamedTuple

import torch
from torch import Tensor

from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.sinusoid_fit import (
    BASE,
    Hands,
    Matched,
    explains,
    farthest,
    fit_hands,
    match_hands,
    some_rows,
    twice,
    wheel,
)
from condlesson.checks.instruments.sinusoid_mistakes import base_text, known_wheels

__all__ = ["Reading", "inspect_hands", "read_clock"]

FORMULA = "w_i = 10000 ** (-i / (d/2)), i = 0 .. d/2 - 1"
HALF_MINUS_ONE = (
    "Note: your exponents are i / (d/2 - 1), as in the first diffusion code; the page has "
    "i / (d/2). Both work. Never mix them: a network trained with one cannot read the other."
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
    w: Tensor  # frequencies, fastest first

    def at(self, t: Tensor) -> Tensor:
        """Rows of any times in this layout, (len(t), d), in float64."""
        angles = t.double()[:, None] * self.w
        hands = torch.cat([angles.sin(), angles.cos()], dim=1)
        rows = torch.empty_like(hands)
        rows[:, self.matched.order] = torch.where(self.matched.is_negative, -hands, hands)
        return rows


class Seen(NamedTuple):
    """A table that is not the sinusoid, and what is known of it.

    Attributes:
        table: Embeddings in float64, (N, d).
        t: Their timesteps in float64, (N,).
        hands: What fits each column.
        noise: Error of the values.
    """

    table: Tensor
    t: Tensor
    hands: Hands
    noise: float = 0.0

    @property
    def width(self) -> int:
        """Columns of the table, d."""
        return self.table.shape[1]


def read_clock(table: Tensor, noise: float = 3e-6, t: Tensor | None = None) -> Reading:
    """Read a table of embeddings; raise `Wrong` if it is not the sinusoid.

    Args:
        table: The embeddings, (N, d), d even.
        noise: Error of the values, beside what t * w has in float32.
        t: Their timesteps; by default 0 .. N - 1, which tell most about a mistake.
    """
    table, d = table.detach().double(), table.shape[1]
    t = torch.arange(len(table)) if t is None else t
    for steps, notes in ((d // 2, []), (d // 2 - 1, [HALF_MINUS_ONE])):
        w = wheel(d, steps=steps) if steps else None
        matched = match_hands(table, t.double(), w, noise) if steps else None
        if matched:
            return Reading(matched, [*notes, *_sign_note(matched)], w)
    raise Wrong(_mistake(Seen(table, t.double(), fit_hands(table), noise)))


def _sign_note(matched: Matched) -> list[str]:
    count = int(matched.is_negative.sum())
    return [NEGATIVE.format(count=count, all=len(matched.order))] if count else []


def _mistake(seen: Seen) -> str:
    """The root of what is wrong with a table, most obvious first."""
    looks = _frozen, _collisions, _twice, _rounded, _known_wheel, _cut_angles, *_COLUMNS
    return next((text for look in looks if (text := look(seen))), "") or _speeds(seen.hands)


def _frozen(seen: Seen) -> str:
    if not seen.hands.constant.all():
        return ""
    return (
        "The embedding does not depend on t: t = 0 and t = 999 give the same row. Every timestep "
        "must have a row of its own."
    )


def _constant(seen: Seen) -> str:
    constant, d = seen.hands.constant, seen.width
    if not constant.any():
        return ""
    count, first = int(constant.sum()), int(constant.nonzero()[0])
    return (
        f"{count} of {d} dimensions {_are(count)} the same at every t (dimension {first} is always "
        f"{seen.table[0, first]:.3g}). Such dimensions say nothing of t. {d} dimensions hold "
        f"{d // 2} frequencies, each as a sine and a cosine."
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _collisions(seen: Seen) -> str:
    same = ((seen.table[1:] - seen.table[:-1]).abs().amax(dim=1) < 1e-7).nonzero()
    if not len(same):
        return ""
    k = int(same[len(same) // 2])
    if torch.equal(seen.table, seen.table.round()):
        return (
            "All values are -1, 0 or 1: the sines were written into a tensor of whole numbers, "
            "such as t.new_zeros makes. Make one of floating numbers: torch.zeros(len(t), d_emb)."
        )
    return (
        f"t = {k} and t = {k + 1} get the same embedding, like {len(same)} "
        f"pair{'s' * (len(same) > 1)} of neighbouring timesteps in all. Something rounds or clamps "
        "t: an integer division, or half precision, in which 500 and 501 are the same. Divide with "
        "/, and compute in float32."
    )


def _twice(seen: Seen) -> str:
    for less in (0, 1):
        found = twice(
            seen.table, seen.t, wheel(seen.width, steps=seen.width // 2 - less), seen.noise
        )
        if found:
            (first, second), hand, missing = found
            return (
                f"Dimensions {first} and {second} are the same hand, {hand}, and {missing} is "
                "missing. Each frequency gives one sine and one cosine."
            )
    return ""


def _rounded(seen: Seen) -> str:
    wheels = (wheel(seen.width, steps=seen.width // 2 - less) for less in (0, 1))
    if not any(explains(seen.table, seen.t, w, HALF_PRECISION) for w in wheels):
        return ""
    return (
        "Up to the third digit it is the sinusoid, but its values are rounded, as by half "
        "precision. Compute in float32."
    )


def _known_wheel(seen: Seen) -> str:
    """The message of the known mistake that explains every column."""
    half, table, noise = seen.width // 2, seen.table, seen.noise
    some = sorted({0, min(1, half - 1), half // 2, half - 1})
    for known in known_wheels(seen.width, seen.hands.w.max().item()):
        at = known.shift + known.sense * seen.t
        if explains(table, at, known.w[some], noise, all_columns=False) and explains(
            table, at, known.w, noise
        ):
            return known.text.format(half=half)
    return ""


def _cut_angles(seen: Seen) -> str:
    """The message if the angles themselves were cut to whole numbers before the sine."""
    some = some_rows(seen.t)
    angles = (seen.t[some, None] * wheel(seen.width)).float()
    for whole in (angles.trunc().double(), angles.round().double()):
        off = farthest(torch.cat([whole.sin(), whole.cos()], dim=1), seen.table[some])
        if off.amin(dim=1).max() < 1e-4:
            return (
                "The angles t * w_i are cut to whole numbers before the sine. Compute them in "
                "float32: t.float()."
            )
    return ""


def _angles(seen: Seen) -> str:
    steps = seen.table.diff(dim=0)
    if bool((steps - steps[0]).abs().max() >= 1e-3 * steps.abs().max()):
        return ""
    if (steps[0] - steps[0, 0]).abs().max() < 1e-3 * steps[0].abs().max():
        return (
            "Every dimension is t itself, times the same number. A clock needs many hands, which "
            "turn at different speeds. Take the sines and cosines of w_i t."
        )
    return "The values are angles, t times w_i. Their sines and cosines are missing."


def _noise(seen: Seen) -> str:
    strange = int((seen.hands.residual > 0.05).sum())
    if not strange:
        return ""
    return (
        f"{strange} of {seen.width} dimensions {_are(strange)} no sine or cosine of t at all. "
        f"The values run from {seen.table.min():.3g} to {seen.table.max():.3g}. "
        "Each dimension is sin(w_i t) or cos(w_i t) with a fixed w_i."
    )


def _blurred(seen: Seen) -> str:
    off = seen.hands.residual[~seen.hands.constant].median().item()
    if not 2e-3 < off < 0.05:  # float32 is off by 1e-5, and what is no sine by more
        return ""
    return (
        f"The values are off their sines by {off:.1%}: t, or a part of the angles, is rounded, as "
        "by half precision. Compute in float32: t.float()."
    )


def _size(seen: Seen) -> str:
    fast = seen.hands.w > 0.05  # the amplitude of a hand that hardly moves cannot be told
    amplitude = seen.hands.amplitude[fast].median().item() if fast.any() else 1.0
    if abs(amplitude - 1) < 1e-2:
        return ""
    return (
        f"The sines and cosines reach {amplitude:.3g} instead of 1. Leave out the factor: every "
        "value of the formula lies in [-1, 1]."
    )


def _halves(seen: Seen) -> str:
    sines, cosines = int(seen.hands.is_sine.sum()), int(seen.hands.is_cosine.sum())
    if sines + cosines < seen.width or sines == cosines:
        return ""
    more, less = ("sines", "cosines") if sines > cosines else ("cosines", "sines")
    few = min(sines, cosines)
    tell = f"none is a {less[:-1]}" if few == 0 else f"only {few} are {less}"
    return (
        f"{max(sines, cosines)} of {seen.width} dimensions are {more}, and {tell}. With one of "
        "the two alone, different timesteps look the same. Each frequency needs both."
    )


def _phase(seen: Seen) -> str:
    hands = seen.hands
    odd = ~hands.constant & ~hands.is_sine & ~hands.is_cosine
    if not odd.any():
        return ""
    k = int(odd.nonzero()[0])
    return (
        f"Dimension {k} is sin(w t + {hands.phase[k]:.3g}) with w = {hands.w[k]:.3g}, and does not "
        "start at 0 or 1. At t = 0 every sine must be 0 and every cosine 1."
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
    even = w[::2].diff()
    if half > 2 and distinct > 0.9 * half and even.std() < 1e-3 * even.mean().abs():
        return (
            f"The frequencies, from {w[0]:.3g} to {w[-1]:.3g}, fall by equal steps. Each must be "
            f"the one before times the same number: {FORMULA}."
        )
    if distinct > 0.9 * half and steps.std() > 0.5 * steps.mean().abs():
        return (
            f"The frequencies, from {w[0]:.3g} to {w[-1]:.3g}, are spread irregularly, as if "
            "drawn at random. Such features make a clock, too, but this exercise asks for those "
            f"of the formula: {FORMULA}."
        )
    if distinct != half:
        return f"Only {distinct} of the {half} frequencies differ from one another. {FORMULA}."
    slowest = (w[0] / w[-1]).item() ** (half / (half - 1))
    if (steps - steps.mean()).abs().max() < 1e-2 * steps.abs().max():
        if abs(slowest / BASE - 1) < 1e-2:
            return (
                f"The fastest hand turns {w[0]:.4g} radians a timestep in place of 1, and the "
                "others likewise. Is something done to the angles, such as a modulo with a rounded "
                "2 pi? Take the sines and cosines of t * w_i as they are."
            )
        return base_text(float(f"{slowest:.3g}")) + f" The fastest hand has w = {w[0]:.4g}."
    right = wheel(2 * half)
    k = int((w[::2] / right - 1).abs().argmax())
    return (
        f"The frequencies are wrong: w_{k} is {w[2 * k]:.4g} and must be {right[k]:.4g}. {FORMULA}."
    )


def inspect_hands(table: Tensor, hands: Hands) -> None:
    """Raise `Wrong` unless each column is a sine or cosine of size 1, half of them each."""
    seen = Seen(table, torch.arange(len(table), dtype=torch.float64), hands)
    looks = _frozen, _collisions, _blurred, *_COLUMNS
    text = next((text for look in looks if look is not _constant and (text := look(seen))), "")
    if text:
        raise Wrong(text)


_COLUMNS = _angles, _constant, _noise, _size, _halves, _phase
