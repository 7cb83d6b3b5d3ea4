"""Every check says its own name, and knows which answer is the package's own."""

import pytest

from condlesson import checks

CHECKS = [getattr(checks, name) for name in checks.__all__ if name.startswith("check_")]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_result_has_the_name_of_its_check(check):
    assert check(None).name == check.__name__
