"""The steps of a build: what the wheel holds, what is done again, and what lies in the site."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

from condlesson.notebooks import addresses
from tests.test_repository import files
from tools import build

pytestmark = pytest.mark.slow

ROOT = build.ROOT
STRAY = ("src/condlesson/experiment/recorded/adagn-seed7.checkpoint", "book/notes.txt")
LOCKS = ("src/condlesson/.#unet.py", "book/.#notation.md")  # as Emacs writes them


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty repository that the steps work on."""
    for name, place in {"ROOT": "", "BUILT": "_build", "SITE": "_build/html"}.items():
        monkeypatch.setattr(build, name, tmp_path / place)
    monkeypatch.setattr(build, "ARCHIVE", tmp_path / "_build" / "lesson.zip")
    return tmp_path


@pytest.fixture
def made(folder):
    """A function that builds the wheel of the repository, with stray files, and returns it."""
    for name in (*build.IN_WHEEL, "_config.yml"):
        copying = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copying(ROOT / name, folder / name)
    for name in STRAY:
        (folder / name).write_text("no part of it")
    for name in LOCKS:
        (folder / name).symlink_to("nobody@nowhere.1")

    def make() -> Path:
        build.wheel()
        return folder / "_build" / "wheel" / addresses.WHEEL

    return make


def test_the_wheel_holds_the_package_its_data_and_the_pages_and_no_stray_file(made):
    with ZipFile(made()) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        modules = {path for path in files() if ROOT / "src" / "condlesson" in path.parents}
        pages = [path for path in files() if path.parent == ROOT / "book"]
        pages = {path for path in pages if path.suffix in (".md", ".bib")}
        pages |= {path for path in files() if path.parent == ROOT / "book" / "images"}
        wanted = {f"{path.relative_to(ROOT / 'src')}" for path in modules}
        wanted |= {f"condlesson/pages/{path.relative_to(ROOT / 'book')}" for path in pages}
        assert names == wanted | {"condlesson/pages/_config.yml"}
        assert "condlesson/figures/condlesson.mplstyle" in names
        for path in modules:
            assert wheel.read(str(path.relative_to(ROOT / "src"))) == path.read_bytes()


def test_the_wheel_has_the_address_that_it_was_built_for(made, monkeypatch):
    def settings():
        with ZipFile(made()) as wheel:
            return yaml.safe_load(wheel.read("condlesson/pages/_config.yml"))

    monkeypatch.delenv("CONDLESSON_REPOSITORY", raising=False)
    ours = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert settings() == ours
    monkeypatch.setenv("CONDLESSON_REPOSITORY", "https://github.com/somebody/fork")
    ours["repository"]["url"] = "https://github.com/somebody/fork"
    assert settings() == ours


def test_the_same_sources_make_the_same_wheel_at_any_time(made, folder):
    first = made().read_bytes()
    for path in (folder / "src").rglob("[!.]*.py"):
        os.utime(path, (1e9, 1e9))
    assert made().read_bytes() == first
    left = {path.name for path in folder.iterdir()}
    assert left == {*build.IN_WHEEL, "_config.yml", "_build"}


def test_an_unknown_step_is_refused():
    with pytest.raises(ValueError, match=r"step must be one of pages, .*, book, got all\."):
        build.main("all")


@pytest.mark.fault("a tool of the build fails", "the build ends with its status")
def test_a_tool_that_fails_ends_the_build_with_its_status():
    with pytest.raises(SystemExit) as ended:
        build.run("-c", "raise SystemExit(3)")
    assert ended.value.code == 3


