"""The questions on made-up results: each pair's words, what is pooled, and what is missing."""

import math
from dataclasses import replace

import pytest

from condlesson.experiment.analysis import conclude, estimate_pairs, fit
from condlesson.experiment.answers import QUESTIONS, answer, answer_all
from condlesson.experiment.runs import train_command
from condlesson.networks import DESIGNS, VARIANTS
from tests.experiment.test_comparison import make_run

EFFECT = {"none": 1.0, "gn_none": 0.9, "gn_bottleneck": 0.88, "gn_additive": 0.8, "adagn": 0.75}


def made_up(effects, seeds=4, scatter=0.004):
    """Runs of networks whose losses are shares of a seed's own; a little luck in each run."""
    runs = {}
    for k, name in enumerate(VARIANTS):
        losses = [
            0.05 * effects.get(name, 0.97) * (1 + 0.01 * s + scatter * math.sin(7 * k + 3 * s))
            for s in range(seeds)
        ]
        runs[name] = [make_run(name, s, loss) for s, loss in enumerate(losses)]
    return runs


def losses_of(runs):
    return {name: [run.val_loss[-1] for run in of] for name, of in runs.items()}


def test_a_network_that_the_plan_does_not_compare_is_no_hindrance():
    runs = made_up(EFFECT)
    more = {**runs, "adagn_class": [make_run("adagn_class", s, 0.04) for s in range(4)]}
    question = QUESTIONS["adagn"]
    assert answer(question, more).estimates[0].mean == answer(question, runs).estimates[0].mean


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_has_the_words_of_its_pairs_and_its_limits(name):
    question = QUESTIONS[name]
    said = answer(question, made_up(EFFECT))
    assert [(e.a, e.b) for e in said.estimates] == list(question.pairs)
    assert said.sentence == " ".join(conclude(e) for e in said.estimates)
    *bullets, blank, limits = said.to_markdown().split("\n")
    assert bullets == [f"- {conclude(e)}" for e in said.estimates]
    assert (blank, limits) == ("", question.limits)


@pytest.mark.parametrize("share", [0.8, 1.25, 1.0])
def test_the_numbers_choose_the_verdict(share):
    [found] = answer(QUESTIONS["adagn"], made_up({**EFFECT, "adagn": 0.8 * share})).estimates
    assert found.verdict == {0.8: "lower", 1.25: "higher", 1.0: "the same"}[share]


def test_where_the_seeds_scatter_the_answer_is_open():
    said = answer(QUESTIONS["place"], made_up({}, scatter=0.1))
    assert said.estimates[0].verdict == "open"
    assert said.sentence.startswith("Whether gn_additive ends below or above gn_bottleneck is open")


def test_all_questions_are_answered_as_the_plan_judges_its_family():
    runs = made_up(EFFECT, seeds=8)
    found = [e for said in answer_all(runs).values() for e in said.estimates]
    groups = [[v for v in VARIANTS if DESIGNS[v].norm == norm] for norm in ("batch", "group")]
    pairs = [pair for question in QUESTIONS.values() for pair in question.pairs]
    assert found == estimate_pairs(losses_of(runs), pairs, groups)
    assert {e.comparisons for e in found} == {len(pairs)}


def test_a_question_alone_shares_the_chance_to_miss_among_its_own_pairs():
    said = answer(QUESTIONS["encoding"], made_up(EFFECT))
    assert {e.comparisons for e in said.estimates} == {2}


def test_networks_beside_those_asked_about_tell_of_the_scatter():
    runs = made_up(EFFECT)
    two = {name: runs[name] for name in QUESTIONS["adagn"].pairs[0]}
    four = {name: of for name, of in runs.items() if DESIGNS[name].norm == "group"}
    assert [answer(QUESTIONS["adagn"], of).estimates[0].df for of in (two, four, runs)] == [3, 9, 9]
    assert answer(QUESTIONS["adagn"], runs).estimates[0].error == pytest.approx(
        fit(losses_of(four)).sd * math.sqrt(2 / 4)
    )
    fewer = {**two, "gn_none": runs["gn_none"][:2]}  # of other seeds: left out
    assert answer(QUESTIONS["adagn"], fewer) == answer(QUESTIONS["adagn"], two)


@pytest.mark.parametrize("name", QUESTIONS)
def test_one_seed_answers_nothing(name):
    said = answer(QUESTIONS[name], made_up(EFFECT, seeds=1))
    assert {e.verdict for e in said.estimates} == {"open"}
    assert said.sentence.count("One seed gives no interval") == len(said.estimates)


def test_runs_that_are_missing_are_named_with_their_commands():
    asked, runs = QUESTIONS["adagn"], made_up(EFFECT)
    missing = runs[asked.pairs[0][1]].pop()
    with pytest.raises(ValueError, match=r"all that the question compares, 1 are missing") as error:
        answer(asked, runs)
    [command] = str(error.value).splitlines()[1:]
    assert command == train_command(missing.config, "OUT")
    with pytest.raises(ValueError, match=r"train --variant gn_additive --seed 42 .*--data DIR"):
        answer(asked, {})


def test_runs_of_two_sizes_are_refused():
    runs = made_up(EFFECT)
    narrow = [replace(run, config=replace(run.config, width=16)) for run in runs["none"]]
    with pytest.raises(ValueError, match="runs must differ in their variant and seed only"):
        answer(QUESTIONS["adagn"], {**runs, "none": narrow})
