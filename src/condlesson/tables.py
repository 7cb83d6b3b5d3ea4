"""A small table that a notebook shows as one, and a terminal as aligned text."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """Rows of cells under column heads; each cell is shown as `str` shows it.

    Attributes:
        columns: Heads of the columns.
        rows: Rows, each with as many cells as there are columns.
        is_text: Whether cells stand flush left, as words should, and not flush right.

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
        lines = [[str(cell) for cell in line] for line in (self.columns, *self.rows)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        pad = str.ljust if self.is_text else str.rjust
        return "\n".join(
            "  ".join(pad(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        left = ' style="text-align: left"' if self.is_text else ""
        head = "".join(f'<th scope="col"{left}>{html.escape(c)}</th>' for c in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td{left}>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
