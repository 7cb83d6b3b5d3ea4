"""Wrong sinusoids, and which mistake their check names."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from condlesson import exercises
from condlesson.checks import check_sinusoidal_embedding
from tests.answers import blank
from tests.checks.sinusoids import OTHER_TIMES, changed, clock, joined, slices_of_rows, wheel

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def slow_start(d):
    """Some frequencies of no known mistake."""
    return wheel(d) * (1 + torch.arange(d // 2) / d)


def forgotten_dimension(t, d):
    w = wheel(d)
    return joined(t * w)


WRONG = {
    "random features": (
        clock(w=lambda d: torch.rand(d // 2, generator=torch.Generator().manual_seed(2))),
        "spread irregularly, as if drawn at random",
    ),
    "even frequencies": (
        clock(w=lambda d: torch.linspace(1, 1e-4, d // 2)),
        "fall by equal steps. Each must be the one before times the same number",
    ),
    "written into whole numbers": (
        lambda t, d: clock()(t, d).long().float(),
        "All values are -1, 0 or 1: the sines were written into a tensor of whole numbers",
    ),
    # of the shape
    "exchanged": (
        clock(join=lambda a: torch.cat([a.T.sin(), a.T.cos()], dim=1)),
        "Timesteps and frequencies are exchanged",
    ),
    "transposed": (lambda t, d: clock()(t, d).T, "It is transposed. Each timestep needs a row"),
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
    "another shape": (lambda t, d: clock()(t, d)[:, :3], "Each timestep needs one row of d_emb"),
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
    **{name: (changed(change), message) for name, (change, message) in OTHER_TIMES.items()},
    "times below 1 as parts of 1": (
        changed(lambda t: torch.where(t < 1, 1000 * t, t)),
        "At whole timesteps it is right, and at t = 0.5 it is off by up to 2",
    ),
    "0 for a single number": (
        lambda t, d: clock()(t if isinstance(t, torch.Tensor) else 0, d),
        "t = 500 gets another embedding as a single number than",
    ),
    "a 0-d tensor halved": (
        lambda t, d: clock()(t / 2 if isinstance(t, torch.Tensor) and t.ndim == 0 else t, d),
        "t = 500 gets another embedding as a 0-d tensor than",
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
    "-i // half": (
        clock(lambda d: 1e4 ** (-torch.arange(d // 2) // (d // 2))),
        "The first frequency is 1 and all others are 1e-4",
    ),
    "-i // half, in integers": (
        lambda t, d: joined(t[:, None] * (10000.0 ** (-torch.arange(d // 2) // (d // 2))).long()),
        "/ in the place of //",
    ),
    "a power that overflows": (
        clock(lambda d: 1 / 10000 ** torch.arange(d // 2) / (d // 2)),
        "a power of whole numbers, which overflows",
    ),
    "t / 1000 twice": (clock(t=lambda t: t / 1000 / 1000), "t is divided by 1000 twice"),
    "log10": (
        clock(lambda d: torch.exp(-math.log10(1e4) * torch.arange(d // 2) / (d // 2))),
        "since math.log10(10000) is 4",
    ),
    "log2": (
        clock(lambda d: torch.exp(-math.log2(1e4) * torch.arange(d // 2) / (d // 2))),
        "The base is exp(13.3), about 590,000, since math.log2(10000) is 13.3",
    ),
    "log2, half_minus_one": (
        clock(lambda d: torch.exp(-math.log2(1e4) * torch.arange(d // 2) / (d // 2 - 1))),
        "exp needs the natural logarithm: math.log(10000)",
    ),
    "t // 1000": (clock(t=lambda t: t // 1000), "// and .long() make the same number of all"),
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
    "no series": (clock(slow_start), "w_127 is 0.0001608 and must be 0.0001075"),
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
        "With d_emb = 256 it is right, with d_emb = 64 it is wrong. The frequencies are the first "
        "32 of those of the width 256: the exponents are divided by 128 here, too",
    ),
    "kept from 256, half_minus_one": (
        lambda t, d: clock(lambda d: 1e4 ** (-torch.arange(d // 2) / 127))(t, d),
        "of those of the width 256: the exponents are divided by 127 here, too",
    ),
    "frequencies cut to whole numbers": (
        lambda t, d: joined(t.ger(wheel(d).to(t.dtype))),
        "The frequencies are whole numbers, so that nearly all are 0",
    ),
    "angles cut to whole numbers": (
        lambda t, d: joined((t[:, None] * wheel(d)).long().float()),
        "The angles t * w_i are cut to whole numbers before the sine",
    ),
    "no dimension for the frequencies": (forgotten_dimension, "write t[:, None] * w."),
    "math.sin of a tensor": (
        lambda t, d: math.sin(t[:, None] * wheel(d)),
        "A function of the module math takes one number",
    ),
    "half_minus_one in half precision": (
        lambda t, d: clock(partial(wheel, steps=lambda half: half - 1))(t, d).half().float(),
        "its values are rounded",
    ),
    # of the columns
    "constant": (lambda t, d: torch.cos(t[:, None] * 0 + torch.arange(d)), "none of the timesteps"),
    "some constant": (
        clock(join=lambda a: F.pad(torch.cat([a.sin(), a.cos()[:, 1:]], dim=1), (0, 1))),
        "1 of 256 dimensions is the same at every t",
    ),
    "the last cosine twice": (
        lambda t, d: clock()(t, d)[:, [*range(d - 1), d - 2]],
        "Dimensions 254 and 255 are the same hand, cos(w_126 t), and cos(w_127 t) is missing",
    ),
    "a sine twice": (
        lambda t, d: clock()(t, d)[:, [1, *range(1, d)]],
        "Dimensions 0 and 1 are the same hand, sin(w_1 t), and sin(w_0 t) is missing",
    ),
    "a sine twice, once negative": (
        lambda t, d: clock()(t, d)[:, [1, *range(1, d)]] * torch.tensor([-1.0] + [1.0] * (d - 1)),
        "Dimensions 0 and 1 are the same hand, sin(w_1 t), and sin(w_0 t) is missing",
    ),
    "a sine three times": (
        lambda t, d: clock()(t, d)[:, [2, 2, *range(2, d)]],
        "Dimensions 0 and 1 are the same hand, sin(w_2 t), and sin(w_0 t) is missing",
    ),
    "a cosine twice, half_minus_one": (
        lambda t, d: clock(partial(wheel, steps=lambda half: half - 1))(t, d)[
            :, [*range(d - 2), d - 1, d - 1]
        ],
        "are the same hand, cos(w_127 t), and cos(w_126 t) is missing. Each frequency gives one",
    ),
    "t // 2": (clock(t=lambda t: t // 2), "get the same embedding, like 500 pairs"),
    "t in bfloat16": (clock(t=lambda t: t.bfloat16().float()), "Something rounds or clamps t"),
    "t clamped": (clock(t=lambda t: t.clamp(max=500)), "Something rounds or clamps t"),
    "noise": (lambda t, d: table_of_noise(t, d), "are no sine or cosine of t at all"),
    "some noise": (lambda t, d: half_noise(t, d), "128 of 256 dimensions are no sine or cosine"),
    "normalised": (lambda t, d: clock()(t, d) / 128**0.5, "reach 0.0884 instead of 1"),
    "twice as large": (lambda t, d: 2 * clock()(t, d), "reach 2 instead of 1"),
    "sines twice": (
        clock(join=lambda a: a.sin().repeat(1, 2)),
        "256 of 256 dimensions are sines, and none is a cosine",
    ),
    "cosines twice": (
        clock(join=lambda a: a.cos().repeat(1, 2)),
        "256 of 256 dimensions are cosines, and none is a sine",
    ),
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


def table_of_noise(t, d):
    return torch.randn(1000, d, generator=torch.Generator().manual_seed(0))[t]


def half_noise(t, d):
    emb = clock()(t, d)
    emb[:, ::2] = table_of_noise(t, d)[:, ::2].clamp(-1, 1)
    return emb


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_wrong(answer, message):
    result = check_sinusoidal_embedding(answer)
    assert result.status == "wrong", result
    assert message in " ".join(result.messages)


FINISH = "with dim=-1.\n    "
WITHOUT_MINUS = (
    "a = t[:, None] * 10000.0 ** (i / half)\n    return torch.cat([a.sin(), a.cos()], -1)"
)
UNNAMED = "return torch.cat([angles.sin(), angles.cos()], -1)"


def test_a_mistake_is_named_above_which_gaps_are_left():
    answer = blank(exercises.embed_timesteps, (f"{FINISH}...", FINISH + WITHOUT_MINUS))
    result = check_sinusoidal_embedding(answer)
    assert result.status == "wrong", result
    assert "The minus of the exponent is missing" in result.messages[0]


def test_gaps_are_left_that_are_needed():
    answer = blank(exercises.embed_timesteps, (f"{FINISH}...", FINISH + UNNAMED))
    result = check_sinusoidal_embedding(answer)
    assert result.status == "not done", result
    assert result.messages[0] == "TODO 1 and TODO 2 are still open."
