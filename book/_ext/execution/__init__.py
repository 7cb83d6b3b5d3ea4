"""Runs pages before Sphinx reads them: side by side, and only those whose inputs changed.

MyST-NB takes outputs from a jupyter-cache, which knows a page by its cells and their tags. This
extension keeps that cache true: it drops a page whose inputs changed (`inputs`), carries outputs
over where only tags changed that do not touch execution, and runs what is then missing with
jupyter-cache's own workers. MyST-NB finds every page there and runs none.
"""

import multiprocessing
import os
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract, ProjectNb
from jupyter_cache.cache.db import NbCacheRecord, NbProjectRecord
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors.basic import REPORT_LEVEL, ExecutionWorkerLocalMProc, ProcessData
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from traitlets.config import Config

from execution import inputs

logger = logging.getLogger(__name__)

TRACING = Path(__file__).parent / "tracing"
READER = {"name": "myst_nb_md", "type": "plugin"}
INPUTS = "inputs"  # key in the metadata of an executed notebook
TOUCH_EXECUTION = {"raises-exception", "skip-execution"}


class Shared(JupyterCacheBase):
    """A cache that several processes fill at the same time.

    To find what is too old, jupyter-cache looks twice at what there is. What another process puts
    there in between would be taken for old and dropped, so workers drop nothing.
    """

    def truncate_caches(self) -> None:
        """Leave that to the process that started the others."""


class Worker(ExecutionWorkerLocalMProc):
    """Runs a page in a process of its own, and keeps with its outputs what they depend on."""

    @staticmethod
    def execute(project_nb: ProjectNb, data: ProcessData) -> ExecutionResult:
        """Run the page; what is set here, its kernel inherits."""
        started = time.time()
        others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(folder) / "notes"
            os.environ["TRACE_FILE"] = str(notes)
            os.environ["PYTHONPATH"] = os.pathsep.join([str(TRACING), *filter(None, others)])
            # Threads of pages that run side by side would wait for each other. It is always one,
            # so that no number depends on what else was run.
            os.environ["OMP_NUM_THREADS"] = "1"
            os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # where a page asks for two, they may wait
            # In the main thread nbclient would catch the signal that ends this process, and go on.
            with ThreadPoolExecutor(1) as thread:
                result = thread.submit(
                    single_nb_execution,
                    project_nb.nb,
                    cwd=str(Path(project_nb.uri).parent),
                    timeout=data.timeout,
                    allow_errors=data.allow_errors,
                    config=Config(KernelManager=_sockets(Path(folder))),
                ).result()
            read = notes.read_text("utf-8", "surrogateescape")
        code = "\n".join(cell.source for cell in _code(result.nb))
        result.nb.metadata[INPUTS] = inputs.inputs_of(read, code, started)
        if result.err:
            result.exc_string = _fault(project_nb.uri, result)
        return result


def _sockets(folder: Path) -> dict[str, str]:
    """Let a kernel listen on files of its own.

    Kernels that look for free ports at the same time may find the same one, and one of them dies.
    """
    return {"transport": "ipc", "connection_file": str(folder / "kernel.json")}


def run_pages(app: Sphinx, env: BuildEnvironment, *_: object) -> set[str]:
    """Bring the cache up to date, and name the pages that Sphinx read with other outputs."""
    cache = Shared(env.mystnb_config.execution_cache_path)
    get_cache(cache.path).truncate_caches()
    checks = [Path(app.srcdir, name) for name in app.config.execution_checks]
    names = {Path(env.doc2path(name)): name for name in sorted(env.found_docs)}
    pages = {path: _notebook(path) for path in [*checks, *names]}
    kept = {path: _kept(cache, path, nb) for path, nb in pages.items() if nb}
    stale = {path: pages[path] for path, record in kept.items() if not record}
    missing = {path: nb for path, nb in stale.items() if not _carry_over(cache, path, nb)}
    if missing:
        _run(cache, missing, app)
    return {
        names[path]
        for path, record in kept.items()
        if path in names and not (record and _is_shown(env, names[path], record))
    }


def _notebook(path: Path) -> NotebookNode | None:
    text = path.read_text("utf-8")
    if path.suffix != ".md" or not is_myst_markdown_notebook(text):
        return None
    return read_myst_markdown_notebook(text, add_source_map=True, path=path)


def cached_page(path: Path, folder: Path) -> NotebookNode | None:
    """A page with its outputs, if a cache holds them and they are what it would give today.

    Args:
        path: File of the page.
        folder: The cache.
    """
    notebook = _notebook(path)
    if notebook is None or not folder.is_dir():  # a cache that is not there would be made
        return None
    return _known(get_cache(folder), notebook)[1]


def _known(
    cache: JupyterCacheAbstract, notebook: NotebookNode
) -> tuple[NbCacheRecord | None, NotebookNode | None, str]:
    """What the cache has of the page: the record, its outputs if they are current, or why not."""
    try:
        record = cache.match_cache_notebook(notebook)
    except KeyError:
        return None, None, ""
    old = _outputs(cache, record)
    reason = _changed(old) if old else "the cache"
    return record, None if reason else old, reason


