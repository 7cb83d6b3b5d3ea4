"""What the result of a check shows, and the summary of all."""

import html

import pytest

from condlesson import checks, exercises
from condlesson.checks import CheckResult, progress
from condlesson.checks.harness import result


def test_a_result_as_text_and_as_html():
    shown = CheckResult("check_x", "wrong", ["w < 1 & w > 0", "second"])
    assert repr(shown) == "✗ Not right yet: check_x\n  w < 1 & w > 0\n  second"
    page = shown._repr_html_()
    assert html.escape("w < 1 & w > 0") in page
    assert "w < 1" not in page
    assert 'role="status"' in page
    assert page.count("<p") == 3


@pytest.mark.parametrize(
    ("status", "passed", "words"),
    [
        ("passed", True, "✓ Passed"),
        ("wrong", False, "✗ Not right yet"),
        ("not done", False, "… Not done yet"),
    ],
)
def test_a_result_is_true_if_passed(status, passed, words):
    found = CheckResult("check_x", status, [])
    assert (found.passed, bool(found)) == (passed, passed)
    assert repr(found) == f"{words}: check_x"
    assert words in found._repr_html_()


def test_the_package_s_own_answer_shows_what_a_learner_begins_with():
    found = checks.check_similarity_at(exercises.similarity_at)
    assert found.passed
    shown, solved = found._repr_html_().split('<details class="check-solved">')
    assert "… Not done yet" in shown
    assert "TODO 1" in shown
    assert "✓ Passed" in solved
    assert "✓ Passed" not in shown
    assert progress(["check_similarity_at"]).statuses == {"check_similarity_at": "passed"}


def test_a_mistake_to_be_found_is_folded():
    shown = checks.check_draw_timesteps(exercises.draw_timesteps)._repr_html_()
    before, _ = shown.split('<details class="check-solved">')
    assert before.startswith('<details class="check-begun">')
    assert "✗ Not right yet" in before


def test_a_learner_s_own_answer_shows_its_result_alone():
    def own(distance, d_emb):
        return exercises.similarity_at(distance, d_emb)

    found = checks.check_similarity_at(own)
    assert found.passed
    assert "<details" not in found._repr_html_()


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(result, "_RESULTS", {})


@pytest.mark.usefixtures("fresh")
def test_progress_sums_up_what_ran_last():
    assert repr(progress()) == "No check has run in this session yet."
    assert "No check has run" in progress()._repr_html_()
    checks.check_similarity_at(None)
    checks.check_similarity_matrix(lambda x: x)
    checks.check_similarity_at(exercises.similarity_at)
    summed = progress()
    assert summed.statuses == {"check_similarity_at": "passed", "check_similarity_matrix": "wrong"}
    assert repr(summed).splitlines() == [
        "1 of 2 checks passed.",
        "  ✓ Passed        check_similarity_at",
        "  ✗ Not right yet check_similarity_matrix",
    ]


@pytest.mark.usefixtures("fresh")
def test_progress_of_named_checks():
    checks.check_similarity_at(exercises.similarity_at)
    summed = progress(["adagn", "check_similarity_at"])
    assert summed.statuses == {"check_adagn": "not tried", "check_similarity_at": "passed"}
    page = summed._repr_html_()
    assert page.count("<tr>") == 3
    assert "<strong>1 of 2 checks passed.</strong>" in page
    assert page.index("· Not tried") < page.index("✓ Passed")


@pytest.mark.usefixtures("fresh")
def test_names_in_html_are_escaped():
    assert "<code>check_&lt;b&gt;</code>" in progress(["<b>"])._repr_html_()


def test_code_in_a_message_is_code_in_html():
    page = CheckResult("check_a", "wrong", ["write `h = h + 1 < 2`, not `+=`; a lone ` stays"])
    assert "<code>h = h + 1 &lt; 2</code>, not <code>+=</code>; a lone ` stays" in (
        page._repr_html_()
    )
