"""Refusals of arguments that are none of the choices, or no counts: the same words everywhere."""

from collections.abc import Iterable
from numbers import Integral

__all__ = ["check_choice", "check_count", "check_integer"]


def check_choice(name: str, value: object, choices: Iterable) -> None:
    """Refuse a value that is none of the choices, with a ValueError that lists them."""
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}.")


def check_integer(value: object, name: str) -> None:
    """Refuse what is no integer, with a TypeError; True and False are none here."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}.")


def check_count(value: int, name: str, *, minimum: int = 1, maximum: int | None = None) -> None:
    """Refuse what is no integer (TypeError), or lies outside minimum .. maximum (ValueError)."""
    check_integer(value, name)
    if value < minimum or (maximum is not None and value > maximum):
        upper = "" if maximum is None else f" and at most {maximum}"
        raise ValueError(f"{name} must be at least {minimum}{upper}, got {value}.")
