"""What tests of the checks share: answers as a learner has them in a notebook."""

import itertools
import linecache
import sys

from condlesson import scaffold as exercises

NUMBER = itertools.count(1)


def written(code, name, **known):
    """What a cell of a notebook binds to a name; its lines can be looked up, as there."""
    cell = f"<cell {next(NUMBER)}>"
    linecache.cache[cell] = len(code), None, code.splitlines(keepends=True), cell
    namespace = {"__name__": "__main__", **known}
    exec(compile(code, cell, "exec"), namespace)
    return namespace[name]


def blank(solution, *filled):
    """An exercise as its notebook has it, except for some pieces: each old text and its new one."""
    code = exercises.scaffold(solution)
    for old, new in filled:
        assert old in code
        code = code.replace(old, new, 1)
    return written(code, solution.__name__, **vars(sys.modules[solution.__module__]))
