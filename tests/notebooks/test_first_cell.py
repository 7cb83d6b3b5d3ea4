"""The first cell of every notebook: run where the lesson is, is not, or cannot be fetched."""

import hashlib
import json
import re
import subprocess
import sys
from zipfile import ZipFile

import pytest

from condlesson.notebooks import first_cell
from condlesson.notebooks.first_cell import SETUP, installed_hash

WHEEL = "https://example.org/a/condlesson-1-py3-none-any.whl"
# Runs the cell with a pip that does what it is told to, and prints what was asked of it.
PROBE = """
import json, subprocess, sys
from importlib.machinery import ModuleSpec
here, status, said = {here!r}, {status!r}, {said!r}
asked = []
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda n: ModuleSpec(n, None, origin="here") if n in here else found(n)
def run(command, **options):
    asked.append(command[1:])
    return subprocess.CompletedProcess(command, status, "", said)
subprocess.run = run
error = ""
try:
    exec({cell!r}, {{"__vsc_ipynb_file__": {notebook!r}}})
except RuntimeError as raised:
    error = str(raised)
print(json.dumps([asked, error, sys.path]))
"""
PIP = ["-m", "pip", "install", "--quiet"]
ALL = ("torch", "numpy", "matplotlib")


@pytest.fixture
def run(tmp_path):
    """A function that runs the cell in a Python that has only what is named."""

    def run_cell(here=ALL, status=0, said="", notebook=None, wheel=WHEEL, folder=tmp_path):
        cell = SETUP.replace("{wheel}", wheel).replace("{archive}", "It is at A.")
        probe = PROBE.format(here=here, status=status, said=said, cell=cell, notebook=notebook)
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-c", probe],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    return run_cell


def test_it_installs_nothing_if_all_is_here(run):
    assert run(here=(*ALL, "condlesson"))[:2] == [[], ""]


def test_it_installs_the_lesson_alone(run, monkeypatch):
    monkeypatch.delenv("CONDLESSON_WHEEL", raising=False)
    assert run()[0] == [[*PIP, "--no-deps", WHEEL]]
    monkeypatch.setenv("CONDLESSON_WHEEL", "local.whl")
    assert run()[0] == [[*PIP, "--no-deps", "local.whl"]]


def test_it_adds_what_is_missing(run):
    assert run(here=("torch", "condlesson"))[0] == [[*PIP, "numpy", "matplotlib"]]


@pytest.mark.fault(
    "a folder called condlesson lies beside the notebook",
    "it is not taken for the package",
)
def test_a_folder_of_that_name_is_not_the_lesson(run, tmp_path):
    (tmp_path / "condlesson" / "src").mkdir(parents=True)  # as git clone leaves it
    assert run()[0] == [[*PIP, "--no-deps", WHEEL]]


@pytest.mark.parametrize("place", ["exercise-1.ipynb", "solutions/exercise-1.ipynb"])
def test_a_kernel_that_starts_elsewhere_finds_the_lesson_beside_the_notebook(run, tmp_path, place):
    unpacked, elsewhere = tmp_path / "my course", tmp_path / "elsewhere"
    (unpacked / "condlesson").mkdir(parents=True)
    (unpacked / "condlesson" / "__init__.py").touch()
    elsewhere.mkdir()
    asked, error, path = run(notebook=str(unpacked / place), folder=elsewhere)
    assert (asked, error, path[0]) == ([], "", str(unpacked))


def test_a_kernel_in_the_folder_of_solutions_finds_the_lesson_above(run, tmp_path):
    (tmp_path / "condlesson").mkdir()
    (tmp_path / "condlesson" / "__init__.py").touch()
    (tmp_path / "solutions").mkdir()
    assert run(folder=tmp_path / "solutions")[:2] == [[], ""]


@pytest.mark.fault("no pip, no network, a system's Python", "a sentence with the cure")
@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("/usr/bin/python: No module named pip", "Choose a kernel whose Python has pip"),
        ("error: externally-managed-environment\nhint: See PEP 668", "belongs to the system"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "not what was published with this"),
        ("ERROR: No matching distribution", "Without a network, unpack the archive .*It is at A"),
        ("", "pip said nothing\nWithout a network"),
    ],
)
def test_where_it_cannot_install_it_says_why_and_what_to_do(run, said, cure):
    _, error, _ = run(status=1, said=said)
    assert error.startswith("https://example.org/a/condlesson-1-py3-none-any.whl could not be in")
    assert (said.splitlines() or [""])[-1] in error
    assert re.search(cure, error)


@pytest.mark.fault(
    "the repository has no address",
    "nothing is installed, and the archive is asked for",
)
def test_where_nobody_publishes_it_asks_for_the_archive_and_installs_nothing(monkeypatch, run):
    monkeypatch.setenv("CONDLESSON_REPOSITORY", "https://github.com/OWNER/condlesson")
    assert "OWNER" not in first_cell.first_cell("ab")
    asked, error, _ = run(wheel="")
    assert asked == []
    assert error.startswith("The lesson's package, condlesson, must be here. Without a network")


def test_it_fetches_what_the_repository_publishes_by_its_hash(monkeypatch):
    monkeypatch.setenv("CONDLESSON_REPOSITORY", "https://github.com/a/b")
    for digest, end in (("0" * 64, f".whl#sha256={'0' * 64}"), ("", ".whl")):
        cell = first_cell.first_cell(digest)
        assert (
            f'"https://github.com/a/b/raw/gh-pages/{first_cell.addresses.WHEEL[:-4]}{end}"' in cell
        )
        assert "https://a.github.io/b/condlesson-lesson.zip" in cell


def wheel(folder):
    """A wheel of a package without content."""
    file, info = folder / "nothing-1-py3-none-any.whl", "nothing-1.dist-info"
    with ZipFile(file, "w") as archive:
        archive.writestr("nothing.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: nothing\nVersion: 1\n")
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\n"
            "Tag: py3-none-any\n"
        )  # fmt: skip
        archive.writestr(f"{info}/RECORD", "")
    return file


@pytest.mark.slow
@pytest.mark.fault("the wheel that comes is another", "it is refused")
def test_pip_refuses_a_wheel_of_another_hash_and_notes_that_of_one_it_took(tmp_path, monkeypatch):
    file = wheel(tmp_path)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for given, status in (("0" * 64, 1), (digest, 0)):
        command = [sys.executable, *PIP, "--no-deps", "--no-index", "--target", tmp_path / "lib",
                   f"{file.as_uri()}#sha256={given}"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        assert ("DO NOT MATCH" in done.stderr) == bool(status)
    monkeypatch.syspath_prepend(tmp_path / "lib")
    monkeypatch.setattr(first_cell, "NAME", "nothing")
    assert installed_hash() == digest


def test_a_package_that_is_not_installed_from_a_wheel_knows_no_hash(monkeypatch):
    monkeypatch.setattr(first_cell, "NAME", "pytest")
    assert installed_hash() == ""
    monkeypatch.setattr(first_cell, "NAME", "no-such-package")
    assert installed_hash() == ""
