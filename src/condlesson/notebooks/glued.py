"""Numbers that a page's text takes from its cells.

A page hands a number over with `glue("name", value)`, and its text shows it. To know the numbers
one has to run the cells. Each page runs in a Python of its own, so that nobody's random state,
figures or settings change, and as many run at a time as cores and memory allow.
"""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from condlesson.machine import processes
from condlesson.notebooks.pages import Page

__all__ = ["measure", "run_page"]

MEMORY = 1.4e9  # bytes that the largest page takes, measured
CHILD = f"import sys; from {__name__} import main; main(*sys.argv[1:])"
SHOWN = ("HTML", "Markdown", "Math", "SVG", "display")  # of IPython, what a page may use
Value = bool | int | float | str


def measure(
    paths: Sequence[Path], report: Callable[[str], object] = lambda line: None
) -> dict[str, dict[str, Value]]:
    """Run pages and collect what they glue.

    Args:
        paths: Files of the pages.
        report: Is told in a line when a page has run.

    Returns:
        For each page, by its name, the values by theirs.

    Raises:
        RuntimeError: A cell raises, and the message names page, cell and line; or the process of a
            page was ended. The pages that have not begun are not run then.
    """
    found = {}
    with ThreadPoolExecutor(processes(MEMORY)) as pool:
        running = {pool.submit(_in_a_child, path): path for path in paths}
        try:
            for done in as_completed(running):
                found[running[done].stem] = done.result()
                report(f"{running[done].stem} has run, {len(found)} of {len(paths)} pages.")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {path.stem: found[path.stem] for path in paths}


def _in_a_child(path: Path) -> dict[str, Value]:
    places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    environment = {
        **os.environ,
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",  # pages run side by side, and their threads would wait for others
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
    }
    with TemporaryDirectory() as folder:  # a file, for libraries print what they like
        result = Path(folder, "result.json")
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(path.resolve()), str(result)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        told = json.loads(result.read_text("utf-8")) if result.is_file() else {}
    if "values" not in told:
        raise RuntimeError(told.get("fault") or _ended(path, done))
    return told["values"]


def _ended(path: Path, done: subprocess.CompletedProcess) -> str:
    """Why the process of a page ended without a word."""
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return (
            f"{path.name} must run to its end, and its process was ended by {name}. Systems do so "
            f"when memory is short; a page takes up to {MEMORY / 1e9:.1f} GB."
        )
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return f"{path.name} must run to its end, and ended with status {done.returncode}: {last}"


def run_page(page: Page) -> dict[str, Value]:
    """Run the code cells of a page, silently.

    Args:
        page: The page.

    Returns:
        The values that it glues, by their names.

    Raises:
        RuntimeError: A cell raises.
    """
    glued: dict[str, Value] = {}
    namespace: dict[str, Any] = {"__name__": "__main__", "display": _ignore}
    code = [cell for cell in page.cells if cell.kind == "code"]
    with _stand_ins(glued), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        for number, cell in enumerate(code, 1):
            place = f"{page.name}.md, code cell {number}, line {cell.line}"
            try:
                exec(compile(cell.source, f"<{place}>", "exec"), namespace)
            except Exception as error:
                if "raises-exception" in cell.tags:
                    continue
                told = " ".join(str(error).split())
                raise RuntimeError(f"{place} raises {type(error).__name__}: {told}") from error
    return glued


@contextmanager
def _stand_ins(glued: dict[str, Value]):  # noqa: ANN202
    """Modules of the book's build and of notebooks, neither of which need be installed."""

    def glue(name: str, value: object, display: bool = True) -> None:
        if not isinstance(value, Value):
            raise TypeError(f"{name} must be a number or a text to be glued, got {value!r}.")
        glued[name] = value

    modules = {"myst_nb": ModuleType("myst_nb")}
    modules["myst_nb"].glue = glue
    if not find_spec("IPython"):
        modules["IPython.display"] = ModuleType("IPython.display")
        for shown in SHOWN:
            setattr(modules["IPython.display"], shown, _ignore)
    # Not patch.dict, which would unload what the page imported, and that may be needed at exit.
    replaced = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in replaced.items():
            sys.modules.pop(name) if module is None else sys.modules.update({name: module})


def _ignore(*args: object, **kwargs: object) -> None:
    """Stand in for what shows something."""


def main(path: str, result: str) -> None:
    """Write what a page glues into a file as JSON, or its fault."""
    file = Path(path)
    try:
        told = {"values": run_page(Page(file.stem, file.read_text("utf-8-sig")))}
    except RuntimeError as error:
        told = {"fault": str(error)}
    Path(result).write_text(json.dumps(told), "utf-8")
