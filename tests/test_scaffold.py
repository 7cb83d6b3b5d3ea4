import ast
import inspect
import textwrap

import pytest
import torch
from torch import Tensor, nn

from condlesson import scaffold as exercises
from condlesson.conditioning import AdaGN
from condlesson.experiment import runs
from condlesson.sampling import ddim_step
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


def broken(x):
    """Halve it, and mean to double it."""
    # CURE: y = 2 * x
    y = x / 2
    # END CURE
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


def test_an_exercise_begun_runs_as_it_is_shown():
    assert exercises.begun(broken)(4) == 2
    begun = exercises.begun(AdaGN)
    assert inspect.getsource(begun.forward) in textwrap.indent(exercises.scaffold(AdaGN), "")
    assert begun.__module__ == "exercise"  # and not the package's, whose code is nobody's answer
    with pytest.raises(ValueError, match="must have parts"):
        exercises.begun(unclosed)


def test_a_broken_version_is_shown_as_it_runs_and_solved_by_its_cure():
    halved = '''\
        def broken(x):
            """Halve it, and mean to double it."""
            y = x / 2
            return y
        '''
    assert exercises.scaffold(broken) == exercises.FIND + textwrap.dedent(halved)
    assert exercises.solution(broken) == textwrap.dedent(halved).replace("x / 2", "2 * x")
    assert exercises.answer_lines(broken) == ["y = 2 * x"]


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


def test_answer_lines_are_what_the_learner_writes():
    assert exercises.answer_lines(marked) == ["y = 2 * x", "# a comment of the answer", "y += 0"]


def test_imports_are_those_of_the_module_that_the_code_uses():
    assert exercises.imports(exercises.source(AdaGN), AdaGN, {}) == (
        "from torch import Tensor, nn\n"
        "from condlesson.conditioning import check_groups, check_inputs"
    )


def test_imports_leave_out_what_the_session_has():
    known = {"nn": nn, "Tensor": Tensor, "check_groups": None}
    assert exercises.imports(exercises.source(AdaGN), AdaGN, known) == (
        "from condlesson.conditioning import check_groups, check_inputs"
    )
    known |= exercises.bound_names("from condlesson.conditioning import check_groups, check_inputs")
    assert exercises.imports(exercises.source(AdaGN), AdaGN, known) == ""


def test_long_imports_are_wrapped():
    found = exercises.imports(", ".join(runs.__all__), runs.Run, {})
    assert max(map(len, found.splitlines())) <= exercises.WIDTH
    [line] = ast.parse(found).body
    assert {alias.name for alias in line.names} == set(runs.__all__) - {"Run"}


def test_code_of_a_notebook_must_not_use_private_names():
    with pytest.raises(ValueError, match=r"ddim_step must use public names .*, got _alpha_bars, _"):
        exercises.imports(exercises.source(ddim_step), ddim_step, {})


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import torch.nn", {"torch": torch}),
        ("import torch.nn as layers", {"layers": nn}),
        ("from torch import nn as layers", {"layers": nn}),
        ("import not_there\nfrom not_there import x", {"not_there": None, "x": None}),
        ("from torch import not_there", {"not_there": None}),
        ("class A:\n    pass\ndef b(): pass", {"A": None, "b": None}),
        ("for a, b in []:\n    c = 1", {"a": None, "b": None, "c": None}),
        ("a.b = c", {}),
    ],
)
def test_a_cell_binds_names(code, expected):
    assert exercises.bound_names(code) == expected
