"""What of an exercise is still open: gaps of its scaffold that nobody has filled yet."""

import ast
import dis
import inspect
import linecache
import re
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import CodeType
from typing import NamedTuple

from condlesson.scaffold import scaffold

__all__ = ["Gap", "gaps"]


class Gap(NamedTuple):
    """A part of an exercise that nobody has written yet.

    Attributes:
        owner: The class or function that it is in.
        label: Such as "TODO 2"; "" if the gap has lost it.
        hint: What belongs there.
        is_needed: False if the gap waits for variables alone, which nothing reads: the answer
            does without them.
    """

    owner: str
    label: str
    hint: str
    is_needed: bool = True


_TODO = re.compile(r"^\s*#\s*(TODO(?: \d+)?):?\s*(.*)")
_IDLE = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "COPY_FREE_VARS", "CACHE"}
_PACKAGE = str(Path(__file__).parents[2])


def gaps(answer: object, exercise: object) -> list[Gap]:
    """Gaps in an answer, as far as its source or its compiled code shows them.

    Args:
        answer: The learner's function or class.
        exercise: The package's solution, whose scaffold the learner started from.

    Returns:
        Each gap that is open, those of a class before those of a class that is built on it.
    """
    known = _given_lines(exercise)
    found = []
    for owner, code in _codes(answer):
        try:
            source = _source(code)
        except (OSError, IndexError, SyntaxError):
            found += [Gap(owner, "", "")] if _has_gap(code) else []
        else:
            found += [
                Gap(owner, label, hint, _is_needed(label, code, exercise))
                for label, hint in _gaps_in(source, known)
            ]
    order = list(dict.fromkeys(gap.owner for gap in found))
    return sorted(dict.fromkeys(found), key=lambda gap: (-order.index(gap.owner), *gap[1:]))


def _source(code: CodeType) -> str:
    """Source of a function; what `inspect` does, less its search through all modules."""
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename)[code.co_firstlineno - 1 :]
    if not lines:
        raise OSError("There is no source: it was typed, or executed as a text.")
    return textwrap.dedent("".join(inspect.getblock(lines)))


@cache
def _given_lines(exercise: object) -> set[str]:
    """Lines that a learner finds, in the exercise and in what of the package it is built on."""
    known = set()
    for part in exercise.__mro__ if isinstance(exercise, type) else [exercise]:
        if part.__module__.split(".")[0] not in ("torch", "builtins"):
            with suppress(ValueError, OSError, TypeError):
                known |= {line.strip() for line in scaffold(part).splitlines()}
    return known


def _is_needed(label: str, code: CodeType, exercise: object) -> bool:
    """Whether code reads what a gap of its function waits for, or needs it for something else."""
    names = _variables(exercise).get((code.co_name, label), set())
    return not names or bool(names & _unbound(code))


def _unbound(code: CodeType) -> set[str]:
    """Names that code, with its inner functions, reads and does not bind; attributes as well."""
    inner = [const for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*map(_unbound, inner))


@cache
def _variables(exercise: object) -> dict[tuple[str, str], set[str]]:
    """New variables of each gap that waits for nothing else, by its function and its label."""
    found = {}
    for part in exercise.__mro__ if isinstance(exercise, type) else [exercise]:
        if part.__module__.split(".")[0] in ("torch", "builtins"):
            continue
        with suppress(ValueError, OSError, TypeError):
            code = textwrap.dedent(inspect.getsource(part))
            functions = [n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.FunctionDef)]
            for label, first, last in _todos(code):
                for function in functions:
                    inside = [s for s in function.body if first < s.lineno < last]
                    if inside and all(_binds_only(statement) for statement in inside):
                        others = [s for s in function.body if s not in inside]
                        bound = {n.arg for n in ast.walk(function.args) if isinstance(n, ast.arg)}
                        new = _stored(inside) - _stored(others) - bound
                        found[function.name, label] = new
    return found


def _todos(code: str) -> Iterator[tuple[str, int, int]]:
    """Label, first and last line of each part that a learner writes."""
    label, first = "", 0
    for number, line in enumerate(code.splitlines(), start=1):
        if mark := _TODO.match(line):
            label, first = mark[1], number
        elif line.strip() == "# END TODO":
            yield label, first, number


def _binds_only(statement: ast.stmt) -> bool:
    """Whether a statement does nothing but give names to values."""
    if not isinstance(statement, ast.Assign):
        return False
    parts = [part for target in statement.targets for part in ast.walk(target)]
    return all(isinstance(part, (ast.Name, ast.Tuple, ast.Store)) for part in parts)


def _stored(statements: list[ast.stmt]) -> set[str]:
    nodes = [node for statement in statements for node in ast.walk(statement)]
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _codes(answer: object) -> Iterator[tuple[str, CodeType]]:
    """Code of a function, or of the methods of a class and of its bases, and whose it is."""
    if not isinstance(answer, type):
        answer = getattr(answer, "func", answer)  # of functools.partial
        code = getattr(inspect.unwrap(answer) if callable(answer) else answer, "__code__", None)
        yield from [(code.co_name, code)] if isinstance(code, CodeType) else []
        return
    for base in answer.__mro__:
        if base.__module__.split(".")[0] in ("torch", "builtins"):
            continue
        for member in vars(base).values():
            code = getattr(getattr(member, "__func__", member), "__code__", None)
            if isinstance(code, CodeType) and not code.co_filename.startswith(_PACKAGE):
                yield base.__name__, code


def _gaps_in(source: str, known: set[str]) -> list[tuple[str, str]]:
    """Parts that hold a lone ``...`` (or ``pass``) and no line of the learner's: label, hint."""
    found, part, label, hint = [], [], "", []
    for line in [*source.splitlines(), "# TODO end"]:
        mark = _TODO.match(line)
        if mark:
            if _is_open(part, known):
                found.append((label, " ".join(hint)))
            part, label, hint = [], mark[1], [mark[2]]
        elif label and not part and line.lstrip().startswith("#"):
            hint.append(line.strip(" #"))
        else:
            part.append(line.strip())
    return found


def _is_open(part: list[str], known: set[str]) -> bool:
    lone = [
        line
        for line in part
        if re.match(r"(\.\.\.|pass|raise NotImplementedError)\b|^\.\.\.", line)
    ]
    own = [line for line in part if line and line[0] != "#" and line not in known]
    return bool(lone) and not [line for line in own if line not in lone and not _opens(line)]


def _opens(line: str) -> bool:
    """Whether a line is a head or a docstring, which are not what a gap waits for."""
    return line.startswith(("def ", "class ", "@", '"""', "'''", "super().__init__"))


def _has_gap(code: CodeType) -> bool:
    """Whether compiled code does nothing, or holds a line that does nothing."""
    bytecode = dis.Bytecode(code)
    instructions = list(bytecode)
    if all(instruction.opname in _IDLE for instruction in instructions):
        return True
    tries = {entry.start for entry in getattr(bytecode, "exception_entries", ())}
    return any(
        one.opname == "NOP" and not after.is_jump_target and after.offset not in tries
        for one, after in pairwise(instructions)  # `while True:` and `try:` are idle lines as well
    )
