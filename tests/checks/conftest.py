"""What tests of the checks share."""

import pytest

from condlesson.checks.harness import run


@pytest.fixture(autouse=True)
def same_process(monkeypatch):
    """Checks run in the process of the test, which is fast, and lets answers note what they see."""
    monkeypatch.setattr(run, "can_isolate", lambda: False)
