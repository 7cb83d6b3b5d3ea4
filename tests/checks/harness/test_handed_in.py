"""A notebook in which a name is still the package's: no check judges our code as the learner's."""

import sys

import IPython
import pytest
import torch

from condlesson import conditioning, exercises
from condlesson.checks import check_adagn, check_draw_timesteps, progress
from condlesson.checks.harness import handed_in, result
from condlesson.museum import broken
from tests.answers import written

OWN = "This is the package's AdaGN, not yours."


class Shell:
    """What a check asks of IPython's shell."""

    display_pub = None

    def __init__(self):
        self.user_ns = {"In": [""]}


@pytest.fixture
def notebook(monkeypatch):
    shell = Shell()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setattr(result, "_RESULTS", {})
    monkeypatch.setattr(sys, "last_value", None, raising=False)
    monkeypatch.delenv(handed_in.BOOK, raising=False)
    return shell


@pytest.mark.fault(
    "the learner's cell has not run",
    "the check says so, and does not judge the package",
)
def test_a_cell_that_has_not_run(notebook):
    found = check_adagn(conditioning.AdaGN)
    assert found.status == "not done"
    assert found.messages == [
        f"{OWN} Your cell has not run. Run the cell that makes your AdaGN, then this one."
    ]
    assert repr(progress()).startswith("0 of 1 checks passed.")


@pytest.mark.fault("the learner's class has a misspelt name", "the check says so")
def test_a_misspelt_name(notebook):
    notebook.user_ns["AdaGn"] = type("AdaGn", (), {"__module__": "__main__"})
    assert "Did you mean your AdaGn?" in check_adagn(conditioning.AdaGN).messages[0]


def test_an_import_after_the_cell(notebook):
    notebook.user_ns["In"] += ["class AdaGN(nn.Module):\n    pass", "from condlesson import AdaGN"]
    assert "own was imported again" in check_adagn(conditioning.AdaGN).messages[0]


@pytest.mark.fault("the learner's cell stopped with an error", "the check says so")
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("class AdaGN(nn.Module:\n    pass", "made nothing: SyntaxError in line 1"),
        ("class AdaGN(Missing):\n    pass", "made nothing: NameError, name 'Missing' is not"),
    ],
)
def test_a_cell_that_stopped_with_an_error(notebook, code, told):
    notebook.user_ns["In"].append(code)
    with pytest.raises((SyntaxError, NameError)) as caught:
        written(code, "AdaGN")
    sys.last_value = caught.value
    assert told in check_adagn(conditioning.AdaGN).messages[0]


def test_an_error_of_another_cell_is_no_reason(notebook):
    with pytest.raises(NameError) as caught:
        written("missing", "AdaGN")
    sys.last_value = caught.value
    assert "Your cell has not run." in check_adagn(conditioning.AdaGN).messages[0]


def test_another_solution_of_the_package_is_none_of_the_learners(notebook):
    assert "the package's ZeroInitAdaGN" in check_adagn(exercises.ZeroInitAdaGN).messages[0]


def test_what_is_built_on_the_packages_is_the_learners(notebook):
    class AdaGN(conditioning.AdaGN):
        pass

    assert check_adagn(AdaGN).passed


def test_exhibits_of_the_museum_are_judged(notebook):
    assert check_draw_timesteps(broken.draw_all_but_last).status == "wrong"


def test_the_build_of_the_book_has_the_solutions(notebook, monkeypatch):
    monkeypatch.setenv(handed_in.BOOK, "1")
    assert check_adagn(conditioning.AdaGN).passed
    assert torch.is_grad_enabled()
