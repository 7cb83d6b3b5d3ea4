"""Right and wrong random Fourier features, and what their check must say of them."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from condlesson.checks import check_random_fourier_features
from condlesson.checks.harness import session
from condlesson.embeddings import RandomFourierFeatures
from tests.answers import blank
from tests.checks.sinusoids import OTHER_TIMES

pytestmark = pytest.mark.usefixtures("one_thread")


def cos_sin(angles):
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def features(
    draw=lambda n, scale: scale * torch.randn(n),
    *,
    turns=lambda t, m: t / m.num_timesteps,
    angles=lambda turns, w: 2 * math.pi * turns * w,
    join=cos_sin,
    keep=nn.Module.register_buffer,
):
    """A class of parts: how frequencies are drawn and kept, turns, angles, and what joins them."""

    class Answer(nn.Module):
        def __init__(self, d_emb, num_timesteps=1000, scale=16.0):
            super().__init__()
            self.num_timesteps, self.scale = num_timesteps, scale
            keep(self, "w", draw(d_emb // 2, scale))

        def forward(self, t):
            return join(angles(turns(t[:, None], self), self.w))

    return Answer


ROUNDED = "t = 0.5 is rounded to 0"


class Short(nn.Module):
    """Without keywords; scale and frequencies as one buffer in radians a timestep."""

    def __init__(self, d_emb):
        super().__init__()
        self.register_buffer("w", torch.randn(d_emb // 2) * 16 * 2 * math.pi / 1000)

    def forward(self, t):
        return torch.stack(
            [torch.sin(t[:, None] * self.w), torch.cos(t[:, None] * self.w)], -1
        ).flatten(1)


class ScaleOnly(Short):
    def __init__(self, d_emb, *, scale=16.0):
        super().__init__(d_emb)
        self.w *= scale / 16


def with_slow_hands(n, scale):
    w = scale * torch.randn(n)
    w[3:7] = torch.tensor([1e-4, -1e-5, 1e-6, -1e-7])
    return w


def frozen(module, name, value):
    setattr(module, name, nn.Parameter(value, requires_grad=False))


RIGHT = {
    "the page's": (RandomFourierFeatures, ""),
    "from scratch": (features(), ""),
    "sines first": (features(join=lambda a: torch.cat([a.sin(), a.cos()], dim=1)), ""),
    "in turn": (features(join=lambda a: torch.stack([a.cos(), a.sin()], dim=-1).flatten(1)), ""),
    "torch.normal": (features(lambda n, scale: torch.normal(0.0, scale, (n,))), ""),
    "init.normal_": (features(lambda n, scale: nn.init.normal_(torch.empty(n), std=scale)), ""),
    "a distribution": (
        features(lambda n, scale: torch.distributions.Normal(0.0, scale).sample((n,))),
        "",
    ),
    "a frozen parameter": (features(keep=frozen), ""),
    "a matrix": (
        features(
            lambda n, scale: scale * torch.randn(1, n), angles=lambda t, w: 2 * math.pi * t @ w
        ),
        "",
    ),
    "float64": (features(lambda n, scale: scale * torch.randn(n).double()), ""),
    "2 pi among the frequencies": (
        features(lambda n, scale: 2 * math.pi * scale * torch.randn(n), angles=lambda t, w: t * w),
        "",
    ),
    "complex numbers": (
        features(join=lambda a: torch.view_as_real(torch.exp(1j * a)).flatten(1)),
        "",
    ),
    "negative sines": (features(angles=lambda t, w: -2 * math.pi * t * w), ""),
    "a function that builds": (lambda d_emb, **options: features()(d_emb, **options), ""),
    "a partial": (partial(features(), num_timesteps=1000), ""),
    "truncated far out": (
        features(
            lambda n, scale: nn.init.trunc_normal_(
                torch.empty(n), std=scale, a=-4 * scale, b=4 * scale
            )
        ),
        "",
    ),
    "torch.empty, filled": (features(lambda n, scale: torch.empty(n).normal_(std=scale)), ""),
    "hands that stand almost still": (features(with_slow_hands), ""),
    "t rounded": (features(turns=lambda t, m: t.long() / m.num_timesteps), ROUNDED),
    "t in float64": (features(turns=lambda t, m: t.double() / m.num_timesteps), ""),
    "compiled": (
        lambda d_emb, **options: torch.compile(features()(d_emb, **options), backend="eager"),
        "",
    ),
    "no keyword": (Short, "does not take the page's keyword scale"),
    "one keyword": (ScaleOnly, "does not take the page's keyword num_timesteps"),
}


def changed(change, t, module):
    return change(t) / module.num_timesteps


CUT = {128: torch.arange(256), 32: torch.tensor([*range(32), *range(16), *range(32, 48)])}


def attribute(module, name, value):
    setattr(module, name, value)


def seeded(n, scale):
    return scale * torch.randn(n, generator=torch.Generator().manual_seed(3))


class InForward(nn.Module):
    def __init__(self, d_emb, num_timesteps=1000, scale=16.0):
        super().__init__()
        self.d, self.T, self.scale = d_emb, num_timesteps, scale

    def forward(self, t):
        return cos_sin(2 * math.pi * t[:, None] / self.T * self.scale * torch.randn(self.d // 2))


class TwoDraws(nn.Module):
    def __init__(self, d_emb, num_timesteps=1000, scale=16.0):
        super().__init__()
        self.register_buffer("w", scale * 2 * math.pi / num_timesteps * torch.randn(d_emb))

    def forward(self, t):
        one, other = (t[:, None] * self.w).chunk(2, dim=1)
        return torch.cat([one.cos(), other.sin()], dim=1)


class ToldInTraining(features()):
    def forward(self, t):
        return super().forward(t if self.training else 2 * t)


class Assigned(nn.Module):
    def __init__(self, d_emb):
        super().__init__()
        self.w = self.register_buffer("frequencies", torch.randn(d_emb // 2))

    def forward(self, t):
        return cos_sin(t[:, None] * self.w)


class Swapped(nn.Module):
    def __init__(self, d_emb):
        super().__init__()
        self.register_buffer(torch.randn(d_emb // 2), "frequencies")


WRONG = {
    "a keyword that is refused": (
        lambda d, scale=16.0: features()(d) if scale == 16 else 1 / 0,
        "your_function(256, scale=6) raised ZeroDivisionError",
    ),
    # what every embedding must do
    "an object": (RandomFourierFeatures(8), "You handed in an object"),
    "no module": (lambda d: 3, "must be an nn.Module"),
    "sines alone": (features(join=torch.sin), "Half is missing"),
    "as many frequencies as dimensions": (
        features(lambda n, scale: scale * torch.randn(2 * n)),
        "need d_emb // 2 frequencies",
    ),
    "stacked": (features(join=lambda a: torch.stack([a.cos(), a.sin()], dim=-1)), "flatten(1)"),
    "drawn in forward": (InForward, "The module gives another result each time"),
    "one row": (
        features(turns=lambda t, m: t[:1].expand(len(t), 1) / m.num_timesteps),
        "only the first of the timesteps is used",
    ),
    **{
        name: (features(turns=partial(changed, change)), message)
        for name, (change, message) in OTHER_TIMES.items()
    },
    "a width written down": (
        lambda d_emb, **options: features()(256, **options),
        "With d_emb = 256 it is right, with d_emb = 64 it is wrong. 6 timesteps and d_emb = 64 must"
        " give shape (6, 64), got (6, 256)",
    ),
    "a number of frequencies written down": (
        features(lambda n, scale: scale * torch.randn(128)),
        "Is a width written down, such as 128? Take d_emb // 2",
    ),
    "a number of cosines written down": (
        features(join=lambda a: cos_sin(a).index_select(1, CUT[a.shape[1]])),
        "48 of 64 dimensions are cosines",
    ),
    # how the frequencies are kept
    "trained": (
        features(keep=lambda m, name, value: setattr(m, name, nn.Parameter(value))),
        "w is trained, as a parameter",
    ),
    "always the same": (features(seeded), "Two objects have the same frequencies"),
    "an attribute": (features(keep=attribute), "The frequencies are lost when the weights are"),
    "a buffer that is not saved": (
        features(keep=partial(nn.Module.register_buffer, persistent=False)),
        "The frequencies are lost when the weights are",
    ),
    "not kept": (features(lambda n, scale: torch.empty(n)), "self.w was never filled"),
    "filled elsewhere": (
        features(lambda n, scale: (e := torch.empty(n), nn.init.normal_(e.clone()))[0]),
        "self.w was never filled",
    ),
    "kept in half precision": (
        features(lambda n, scale: scale * torch.randn(n).bfloat16()),
        "self.w is torch.bfloat16",
    ),
    "half precision": (
        features(join=lambda a: cos_sin(a).half()),
        "torch.float16, which is too coarse",
    ),
    "t in half precision": (
        features(turns=lambda t, m: t.half() / m.num_timesteps),
        "as by half precision",
    ),
    "t // T": (features(turns=lambda t, m: t // m.num_timesteps), "// and .long() make the same"),
    "T - 1": (
        features(turns=lambda t, m: t / (m.num_timesteps - 1)),
        "t is divided by num_timesteps - 1",
    ),
    # how they are drawn
    "a mean of 5": (
        features(lambda n, scale: 5 + scale * torch.randn(n)),
        "which should be 0: of 512 normal numbers",
    ),
    "half of them, twice": (
        features(lambda n, scale: scale * torch.randn(n // 2).repeat(2)),
        "of the 128 frequencies differ from one another",
    ),
    "both signs of half of them": (
        features(lambda n, scale: torch.cat([w := scale * torch.randn(n // 2), -w])),
        "of the 128 frequencies differ from one another",
    ),
    "whole numbers": (
        features(lambda n, scale: (scale * torch.randn(n)).round()),
        "All frequencies are whole numbers",
    ),
    "cut at 2": (
        features(lambda n, scale: nn.init.trunc_normal_(torch.empty(n), std=scale)),
        "where nn.init.trunc_normal_ cuts by itself",
    ),
    "log-normal": (
        features(lambda n, scale: torch.randn(n).exp()),
        "A few are much larger than the others",
    ),
    "pi alone": (features(angles=lambda t, w: math.pi * t * w), "Is it pi alone?"),
    "uniform from 0 to 1": (
        features(lambda n, scale: scale * torch.rand(n)),
        "100% of the frequencies are positive",
    ),
    "absolute values": (
        features(lambda n, scale: scale * torch.randn(n).abs()),
        "100% of the frequencies are positive",
    ),
    "uniform": (
        features(lambda n, scale: scale * 3**0.5 * (2 * torch.rand(n) - 1)),
        "The frequencies are not normally distributed",
    ),
    "two values": (
        features(lambda n, scale: scale * torch.randn(n).sign() * (1 + 1e-3 * torch.rand(n))),
        "The frequencies are not normally distributed",
    ),
    "uniform from -1 to 1": (
        features(lambda n, scale: scale * (2 * torch.rand(n) - 1)),
        "a standard deviation of 9.26 turns in 1000 timesteps, which should be scale = 16",
    ),
    "Cauchy": (
        features(lambda n, scale: scale / 4 * torch.empty(n).cauchy_()),
        "which should be scale = 16",
    ),
    "a geometric series": (features(lambda n, scale: 1e4 ** (-torch.arange(n) / n)), "Two objects"),
    # their scale
    "no scale": (features(lambda n, scale: torch.randn(n)), "The scale is not used"),
    "scale twice": (
        features(lambda n, scale: scale**2 * torch.randn(n)),
        "by the scale twice",
    ),
    "a variance": (features(lambda n, scale: scale**0.5 * torch.randn(n)), "not the variance"),
    "a fixed scale": (
        features(lambda n, scale: 16 * torch.randn(n)),
        "Answer(256, scale=6) have a standard deviation of",
    ),
    "a fixed T": (
        features(turns=lambda t, m: t / 1000),
        "The argument num_timesteps is not used: divide by self.num_timesteps",
    ),
    "360 degrees": (
        features(angles=lambda t, w: 360 * t * w),
        "One turn is 2 pi radians, and not 360",
    ),
    "t itself, at another scale": (
        features(lambda n, scale: 30 * torch.randn(n), turns=lambda t, m: t),
        "Divide t by self.num_timesteps",
    ),
    "t itself, and no 2 pi": (
        features(turns=lambda t, m: t, angles=lambda t, w: t * w),
        "Divide t by self.num_timesteps",
    ),
    "no dimension for the frequencies": (
        features(angles=lambda t, w: t[:, 0] * w),
        "Look at the shapes there: t is (6, 1) and w is (128,).",
    ),
    "told while it trains only": (ToldInTraining, "In evaluation mode, after eval(), it gives"),
    "a buffer assigned": (Assigned, "self.w is None. A function without return gives None, and so"),
    "name and tensor swapped": (Swapped, "The name comes first, then the tensor"),
    "no 2 pi": (features(angles=lambda t, w: t * w), "2 pi is missing"),
    "2 pi twice": (
        features(angles=lambda t, w: (2 * math.pi) ** 2 * t * w),
        "The factor 2 pi is there twice",
    ),
    "t itself": (features(turns=lambda t, m: t), "Divide t by self.num_timesteps"),
    "T twice": (features(turns=lambda t, m: t / m.num_timesteps**2), "num_timesteps twice"),
    "half the scale": (
        features(lambda n, scale: scale / 2 * torch.randn(n)),
        "which should be scale = 16",
    ),
    "zero": (features(lambda n, scale: 0 * torch.randn(n)), "none of the timesteps is used"),
    # what becomes of them
    "other frequencies for sines": (TwoDraws, "Sines and cosines have different frequencies"),
    "cosines twice": (
        features(join=lambda a: torch.cat([a.cos(), a.cos()], dim=1)),
        "and none is a sine",
    ),
    "times the square root of 2": (
        features(join=lambda a: 2**0.5 * cos_sin(a)),
        "reach 1.41 instead of 1",
    ),
    "angles": (
        features(join=lambda a: torch.cat([a, a], dim=1)),
        "angles, t times w_i. Their",
    ),
    "squares": (features(join=lambda a: cos_sin(a).square()), "are no sine or cosine of t"),
    "t rounded": (features(turns=lambda t, m: t // 2 * 2 / m.num_timesteps), "Something rounds"),
    "a random phase": (
        features(join=lambda a: cos_sin(a + torch.arange(a.shape[1]))),
        "and does not start at 0 or 1",
    ),
}


@pytest.mark.parametrize(("answer", "note"), RIGHT.values(), ids=RIGHT)
def test_right(answer, note):
    result = check_random_fourier_features(answer)
    assert result.passed, result
    *notes, praise = result.messages
    assert praise.startswith("Well done")
    assert [note in found for found in notes] == [True] * bool(note), notes


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_wrong(answer, message):
    result = check_random_fourier_features(answer)
    assert result.status == "wrong", result
    assert message in " ".join(result.messages)


@pytest.mark.parametrize("seed", range(12))
def test_any_draw_passes(seed, monkeypatch):
    monkeypatch.setattr(session, "SEED", seed)
    assert check_random_fourier_features(RandomFourierFeatures).passed


LINES = (
    'self.register_buffer("frequencies", torch.empty(d_emb // 2))',
    "nn.init.normal_(self.frequencies, std=self.scale)",
    "angles = 2 * math.pi * t[:, None] / self.num_timesteps * self.frequencies.to(t)",
    "return torch.cat([angles.cos(), angles.sin()], dim=-1)",
)


@pytest.mark.parametrize("filled", range(4))
def test_gaps_are_left(filled):
    answer = blank(RandomFourierFeatures, *(("...", line) for line in LINES[:filled]))
    result = check_random_fourier_features(answer)
    assert result.status == "not done"
    labels = [f"TODO {n}" for n in range(filled + 1, 5)]
    assert result.messages[0].startswith(", ".join(labels[:-1]) or labels[0])
    assert result.messages[0].endswith(f"{labels[-1]} {'are' if labels[1:] else 'is'} still open.")
    assert result.messages[1].startswith(f"Next, {labels[0]}: ")


def test_no_gap_is_left():
    answer = blank(RandomFourierFeatures, *(("...", line) for line in LINES))
    assert check_random_fourier_features(answer).passed
