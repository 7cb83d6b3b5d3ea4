"""Right and wrong ratios of signal to noise, and what the check must say of them."""

import pytest
import torch
from torch.testing import assert_close

from condlesson import exercises
from condlesson.checks import check_SNAKE
from tests.answers import blank

RIGHT = {
    "the package's": exercises.SNAKE,
    "one over": lambda a: 1 / (1 / a - 1),
    "float64": lambda a: a.double() / (1 - a.double()),
}
WRONG = {
    "upside down": (lambda a: (1 - a) / a, "upside down"),
    "amplitudes": (lambda a: (a / (1 - a)).sqrt(), "Leave the square root out"),
    "a logarithm": (lambda a: torch.logit(a), "its logarithm"),
    "the share alone": (lambda a: a, "Divide alpha_bar by 1 - alpha_bar"),
    "one number": (lambda a: (a / (1 - a)).mean(), "must return a tensor of that shape"),
    "a list": (lambda a: a.tolist(), "must return one tensor, got a list"),
}


def test_the_solution_is_one_where_both_are_equally_loud():
    found = exercises.SNAKE(torch.tensor([0.0, 0.5, 0.8]))
    assert_close(found, torch.tensor([0.0, 1.0, 4.0]))


@pytest.mark.parametrize("answer", RIGHT.values(), ids=RIGHT)
def test_right_answers_pass(answer):
    assert check_SNAKE(answer).status == "passed"


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_the_mistake_is_named(answer, message):
    result = check_SNAKE(answer)
    assert result.status == "wrong"
    assert message in result.messages[0]


def test_an_empty_exercise_is_not_done():
    assert check_SNAKE(blank(exercises.SNAKE)).status == "not done"
