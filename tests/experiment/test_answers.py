"""Every outcome of every question, on made-up results."""

import itertools
import re
from dataclasses import replace

import pytest

from condlesson.experiment.answers import QUESTIONS, VERDICTS, Pair, answer, bonferroni
from condlesson.experiment.runs import train_command
from condlesson.unet import VARIANTS
from tests.experiment.test_comparison import make_run

# Losses of three seeds, so that the second network of a pair wins, loses, or neither: because the
# seeds scatter, or because the difference is small.
BASE = [0.050, 0.052, 0.054]
SECOND = {
    "b": [0.040, 0.042, 0.044],
    "a": [0.060, 0.062, 0.064],
    "scattered": [0.045, 0.054, 0.054],
    "small": [0.0499, 0.0519, 0.0539],
}
OUTCOMES = ("b", "a", None)
VERDICT_OF = {
    frozenset({"b"}): "yes",
    frozenset({"a"}): "reverse",
    frozenset({None}): "cannot tell",
    frozenset({"b", None}): "partly yes",
    frozenset({"a", None}): "partly reverse",
    frozenset({"a", "b"}): "mixed",
    frozenset({"a", "b", None}): "mixed",
}


# Of a question with many pairs, one of each kind stands for all.
FEW = 3


def outcomes_of(question):
    return list(itertools.product(OUTCOMES, repeat=min(len(question.pairs), FEW)))


def made_up(question, outcomes):
    """The question, with separate pairs of runs that let it come out as asked."""
    names, runs, pairs = iter(VARIANTS), {}, []
    for pair, outcome in zip(question.pairs, outcomes, strict=False):
        a, b = next(names), next(names)
        pairs.append(Pair(a, b, pair.change))
        undecided = "small" if len(runs) % 4 else "scattered"
        for name, losses in ((a, BASE), (b, SECOND[outcome or undecided])):
            runs[name] = [make_run(name, seed, loss) for seed, loss in enumerate(losses)]
    return replace(question, pairs=tuple(pairs)), runs


CASES = [(name, case) for name, question in QUESTIONS.items() for case in outcomes_of(question)]


@pytest.mark.parametrize(("name", "outcomes"), CASES)
def test_the_outcome_of_the_pairs_chooses_the_words(name, outcomes):
    question, runs = made_up(QUESTIONS[name], outcomes)
    said = answer(question, runs)
    assert said.verdict == VERDICT_OF[frozenset(outcomes)]
    assert said.sentence.startswith(question.words[said.verdict].split("{")[0])
    for difference, outcome in zip(said.differences, outcomes, strict=True):
        assert difference.winner == (outcome and getattr(difference, outcome))


@pytest.mark.parametrize(("name", "outcomes"), CASES)
def test_a_verdict_that_is_not_of_one_piece_names_each_pair_where_it_belongs(name, outcomes):
    question, runs = made_up(QUESTIONS[name], outcomes)
    said = answer(question, runs)
    if said.verdict not in ("partly yes", "partly reverse", "mixed"):
        return
    where = {"b": "lower", "a": "higher", None: "open"}
    named = {slot: [] for slot in where.values()}
    for pair, outcome in zip(question.pairs, outcomes, strict=True):
        named[where[outcome]].append(pair.change)
    filled = {
        slot: re.sub(", (?!.*, )", " and ", ", ".join(names)) for slot, names in named.items()
    }
    expected = question.words[said.verdict].format(**filled)
    if said.verdict == "mixed" and named["open"]:
        expected += f" For {filled['open']} they cannot tell."
    assert said.sentence == expected
    assert all(len(re.findall(rf"\b{p.change}\b", said.sentence)) == 1 for p in question.pairs)


@pytest.mark.parametrize("name", QUESTIONS)
def test_words_put_each_change_beside_what_it_does(name):
    forms = {
        "lower": r"lowers the loss (?:of|for) \{lower\}|\{lower\} lowers the loss",
        "higher": r"raises (?:it|that|the loss) (?:of|for) \{higher\}|\{higher\} raises it"
        r"|\{higher\} raises the loss",
        "open": r"For \{open\} these runs cannot tell",
    }
    slots = {"partly yes": ["lower", "open"], "partly reverse": ["higher", "open"]}
    for verdict, sentence in QUESTIONS[name].words.items():
        expected = ["lower", "higher"] if verdict == "mixed" else slots.get(verdict, [])
        assert re.findall(r"\{(\w+)\}", sentence) == expected
        assert all(re.search(forms[slot], sentence) for slot in expected)


@pytest.mark.parametrize("name", QUESTIONS)
def test_words_stand_for_every_verdict_that_can_come_and_no_other(name):
    question = QUESTIONS[name]
    possible = {VERDICT_OF[frozenset(outcomes)] for outcomes in outcomes_of(question)}
    assert set(question.words) == possible <= set(VERDICTS)
    assert len(set(question.words.values())) == len(possible)


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_ask_about_networks_that_exist(name):
    pairs = QUESTIONS[name].pairs
    assert {variant for pair in pairs for variant in (pair.a, pair.b)} <= set(VARIANTS)


def test_every_network_that_is_told_t_is_asked_whether_it_helps():
    told = {pair.b for pair in QUESTIONS["help"].pairs}
    assert told == set(VARIANTS) - {"none", "gn_none"}


def test_the_answer_is_told_with_its_limits():
    question, runs = made_up(QUESTIONS["adagn"], ["b"])
    shown = answer(question, runs).to_markdown()
    assert shown == f"**{question.words['yes']}** {question.limits}"


def test_one_seed_answers_nothing():
    question, runs = made_up(QUESTIONS["help"], ["b", "a", "b"])
    said = answer(question, {name: seeds[:1] for name, seeds in runs.items()})
    assert said.verdict == "cannot tell"
    assert said.differences[0].verdict == "cannot tell: seeds scatter"


def test_runs_that_are_missing_are_named_with_their_commands():
    asked = QUESTIONS["adagn"]
    question, runs = made_up(asked, ["b" for _ in asked.pairs])
    runs = {name: list(seeds) for name, seeds in runs.items()}
    missing = runs[question.pairs[0].b].pop()
    with pytest.raises(ValueError, match=r"all that the question compares, 1 are missing") as error:
        answer(question, runs)
    [command] = str(error.value).splitlines()[1:]
    assert command == train_command(missing.config, "OUT")
    with pytest.raises(ValueError, match=r"train --variant gn_additive --seed 42 .*--data DIR"):
        answer(asked, {})


def test_bonferroni_shares_the_chance_to_miss():
    assert bonferroni(1) == pytest.approx(0.95)
    assert bonferroni(10) == pytest.approx(0.995)
    assert bonferroni(4, level=0.8) == pytest.approx(0.95)
    with pytest.raises(ValueError, match="comparisons must be at least 1, got 0"):
        bonferroni(0)
