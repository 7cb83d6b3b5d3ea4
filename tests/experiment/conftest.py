"""What the tests of recorded runs share."""

import shutil

import pytest

from condlesson.experiment import runs


@pytest.fixture
def folder(original, tmp_path):
    """A copy of that folder, to do damage to."""
    return shutil.copytree(original, tmp_path / "recorded")


@pytest.fixture
def no_replay(monkeypatch):
    monkeypatch.setattr(runs, "canary_losses", lambda config: pytest.fail("was replayed"))
