"""The first cell of every notebook, which finds the lesson or fetches it."""

import pytest

from condlesson.notebooks import export


def run_setup(monkeypatch, here):
    """Commands of the first cell, where only the packages named are here."""
    commands = []
    setup = export.SETUP.format(wheel="https://example.org/a.whl")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name in here or None)
    monkeypatch.setattr("subprocess.run", lambda command, check: commands.append(command))
    exec(setup, {})
    return [command[2:] for command in commands]


def test_the_first_cell_installs_nothing_if_the_lesson_is_here(monkeypatch):
    assert run_setup(monkeypatch, {"condlesson", "torch", "numpy", "matplotlib"}) == []


@pytest.mark.parametrize("override", [None, "local.whl"])
def test_the_first_cell_installs_the_lesson_alone(monkeypatch, override):
    monkeypatch.delenv("CONDLESSON_WHEEL", raising=False)
    if override:
        monkeypatch.setenv("CONDLESSON_WHEEL", override)
    [command] = run_setup(monkeypatch, {"torch", "numpy", "matplotlib"})
    wheel = override or "https://example.org/a.whl"
    assert command == ["pip", "install", "--quiet", "--no-deps", wheel]


def test_the_first_cell_adds_what_is_missing(monkeypatch):
    _, command = run_setup(monkeypatch, {"torch"})
    assert command == ["pip", "install", "--quiet", "numpy", "matplotlib"]
    assert run_setup(monkeypatch, {"condlesson", "torch"}) == [command]
