"""What a page's outputs depend on besides its cells: the files its kernel read, as digests.

A page's *inputs* are a table of what was read ("import src/condlesson/unet.py") and two digests: of
the content, and of what the content means. For a module that was only imported the meaning is its
syntax tree without docstrings, so that comments, layout and docstrings do not count; for all else
both are the same: a cell that reads a module as text, as `inspect.getsource` does, depends on its
bytes, and one that says `help(`, `getdoc`, `getsource`, `__doc__` or `name?` on those of every
module that it loads.
"""

import ast
import hashlib
import os
import platform
import re
import sys
from functools import cache
from importlib.util import source_from_cache
from pathlib import Path

from execution.surroundings import OURS

ROOT = Path(__file__).resolve().parents[3]
PINS = ROOT / "requirements.txt"
TRACER = Path(__file__).parent / "tracing" / "sitecustomize.py"
# How pages run, and what their outputs must not hold.
RULES = [Path(__file__).with_name(f"{n}.py") for n in ("surroundings", "scrutiny", "drawings")]
NOT_SOURCES = {".git", "_build", "__pycache__"}
# A page whose cells do this may show docstrings of what it imports, or all of it.
SHOWS_DOCSTRINGS = re.compile(r"__doc__|\bhelp\(|\bgetdoc\(|\bgetsource|^\s*\?|\?\s*$", re.M)
Inputs = dict[str, list[str]]


def inputs_of(notes: list[str], code: str, started: float) -> Inputs:
    """Inputs of a page that has run.

    Args:
        notes: What its kernel read, in lines as `tracing/sitecustomize.py` writes them.
        code: Its cells.
        started: When it began, in seconds since 1970. What changed since may have been read before
            the change or after it, so it gets no digest, and the page will run again.
    """
    _content.cache_clear()  # a worker inherits what was read before it was started
    _meaning.cache_clear()
    found = {environment(): []}
    for kind, _, name in sorted(line.partition("\t") for line in notes):
        path = _source(Path(name))
        if not _counts(path):
            continue
        if kind == "import" and SHOWS_DOCSTRINGS.search(code):
            kind = "read"
        key = f"{kind} {path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}"
        digests = [_content(kind, path), _meaning(kind, path)]
        late = path.exists() and path.stat().st_mtime >= started
        found[key] = [] if late else digests
    return found


def changed(inputs: Inputs) -> str:
    """The first input that is no longer what it was; empty if all are the same."""
    if not inputs:  # MyST-NB ran it, since these cells were new when the others had run
        return "the page, while it ran,"
    if environment() not in inputs:
        return "Python or the pinned packages"
    for key, was in inputs.items():
        kind, _, name = key.partition(" ")
        if kind == "environment":
            continue
        path = ROOT / name
        if not was or (_content(kind, path) != was[0] and _meaning(kind, path) != was[1]):
            return name
    return ""


@cache
def environment() -> str:
    """Python, pins, what is installed of them, our variables, and the rules of the build."""
    pins = re.findall(r"^[^#\s].*", PINS.read_text(), re.M)
    names = {pin.partition("==")[0] for pin in pins}
    installed = sorted(path.stem for path in _distributions() if _project(path) in names)
    ours = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(OURS))
    rules = [path.read_text("utf-8") for path in (TRACER, *RULES)]
    known = "\n".join([platform.python_version(), *pins, *installed, *ours, *rules])
    return f"environment {_digest(known.encode())}"


def _distributions() -> list[Path]:
    """Folders that pip left, one a package. To ask for versions takes a hundred times as long."""
    return [path for folder in sys.path for path in Path(folder).glob("*.dist-info")]


def _project(distribution: Path) -> str:
    """The name of a package as pins write it."""
    return re.sub(r"[-_.]+", "-", distribution.stem.rpartition("-")[0]).lower()


def _source(path: Path) -> Path:
    """Of a compiled module the source, of all else the path itself, without symbolic links."""
    if path.suffix == ".pyc":
        path = Path(source_from_cache(str(path)))
    return path.resolve()


@cache
def _roots() -> list[Path]:
    """The repository, and where else a kernel finds modules that no pin names."""
    others = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [ROOT, *(Path(other).resolve() for other in others if other)]


def _counts(path: Path) -> bool:
    inside = [path.relative_to(root).parts for root in _roots() if path.is_relative_to(root)]
    # PyTorch looks for its libraries below each folder of sys.path.
    return path.parent.exists() and any(not NOT_SOURCES.intersection(parts) for parts in inside)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


@cache
def _content(kind: str, path: Path) -> str:
    """Digest of a file, or of the names in a folder."""
    if kind == "list" and path.is_dir():
        names = sorted(child.name for child in path.iterdir() if child.name not in NOT_SOURCES)
        return _digest("\n".join(names).encode())
    return _digest(path.read_bytes()) if path.is_file() else "missing"


@cache
def _meaning(kind: str, path: Path) -> str:
    if kind != "import" or path.suffix != ".py" or not path.is_file():
        return _content(kind, path)
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:
        return _content(kind, path)
    for node in ast.walk(tree):
        documented = isinstance(
            node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        )
        if documented and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return _digest(ast.dump(tree).encode())
