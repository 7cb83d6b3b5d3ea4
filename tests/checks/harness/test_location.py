"""Where in a learner's code an error was raised."""

from pathlib import Path

import torch

from condlesson.checks import harness
from condlesson.checks.harness.location import Place, own_place

CELL = Place("<cell 1>", 3)
OURS = Place(str(Path(harness.__file__).parent / "answer.py"), 7)
TORCH = Place(str(Path(torch.__file__).parent / "nn" / "functional.py"), 9)


def test_the_innermost_line_of_the_learners_is_found():
    outer = Place("<cell 2>", 1)
    assert own_place([outer, OURS, CELL, TORCH]) is CELL
    assert own_place([OURS, TORCH]) is None


def test_what_python_is_made_of_is_not_the_learners():
    assert own_place([OURS, CELL, Place("<frozen abc>", 119)]) is CELL


def test_a_line_is_found_though_a_check_watches_what_it_calls():
    assert own_place([OURS, CELL, OURS, TORCH]) is CELL
