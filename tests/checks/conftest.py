"""What tests of the checks share."""

import pytest

from condlesson.checks.harness import run


@pytest.fixture(autouse=True)
def same_process(monkeypatch):
    """Checks run in the process of the test, which is fast, and lets answers note what they see."""
    monkeypatch.setattr(run, "can_isolate", lambda: False)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items):
    """Rows that start the compiler of torch take a second each: not in the loop."""
    for item in items:
        if "[compiled]" in item.name:
            item.add_marker(pytest.mark.slow)
