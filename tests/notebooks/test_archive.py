"""The archive of the exercises."""

import json
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import nbformat
import pytest

from condlesson.notebooks import archive
from condlesson.notebooks.archive import make_archive
from tests.notebooks.made import PAGES

pytestmark = pytest.mark.slow

# Runs a notebook without what only the book needs; the folder is the first place of imports.
CHILD = """
import json, sys
for name in ("torchvision", "safetensors", "jupytext", "nbformat", "myst_nb", "yaml", "tqdm"):
    sys.modules[name] = None
notebook, namespace = json.load(open(sys.argv[1])), {}
for cell in notebook["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]), namespace)
import condlesson
print(condlesson.__file__)
"""


@pytest.fixture
def filled(tmp_path, exported):
    """A folder of notebooks."""
    for (kind, name), made in exported.items():
        path = tmp_path / "notebooks" / kind / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(made))
    return tmp_path / "notebooks"


def test_an_archive_runs_where_it_is_unpacked(filled, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    make_archive(filled, tmp_path / "a.zip")
    with ZipFile(tmp_path / "a.zip") as packed:
        packed.extractall(tmp_path)
    folder = tmp_path / "condlesson-lesson"
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.txt", "LICENSE", "LICENSE-TEXT", "condlesson"} | {
        f"{name}.ipynb" for name in PAGES
    }
    assert (folder / "condlesson" / "subset" / "README.md").is_file()
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "exercise-1.ipynb"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).parent == folder / "condlesson"


def test_an_archive_holds_no_solution_and_no_leftovers(filled, tmp_path):
    make_archive(filled, tmp_path / "a.zip")
    with ZipFile(tmp_path / "a.zip") as packed:
        names = packed.namelist()
        text = packed.read("condlesson-lesson/README.txt").decode()
        made = packed.read("condlesson-lesson/exercise-3.ipynb")
    assert names == sorted(names)
    assert "jupyter lab exercise-1.ipynb" in text
    assert not any("__pycache__" in name or "/pages/" in name for name in names)
    assert made == (filled / "exercises" / "exercise-3.ipynb").read_bytes()
    assert "TODO" in json.dumps(json.loads(made))


def test_the_same_notebooks_give_the_same_archive(filled, tmp_path):
    for name in ("one", "two"):
        make_archive(filled, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_licences_of_a_checkout_are_its_own():
    root = Path(archive.__file__).parents[3]
    assert archive._licences() == {
        name: (root / name).read_bytes() for name in ("LICENSE", "LICENSE-TEXT")
    }


def test_the_licences_of_an_installed_package_lie_beside_it(monkeypatch, tmp_path):
    """What pip leaves behind, in a folder that holds the licence of somebody else as well."""
    lib, info = tmp_path / "site-packages", "condlesson-1.0.dist-info"
    (lib / info / "licenses").mkdir(parents=True)
    (lib.parent / "LICENSE.txt").write_text("of Python")
    lines = [f"{info}/METADATA,,", f"{info}/RECORD,,"]
    for name in ("LICENSE", "LICENSE-TEXT"):
        (lib / info / "licenses" / name).write_text(f"the {name}")
        lines.append(f"{info}/licenses/{name},,")
    (lib / info / "METADATA").write_text("Metadata-Version: 2.4\nName: condlesson\nVersion: 1.0\n")
    (lib / info / "RECORD").write_text("\n".join(lines))
    monkeypatch.setattr(archive, "__file__", str(lib / "condlesson" / "notebooks" / "archive.py"))
    monkeypatch.setattr(sys, "path", [str(lib)])
    assert archive._licences() == {n: f"the {n}".encode() for n in ("LICENSE", "LICENSE-TEXT")}


def test_an_archive_of_nothing_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold exercise notebooks, got none"):
        make_archive(tmp_path, tmp_path / "a.zip")


def test_solutions_are_in_a_folder_of_their_own_if_the_teacher_says_so(filled, tmp_path):
    make_archive(filled, tmp_path / "a.zip", with_solutions=True)
    with ZipFile(tmp_path / "a.zip") as packed:
        names = set(packed.namelist())
        text = packed.read("condlesson-lesson/README.txt").decode()
    assert {f"condlesson-lesson/solutions/{name}.ipynb" for name in PAGES} <= names
    assert {f"condlesson-lesson/{name}.ipynb" for name in PAGES} <= names
    assert "in the folder solutions" in text
