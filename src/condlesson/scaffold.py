"""Exercises from solutions: the package's source is the solution, the scaffold is made from it.

In the source of a class, what a learner writes stands between two ordinary comments::

    # TODO 1: what to do, and a hint.
    self.norm = ...
    # END TODO

`solution` is the source without these comments; in `scaffold` each such part has become its
comment and a line that stands for the missing code. All show docstrings by their first line.

Where a learner is to find a mistake, the wrong line is in the comment, and `scaffold` has it in the
place of the right one, unmarked::

    # BUG: self.norm = ...
    self.norm = ...
    # END BUG

In a broken version that is to be run as it is, the right line is in the comment, and `solution` has
it in the place of the wrong one::

    # CURE: self.norm = ...
    self.norm = ...
    # END CURE

`imports` says what such code needs where it stands alone, in a cell of a notebook.
"""

import ast
import inspect
import linecache
import re
import sys
import textwrap
from collections.abc import Collection, Mapping
from importlib import import_module

__all__ = ["answer_lines", "begun", "bound_names", "imports", "scaffold", "solution", "source",
           "used_names", "without_imports"]  # fmt: skip

WIDTH = 84  # of an import line; pages are narrower than modules
FIND = "# TODO: one line in here is wrong. Find it, and mend it.\n"
_OPEN = re.compile(r"^ *# (?:TODO \d+|BUG|CURE): ")
_BUG = re.compile(r"^( *)# BUG: (.*\n)")
_CURE = re.compile(r"^( *)# CURE: (.*\n)")
_END = re.compile(r"^ *# END (?:TODO|BUG|CURE) *$")


def source(obj: object) -> str:
    """Source of a class or function, as it stands in the package, with short docstrings.

    Args:
        obj: A class or function.

    Returns:
        Its source code; of every docstring only the summary line.
    """
    code = textwrap.dedent(inspect.getsource(obj))
    lines = code.splitlines(keepends=True)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            first, last = node.body[0].lineno - 1, node.body[0].end_lineno
            if last - first > 1:
                lines[first:last] = [lines[first].rstrip() + '"""\n', *[""] * (last - first - 1)]
    return "".join(lines)


def solution(obj: object) -> str:
    """Source of a marked class or function without the exercise's comments.

    Args:
        obj: A class or function with TODO, BUG or CURE parts.

    Returns:
        Its source code, without the comments that open and close these parts, and without wrong
        lines.

    Raises:
        ValueError: It has no such part, or one without an end.
    """
    return "".join(line for line, part in _marked(obj) if part in ("code", "answer"))


def scaffold(obj: object) -> str:
    """Source of a marked class or function with the parts that a learner writes taken out.

    Args:
        obj: A class or function with TODO, BUG or CURE parts.

    Returns:
        Its source code; each TODO part is its comment and a line with ``...``, each BUG or CURE
        part the wrong line.

    Raises:
        ValueError: It has no such part, or one without an end.
    """
    parts = _marked(obj)
    lines = [line for line, part in parts if part != "answer"]
    is_bug = any(part == "wrong" or _BUG.match(line) for line, part in parts)
    lines = [_BUG.sub(r"\1\2", line.replace("# END TODO", "...")) for line in lines]
    code = "".join(line for line in lines if not _END.match(line))
    return FIND + code if is_bug else code


def begun(obj: object) -> object:
    """An exercise as a learner finds it, to be run: what `scaffold` shows, in its module's place.

    Args:
        obj: A class or function with TODO, BUG or CURE parts.

    Returns:
        The class or function with its gaps, or with its wrong line.

    Raises:
        ValueError: As `scaffold`.
    """
    code, name = scaffold(obj), obj.__name__
    file = f"<exercise {name}>"  # a file of its own: the package's code is nobody's answer
    linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)
    namespace = {**vars(sys.modules[obj.__module__]), "__name__": "exercise"}
    exec(compile(code, file, "exec"), namespace)
    return namespace[name]


def answer_lines(obj: object) -> list[str]:
    """Lines that a learner writes, without their indentation.

    Args:
        obj: A class or function with TODO, BUG or CURE parts.

    Returns:
        The lines between the comments that open and close these parts, or in a CURE's comment.

    Raises:
        ValueError: It has no such part, or one without an end.
    """
    return [line.strip() for line, part in _marked(obj) if part == "answer" and line.strip()]


