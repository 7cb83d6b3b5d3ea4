"""What is said of letters and digits from fonts, from the runs of the plan's family of glyphs."""

import pytest
import torch

from condlesson.experiment import analysis, plan
from condlesson.experiment.answers import answer_all
from condlesson.experiment.comparison import runs_of_family

pytestmark = pytest.mark.slow  # a part of `make book`

FAMILY = plan.FAMILIES["glyphs"]
TOLD = FAMILY.variants[1:]


@pytest.fixture(scope="module")
def drawn():
    """For each network its runs."""
    [of_setting] = runs_of_family("glyphs").values()
    return of_setting


@pytest.fixture(scope="module")
def ways(drawn):
    """The final losses of each network: of the average, and of the last weights."""
    return [
        {v: [run.final[key] for run in seeds] for v, seeds in drawn.items()}
        for key in ("loss", "last_weights")
    ]


def estimated(losses):
    return analysis.estimate_pairs(losses, FAMILY.pairs, [FAMILY.variants])


def test_all_five_pairs_are_told_on_glyphs(ways, everyone):
    average, _ = ways
    assert analysis.fit(average).assumptions.hold
    estimates = estimated(average)
    assert [(e.verdict, e.is_small, e.pooled) for e in estimates] == 5 * [("lower", False, True)]
    among_all = {
        (e.a, e.b): e.verdict for said in answer_all(everyone).values() for e in said.estimates
    }
    assert {among_all[pair] for pair in FAMILY.pairs} == {"lower"}


def test_averaging_helps_less_than_the_trial_had_promised(ways):
    average, last = ways
    assert [e.verdict for e in estimated(average)] == [e.verdict for e in estimated(last)]
    ratio = analysis.fit(average).sd / analysis.fit(last).sd
    spreads = analysis.pilot_spreads(plan.pilot()["runs"], [("gn_additive", "adagn")])
    promised = spreads["warm-up to 0.999"][0] / spreads["last"][0]
    assert promised == pytest.approx(1 / 5, abs=0.03)
    assert ratio > 3 * promised
    # The differences are larger than the margin.
    assert all(-e.relative > plan.MARGIN for e in estimated(average))


def test_the_gain_grows_with_the_noise_on_glyphs_too(drawn, everyone):
    for runs in (drawn, everyone):
        loss = {v: torch.tensor([r.val_loss_by_t for r in runs[v]]).mean(0) for v in drawn}
        shares = {v: loss[v] / loss["gn_none"] for v in TOLD}
        for told in TOLD[1:]:
            assert shares[told][0] > 0.88
            assert shares[told][-1] < 0.5
            assert (shares[told][1:].diff() < 0).all()
        assert shares["gn_bottleneck"].min() > 0.9
        assert shares["gn_bottleneck"].max() < 1
