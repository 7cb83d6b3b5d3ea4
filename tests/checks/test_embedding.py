"""Right and wrong sinusoids, and what their checks must say of them."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers.models.embeddings import get_timestep_embedding
from torch import nn

from condlesson import embeddings, exercises
from condlesson.checks import check_interleaved_embedding, check_sinusoidal_embedding
from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.sinusoid import read_clock
from condlesson.embeddings import sinusoidal_embedding, sinusoidal_frequencies
from tests.answers import blank

pytestmark = pytest.mark.usefixtures("one_thread")
ROUNDED = "t = 0.5 is rounded to 0"
FLOATING = "a timestep in a floating tensor is not taken"
SINGLE = "a single number, such as 500, is not taken"
SCALAR = "a 0-d tensor is not taken"
HALF_MINUS_ONE = "your exponents are i / (d/2 - 1)"
OPPOSITE = "have the opposite sign"


def wheel(d, base=10000.0, steps=None, start=0.0):
    half = d // 2
    return base ** (-(torch.arange(half) + start) / (half if steps is None else steps(half)))


def joined(angles, layout="sin_cos"):
    pair = angles.sin(), angles.cos()
    if layout == "interleaved":
        return torch.stack(pair, dim=-1).flatten(1)
    return torch.cat(pair if layout == "sin_cos" else pair[::-1], dim=-1)


def clock(w=wheel, *, t=lambda t: t, join=joined):
    """A sinusoid of parts: frequencies by width, a function of t, and what joins the angles."""
    return lambda steps, d: join(t(torch.as_tensor(steps).reshape(-1, 1).float()) * w(d))


def by_loops(t, d_emb):
    rows = []
    for step in t.reshape(-1).tolist():
        angles = [step / 10000 ** (i / (d_emb // 2)) for i in range(d_emb // 2)]
        rows.append([f(a) for a in angles for f in (math.sin, math.cos)])
    return torch.tensor(rows)


def by_numpy(t, d_emb):
    angles = np.outer(np.asarray(t), np.exp(-np.log(1e4) * np.arange(0, d_emb, 2) / d_emb))
    return torch.from_numpy(np.concatenate([np.cos(angles), np.sin(angles)], axis=1)).float()


def by_slices(t, d_emb):
    w = 1 / torch.pow(10000, torch.arange(0, d_emb, 2) / d_emb)
    emb = torch.zeros(len(t), d_emb)
    emb[:, 0::2] = torch.sin(t.unsqueeze(1) * w)
    emb[:, 1::2] = torch.cos(t.unsqueeze(1) * w)
    return emb


def by_columns(t, d_emb):
    w = sinusoidal_frequencies(d_emb)
    return torch.stack([f(t * w_i) for w_i in w for f in (torch.sin, torch.cos)], dim=1)


def by_complex_numbers(t, d_emb):
    angles = torch.outer(t.double(), wheel(d_emb).double())
    return torch.view_as_real(torch.exp(1j * angles)).flatten(1)


def from_a_table(t, d_emb):
    return by_slices(torch.arange(1000), d_emb)[t]


def with_the_first_rounded(t, d_emb):
    return clock(t=torch.floor)(t, d_emb)


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
    "a table": (from_a_table, FLOATING),
    "rounded t": (with_the_first_rounded, ROUNDED),
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


def slow_start(d):
    """Some frequencies of no known mistake."""
    return wheel(d) * (1 + torch.arange(d // 2) / d)


WRONG = {
    "random features": (
        clock(w=lambda d: torch.rand(d // 2, generator=torch.Generator().manual_seed(2))),
        "spread irregularly, as if drawn at random",
    ),
    # of the shape
    "transposed": (lambda t, d: clock()(t, d).T, "It is transposed: one row for each timestep"),
    "sines alone, half as wide": (clock(join=torch.sin), "Half is missing"),
    "joined along the batch": (
        clock(join=lambda a: torch.cat([a.sin(), a.cos()])),
        "joined along the batch, dimension 0",
    ),
    "twice as wide": (lambda t, d: clock()(t, 2 * d), "need d_emb // 2 frequencies"),
    "stacked last": (
        clock(join=lambda a: torch.stack([a.sin(), a.cos()], dim=-1)),
        "a dimension of their own: flatten(1)",
    ),
    "stacked in the middle": (
        clock(join=lambda a: torch.stack([a.sin(), a.cos()], dim=1)),
        "a dimension of their own: flatten(1)",
    ),
    "stacked first": (
        clock(join=lambda a: torch.stack([a.sin(), a.cos()])),
        "a dimension of their own. Join them with",
    ),
    "one row for all": (lambda t, d: clock()(t[:1], d), "one row for all timesteps"),
    "one row without a batch": (lambda t, d: clock()(t[:1], d)[0], "The batch dimension is lost"),
    "another shape": (lambda t, d: clock()(t, d)[:, :3], "One row for each timestep, d_emb"),
    "wrong shape at other widths": (lambda t, d: clock()(t, 256), "d_emb = 64 must give shape"),
    # of the values' kind
    "half precision": (lambda t, d: clock()(t, d).bfloat16(), "is torch.bfloat16, which is too"),
    "float16": (lambda t, d: clock()(t, d).half(), "torch.float16, which is too coarse"),
    "trained": (
        lambda t, d: clock()(t, d) * nn.Parameter(torch.ones(d)),
        "The sinusoid is a fixed formula without parameters",
    ),
    "random": (lambda t, d: clock()(t, d) + torch.rand(d), "gives another result each time"),
    "whole numbers": (lambda t, d: clock()(t, d).long(), "floating numbers, got torch.int64"),
    "complex": (lambda t, d: torch.exp(1j * t[:, None] * wheel(d)), "Take .real and .imag"),
    "a tuple": (lambda t, d: (clock()(t, d), d), "must return one tensor, got a tuple of 2"),
    "a list": (lambda t, d: [clock()(t, d)] * 3, "must return one tensor, got a list of 3"),
    "an array": (lambda t, d: clock()(t, d).numpy(), "must return a torch.Tensor, got a ndarray"),
    "nan": (lambda t, d: clock()(t, d) / 0, "values that are nan or infinite"),
    "without values": (lambda t, d: torch.empty(len(t), d, device="meta"), "on the device meta"),
    "sparse": (lambda t, d: clock()(t, d).to_sparse(), "got one that is torch.sparse_coo"),
    "in place": (lambda t, d: clock()(t.add_(1).sub(1), d), "changes the tensor that it is given"),
    "resized": (lambda t, d: clock()(t.unsqueeze_(1), d), "changes the tensor that it is given"),
    # of the batch
    "the first timestep only": (
        lambda t, d: clock()(t[:1].expand(len(t)), d),
        "only the first of the timesteps is used",
    ),
    "the place in the batch": (
        lambda t, d: clock()(torch.arange(len(t)), d),
        "A row depends on its place in the batch",
    ),
    "no timestep": (lambda t, d: clock()(0 * t, d), "none of the timesteps is used"),
    "slices along the batch": (
        lambda t, d: slices_of_rows(t, d),
        "or emb[0::2] where emb[:, 0::2] is meant",
    ),
    "normalised over the batch": (
        lambda t, d: F.normalize(clock()(t, d), dim=0),
        "one embedding alone and another one in a batch",
    ),
    "a row missing alone": (
        lambda t, d: clock()(t, d) if len(t) > 1 else clock()(t, d)[0],
        "1 timestep and d_emb = 256 must give shape (1, 256), got (256,)",
    ),
    # of the frequencies
    "t / 1000": (clock(t=lambda t: t / 1000), "t is divided by 1000"),
    "t / 999": (clock(t=lambda t: t / 999), "t is divided by 999"),
    "1000 t": (clock(t=lambda t: 1000 * t), "t is multiplied by 1000"),
    "2 pi": (clock(t=lambda t: 2 * math.pi * t), "2 pi times too large"),
    "1 / 2 pi": (clock(t=lambda t: t / (2 * math.pi)), "2 pi times too small"),
    "pi": (clock(t=lambda t: math.pi * t), "pi times too large: leave out the pi"),
    "radians of degrees": (clock(t=torch.deg2rad), "turned from degrees into radians"),
    "degrees of radians": (clock(t=torch.rad2deg), "turned into degrees"),
    "t + 1": (clock(t=lambda t: t + 1), "the formula's row of t + 1"),
    "t - 1": (clock(t=lambda t: t - 1), "the formula's row of t - 1"),
    "t / 1000 with half_minus_one": (
        clock(partial(wheel, steps=lambda half: half - 1), t=lambda t: t / 1000),
        "t is divided by 1000",
    ),
    "no minus": (clock(lambda d: 1 / wheel(d)), "The minus of the exponent is missing"),
    "no minus, half_minus_one": (
        clock(lambda d: 1 / wheel(d, steps=lambda half: half - 1)),
        "The minus of the exponent is missing",
    ),
    "i / d": (clock(partial(wheel, steps=lambda half: 2 * half)), "fall half as fast"),
    "base 100": (clock(partial(wheel, base=100.0)), "fall half as fast"),
    "4i / d": (clock(partial(wheel, steps=lambda half: half / 2)), "fall twice as fast"),
    "i from 1": (clock(partial(wheel, start=1)), "The frequencies start at i = 1"),
    "i // half": (clock(lambda d: torch.ones(d // 2)), "All hands turn at the same speed, w = 1"),
    "t itself": (lambda t, d: t[:, None].float().expand(-1, d), "Every dimension is t itself"),
    "t / 1000, repeated": (
        lambda t, d: t[:, None] / 1000 * torch.ones(d),
        "Every dimension is t itself",
    ),
    "angles from 0": (lambda t, d: t[:, None] * torch.linspace(0, 1, d), "angles, t times w_i"),
    "angles": (clock(join=lambda a: torch.cat([a, a], dim=1)), "angles, t times w_i"),
    "i + 1": (clock(lambda d: torch.arange(d // 2) + 1.0), "not a geometric series"),
    "1 / (i + 1)": (clock(lambda d: 1 / (torch.arange(d // 2) + 1)), "not a geometric series"),
    "base 1000": (clock(partial(wheel, base=1000.0)), "The base is 1000 and not 10000"),
    "base 10": (clock(partial(wheel, base=10.0)), "The base is 10 and not 10000"),
    "base 1e5, half_minus_one": (
        clock(partial(wheel, base=1e5, steps=lambda half: half - 1)),
        "The base is 100000 and not 10000",
    ),
    "base e": (clock(partial(wheel, base=math.e)), "whose exponent has a factor ln(10000)"),
    "another base": (clock(partial(wheel, base=20000.0)), "The base is 20000 and not 10000"),
    "another base and start": (
        clock(lambda d: 0.7 * wheel(d, base=20000.0)),
        "The fastest hand has w = 0.7",
    ),
    "t / 500": (clock(t=lambda t: t / 500), "The angles are 0.002 times the formula's"),
    "t / 10000": (clock(t=lambda t: t / 10000), "The angles are 0.0001 times the formula's"),
    "2 t": (clock(t=lambda t: 2 * t), "The angles are 2 times the formula's"),
    "100 t": (clock(t=lambda t: 100 * t), "The angles are 100 times the formula's"),
    "999 - t": (clock(t=lambda t: 999 - t), "the formula's row of 999 - t"),
    "1000 - t": (clock(t=lambda t: 1000 - t), "the formula's row of 1000 - t"),
    "float16 values": (lambda t, d: clock()(t, d).half().float(), "its values are rounded"),
    "bfloat16 values": (lambda t, d: clock()(t, d).bfloat16().float(), "its values are rounded"),
    "float16 frequencies": (
        clock(lambda d: wheel(d).half().float()),
        "The frequencies are rounded to torch.float16",
    ),
    "bfloat16 frequencies": (
        clock(lambda d: wheel(d).bfloat16().float()),
        "The frequencies are rounded to torch.bfloat16",
    ),
    "i / (half + 1)": (
        clock(partial(wheel, steps=lambda half: half + 1)),
        "The exponents are i / 129 instead of i / 128",
    ),
    "2i / (d - 1)": (
        clock(partial(wheel, steps=lambda half: half - 0.5)),
        "The exponents are i / 127.5 instead of i / 128",
    ),
    "no series": (clock(slow_start), "w_127 is 0.0001608, and 0.0001075 belongs"),
    "few frequencies": (
        clock(lambda d: wheel(d // 2).repeat(2)),
        "Only 64 of the 128 frequencies differ",
    ),
    "one slow frequency": (
        clock(lambda d: torch.full((d // 2,), 1e-4)),
        "Only 1 of the 128 frequencies differ",
    ),
    "right at 256 only": (
        lambda t, d: clock(lambda d: 1e4 ** (-torch.arange(d // 2) / 128))(t, d),
        "With d_emb = 256 it is right, with d_emb = 64 not.",
    ),
    # of the columns
    "constant": (lambda t, d: torch.cos(t[:, None] * 0 + torch.arange(d)), "none of the timesteps"),
    "some constant": (
        clock(join=lambda a: F.pad(torch.cat([a.sin(), a.cos()[:, 1:]], dim=1), (0, 1))),
        "1 of 256 dimensions is the same at every t",
    ),
    "t // 2": (clock(t=lambda t: t // 2), "get the same embedding, and so do 500 pairs"),
    "t in bfloat16": (clock(t=lambda t: t.bfloat16().float()), "Something rounds or clamps t"),
    "t clamped": (clock(t=lambda t: t.clamp(max=500)), "Something rounds or clamps t"),
    "noise": (lambda t, d: table_of_noise(t, d), "are no sine or cosine of t at all"),
    "some noise": (lambda t, d: half_noise(t, d), "128 of 256 dimensions are no sine or cosine"),
    "normalised": (lambda t, d: clock()(t, d) / 128**0.5, "reach 0.0884 instead of 1"),
    "twice as large": (lambda t, d: 2 * clock()(t, d), "reach 2 instead of 1"),
    "sines twice": (clock(join=lambda a: a.sin().repeat(1, 2)), "no dimension is a cosine"),
    "cosines twice": (clock(join=lambda a: a.cos().repeat(1, 2)), "no dimension is a sine"),
    "few cosines": (
        clock(join=lambda a: torch.cat([a.sin(), a[:, :60].cos(), a[:, 60:].sin()], dim=1)),
        "only 60 are cosines",
    ),
    "sines of other frequencies": (
        clock(
            lambda d: wheel(2 * d),
            join=lambda a: torch.cat([a[:, ::2].sin(), a[:, 1::2].cos()], dim=1),
        ),
        "turn at different speeds",
    ),
    "an angle of 45 degrees": (clock(join=lambda a: joined(a + math.pi / 4)), "sin(w t + 0.785)"),
    "a sigmoid of it": (lambda t, d: clock()(t, d).sigmoid(), "are no sine or cosine of t"),
    "t squared": (clock(t=torch.square), "256 of 256 dimensions are no sine or cosine"),
    "t as a last dimension": (
        clock(join=lambda a: torch.cat([a.sin(), a.cos()[:, 1:], a[:, :1]], dim=1)),
        "1 of 256 dimensions is no sine or cosine of t at all. The values run from -1 to 999",
    ),
}


def slices_of_rows(t, d):
    angles = t[:, None] * wheel(d)
    emb = torch.zeros(len(t), d)
    emb[0::2] = torch.cat([angles.sin(), angles.cos()], dim=1)[0::2]
    emb[1::2] = torch.cat([angles.cos(), angles.sin()], dim=1)[1::2]
    return emb


def table_of_noise(t, d):
    return torch.randn(1000, d, generator=torch.Generator().manual_seed(0))[t]


def half_noise(t, d):
    emb = clock()(t, d)
    emb[:, ::2] = table_of_noise(t, d)[:, ::2].clamp(-1, 1)
    return emb


@pytest.mark.parametrize(("answer", "note"), RIGHT.values(), ids=RIGHT)
def test_right(answer, note):
    result = check_sinusoidal_embedding(answer)
    assert result.passed, result
    *notes, praise = result.messages
    assert praise.startswith("Well done")
    assert [note in found for found in notes] == [True] * bool(note), notes


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_wrong(answer, message):
    result = check_sinusoidal_embedding(answer)
    assert result.status == "wrong", result
    assert message in " ".join(result.messages)


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
    "nothing": (None, "There is nothing yet: hand in your function, which is called fn(t, d_emb)"),
    "dots": (..., "There is nothing yet"),
    "returns nothing": (lambda t, d: None, "returned None. Does every path of it end in a return?"),
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
        reading = read_clock(rows, 5e-5, stride=7)
        assert bool(reading.notes) == (denominator == "half_minus_one")
        assert not reading.matched.is_negative.any()
        sines = reading.matched.order[: d // 2]
        expected = sinusoidal_embedding(t, d, denominator=denominator)[:, : d // 2]
        assert torch.equal(table[:, sines], expected)


def test_a_clock_that_stands_still():
    with pytest.raises(Wrong, match="does not depend on t"):
        read_clock(torch.ones(1000, 8))


# The interleaved embedding


IN_TURN = {
    "the page's": (partial(sinusoidal_embedding, layout="interleaved"), ""),
    "the task's": (exercises.interleaved_embedding, ""),
    "slices": (by_slices, ""),
    "loops": (by_loops, ""),
    "columns": (by_columns, ""),
    "stack and reshape": (
        clock(join=lambda a: torch.stack([a.sin(), a.cos()], dim=2).reshape(len(a), -1)),
        "",
    ),
    "half_minus_one": (
        partial(sinusoidal_embedding, layout="interleaved", denominator="half_minus_one"),
        HALF_MINUS_ONE,
    ),
}
OUT_OF_TURN = {
    "sines first": (sinusoidal_embedding, "first all sines, then all cosines"),
    "cosines first": (partial(sinusoidal_embedding, layout="cos_sin"), "first all cosines, then"),
    "cosines at even dimensions": (
        clock(join=lambda a: torch.stack([a.cos(), a.sin()], dim=-1).flatten(1)),
        "cosines stand at even dimensions",
    ),
    "slowest first": (
        clock(lambda d: wheel(d).flip(0), join=partial(joined, layout="interleaved")),
        "sin(w_0 t) stands at dimension 254, cos(w_0 t) at 255, sin(w_1 t) at 252",
    ),
    "negative sines": (
        clock(lambda d: -wheel(d), join=partial(joined, layout="interleaved")),
        "some signs are not: sin(w_i t), not -sin(w_i t)",
    ),
    "i / d": (
        clock(
            partial(wheel, steps=lambda half: 2 * half), join=partial(joined, layout="interleaved")
        ),
        "fall half as fast",
    ),
    "one frequency a dimension": (
        lambda t, d: alternating(t[:, None] * 10000 ** (-torch.arange(d) / d)),
        "Both dimensions of a pair take the same i",
    ),
    "two steps a dimension": (
        lambda t, d: alternating(t[:, None] * 10000 ** (-2 * torch.arange(d) / d)),
        "are the same at every t",
    ),
    "slices along the batch": (slices_of_rows, "emb[0::2] where emb[:, 0::2] is meant"),
}


def alternating(angles):
    return torch.where(torch.arange(angles.shape[1]) % 2 == 0, angles.sin(), angles.cos())


@pytest.mark.parametrize(("answer", "note"), IN_TURN.values(), ids=IN_TURN)
def test_in_turn(answer, note):
    result = check_interleaved_embedding(answer)
    assert result.passed, result
    *notes, praise = result.messages
    assert "the order of the formula of 2017" in praise
    assert [note in found for found in notes] == [True] * bool(note), notes


@pytest.mark.parametrize(("answer", "message"), OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_out_of_turn(answer, message):
    result = check_interleaved_embedding(answer)
    assert result.status == "wrong"
    assert message in " ".join(result.messages)


ANGLES = "angles = torch.outer(t.float(), sinusoidal_frequencies(d_emb))"
SINES = "return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)"


def test_the_scaffold_is_not_done():
    result = check_interleaved_embedding(blank(exercises.interleaved_embedding))
    assert result.status == "not done"
    assert result.messages[0] == "TODO 1 and TODO 2 are still open."
    assert result.messages[1].startswith("Next, TODO 1: the angle of every hand at every timestep")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (ANGLES, "TODO 2 is still open."),
        (f"{ANGLES}\n    angles.sin()", "TODO 2 is still open."),
    ],
    ids=["first gap", "first gap and more"],
)
def test_one_gap_is_left(line, message):
    result = check_interleaved_embedding(blank(exercises.interleaved_embedding, ("...", line)))
    assert result.status == "not done"
    assert result.messages[0] == message
    assert result.messages[1].startswith("Next, TODO 2: the embedding, (B, d_emb): sines at even")


def test_both_gaps_are_filled():
    filled = blank(exercises.interleaved_embedding, ("...", ANGLES), ("...", SINES))
    assert check_interleaved_embedding(filled).passed
    wrong = blank(
        exercises.interleaved_embedding, ("...", ANGLES), ("...", SINES.replace("-1", "1"))
    )
    assert check_interleaved_embedding(wrong).status == "wrong"
