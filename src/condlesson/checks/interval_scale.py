"""Check of a further task of exercise 5: the guidance scale in an interval of timesteps."""

import re
from collections.abc import Callable

import torch
from torch import Tensor

from condlesson import guidance
from condlesson.checks.harness.answer import as_function, call_on, cured, shape
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check

__all__ = ["check_interval_scale"]

CLOCK = torch.tensor([0, 299, 300, 301, 550, 799, 800, 999])
OTHER = torch.tensor([1, 298, 300, 302, 500, 798, 801, 998])
INSIDE = "(t >= low) & (t < high)"


def check_interval_scale(fn: Callable) -> CheckResult:
    """Check the guidance scale of each image if only an interval of timesteps is guided.

    Args:
        fn: Called as fn(t, scale, low, high) with t (B,); returns scales (B,).

    Returns:
        What was found.
    """
    return run_check(
        "check_interval_scale",
        fn,
        _interval_scale,
        exercise=guidance.interval_scale,
        praise="Well done: each image is guided at its own timesteps, and elsewhere its class is "
        "told as it was learned. Next, say what a step outside the interval costs.",
    )


def _interval_scale(answer: object) -> list[str]:
    fn = as_function(answer, "interval_scale(t, scale, low, high)")
    got, right = _scales(fn, CLOCK, 3.0, 300, 800), _right(CLOCK, 3.0, 300, 800)
    if not torch.allclose(got, right):
        if (got == got[0]).all() and torch.allclose(_alone(fn), right):
            raise Wrong(
                "For one image alone it is right; in a batch one image decides for all. Each "
                "has a timestep of its own: torch.where decides for each."
            )
        raise Wrong(_mistake(got, right))
    for t, scale, low, high in (
        (OTHER, 3.0, 300, 800),
        (CLOCK[4:5], 3.0, 300, 800),
        (CLOCK, 7.5, 0, 300),
        (CLOCK[:3], 0.5, 299, 300),
        (CLOCK[4:], -1.0, 800, 1000),
        (CLOCK, 0.0, 250, 550),
        (CLOCK, 12.0, 299, 302),
        (CLOCK, 3.0, 300, 300),
        (CLOCK, 3.0, 0, 0),
        (CLOCK, 3.0, 800, 300),
    ):
        got, right = _scales(fn, t, scale, low, high), _right(t, scale, low, high)
        if not torch.allclose(got, right):
            raise Wrong(
                f"The first call is right, and a later one, with scale = {scale:g}, low = {low} "
                f"and high = {high}, is not: {_first(t, got, right)}"
                f"{_cut(got, scale)}"
            )
    return []


def _scales(fn: Callable, t: Tensor, scale: float, low: int, high: int) -> Tensor:
    what = f"{name_of(fn)}(t, {scale:g}, {low}, {high}) with t = {t.tolist()}"
    with cured(_cure_of_interval):
        got = call_on(fn, t, scale, low, high, what=what)
    if got.shape != t.shape:
        raise Wrong(
            f"{what} must return one scale for each image, shape {shape(t)}, got {shape(got)}."
        )
    return got.detach().float()


def _alone(fn: Callable) -> Tensor:
    """The scales of single images."""
    return torch.cat([_scales(fn, t, 3.0, 300, 800) for t in CLOCK.split(1)])


def _right(t: Tensor, scale: float, low: int, high: int) -> Tensor:
    return torch.tensor([scale if low <= step < high else 1.0 for step in t.tolist()])


def _cure_of_interval(failure: Failure) -> str:
    """One `if` for all images, `and`, or & without its brackets."""
    if "ambiguous" not in failure.text:
        return ""
    if re.search(r"[<>]=? *\w+ *& *\w+ *[<>]", failure.code):
        return f"& is computed before < and >=. Put each comparison in brackets: {INSIDE}."
    if re.search(r"\band\b|\bor\b|<=? *t\w* *<", failure.code):
        return (
            "`and`, `or` and a < t < b want one yes or no, and t holds a timestep for each image. "
            f"Write {INSIDE}."
        )
    return (
        "`if` wants one yes or no, and t holds a timestep for each image. torch.where decides for "
        f"each: torch.where({INSIDE}, scale, 1.0)."
    )


def _mistake(got: Tensor, right: Tensor) -> str:
    """What is wrong at 300 <= t < 800 with scale = 3."""
    inside, t = right == 3, CLOCK

    def scaled(where: Tensor) -> Tensor:
        return torch.where(where, 3.0, 1.0)

    known = {
        "Outside the interval the scale is 0, which is the prediction without a class. It must be "
        "1 there, the class alone.": 3.0 * inside,
        "Inside the interval the scale is 4, which is scale + 1. It must be scale itself.": (
            1 + 3.0 * inside
        ),
        "All scales are 1 too small: 2 inside and 0 outside are the paper's weights w. This "
        "page's scale is s = 1 + w.": right - 1,
        "It is turned round: the scale is 1 inside the interval, and 3 outside.": scaled(~inside),
        "The scale is 3 at every timestep. Inside are those that are at least low *and* below "
        f"high: {INSIDE}.": scaled(inside | True),
        "The scale is 1 at every timestep. Inside are the images whose t is at least low and below "
        "high; timesteps are whole numbers, 0 .. 999.": scaled(inside & False),
        "At t = low = 300 there is no guidance. low itself is inside, as in Python's range: "
        ">= in place of >.": scaled(inside & (t > 300)),
        "At t = high = 800 there is guidance. high itself is outside, as in Python's range: "
        "< in place of <=.": scaled(inside | (t == 800)),
        "low is outside and high is inside; it must be the other way, as in Python's range: "
        f"{INSIDE}.": scaled((t > 300) & (t <= 800)),
        "There is guidance from low on, up to the noisiest timestep. high is not used, or joined "
        f"by `or`: {INSIDE}.": scaled(t >= 300),
        f"There is guidance at all timesteps below high. low is not used: {INSIDE}.": scaled(
            t < 800
        ),
        "Timesteps are counted from the other end: 0 is the least noise, 999 the most.": (
            scaled((999 - t >= 300) & (999 - t < 800))
        ),
    }
    found = next((text for text, values in known.items() if torch.allclose(got, values)), "")
    return found or f"With scale = 3, low = 300 and high = 800, {_first(CLOCK, got, right)}"


def _first(t: Tensor, got: Tensor, right: Tensor) -> str:
    k = int((~torch.isclose(got, right)).nonzero()[0])
    found, wanted = _apart(got[k].item(), right[k].item())
    return f"at t = {t[k]} the scale is {found} and must be {wanted}."


def _apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with three digits, or as many more as tell them apart."""
    pairs = ((f"{one:.{digits}g}", f"{other:.{digits}g}") for digits in range(3, 10))
    return next((pair for pair in pairs if pair[0] != pair[1]), (str(one), str(other)))


def _cut(got: Tensor, scale: float) -> str:
    """What became of a scale that is put into a tensor of whole numbers."""
    if scale == int(scale) or not (got == int(scale)).any():
        return ""
    return (
        " A tensor that is made like t holds whole numbers. Make it with torch.ones(len(t)), or "
        "take torch.where."
    )
