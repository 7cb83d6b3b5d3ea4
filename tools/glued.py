"""Numbers that the pages hand over: from the last build, or by running a page that changed since.

`condlesson.notebooks.glued` runs pages wherever the package is installed. In a checkout the build
has run them already, and keeps their outputs with digests of all that they depend on.
"""

import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from nbformat import NotebookNode

from condlesson.notebooks.glued import Value, measure

sys.path.append(str(Path(__file__).parents[1] / "book" / "_ext"))
from execution import cached_page

__all__ = ["glued"]

CACHE = Path(__file__).parents[1] / "_build" / ".jupyter_cache"
TEXT = "application/papermill.record/text/plain"


def glued(paths: Sequence[Path], cache: Path = CACHE) -> dict[str, dict[str, Value]]:
    """What pages glue, as `condlesson.notebooks.glued.measure` returns it.

    Args:
        paths: Files of the pages.
        cache: Where the build keeps outputs.

    Raises:
        RuntimeError: A page had to be run, and a cell of it raises.
    """
    kept = {path: cached_page(path, cache) for path in paths}
    run = measure([path for path, notebook in kept.items() if notebook is None])
    return {
        path.stem: run[path.stem] if notebook is None else dict(_values(notebook))
        for path, notebook in kept.items()
    }


def _values(notebook: NotebookNode) -> Iterator[tuple[str, Value]]:
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    for output in outputs:
        if TEXT in output.get("data", {}):
            yield output.metadata.scrapbook.name, _value(output.data[TEXT])


def _value(text: str) -> Value:
    """The number or text of its representation, which may be NumPy's."""
    return ast.literal_eval(re.sub(r"^np\.\w+\((.*)\)$", r"\1", text, flags=re.S))
