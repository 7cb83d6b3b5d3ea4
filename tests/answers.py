"""What tests of the checks share: answers as a learner has them in a notebook."""

import itertools
import linecache
import sys

from condlesson import scaffold as exercises
from condlesson.checks.harness.run import run_check

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


def ask(examine, answer=None, exercise=None):
    """A check of its own kind."""
    return run_check("check_x", answer, examine, exercise=exercise, praise="Well done.")


class Hostile:
    def __str__(self):
        raise SystemExit

    def __repr__(self):
        raise KeyError

    def __getattr__(self, name):
        raise RuntimeError(name)


class HostileMeta(type):
    def __getattribute__(cls, name):
        raise SystemExit(name)

    def __call__(cls, *args):
        raise GeneratorExit


def hostile_class():
    """Made anew, since pytest looks at what a module holds."""
    return HostileMeta("HostileClass", (), {})
