import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from condlesson.conditioning import AdaGN
from condlesson.data import load_subset
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.embeddings import TimestepEmbedding, sinusoidal_embedding
from condlesson.probes import (
    block_movement,
    cosine_similarity_matrix,
    layer_inputs,
    lie_matrix,
    loss_by_timestep,
    modulation,
    modulations,
    pair_similarities,
    rank_correlation,
    roughness,
    surviving_shift,
    timestep_bound,
    timestep_floor,
)
from condlesson.training import Batch, TrainConfig, evaluate, make_model, validation_batches

pytestmark = pytest.mark.usefixtures("one_thread")


def test_similarity_matrix_is_torchs(draw):
    embeddings = draw(5, 16).requires_grad_()
    matrix = cosine_similarity_matrix(embeddings)
    expected = F.cosine_similarity(embeddings[:, None], embeddings[None], dim=-1)
    torch.testing.assert_close(matrix, expected.detach(), atol=1e-6, rtol=0)
    assert not matrix.requires_grad


def test_similarity_matrix_of_sinusoids_is_the_closed_form():
    """(2 / d) sum_i cos(w_i D), which depends on the distance D alone."""
    t = [0, 7, 500]
    matrix = cosine_similarity_matrix(sinusoidal_embedding(torch.tensor(t), 256))
    frequencies = [10000 ** (-i / 128) for i in range(128)]
    for j, a in enumerate(t):
        for k, b in enumerate(t):
            expected = sum(math.cos(w * (a - b)) for w in frequencies) / 128
            assert matrix[j, k].item() == pytest.approx(expected, abs=1e-4)


def test_pair_similarities_takes_functions_and_modules():
    pairs = [(500, 503), (0, 999), (10, 10)]
    embed = TimestepEmbedding(64, 32)
    found = pair_similarities(embed, pairs)
    for (a, b), value in zip(pairs, found, strict=True):
        both = embed(torch.tensor([a, b])).detach()
        assert value == pytest.approx(F.cosine_similarity(both[0], both[1], dim=0).item(), abs=1e-6)
    assert pair_similarities(sinusoidal_embedding, pairs)[2] == pytest.approx(1)


def test_modulation_is_what_the_layer_applies(draw):
    layer = AdaGN(8, 6, num_groups=4)
    t_emb, h = draw(3, 6), draw(3, 8, 5, 5)
    gamma, beta = modulation(layer, t_emb)
    assert gamma.shape == beta.shape == (3, 8)
    assert not gamma.requires_grad
    expected = (1 + gamma)[..., None, None] * F.group_norm(h, 4) + beta[..., None, None]
    torch.testing.assert_close(layer(h, t_emb).detach(), expected)


def test_modulation_starts_at_zero_with_zero_init(draw):
    gamma, beta = modulation(AdaGN(8, 6, num_groups=4, zero_init=True), draw(3, 6))
    assert gamma.abs().max() == beta.abs().max() == 0


def test_modulations_are_those_of_each_block():
    model, t = make_model(TrainConfig(variant="adagn", width=8)), torch.tensor([3, 700])
    found = modulations(model, t)
    assert list(found) == ["enc_1", "enc_2", "enc_3", "bottleneck", "dec_2", "dec_1"]
    for name, (gamma, beta) in found.items():
        expected = modulation(model.get_submodule(name).norm_1, model.embed(t))
        assert torch.equal(gamma, expected[0])
        assert torch.equal(beta, expected[1])


def test_modulations_take_a_layer_of_the_readers_and_need_one_at_least():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.projection = nn.GroupNorm(2, 4, affine=False), nn.Linear(6, 8)

    model = nn.Sequential(Mine())
    model.embed = lambda t: torch.ones(len(t), 6)
    assert [gamma.shape for gamma, _ in modulations(model, torch.arange(3)).values()] == [(3, 4)]
    for variant in ("sinusoidal", "gn_additive"):  # none, and a shift without a gamma
        with pytest.raises(ValueError, match="model must have a layer with gamma and beta"):
            modulations(make_model(TrainConfig(variant=variant, width=8)), torch.arange(3))


@pytest.mark.parametrize(("num_timesteps", "num_bins"), [(1000, 10), (1000, 7), (12, 5), (5, 5)])
def test_loss_by_timestep_is_the_plain_loop(num_timesteps, num_bins):
    generator = torch.Generator().manual_seed(0)
    t = torch.randint(0, num_timesteps, (300,), generator=generator)
    t[:2] = torch.tensor([0, num_timesteps - 1])
    losses = torch.rand(300, generator=generator)
    found = loss_by_timestep(losses, t, num_timesteps, num_bins)
    assert found.dtype == torch.float64
    for k in range(num_bins):
        low, high = k * num_timesteps / num_bins, (k + 1) * num_timesteps / num_bins
        inside = [
            x for x, step in zip(losses.tolist(), t.tolist(), strict=True) if low <= step < high
        ]
        assert found[k].item() == pytest.approx(sum(inside) / len(inside), rel=1e-12)


