"""Runs pages before Sphinx reads them: side by side, and only those whose inputs changed.

MyST-NB takes outputs from a jupyter-cache, which knows a page by its cells and their tags. This
extension keeps that cache true: it drops a page whose inputs changed (`inputs`), carries outputs
over where only tags changed that do not touch execution, and runs what is then missing with
workers like jupyter-cache's own (`worker`). MyST-NB finds every page there and runs none.

While a page runs, an audit hook of Python (`tracing`) notes each file of the repository that its
kernel opens, each module that it loads, directly or through others, and each folder that it lists.
The next build compares their digests, and says why it runs a page:

    you change                                      what runs
    text, a title, a caption, `hide-input`          nothing
    a cell, `raises-exception`, `skip-execution`    its page
    a module                                        pages whose kernels loaded it
    a comment, the layout, a docstring of a module  nothing, unless the page shows docstrings
    a recorded run, the images, the figures' style  pages that read that file
    a new file in a folder                          pages that list the folder
    a pin or what is installed of it, Python,
    a variable CONDLESSON_...                       every page

What leaves no trace in Python counts for nothing: whether a file exists, without opening it; what
is read outside the repository; other variables of the environment; the time and the network. If you
doubt a page, `rm -r _build/.jupyter_cache` makes all run.

One page more runs at a time than there are cores, since kernels wait now and then. Kernels have one
thread each, whether or not others run beside them, so that no number depends on it; a cell that
wants two says so to PyTorch. A page that fails is not kept, and once it is mended, it alone is run
and read. Ctrl-C ends a build at once; pages that had run are kept. A page that changed while it ran
runs again with the next build. The check of the recorded runs (`recorded_runs.md`) is run and kept
as a page is.
"""

import multiprocessing
import shutil
from contextlib import suppress
from pathlib import Path

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.cache.db import NbCacheRecord, NbProjectRecord, Setting
from jupyter_cache.cache.main import JupyterCacheBase
from jupyter_cache.executors.basic import REPORT_LEVEL, ProcessData
from myst_nb.core.execute import cache as mystnb_cache
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sqlalchemy.exc import DatabaseError

from condlesson.machine import cores
from execution import inputs, scrutiny
from execution.form import FormError, not_in_contents, read_page, wrong_cells, wrong_front
from execution.worker import INPUTS, Worker, run_changed, run_side_by_side

__all__ = ["Worker", "cached_page", "setup"]

logger = logging.getLogger(__name__)

READER = {"name": "myst_nb_md", "type": "plugin"}
TOUCH_EXECUTION = {scrutiny.RAISES, "skip-execution"}


class Shared(JupyterCacheBase):
    """A cache that several processes fill at the same time.

    To find what is too old, jupyter-cache looks twice at what there is. What another process puts
    there in between would be taken for old and dropped, so workers drop nothing.
    """

    def truncate_caches(self) -> None:
        """Leave that to the process that started the others."""


def run_pages(app: Sphinx, env: BuildEnvironment, *_: object) -> set[str]:
    """Bring the cache up to date, and name the pages that Sphinx read with other outputs."""
    cache = _opened(env.mystnb_config.execution_cache_path)
    get_cache(cache.path).truncate_caches()
    checks = [Path(app.srcdir, name) for name in app.config.execution_checks]
    names = {Path(env.doc2path(name)): name for name in sorted(env.found_docs)}
    pages = _read(app, [*checks, *names])
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


def _opened(folder: str) -> Shared:
    """The cache of a folder; one of which a full disk kept a part is begun anew."""
    cache = Shared(folder)
    try:
        cache.list_project_records()
        cache.list_cache_records()
        Setting.get_dict(cache.db)
    except (RuntimeError, DatabaseError):
        logger.info("the cache cannot be read, so every page runs again")
        shutil.rmtree(folder)
        cache = Shared(folder)
    return cache


def _read(app: Sphinx, paths: list[Path]) -> dict[Path, NotebookNode | None]:
    """The pages by their files; what is wrong with their form ends the build at once."""
    pages, wrong = {}, [*not_in_contents(Path(app.srcdir), app.env.found_docs)]
    for path in paths:
        try:
            pages[path] = read_page(path)
            looks = (wrong_front, wrong_cells) if pages[path] else ()
            wrong += [told for look in looks for told in look(path, pages[path])]
        except FormError as error:
            wrong.append(str(error))
    if wrong:
        logger.error("\n".join(["these pages cannot be built:", *wrong]))
        raise SystemExit(1)
    return pages


def cached_page(path: Path, folder: Path) -> NotebookNode | None:
    """A page with its outputs, if a cache holds them and they are what it would give today.

    Args:
        path: File of the page.
        folder: The cache.
    """
    notebook = read_page(path)
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
        if any(fault for cell in cells for fault in scrutiny.faults(cell)):
            continue  # what other tags allowed; the page runs, and says what is wrong
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
    failed = run_side_by_side(jobs, cores() + 1)  # some wait
    if failed:
        faults = [cache.get_project_record(u).traceback or f"{u}: {why}" for u, why in failed]
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


def setup(app: Sphinx) -> dict:
    """Run before Sphinx decides what to read, and before `rereading` takes note of a build."""
    app.add_config_value("execution_checks", [], "", [list])
    app.connect("env-get-outdated", run_pages, priority=400)
    mystnb_cache.single_nb_execution = run_changed
    return {"parallel_read_safe": True, "parallel_write_safe": True}
