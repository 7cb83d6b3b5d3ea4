"""Every silent bug is found by what should find it, cured by its one line, and visible."""

import ast
import inspect
import re

import pytest
import torch

from condlesson import checks, scaffold
from condlesson.embeddings import sinusoidal_embedding
from condlesson.experiment.runs import load_run
from condlesson.museum import broken, class_symptoms, symptoms
from condlesson.museum.exhibits import Choice, Question, Revealed, cured
from condlesson.museum.mistakes import MISTAKES
from condlesson.notebooks.pages import Book
from condlesson.probes import loss_by_timestep

pytestmark = pytest.mark.slow

# What `reveal` must show: a bound on a quantity of the broken code, and one on that of the cured.
# Quantities are named by how they start.
SHOWN = {
    "batch_axis": [
        ("similarity of t = 500", lambda x: x < 0.5, lambda x: x > 0.9999),
        ("of 100 timesteps", lambda n: n == 100, lambda n: n == 0),
    ],
    "unit_interval": [
        ("similarity of t = 0", lambda x: x > 0.95, lambda x: x < 0.4),
        ("distance of t = 500", lambda x: x < 0.01, lambda x: x > 2),
    ],
    "doubled_exponent": [("of 256 dimensions", lambda n: n > 120, lambda n: n < 30)],
    "bfloat16": [
        ("different embeddings", lambda n: 400 < n < 600, lambda n: n == 1000),
        ("distance of t = 800", lambda x: x == 0, lambda x: x > 2),
    ],
    "swapped_halves": [
        ("similarity to what the network knows, t = 10", lambda x: x < 0.3, lambda x: x > 0.9999),
        ("loss of the trained network", lambda x: x > 0.15, lambda x: x < 0.08),
    ],
    "other_denominator": [
        ("similarity to what the network knows, t = 10", lambda x: x > 0.999, lambda x: x > 0.9999),
        ("similarity to what the network knows, t = 999", lambda x: x < 0.5, lambda x: x > 0.9999),
        ("loss of the trained network", lambda x: x < 0.06, lambda x: x < 0.06),
    ],
    "no_activation": [("error of a single", lambda x: x < 1e-4, lambda x: x > 0.05)],
    "unregistered": [
        ("parameters", lambda n: n == 0, lambda n: n == 394_240),
        ("movement", lambda x: x == 0, lambda x: x > 0.1),
    ],
    "unsaved_features": [("similarity", lambda x: abs(x) < 0.3, lambda x: x > 0.9999)],
    "missing_one": [
        ("size of the features", lambda x: x < 0.1, lambda x: 0.9 < x < 1.1),
        ("share of the image", lambda x: 0.3 < x < 0.7, lambda x: x > 0.95),
    ],
    "cancelled_shift": [("change of the output", lambda x: x < 1e-5, lambda x: x > 0.05)],
    "in_place": [
        ("share of the parameters with a gradient", lambda x: 0 < x < 1, lambda x: x == 1),
    ],
    "always_zero": [("change of the prediction", lambda x: x == 0, lambda x: x > 1e-4)],
    "last_timestep": [
        ("draws of t = 999", lambda n: n == 0, lambda n: 50 < n < 150),
        ("draws of t = 998", lambda n: 50 < n < 150, lambda n: 50 < n < 150),
    ],
    "unscaled_betas": [
        (
            "factor of the image at the last of 100 steps",
            lambda x: 0.5 < x < 0.7,
            lambda x: x < 0.01,
        ),
        ("factor of the image at the last of 1000", lambda x: x < 0.01, lambda x: x < 0.01),
    ],
    "told_index": [
        ("first timestep told", lambda t: t == 49, lambda t: t == 980),
        ("loss of the trained network", lambda x: x > 0.15, lambda x: x < 0.06),
    ],
    "missing_root": [
        ("noise left", lambda x: x == pytest.approx(0.1**0.5), lambda x: x == pytest.approx(1)),
        ("contrast", lambda x: x < 0.6, lambda x: 0.8 < x < 1.2),
    ],
    "deaf_network": [("change of the prediction", lambda x: x == 0, lambda x: x > 1e-5)],
    "coin_of_each_block": [
        ("share that no block", lambda x: 0.0005 < x < 0.0015, lambda x: 0.095 < x < 0.105),
        ("share that some blocks", lambda x: 0.26 < x < 0.28, lambda x: x == 0),
    ],
    "no_guidance": [("change of the prediction", lambda x: x == 0, lambda x: x > 0.01)],
}