def test_loss_by_timestep_has_no_number_for_an_empty_bin():
    found = loss_by_timestep(torch.tensor([2.0, 4.0]), torch.tensor([0, 99]), 1000)
    assert found[0] == 3
    assert found[1:].isnan().all()


class TimestepTold(nn.Module):
    """Predicts the timestep that it is told, in every pixel."""

    def forward(self, x_t, t):
        return t.float()[:, None, None, None].expand_as(x_t)


def test_lie_matrix_has_a_row_for_the_truth_and_a_column_for_the_lie():
    batches = {}
    for t in (2, 5):
        noise = torch.full((3, 1, 4, 4), float(t))
        batches[t] = Batch(noise, torch.full((3,), t), noise, noise)
    expected = [[0.0, 9.0, 1.0], [9.0, 0.0, 16.0]]
    assert lie_matrix(TimestepTold(), batches, [2, 5, 1]).tolist() == expected


def test_lie_matrix_holds_the_honest_loss_on_its_diagonal():
    config = TrainConfig(variant="adagn", width=8, val_images=24, batch_size=8)
    validation = validation_batches(config, load_subset())
    batches = {
        t: replace(batch, t=torch.full_like(batch.t, t))
        for t, batch in zip((50, 450, 950), validation, strict=True)
    }
    model = make_model(config).train()
    matrix = lie_matrix(model, batches, list(batches))
    for k, batch in enumerate(batches.values()):
        assert matrix[k, k].item() == evaluate(model, [batch]).mean().item()
        assert len(set(matrix[k].tolist())) == 3
    assert model.training


def test_one_channel_a_group_cancels_the_shift():
    assert surviving_shift(1) < 1e-6


def test_more_channels_a_group_let_more_of_the_shift_through():
    shares = [surviving_shift(size) for size in (1, 2, 4, 8, 16, 32)]
    assert shares == sorted(shares)
    for size, share in zip((2, 4, 8, 16, 32), shares[1:], strict=True):
        assert share == pytest.approx(1 - 1 / size, abs=0.05)


