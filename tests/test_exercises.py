import math

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from condlesson import exercises
from condlesson.conditioning import AdaGN
from condlesson.sampling import ddim_step

T_VALUES = [0, 1, 50, 999]
FLOAT32 = {"atol": 1e-4, "rtol": 0}  # float32 has t * w to 6e-5 radians at t = 999


def frequencies(d_emb):
    return [10000 ** (-2 * i / d_emb) for i in range(d_emb // 2)]


def cosine(a, b):
    dot, lengths = sum(x * y for x, y in zip(a, b, strict=True)), math.hypot(*a) * math.hypot(*b)
    return dot / lengths


@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
@pytest.mark.parametrize("d_emb", [2, 8, 256])
def test_interleaved_embedding_is_the_formula(d_emb, dtype):
    expected = [
        [f(w * t) for w in frequencies(d_emb) for f in (math.sin, math.cos)] for t in T_VALUES
    ]
    emb = exercises.interleaved_embedding(torch.tensor(T_VALUES, dtype=dtype), d_emb)
    assert_close(emb, torch.tensor(expected), **FLOAT32)


@pytest.mark.parametrize("d_emb", [2, 8, 256])
def test_embed_timesteps_is_the_formula_with_all_sines_first(d_emb):
    expected = [
        [f(w * t) for f in (math.sin, math.cos) for w in frequencies(d_emb)] for t in T_VALUES
    ]
    emb = exercises.embed_timesteps(torch.tensor(T_VALUES), d_emb)
    assert_close(emb, torch.tensor(expected), **FLOAT32)
    assert_close(exercises.embed_timesteps(50, d_emb), emb[2:3])


def test_interleaved_embedding_refuses_an_odd_width_and_a_table_of_timesteps():
    with pytest.raises(RuntimeError, match="size"):
        exercises.interleaved_embedding(torch.arange(4), 5)
    with pytest.raises(RuntimeError, match="1-D"):
        exercises.interleaved_embedding(torch.zeros(2, 2), 4)


@pytest.mark.parametrize("function", [exercises.interleaved_embedding, exercises.similarity_at])
def test_solutions_stay_on_the_device_and_in_the_precision_of_t(function):
    assert function(torch.zeros(3, device="meta"), 8).device.type == "meta"
    assert function(torch.zeros(3, dtype=torch.float64), 8).dtype == torch.float64


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_similarity_at_is_the_cosine_of_two_rows(shape):
    distances = torch.randint(0, 400, shape, generator=torch.Generator().manual_seed(0))
    rows = exercises.interleaved_embedding(torch.arange(1000), 64).double()
    expected = [cosine(rows[500].tolist(), rows[500 + d].tolist()) for d in distances.flatten()]
    found = exercises.similarity_at(distances, 64)
    assert_close(found, torch.tensor(expected).reshape(shape), **FLOAT32)


def test_similarity_at_takes_a_number_and_looks_both_ways():
    assert exercises.similarity_at(0, 8).item() == 1
    assert torch.equal(exercises.similarity_at(-30, 8), exercises.similarity_at(30.0, 8))


def test_similarity_matrix_is_the_cosine_of_each_pair(draw):
    x = draw(5, 7, dtype=torch.float64)
    expected = [[cosine(a, b) for b in x.tolist()] for a in x.tolist()]
    assert_close(exercises.similarity_matrix(x), torch.tensor(expected, dtype=torch.float64))


def test_similarity_matrix_does_not_see_lengths(draw):
    x = draw(4, 3)
    lengths = torch.tensor([0.1, 1, 5, 100])[:, None]
    assert_close(exercises.similarity_matrix(lengths * x), exercises.similarity_matrix(x))
    assert_close(exercises.similarity_matrix(x).diagonal(), torch.ones(4))


def test_timestep_mlp_is_the_formula():
    module = exercises.TimestepMLP(8, 4).double()
    weights = {name: p.tolist() for name, p in module.named_parameters()}

    def linear(x, layer):
        rows = zip(weights[f"{layer}.weight"], weights[f"{layer}.bias"], strict=True)
        return [sum(w * v for w, v in zip(row, x, strict=True)) + bias for row, bias in rows]

    t = torch.tensor(T_VALUES, dtype=torch.float64)
    for value, emb in zip(T_VALUES, module(t).tolist(), strict=True):
        sinusoid = [f(w * value) for f in (math.sin, math.cos) for w in frequencies(8)]
        hidden = [x / 2 * (1 + math.erf(x / math.sqrt(2))) for x in linear(sinusoid, "linear_1")]
        assert emb == pytest.approx(linear(hidden, "linear_2"), abs=1e-9)


def test_timestep_mlp_has_the_sizes_of_the_lesson():
    module = exercises.TimestepMLP()
    assert module(torch.tensor([3, 4])).shape == (2, 512)
    with pytest.raises(TypeError, match="must be integer or floating"):
        module(torch.tensor([True]))


def test_zero_init_adagn_starts_as_group_norm(draw):
    layer, h = exercises.ZeroInitAdaGN(12, 5, 4), draw(2, 12, 3, 4)
    assert torch.equal(layer(h, draw(2, 5)), F.group_norm(h, 4))


def test_zero_init_adagn_is_adagn_with_the_1_in_the_bias(draw):
    ours, theirs = exercises.ZeroInitAdaGN(12, 5, 4), AdaGN(12, 5, 4)
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        ours.projection.bias[:12] += 1
    h, t_emb = draw(2, 12, 3, 4), draw(2, 5)
    assert_close(ours(h, t_emb), theirs(h, t_emb))


def test_zero_init_adagn_refuses_channels_that_the_groups_do_not_divide():
    with pytest.raises(ValueError, match="got 12 channels and 5 groups"):
        exercises.ZeroInitAdaGN(12, 5, 5)


def test_additive_block_is_convolution_shift_norm_relu(draw):
    block = exercises.AdditiveBlock(2, 12, 5, 4).double()
    h, t_emb = draw(2, 2, 3, 4, dtype=torch.float64), draw(2, 5, dtype=torch.float64)
    shift = torch.einsum("bd,cd->bc", t_emb, block.projection.weight) + block.projection.bias
    z = F.conv2d(h, block.conv.weight, block.conv.bias, padding=1)
    for image, out in zip(z + shift[..., None, None], block(h, t_emb), strict=True):
        for group in range(4):
            channels = image[3 * group : 3 * group + 3]
            normed = (channels - channels.mean()) / (channels.var(correction=0) + 1e-5).sqrt()
            assert_close(out[3 * group : 3 * group + 3], normed.clamp(min=0))


def test_additive_block_hears_the_timestep_and_the_bug_does_not(draw):
    h, t_emb = draw(1, 2, 3, 4), draw(2, 5)
    for groups, is_deaf in ((4, False), (12, True)):
        block = exercises.AdditiveBlock(2, 12, 5, num_groups=groups)
        here, there = block(h, t_emb[:1]), block(h, t_emb[1:])
        assert torch.allclose(here, there, atol=1e-3) == is_deaf


def test_additive_block_refuses_other_shapes(draw):
    block = exercises.AdditiveBlock(2, 12, 5, 4)
    with pytest.raises(ValueError, match=r"shift \(B, K\)"):
        block(draw(2, 2, 3, 4), draw(3, 5))
    with pytest.raises(ValueError, match="divisible by num_groups"):
        exercises.AdditiveBlock(2, 12, 5, 5)


def test_every_timestep_is_drawn_equally_often():
    torch.manual_seed(0)
    drawn = exercises.draw_timesteps(100_000, 10)
    assert (drawn.shape, drawn.dtype) == ((100_000,), torch.int64)
    counts = torch.bincount(drawn, minlength=10)
    assert len(counts) == 10
    assert (counts - 10_000).abs().max() < 500  # five standard deviations are 474


def test_timesteps_need_at_least_one():
    with pytest.raises(RuntimeError, match="expects 'from' to be less than 'to'"):
        exercises.draw_timesteps(3, 0)


def test_ddim_update_is_the_samplers_step(draw, schedule):
    x_t, noise = draw(2, 1, 3, 4, dtype=torch.float64), draw(2, 1, 3, 4, dtype=torch.float64)
    ours = exercises.ddim_update(x_t, noise, schedule[700].double(), schedule[300].double())
    assert_close(ours, ddim_step(x_t, 700, 300, noise, schedule.double()))


@pytest.mark.parametrize("alpha_bar_prev", [0.2, 0.9, 1.0])
def test_ddim_update_of_the_true_noise_noises_the_image_less(draw, alpha_bar_prev):
    x_0, noise = draw(2, 1, 3, 4, dtype=torch.float64), draw(2, 1, 3, 4, dtype=torch.float64)

    def noised(alpha_bar):
        return math.sqrt(alpha_bar) * x_0 + math.sqrt(1 - alpha_bar) * noise

    found = exercises.ddim_update(noised(0.1), noise, torch.tensor(0.1).double(), alpha_bar_prev)
    assert_close(found, noised(alpha_bar_prev))


def test_ddim_update_takes_a_level_for_each_image(draw):
    x_t, noise = draw(2, 1, 3, 4), draw(2, 1, 3, 4)
    now, before = torch.tensor([0.2, 0.5]), torch.tensor([0.4, 1.0])
    together = exercises.ddim_update(x_t, noise, now.view(2, 1, 1, 1), before.view(2, 1, 1, 1))
    for k in range(2):
        assert_close(together[k], exercises.ddim_update(x_t[k], noise[k], now[k], before[k]))
