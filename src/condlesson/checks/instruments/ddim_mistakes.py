"""Factors that known mistakes give a step of DDIM, each with what to say about it."""

import math
from collections.abc import Iterator
from itertools import product

__all__ = ["mistake_of"]


def mistake_of(p: float, q: float, a: float, b: float) -> str:
    """The mistake whose step from level a to level b is p * x_t + q * noise, or ""."""
    return next((text for x, y, text in _known(a, b) if math.hypot(x - p, y - q) < 1e-4), "")


def _known(a: float, b: float) -> Iterator[tuple[float, float, str]]:
    """Known mistakes of a step from level a to level b, as (p, q, text): few mistakes first."""
    root_a, root_b, rest_a, rest_b = (math.sqrt(v) for v in (a, b, 1 - a, 1 - b))
    yield (
        1 / root_a,
        -rest_a / root_a,
        "This is x_0, the clean image. Add noise to it again, for the level alpha_bar_prev.",
    )
    yield (
        1,
        0,
        (
            "This is x_t again: both of your lines use the same level. Solve for x_0 with "
            "alpha_bar_t, then add noise for the level alpha_bar_prev."
        ),
    )
    yield (
        root_a / root_b,
        rest_a - root_a * rest_b / root_b,
        ("alpha_bar_t and alpha_bar_prev are swapped: x_t is at alpha_bar_t."),
    )
    yield (
        root_b * root_a,
        rest_b - root_b * rest_a,
        "x_0 is computed as if the network predicted v. It predicts the noise here: x_0 is x_t "
        "without its noise, divided by sqrt(alpha_bar_t).",
    )
    yield (
        1 / a * b,
        math.sqrt(1 - b * b) - b * math.sqrt(1 - a * a) / a,
        "alpha_bar is taken for the factor of the image, and it is that factor's square: x_t is "
        "sqrt(alpha_bar_t) * x_0 + sqrt(1 - alpha_bar_t) * noise.",
    )
    yield (
        b / a,
        1 - b - b * (1 - a) / a,
        ("alpha-bar is a share of the variance, so every factor is a square root."),
    )
    yield (
        root_b / root_a,
        rest_b - root_b * rest_a,
        "Only x_t is divided by sqrt(alpha_bar_t). Put brackets around the difference: "
        "(x_t - ... * noise_pred) / ...",
    )
    yield (
        root_b,
        rest_b - root_b * rest_a / root_a,
        "Only the noise is divided by sqrt(alpha_bar_t), since / comes before -. Put brackets "
        "around the difference: (x_t - ... * noise_pred) / ...",
    )
    yield (
        root_b,
        rest_b,
        "x_t stands where x_0 belongs: in the result x_0 is multiplied by sqrt(alpha_bar_prev), "
        "and x_0 is x_t without its noise, divided by sqrt(alpha_bar_t).",
    )
    yield (
        -root_b / root_a,
        rest_b + root_b * rest_a / root_a,
        "The estimate of x_0 has the wrong sign: subtract the noise from x_t, not x_t from the "
        "noise.",
    )
    yield (
        rest_b - root_b * rest_a / root_a,
        root_b / root_a,
        "x_t and noise_pred have changed places. The first argument is x_t.",
    )
    yield (
        math.sqrt(b / a),
        -(1 - a / b) / rest_a * math.sqrt(b / a),
        "That is the mean of DDPM's step, in which less noise is left, because new noise is added "
        "to it. DDIM with eta = 0 adds sqrt(1 - alpha_bar_prev) * noise_pred.",
    )
    factors = _divisors(a, b), _subtracted(a, b), _images(a, b), _noises(a, b)
    for chosen in sorted(product(*factors), key=lambda four: sum(bool(text) for _, text in four)):
        (r, _), (s, _), (u, _), (v, _) = chosen
        yield u / r, v - u * s / r, " ".join(text for _, text in chosen if text)


HALF = "{0} ** 1/2 is half of {0}, since ** comes before /. Write {0} ** 0.5."
SQUARE = "{0} ** 2 is a square. Write {0} ** 0.5, the root."
BRACKETS = "1 - sqrt({0}) is not sqrt(1 - {0}). Write (1 - {0}) ** 0.5, with the parentheses."