def imports(code: str, obj: object, known: Mapping[str, object]) -> str:
    """Import lines for what code of the package takes from its module.

    Args:
        code: Source of obj, whole or as a scaffold.
        obj: The class or function.
        known: Objects that the session has already, by their names there.

    Returns:
        The lines, in the order of the module's own; empty if nothing is needed.

    Raises:
        ValueError: The code uses a private name of its module.
    """
    module = sys.modules[obj.__module__]
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    wanted = {
        name
        for name in (used & vars(module).keys()) - {obj.__name__}
        if name not in known or known[name] is not getattr(module, name)
    }
    lines = []
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            node.names = [alias for alias in node.names if _bound_by(alias) in wanted]
            wanted -= {_bound_by(alias) for alias in node.names}
            lines += [_wrapped(ast.unparse(node))] if node.names else []
    private = [name for name in sorted(wanted) if name.startswith("_")]
    if private:
        raise ValueError(
            f"{obj.__name__} must use public names of its module, got {', '.join(private)}. "
            "A notebook has to import them."
        )
    if wanted:
        lines.append(_wrapped(f"from {module.__name__} import {', '.join(sorted(wanted))}"))
    return "\n".join(lines)


def bound_names(code: str) -> dict[str, object]:
    """Names that a cell binds, each with what it imports, or None for what it makes itself.

    Args:
        code: Source of the cell.

    Returns:
        The objects by their names in the session.
    """
    found = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = _bound_by(alias)
                found[bound] = _imported(alias.name if alias.asname else bound)
        elif isinstance(node, ast.ImportFrom):
            found |= {_bound_by(alias): _imported(node.module, alias.name) for alias in node.names}
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            found[node.name] = None
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found[node.id] = None
    return found


def used_names(code: str) -> set[str]:
    """Names that a cell reads, within its functions and classes as well."""
    nodes = ast.walk(ast.parse(code))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def without_imports(code: str, names: Collection[str]) -> str:
    """A cell that does not import some names.

    Args:
        code: Source of the cell.
        names: What it must not import at its top level, as it is called in the session.

    Returns:
        The code; what is left of an import that has lost a name is written anew.
    """
    lines = code.splitlines()
    for node in reversed(ast.parse(code).body):  # so that the lines above stay where they are
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            kept = [alias for alias in node.names if _bound_by(alias) not in names]
            if len(kept) < len(node.names):
                node.names = kept
                left = _wrapped(ast.unparse(node)).splitlines() if kept else []
                lines[node.lineno - 1 : node.end_lineno] = left
    return "\n".join(lines).strip("\n")


def _imported(module: str, name: str | None = None) -> object:
    """A module or something of it; None where it is not installed here."""
    try:
        found = import_module(module)
    except ModuleNotFoundError:
        return None
    return getattr(found, name, None) if name else found


def _bound_by(alias: ast.alias) -> str:
    return alias.asname or alias.name.split(".")[0]


def _wrapped(line: str) -> str:
    """An import line, in brackets and on several lines if it is too long for one."""
    if len(line) <= WIDTH:
        return line
    head, names = line.split(" import ")
    body = textwrap.fill(f"{names},", WIDTH, initial_indent="    ", subsequent_indent="    ")
    return f"{head} import (\n{body}\n)"


def _marked(obj: object) -> list[tuple[str, str]]:
    """Each line of the source and what it is: "code", "mark" (our comment), "answer", "wrong"."""
    parts, state = [], "code"
    for line in source(obj).splitlines(keepends=True):
        if _OPEN.match(line):
            if state != "code":
                raise ValueError(f"every TODO or BUG of {obj!r} must be closed by # END of it.")
            state = "mark"
        elif state == "mark" and not line.lstrip().startswith("#"):
            state = "answer"
        if _END.match(line):
            parts.append((line, "mark"))
            state = "code"
        elif cure := _CURE.match(line):
            parts.append((cure[1] + cure[2], "answer"))
            state = "wrong"
        else:
            parts.append((line, state))
    if state != "code" or all(part == "code" for _, part in parts):
        raise ValueError(f"{obj!r} must have parts from # TODO n: to # END TODO.")
    return parts
