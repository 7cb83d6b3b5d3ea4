"""Numbers that a page's text takes from its cells.

A page hands a number over with `glue("name", value)`, and its text shows it. To know the numbers
one has to run the cells. Each page runs in a Python of its own, so that nobody's random state,
figures or settings change, and several run at a time.
"""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from condlesson.notebooks.pages import Page

__all__ = ["measure", "run_page"]

SHOWN = ("HTML", "Markdown", "Math", "SVG", "display")  # of IPython, what a page may use
Value = bool | int | float | str


def measure(paths: Sequence[Path]) -> dict[str, dict[str, Value]]:
    """Run pages and collect what they glue.

    Args:
        paths: Files of the pages.

    Returns:
        For each page, by its name, the values by theirs.

    Raises:
        RuntimeError: A cell raises; the message names page, cell and line.
    """
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip((path.stem for path in paths), pool.map(_in_a_child, paths), strict=True))


def _in_a_child(path: Path) -> dict[str, Value]:
    places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]
    environment = {
        **os.environ,
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",  # pages run side by side, and their threads would wait for others
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
    }
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(path.resolve())],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)


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


def main(path: str) -> None:
    """Print what a page glues as JSON; a fault as one line."""
    file = Path(path)
    try:
        values = run_page(Page(file.stem, file.read_text("utf-8")))
    except RuntimeError as error:
        sys.exit(str(error))
    print(json.dumps(values))


if __name__ == "__main__":
    main(sys.argv[1])
