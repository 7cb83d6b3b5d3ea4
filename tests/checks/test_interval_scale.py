"""The scale of guidance in an interval, in the styles of public code, and its mistakes."""

import pytest

from condlesson import guidance
from condlesson.checks import check_interval_scale
from tests.answers import blank
from tests.checks.variants import assert_passed, assert_wrong, cell, edited

pytestmark = pytest.mark.usefixtures("one_thread")

CODE = """\
def at(t, scale, low, high):
    inside = (t >= low) & (t < high)
    return torch.where(inside, scale, 1.0)
"""
INSIDE = "inside = (t >= low) & (t < high)"
END = "return torch.where(inside, scale, 1.0)"
RIGHT = {
    "as the task": {},
    "logical_and": {INSIDE: "inside = torch.logical_and(t >= low, t < high)"},
    "the other way about": {
        INSIDE: "outside = (t < low) | (t >= high)",
        END: "return torch.where(outside, 1.0, scale)",
    },
    "not outside": {INSIDE: "inside = ~((t < low) | (t >= high))"},
    "up to high - 1": {INSIDE: "inside = (low <= t) & (t <= high - 1)"},
    "by a sum": {END: "return 1 + (scale - 1) * inside"},
    "by masks": {END: "return scale * inside + 1.0 * ~inside"},
    "filled": {END: "out = torch.ones(len(t)); out[inside] = scale; return out"},
    "masked_fill": {END: "return torch.ones(t.shape).masked_fill(inside, scale)"},
    "a list": {
        INSIDE: "steps = t.tolist()",
        END: "return torch.tensor([scale if low <= k < high else 1.0 for k in steps])",
    },
    "half precision": {END: "return torch.where(inside, scale, 1.0).half()"},
    "a table of the clock": {
        INSIDE: "table = torch.ones(1000); table[low:high] = scale",
        END: "return table[t]",
    },
    "bucketize": {
        INSIDE: "inside = torch.bucketize(t, torch.tensor([low, high]), right=True) == 1"
    },
}
BRACKETS = "(t >= low) & (t < high)"
WRONG = {
    "0 taken for outside": (
        {END: "out = scale * inside; out[out == 0] = 1.0; return out"},
        "with scale = 0, low = 250 and high = 550, is not: at t = 299 the scale is 1 and must be 0",
    ),
    "0 taken for no scale": (
        {END: "return torch.where(inside, scale or 1.0, 1.0)"},
        "with scale = 0, low = 250 and high = 550, is not",
    ),
    "one image squeezed": (
        {END: f"{END}.squeeze()"},
        "must return one scale for each image, shape (1,), got ()",
    ),
    "kept from the first call": (
        {
            INSIDE: "kept = at.__dict__.setdefault('kept', (t >= low) & (t < high))\n"
            "    inside = kept[: len(t)]"
        },
        "The first call is right, and a later one, with scale = 3, low = 300",
    ),
    "no class outside": ({END: "return scale * inside"}, "which is the prediction without a class"),
    "0 written": ({END: "return torch.where(inside, scale, 0.0)"}, "It must be 1 there"),
    "added to 1": ({END: "return 1.0 + scale * inside"}, "which is scale + 1"),
    "the paper's weights": ({END: "return (scale - 1) * inside"}, "the paper's weights w"),
    "turned round": ({END: "return torch.where(inside, 1.0, scale)"}, "It is turned round"),
    "or": ({INSIDE: "inside = (t >= low) | (t < high)"}, "The scale is 3 at every timestep"),
    "always": ({END: "return torch.full((len(t),), scale)"}, "at least low *and* below high"),
    "never": ({END: "return torch.ones(len(t))"}, "The scale is 1 at every timestep"),
    "bounds exchanged": ({INSIDE: "inside = (t >= high) & (t < low)"}, "at every timestep"),
    "as shares of the clock": ({INSIDE: "t = t / 1000; " + INSIDE}, "whole numbers, 0 .. 999"),
    "places in the batch": (
        {INSIDE: "out = torch.ones(len(t)); out[low:high] = scale", END: "return out"},
        "Inside are the images whose t",
    ),
    "0 outside, by a list": (
        {
            INSIDE: "steps = range(low, high)",
            END: "return torch.tensor([scale if k in steps else 0 for k in t])",
        },
        "which is the prediction without a class",
    ),
    "a little too much": (
        {END: "return torch.where(inside, scale * (1 + 4e-4 * (t > 300)), 1.0)"},
        "at t = 301 the scale is 3.001 and must be 3.",
    ),
    "hardly too much": (
        {END: "return torch.where(inside, scale * (1 + 2e-5 * (t > 300)), 1.0)"},
        "at t = 301 the scale is 3.0001 and must be 3.",
    ),
    "a ramp": (
        {INSIDE: "share = (t - low) / (high - low)", END: "return 1 + share.clamp(0, 1) * scale"},
        "at t = 300 the scale is",
    ),
    "below 0 outside": (
        {END: END.replace("1.0", "-1.0")},
        "at t = 0 the scale is -1 and must be 1",
    ),
    "a pair": ({END: "return scale * inside, 1.0 * ~inside"}, "must return one tensor"),
    "low left out": ({INSIDE: "inside = (t > low) & (t < high)"}, "low itself is inside"),
    "high kept": ({INSIDE: "inside = (t >= low) & (t <= high)"}, "high itself is outside"),
    "both ends": ({INSIDE: "inside = (t > low) & (t <= high)"}, "it must be the other way"),
    "no high": ({INSIDE: "inside = t >= low"}, "high is not used"),
    "no low": ({INSIDE: "inside = t < high"}, "low is not used"),
    "from the other end": ({INSIDE: "t = 999 - t; " + INSIDE}, "counted from the other end"),
    "low and out of place": ({INSIDE: "inside = (t >= 2 * low) & (t < high)"}, "at t = 300 the"),
    "if": (
        {INSIDE: "pass", END: "if t >= low:\n        return scale\n    return 1.0"},
        "torch.where decides for each",
    ),
    "a chain": ({INSIDE: "inside = low <= t < high"}, f"Write {BRACKETS}"),
    "and": ({INSIDE: "inside = t >= low and t < high"}, "want one yes or no"),
    "no brackets": ({INSIDE: "inside = t >= low & t < high"}, "& is computed before"),
    "the first decides": (
        {INSIDE: "inside = torch.as_tensor(low <= t[0] < high).expand(len(t))"},
        "in a batch one image decides for all",
    ),
    "any decides": (
        {END: "return torch.full((len(t),), scale if inside.any() else 1.0)"},
        "decides",
    ),
    "a number": ({END: "return scale if inside.any() else 1.0"}, "must return a torch.Tensor"),
    "the mask": ({END: "return inside"}, "got torch.bool"),
    "whole numbers": (
        {END: "out = torch.ones_like(t); out[inside] = int(scale); return out"},
        "must return floating numbers",
    ),
    "cut to whole numbers": (
        {END: "out = torch.ones_like(t); out[inside] = int(scale); return out.float()"},
        "A tensor that is made like t holds whole numbers",
    ),
    "a scale written down": ({END: END.replace("scale", "3.0")}, "with scale = 7.5"),
    "an interval written down": (
        {INSIDE: "inside = (t >= 300) & (t < 800)"},
        "low = 0 and high = 300, is not",
    ),
    "not below 1": ({END: "return torch.where(inside, max(scale, 1.0), 1.0)"}, "with scale = 0.5"),
    "for images": ({END: f"{END}[:, None, None, None]"}, "one scale for each image, shape (8,)"),
    "in place": ({INSIDE: f"{INSIDE}; t[inside] = 0"}, "in place: t"),
}


@pytest.mark.parametrize("edits", RIGHT.values(), ids=RIGHT)
def test_right_answers_pass(edits):
    assert_passed(check_interval_scale(cell(edited(CODE, edits))))


@pytest.mark.parametrize(("edits", "fragment"), WRONG.values(), ids=WRONG)
def test_the_mistake_is_named(edits, fragment):
    assert_wrong(check_interval_scale(cell(edited(CODE, edits))), fragment)


def test_what_returns_nothing_is_not_done():
    result = check_interval_scale(cell(edited(CODE, {END: END.removeprefix("return ")})))
    assert result.status == "not done"
    assert "returned None" in result.messages[0]


def test_the_packages_own_passes_and_its_scaffold_is_not_done():
    assert_passed(check_interval_scale(guidance.interval_scale))
    result = check_interval_scale(blank(guidance.interval_scale))
    assert result.status == "not done"
    assert result.messages[0] == "TODO 1 is still open."
