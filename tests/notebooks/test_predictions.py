"""Questions of the pages, taken apart; and right answers that rest on recorded runs."""

import pytest
import torch

from condlesson import SEEDS, VARIANTS, count_parameters, load_model, load_run
from condlesson.experiment.answers import answer_all
from condlesson.experiment.comparison import paired_difference, runs_of
from condlesson.networks import DESIGNS
from condlesson.notebooks import predictions
from condlesson.probes import modulation

CONTENT = """How many
hands?

- 256, one for
  each number.

  Each hand has two.

- 128.

  A sine and a cosine each.

  And so two numbers.
"""


def test_a_question_is_taken_apart():
    asked = predictions.take_apart(CONTENT)
    assert asked.question == "How many\nhands?"
    assert asked.choices == ("256, one for each number.", "128.")
    assert asked.feedback == (
        "Each hand has two.",
        "A sine and a cosine each.\n\nAnd so two numbers.",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("- a\n\n  b\n- c\n\n  d", "question must come before its choices"),
        ("What?\n\n- a\n\n  b", "two choices or more, got 1"),
        ("What?\n\n- a\n\n  b\n\n- c", "'c' must be followed by what to say to it"),
    ],
)
def test_what_is_missing_is_said(content, message):
    with pytest.raises(ValueError, match=message):
        predictions.take_apart(content)


@pytest.fixture(scope="module")
def runs():
    return {variant: [load_run(variant, seed) for seed in SEEDS] for variant in VARIANTS}


@pytest.fixture(scope="module")
def losses(runs):
    return {v: sum(run.final_loss for run in seeds) / len(SEEDS) for v, seeds in runs.items()}


def lower(name, runs):
    """Networks that a question's pairs credit with a lower loss."""
    return {e.b for e in answer_all(runs)[name].estimates if e.verdict == "lower"}


def test_one_seed(runs):
    first = SEEDS[0]
    one, other = (load_run(v, first).final_loss for v in ("simple", "sinusoidal"))
    assert 0.01 < (one - other) / one < 0.05


def test_without_time(losses):
    additive = [losses["simple"], losses["sinusoidal"]]
    assert min(additive) < losses["none"] < 1.1 * max(additive)


def test_order_of_ten(losses):
    by_norm = {norm: [losses[v] for v in losses if DESIGNS[v].norm == norm]
               for norm in ("batch", "group")}  # fmt: skip
    assert max(by_norm["group"]) < min(by_norm["batch"])
    assert max(losses, key=losses.get) == "none"


def test_help_of_eight(runs):
    told = lower("help", runs)
    assert len(told) == 8
    gained = {e.b: -e.relative for e in answer_all(runs)["help"].estimates}
    assert min(gained, key=gained.get) == "simple"
    assert max(gained, key=gained.get) == "adagn"
    assert all(gained[v] > 0.1 for v in ("gn_additive", "adagn"))
    assert all(0.015 < gained[v] < 0.055 for v in told - {"gn_additive", "adagn"})


def test_four_questions(runs):
    decided = [name for name in ("norm", "encoding", "place", "adagn") if lower(name, runs)]
    assert decided == ["norm", "encoding", "place", "adagn"]
    first = answer_all(runs_of("small"))  # the first study, by the same rule
    verdicts = {n: {e.verdict for e in first[n].estimates} for n in decided}
    assert [n for n, said in verdicts.items() if said == {"lower"}] == ["norm", "place"]


def test_structure():
    trained = load_model(load_run("adagn"))
    embedded = trained.embed(torch.tensor([50, 950]))
    louder = {}
    for block in ("enc_1", "enc_2", "enc_3", "bottleneck", "dec_2", "dec_1"):
        gamma, _ = modulation(getattr(trained, block).norm_1, embedded)
        early, late = (1 + gamma).abs()
        louder[block] = (late > early).float().mean().item()
    assert max(louder, key=louder.get) == "dec_1"
    assert louder["enc_1"] < 0.1
    # The limits were set for this network: in that of the first study none was below 0.4.
    assert all(0.35 < louder[block] < 0.6 for block in ("enc_2", "enc_3", "bottleneck", "dec_2"))


def test_fair_pairs(runs):
    difference = paired_difference(runs["none"], runs["simple"])
    assert difference.b == "simple"
    counts = {v: count_parameters(VARIANTS[v]()) for v in VARIANTS}
    assert counts["simple"] / counts["none"] < 1.05
    assert min(counts["sinusoidal"], counts["adagn"]) / counts["none"] > 1.25
