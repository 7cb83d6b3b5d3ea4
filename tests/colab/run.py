"""Runs every exercise notebook as Colab would; `make test-colab` starts it.

    python tests/colab/run.py NOTEBOOKS WHEEL ARCHIVE [WORD]

The Python that runs this has Colab's packages and none of the book's. On top of it each notebook
gets an environment of its own, as empty as a machine that Colab has just started, so that its
first cell must install the lesson. It runs three times: as it is, where nothing may raise; with
the solutions filled in, where every check must pass; and as it is in the unpacked archive, where
nothing may be installed. No run reaches a network. With a word one run in seven is made, and the
word says which.
"""

import json
import os
import re
import sys
import sysconfig
import tempfile
import time
import venv
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import distributions
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

COLABS_OWN = ("torch", "numpy", "matplotlib")
WORKERS = 2
CELL_SECONDS = 600
WITH_CHECKS = "exercise-"  # notebooks that must have some
CHECK = re.compile(r"^check_\w+\((\w+)", re.M)  # on a line of its own, to show the result
DEFINED = re.compile(r"^(?:class|def) (\w+)", re.M)
COLOURS = re.compile(r"\x1b\[[\d;]*m")
# Runs after the last cell. Out holds what the cells have shown, In what they were.
REPORT = """
import json, matplotlib, numpy, torch
checks = [(In[k], shown.status, shown.messages) for k, shown in Out.items()
          if hasattr(shown, "status")]
summary = [shown.statuses for shown in Out.values() if hasattr(shown, "statuses")]
files = {module.__name__: module.__file__ for module in (torch, numpy, matplotlib)}
print(json.dumps({"checks": checks, "summary": summary, "files": files}))
"""
# Python runs this when it starts: the kernel, and pip in it.
NO_NETWORK = """
import socket

def connect(self, address, connect=socket.socket.connect):
    if self.family != socket.AF_UNIX and not address[0].startswith(("127.", "localhost", "::1")):
        raise OSError(f"{address} is out of reach: there is no network here.")
    return connect(self, address)

socket.socket.connect = connect
"""


class Job(NamedTuple):
    """A notebook to run.

    Attributes:
        path: the exercise notebook; solutions are in the folder beside its own.
        package: the wheel to install, or the archive to unpack.
        filled: put the solutions into it first.
    """

    path: Path
    package: Path
    filled: bool

    @property
    def in_archive(self) -> bool:
        """Whether it runs in the unpacked archive, which holds the lesson."""
        return self.package.suffix == ".zip"

    @property
    def name(self) -> str:
        """What to call it in the report."""
        kind = "in the archive" if self.in_archive else "filled" if self.filled else "unfilled"
        return f"{self.path.stem} {kind}"


def machine(folder: Path) -> Path:
    """Make an environment that adds nothing to this one; return where packages go."""
    venv.create(folder, symlinks=True)  # without pip: it finds that of the environment below
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "colab.pth").write_text(sysconfig.get_path("purelib"))
    (packages / "sitecustomize.py").write_text(NO_NETWORK)
    kernel = folder / "kernels" / "python3"
    kernel.mkdir(parents=True)
    command = [str(folder / "bin" / "python"), "-m", "ipykernel_launcher"]
    command += ["-f", "{connection_file}", "--log-level=ERROR"]
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


def execute(notebook: nbformat.NotebookNode, kernels: Path, place: Path) -> dict:
    """Run a notebook in a folder, with the kernel of a machine; return what REPORT tells.

    Raises:
        CellExecutionError: if a cell raises.
    """
    specs = KernelSpecManager(kernel_dirs=[str(kernels)], ensure_native_kernel=False)
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT))
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs),
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(place)}},
    )
    client.execute()
    # A long line may come in several pieces.
    pieces = [output.text for output in notebook.cells[-1].outputs if output.name == "stdout"]
    return json.loads("".join(pieces))


