"""Every check says its own name, and how an answer is called."""

import re

import pytest

from condlesson import checks

CHECKS = [getattr(checks, name) for name in checks.__all__ if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_result_has_the_name_of_its_check(check):
    assert check(None).name == check.__name__


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_what_is_no_answer_is_told_how_one_is_called(check):
    (message,) = check(7).messages
    assert re.search(r"You handed in an int; .* which is called \w+\(.*\)", message)
