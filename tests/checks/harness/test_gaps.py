"""What is not done yet, told apart from what is wrong."""

import functools

import pytest
from torch import nn

from condlesson.checks import CheckResult
from condlesson.checks.harness import gaps as module
from condlesson.checks.harness.answer import call
from condlesson.checks.harness.run import NotDone, Wrong
from tests.answers import Hostile, ask, blank, hostile_class


def not_done(answer):
    raise NotDone("There is nothing yet.")


def is_wrong(answer):
    raise Wrong("This is wrong.")


def exercise(x, y):
    """Add, then double."""
    # TODO 1: the sum,
    # of both.
    total = x + y
    # END TODO
    # TODO 2: twice that.
    return 2 * total
    # END TODO


class Exercise(nn.Module):
    """Two gaps in two methods."""

    def __init__(self, n):
        super().__init__()
        # TODO 1: a layer.
        self.layer = nn.Linear(n, n)
        # END TODO

    def forward(self, x):
        """Apply it."""
        # TODO 2: the layer.
        return self.layer(x)
        # END TODO


def gaps(answer, exercise):
    """Labels and hints of the gaps."""
    return [(gap.label, gap.hint) for gap in module.gaps(answer, exercise)]


ONE = ("TODO 1", "the sum, of both.")
TWO = ("TODO 2", "twice that.")
SECOND = "that.\n    ..."  # the second gap, with the end of its hint
NO_ONE = ("    # TODO 1: the sum,\n    # of both.\n", "")
NO_TWO = ("    # TODO 2: twice that.\n", "")
FILLED = {
    "nothing": ([], [ONE, TWO]),
    "the first": ([("...", "total = x + y")], [TWO]),
    "the second": ([(SECOND, "that.\n    return 2")], [ONE]),
    "both": ([("...", "total = x + y"), ("...", "return 2 * total")], []),
    "both, with the dots": (
        [("...", "...\n    total = x + y"), (SECOND, "that.\n    return 2\n    ...")],
        [],
    ),
    "a comment": ([("...", "...  # later\n    # I think")], [ONE, TWO]),
    "pass": ([("...", "pass")], [ONE, TWO]),
    "NotImplementedError": ([("...", "raise NotImplementedError('later')")], [ONE, TWO]),
    "no label": ([NO_ONE], [("", ""), TWO]),
    "no labels": ([NO_ONE, NO_TWO], [("", "")]),
}


@pytest.mark.parametrize(("filled", "left"), FILLED.values(), ids=FILLED)
def test_gaps_of_a_function(filled, left):
    assert gaps(blank(exercise, *filled), exercise) == left


def test_gaps_of_a_class_and_its_base():
    answer = blank(Exercise)
    found = [("TODO 1", "a layer."), ("TODO 2", "the layer.")]
    assert gaps(answer, Exercise) == found
    assert gaps(type("Child", (answer,), {"more": 3}), Exercise) == found
    assert gaps(blank(Exercise, ("...", "self.layer = nn.Linear(n, n)")), Exercise) == found[1:]


def test_gaps_behind_a_wrapper():
    answer = blank(exercise)

    @functools.wraps(answer)
    def wrapped(*args):
        return answer(*args)

    assert gaps(wrapped, exercise) == gaps(functools.partial(answer, 1), exercise) == [ONE, TWO]
    assert gaps(3, exercise) == gaps(len, exercise) == []


@pytest.mark.parametrize(
    ("code", "is_open"),
    [
        ("def f(x):\n    ...", True),
        ("def f(x):\n    '''Text.'''", True),
        ("def f(x):\n    y = x\n    ...\n    return y", True),
        ("def f(x):\n    y = x\n    pass\n    return y", True),
        ("def f(x):\n    return 2 * x", False),
        ("def f(x):\n    try:\n        return x[0]\n    except KeyError:\n        return 2", False),
        (
            "def f(x):\n    while True:\n        x += 1\n        if x > 3:\n            return x",
            False,
        ),
    ],
)
def test_gaps_without_a_source(code, is_open):
    exec(code, namespace := {})
    assert gaps(namespace["f"], exercise) == [("", "")] * is_open


