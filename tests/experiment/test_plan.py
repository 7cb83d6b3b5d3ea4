"""The plan against the networks and questions there are, and against the history."""

import shlex
from collections import Counter
from dataclasses import replace

import pytest

from condlesson.__main__ import _parser
from condlesson.experiment import plan
from condlesson.experiment.answers import QUESTIONS
from condlesson.experiment.command import config_of
from condlesson.experiment.runs import (
    RECORDED_DIR,
    WITH_WEIGHTS,
    list_runs,
    needs_outputs,
    run_name,
    train_command,
)
from condlesson.experiment.sweeps import PLANNED, sweep
from condlesson.networks import NETWORKS, VARIANTS

ALL = [config for name in PLANNED for config in sweep(name)]


def test_the_questions_are_those_of_the_first_study():
    assert list(QUESTIONS) == ["help", "norm", "encoding", "place", "adagn"]
    planned = plan.FAMILIES["matrix"].questions
    assert {question.text: question.pairs for question in QUESTIONS.values()} == planned
    assert sum(len(pairs) for pairs in planned.values()) == 14


@pytest.mark.parametrize("family", plan.FAMILIES.values(), ids=lambda family: family.name)
def test_a_family_trains_what_it_compares(family):
    compared = {name for pair in family.pairs for name in pair}
    assert compared <= set(family.variants) <= set(VARIANTS)
    assert len(set(family.pairs)) == len(family.pairs)
    runs = family.runs()
    assert len(set(runs)) == len(runs)
    assert len(runs) == len(family.settings) * len(family.variants) * len(family.seeds)
    each = len(family.settings) * len(family.variants)
    assert {c.seed for c in runs[:each]} == {family.seeds[0]}  # seed by seed


def test_the_matrix_is_eight_seeds_of_ten_networks():
    counts = Counter(config.variant for config in plan.FAMILIES["matrix"].runs())
    assert counts == dict.fromkeys(VARIANTS, 8)


def test_no_planned_seed_was_looked_at_before():
    seen = {run.config.seed for run in list_runs(RECORDED_DIR)} | {100, 101, 102, 103}
    assert not seen & {c.seed for family in plan.FAMILIES.values() for c in family.runs()}


def test_every_planned_run_has_a_name_of_its_own():
    assert len({run_name(config) for config in ALL}) == len(ALL)
    assert all(config.ema_decay and config.final_images for config in ALL)
    assert {config.variant for config in plan.FULL} <= set(NETWORKS)


def test_a_planned_run_keeps_what_pages_show_of_it():
    kept = [c for c in ALL if c in WITH_WEIGHTS]
    assert sorted((c.variant, c.seed, c.images) for c in kept) == [
        ("adagn", 42, 60_000),
        ("adagn", 52, 12_800),
        ("adagn_class", 42, 60_000),
        ("sinusoidal", 52, 12_800),
    ]
    of_the_last_seed = {replace(plan.STUDY, variant=v, seed=52) for v in VARIANTS}
    assert {c for c in ALL if needs_outputs(c)} == {*plan.FULL, *of_the_last_seed}


def test_a_planned_run_can_be_asked_for_on_the_command_line():
    for config in ALL:
        words = shlex.split(train_command(config, "out", data="mnist"))
        args = _parser().parse_args(words[1:])
        assert config_of(args) == config
        assert (args.data is None) == (config.dataset == "glyphs")
