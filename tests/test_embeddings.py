"""Sinusoidal embedding against diffusers and a float64 loop; the MLP; what is refused."""

import itertools
import math

import numpy as np
import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import nn
from torch.testing import assert_close

from condlesson import (
    TimestepEmbedding,
    cosine_similarity_at,
    count_parameters,
    random_table,
    sinusoidal_embedding,
    sinusoidal_frequencies,
)
from condlesson.embeddings import (
    DENOMINATORS,
    LAYOUTS,
    FourierTimestepEmbedding,
)

pytestmark = pytest.mark.usefixtures("one_thread")

OPTIONS = list(itertools.product(LAYOUTS, DENOMINATORS))
NARROW = 'd_emb with denominator="half_minus_one" must be at least 4, got 3'
TIMESTEPS = [0.0, 1.0, 3.0, 49.5, 500.0, 501.0, 999.0, -7.25]


def embedding_by_hand(t, d_emb, max_period, layout, denominator):
    """One row, number by number, from the formula of the docstring."""
    half = d_emb // 2
    divisor = {"half": half, "half_minus_one": half - 1}[denominator]
    angles = [t * max_period ** (-i / divisor) for i in range(half)]
    sin, cos = [math.sin(a) for a in angles], [math.cos(a) for a in angles]
    pairs = [value for pair in zip(sin, cos, strict=True) for value in pair]
    row = {"sin_cos": sin + cos, "cos_sin": cos + sin, "interleaved": pairs}[layout]
    return row + [0.0] * (d_emb - len(row))


@pytest.mark.parametrize(("layout", "denominator"), OPTIONS)
@pytest.mark.parametrize(("d_emb", "max_period"), [(4, 10000.0), (7, 10000.0), (64, 50.0), (33, 1)])
def test_embedding_is_the_formula(layout, denominator, d_emb, max_period):
    t = torch.tensor(TIMESTEPS, dtype=torch.float64)
    options = {"max_period": max_period, "layout": layout, "denominator": denominator}
    rows = [embedding_by_hand(value, d_emb, **options) for value in TIMESTEPS]
    expected = torch.tensor(rows, dtype=torch.float64)
    assert_close(sinusoidal_embedding(t, d_emb, **options), expected, rtol=0, atol=1e-12)
    # float32: an angle near 1000 is known to within 6e-5
    assert_close(
        sinusoidal_embedding(t.float(), d_emb, **options), expected.float(), rtol=0, atol=2e-4
    )


@pytest.mark.parametrize("d_emb", [4, 5, 33, 256])
@pytest.mark.parametrize("max_period", [10000, 77])
@pytest.mark.parametrize(
    ("layout", "flip_sin_to_cos", "denominator", "downscale_freq_shift"),
    [
        ("sin_cos", False, "half_minus_one", 1),
        ("sin_cos", False, "half", 0),
        ("cos_sin", True, "half_minus_one", 1),
        ("cos_sin", True, "half", 0),
    ],
)
def test_embedding_is_that_of_diffusers(
    d_emb, max_period, layout, flip_sin_to_cos, denominator, downscale_freq_shift
):
    t = torch.arange(1000)
    theirs = get_timestep_embedding(
        t,
        d_emb,
        flip_sin_to_cos=flip_sin_to_cos,
        downscale_freq_shift=downscale_freq_shift,
        max_period=max_period,
    )
    ours = sinusoidal_embedding(
        t, d_emb, max_period=max_period, layout=layout, denominator=denominator
    )
    assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_defaults_are_the_lessons():
    expected = embedding_by_hand(500, 256, 10000.0, "sin_cos", "half")
    assert_close(sinusoidal_embedding(500)[0], torch.tensor(expected), rtol=0, atol=1e-4)


def test_width_four_can_be_done_on_paper():
    expected = torch.tensor([[math.sin(3), math.sin(0.03), math.cos(3), math.cos(0.03)]])
    assert_close(sinusoidal_embedding(3, 4), expected)


