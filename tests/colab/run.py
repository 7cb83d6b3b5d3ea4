"""Runs every exercise notebook as Colab would; `make test-colab` starts it.

    python tests/colab/run.py NOTEBOOKS WHEEL

The Python that runs this has Colab's packages and none of the book's. On top of it each notebook
gets an environment of its own, as empty as a machine that Colab has just started, so that its
first cell must install the lesson. It runs twice: as it is, where nothing may raise, and with the
solutions filled in, where every check must pass.
"""

import json
import os
import re
import sys
import sysconfig
import tempfile
import time
import venv
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import distributions, version
from itertools import product
from pathlib import Path

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

COLABS_OWN = ("torch", "numpy", "matplotlib")
WORKERS = 2
CELL_SECONDS = 600
CHECK = re.compile(r"^check_\w+\(", re.M)  # called on a line of its own, to show the result
# Runs after the last cell. Out holds what the cells have shown.
REPORT = """
import json, matplotlib, numpy, torch
checks = [(shown.status, shown.messages) for shown in Out.values() if hasattr(shown, "status")]
versions = {module.__name__: module.__version__ for module in (torch, numpy, matplotlib)}
print(json.dumps({"checks": checks, "versions": versions}))
"""


def machine(folder: Path) -> Path:
    """Make an environment that adds nothing to this one; return where packages go."""
    venv.create(folder, symlinks=True)  # without pip: it finds that of the environment below
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "colab.pth").write_text(sysconfig.get_path("purelib"))
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = [
        str(folder / "bin" / "python"),
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
    ]
    spec = {"argv": command, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    return packages


def fill(notebook: nbformat.NotebookNode, solutions: nbformat.NotebookNode) -> None:
    """Put the solutions into the cells that a learner fills."""
    ours, theirs = code(notebook), code(solutions)
    if len(ours) != len(theirs):
        raise ValueError(f"{len(ours)} code cells must match the {len(theirs)} of the solutions.")
    for cell, solution in zip(ours, theirs, strict=True):
        if "TODO" in cell.source:
            cell.source = solution.source


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """Code cells of a notebook."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook: nbformat.NotebookNode, folder: Path, wheel: Path) -> dict:
    """Run a notebook in a folder that holds its machine; return what REPORT tells.

    Raises:
        CellExecutionError: if a cell raises.
    """
    os.environ.pop("PYTHONPATH", None)  # in a process of our own
    os.environ.update(CONDLESSON_WHEEL=str(wheel), OMP_NUM_THREADS="1")
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")], ensure_native_kernel=False)
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT))
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs),
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return json.loads(notebook.cells[-1].outputs[-1].text)


def problems(path: Path, wheel: Path, filled: bool) -> list[str]:
    """Run a notebook on a machine of its own.

    Args:
        path: the exercise notebook.
        wheel: the lesson's package.
        filled: put the solutions into it first.

    Returns:
        What is wrong, an item each.
    """
    notebook = nbformat.read(path, as_version=4)
    checks = sum(len(CHECK.findall(cell.source)) for cell in code(notebook))
    if filled:
        fill(notebook, nbformat.read(path.parents[1] / "solutions" / path.name, as_version=4))
    with tempfile.TemporaryDirectory() as folder:
        packages = machine(Path(folder))
        try:
            report = execute(notebook, Path(folder), wheel)
        except CellExecutionError as error:
            return [str(error)]
        return [*changed(report, packages), *unexpected(report["checks"], checks, filled)]


def changed(report: dict, packages: Path) -> list[str]:
    """What the notebook installed or replaced beside the lesson."""
    own = {name: version(name) for name in COLABS_OWN}
    added = sorted(found.name for found in distributions(path=[str(packages)]))
    found = []
    if report["versions"] != own:
        found.append(f"The versions must stay {own}, got {report['versions']}.")
    if added != ["condlesson"]:
        found.append(f"Only condlesson must be installed, got {', '.join(added) or 'nothing'}.")
    return found


def unexpected(results: list, checks: int, filled: bool) -> list[str]:
    """Checks that say something else than they should of an unfilled or filled notebook."""
    allowed = {"passed"} if filled else {"passed", "not done"}
    found = [f"{status}: {messages}" for status, messages in results if status not in allowed]
    if len(results) < checks:
        found.append(f"{checks} checks must show their results, got {len(results)}.")
    return found


def timed(job: tuple[Path, Path, bool]) -> tuple[float, list[str]]:
    """Seconds that a notebook took, and its problems."""
    start = time.monotonic()
    found = problems(*job)
    return time.monotonic() - start, found


def main() -> None:
    """Run all notebooks, two at a time, and say how each went."""
    notebooks, wheel = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    paths = sorted((notebooks / "exercises").glob("*.ipynb"))
    if not paths:
        sys.exit(f"{notebooks} must hold notebooks. Make them with: make notebooks")
    jobs = [(path, wheel, filled) for path, filled in product(paths, (False, True))]
    failed = False
    with ProcessPoolExecutor(WORKERS) as pool:
        for (path, _, filled), (seconds, found) in zip(jobs, pool.map(timed, jobs), strict=True):
            kind = "filled" if filled else "unfilled"
            print(
                f"{path.stem} {kind}: {seconds:.0f} s", *(found or ["ok"]), sep="\n  ", flush=True
            )
            failed = failed or bool(found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
