"""Timesteps in other kinds than a tensor of whole ones, and between these, and what rows they get.

An answer need not take them. One that does must give the same time the same row.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor

from condlesson.checks.harness.run import NotDone, Wrong

__all__ = ["NUMBER", "Taken", "compare_kinds", "depends_on_batch"]

FLOATING = "a timestep in a floating tensor"
NUMBER = "a single number, such as 500"
SCALAR = "a 0-d tensor"
_KINDS = {
    FLOATING: (torch.tensor([500.0]), "in a floating tensor"),
    NUMBER: (500, "as a single number"),
    SCALAR: (torch.tensor(500), "as a 0-d tensor"),
}
_HALF = torch.tensor([0.5])
_BEYOND = (1_000, 5_000)  # the lesson's timesteps end at 999; float32 tells these well
AS_IT_IS = (
    "The same time must have the same row: take t as it is, and change nothing by its kind, by its "
    "size or by the largest t of the batch."
)


class Taken(NamedTuple):
    """What an answer makes of other timesteps.

    Attributes:
        refused: Kinds that it does not take.
        notes: On timesteps that are not whole, and on those beyond 999.
    """

    refused: list[str]
    notes: list[str]


def compare_kinds(
    embed: Callable[[object], Tensor], formula: Callable[[Tensor], Tensor] | None = None
) -> Taken:
    """Compare rows of the same times in other kinds; raise `Wrong` if they differ.

    Args:
        embed: Maps what stands for timesteps to their rows; may raise `Wrong` or `NotDone`.
        formula: The rows as they must be at any time, if that is known.
    """
    whole, refused = embed(torch.tensor([500])), []
    for kind, (t, how) in _KINDS.items():
        row = _rows(embed, t)
        if row is None or row.shape != whole.shape:
            refused.append(kind)
        elif (off := _off(row, whole)) > _near(whole):
            raise Wrong(
                f"t = 500 gets another embedding {how} than in a tensor of whole timesteps: they "
                f"differ by up to {off:.2g}. {AS_IT_IS}"
            )
    beyond = [] if formula is None else _beyond(embed, formula)
    if FLOATING in refused:
        return Taken(refused, beyond)
    alone, among = _rows(embed, torch.tensor([0.25])), _rows(embed, torch.tensor([0.25, 500, 999]))
    if alone is not None and among is not None and _off(alone, among[:1]) > _near(whole):
        raise Wrong(depends_on_batch("0.25", _off(alone, among[:1])))
    return Taken(refused, [*_between(embed, formula), *beyond])


def depends_on_batch(t: str, off: float) -> str:
    """What to say of a time whose row is off by so much among other times."""
    return (
        f"t = {t} gets one embedding alone and another one in a batch of larger timesteps: they "
        f"differ by up to {off:.2g}. {AS_IT_IS}"
    )


def _between(
    embed: Callable[[object], Tensor], formula: Callable[[Tensor], Tensor] | None
) -> list[str]:
    """Notes on a time between two timesteps."""
    row = _rows(embed, _HALF)
    if row is None:
        return []
    ends = [embed(torch.tensor([t])) for t in (0, 1)]
    for t, end in enumerate(ends):
        if torch.equal(row, end):
            return [f"Note: t = 0.5 is rounded to {t}. That is fine for whole timesteps."]
    if formula is None or _off(row, formula(_HALF)) < _near(row):
        return []
    low, high = torch.minimum(*ends), torch.maximum(*ends)
    if bool(((row > low - 1e-4) & (row < high + 1e-4)).all()):
        return [
            "Note: the row of t = 0.5 lies between those of 0 and 1, and is not the formula's. "
            "That is fine for whole timesteps."
        ]
    raise Wrong(
        f"At whole timesteps it is right, and at t = 0.5 it is off by up to "
        f"{_off(row, formula(_HALF)):.2g}. Timesteps may be floating numbers. {AS_IT_IS}"
    )


def _beyond(embed: Callable[[object], Tensor], formula: Callable[[Tensor], Tensor]) -> list[str]:
    """Notes on timesteps that this lesson has none of."""
    for number in _BEYOND:
        t = torch.tensor([number])
        row, right = _rows(embed, t), formula(t)
        if row is None or row.shape != right.shape or _off(row, right) > _near(row):
            does = "is refused" if row is None else "is not the formula's row"
            return [
                f"Note: t = {number:,} {does}. The lesson's timesteps end at 999, so nothing goes "
                "wrong here; other schedules go further, and the formula takes any t."
            ]
    return []


def _rows(embed: Callable[[object], Tensor], t: object) -> Tensor | None:
    with suppress(Wrong, NotDone):
        return embed(t).detach()
    return None


def _off(rows: Tensor, others: Tensor) -> float:
    return (rows.double() - others.double()).abs().max().item()


def _near(rows: Tensor) -> float:
    """How far rows of the same time may differ."""
    return 1e-3 * max(1.0, rows.abs().max().item())
