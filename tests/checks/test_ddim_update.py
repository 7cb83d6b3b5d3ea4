"""The check of a step of DDIM: right steps, and mistakes."""

import pytest

from condlesson import exercises
from condlesson.checks import check_ddim_update
from tests.answers import blank
from tests.checks.variants import assert_passed, assert_wrong, cell, edited

pytestmark = pytest.mark.usefixtures("one_thread")

STEP = """\
def step(x_t, noise, a, b):
    x_0 = (x_t - (1 - a) ** 0.5 * noise) / a**0.5
    return b**0.5 * x_0 + (1 - b) ** 0.5 * noise
"""
X_0 = "x_0 = (x_t - (1 - a) ** 0.5 * noise) / a**0.5"
END = "return b**0.5 * x_0 + (1 - b) ** 0.5 * noise"
AGAIN = "noise = (x_t - a**0.5 * x_0) / (1 - a) ** 0.5"
STEPS = {
    "as the task": {},
    "torch.sqrt": {X_0: "x_0 = (x_t - torch.sqrt(1 - a) * noise) / torch.sqrt(a)"},
    "one line": {
        X_0: "k = (b / a).sqrt()",
        END: "return k * x_t + ((1 - b).sqrt() - k * (1 - a).sqrt()) * noise",
    },
    "with sigma": {END: "s = 0.0; return b**0.5 * x_0 + (1 - b - s**2) ** 0.5 * noise"},
    "noise solved for again": {END: f"{AGAIN}; {END}"},
    "float64": {X_0: "x_t, noise, a, b = (v.double() for v in (x_t, noise, a, b))\n    " + X_0},
    "the general form, eta = 0": {
        END: "s = 0.0 * ((1 - b) / (1 - a) * (1 - a / b)).sqrt(); "
        "return b.sqrt() * x_0 + (1 - b - s**2).sqrt() * noise"
    },
    "as in DDIM's code": {
        X_0: "x_0 = (x_t - noise * (1 - a).sqrt()) / a.sqrt()",
        END: "c2 = ((1 - b) - 0**2).sqrt(); return b.sqrt() * x_0 + c2 * noise",
    },
    "by the reciprocal roots": {X_0: "x_0 = (1 / a).sqrt() * x_t - (1 / a - 1).sqrt() * noise"},
    "by rsqrt": {X_0: "x_0 = a.rsqrt() * (x_t - (1 - a).sqrt() * noise)"},
    "by signal-to-noise ratios": {
        X_0: "x_hat = x_t / a.sqrt(); s, r = ((1 - a) / a).sqrt(), ((1 - b) / b).sqrt()",
        END: "return b.sqrt() * (x_hat + (r - s) * noise)",
    },
    "by angles": {
        X_0: "u, v = a.sqrt().acos(), b.sqrt().acos(); x_0 = (x_t - u.sin() * noise) / u.cos()",
        END: "return v.cos() * x_0 + v.sin() * noise",
    },
    "addcmul": {END: "return torch.addcmul(b.sqrt() * x_0, (1 - b).sqrt(), noise)"},
    "a guard that never acts": {X_0: f"{X_0[:-6]}(a**0.5).clamp(min=1e-8)"},
    "levels of a scheduler": {
        X_0: "beta_t, beta_prev = 1 - a, 1 - b; x_0 = (x_t - beta_t**0.5 * noise) / a**0.5",
        END: "return b**0.5 * x_0 + beta_prev**0.5 * noise",
    },
    "the scheduler's names": {
        X_0: "pred_original_sample = (x_t - (1 - a) ** 0.5 * noise) / a ** 0.5",
        END: "direction = (1 - b - 0.0**2) ** 0.5 * noise\n"
        "    return b**0.5 * pred_original_sample + direction",
    },
    "by sigmas, as in k-diffusion": {
        X_0: "s, s_next = ((1 - a) / a) ** 0.5, ((1 - b) / b) ** 0.5; x = x_t / a**0.5",
        END: "d = (x - (x - s * noise)) / s; return (x + d * (s_next - s)) * b**0.5",
    },
    "by the velocity": {
        X_0: "v = (noise - (1 - a).sqrt() * x_t) / a.sqrt()",
        END: f"x_0 = a.sqrt() * x_t - (1 - a).sqrt() * v; {END}",
    },
    "sizes taken apart": {X_0: f"b_, c_, h_, w_ = x_t.shape; {X_0}"},
    "lerp": {END: "return torch.lerp(0 * x_0, x_0, b**0.5) + noise * (1 - b).sqrt()"},
}
NOTED_STEPS = {
    "clipped": ({END: f"x_0 = x_0.clamp(-1, 1); {END}"}, "you clip the estimate of x_0"),
    "clipped, and noise solved for again": (
        {END: f"x_0 = x_0.clamp(-1, 1); {AGAIN}; {END}"},
        "you clip the estimate of x_0",
    ),
    "numbers only": ({X_0: f"a, b = a.item(), b.item(); {X_0}"}, "for each image"),
    "math.sqrt": ({X_0: f"import math; {X_0}", "a**0.5": "math.sqrt(a)"}, "for each image"),
}
WRONG_STEPS = {
    "as if it predicted v": (
        {X_0: "x_0 = a**0.5 * x_t - (1 - a) ** 0.5 * noise"},
        "x_0 is computed as if the network predicted v",
    ),
    "alpha-bar as the image's factor": (
        {
            X_0: "x_0 = (x_t - (1 - a**2) ** 0.5 * noise) / a",
            END: "return b * x_0 + (1 - b**2) ** 0.5 * noise",
        },
        "alpha_bar is taken for the factor of the image",
    ),
    "x_0": ({END: "return x_0"}, "This is x_0, the clean image. Add noise to it again"),
    "almost": ({END: f"{END} + 0.01 * noise"}, "Given the true noise, the step from"),
    "almost clipped": (
        {END: f"x_0 = x_0.clamp(-1.1, 1.1); {END} + 0.01 * noise"},
        "Given the true noise, the step from",
    ),
    "level without roots": (
        {END: "return b * x_0 + (1 - b) * noise"},
        "In the result, multiply x_0 by sqrt(alpha_bar_prev), not by alpha_bar_prev: take the "
        "square root. In the result, add sqrt(1 - alpha_bar_prev) * noise_pred. You add it without",
    ),
    "noise without its root": (
        {END: "return b**0.5 * x_0 + (1 - b) * noise"},
        "0.58. In the result, add sqrt(1 - alpha_bar_prev) * noise_pred. You add it without",
    ),
    "image without its root": (
        {END: "return b * x_0 + (1 - b) ** 0.5 * noise"},
        "0.58. In the result, multiply x_0 by sqrt(alpha_bar_prev), not by alpha_bar_prev: take",
    ),
    "image by the old level": (
        {END: "return a * x_0 + (1 - b) ** 0.5 * noise"},
        "0.58. In the result, multiply x_0 by sqrt(alpha_bar_prev). You multiply it by alpha_bar_t",
    ),
    "whole image": ({END: "return x_0 + (1 - b) ** 0.5 * noise"}, "You take x_0 as it is"),
    "no noise": (
        {END: "return b**0.5 * x_0"},
        "add sqrt(1 - alpha_bar_prev) * noise_pred. You add no noise",
    ),
    "whole noise": ({END: "return b**0.5 * x_0 + noise"}, "You add the whole noise_pred"),
    "noise subtracted": (
        {END: "return b**0.5 * x_0 - (1 - b) ** 0.5 * noise"},
        "add sqrt(1 - alpha_bar_prev) * noise_pred. You subtract it",
    ),
    "factors swapped": (
        {END: "return (1 - b) ** 0.5 * x_0 + b**0.5 * noise"},
        "sqrt(alpha_bar_prev), not by sqrt(1 - alpha_bar_prev). In the result, add",
    ),
    "1 minus a root": (
        {END: "return b**0.5 * x_0 + (1 - b**0.5) * noise"},
        "1 - sqrt(alpha_bar_prev) is not sqrt(1 - alpha_bar_prev). Write (1 - alpha_bar_prev) **",
    ),
    "a power of 1/2 without parentheses": (
        {END: "return b**1/2 * x_0 + (1 - b) ** 0.5 * noise"},
        "alpha_bar_prev ** 1/2 is half of alpha_bar_prev, since ** comes before /",
    ),
    "a square": (
        {END: "return b**2 * x_0 + (1 - b) ** 0.5 * noise"},
        "alpha_bar_prev ** 2 is a square. Write alpha_bar_prev ** 0.5, the root.",
    ),
    "a square of the rest": (
        {END: "return b**0.5 * x_0 + (1 - b) ** 2 * noise"},
        "(1 - alpha_bar_prev) ** 2 is a square",
    ),
    "a factor that nobody knows": (
        {END: "return 0.7 * x_0 + 0.3 * noise"},
        "Your result is 1.492 * x_t -1.018 * noise_pred, and the formula gives 1.624 * x_t -0.786",
    ),
    "half the noise": (
        {END: "return b**0.5 * x_0 + (1 - b) ** 1/2 * noise"},
        "(1 - alpha_bar_prev) ** 1/2 is half of (1 - alpha_bar_prev)",
    ),
    "a guard at the level of the page": (
        {X_0: f"{X_0[:-6]}(a**0.5).clamp(min=0.05)"},
        "From alpha_bar_t = 4.04e-05 to alpha_bar_prev = 7.78e-05 the result is off",
    ),
    "levels clamped": ({X_0: f"a = a.clamp(min=1e-4); {X_0}"}, "without a limit such as clamp"),
    "almost clean is clean": ({END: f"b = b.round(decimals=2); {END}"}, "From alpha_bar_t ="),
    "back to x_t": (
        {END: "return a**0.5 * x_0 + (1 - a) ** 0.5 * noise"},
        "This is x_t again: both of your lines use the same level",
    ),
    "x_0 at the earlier level": (
        {X_0: "x_0 = (x_t - (1 - b) ** 0.5 * noise) / b**0.5"},
        "This is x_t again: both of your lines use the same level",
    ),
    "nothing done": ({END: "return x_t"}, "This is x_t again"),
    "noise at the old level": (
        {END: "return b**0.5 * x_0 + (1 - a) ** 0.5 * noise"},
        "You take alpha_bar_t in place of alpha_bar_prev",
    ),
    "image at the old level": (
        {END: "return a**0.5 * x_0 + (1 - b) ** 0.5 * noise"},
        "You take alpha_bar_t there, or you divide by sqrt(alpha_bar_prev)",
    ),
    "the result cut": (
        {END: f"{END.replace('return ', 'y = ')}; return y.clamp(-1, 1)"},
        "and the others are cut, as by clamp",
    ),
    "x_t in the last line": (
        {END: "return b**0.5 * x_t + (1 - b) ** 0.5 * noise"},
        "x_t stands where x_0 belongs",
    ),
    "the mean of DDPM": (
        {END: "k = a / b; return (x_t - (1 - k) / (1 - a) ** 0.5 * noise) / k**0.5"},
        "the mean of DDPM's step",
    ),
    "arguments exchanged": ({"(x_t, noise, a, b)": "(noise, x_t, a, b)"}, "have changed places"),
    "a level as a timestep": (
        {X_0: f"a = torch.linspace(1, 0, 1000)[a]; {X_0}"},
        "the levels themselves, no timesteps",
    ),
    "kept from the first call": (
        {X_0: f"step.kept = getattr(step, 'kept', noise); noise = step.kept; {X_0}"},
        "From alpha_bar_t =",
    ),
    "levels swapped": ({"(x_t, noise, a, b)": "(x_t, noise, b, a)"}, "prev are swapped"),
    "no roots at all": (
        {X_0: "x_0 = (x_t - (1 - a) * noise) / a", END: "return b * x_0 + (1 - b) * noise"},
        "alpha-bar is a share of the variance",
    ),
    "fresh noise": (
        {END: f"{END} + 0.1 * torch.randn_like(x_t)"},
        "With eta = 0 no noise is drawn",
    ),
    "noise drawn anew": (
        {END: "return b**0.5 * x_0 + (1 - b) ** 0.5 * torch.randn_like(x_t)"},
        "With eta = 0 no noise is drawn",
    ),
    "a seeded noise": (
        {END: f"noise = torch.full_like(x_t, 0.3); {END}"},
        "Is there another noise, or a parenthesis",
    ),
    "level written down": (
        {END: f"b = b * 0 + 0.58; {END}"},
        "though from 0.22 to 0.58 it was right",
    ),
    "nan at the clean image": ({END: f"b = b / (1 - b) * (1 - b); {END}"}, "nan or infinite"),
    "level of the first image": (
        {X_0: f"a, b = a.flatten()[0], b.flatten()[0]; {X_0}"},
        "From alpha_bar_t = [0.2, 0.5, 0.8] to alpha_bar_prev = [0.3, 0.9, 1.0]",
    ),
    "the noise clipped": (
        {END: f"noise = noise.clamp(-3, 3); {END}"},
        "Is it clamped? Take noise_pred as it is.",
    ),
    "clipped at 2": ({END: f"x_0 = x_0.clamp(-2, 2); {END}"}, "wrong where it lies outside"),
    "one image": ({END: f"x_0, noise = x_0[:1], noise[:1]; {END}"}, "the shape of x_t"),
    "in place": ({X_0: f"x_t -= 0.1; {X_0}"}, "in place"),
    "a tuple": ({END: f"{END}, x_0"}, "must return one tensor"),
}
ESTIMATES = {
    "noise without its root": (
        "(x_t - (1 - a) * noise) / a**0.5",
        "0.58. To get x_0, subtract sqrt(1 - alpha_bar_t) * noise_pred from x_t. You subtract it",
    ),
    "nothing with a root": (
        "(x_t - (1 - a) * noise) / a",
        "not by alpha_bar_t: take the square root. To get x_0, subtract sqrt(1 - alpha_bar_t)",
    ),
    "image without its root": (
        "(x_t - (1 - a) ** 0.5 * noise) / a",
        "0.58. To get x_0, divide by sqrt(alpha_bar_t), not by alpha_bar_t: take the square root.",
    ),
    "not divided": ("x_t - (1 - a) ** 0.5 * noise", "You do not divide"),
    "whole noise": ("(x_t - noise) / a**0.5", "from x_t. You subtract the whole noise_pred"),
    "noise added": ("(x_t + (1 - a) ** 0.5 * noise) / a**0.5", "from x_t. You add it"),
    "multiplied": ("(x_t - (1 - a) ** 0.5 * noise) * a**0.5", "You multiply by it"),
    "factors swapped": (
        "(x_t - a**0.5 * noise) / (1 - a) ** 0.5",
        "not by sqrt(1 - alpha_bar_t). To get x_0, subtract",
    ),
    "x_t": ("x_t", "x_t stands where x_0 belongs"),
    "only the noise divided": (
        "x_t - (1 - a) ** 0.5 * noise / a**0.5",
        "Only the noise is divided",
    ),
    "only the image divided": ("x_t / a**0.5 - (1 - a) ** 0.5 * noise", "Only x_t is divided"),
    "one star": ("(x_t - (1 - a) ** 0.5 * noise) / a * 0.5", "with two stars"),
    "a bracket too early": (
        "(x_t - (1 - a) ** 0.5) * noise / a**0.5",
        "or a parenthesis in the wrong place",
    ),
    "the wrong sign": ("((1 - a) ** 0.5 * noise - x_t) / a**0.5", "has the wrong sign"),
    "a small number added": (
        "(x_t - (1 - a) ** 0.5 * noise) / (a**0.5 + 1e-3)",
        "leave out a small number",
    ),
    "in half precision": (
        "((x_t.half() - (1 - a).half() ** 0.5 * noise.half()) / a.half() ** 0.5).float()",
        "and half precision",
    ),
    "clipped to [0, 1]": (
        "((x_t - (1 - a) ** 0.5 * noise) / a**0.5).clamp(0, 1)",
        "and the others are cut",
    ),
    "1 minus a root": (
        "(x_t - (1 - a**0.5) * noise) / a**0.5",
        "1 - sqrt(alpha_bar_t) is not sqrt(1 - alpha_bar_t). Write (1 - alpha_bar_t) ** 0.5",
    ),
    "a power of 1/2 without parentheses": (
        "(x_t - (1 - a) ** 0.5 * noise) / (a**1/2)",
        "alpha_bar_t ** 1/2 is half of alpha_bar_t",
    ),
    "a square": (
        "(x_t - (1 - a) ** 2 * noise) / a**0.5",
        "(1 - alpha_bar_t) ** 2 is a square. Write (1 - alpha_bar_t) ** 0.5, the root.",
    ),
    "a square divides": (
        "(x_t - (1 - a) ** 0.5 * noise) / a**2",
        "alpha_bar_t ** 2 is a square. Write alpha_bar_t ** 0.5, the root.",
    ),
    "half the noise": (
        "(x_t - (1 - a) ** 1/2 * noise) / a**0.5",
        "(1 - alpha_bar_t) ** 1/2 is half of (1 - alpha_bar_t)",
    ),
    "one root missing": (
        "x_t / a**0.5 - (1 - a) ** 0.5 * noise / a",
        "0.58. The noise is divided by alpha_bar_t, x_t by its root",
    ),
    "divided by the other level": (
        "(x_t - (1 - a) ** 0.5 * noise) / b",
        "You divide by alpha_bar_p",
    ),
    "the other level subtracted": (
        "(x_t - b * noise) / a**0.5",
        "0.58. To get x_0, subtract sqrt(1 - alpha_bar_t) * noise_pred from x_t. You subtract "
        "alpha_bar_prev * noise_pred",
    ),
    "noise of the other level": (
        "(x_t - (1 - b) ** 0.5 * noise) / a**0.5",
        "You take alpha_bar_prev in place of alpha_bar_t",
    ),
}


