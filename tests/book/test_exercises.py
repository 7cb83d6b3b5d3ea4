"""Exercises on the built pages: each has its check behind it, which passes with the solution."""

import re

import pytest

from tests.book.built import PAGES, ROOT, article

CALL = re.compile(r"^check_\w+\((\w+)\)$", re.M)
CELL = re.compile(r"^```\{code-cell\}.*?^```", re.M | re.S)
EXERCISE = re.compile(r"^```\{scaffold\} (?:[\w.]+\.)?(\w+)$", re.M)
SOURCE = {name: (ROOT / "book" / f"{name}.md").read_text() for name in PAGES}
CHECKED = {name: CALL.findall("\n".join(CELL.findall(text))) for name, text in SOURCE.items()}
TO_WRITE = re.compile(r"^```\{scaffold\} (?!condlesson\.museum\.broken\.)", re.M)  # and not to mend
EXERCISES = [name for name, text in SOURCE.items() if TO_WRITE.search(text)]


def verdicts(tag):
    return [mark.get_text() for mark in tag.select("div[role=status] strong")]


@pytest.mark.parametrize("name", EXERCISES)
def test_every_check_passes_with_the_solution_and_stands_there(name):
    solved = article(name).select("details.check-solved")
    assert [verdicts(box) for box in solved] == [["✓ Passed"]] * len(CHECKED[name])
    for box in solved:
        around = box.find_parent("details")
        assert around.get("open") is None
        assert around.select("div.solution"), "it stands by itself"


@pytest.mark.parametrize("name", EXERCISES)
def test_no_check_passes_before_anybody_has_written_something(name):
    begun = [box for box in article(name).select("div[role=status]")
             if not box.find_parent("details", class_="check-solved")]  # fmt: skip
    assert len(begun) == len(CHECKED[name])
    for box in begun:
        verdict = box.strong.get_text()
        assert verdict in ("… Not done yet", "✗ Not right yet")
        folded = box.find_parent("details", class_="check-begun")
        assert bool(folded) == verdict.startswith("✗")  # it names the mistake


@pytest.mark.parametrize("name", EXERCISES)
def test_every_exercise_has_a_check_and_a_solution_behind_it(name):
    for exercise in EXERCISE.findall(SOURCE[name]):
        _, _, behind = SOURCE[name].partition(f".{exercise}\n")
        behind = behind.partition("{scaffold}")[0]
        assert "\ncheck_" in behind, f"{exercise} has no check"
        assert f"({exercise})" in behind, f"{exercise} is not what is checked"
        assert re.search(rf"\{{solution\}} [\w.]+\.{exercise}$", behind, re.M)


@pytest.mark.parametrize("name", [f"exercise-{number}" for number in (1, 2, 3, 4)])
def test_every_exercise_page_ends_in_further_tasks(name):
    _, _, further = SOURCE[name].partition("\n## More to do")
    assert 2 <= len(EXERCISE.findall(further)) <= 3