# Those that are an exercise: its label, and what runs there.
ELSEWHERE = {
    "no_activation": ("a-bug-in-the-mlp", "check_timestep_mlp(TimestepMLP)"),
    "cancelled_shift": ("a-bug-in-the-block", "check_additive_block(AdditiveBlock)"),
    "in_place": ("an-exhibit-the-line-that-does-not-train", "UNetInPlace()(x, t).mean()"),
    "last_timestep": ("a-bug-in-the-draws", "check_draw_timesteps(draw_timesteps)"),
}
every_one = pytest.mark.parametrize("name", MISTAKES)
# Seen in what trained networks predict.
TRAINED = {"swapped_halves", "other_denominator", "told_index", "missing_root"}


def test_the_catalogue_is_large_enough_and_complete():
    assert len(MISTAKES) >= 14
    assert set(SHOWN) == set(MISTAKES)
    shown = {mistake.code for mistake in MISTAKES.values()}
    assert shown == {getattr(broken, name) for name in broken.__all__}
    for field in ("title", "bug"):
        texts = [getattr(mistake, field) for mistake in MISTAKES.values()]
        assert len(set(texts)) == len(MISTAKES)
        assert all(texts)


@every_one
def test_its_source_is_an_address_and_its_page_is_in_the_book(name):
    mistake = MISTAKES[name]
    assert mistake.name == name
    assert re.fullmatch(r"https://(?:github\.com|arxiv\.org)/\S+", mistake.source)
    assert mistake.exercise in Book().with_notebook


@every_one
def test_what_should_tell_it_tells_it(name):
    mistake = MISTAKES[name]
    if mistake.check:
        result = getattr(checks, mistake.check)(mistake.code)
        assert result.status == "wrong"
        found = " ".join(result.messages)
    else:
        found = mistake.test(mistake.code)
    assert re.search(mistake.message, found), found


@every_one
def test_the_cured_version_is_right(name):
    mistake = MISTAKES[name]
    if mistake.check:
        result = getattr(checks, mistake.check)(mistake.cured)
        assert result.passed, result
    else:
        assert mistake.test(mistake.cured) == ""
        assert mistake.test.__name__ in symptoms.__all__ + class_symptoms.__all__


@every_one
def test_one_line_cures_it(name):
    code = MISTAKES[name].code
    assert len(scaffold.answer_lines(code)) == 1
    wrong, right = scaffold.scaffold(code).splitlines(), scaffold.solution(code).splitlines()
    assert wrong[0] + "\n" == scaffold.FIND
    assert sum(a != b for a, b in zip(wrong[1:], right, strict=True)) == 1
    ast.parse("\n".join(wrong))
    assert inspect.getdoc(code)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in TRAINED else n for n in MISTAKES]
)
def test_what_it_does_can_be_seen(name):
    revealed = MISTAKES[name].reveal()
    for start, of_broken, of_cured in SHOWN[name]:
        [(here, right)] = [pair for what, pair in revealed.items() if what.startswith(start)]
        assert of_broken(here), f"{start}: {here}"
        assert of_cured(right), f"{start}: {right}"


@pytest.mark.parametrize("name", ["in_place", "always_zero"])
def test_predictions_are_those_of_the_cured_network(name):
    torch.manual_seed(0)
    x, t = torch.randn(2, 1, 28, 28), torch.zeros(2, dtype=torch.long)
    models = [MISTAKES[name].code(), MISTAKES[name].cured()]
    models[1].load_state_dict(models[0].state_dict())
    with torch.no_grad():
        torch.testing.assert_close(models[0].eval()(x, t), models[1].eval()(x, t), rtol=0, atol=0)


@pytest.mark.slow
def test_the_museum_swapped_halves_cost_a_multiple_and_the_other_denominator_nothing():
    known, other, swapped = (
        loss_by_timestep(loss, t, 1000)
        for t, loss in map(
            symptoms.known_embedding_losses,
            (
                sinusoidal_embedding,
                broken.other_denominator_embedding,
                broken.swapped_halves_embedding,
            ),
        )
    )
    assert (swapped > 1.8 * known).all()
    assert swapped[-1] > 10 * known[-1]
    assert ((other / known - 1).abs() < 0.1).all()