@pytest.mark.parametrize("edits", STEPS.values(), ids=STEPS)
def test_right_steps_pass(edits):
    assert_passed(check_ddim_update(cell(edited(STEP, edits))))


@pytest.mark.parametrize(("edits", "note"), NOTED_STEPS.values(), ids=NOTED_STEPS)
def test_usual_steps_pass_with_a_note(edits, note):
    assert_passed(check_ddim_update(cell(edited(STEP, edits))), note)


@pytest.mark.parametrize(("edits", "fragment"), WRONG_STEPS.values(), ids=WRONG_STEPS)
def test_mistake_in_step_is_named(edits, fragment):
    assert_wrong(check_ddim_update(cell(edited(STEP, edits))), fragment)


@pytest.mark.parametrize(("estimate", "fragment"), ESTIMATES.values(), ids=ESTIMATES)
def test_wrong_estimate_is_named(estimate, fragment):
    assert_wrong(check_ddim_update(cell(edited(STEP, {X_0: f"x_0 = {estimate}"}))), fragment)


def test_the_packages_own_step_passes_and_its_scaffold_is_not_done():
    assert_passed(check_ddim_update(exercises.ddim_update))
    result = check_ddim_update(blank(exercises.ddim_update))
    assert result.status == "not done"
    assert result.messages[0] == "TODO 1 and TODO 2 are still open."
    first = (
        "    ...\n",
        "    x_0 = (x_t - (1 - alpha_bar_t) ** 0.5 * noise_pred) / alpha_bar_t**0.5\n",
    )
    assert (
        check_ddim_update(blank(exercises.ddim_update, first)).messages[0]
        == "TODO 2 is still open."
    )