@pytest.mark.fault("two builds at once in one folder", "the second waits, and says so")
def test_a_second_build_waits_until_the_first_and_its_tools_have_ended(folder):
    waiter = f"from tools import build; build.BUILT = build.Path({str(build.BUILT)!r})\n"
    waiter += "with build.alone(): print('begun')"
    hold = "import time; print('held', flush=True); time.sleep(60)"
    with build.alone():
        command = [sys.executable, "-c", hold]
        tool = subprocess.Popen(command, close_fds=False, stdout=subprocess.PIPE, text=True)
        assert tool.stdout.readline() == "held\n"
    waiting = subprocess.Popen(
        [sys.executable, "-c", waiter], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert waiting.stdout.readline() == "Another build is at work in this folder. This one waits.\n"
    assert waiting.poll() is None
    tool.kill()  # not its own doing: what is killed lets go
    assert waiting.communicate(timeout=60)[0] == "begun\n"
    tool.communicate()


def pytest_that(status: int, ran: list):
    """What stands for `subprocess.run`: it notes the command, and ends with a status."""

    def run(command, **options):
        ran.append(command)
        return subprocess.CompletedProcess(command, status)

    return run


@pytest.mark.fault("the tests of the claims are ended", "the build fails")
@pytest.mark.parametrize("status", [2, 4, -9])
def test_claims_whose_tests_were_ended_fail_the_build(folder, monkeypatch, status):
    monkeypatch.setattr(subprocess, "run", pytest_that(status, []))
    for name in ("src/condlesson/a.py", "tests/claims/test_a.py", "requirements.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    with pytest.raises(SystemExit, match=f"ended without results, with status {status}"):
        build.claims()


def replaced(folder):
    """Another text in the place of a test, which is older than it."""
    path = folder / "tests/claims/test_a.py"
    path.write_text("old")
    os.utime(path, (1e9, 1e9))


CHANGES = {
    "nothing": (lambda folder: None, False),
    "a time": (lambda folder: (folder / "src/condlesson/a.py").touch(), False),
    "a module": (lambda folder: (folder / "src/condlesson/a.py").write_text("new"), True),
    "a module is gone": (lambda folder: (folder / "src/condlesson/b.py").unlink(), True),
    "a test is gone": (lambda folder: (folder / "tests/claims/test_b.py").unlink(), True),
    "an older test": (replaced, True),
    "a pin": (lambda folder: (folder / "requirements.txt").write_text("torch==9"), True),
    "the results are gone": (lambda folder: (folder / "_build/claims.xml").unlink(), True),
    "what Python compiled": (
        lambda folder: (folder / "src/condlesson/__pycache__/a.pyc").write_text("new"),
        False,
    ),
}
FILES = [
    *("src/condlesson/a.py", "src/condlesson/b.py", "src/condlesson/__pycache__/a.pyc"),
    *("tests/claims/test_a.py", "tests/claims/test_b.py", "requirements.txt", "_build/claims.xml"),
]


@pytest.mark.fault(
    "a test of a claim goes, or is replaced by an older file",
    "all claims are tested again, and a sentence without a test is named",
)
@pytest.mark.parametrize("change", CHANGES)
def test_claims_are_tested_again_only_after_a_change(folder, monkeypatch, change):
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    ran = []
    monkeypatch.setattr(subprocess, "run", pytest_that(1, ran))
    build.claims()
    assert ran, "they were not tested before"
    ran.clear()
    make, is_tested = CHANGES[change]
    make(folder)
    build.claims()
    assert bool(ran) is is_tested


def test_the_site_has_what_was_made_last_and_nothing_older(folder, monkeypatch):
    site, older = folder / "_build" / "html", "condlesson-0.0.1-py3-none-any.whl"
    (site / "notebooks").mkdir(parents=True)
    for name in (older, "condlesson-lesson.zip", "notebooks/old.ipynb", "index.html"):
        (site / name).write_text("old")
    for name in ("notebooks/a.ipynb", "wheel/condlesson-1-py3-none-any.whl", "lesson.zip"):
        (folder / "_build" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "_build" / name).write_text("new")
    taken = []
    for name in ("pages", "claims", "notebooks", "wheel"):
        monkeypatch.setattr(build, name, lambda name=name: taken.append(name))
    monkeypatch.setattr(build, "run", lambda *command: taken.append(command[-1]))
    build.book()
    assert taken == ["pages", "claims", "--hold", "notebooks"]
    found = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    new = {"notebooks/a.ipynb", "condlesson-1-py3-none-any.whl", "lesson.zip"}
    assert found == {"index.html", *new}
    assert {(site / name).read_text() for name in new} == {"new"}


def test_the_notebooks_are_written_for_the_wheel_that_was_built_before(folder, monkeypatch):
    built, commands = folder / "_build" / "wheel" / "a.whl", []

    def wheel():
        built.parent.mkdir(parents=True)
        built.touch()

    monkeypatch.setattr(build, "wheel", wheel)
    monkeypatch.setattr(build, "run", lambda *command: commands.append(command))
    build.notebooks()
    assert [command[-1] for command in commands] == [built]
