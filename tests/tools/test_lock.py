"""A lock holds exact versions with hashes, and what was asked for."""

import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.tools.package_index import add
from tools import lock

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest brings it
    import tomli as tomllib

TORCH = {"torch", "torchvision"}
BLOCK = re.compile(
    r"^([a-z][\w.-]*)==([^\s;]+)[^\n]*\n((?: +--hash=sha256:[0-9a-f]{64}.*\n)*)", re.M
)


def pins(text: str) -> list[tuple[str, str, int]]:
    """Name, version and number of hashes of each pin."""
    return [
        (name, version, hashes.count("--hash")) for name, version, hashes in BLOCK.findall(text)
    ]


def asked(source: str) -> list[Requirement]:
    """What a file asks for: the package with all that the tests need, or a list."""
    text = (lock.ROOT / source).read_text()
    if source != "pyproject.toml":
        return [Requirement(line) for line in text.splitlines() if line[0] not in "#"]
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in extras.values() for line in extra)]
    found = [Requirement(line) for line in lines]
    return [requirement for requirement in found if requirement.name != project["name"]]


@pytest.mark.parametrize("name", lock.LOCKS)
def test_all_is_pinned_by_hash_but_torch(name):
    text = (lock.ROOT / name).read_text()
    found = pins(text)
    rest = BLOCK.sub("", text)
    assert [line for line in rest.splitlines() if line and not line.startswith("#")] == []
    assert {pin for pin, _, hashes in found if not hashes} == TORCH & {pin for pin, *_ in found}
    assert "torch" in {pin for pin, *_ in found}


@pytest.mark.parametrize("name", lock.LOCKS)
def test_no_lock_brings_cuda(name):
    names = {pin for pin, *_ in pins((lock.ROOT / name).read_text())}
    assert [pin for pin in names if re.match("nvidia|cuda|triton", pin)] == []


@pytest.mark.parametrize("name", lock.LOCKS)
def test_what_was_asked_for_is_pinned(name):
    versions = {pin: version for pin, version, _ in pins((lock.ROOT / name).read_text())}
    sources = [source for source in lock.LOCKS[name] if Path(lock.ROOT, source).is_file()]
    wanted = [requirement for source in sources for requirement in asked(source)]
    assert len(wanted) > 4
    kept = {str(one): one.specifier.contains(versions[one.name]) for one in wanted}
    assert [requirement for requirement, is_kept in kept.items() if not is_kept] == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of an index, and of what is asked for."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "index").as_uri())
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("UV_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    add(tmp_path / "index", "torch", "2.14.1", ["triton", "other"])
    for version in ("1.0", "1.1"):
        add(tmp_path / "index", "other", version)
    (tmp_path / "asked.txt").write_text("torch\n")
    (tmp_path / "lock.txt").write_text("other==1.0\n")
    return tmp_path


def resolved(folder: Path, *options: str) -> list[tuple[str, str, int]]:
    return pins(lock.resolved(folder / "lock.txt", [str(folder / "asked.txt"), *options]))


def test_versions_stay_unless_newer_ones_are_asked_for(folder):
    assert resolved(folder) == [("other", "1.0", 1), ("torch", "2.14.1", 0)]
    assert resolved(folder, "--upgrade") == [("other", "1.1", 1), ("torch", "2.14.1", 0)]


def test_what_cannot_be_had_leaves_the_lock_as_it_is(folder):
    (folder / "asked.txt").write_text("other>=2\n")
    with pytest.raises(SystemExit, match=r"lock\.txt is as it was: uv found no versions"):
        resolved(folder)
    assert (folder / "lock.txt").read_text() == "other==1.0\n"


def test_it_is_uv_of_this_environment_that_resolves():
    assert Path(sys.executable).with_name("uv").exists()
