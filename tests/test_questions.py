"""Every outcome of every question, on made-up results."""

import itertools
import re

import pytest

from condlesson.questions import QUESTIONS, VERDICTS, Question, answer
from condlesson.unet import VARIANTS
from tests.test_comparison import make_run

# Losses of three seeds, so that the second network of a pair wins, loses, or neither.
BASE = [0.050, 0.052, 0.054]
SECOND = {"b": [0.040, 0.042, 0.044], "a": [0.060, 0.062, 0.064], None: [0.051, 0.051, 0.055]}
VERDICT_OF = {
    frozenset({"b"}): "yes",
    frozenset({"a"}): "reverse",
    frozenset({None}): "cannot tell",
    frozenset({"b", None}): "partly yes",
    frozenset({"a", None}): "partly reverse",
    frozenset({"a", "b"}): "mixed",
    frozenset({"a", "b", None}): "mixed",
}


def outcomes_of(question):
    return list(itertools.product(SECOND, repeat=len(question.pairs)))


def made_up(outcomes):
    """A question of separate pairs and runs which let them come out as asked."""
    pairs, runs, names = [], {}, iter(VARIANTS)
    for outcome in outcomes:
        a, b = next(names), next(names)
        pairs.append((a, b))
        for name, losses in ((a, BASE), (b, SECOND[outcome])):
            runs[name] = [make_run(name, seed, loss) for seed, loss in enumerate(losses)]
    return tuple(pairs), runs


CASES = [(name, case) for name, question in QUESTIONS.items() for case in outcomes_of(question)]


@pytest.mark.parametrize(("name", "outcomes"), CASES)
def test_the_outcome_of_the_pairs_chooses_the_words(name, outcomes):
    question = QUESTIONS[name]
    pairs, runs = made_up(outcomes)
    said = answer(Question(question.text, pairs, question.words, question.limits), runs)
    assert said.verdict == VERDICT_OF[frozenset(outcomes)]
    assert said.sentence == question.words[said.verdict]
    for difference, outcome in zip(said.differences, outcomes, strict=True):
        assert difference.winner == (outcome and getattr(difference, outcome))


@pytest.mark.parametrize("name", QUESTIONS)
def test_words_stand_for_every_verdict_that_can_come_and_no_other(name):
    question = QUESTIONS[name]
    possible = {VERDICT_OF[frozenset(outcomes)] for outcomes in outcomes_of(question)}
    assert set(question.words) == possible <= set(VERDICTS)
    assert len(set(question.words.values())) == len(possible)


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_ask_about_networks_that_exist(name):
    assert {variant for pair in QUESTIONS[name].pairs for variant in pair} <= set(VARIANTS)


def test_the_answer_shows_the_comparisons_and_the_limits():
    question = QUESTIONS["adagn"]
    pairs, runs = made_up(["b"])
    text = answer(Question(question.text, pairs, question.words, question.limits), runs)
    shown = text.to_markdown()
    assert shown.startswith(f"**{question.words['yes']}**")
    assert len(re.findall(r"^- ", shown, re.M)) == 1
    assert "95 % interval -0.01000 to -0.01000" in shown
    assert shown.endswith(question.limits)


def test_a_variant_without_runs_is_named():
    with pytest.raises(KeyError, match="gn_additive"):
        answer(QUESTIONS["adagn"], {"adagn": []})
