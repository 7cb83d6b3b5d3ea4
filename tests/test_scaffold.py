import ast
import inspect
import textwrap

import pytest

from condlesson import scaffold as exercises
from condlesson.conditioning import AdaGN
from condlesson.unet import UNet, UNetSinusoidal


def marked(x):
    """Summary.

    More.
    """
    # TODO 1: double it.
    y = 2 * x
    # a comment of the answer
    y += 0
    # END TODO
    return y


def unclosed(x):
    # TODO 1: never closed.
    return x


def nested(x):
    # TODO 1: opened.
    # TODO 2: opened again.
    return x
    # END TODO


def test_scaffold_keeps_the_hint_and_drops_the_answer():
    assert exercises.scaffold(marked) == textwrap.dedent(
        '''\
        def marked(x):
            """Summary."""
            # TODO 1: double it.
            ...
            return y
        '''
    )


def test_solution_drops_the_hint_and_keeps_the_answer():
    assert exercises.solution(marked) == textwrap.dedent(
        '''\
        def marked(x):
            """Summary."""
            y = 2 * x
            # a comment of the answer
            y += 0
            return y
        '''
    )


@pytest.mark.parametrize("cls", [AdaGN, UNetSinusoidal])
def test_exercises_of_the_book(cls):
    blank, answer = exercises.scaffold(cls), exercises.solution(cls)
    ast.parse(blank)
    assert [f"TODO {n}" in blank for n in (1, 2, 3, 4)] == [True] * 4
    assert "TODO" not in answer
    lost = [line for line in answer.splitlines() if line.strip() and line not in blank.splitlines()]
    assert len(lost) >= 4  # one answer for each gap at least
    source = inspect.getsource(cls)
    assert all(line in source for line in lost)


def test_solution_runs_and_equals_the_package():
    module = inspect.getmodule(AdaGN)
    namespace = dict(vars(module))
    exec(exercises.solution(AdaGN), namespace)
    assert set(dict(namespace["AdaGN"](8, 4, 2).state_dict())) == set(AdaGN(8, 4, 2).state_dict())


def test_source_is_whole():
    assert "def forward" in exercises.source(UNet)
    assert "Args:" not in exercises.source(UNet)


@pytest.mark.parametrize("obj", [unclosed, nested])
def test_unclosed_part_is_refused(obj):
    with pytest.raises(ValueError, match="TODO"):
        exercises.scaffold(obj)


def test_unmarked_source_is_refused():
    with pytest.raises(ValueError, match="must have parts from # TODO n: to # END TODO"):
        exercises.solution(UNet)
