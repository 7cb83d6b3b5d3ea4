"""What the exercises and the museum say."""

import pytest
import torch

from condlesson.conditioning import AdaGN
from condlesson.data import load_subset, to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.exercises import TimeAndClass
from condlesson.experiment.analysis import estimate_pairs
from condlesson.experiment.answers import answer_all
from condlesson.experiment.comparison import losses_of, paired_difference
from condlesson.experiment.runs import (
    COMPARED,
    load_model,
    load_run,
)
from condlesson.guidance import GuidedModel
from condlesson.ideal import IdealModel
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
    run = load_run("sinusoidal")
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
        early, late = (1 + gamma).abs()
        louder[name] = (late > early).float().mean().item()
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


PAIRS = [("simple", "sinusoidal"), *(("none", v) for v in COMPARED if v != "none")]


def bars(runs):
    """The four of the figure, by the networks that are compared."""
    found = estimate_pairs(losses_of(runs), PAIRS, [COMPARED[:3]])
    return {(e.a, e.b): e for e in found}


def test_largest_gap_is_that_of_adagn(runs):
    gap = {v: -paired_difference(runs["none"], runs[v]).relative for v in COMPARED if v != "none"}
    assert gap["adagn"] > 2 * max(gap["simple"], gap["sinusoidal"])


def test_all_four_pairs_are_told(runs, everyone):
    assert {e.verdict for e in bars(runs).values()} == {"lower"}
    planned = {(e.a, e.b): e for said in answer_all(everyone).values() for e in said.estimates}
    both = set(planned) & set(bars(runs))  # the plan comes to the same
    assert {planned[pair].verdict for pair in both} == {"lower"}
    assert len(both) == 2


def test_gap_of_the_additive_networks_is_small(runs):
    for variant in ("simple", "sinusoidal"):
        assert abs(paired_difference(runs["none"], runs[variant]).relative) < 0.1


@torch.no_grad()
def test_adagn_needs_clipping_under_ddim(trained):
    alpha_bar = alphas_cumprod(linear_beta_schedule())
    x_T = torch.randn(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))  # noqa: N806
    networks = {"adagn": trained, "sinusoidal": load_model(load_run("sinusoidal"))}

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


def test_runs_tell_all_but_one_pair(everyone):
    estimates = [e for said in answer_all(everyone).values() for e in said.estimates]
    told = {(e.a, e.b): e.verdict for e in estimates}
    assert told.pop(("sinusoidal", "fourier")) == "the same"
    assert set(told.values()) == {"lower"}


def test_only_part_of_what_sinusoidal_gains_on_simple_is_the_encodings(runs, everyone):
    whole = bars(runs)["simple", "sinusoidal"]
    encoding = answer_all(everyone)["encoding"].estimates[0]
    assert (encoding.a, encoding.verdict) == ("simple_matched", "lower")
    assert 0.5 < encoding.relative / whole.relative < 0.8


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
    ends = {pair: e.interval() for pair, e in bars(runs).items()}
    assert all(high < 0 for _, high in ends.values())  # left of the line
    near = [low for pair, (low, _) in ends.items() if pair != ("none", "adagn")]
    assert ends["none", "adagn"][1] < 3 * min(near)  # far to the left
    widths = {pair: high - low for pair, (low, high) in ends.items()}
    assert max(widths, key=widths.get) == ("none", "adagn")


def test_some_lies_help_in_a_few_runs(runs):
    best = {(v, k): worst_lie(run) for v in COMPARED[1:] for k, run in enumerate(runs[v])}
    helped = {key: (lies < 1).sum().item() for key, lies in best.items() if lies.min() < 1}
    assert 0 < len(helped) < len(best) / 2
    assert {variant for variant, _ in helped} == {"adagn"}
    assert set(helped.values()) == {1}  # of ninety


@torch.no_grad()
def test_the_part_of_the_class_is_the_same_at_every_timestep():
    network, both = load_model(load_run("adagn")), TimeAndClass(10, 512)
    t = torch.arange(0, 1000, 25)
    for block in ("enc_1", "bottleneck", "dec_1"):
        layer = getattr(network, block).norm_1
        three, none = (
            torch.cat(modulation(layer, both(network.embed(t), torch.full_like(t, label))), dim=1)
            for label in (3, 10)
        )
        part = three - none
        assert part.abs().mean() > 0.1
        assert (part - part[:1]).abs().max() < 1e-4


def ideal():
    data = load_subset()
    images, labels = to_model_range(data.train_images[:512]), data.train_labels[:512].long()
    return IdealModel(images, labels, alphas_cumprod(linear_beta_schedule()), 10)


def test_the_class_helps_the_ideal_model_from_the_middle_on():
    model, generator = ideal(), torch.Generator().manual_seed(11)
    picks = torch.randint(0, 512, (150,), generator=generator)
    noise, told = torch.randn(150, 1, 28, 28, generator=generator), model.labels[picks]
    shares = {}
    for t in (300, 500, 950):
        x_t = q_sample(model.images[picks], t, noise, model.alphas_cumprod)
        losses = [
            (model(x_t, t, c) - noise).square().mean() for c in (told, torch.full_like(told, 10))
        ]
        shares[t] = (losses[0] / losses[1]).item()
    assert shares[300] > 0.97
    assert 0.4 < shares[500] < 0.65
    assert 0.7 < shares[950] < 0.85


def test_guidance_of_an_ideal_model_stays_with_the_data():
    model, wanted = ideal(), torch.arange(10).repeat_interleave(24)
    start = torch.randn(240, 1, 28, 28, generator=torch.Generator().manual_seed(5))
    options = {"num_steps": 20, "spacing": "trailing"}

    def drawn(scale, anew):
        guided = GuidedModel(model, wanted, scale, null_label=10)
        x = sample_ddim(guided, start, model.alphas_cumprod, noise_from_x_0=anew, **options)
        nearest = torch.cdist(x.flatten(1), model.images.flatten(1)).min(dim=1)
        is_right = torch.equal(model.labels[nearest.indices], wanted)
        different = sum(len(of.unique()) for of in nearest.indices.reshape(10, 24)) / 10
        return is_right, nearest.values.mean().item() / 28, different

    anew = {scale: drawn(scale, True) for scale in (0.5, 1.0, 2.0, 8.0)}
    kept = {scale: drawn(scale, False)[1] for scale in (1.0, 2.0, 8.0)}
    assert all(right and away < 0.01 for right, away, _ in list(anew.values())[1:])
    assert not anew[0.5][0]
    assert anew[0.5][1] > 0.05  # between two images
    assert kept[1.0] < 0.01 < 0.05 < kept[2.0] < kept[8.0]
    assert anew[8.0][2] < 0.95 * anew[1.0][2]