BOTH_OPEN = ["TODO 1 and TODO 2 are still open.", "Next, TODO 1: the sum, of both."]
TWO_OPEN = ["TODO 2 is still open.", "Next, TODO 2: twice that."]
TOLD_APART = {
    "wrong": (is_wrong, exercise, "wrong", ["This is wrong."]),
    "not done": (not_done, exercise, "not done", ["There is nothing yet."]),
    "open": (is_wrong, blank(exercise), "not done", BOTH_OPEN),
    "half open": (not_done, blank(exercise, ("...", "total = 0")), "not done", TWO_OPEN),
    "dots as a value": (is_wrong, lambda x: ..., "wrong", ["This is wrong."]),
    "hostile": (is_wrong, Hostile(), "wrong", ["This is wrong."]),
    "passed": (lambda answer: [], blank(exercise), "passed", ["Well done."]),
    "a note": (lambda answer: ["Note."], None, "passed", ["Note.", "Well done."]),
}


@pytest.mark.parametrize(
    ("examine", "answer", "status", "messages"), TOLD_APART.values(), ids=TOLD_APART
)
def test_not_done_is_told_apart_from_wrong(examine, answer, status, messages):
    assert ask(examine, answer, exercise) == CheckResult("check_x", status, messages)


def steps(x, y):
    """Three gaps; the first two give names to values."""
    y = abs(y)
    # TODO 1: the sum.
    y, total = y + 1, x + y
    # END TODO
    # TODO 2: twice that.
    double = 2 * total
    # END TODO
    # TODO 3: and one more.
    more = double + 1
    return more
    # END TODO


class Kept(nn.Module):
    """A gap that keeps something."""

    def forward(self, x):
        """Keep it, and return it."""
        # TODO 1: keep it.
        self.x = x
        # END TODO
        # TODO 2: return it.
        return x
        # END TODO


LAST = "one more.\n    "
FINISHED = {
    "with other names": (steps, [(f"{LAST}...", f"{LAST}return 2 * (x + y)")], True),
    "with the same names": (
        steps,
        [(f"{LAST}...", f"{LAST}total = x + y\n    double = 2 * total\n    return double")],
        True,
    ),
    "in a lambda": (steps, [(f"{LAST}...", f"{LAST}return (lambda: double)()")], False),
    "with what is open": (steps, [(f"{LAST}...", f"{LAST}return 2 * total")], False),
    "the first gap only": (steps, [("...", "total = x + y")], False),
    "nothing": (steps, [], False),
    "what is to be kept": (
        Kept,
        [("return it.\n        ...", "return it.\n        return x")],
        False,
    ),
}


@pytest.mark.parametrize(("task", "filled", "is_finished"), FINISHED.values(), ids=FINISHED)
def test_a_mistake_is_named_where_the_answer_does_without_what_is_open(task, filled, is_finished):
    found = ask(is_wrong, blank(task, *filled), task)
    assert found.status == ("wrong" if is_finished else "not done"), found
    assert ("This is wrong." in found.messages) == is_finished


@pytest.mark.parametrize(
    ("line", "status"), [("return x[0]", "wrong"), ("return product", "not done")]
)
def test_a_name_that_is_missing_may_be_in_a_gap(line, status):
    def examine(answer):
        call(answer, 1, 2, what="It")

    found = ask(examine, blank(steps, (f"{LAST}...", f"{LAST}{line}")), steps)
    assert found.status == status, found


class Further(Exercise):
    """A gap in what is built on another exercise."""

    def forward(self, x):
        """Apply it twice."""
        # TODO 1: twice.
        return super().forward(super().forward(x))
        # END TODO


def test_gaps_of_a_base_come_first_and_are_named():
    base = blank(Exercise)
    answer = blank(Further)
    answer.__bases__ = (base,)
    found = module.gaps(answer, Further)
    assert [(gap.owner, gap.label) for gap in found] == [
        ("Exercise", "TODO 1"),
        ("Exercise", "TODO 2"),
        ("Further", "TODO 1"),
    ]
    assert ask(is_wrong, answer, Further).messages == [
        "TODO 1 and TODO 2 are still open in Exercise, which Further is built on.",
        "Next, TODO 1: a layer.",
    ]


def test_a_hostile_class_is_looked_at():
    assert ask(is_wrong, hostile_class()).messages == ["This is wrong."]


def test_gaps_without_labels_are_told():
    found = ask(is_wrong, blank(exercise, *FILLED["no labels"][0]), exercise)
    assert found.status == "not done"
    assert found.messages[0].startswith("Some of it is still open")