def test_surviving_shift_depends_on_its_seed_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert surviving_shift(4) == surviving_shift(4) != surviving_shift(4, seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_shift_after_the_norm_survives_whole():
    for size in (1, 2, 8):
        assert surviving_shift(size, after=True) == pytest.approx(1, abs=1e-5)


def test_the_norm_eats_as_much_of_other_feature_maps(draw):
    h = 3 * draw(32, 16, 8, 8) + torch.linspace(-2, 2, 16)[:, None, None]
    assert surviving_shift(1, h=h) < 1e-6
    for size in (2, 4, 8):
        assert surviving_shift(size, h=h) == pytest.approx(1 - 1 / size, abs=0.1)
        assert surviving_shift(size, h=h) == pytest.approx(
            surviving_shift(size, h=10 * h), rel=1e-3
        )
    with pytest.raises(ValueError, match=r"got 16 and 3\."):
        surviving_shift(3, h=h)


@pytest.mark.parametrize(("size", "channels"), [(3, 64), (0, 64), (-1, 64), (128, 64)])
def test_surviving_shift_refuses(size, channels):
    message = rf"multiple of channels_per_group, got {channels} and {size}\."
    with pytest.raises(ValueError, match=message):
        surviving_shift(size, num_channels=channels)


# --- movement of the blocks -------------------------------------------------------------------


def test_block_movement_is_the_relative_change_of_each_output(draw):
    class TwoBlocks(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.deaf, self.hearing = torch.nn.Identity(), torch.nn.Identity()

        def forward(self, x_t, t):
            return self.hearing(self.deaf(x_t) * (1 + t[:, None, None, None]))

    x_t = draw(3, 1, 4, 4)
    moved = block_movement(TwoBlocks(), x_t, 1, 4, blocks=("deaf", "hearing"))
    assert moved == {"deaf": 0.0, "hearing": pytest.approx((5 - 2) / 2)}


def test_block_movement_leaves_no_hook_behind(draw):
    model = make_model(TrainConfig(variant="adagn", width=8)).eval()
    moved = block_movement(model, draw(2, 1, 28, 28), 10, 900)
    assert all(value > 0 for value in moved.values())
    assert [name for name, module in model.named_modules() if module._forward_hooks] == []
    with pytest.raises(AttributeError, match="enc_9"):
        block_movement(model, draw(2, 1, 28, 28), 10, 900, blocks=("enc_9",))


# --- what goes into a layer -------------------------------------------------------------------


def test_layer_inputs_are_what_the_layer_was_given(draw):
    model = make_model(TrainConfig(variant="adagn", width=8)).eval()
    x_t, t = draw(2, 1, 28, 28), torch.tensor([10, 900])
    found = layer_inputs(model, x_t, t, ["enc_1.norm_1", "head"])
    assert torch.equal(found["enc_1.norm_1"], model.enc_1.conv_1(x_t))
    assert torch.equal(model.head(found["head"]), model(x_t, t))
    assert [name for name, module in model.named_modules() if module._forward_hooks] == []


def test_roughness_is_one_less_the_correlation_of_neighbours(draw):
    h = draw(4, 2, 12, 12)
    h[:, 1] = F.avg_pool2d(h[:, 1], 3, stride=1, padding=1)
    for channel, found in enumerate(roughness(h).tolist()):
        x = h[:, channel]
        pairs = [(x[:, 1:], x[:, :-1]), (x[:, :, 1:], x[:, :, :-1])]
        alike = [torch.corrcoef(torch.stack([a.ravel(), b.ravel()]))[0, 1] for a, b in pairs]
        assert found == pytest.approx(1 - sum(alike).item() / 2, abs=0.03)


def test_roughness_tells_smooth_from_white_from_a_chessboard(draw):
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    smooth, chess = (rows / 64).float(), 1.0 - 2 * ((rows + columns) % 2)
    h = torch.stack([smooth, draw(64, 64), chess])[None]
    assert roughness(5 + 3 * h).tolist() == pytest.approx([0, 1, 2], abs=0.05)
    assert roughness(torch.ones(1, 1, 4, 4)).isnan().all()


def test_rank_correlation_is_pearsons_of_the_ranks():
    a, b = torch.tensor([0.1, 5.0, 3.0, 2.0]), torch.tensor([1.0, 2.0, 30.0, 4.0])
    squares = (0 - 0) ** 2 + (3 - 1) ** 2 + (2 - 3) ** 2 + (1 - 2) ** 2
    assert rank_correlation(a, b) == pytest.approx(1 - 6 * squares / (4 * 15))
    assert rank_correlation(a, a.exp()) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)


# --- how well pixels tell the timestep ---------------------------------------------------------


def test_no_guess_from_known_pixels_beats_the_bound_and_a_good_one_reaches_it(schedule):
    """Maximum likelihood from 784 pixels that are known to be -1, in a plain loop."""
    generator = torch.Generator().manual_seed(0)
    bound, alpha_bar = timestep_bound(schedule, 784), schedule.double()
    for t in (150, 400, 600):
        noise = torch.randn(800, 784, generator=generator)
        x_t = q_sample(torch.full_like(noise, -1), t, noise, schedule)
        moments = x_t.double().square().mean(1)[:, None], x_t.double().mean(1)[:, None]
        misfit = moments[0] + 2 * alpha_bar.sqrt() * moments[1] + alpha_bar
        likelihood = -(misfit / (1 - alpha_bar) + (1 - alpha_bar).log())
        spread = (likelihood.argmax(dim=1) - t).double().square().mean().sqrt().item()
        assert bound[t].item() < 1.1 * spread < 1.3 * bound[t].item()


def test_the_bound_falls_with_the_root_of_the_pixels(schedule):
    few, many = timestep_bound(schedule, 100), timestep_bound(schedule, 400)
    torch.testing.assert_close(few, 2 * many)
    assert (timestep_bound(schedule, 100, mean_square=0.1) > few).all()


@pytest.mark.parametrize("t", [[-1, 5], [0, 1000], [5]])
def test_losses_of_timesteps_beyond_the_clock_are_refused(t):
    with pytest.raises(
        ValueError, match=r"t must have the shape of losses, \(2,\), and values in 0"
    ):
        loss_by_timestep(torch.ones(2), torch.tensor(t), 1000)


def test_losses_of_small_integers_are_binned_as_of_large_ones():
    t = torch.tensor([30, 250], dtype=torch.uint8)
    assert loss_by_timestep(torch.tensor([1.0, 2.0]), t, 300, 3).nan_to_num(0).tolist() == [1, 0, 2]


@pytest.mark.parametrize("values", [[1.0, math.nan, 2.0], [1.0, 1.0, 2.0], [1.0], [[1.0, 2.0]]])
def test_what_has_no_ranks_is_refused(values):
    with pytest.raises(ValueError, match="must "):
        rank_correlation(torch.tensor(values), torch.arange(3.0))


def test_a_timestep_is_not_counted_from_the_end():
    with pytest.raises(ValueError, match=r"timesteps must lie in 0 \.\. 999, got \[-1\]"):
        timestep_floor(alphas_cumprod(linear_beta_schedule()), 100, [-1])
