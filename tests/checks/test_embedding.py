"""Right and wrong sinusoids, and what their checks must say of them."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import nn

from condlesson import embeddings
from condlesson.checks import check_interleaved_embedding, check_sinusoidal_embedding
from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.sinusoid import read_clock
from condlesson.embeddings import sinusoidal_embedding
from tests.checks.sinusoids import by_columns, by_loops, by_slices, clock, joined, wheel
from tests.checks.variants import assert_noted

pytestmark = pytest.mark.usefixtures("one_thread")
ROUNDED = "t = 0.5 is rounded to 0"
FLOATING = "does not take a timestep in a floating tensor"
SINGLE = "does not take a single number, such as 500."
SCALAR = "does not take a 0-d tensor"
HALF_MINUS_ONE = "your exponents are i / (d/2 - 1)"
OPPOSITE = "have the opposite sign"


def by_numpy(t, d_emb):
    angles = np.outer(np.asarray(t), np.exp(-np.log(1e4) * np.arange(0, d_emb, 2) / d_emb))
    return torch.from_numpy(np.concatenate([np.cos(angles), np.sin(angles)], axis=1)).float()


def by_complex_numbers(t, d_emb):
    angles = torch.outer(t.double(), wheel(d_emb).double())
    return torch.view_as_real(torch.exp(1j * angles)).flatten(1)


def from_a_table(t, d_emb):
    return by_slices(torch.arange(1000), d_emb)[t]


def with_the_first_rounded(t, d_emb):
    return clock(t=torch.floor)(t, d_emb)


def between_rows(t, d_emb):
    t = torch.as_tensor(t).reshape(-1).float()
    low, high = (clock()(end, d_emb) for end in (t.floor(), t.floor() + 1))
    return torch.lerp(low, high, (t - t.floor())[:, None])


def diffusers(t, d_emb, **options):
    return get_timestep_embedding(torch.as_tensor(t).reshape(-1), d_emb, **options)


class Recipe:
    """Two other ways to hand in a function: an object, and a method."""

    def __call__(self, t, d_emb):
        return clock()(t, d_emb)

    @classmethod
    def embed(cls, t, d_emb):
        return clock()(t, d_emb)


class Layer(nn.Module):
    def forward(self, t, d_emb):
        return clock()(t, d_emb)


def with_base(t, d_emb, base):
    return clock(partial(wheel, base=base))(t, d_emb)


RIGHT = {
    "the page's": (sinusoidal_embedding, ""),
    "cosines first": (clock(join=partial(joined, layout="cos_sin")), ""),
    "in turn": (clock(join=partial(joined, layout="interleaved")), ""),
    "in turn by slices": (by_slices, SINGLE),
    "reversed": (lambda t, d: sinusoidal_embedding(t, d).flip(1), ""),
    "shuffled": (
        lambda t, d: sinusoidal_embedding(t, d)[:, torch.arange(d) * 7 % d],
        "",
    ),
    "slowest first": (clock(lambda d: wheel(d).flip(0)), ""),
    "negative sines": (clock(lambda d: -wheel(d)), f"128 of the 256 dimensions {OPPOSITE}"),
    "all negative": (lambda t, d: -clock()(t, d), f"256 of the 256 dimensions {OPPOSITE}"),
    "loops": (lambda t, d: by_loops(torch.as_tensor(t), d), ""),
    "loops, tensors only": (by_loops, SINGLE),
    "numpy": (lambda t, d: by_numpy(torch.as_tensor(t).reshape(-1), d), ""),
    "numpy in float64": (lambda t, d: by_numpy(torch.as_tensor(t).reshape(-1), d).double(), ""),
    "one column at a time": (by_columns, SINGLE),
    "complex numbers": (by_complex_numbers, SINGLE),
    "a table": (from_a_table, (FLOATING, "t = 1,000 is refused")),
    "no t beyond 999": (
        lambda t, d: sinusoidal_embedding(torch.as_tensor(t).clamp(max=999), d),
        "t = 1,000 is not the formula's row",
    ),
    "no row beyond 999": (
        lambda t, d: sinusoidal_embedding((t := torch.as_tensor(t).reshape(-1))[t < 1000], d),
        "t = 1,000 is not the formula's row",
    ),
    "no t beyond 4,095": (
        lambda t, d: sinusoidal_embedding(torch.as_tensor(t) % 4096, d),
        "t = 5,000 is not the formula's row",
    ),
    "rounded t": (with_the_first_rounded, ROUNDED),
    "t rounded up": (clock(t=torch.ceil), "t = 0.5 is rounded to 1"),
    "t in float64": (clock(t=torch.Tensor.double), ""),
    "between two rows": (between_rows, "the row of t = 0.5 lies between those of 0 and 1"),
    "vmap": (lambda t, d: torch.vmap(lambda one: clock()(one, d)[0])(t), SINGLE),
    "compiled": (torch.compile(clock(), backend="eager"), ""),
    "tensors of shape (B,) only": (lambda t, d: joined(t[:, None] * wheel(d)), SINGLE),
    "no 0-d tensor": (
        lambda t, d: joined((t[:, None] if isinstance(t, torch.Tensor) else t) * wheel(d)[None]),
        SCALAR,
    ),
    "whole timesteps only": (
        lambda t, d: sinusoidal_embedding(t, d) if torch.as_tensor(t).dtype == torch.int64 else 1,
        FLOATING,
    ),
    "a shifted sine for the cosine": (
        clock(join=lambda a: torch.cat([a.sin(), (a + math.pi / 2).sin()], dim=1)),
        "",
    ),
    "frequencies by log2": (
        clock(lambda d: torch.exp2(-math.log2(1e4) / d * torch.arange(0, d, 2))),
        "",
    ),
    "frequencies by linspace": (clock(lambda d: torch.logspace(0, -4, d // 2 + 1)[:-1]), ""),
    "frequencies by cumprod": (
        clock(lambda d: torch.full((d // 2,), 1e4 ** (-2 / d)).cumprod(0) * 1e4 ** (2 / d)),
        "",
    ),
    "einsum": (
        lambda t, d: joined(torch.einsum("b,i->bi", t.float(), wheel(d))),
        SINGLE,
    ),
    "float64": (
        lambda t, d: joined(torch.as_tensor(t).reshape(-1, 1).double() * wheel(d).double()),
        "",
    ),
    "an object": (Recipe(), ""),
    "a class method": (Recipe.embed, ""),
    "a module": (Layer(), ""),
    "a partial": (partial(with_base, base=10000.0), ""),
    "no name for d_emb": (lambda *args: clock()(*args), ""),
    "a subclass of Tensor": (
        lambda t, d: nn.Parameter(clock()(t, d), requires_grad=False),
        "",
    ),
    "diffusers": (
        lambda t, d: diffusers(t, d, downscale_freq_shift=0),
        "",
    ),
    "diffusers as it comes": (
        lambda t, d: diffusers(t, d),
        HALF_MINUS_ONE,
    ),
    "half_minus_one": (clock(partial(wheel, steps=lambda half: half - 1)), HALF_MINUS_ONE),
    "half_minus_one in turn": (
        partial(sinusoidal_embedding, layout="interleaved", denominator="half_minus_one"),
        HALF_MINUS_ONE,
    ),
}


@pytest.mark.parametrize(("answer", "note"), RIGHT.values(), ids=RIGHT)
def test_right(answer, note):
    result = check_sinusoidal_embedding(answer)
    assert result.passed, result
    *notes, praise = result.messages
    assert praise.startswith("Well done")
    assert_noted(notes, note)


UNLIKE = {
    "a tensor": (torch.zeros(6, 256), "You handed in what your function returned"),
    "a class": (Recipe, "You handed in the class Recipe; this check takes a function"),
    "a number": (3, "You handed in an int"),
    "a text": ("clock", "You handed in a str"),
    "too few arguments": (lambda t: t, "raised TypeError"),
    "too many arguments": (lambda t, d, base: t, "Keep the arguments of the exercise"),
    "keywords only": (lambda *, t, d_emb: t, "Keep the arguments of the exercise"),
}


UNDONE = {
    "nothing": (None, "There is nothing yet: hand in your function, which is called"),
    "dots": (..., "There is nothing yet"),
    "returns nothing": (
        lambda t, d: None,
        "returned None. Does every branch of it end with a return?",
    ),
    "returns dots": (lambda t, d: ..., "returned Ellipsis"),
    "returns NotImplemented": (lambda t, d: NotImplemented, "returned NotImplemented"),
}


@pytest.mark.parametrize("check", [check_sinusoidal_embedding, check_interleaved_embedding])
@pytest.mark.parametrize(("answer", "message"), UNDONE.values(), ids=UNDONE)
def test_not_done(check, answer, message):
    result = check(answer)
    assert result.status == "not done"
    assert message in " ".join(result.messages)


@pytest.mark.parametrize("check", [check_sinusoidal_embedding, check_interleaved_embedding])
@pytest.mark.parametrize(("answer", "message"), UNLIKE.values(), ids=UNLIKE)
def test_no_embedding_at_all(check, answer, message):
    result = check(answer)
    assert result.status == "wrong"
    assert message in " ".join(result.messages)


@pytest.mark.parametrize("d", [64, 10])
@pytest.mark.parametrize("layout", embeddings.LAYOUTS)
@pytest.mark.parametrize("denominator", embeddings.DENOMINATORS)
def test_the_clock_is_read_at_any_width_stride_and_noise(d, layout, denominator):
    t = torch.arange(0, 1000, 7)
    table = sinusoidal_embedding(t, d, layout=layout, denominator=denominator)
    noisy = table + 1e-5 * torch.randn(table.shape, generator=torch.Generator().manual_seed(0))
    for rows in (table, noisy):
        reading = read_clock(rows, 5e-5, t)
        assert bool(reading.notes) == (denominator == "half_minus_one")
        assert not reading.matched.is_negative.any()
        sines = reading.matched.order[: d // 2]
        expected = sinusoidal_embedding(t, d, denominator=denominator)[:, : d // 2]
        assert torch.equal(table[:, sines], expected)


def test_a_clock_that_stands_still():
    with pytest.raises(Wrong, match="does not depend on t"):
        read_clock(torch.ones(1000, 8))
