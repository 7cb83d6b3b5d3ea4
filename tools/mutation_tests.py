"""A plugin of pytest, for tests of code in which mutmut has made all its changes.

Such code is several times slower, so checks have more time. And the fastest tests come first, so
that a change is noticed soon; how long each took is what mutmut measured.
"""

import json
from pathlib import Path

import pytest

from condlesson.checks.harness import run  # which is not changed

SECONDS = 40.0  # in place of ten
DURATIONS = Path("mutmut-stats.json")  # in the folder where the tests run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give checks more time, and sort the tests."""
    run.SECONDS = SECONDS
    if DURATIONS.is_file():
        seconds = json.loads(DURATIONS.read_text("utf-8"))["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))
