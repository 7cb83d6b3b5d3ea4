"""What the pages say in words of the recorded runs, checked against these runs.

Recording the runs anew may make a sentence false. Then the test that is named after its page
fails: mend the sentence, and the test with it.
"""

import pytest
import torch

from condlesson.comparison import paired_difference
from condlesson.probes import cosine_similarity_matrix, modulation, pair_similarities
from condlesson.runs import COMPARED, SEEDS, load_model, load_run
from condlesson.training import make_model


@pytest.fixture(scope="module")
def runs():
    return {variant: [load_run(variant, seed) for seed in SEEDS] for variant in COMPARED}


@pytest.fixture(scope="module")
def trained():
    return load_model(load_run("adagn", seed=42))


@torch.no_grad()
def test_exercise_2_training_widened_the_neighbourhoods_and_bent_the_clock():
    run = load_run("sinusoidal", seed=42)
    before, after = make_model(run.config), load_model(run)
    pair = [(500, 510)]
    assert pair_similarities(before.embed, pair)[0] < 0.8 < pair_similarities(after.embed, pair)[0]
    matrix = cosine_similarity_matrix(after.embed(torch.arange(0, 1000, 10)))
    assert matrix[50, 90] > 0.7  # late timesteps have moved together
    assert matrix[0, 40] < 0  # early ones have moved apart


@torch.no_grad()
def test_exercise_3_first_block_goes_down_coarse_blocks_do_not_go_up(trained):
    louder, spread = {}, {}
    for name in ("enc_1", "enc_2", "enc_3", "bottleneck", "dec_2", "dec_1"):
        t_emb = trained.embed(torch.tensor([50, 950]))
        gamma, _ = modulation(getattr(trained, name).norm_1, t_emb)
        louder[name] = (gamma[1] > gamma[0]).float().mean().item()
        spread[name] = (gamma[1].std() / gamma[0].std()).item()
    assert louder["enc_1"] < 0.2
    assert 0.4 < louder["bottleneck"] < 0.6
    assert louder["dec_1"] > 0.5
    assert all(spread[name] > 1.3 for name in ("enc_2", "enc_3", "bottleneck", "dec_2"))


@torch.no_grad()
def test_exercise_3_early_timesteps_get_most_of_the_score(trained):
    t = torch.tensor([0, 400, 990])
    for values in modulation(trained.enc_1.norm_1, trained.embed(t)):
        moved = (values - values[0]).abs().mean(dim=1)
        assert moved[1] / moved[2] > 0.6


def relative_by_timestep(runs):
    mean = {
        variant: torch.tensor([run.val_loss_by_t for run in seeds]).mean(0)
        for variant, seeds in runs.items()
    }
    return {variant: loss / mean["none"] for variant, loss in mean.items()}


def worst_lie(run):
    loss = torch.tensor(run.lie["loss"])
    return loss / loss.diagonal()[:, None]


def test_exercise_4_largest_gap_is_that_of_adagn(runs):
    gap = {v: abs(paired_difference(runs["none"], runs[v]).mean) for v in COMPARED if v != "none"}
    assert gap["adagn"] > 2 * max(gap["simple"], gap["sinusoidal"])


def test_exercise_4_gap_of_the_additive_networks_is_small(runs):
    for variant in ("simple", "sinusoidal"):
        assert abs(paired_difference(runs["none"], runs[variant]).relative) < 0.1


def test_exercise_4_additive_networks_gain_more_in_the_upper_half(runs):
    relative = relative_by_timestep(runs)
    for variant in ("simple", "sinusoidal"):
        assert relative[variant][:5].mean() > relative[variant][5:].mean() + 0.02
    assert (relative["sinusoidal"][5:] < 0.9).all()  # more than ten per cent below
    assert (relative["simple"][5:] > 0.9).all()  # a few per cent
    assert (relative["simple"][5:] < 0.98).all()


def test_takeaways_sinusoidal_ends_below_simple_by_less_than_runs_can_carry(runs):
    difference = paired_difference(runs["simple"], runs["sinusoidal"])
    assert difference.mean < 0
    assert difference.winner is None


def test_exercise_4_adagn_is_ahead_everywhere_and_most_at_high_noise(runs):
    adagn = relative_by_timestep(runs)["adagn"]
    assert adagn.max() < 1
    assert adagn.argmin() == 9
    assert 0.25 < adagn[-1] < 0.42  # about a third


def test_exercise_4_lies_are_heard_by_all_that_are_told(runs):
    assert all((worst_lie(run) == 1).all() for run in runs["none"])
    for variant in ("simple", "sinusoidal", "adagn"):
        for run in runs[variant]:
            lies = worst_lie(run)
            assert lies.max() > 24  # dozens
            assert lies.max() == lies[5:, 0].max()  # almost noise, told that it is almost clean
            assert lies[7:, 7:].max() < 1.5  # late timesteps are much alike


def test_exercise_4_scalar_buys_least(runs):
    gaps = {
        pair: paired_difference(runs[pair[0]], runs[pair[1]])
        for pair in (
            ("simple", "sinusoidal"),
            ("none", "simple"),
            ("none", "sinusoidal"),
            ("none", "adagn"),
        )
    }
    assert min(gaps, key=lambda pair: abs(gaps[pair].mean)) == ("none", "simple")
    assert max(gap.high for gap in gaps.values()) == gaps["none", "simple"].high
    assert all(gap.high < 0 for gap in gaps.values())  # all bars lie left of the line


def test_exercise_4_scalar_does_better_under_some_lies():
    lies = worst_lie(load_run("simple", seed=42))
    assert lies.min() < 0.95


def test_questions_seeds_of_the_control_spread_by_about_two_per_cent(runs):
    final = [run.val_loss[-1] for run in runs["none"]]
    assert 0.015 < (max(final) - min(final)) / min(final) < 0.035
