"""Right random Fourier features, and what their check must say of them."""

import math
from functools import partial

import pytest
import torch
from torch import nn

from condlesson.checks import check_random_fourier_features
from condlesson.checks.harness import session
from condlesson.embeddings import RandomFourierFeatures
from tests.answers import blank
from tests.checks.random_features import features
from tests.checks.variants import assert_noted, rows

pytestmark = pytest.mark.usefixtures("one_thread")
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


@pytest.mark.parametrize("row", rows(RIGHT, 10))
def test_right(row):
    answer, note = row
    result = check_random_fourier_features(answer)
    assert result.passed, result
    *notes, praise = result.messages
    assert praise.startswith("Well done")
    assert_noted(notes, note)


@pytest.mark.slow
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
