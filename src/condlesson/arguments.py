"""Refusals of arguments that are none of the choices, or no counts: the same words everywhere."""

import math
from collections.abc import Iterable
from numbers import Integral, Real

__all__ = [
    "as_float",
    "check_choice",
    "check_count",
    "check_finite",
    "check_flag",
    "check_integer",
    "check_number",
    "check_positive",
]

LARGEST = 2**31 - 1  # of a count; torch takes no size far above


def check_choice(name: str, value: object, choices: Iterable) -> None:
    """Refuse a value that is none of the choices, with a ValueError that lists them."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}.")


def check_integer(value: object, name: str) -> None:
    """Refuse what is no integer, with a TypeError; True and False are none here."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}.")


def check_number(value: object, name: str) -> None:
    """Refuse what is no real number, with a TypeError; True and False are none here."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")


def check_finite(value: object, name: str) -> None:
    """Refuse what is no real number (TypeError), or is nan or an infinity (ValueError)."""
    check_number(value, name)
    if not math.isfinite(as_float(value)):
        raise ValueError(f"{name} must be finite, got {value!r}.")


def as_float(value: Real) -> float:
    """A real number as a float; an integer of more than 308 digits as infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def check_flag(value: object, name: str) -> None:
    """Refuse what is neither True nor False, with a TypeError: a "no" would count as True."""
    if value is not True and value is not False:
        raise TypeError(f"{name} must be True or False, got {value!r}.")


def check_positive(value: float, name: str) -> None:
    """Refuse what is no number (TypeError), or not positive and finite (ValueError)."""
    check_number(value, name)
    if not (math.isfinite(as_float(value)) and value > 0):
        raise ValueError(f"{name} must be positive and finite, got {value!r}.")


def check_count(value: int, name: str, *, minimum: int = 1, maximum: int = LARGEST) -> None:
    """Refuse what is no integer (TypeError), or lies outside minimum .. maximum (ValueError)."""
    check_integer(value, name)
    if not minimum <= value <= maximum:
        upper = f" and at most {maximum}" if maximum < LARGEST or value > maximum else ""
        raise ValueError(f"{name} must be at least {minimum}{upper}, got {value}.")
