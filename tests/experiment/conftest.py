"""What the tests of recorded runs share."""

import shutil

import pytest

from condlesson.experiment import verifying


@pytest.fixture
def folder(original, tmp_path):
    """A copy of that folder, to do damage to."""
    return shutil.copytree(original, tmp_path / "recorded")


@pytest.fixture
def no_replay(monkeypatch):
    monkeypatch.setattr(verifying, "canary_losses", lambda config: pytest.fail("was replayed"))


@pytest.fixture(autouse=True)
def nothing_seen(tmp_path, monkeypatch):
    """No run was found well before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
