"""What holds for the repository as a whole: what is in it, how large, and who imports whom."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import outside_make

ROOT = Path(__file__).parents[1]
MB = 1_000_000
FOREIGN = {
    "an absolute path of one machine": re.compile(
        r"(?<![\w.\-:/$}])/(?:home|Users|root|work|opt)/[\w.-]+|/tmp/[\w.-]+|[A-Z]:\\Users"
    ),
    "the host of a package registry": re.compile(
        r"pythonhosted[.]org|pypi[.]org|registry[.]npmjs|deb[.]debian[.]org|archive[.]ubuntu[.]com"
    ),
    "a conflict mark": re.compile(r"^(?:<{7}|>{7}) ", re.M),
}


def files() -> list[Path]:
    """Files under version control, and new ones that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [ROOT / name for name in listed.split("\0") if name]
    assert found
    return [path for path in found if path.is_file()]


def texts() -> dict[str, str]:
    """Text of each text file, by its path in the repository."""
    read = {}
    for path in files():
        content = path.read_bytes()
        if b"\0" not in content:
            read[str(path.relative_to(ROOT))] = content.decode()
    return read


@pytest.mark.parametrize("kind", FOREIGN)
def test_no_file_holds(kind):
    found = {name: FOREIGN[kind].search(text) for name, text in texts().items()}
    assert {name: match.group() for name, match in found.items() if match} == {}


def test_files_are_small():
    large = {path.name for path in files() if path.stat().st_size > 3 * MB}
    assert {name for name in large if not name.endswith(".npz")} == set()


def test_no_file_of_code_is_long():
    code = [path for path in files() if path.suffix in (".py", ".js", ".css")]
    lengths = {str(path): len(path.read_text().splitlines()) for path in code}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_recorded_runs_are_small():
    sizes = {path: path.stat().st_size for path in files() if "recorded" in path.parts}
    assert {path.name for path, size in sizes.items() if size >= 9 * MB} == set()
    assert sum(sizes.values()) < 20 * MB


def test_the_list_that_is_signed_names_what_is_recorded_and_can_be_made_again(tmp_path):
    """In another clone, folder and locale the bytes are the same."""
    lists = []
    for locale in ("C", "C.UTF-8"):
        clone = tmp_path / f"a clone {locale}"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        environment = outside_make() | {"LC_ALL": locale}
        subprocess.run(["make", "records"], cwd=clone, env=environment, check=True)
        lists.append((clone / "_build" / "recorded.sha256").read_text())
    assert lists[0] == lists[1]
    listed = dict(reversed(line.split("  ")) for line in lists[0].splitlines())
    recorded = [path for path in clone.rglob("recorded/**/*") if path.is_file()]
    assert {str(path.relative_to(clone)) for path in recorded} == set(listed)
    for name, sha256 in listed.items():
        assert hashlib.sha256((clone / name).read_bytes()).hexdigest() == sha256


def test_only_known_kinds_of_files_are_recorded():
    recorded = [path for path in files() if "recorded" in path.parts]
    assert {path.suffix for path in recorded} <= {".json", ".npz"}


def test_only_what_draws_figures_imports_matplotlib():
    figures = ROOT / "src" / "condlesson" / "figures"
    sources = {path: path.read_text() for path in (ROOT / "src").rglob("*.py")}
    importers = {
        p for p, s in sources.items() if re.search(r"^\s*(?:import|from) matplotlib", s, re.M)
    }
    style = {figures / "style.py", figures / "narrow.py"}
    drawing = style | set((figures / "plots").glob("*.py"))
    drawing.add(ROOT / "src" / "condlesson" / "glyphs.py")  # for its fonts
    assert importers == drawing - {figures / "plots" / "__init__.py"}


def test_pins_are_exact_and_cover_what_the_package_asks_for():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pins = [line.removesuffix(" \\") for line in lines if line and line[0] not in "# "]
    names = {re.split(r"==", pin)[0] for pin in pins}
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", pin)] == []
    asked = re.findall(r'"([\w-]+)(?:\[.*?\])?>=', (ROOT / "pyproject.toml").read_text())
    assert {"torch", "jupyter-book", "pytest"} <= set(asked)
    assert set(asked) <= names


def test_binder_takes_the_torch_of_the_book():
    pins = (ROOT / "requirements.txt").read_text()
    script = (ROOT / ".binder" / "postBuild").read_text().replace("\\\n", "")
    packages = re.search(r"environment\.py --venv \S+ --torch cpu +(.*)", script)[1].split()
    assert "==" not in script
    assert [name for name in packages if f"\n{name}==" not in pins] == []
    assert "torch" in packages
    assert "torchvision" not in packages  # the notebooks need none


def test_versions_agree():
    import condlesson

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == condlesson.__version__
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == condlesson.__version__
    assert citation["title"] == yaml.safe_load((ROOT / "_config.yml").read_text())["title"]


@pytest.mark.slow
def test_the_extensions_load_without_torch():
    """Loading it takes longer than a build in which nothing changed."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text())["sphinx"]["local_extensions"]
    code = f"import sys; import {', '.join(config)}; print('torch' in sys.modules)"
    places = os.pathsep.join(str(ROOT / name) for name in ("book/_ext", "src"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
