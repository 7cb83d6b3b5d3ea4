"""Wrong random Fourier features, and which mistake their check names."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from condlesson.checks import check_random_fourier_features
from condlesson.embeddings import RandomFourierFeatures
from tests.checks.random_features import cos_sin, features
from tests.checks.sinusoids import OTHER_TIMES

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


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


class LateZeros(features(lambda n, scale: torch.zeros(n))):
    ready = False

    def forward(self, t):
        if not self.ready:
            self.w.normal_(std=self.scale)
            self.ready = True
        return super().forward(t)


class LateNone(features(lambda n, scale: None)):
    def __init__(self, d_emb, **options):
        super().__init__(d_emb, **options)
        self.d_emb = d_emb

    def forward(self, t):
        if self.w is None:
            self.w = self.scale * torch.randn(self.d_emb // 2)
        return super().forward(t)


class LateParameter(LateZeros):
    def __init__(self, d_emb, **options):
        super().__init__(d_emb, **options)
        del self.w
        self.w = nn.Parameter(torch.zeros(d_emb // 2), requires_grad=False)


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
    "zeros, filled in the first call": (LateZeros, "self.w gets its numbers in the first call"),
    "None, filled in the first call": (LateNone, "self.w gets its numbers in the first call"),
    "a parameter, filled in the first call": (LateParameter, "changes the numbers of the param"),
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
        features(lambda n, scale: scale * (2 * torch.randn(n)).exp()),
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


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_wrong(answer, message):
    result = check_random_fourier_features(answer)
    assert result.status == "wrong", result
    assert message in " ".join(result.messages)
