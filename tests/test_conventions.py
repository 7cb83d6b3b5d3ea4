"""The page "The same idea in other code": its rows are rebuilt, and its claims hold."""

import ast
import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.models.normalization import AdaGroupNorm
from torch.testing import assert_close

from condlesson.conditioning import AdaGN
from condlesson.embeddings import sinusoidal_embedding

PAGE = Path(__file__).parents[1] / "book" / "in-other-code.md"
STEPS = [0, 1, 10, 499, 500, 999]
# An error in float32 of a frequency, 6e-8, becomes one of 6e-5 radians at t = 999.
FLOAT32 = {"atol": 2e-4, "rtol": 0}


def families_of_page():
    cells = re.findall(r"```\{code-cell\} ipython3\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (cell,) = [cell for cell in cells if "families = {" in cell]
    return ast.literal_eval(cell.partition("families = ")[2])


FAMILIES = families_of_page()
ROWS = {name: options for options, names in FAMILIES.items() for name in names}
# The page's table, row by row, as (order, denominator).
LAYOUT_OF_WORDS = {"sin, cos": "sin_cos", "cos, sin": "cos_sin"}
DENOMINATOR_OF_WORDS = {"half": "half", "half − 1": "half_minus_one"}


def table_of_page():
    rows = re.findall(
        r"^\| ([^|\[]+?) \[\(\w+\)\]\([^)]*\) \| ([^|]+) \| ([^|]+) \| (\w+) \|$",
        PAGE.read_text("utf-8"),
        re.MULTILINE,
    )
    return {name: (order, denominator, odd) for name, order, denominator, odd in rows}


def formula(t, d, layout, denominator, max_period=10000.0):
    """One row in plain Python, float64: the reference."""
    half = d // 2
    steps = {"half": half, "half_minus_one": half - 1}[denominator]
    angles = [t / max_period ** (i / steps) for i in range(half)]
    sin, cos = [math.sin(a) for a in angles], [math.cos(a) for a in angles]
    first, second = {"sin_cos": (sin, cos), "cos_sin": (cos, sin)}[layout]
    return first + second + [0.0] * (d % 2)


def test_the_page_rebuilds_every_row_that_is_a_fixed_sinusoid():
    table = table_of_page()
    assert set(table) - {"k-diffusion"} == set(ROWS)
    for name, (layout, denominator) in ROWS.items():
        order, words, _ = table[name]
        assert LAYOUT_OF_WORDS[order] == layout, name
        assert DENOMINATOR_OF_WORDS[words] == denominator, name


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
@pytest.mark.parametrize("name", ROWS)
def test_row_equals_the_formula(name, dtype):
    layout, denominator = ROWS[name]
    t = torch.tensor(STEPS, dtype=dtype)
    ours = sinusoidal_embedding(t, 256, layout=layout, denominator=denominator)
    expected = torch.tensor(
        [formula(step, 256, layout, denominator) for step in STEPS], dtype=torch.float64
    )
    tolerance = {"atol": 1e-11, "rtol": 0} if dtype == torch.float64 else FLOAT32
    assert_close(ours.double(), expected, **tolerance)


@pytest.mark.parametrize("name", ROWS)
def test_odd_widths_end_in_a_zero_or_lack_it(name):
    layout, denominator = ROWS[name]
    ours = sinusoidal_embedding(torch.tensor(STEPS), 129, layout=layout, denominator=denominator)
    assert ours.shape == (len(STEPS), 129)
    assert (ours[:, -1] == 0).all()
    unpadded = sinusoidal_embedding(
        torch.tensor(STEPS), 128, layout=layout, denominator=denominator
    )
    assert torch.equal(ours[:, :-1], unpadded)


@pytest.mark.parametrize("width", [128, 129])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("diffusers, the function", {}),
        ("diffusers, UNet2D", {"flip_sin_to_cos": True, "downscale_freq_shift": 0}),
    ],
)
def test_diffusers_rows_equal_diffusers(name, options, width):
    layout, denominator = ROWS[name]
    t = torch.tensor(STEPS)
    ours = sinusoidal_embedding(t, width, layout=layout, denominator=denominator)
    assert_close(ours, get_timestep_embedding(t, width, **options), **FLOAT32)


def test_mixing_the_denominators_drifts_with_t():
    t = torch.arange(1000).double()
    half = sinusoidal_embedding(t, 256)
    half_minus_one = sinusoidal_embedding(t, 256, denominator="half_minus_one")
    similarity = torch.cosine_similarity(half, half_minus_one)
    assert similarity[999].item() == pytest.approx(0.489, abs=5e-4)
    assert similarity[10] > 0.99
    reference = [formula(999, 256, "sin_cos", d) for d in ("half", "half_minus_one")]
    product = sum(a * b for a, b in zip(*reference, strict=True)) / 128
    assert similarity[999].item() == pytest.approx(product, abs=1e-9)


def test_swapped_halves_are_a_permutation():
    t = torch.tensor(STEPS)
    swapped = sinusoidal_embedding(t, 256, layout="cos_sin")
    assert not torch.equal(swapped, sinusoidal_embedding(t, 256))
    assert torch.equal(swapped.roll(128, dims=1), sinusoidal_embedding(t, 256))


@pytest.mark.parametrize("max_period", [100.0, 1000.0])
def test_another_base(max_period):
    ours = sinusoidal_embedding(torch.tensor(STEPS).double(), 256, max_period=max_period)
    expected = [formula(t, 256, "sin_cos", "half", max_period) for t in STEPS]
    assert_close(ours, torch.tensor(expected, dtype=torch.float64), atol=1e-11, rtol=0)


def test_rescaled_steps_of_a_longer_schedule():
    layout, denominator = ROWS["improved-diffusion"]
    options = {"layout": layout, "denominator": denominator}
    t = torch.tensor([2000.0]) * 1000 / 4000
    assert torch.equal(
        sinusoidal_embedding(t, 256, **options), sinusoidal_embedding(500, 256, **options)
    )


@pytest.mark.parametrize("name", ["EDM, DDPM++", "EDM, ADM"])
def test_noise_levels_of_edm(name):
    layout, denominator = ROWS[name]
    t = torch.tensor([0.002, 1.0, 80.0]).double().log() / 4
    ours = sinusoidal_embedding(t, 128, layout=layout, denominator=denominator)
    expected = [formula(value, 128, layout, denominator) for value in t.tolist()]
    assert_close(ours, torch.tensor(expected, dtype=torch.float64), atol=1e-12, rtol=0)


def test_adagn_of_k_diffusion_starts_as_group_norm():
    h, t_emb = torch.randn(2, 64, 4, 4), torch.randn(2, 16)
    layer = AdaGN(64, 16, num_groups=max(1, 64 // 32), zero_init=True)
    assert torch.equal(layer(h, t_emb), F.group_norm(h, 2))


@pytest.mark.parametrize("activation", [None, "silu"])
def test_adagn_equals_that_of_diffusers(activation):
    theirs = AdaGroupNorm(16, 64, num_groups=8, act_fn=activation)
    ours = AdaGN(64, 16, num_groups=8)
    ours.projection.load_state_dict(theirs.linear.state_dict())
    h, t_emb = torch.randn(2, 64, 4, 4), torch.randn(2, 16)
    fed_in = t_emb if activation is None else F.silu(t_emb)
    assert_close(ours(h, fed_in), theirs(h, t_emb))
