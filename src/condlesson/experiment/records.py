"""What records of runs and of judges have in common: a checksum, and checks of every field.

A record is a JSON file with the SHA-256 of its canonical form. Whoever changes it by hand is
noticed, and whoever forges the checksum as well must at least keep to what a field can hold.
"""

import hashlib
import io
import json
import math
from collections.abc import Collection
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

__all__ = [
    "RunError",
    "arrays_of",
    "canonical",
    "check_keys",
    "check_numbers",
    "check_sha256",
    "digest",
    "npz_of",
    "read",
    "shown",
    "today",
]


class RunError(Exception):
    """A recorded run is missing, damaged or out of date; the message says what makes it again."""


def read(path: Path) -> tuple[dict, bool]:
    """Read a record.

    Args:
        path: The JSON file.

    Returns:
        The record without its checksum, and whether that fits.

    Raises:
        OSError: The file cannot be read.
        KeyError: It has no checksum.
        TypeError: It holds no record.
        ValueError: It is no JSON, or holds a number that is none.
    """
    try:
        record = json.loads(path.read_text(), object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("a record must be flat, got brackets in thousands of brackets") from error
    if not isinstance(record, dict):
        raise TypeError(f"a record must be an object, got {type(record).__name__}")
    sha256 = record.pop("sha256")
    return record, sha256 == digest(canonical(record))


def _object(pairs: list[tuple[str, object]]) -> dict:
    """An object of JSON, which would keep the last of two keys of one name."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError(f"each key must stand once, got {', '.join(key for key, _ in pairs)}")
    return found


def check_keys(name: str, value: object, required: Collection[str], optional: str = "") -> None:
    """Refuse what is no dictionary with these keys, and perhaps those of `optional`, by spaces."""
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be an object, got {value!r}")
    missing, extra = set(required) - set(value), set(value) - set(required) - {*optional.split()}
    if missing or extra:
        raise ValueError(f"{name} must have {', '.join(required)}, got {', '.join(value)}")


def check_numbers(
    name: str, values: object, *, count: int | None = None, low: float = 0.0, high: float = math.inf
) -> None:
    """Refuse what is no list of finite numbers in low .. high, as many as count.

    Losses and tolerances are written as floats, so an integer is no number here.
    """
    if not isinstance(values, list) or (count is not None and len(values) != count):
        raise ValueError(f"{name} must be a list of {count or 'some'} numbers, got {values!r}")
    for value in values:
        if not isinstance(value, float) or not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"{name} must hold numbers from {low:g} to {high:g}, got {value!r}")


def check_sha256(name: str, value: object) -> None:
    """Refuse what is no SHA-256 in hexadecimal digits."""
    if not isinstance(value, str) or len(value) != 64 or set(value) - set("0123456789abcdef"):
        raise ValueError(f"{name} must be 64 hexadecimal digits, got {value!r}")


def arrays_of(raw: bytes) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by their names; nothing pickled is read."""
    arrays = np.load(io.BytesIO(raw), allow_pickle=False)
    try:
        return {name: arrays[name] for name in arrays.files}
    except MemoryError as error:  # of a shape that somebody wrote
        raise ValueError("an array must fit into the memory, and is said to be larger") from error


def npz_of(arrays: dict[str, np.ndarray]) -> bytes:
    """NumPy's archive of arrays, which every reader can open without a further package."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def shown(path: str | Path) -> str:
    """A path as a reader can type it: relative to the working directory where that is shorter."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def canonical(record: dict) -> bytes:
    """A record in the one form that its checksum is made of."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(content: bytes) -> str:
    """The SHA-256 of some bytes, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def today() -> str:
    """The date, of UTC, as records have it."""
    return datetime.now(timezone.utc).date().isoformat()
