"""Whether a learner handed in their own work, or in a notebook the package's solution.

A notebook may know a name from an import before the learner's cell has made it. Where the web page
is built, the solutions are meant: its kernels have the environment variable `BOOK`.
"""

import difflib
import linecache
import os
import re
import sys
from types import FunctionType

from condlesson.checks.harness.location import frames_of_error

__all__ = ["BOOK", "misspelt", "not_the_learners", "shell"]

BOOK = "CONDLESSON_BOOK"  # "1" in the build of the book, where no learner writes a cell


def shell() -> object | None:
    """The notebook's or IPython's shell, if the session runs in one."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def not_the_learners(answer: object, exercise: object) -> str:
    """Why a notebook has the package's solution in the place of the learner's, or "".

    Args:
        answer: What was handed in.
        exercise: The package's solution.
    """
    session = shell()
    if session is None or os.environ.get(BOOK) == "1" or not _is_ours(answer):
        return ""
    name = exercise.__name__
    return (
        f"This is the package's {answer.__name__}, not yours. {_reason(name, session)} Run the "
        f"cell that makes your {name}, then this one."
    )


def _is_ours(answer: object) -> bool:
    """Whether it is a function or class of the package, but for the museum's broken ones."""
    if not isinstance(answer, (type, FunctionType)):
        return False
    first, *rest = (answer.__module__ or "").split(".")
    return first == "condlesson" and rest[:1] != ["museum"]


def _reason(name: str, session: object) -> str:
    known = getattr(session, "user_ns", {})
    if other := misspelt(name, known):
        return other
    error = _error_of_the_cell(name)
    if error:
        return f"Your cell stopped with an error, and made nothing: {error}."
    if any(_makes(cell, name) for cell in known.get("In", ())):
        return "The package's own was imported again after your cell."
    return "Your cell has not run."


def misspelt(name: str, known: dict) -> str:
    """What to say if the learner's cells made something of nearly this name, or ""."""
    made = {k for k, v in known.items() if getattr(v, "__module__", "") == "__main__"}
    alike = difflib.get_close_matches(name, sorted(made - {name}), n=1, cutoff=0.8)
    return f"Did you mean your {alike[0]}? It must be called {name}." if alike else ""


def _makes(cell: str, name: str) -> bool:
    return bool(re.search(rf"^(class|def)\s+{name}\b", cell, re.MULTILINE))


def _error_of_the_cell(name: str) -> str:
    """The session's last error, if the cell that was to make the name raised it."""
    error = getattr(sys, "last_value", None)
    if not isinstance(error, BaseException):
        return ""
    files = [place.file for place in frames_of_error(error)]
    if isinstance(error, SyntaxError):
        files.append(error.filename or "")
    if not any(_makes("".join(linecache.getlines(file)), name) for file in files):
        return ""
    line = getattr(error, "lineno", None)
    where = f" in line {line}" if isinstance(line, int) else ""
    return f"{type(error).__name__}{where}, {getattr(error, 'msg', None) or error}"