def _divisors(a: float, b: float) -> list[tuple[float, str]]:
    """What x_0 is divided by."""
    right = "To get x_0, divide by sqrt(alpha_bar_t)"
    return [
        (math.sqrt(a), ""),
        (a, f"{right}, not by alpha_bar_t: take the square root."),
        (a / 2, HALF.format("alpha_bar_t")),
        (a * a, SQUARE.format("alpha_bar_t")),
        (b, f"{right}. You divide by alpha_bar_prev."),
        (2 * a, f"{right}: alpha_bar_t ** 0.5, with two stars."),
        (1, f"{right}. You do not divide."),
        (1 / math.sqrt(a), f"{right}. You multiply by it."),
        (math.sqrt(1 - a), f"{right}, not by sqrt(1 - alpha_bar_t)."),
    ]


def _subtracted(a: float, b: float) -> list[tuple[float, str]]:
    """How much noise is subtracted from x_t."""
    right = "To get x_0, subtract sqrt(1 - alpha_bar_t) * noise_pred from x_t"
    return [
        (math.sqrt(1 - a), ""),
        (1 - a, f"{right}. You subtract it without the square root."),
        ((1 - a) / 2, HALF.format("(1 - alpha_bar_t)")),
        ((1 - a) ** 2, SQUARE.format("(1 - alpha_bar_t)")),
        (1 - math.sqrt(a), BRACKETS.format("alpha_bar_t")),
        (1, f"{right}. You subtract the whole noise_pred."),
        (0, f"{right}. You subtract nothing."),
        (-math.sqrt(1 - a), f"{right}. You add it."),
        (math.sqrt(1 - b), f"{right}. You take alpha_bar_prev in place of alpha_bar_t."),
        (math.sqrt(a), f"{right}. You subtract sqrt(alpha_bar_t) * noise_pred."),
        (a, f"{right}. You subtract alpha_bar_t * noise_pred."),
        (b, f"{right}. You subtract alpha_bar_prev * noise_pred."),
        (
            math.sqrt((1 - a) / a),
            "The noise is divided by alpha_bar_t, x_t by its root. Divide both by "
            "sqrt(alpha_bar_t).",
        ),
    ]


def _images(a: float, b: float) -> list[tuple[float, str]]:
    """The share of x_0 in the result."""
    right = "In the result, multiply x_0 by sqrt(alpha_bar_prev)"
    return [
        (math.sqrt(b), ""),
        (b, f"{right}, not by alpha_bar_prev: take the square root."),
        (b / 2, HALF.format("alpha_bar_prev")),
        (b * b, SQUARE.format("alpha_bar_prev")),
        (1, f"{right}. You take x_0 as it is."),
        (a, f"{right}. You multiply it by alpha_bar_t."),
        (
            math.sqrt(a),
            f"{right}. You take alpha_bar_t there, or you divide by sqrt(alpha_bar_prev) to get "
            "x_0.",
        ),
        (math.sqrt(1 - b), f"{right}, not by sqrt(1 - alpha_bar_prev)."),
    ]


def _noises(a: float, b: float) -> list[tuple[float, str]]:
    """The share of the noise in the result."""
    right = "In the result, add sqrt(1 - alpha_bar_prev) * noise_pred"
    return [
        (math.sqrt(1 - b), ""),
        (1 - b, f"{right}. You add it without the square root."),
        ((1 - b) / 2, HALF.format("(1 - alpha_bar_prev)")),
        ((1 - b) ** 2, SQUARE.format("(1 - alpha_bar_prev)")),
        (1 - math.sqrt(b), BRACKETS.format("alpha_bar_prev")),
        (1, f"{right}. You add the whole noise_pred."),
        (0, f"{right}. You add no noise."),
        (-math.sqrt(1 - b), f"{right}. You subtract it."),
        (math.sqrt(1 - a), f"{right}. You take alpha_bar_t in place of alpha_bar_prev."),
        (math.sqrt(b), f"{right}. You add sqrt(alpha_bar_prev) * noise_pred."),
    ]