def _outputs(cache: JupyterCacheAbstract, record: NbCacheRecord) -> NotebookNode | None:
    """The page with its outputs; None if somebody took the file away or cut it short."""
    try:
        return cache.get_cache_bundle(record.pk).nb
    except (KeyError, ValueError):
        return None


def _changed(notebook: NotebookNode) -> str:
    """What the outputs depend on and is no longer the same; empty if they are current."""
    return inputs.changed(notebook.metadata.get(INPUTS, {}))


def _kept(cache: JupyterCacheAbstract, path: Path, notebook: NotebookNode) -> NbCacheRecord | None:
    """Under what the cache holds the page's outputs; those that are out of date are dropped."""
    record, outputs, reason = _known(cache, notebook)
    if record and not outputs:
        logger.info("%s runs again: %s changed", path.name, reason)
        with suppress(KeyError):  # there is no file
            cache.remove_cache(record.pk)
        NbCacheRecord.remove_records([record.pk], cache.db)
    return record if outputs else None


def _is_shown(env: BuildEnvironment, name: str, record: NbCacheRecord) -> bool:
    """Whether these are the outputs that Sphinx has read; a build may end before it does so."""
    read = env.nb_metadata[name].get("exec_data", {}) if hasattr(env, "nb_metadata") else {}
    return read.get("mtime") in (None, record.created.timestamp())


def _carry_over(cache: JupyterCacheAbstract, path: Path, notebook: NotebookNode) -> bool:
    """Take the outputs of the same code with other tags, if there are some and they are current."""
    code = [_executed(cell) for cell in _code(notebook)]
    for record in cache.list_cache_records():
        if Path(record.uri).name != path.name:  # a cache may come from another folder
            continue
        old = _outputs(cache, record)
        cells = _code(old) if old else []
        if not old or [_executed(cell) for cell in cells] != code or _changed(old):
            continue
        for cell, new in zip(cells, _code(notebook), strict=True):
            cell.metadata = new.metadata
        old.metadata.kernelspec = notebook.metadata.kernelspec
        bundle = CacheBundleIn(old, record.uri, data=record.data)
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        return True
    return False


def _run(cache: JupyterCacheAbstract, pages: dict[Path, NotebookNode], app: Sphinx) -> None:
    """Run pages, one more at a time than there are cores; checks, then long pages, begin."""
    config = app.env.mystnb_config
    limits = config.execution_timeout, config.execution_allow_errors
    distinct = {cache.create_hashed_notebook(nb)[1]: path for path, nb in pages.items()}
    jobs = []
    for path in sorted(distinct.values(), key=lambda path: _turn(pages[path])):
        record = cache.add_nb_to_project(str(path), read_data=READER)
        NbProjectRecord.remove_tracebacks([record.pk], cache.db)
        jobs.append(ProcessData(record.pk, record.uri, cache, *limits))
    multiprocessing.log_to_stderr(REPORT_LEVEL)
    workers = (os.cpu_count() or 1) + 1  # some wait
    # Ctrl-C goes to all processes of a terminal; this one ends the others.
    ignored = signal.SIGINT, signal.SIG_IGN
    with multiprocessing.Pool(workers, initializer=signal.signal, initargs=ignored) as pool:
        failed = [uri for code, uri in pool.map(Worker(), jobs, chunksize=1) if code]
    if failed:
        faults = [cache.get_project_record(uri).traceback or uri for uri in failed]
        logger.error("\n".join(["these pages could not be run:", *faults]))
        raise SystemExit(1)  # at any other exception Sphinx would forget all that it has read


def _turn(notebook: NotebookNode) -> tuple[bool, int]:
    is_long = "timeout" in notebook.metadata.get("execution", {})
    return not is_long, -len(_code(notebook))


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _executed(cell: NotebookNode) -> tuple[str, set[str]]:
    """What of a cell touches execution."""
    return cell.source, TOUCH_EXECUTION.intersection(cell.metadata.get("tags", []))


def _fault(uri: str, result: ExecutionResult) -> str:
    """What failed and where, and the cell: the last one that began."""
    cells = zip(result.nb.cells, result.nb.metadata.source_map, strict=True)
    begun = [(cell, line) for cell, line in cells if cell.get("execution_count")]
    cell, line = begun[-1] if begun else (NotebookNode(source="", outputs=[]), 0)
    errors = [output for output in cell.outputs if output.output_type == "error"]
    told = f"{errors[-1].ename}: {errors[-1].evalue}" if errors else str(result.err)
    return f"{Path(uri).name}, line {line + 1}, code cell {len(begun)}: {told}\n{cell.source}"


def setup(app: Sphinx) -> dict:
    """Run before Sphinx decides what to read, and before `rereading` takes note of a build."""
    app.add_config_value("execution_checks", [], "", [list])
    app.connect("env-get-outdated", run_pages, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
