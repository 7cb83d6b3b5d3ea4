"""Exercises from solutions: the package's source is the solution, the scaffold is made from it.

In the source of a class, what a learner writes stands between two ordinary comments::

    # TODO 1: what to do, and a hint.
    self.norm = ...
    # END TODO

`solution` is the source without these comments; in `scaffold` each such part has become its
comment and a line that stands for the missing code. All show docstrings by their first line.
"""

import ast
import inspect
import re
import textwrap

__all__ = ["scaffold", "solution", "source"]

_TODO = re.compile(r"^ *# TODO (\d+): ")
_END = re.compile(r"^ *# END TODO *$")


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
        obj: A class or function with TODO parts.

    Returns:
        Its source code, without the TODO comments and the end marks.

    Raises:
        ValueError: It has no TODO part, or one without an end.
    """
    return "".join(line for line, part in _marked(obj) if part != "mark")


def scaffold(obj: object) -> str:
    """Source of a marked class or function with the parts that a learner writes taken out.

    Args:
        obj: A class or function with TODO parts.

    Returns:
        Its source code; each TODO part is its comment and a line with ``...``.

    Raises:
        ValueError: It has no TODO part, or one without an end.
    """
    lines = []
    for line, part in _marked(obj):
        if part == "code" or (part == "mark" and not _END.match(line)):
            lines.append(line)
        elif part == "mark":
            lines.append(line.replace("# END TODO", "..."))
    return "".join(lines)


def _marked(obj: object) -> list[tuple[str, str]]:
    """Each line of the source and what it is: "code", "mark" (a comment of ours) or "answer"."""
    parts, state = [], "code"
    for line in source(obj).splitlines(keepends=True):
        if _TODO.match(line):
            if state != "code":
                raise ValueError(f"every TODO of {obj!r} must be closed by # END TODO.")
            state = "mark"
        elif state == "mark" and not line.lstrip().startswith("#"):
            state = "answer"
        if _END.match(line):
            parts.append((line, "mark"))
            state = "code"
        else:
            parts.append((line, state))
    if state != "code" or all(part == "code" for _, part in parts):
        raise ValueError(f"{obj!r} must have parts from # TODO n: to # END TODO.")
    return parts