def problems(job: Job) -> list[str]:
    """Run a notebook on a machine of its own; return what is wrong, an item each."""
    notebook = nbformat.read(job.path, as_version=4)
    cells = [cell.source for cell in code(notebook)]
    if job.filled:
        fill(notebook, nbformat.read(job.path.parents[1] / "solutions" / job.path.name, 4))
    os.environ.pop("PYTHONPATH", None)  # in a process of our own
    os.environ.update(OMP_NUM_THREADS="1", CONDLESSON_WHEEL=str(job.package))
    with tempfile.TemporaryDirectory() as folder:
        place, packages = Path(folder, "empty"), machine(Path(folder, "machine"))
        place.mkdir()
        if job.in_archive:
            ZipFile(job.package).extractall(place)
            [place] = place.iterdir()
        try:
            report = execute(notebook, Path(folder, "machine", "kernels"), place)
        except CellExecutionError as error:
            return [COLOURS.sub("", str(error)).strip()]
        installed = [] if job.in_archive else ["condlesson"]
        wrong = unexpected(report, cells, filled=job.filled)
        missing = [] if report["checks"] or WITH_CHECKS not in job.path.name else ["No check ran."]
        return [*changed(report, packages, installed), *wrong, *missing]


def changed(report: dict, packages: Path, installed: Sequence[str]) -> list[str]:
    """What the notebook installed or replaced beside the lesson."""
    own = {name: find_spec(name).origin for name in COLABS_OWN}
    added = sorted(found.name for found in distributions(path=[str(packages)]))
    found = []
    if report["files"] != own:
        found.append(f"What is used must be {own}, got {report['files']}.")
    if added != list(installed):
        found.append(f"What is installed must be {list(installed)}, got {added}.")
    return found


def unexpected(report: dict, cells: Sequence[str], *, filled: bool) -> list[str]:
    """Checks that say something else than they should, or nothing.

    Args:
        report: what REPORT tells.
        cells: the notebook's code, unfilled.
        filled: whether it ran with the solutions.

    Returns:
        The faults. A check of what a learner has still to write must not pass, all others must.
    """
    open_ones = {name for cell in cells if "TODO" in cell for name in DEFINED.findall(cell)}
    found = []
    for source, status, messages in report["checks"]:
        checked = CHECK.findall(source)[-1:]
        passes = filled or not open_ones & set(checked)
        if passes != (status == "passed"):
            wanted = "pass" if passes else "not pass"
            found.append(f"{source!r} must {wanted}, got {status}: {messages}")
    called = sum(len(CHECK.findall(cell)) for cell in cells)
    if len(report["checks"]) != called:
        found.append(f"{called} checks must show their results, got {len(report['checks'])}.")
    return found + _of_summary(report["summary"], called, filled)


def _of_summary(summaries: list, called: int, filled: bool) -> list[str]:
    if len(summaries) != bool(called):
        return [f"A notebook with checks must end with one summary, got {len(summaries)}."]
    allowed = {"passed"} if filled else {"passed", "not done", "wrong"}
    return [
        f"The summary must not say of {name}: {status}."
        for summary in summaries
        for name, status in summary.items()
        if status not in allowed
    ]


def timed(job: Job) -> tuple[float, list[str]]:
    """Seconds that a notebook took, and its problems."""
    start = time.monotonic()
    found = problems(job)
    return time.monotonic() - start, found


def sample(jobs: list[Job], words: Sequence[str]) -> list[Job]:
    """One in seven, where there is a word; of three kinds in turn, that is some of each."""
    return jobs[zlib.crc32(words[0].encode()) % 7 :: 7] if words else jobs


def main() -> None:
    """Run the notebooks, two at a time, and say how each went."""
    notebooks, wheel, archive = (Path(argument).resolve() for argument in sys.argv[1:4])
    paths = sorted((notebooks / "exercises").glob("*.ipynb"))
    if not paths:
        sys.exit(f"{notebooks} must hold notebooks. Make them with: make notebooks")
    kinds = [(wheel, False), (wheel, True), (archive, False)]
    jobs = sample([Job(path, *kind) for path, kind in product(paths, kinds)], sys.argv[4:])
    failed = False
    with ProcessPoolExecutor(WORKERS) as pool:
        for job, (seconds, found) in zip(jobs, pool.map(timed, jobs), strict=True):
            print(f"{job.name}: {seconds:.0f} s", *(found or ["ok"]), sep="\n  ", flush=True)
            failed = failed or bool(found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