def test_the_museum_a_network_without_a_timestep_ends_a_little_higher():
    blind, told = (load_run(name).final_loss for name in ("none", "sinusoidal"))
    assert 1.02 < blind / told < 1.2


def test_a_repaired_version_is_measured_like_the_cured_one():
    mistake = MISTAKES["bfloat16"]
    repaired = mistake.reveal(cured(broken.bfloat16_embedding))
    assert [here for here, _ in repaired.values()] == [right for _, right in repaired.values()]


def test_what_is_revealed_shows_itself_as_a_table():
    revealed = Revealed({"a number": (0.12345, 1000), "<another>": (1, 2.0)})
    assert repr(revealed).split() == [
        *["measured", "this", "code", "cured"],
        *["a", "number", "0.123", "1,000"],
        *["<another>", "1", "2"],
    ]
    row = '<td style="text-align: left">&lt;another&gt;</td><td>1</td><td>2</td>'
    assert row in revealed._repr_html_()


def test_measuring_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    for name in ("unregistered", "missing_one", "last_timestep", "in_place"):
        MISTAKES[name].reveal()
    torch.testing.assert_close(torch.rand(2), expected, rtol=0, atol=0)
    assert torch.is_grad_enabled()


def test_another_clock_is_told_from_swapped_halves():
    message = symptoms.fits_checkpoint(broken.unit_interval_embedding)
    assert "another clock" in message
    assert "swapped" not in message


@every_one
def test_the_museum_has_it(name):
    mistake = MISTAKES[name]
    page = Book().pages["museum"].text
    assert f"\n### {mistake.title}\n" in page
    label = re.sub(r"[^a-z0-9]+", "-", mistake.bug.lower()).strip("-")
    assert page.count(f"`{label}`") == 1  # in the table of symptoms
    assert mistake.source in page


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_bug_that_an_exercise_has_is_linked_from_the_museum(name):
    mistake, (label, run) = MISTAKES[name], ELSEWHERE[name]
    _, _, exhibit = Book().pages["museum"].text.partition(f"\n### {mistake.title}\n")
    assert f"<{label}>`" in exhibit.partition("\n#")[0]
    _, found, task = Book().pages[mistake.exercise].text.partition(f"({label})=\n### ")
    assert found
    assert run in task.partition("\n### ")[0]


@pytest.mark.parametrize("name", [name for name in MISTAKES if name not in ELSEWHERE])
def test_the_museum_shows_it(name):
    mistake = MISTAKES[name]
    page = Book().pages["museum"].text
    shown = mistake.code.__name__
    assert page.count(f'MISTAKES["{name}"].reveal(') == 1
    assert f"{{scaffold}} condlesson.museum.broken.{shown}\n" in page
    assert f"{{solution}} condlesson.museum.broken.{shown}\n" in page
    assert f"({mistake.source})" in page
    call = f"\n{mistake.check}({shown})\n" if mistake.check else f"{mistake.test.__name__}({shown})"
    assert call in page


# --- questions --------------------------------------------------------------------------------

ASKED = Question("What <now>?", (Choice("A", False, "Not so."), Choice("B", True, "So.")))


@every_one
def test_every_question_has_one_right_answer_and_says_why(name):
    choices = MISTAKES[name].question.choices
    assert len(choices) in (2, 3)
    assert sum(choice.is_right for choice in choices) == 1
    assert all(choice.feedback.endswith(".") for choice in choices)


def test_right_answers_are_not_always_in_the_same_place():
    places = {
        [c.is_right for c in mistake.question.choices].index(True) for mistake in MISTAKES.values()
    }
    assert places == {0, 1, 2}


def test_a_terminal_shows_answers_by_letters():
    assert repr(ASKED) == "Predict: What <now>?\n  a) A\n  b) B"
    assert ASKED.answer("a") == "✗ No. Not so."
    assert ASKED.answer("b") == "✓ Right. So."
    with pytest.raises(ValueError, match="letter must be one of a, b, got 'c'"):
        ASKED.answer("c")


def test_a_notebook_folds_the_feedback():
    assert ASKED._repr_html_() == (
        "<p><strong>Predict:</strong> What &lt;now&gt;?</p>"
        "<details><summary>A</summary><p>✗ No. Not so.</p></details>"
        "<details><summary>B</summary><p>✓ Right. So.</p></details>"
    )
