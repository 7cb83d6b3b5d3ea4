"""What the exercises and the museum say."""

import pytest
import torch

from condlesson.conditioning import AdaGN
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.experiment.answers import QUESTIONS, answer
from condlesson.experiment.comparison import paired_difference, runs_of
from condlesson.experiment.runs import (
    COMPARED,
    load_model,
    load_run,
)
from condlesson.probes import (
    cosine_similarity_matrix,
    modulation,
    pair_similarities,
)
from condlesson.sampling import predict_x_0, sample_ddim
from condlesson.training import make_model

pytestmark = pytest.mark.slow  # a part of `make book`


@torch.no_grad()
def test_zero_init_adagn_is_group_norm():
    layer, h = AdaGN(64, 512, 32, zero_init=True), torch.randn(2, 64, 8, 8)
    for t_emb in torch.randn(3, 2, 512):
        assert torch.equal(layer(h, t_emb), torch.nn.GroupNorm(32, 64, affine=False)(h))


@torch.no_grad()
def test_training_widened_the_neighbourhoods_and_bent_the_clock():
    run = load_run("sinusoidal", seed=42)
    before, after = make_model(run.config), load_model(run)
    pair = [(500, 510)]
    assert pair_similarities(before.embed, pair)[0] < 0.8 < pair_similarities(after.embed, pair)[0]
    matrix = cosine_similarity_matrix(after.embed(torch.arange(0, 1000, 10)))
    assert matrix[50, 90] > 0.7  # late timesteps have moved together
    assert matrix[0, 40] < 0  # early ones have moved apart


@torch.no_grad()
def test_first_block_goes_down_coarse_blocks_do_not_go_up(trained):
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
def test_early_timesteps_get_most_of_the_score(trained):
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


def test_largest_gap_is_that_of_adagn(runs):
    gap = {v: abs(paired_difference(runs["none"], runs[v]).mean) for v in COMPARED if v != "none"}
    assert gap["adagn"] > 2 * max(gap["simple"], gap["sinusoidal"])


def test_gap_of_the_additive_networks_is_small(runs):
    for variant in ("simple", "sinusoidal"):
        assert abs(paired_difference(runs["none"], runs[variant]).relative) < 0.1


@torch.no_grad()
def test_adagn_needs_clipping_under_ddim(trained):
    alpha_bar = alphas_cumprod(linear_beta_schedule())
    x_T = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))  # noqa: N806
    networks = {"adagn": trained, "sinusoidal": load_model(load_run("sinusoidal", seed=42))}

    def end(name, clip):
        images = sample_ddim(
            networks[name], x_T, alpha_bar, num_steps=30, spacing="trailing", clip_x_0=clip
        )
        return images.square().mean().sqrt()

    for network in networks.values():
        noise = network(x_T, torch.full((8,), 999))
        assert predict_x_0(x_T, 999, noise, alpha_bar).square().mean().sqrt() > 8
    assert end("adagn", clip=False) > 3
    assert max(end("adagn", clip=True), end("sinusoidal", clip=False)) < 1.1


def test_runs_name_winners_for_the_norm_and_every_block():
    runs = runs_of("small")
    winners = {
        name: {pair.winner for pair in answer(question, runs).differences}
        for name, question in QUESTIONS.items()
    }
    assert winners.pop("help") == {None, "gn_additive", "adagn"}
    assert winners.pop("norm") == {"gn_none", "gn_bottleneck"}
    assert all(names == {None} for names in winners.values())


def test_sinusoidal_ends_below_simple_by_less_than_runs_can_carry(runs):
    difference = paired_difference(runs["simple"], runs["sinusoidal"])
    assert difference.mean < 0
    assert difference.winner is None


def test_adagn_is_ahead_everywhere_and_most_at_high_noise(runs):
    adagn = relative_by_timestep(runs)["adagn"]
    assert adagn.max() < 1
    assert adagn.argmin() == 9
    assert 0.25 < adagn[-1] < 0.42  # about a third


def test_lies_are_heard_by_all_that_are_told(runs):
    assert all((worst_lie(run) == 1).all() for run in runs["none"])
    for variant in ("simple", "sinusoidal", "adagn"):
        for run in runs[variant]:
            lies = worst_lie(run)
            assert lies.max() > 24  # dozens
            assert lies.max() == lies[5:, 0].max()  # almost noise, told that it is almost clean
            assert lies[7:, 7:].max() < 1.5  # late timesteps are much alike


def test_bars_lie_as_the_figures_description_says(runs):
    def bar(a, b):
        return paired_difference(runs[a], runs[b])

    assert bar("simple", "sinusoidal").high < 0  # left of the line
    assert bar("none", "sinusoidal").high < 0
    assert bar("none", "simple").low < 0 < bar("none", "simple").high  # across it
    assert bar("none", "adagn").high < 2 * bar("none", "sinusoidal").low  # far to the left


def test_scalar_does_better_under_some_lies():
    lies = worst_lie(load_run("simple", seed=42))
    assert worst_lie(load_run("sinusoidal", seed=42)).min() < lies.min() < 0.95


def test_seeds_of_the_control_spread_by_more_than_two_per_cent(runs):
    final = [run.val_loss[-1] for run in runs["none"]]
    assert (max(final) - min(final)) / min(final) > 0.02
