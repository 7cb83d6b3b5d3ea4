"""What the benchmarks share: two things timed in turn, and a table of what came out."""

import json
import statistics
import time
from collections.abc import Callable

__all__ = ["in_turn", "rate", "show"]


def in_turn(works: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Time several pieces of work in turn, A B A B ..., so that a busy minute hits all of them.

    Args:
        works: What to do, by name. Each is done once before the clock starts.
        rounds: How often each is timed.

    Returns:
        Seconds of every round, by name.
    """
    for work in works.values():
        work()
    seconds = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def rate(images: int, seconds: list[float]) -> float:
    """Images per second of the median round of so many images."""
    return images / statistics.median(seconds)


def show(title: str, rows: list[dict], *, as_json: bool) -> None:
    """Print rows of equal keys, as a table or as one line of JSON.

    Args:
        title: What was measured, and on what.
        rows: At least one; the keys of the first name the columns.
        as_json: Whether a program reads it.
    """
    if as_json:
        print(json.dumps({"title": title, "rows": rows}))
        return
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    print(f"\n{title}")
    for row in cells:
        padded = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join([row[0].ljust(widths[0]), *padded]))


def _cell(value: float | str | None) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