@pytest.mark.parametrize("denominator", DENOMINATORS)
@pytest.mark.parametrize("d_emb", [8, 9])
def test_layouts_are_permutations_of_each_other(denominator, d_emb):
    t = torch.arange(0, 1000, 37)
    by_layout = {
        layout: sinusoidal_embedding(t, d_emb, layout=layout, denominator=denominator)
        for layout in LAYOUTS
    }
    pad = [8] if d_emb % 2 else []
    swapped = [4, 5, 6, 7, 0, 1, 2, 3, *pad]
    woven = [0, 4, 1, 5, 2, 6, 3, 7, *pad]
    assert torch.equal(by_layout["cos_sin"], by_layout["sin_cos"][:, swapped])
    assert torch.equal(by_layout["interleaved"], by_layout["sin_cos"][:, woven])


@pytest.mark.parametrize(("layout", "denominator"), OPTIONS)
@pytest.mark.parametrize("d_emb", [4, 5, 256])
def test_every_embedding_has_the_same_norm(layout, denominator, d_emb):
    emb = sinusoidal_embedding(torch.arange(1000), d_emb, layout=layout, denominator=denominator)
    assert emb.shape == (1000, d_emb)
    assert_close(emb.norm(dim=1), torch.full((1000,), math.sqrt(d_emb // 2)))


@pytest.mark.parametrize(
    "t",
    [
        500,
        500.0,
        np.int64(500),
        np.float64(500),
        torch.tensor(500),
        torch.tensor(500.0),
        torch.tensor([500]),
        torch.tensor([500], dtype=torch.int16),
        torch.tensor([500.0], dtype=torch.float16),
        torch.tensor([500.0], dtype=torch.bfloat16),
    ],
    ids=lambda t: f"{type(t).__name__}-{getattr(t, 'dtype', '')}",
)
def test_every_kind_of_t_gives_the_same_float32_row(t):
    emb = sinusoidal_embedding(t, 16)
    assert emb.dtype == torch.float32
    assert emb.shape == (1, 16)
    assert torch.equal(emb, sinusoidal_embedding(torch.tensor([500.0]), 16))


def test_float64_stays_float64():
    t = torch.tensor([1 / 3], dtype=torch.float64)
    emb = sinusoidal_embedding(t, 16)
    assert emb.dtype == torch.float64
    assert emb[0, 0].item() == pytest.approx(math.sin(1 / 3), abs=1e-15)


def test_an_empty_batch_gives_no_rows():
    emb = sinusoidal_embedding(torch.empty(0, dtype=torch.long), 6)
    assert emb.shape == (0, 6)
    assert TimestepEmbedding(6, 5)(torch.empty(0)).shape == (0, 5)


def test_a_row_does_not_depend_on_its_batch():
    batch = sinusoidal_embedding(torch.tensor([0, 50, 500]), 64)
    assert torch.equal(batch[1:2], sinusoidal_embedding(50, 64))


@pytest.mark.parametrize(
    ("denominator", "slowest"), [("half", 10000 ** (-7 / 8)), ("half_minus_one", 1 / 10000)]
)
def test_frequencies_fall_from_one(denominator, slowest):
    w = sinusoidal_frequencies(16, denominator=denominator, dtype=torch.float64)
    assert w.shape == (8,)
    assert w.dtype == torch.float64
    assert w[0] == 1
    assert w[-1].item() == pytest.approx(slowest, rel=1e-12)
    ratios = w[1:] / w[:-1]
    assert_close(ratios, ratios[:1].expand(7))


def test_frequencies_have_defaults_and_go_where_they_are_sent():
    w = sinusoidal_frequencies()
    assert w.shape == (128,)
    assert w.dtype == torch.float32
    assert w[-1].item() == pytest.approx(10000 ** (-127 / 128), rel=1e-5)
    assert sinusoidal_frequencies(8, device="meta").device.type == "meta"


def test_embedding_stays_on_the_device_of_t():
    t = torch.empty(3, dtype=torch.long, device="meta")
    assert sinusoidal_embedding(t, 8).device.type == "meta"


def test_the_smallest_widths():
    assert_close(sinusoidal_embedding(2, 2), torch.tensor([[math.sin(2), math.cos(2)]]))
    expected = [math.sin(2), math.sin(2 / 10000), math.cos(2), math.cos(2 / 10000)]
    ours = sinusoidal_embedding(2, 4, denominator="half_minus_one")
    assert_close(ours, torch.tensor([expected]))


@pytest.mark.parametrize("denominator", DENOMINATORS)
@pytest.mark.parametrize(("d_emb", "max_period"), [(256, 10000.0), (10, 300.0)])
def test_similarity_depends_on_the_distance_alone(denominator, d_emb, max_period):
    options = {"max_period": max_period, "denominator": denominator}
    t = torch.tensor([0, 1, 25, 437, 500, 999], dtype=torch.float64)
    emb = nn.functional.normalize(sinusoidal_embedding(t, d_emb, **options))
    closed_form = cosine_similarity_at(t[:, None] - t, d_emb, **options)
    assert closed_form.dtype == torch.float64
    assert_close(emb @ emb.T, closed_form, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("denominator", "expected"),
    [
        ("half", [1, 0.9721, 0.6755, 0.2696, 0.2689]),
        ("half_minus_one", [1, 0.9723, 0.6779, 0.2683, 0.2868]),
    ],
)
def test_similarity_at_known_distances(denominator, expected):
    distance = torch.tensor([0, 1, 10, 450, 500])
    ours = cosine_similarity_at(distance, denominator=denominator)
    assert_close(ours, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=5e-5)


def test_similarity_rises_where_the_lesson_says_it_does():
    sim = cosine_similarity_at(torch.arange(1000))
    rises = (sim[1:] > sim[:-1]).nonzero().flatten() + 1
    assert rises[0] == 25
    assert len(rises) == 437


def test_mlp_is_linear_gelu_linear(draw):
    mlp = TimestepEmbedding(6, 5)
    t = torch.tensor([0, 3, 999])
    sinusoid = sinusoidal_embedding(t, 6).double()
    w_1, b_1, w_2, b_2 = (p.detach().double() for p in mlp.parameters())
    hidden = sinusoid @ w_1.T + b_1
    hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2  # GELU, the exact one
    assert_close(mlp(t).double(), hidden @ w_2.T + b_2, rtol=0, atol=1e-6)


def test_mlp_has_the_lessons_size():
    mlp = TimestepEmbedding()
    assert count_parameters(mlp) == 394_240
    assert [tuple(p.shape) for p in mlp.parameters()] == [(512, 256), (512,), (512, 512), (512,)]
    assert mlp(torch.tensor([5, 500])).shape == (2, 512)
    assert mlp(5).shape == (1, 512)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_mlp_follows_the_dtype_of_its_weights(dtype):
    mlp = TimestepEmbedding(8, 4).to(dtype)
    assert mlp(torch.tensor([1, 501])).dtype == dtype


def test_mlp_computes_its_sinusoid_before_it_rounds():
    mlp = TimestepEmbedding(256, 16).to(torch.bfloat16)
    assert not torch.equal(mlp(500), mlp(501))  # as bfloat16 numbers, 501 is 500


@pytest.mark.parametrize("name", ["num_timesteps", "d_emb", "seed"])
def test_numbers_of_a_random_table_are_named(name):
    with pytest.raises(TypeError, match=f"^{name} must be an integer, got 1.5"):
        random_table(**{"num_timesteps": 4, "d_emb": 2, "seed": 0, name: 1.5})


def test_random_table_repeats_and_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    table = random_table()
    assert torch.equal(torch.get_rng_state(), before)
    expected = torch.randn(1000, 256, generator=torch.Generator().manual_seed(0))
    assert torch.equal(table, expected)
    other = torch.randn(7, 3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(random_table(7, 3, seed=5), other)


@pytest.mark.parametrize(
    ("t", "error", "message"),
    [
        ([1, 2], TypeError, r"t must be a number or a torch\.Tensor, got list\. .*as_tensor"),
        ("5", TypeError, "t must be a number or a torch.Tensor, got str"),
        (None, TypeError, "t must be a number or a torch.Tensor, got NoneType"),
        (True, TypeError, "t must be a number or a torch.Tensor, got bool"),
        (1j, TypeError, "t must be a number or a torch.Tensor, got complex"),
        (torch.tensor([True]), TypeError, "t must be integer or floating, got dtype torch.bool"),
        (torch.tensor([1j]), TypeError, "t must be integer or floating, got dtype torch.complex64"),
        (torch.zeros(2, 3), ValueError, r"t must be a number, .*, got shape \(2, 3\)\. .*flatten"),
        (torch.zeros(2, 1), ValueError, r"got shape \(2, 1\)"),
        (torch.tensor([1.0, math.nan]), ValueError, "t must be finite, got a nan or an infinity"),
        (torch.tensor(-math.inf), ValueError, "t must be finite"),
        (math.inf, ValueError, "t must be finite"),
    ],
)
def test_a_t_that_makes_no_sense_is_refused(t, error, message):
    with pytest.raises(error, match=message):
        sinusoidal_embedding(t, 8)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"layout": "mixed"}, ValueError, "layout must be one of sin_cos, cos_sin, interleaved"),
        ({"denominator": "d"}, ValueError, "denominator must be one of half, half_minus_one"),
        ({"d_emb": 1}, ValueError, "d_emb must be at least 2, got 1"),
        ({"d_emb": 0}, ValueError, "d_emb must be at least 2, got 0"),
        ({"d_emb": 3, "denominator": "half_minus_one"}, ValueError, NARROW),
        ({"d_emb": 8.0}, TypeError, "d_emb must be an integer, got 8.0"),
        ({"d_emb": True}, TypeError, "d_emb must be an integer, got True"),
        ({"max_period": "10000"}, TypeError, "max_period must be a number, got '10000'"),
        ({"max_period": True}, TypeError, "max_period must be a number, got True"),
        ({"max_period": 0}, ValueError, "max_period must be positive and finite, got 0"),
        ({"max_period": -1.0}, ValueError, "max_period must be positive and finite"),
        ({"max_period": 1e-300}, ValueError, "max_period must be at least 1, got 1e-300"),
        ({"max_period": 10**400}, ValueError, "max_period must be positive and finite"),
        ({"max_period": math.inf}, ValueError, "max_period must be positive and finite"),
        ({"max_period": math.nan}, ValueError, "max_period must be positive and finite"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        sinusoidal_embedding(5, **options)


@pytest.mark.parametrize(
    ("distance", "error", "message"),
    [
        (5, TypeError, "distance must be a tensor, got int"),
        (torch.tensor(1j), TypeError, "distance must hold real numbers, got torch.complex64"),
        (torch.tensor([1, math.nan]), ValueError, "distance must be finite, got a nan or an inf"),
        (torch.tensor(math.inf), ValueError, "distance must be finite"),
    ],
)
def test_distances_that_are_none_are_refused(distance, error, message):
    with pytest.raises(error, match=message):
        cosine_similarity_at(distance)


def test_the_closed_form_refuses_what_it_does_not_hold_for():
    with pytest.raises(ValueError, match="d_emb must be even for the closed form, got 7"):
        cosine_similarity_at(torch.arange(3), 7)
    with pytest.raises(ValueError, match="denominator must be one of"):
        cosine_similarity_at(torch.arange(3), denominator="quarter")


@pytest.mark.parametrize(
    ("widths", "error", "message"),
    [
        ((1, 4), ValueError, "d_sinusoidal must be at least 2, got 1"),
        ((4, 0), ValueError, "d_emb must be at least 1, got 0"),
        ((4.0, 4), TypeError, "d_sinusoidal must be an integer, got 4.0"),
        ((4, "4"), TypeError, "d_emb must be an integer, got '4'"),
    ],
)
def test_mlp_refuses_widths_out_of_range(widths, error, message):
    with pytest.raises(error, match=message):
        TimestepEmbedding(*widths)


def test_mlp_may_be_as_small_as_it_says():
    assert TimestepEmbedding(2, 1)(3).shape == (1, 1)
    assert FourierTimestepEmbedding(2, 1)(3).shape == (1, 1)


@pytest.mark.parametrize("t", [10**400, -(10**400), float("inf"), float("nan")])
def test_numbers_that_are_not_finite_are_refused(t):
    with pytest.raises(ValueError, match="t must be finite"):
        sinusoidal_embedding(t)


def test_numpy_integers_are_widths_and_timesteps():
    width, t = np.int64(8), np.int64(3)
    assert torch.equal(sinusoidal_embedding(t, width), sinusoidal_embedding(3, 8))
    assert TimestepEmbedding(width, width)(t).shape == (1, 8)


def test_a_plain_number_is_float32_whatever_torch_makes_of_numbers():
    torch.set_default_dtype(torch.float64)
    try:
        assert sinusoidal_embedding(3, 8).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
