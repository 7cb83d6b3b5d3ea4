"""Runs a page in a process of its own, and says of one that failed which cell and what to do."""

import multiprocessing.connection
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from jupyter_cache.base import ProjectNb
from jupyter_cache.executors.basic import ExecutionWorkerLocalMProc, ProcessData
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from jupyter_client.kernelspec import NoSuchKernel
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from traitlets.config import Config

from execution import inputs, scrutiny
from execution.surroundings import kernel_environment

__all__ = ["INPUTS", "Worker", "run_changed", "run_side_by_side"]

INPUTS = "inputs"  # key in the metadata of an executed notebook
FAILED, WROTE = "failed\t", "wrote\t"  # how notes begin that name no input, see tracing


class Worker(ExecutionWorkerLocalMProc):
    """Runs a page in a process of its own, and keeps with its outputs what they depend on."""

    @staticmethod
    def execute(project_nb: ProjectNb, data: ProcessData) -> ExecutionResult:
        """Run the page; what is set here, its kernel inherits."""
        started = time.time()
        with tempfile.TemporaryDirectory() as folder, _environment(Path(folder)) as notes:
            # In the main thread nbclient would catch the signal that ends this process, and go on.
            with ThreadPoolExecutor(1) as thread:
                result = thread.submit(_execute, project_nb, data, Path(folder)).result()
            notes.touch()  # a kernel that did not start wrote none
            lines = notes.read_text("utf-8", "surrogateescape").splitlines()
        code = "\n".join(cell.source for cell, _ in _located(result.nb))
        read = [line for line in lines if not line.startswith((FAILED, WROTE))]
        faults = [_unseen(line) for line in lines if line.startswith((FAILED, WROTE))]
        result.nb.metadata[INPUTS] = inputs.inputs_of(read, code, started)
        if result.err:
            page = result.nb.metadata.get("execution", {})
            limit = page.get("timeout", data.timeout)
            result.exc_string = _fault(project_nb.uri, result, limit)
        elif found := _wrong_outputs(project_nb.uri, result.nb, faults):
            result.err, result.exc_string = ValueError("wrong outputs"), "\n".join(found)
        return result


def run_changed(notebook: NotebookNode, **options: object) -> ExecutionResult:
    """Run a page that was saved after it had run, as MyST-NB does when it reads one that is new.

    It gets the environment of all others. What it depends on is not kept, so that the next build
    runs it once more.
    """
    with tempfile.TemporaryDirectory() as folder, _environment(Path(folder)):
        return single_nb_execution(notebook, **options)


def _execute(project_nb: ProjectNb, data: ProcessData, folder: Path) -> ExecutionResult:
    """Run the page; what ends a kernel from outside is an error of the page as well."""
    cwd = str(Path(project_nb.uri).parent)
    try:
        return single_nb_execution(
            project_nb.nb,
            cwd=cwd,
            timeout=data.timeout,
            allow_errors=data.allow_errors,
            config=Config(KernelManager=_sockets(folder)),
        )
    except (DeadKernelError, NoSuchKernel) as error:
        return ExecutionResult(project_nb.nb, cwd, 0.0, error)


@contextmanager
def _environment(folder: Path) -> Iterator[Path]:
    """Set what the kernel inherits, and name the file of its notes; put back what was there."""
    before, notes = dict(os.environ), folder / "notes"
    try:
        inside = kernel_environment(before, folder, notes)
        os.environ.clear()
        os.environ.update(inside)
        yield notes
    finally:
        os.environ.clear()
        os.environ.update(before)


def _sockets(folder: Path) -> dict[str, str]:
    """Let a kernel listen on files of its own.

    Kernels that look for free ports at the same time may find the same one, and one of them dies.
    """
    return {"transport": "ipc", "connection_file": str(folder / "kernel.json")}


def run_side_by_side(jobs: list[ProcessData], at_once: int) -> list[tuple[str, str]]:
    """Run pages, each in a process of its own, and say which failed, and of what they ended.

    A pool would wait for ever for a process that somebody has killed.
    """
    waiting, running, failed = list(reversed(jobs)), {}, {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop()
                process = multiprocessing.Process(target=_work, args=(job,), daemon=True)
                process.start()
                running[process.sentinel] = process, job.uri
            for sentinel in multiprocessing.connection.wait(running):
                process, uri = running.pop(sentinel)
                process.join()
                if process.exitcode:
                    failed[uri] = _ending(process.exitcode)
    finally:
        for process, _ in running.values():
            process.terminate()
    return [(job.uri, failed[job.uri]) for job in jobs if job.uri in failed]


def _work(job: ProcessData) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent ends us
    raise SystemExit(Worker()(job)[0])


def _ending(code: int) -> str:
    if code > 0:
        return "it could not be run; the reason stands above."
    name = signal.Signals(-code).name
    return f"the process that ran it was killed ({name}), perhaps for want of memory. Build again."


def _fault(uri: str, result: ExecutionResult, timeout: int) -> str:
    """What failed and where, and the cell: the last one that began."""
    cells = _located(result.nb)
    begun = [k for k, (cell, _) in enumerate(cells) if cell.get("execution_count")]
    number = begun[-1] if begun else 0
    errors = [output for output in cells[number][0].outputs if output.output_type == "error"]
    told = f"{errors[-1].ename}: {errors[-1].evalue}" if errors else str(result.err)
    if isinstance(result.err, CellTimeoutError):
        told = (
            f"it ran longer than {timeout} s and was stopped. Make it shorter, or give its page "
            "more: `execution: timeout:` in the front matter, in seconds."
        )
    elif isinstance(result.err, DeadKernelError):
        number = min(number + (not errors and bool(begun)), len(cells) - 1)
        told = (
            "the kernel died while it ran: killed from outside, out of memory, or ended by the "
            "cell. Build again."
        )
    elif isinstance(result.err, NoSuchKernel):
        told = f"there is no kernel {result.err.name}. Name python3 in the page's front matter."
    return _said(uri, *cells[number], number, told)


def _unseen(note: str) -> tuple[str, str]:
    """What no cell shows, and what stands in the cell that does it."""
    if note.startswith(WROTE):
        name = Path(note.removeprefix(WROTE)).name
        told = f"it writes {name} into the repository, where others find it. Write it to a folder "
        return f"{told}of `tempfile`.", name
    told, _, source = note.removeprefix(FAILED).partition("\t")
    cure = "Await it, as in `await task` or `thread.join()`, and mend it."
    return f"what it starts fails unseen: {told}. {cure}", source


def _wrong_outputs(uri: str, notebook: NotebookNode, unseen: list[tuple[str, str]]) -> list[str]:
    """What the outputs must not hold, and what went wrong and none of them shows."""
    cells = list(enumerate(_located(notebook)))
    found = [
        _said(uri, cell, line, number, fault)
        for number, (cell, line) in cells
        for fault in scrutiny.faults(cell)
    ]
    for told, source in unseen:
        number, (cell, line) = next((c for c in cells if source in c[1][0].source), cells[-1])
        found.append(_said(uri, cell, line, number, told))
    return found


def _located(notebook: NotebookNode) -> list[tuple[NotebookNode, int]]:
    """The code cells, each with the line of its page where it begins, counted from 0."""
    pairs = zip(notebook.cells, notebook.metadata.source_map, strict=True)
    return [pair for pair in pairs if pair[0].cell_type == "code"]


def _said(uri: str, cell: NotebookNode, line: int, number: int, told: str) -> str:
    return f"{Path(uri).name}, line {line + 1}, code cell {number + 1}: {told}\n{cell.source}"
