"""Frequencies that known mistakes give the sinusoid, each with what to say about it."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from condlesson.checks.harness.answer import HALVES
from condlesson.checks.instruments.sinusoid_fit import BASE, wheel

__all__ = ["Wheel", "base_text", "known_wheels"]


PAGE = 256  # the page's width, which every check reads first


class Wheel(NamedTuple):
    """Frequencies of a mistake, and its message."""

    w: Tensor
    text: str
    shift: float = 0.0  # of t
    sense: float = 1.0  # -1 if t runs backwards


def known_wheels(d: int, fastest: float) -> list[Wheel]:
    """All of them, for embeddings of width d whose fastest hand seems to have this frequency."""
    half = d // 2
    i, ones = torch.arange(half, dtype=torch.float64), torch.ones(half, dtype=torch.float64)
    found = []
    for steps in (PAGE // 2, PAGE // 2 - 1) if d < PAGE else ():
        found.append(Wheel(wheel(PAGE, steps=steps)[:half], _KEPT.format(steps=steps)))
    for steps in (half, half - 1):
        right = wheel(d, steps=steps)
        found += [Wheel(factor * right, text) for factor, text in _FACTORS.items()]
        found += [Wheel(right, _SHIFTED.format(shift=text), s) for s, text in _SHIFTS]
        found += [Wheel(right, _BACKWARDS.format(last=last), last, -1.0) for last in (999, 1000)]
        found += [Wheel(right.to(dtype).double(), _COARSE.format(dtype=dtype)) for dtype in HALVES]
        found += [Wheel(cut(right), _WHOLE) for cut in (torch.trunc, torch.round)]
        found.append(Wheel(BASE ** (i / steps), _RISING.format(w=BASE ** ((half - 1) / steps))))
        found += [Wheel(wheel(d, base=b, steps=steps), base_text(b)) for b in _BASES]
    found.append(Wheel(wheel(d, steps=d), _SLOWEST.format(w=BASE ** (-(half - 1) / d), d=d)))
    found.append(Wheel(wheel(d, steps=half / 2), _TWICE.format(w=BASE ** (-2 * (half - 1) / half))))
    found.append(Wheel(wheel(d, steps=half) * BASE ** (-1 / half), _FROM_ONE))
    found += [Wheel(BASE**-i / half, _POWER_FIRST), Wheel(BASE**-i, _UNDIVIDED)]
    for steps in (half + 1, half - 2, half - 0.5, d - 1, d - 2):
        found.append(Wheel(wheel(d, steps=steps), _STEPS.format(steps=steps, half=half)))
    for factor in (10.0, 100.0, fastest):
        found.append(Wheel(factor * wheel(d), _FACTOR.format(factor=factor)))
    down = torch.where(i == 0, 1.0, 1 / BASE)
    found.append(Wheel(down, _CUT_EXPONENT))
    found += [Wheel(ones, ALL_ONE), Wheel(i + 1, _MULTIPLES), Wheel(1 / (i + 1), _MULTIPLES)]
    return found


_SPEED = "The fastest hand must turn 1 radian in a timestep: w_0 = 1."
_FACTORS = {
    1 / 1000: "t is divided by 1000 before it meets the frequencies: the fastest hand turns 1 "
    "radian in all the 1000 steps, so that the embeddings of all timesteps are nearly the same. "
    "Feed t itself, 0 .. 999.",
    1 / 999: "t is divided by 999 before it meets the frequencies: the fastest hand turns 1 "
    "radian in all the 1000 steps, so that the embeddings of all timesteps are nearly the same. "
    "Feed t itself, 0 .. 999.",
    1e-6: "t is divided by 1000 twice before it meets the frequencies, so that the embeddings of "
    "all timesteps are nearly the same. Feed t itself, 0 .. 999.",
    1000.0: "t is multiplied by 1000 before it meets the frequencies, so that neighbouring "
    "timesteps are as unlike as distant ones. Feed t itself; the factor is for t in [0, 1].",
    2 * math.pi: "The angles are 2 pi times too large. The frequencies are angular already, in "
    f"radians per timestep: leave out the 2 pi. {_SPEED}",
    1 / (2 * math.pi): f"The angles are 2 pi times too small: leave out the division. {_SPEED}",
    math.pi: f"The angles are pi times too large: leave out the pi. {_SPEED}",
    math.pi / 180: "The angles are turned from degrees into radians, so that every hand turns 57 "
    f"times too slowly. They are radians already. {_SPEED}",
    180 / math.pi: "The angles are turned into degrees, so that every hand turns 57 times too "
    f"fast. torch.sin takes radians. {_SPEED}",
}  # fmt: skip
_FACTOR = (
    "The angles are {factor:.4g} times the formula's: t or the frequencies are multiplied by "
    f"this number. Leave it out. {_SPEED}"
)
_COARSE = (
    "The frequencies are rounded to {dtype}, and the error grows with t. Compute them in float32."
)
_WHOLE = (
    "The frequencies are whole numbers, so that nearly all are 0. Compute them as floating "
    "numbers: 10000.0, / in the place of //, and t.float(). Or is the exponent not divided by d/2?"
)
_BACKWARDS = (
    "t runs backwards: your row of t is the formula's row of {last} - t. Feed t itself, "
    "where 0 is the least noise."
)
_STEPS = "The exponents are i / {steps:g} instead of i / {half}, half of the embedding's width."
_SHIFTS = ((1.0, "+ 1"), (-1.0, "- 1"))
_SHIFTED = (
    "t is shifted: your row of t is the formula's row of t {shift}. Timesteps "
    "count from 0, and at t = 0 every sine is 0 and every cosine 1."
)
_KEPT = (
    "The frequencies are the first {{half}} of those of the width 256: the exponents are divided "
    "by {steps} here, too. Is a width written down, or are frequencies kept from an earlier call? "
    "Take half of the width that is asked for, in each call."
)
_RISING = (
    "The frequencies rise from 1 to {w:,.0f} radians a step instead of falling, so that "
    "neighbouring timesteps look unrelated. The minus of the exponent is missing: "
    "w_i = 10000 ** (-i / (d/2))."
)
_SLOWEST = (
    "The frequencies fall half as fast as they should: the slowest hand has w = {w:.3g}, and "
    "must have about 1e-4. The exponent is 2i / d, that is i / (d/2), and not i / d; or the base "
    "is 100 and not 10000, which gives the same."
)
_TWICE = (
    "The frequencies fall twice as fast as they should: the slowest hand has w = {w:.2g}, and "
    "must have about 1e-4. The exponent is i / (d/2), with the 2 only once."
)
_POWER_FIRST = (
    "10000 ** -i / half is (10000 ** -i) / half, since ** comes before /. Write the parentheses: "
    "10000 ** (-i / half)."
)
_CUT_EXPONENT = (
    "The first frequency is 1 and all others are 1e-4: the exponents are whole numbers, 0 and -1. "
    "// cuts them. Divide with /, as in -i / half."
)
_UNDIVIDED = (
    "The exponent is -i and not -i / (d/2), so that nearly all frequencies are almost 0. Write "
    "10000 ** (-i / (d/2))."
)
_FROM_ONE = (
    "The frequencies start at i = 1, so that the fastest hand, one radian a step, is missing. "
    "i runs from 0 to d/2 - 1: torch.arange(half)."
)
ALL_ONE = (
    "All hands turn at the same speed, w = 1: one frequency {half} times over. The exponent is 0 "
    "everywhere. Is there an integer division, such as i // half?"
)
_MULTIPLES = (
    "The frequencies are not a geometric series: they go like i + 1 or 1 / (i + 1). Each must be "
    "the one before times the same number: w_i = 10000 ** (-i / (d/2))."
)
LOG2 = math.exp(math.log2(BASE))
_BASES = (1000.0, 10.0, 1e5, 1e6, math.e, 2.0, 5000.0, 500000.0, LOG2)


def base_text(base: float) -> str:
    """What to say about another base than 10000."""
    if abs(base - math.e**4) < 0.1:
        return (
            "The base is exp(4), about 55, since math.log10(10000) is 4. exp needs the natural "
            "logarithm: math.log(10000)."
        )
    if abs(base / LOG2 - 1) < 0.01:
        return (
            "The base is exp(13.3), about 590,000, since math.log2(10000) is 13.3. exp needs the "
            "natural logarithm: math.log(10000)."
        )
    return (
        f"The base is {base:g} and not 10000: the slowest hand goes round in about "
        f"{2 * math.pi * base:,.0f} timesteps instead of about 60,000. Take 10000, as in the "
        "formula" + (", whose exponent has a factor ln(10000)." if base == math.e else ".")
    )
