"""A small table that a notebook shows as one, and a terminal as aligned text."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Table", "true_minus"]

_NUMBER = re.compile(r"[+−±]?\d[\d,.]*(?:e[+−-]?\d+)?(?: ?[%x×])?(?: ± [\d.]+)?|–?")


@dataclass(frozen=True)
class Table:
    """Rows of cells under column heads; columns of numbers flush right, others flush left.

    A cell is shown as `str` shows it, with a true minus; a pair as "0 to 50".

    Attributes:
        columns: Heads of the columns.
        rows: Rows, each with as many cells as there are columns.
        is_text: Whether all columns stand flush left, numbers too.

    Raises:
        ValueError: A row has another number of cells.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    is_text: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"a row must have {len(self.columns)} cells, got {len(row)}: {row}."
                )

    def __repr__(self) -> str:
        lines = [[str(head) for head in self.columns], *self._cells()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        pads = [str.ljust if left else str.rjust for left in self._is_left()]
        return "\n".join(
            "  ".join(
                pad(cell, width) for pad, cell, width in zip(pads, line, widths, strict=True)
            ).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        styles = [' style="text-align: left"' if left else "" for left in self._is_left()]
        heads = zip(styles, self.columns, strict=True)
        head = "".join(f'<th scope="col"{style}>{html.escape(text)}</th>' for style, text in heads)
        body = "".join(f"<tr>{self._row(styles, row)}</tr>" for row in self._cells())
        return f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'

    @staticmethod
    def _row(styles: Sequence[str], row: Sequence[str]) -> str:
        cells = zip(styles, row, strict=True)
        return "".join(f"<td{style}>{html.escape(text)}</td>" for style, text in cells)

    def _cells(self) -> list[list[str]]:
        return [[_shown(cell) for cell in row] for row in self.rows]

    def _is_left(self) -> list[bool]:
        """For each column whether it stands flush left."""
        columns = zip(*self._cells(), strict=True) if self.rows else ((),) * len(self.columns)
        return [self.is_text or not all(map(_NUMBER.fullmatch, column)) for column in columns]


def _shown(cell: object) -> str:
    text = " to ".join(map(str, cell)) if isinstance(cell, tuple) else str(cell)
    return true_minus(text)


def true_minus(text: str) -> str:
    """A number's text with a minus sign in the place of a hyphen."""
    return re.sub(r"^-(?=[\d.])", "−", text)
