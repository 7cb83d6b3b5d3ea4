"""Sinusoidal embedding of the diffusion timestep, and the small network that refines it.

A timestep t becomes a vector whose components are sines and cosines of t at geometrically spaced
frequencies, for i = 0 .. d_emb/2 - 1::

    w_i = max_period ** (-i / D),    components sin(w_i t) and cos(w_i t)

with D = d_emb/2 (``denominator="half"``) or D = d_emb/2 - 1 (``denominator="half_minus_one"``).

Source: Vaswani et al. 2017, section 3.5, arXiv:1706.03762 (there for token positions);
Ho, Jain and Abbeel 2020, appendix B, arXiv:2006.11239 (for timesteps).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.arguments import check_choice, check_count, check_positive
from condlesson.inputs import as_batch
from condlesson.tensors import check_tensor

__all__ = [
    "DENOMINATORS",
    "LAYOUTS",
    "ClassEmbedding",
    "FourierTimestepEmbedding",
    "RandomFourierFeatures",
    "TimestepEmbedding",
    "cosine_similarity_at",
    "random_table",
    "sinusoidal_embedding",
    "sinusoidal_frequencies",
]

LAYOUTS = ("sin_cos", "cos_sin", "interleaved")
DENOMINATORS = ("half", "half_minus_one")


def sinusoidal_frequencies(
    d_emb: int = 256,
    *,
    max_period: float = 10000.0,
    denominator: str = "half",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Angular frequencies of the sinusoidal embedding, fastest first.

    w_i = exp(-i * ln(max_period) / D) for i = 0 .. d_emb//2 - 1, in radians per timestep.

    Args:
        d_emb: Width of the embedding; it has d_emb // 2 frequencies.
        max_period: Ratio between the fastest and (nearly) the slowest frequency, 1 or more.
        denominator: ``"half"`` for D = d_emb//2, ``"half_minus_one"`` for D = d_emb//2 - 1.
        dtype: Floating dtype of the result.
        device: Device of the result.

    Returns:
        Tensor of shape (d_emb // 2,).

    Raises:
        TypeError: d_emb is not an integer, or max_period is not a real number.
        ValueError: d_emb is too small, max_period is below 1 or not finite, or the denominator is
            unknown.
    """
    check_options(d_emb, max_period, denominator)
    half = d_emb // 2
    steps = half if denominator == "half" else half - 1
    i = torch.arange(half, dtype=dtype, device=device)
    return torch.exp(-math.log(max_period) * i / steps)


def sinusoidal_embedding(
    t: float | Tensor,
    d_emb: int = 256,
    *,
    max_period: float = 10000.0,
    layout: str = "sin_cos",
    denominator: str = "half",
) -> Tensor:
    """Embed timesteps as sines and cosines, one row for each timestep.

    Row of t in the default layout ``"sin_cos"``, with the w_i of `sinusoidal_frequencies`::

        [sin(w_0 t), ..., sin(w_{h-1} t), cos(w_0 t), ..., cos(w_{h-1} t)],   h = d_emb // 2

    Layout ``"cos_sin"`` swaps the halves; ``"interleaved"`` is the order of the 2017 formula,
    [sin(w_0 t), cos(w_0 t), sin(w_1 t), ...]. All three are permutations of one another. An odd
    d_emb gets a last component of 0. It is computed in float32 at least. There a component is off
    by less than 1e-4 for t up to 1000, and by up to 0.1 at 10^6; a float64 t is exact at both.

    Args:
        t: One timestep (a number or a 0-d tensor) or a batch of shape (B,), integer or floating,
            finite. Timesteps run from 0 (least noise) to T - 1; negative values are legal, since
            the formula holds for them and log noise levels need them. B may be 0.
        d_emb: Width of the embedding: at least 2, or 4 with ``"half_minus_one"``.
        max_period: Base of the geometric series of periods, finite and 1 or more.
        layout: ``"sin_cos"``, ``"cos_sin"`` or ``"interleaved"``.
        denominator: ``"half"`` or ``"half_minus_one"``.

    Returns:
        Tensor of shape (B, d_emb), values in [-1, 1], on the device of t; float64 if t is a
        float64 tensor, else float32.

    Raises:
        TypeError: t is no real number or tensor of real numbers, or an option has a wrong type.
        ValueError: t has two or more dimensions or is not finite, or an option is out of range.

    Source: Vaswani et al. 2017, section 3.5, arXiv:1706.03762.
    """
    check_choice("layout", layout, LAYOUTS)
    t = as_batch(t)
    frequencies = sinusoidal_frequencies(
        d_emb,
        max_period=max_period,
        denominator=denominator,
        dtype=t.dtype,
        device=t.device,
    )
    angles = t[:, None] * frequencies[None, :]  # (B, d_emb // 2)
    sin, cos = angles.sin(), angles.cos()
    if layout == "sin_cos":
        emb = torch.cat([sin, cos], dim=-1)
    elif layout == "cos_sin":
        emb = torch.cat([cos, sin], dim=-1)
    else:
        emb = torch.stack([sin, cos], dim=-1).flatten(1)
    return F.pad(emb, (0, d_emb % 2))  # (B, d_emb)


class TimestepEmbedding(nn.Module):
    """The timestep MLP: sinusoid -> Linear -> GELU -> Linear.

    t_emb = W_2 GELU(W_1 s(t) + b_1) + b_2,   s = `sinusoidal_embedding` (layout ``sin_cos``,
    denominator ``half``)

    The sinusoid has no parameters; with the default sizes the two layers have
    131,584 + 262,656 = 394,240.

    Args:
        d_sinusoidal: Width of the sinusoid.
        d_emb: Width of the hidden layer and of the result.

    Raises:
        TypeError: A width is not an integer.
        ValueError: A width is too small.

    Source: Ho, Jain and Abbeel 2020, arXiv:2006.11239, whose code has SiLU where this has GELU.
    """

    def __init__(self, d_sinusoidal: int = 256, d_emb: int = 512) -> None:
        super().__init__()
        check_count(d_sinusoidal, "d_sinusoidal", minimum=2)
        check_count(d_emb, "d_emb", minimum=1)
        self.d_sinusoidal = d_sinusoidal
        self.linear_1 = nn.Linear(d_sinusoidal, d_emb)
        self.linear_2 = nn.Linear(d_emb, d_emb)

    def forward(self, t: float | Tensor) -> Tensor:
        """Embed t, as `sinusoidal_embedding` takes it; returns shape (B, d_emb)."""
        sinusoid = sinusoidal_embedding(t, self.d_sinusoidal)
        sinusoid = sinusoid.to(self.linear_1.weight)  # the layers' device and dtype
        # TODO 1: what becomes of the sinusoid: through the first layer, then a GELU
        # (F.gelu), then the second layer.
        return self.linear_2(F.gelu(self.linear_1(sinusoid)))
        # END TODO


class RandomFourierFeatures(nn.Module):
    """Sines and cosines of t at random frequencies, in place of a geometric series.

    f(t) = [cos(2 pi f_0 t / T), ..., sin(2 pi f_0 t / T), ...],   f_i drawn from N(0, scale^2)

    The frequencies are drawn once, in whole turns per run of T timesteps, and are not trained.

    Args:
        d_emb: Width of the features, even; half as many frequencies.
        num_timesteps: How many timesteps there are.
        scale: Standard deviation of the frequencies, in turns per T timesteps.

    Raises:
        TypeError: d_emb or num_timesteps is not an integer, or scale no number.
        ValueError: d_emb is odd or below 2, num_timesteps is below 1, or scale is not above 0.

    Source: Tancik et al. 2020, section 4, arXiv:2006.10739; for noise levels Song et al. 2021,
    arXiv:2011.13456, with the scale of 16 that is the default here.
    """

    def __init__(
        self,
        d_emb: int = 256,
        *,
        num_timesteps: int = 1000,
        scale: float = 16.0,
    ) -> None:
        super().__init__()
        check_count(d_emb, "d_emb", minimum=2)
        check_count(num_timesteps, "num_timesteps")
        check_positive(scale, "scale")
        if d_emb % 2:
            raise ValueError(f"d_emb must be even, a sine and a cosine each, got {d_emb}.")
        self.num_timesteps = num_timesteps
        self.scale = scale
        # TODO 1: self.frequencies, room for d_emb // 2 numbers, as a buffer: saved with
        # the weights and never trained (self.register_buffer).
        self.register_buffer("frequencies", torch.empty(d_emb // 2))
        # END TODO
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the frequencies."""
        # TODO 2: fill self.frequencies with normal values of mean 0 and standard
        # deviation self.scale.
        nn.init.normal_(self.frequencies, std=self.scale)
        # END TODO

    def forward(self, t: float | Tensor) -> Tensor:
        """Features of t, as `sinusoidal_embedding` takes it; returns shape (B, d_emb)."""
        t = as_batch(t)  # (B,)
        # TODO 3: the angles in radians, (B, d_emb // 2). A frequency of 1 makes one
        # whole turn while t goes from 0 to self.num_timesteps.
        turns = t[:, None] / self.num_timesteps * self.frequencies.to(t)  # (B, d_emb // 2)
        angles = 2 * math.pi * turns
        # END TODO
        # TODO 4: the features, (B, d_emb): all cosines, then all sines.
        return torch.cat([angles.cos(), angles.sin()], dim=-1)
        # END TODO


class FourierTimestepEmbedding(TimestepEmbedding):
    """The timestep MLP on random Fourier features in the sinusoid's place.

    Args:
        d_sinusoidal: Width of the features, even.
        d_emb: Width of the hidden layer and of the result.
        num_timesteps: How many timesteps there are.

    Raises:
        TypeError: A width is not an integer.
        ValueError: A width is too small, or d_sinusoidal is odd.
    """

    def __init__(
        self, d_sinusoidal: int = 256, d_emb: int = 512, *, num_timesteps: int = 1000
    ) -> None:
        super().__init__(d_sinusoidal, d_emb)
        self.features = RandomFourierFeatures(d_sinusoidal, num_timesteps=num_timesteps)

    def forward(self, t: float | Tensor) -> Tensor:
        """Embed t, as `sinusoidal_embedding` takes it; returns shape (B, d_emb)."""
        t = as_batch(t).to(self.features.frequencies.device)
        features = self.features(t).to(self.linear_1.weight)  # the layers' device and dtype
        return self.linear_2(F.gelu(self.linear_1(features)))


class ClassEmbedding(nn.Embedding):
    """A learned row for each class, and the null row, for "no class", behind them.

    Rows start small beside the timestep's embedding, to which they are added.

    Args:
        num_classes: Number of classes C; the null row is row C.
        d_emb: Width of a row.

    Raises:
        TypeError: A number is not an integer; in the call, labels are no integers.
        ValueError: A number is below 1; in the call, labels are not 1-d or lie outside 0 .. C.

    Source: Ho and Salimans 2022, arXiv:2207.12598 (the null class); the start with a standard
    deviation of 0.02 as in Peebles and Xie 2023, arXiv:2212.09748.
    """

    def __init__(self, num_classes: int, d_emb: int = 512) -> None:
        check_count(num_classes, "num_classes", minimum=1)
        check_count(d_emb, "d_emb", minimum=1)
        super().__init__(num_classes + 1, d_emb)

    @property
    def null(self) -> int:
        """The label that stands for "no class"."""
        return self.num_embeddings - 1

    def reset_parameters(self) -> None:
        """Draw the rows."""
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, labels: Tensor | None) -> Tensor:
        """Embed labels (B,) as (B, d_emb); None, which is no class for all, as (1, d_emb)."""
        if labels is None:
            return self.weight[self.null][None]
        if not isinstance(labels, Tensor):
            raise TypeError(f"labels must be a tensor of integers, got {type(labels).__name__}.")
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise TypeError(f"labels must be integers, got {labels.dtype}. Convert: labels.long().")
        if labels.ndim != 1:
            raise ValueError(f"labels must have the shape (B,), got {tuple(labels.shape)}.")
        if labels.device != self.weight.device:
            raise ValueError(
                f"labels must be on the device of the rows, {self.weight.device}, got "
                f"{labels.device}. Move them: labels.to({str(self.weight.device)!r})."
            )
        labels = labels.long()  # which has a least and a largest, as uint16 has not
        has_values = labels.numel() and not labels.is_meta
        if has_values and not 0 <= labels.min() <= labels.max() <= self.null:
            raise ValueError(
                f"labels must lie in 0 .. {self.null}, got {labels.min()} .. {labels.max()}. "
                f"{self.null} stands for no class."
            )
        return super().forward(labels)


def random_table(num_timesteps: int = 1000, d_emb: int = 256, *, seed: int = 0) -> Tensor:
    """The negative example: an unrelated random vector for each timestep.

    Args:
        num_timesteps: Number of rows T.
        d_emb: Width of a row.
        seed: Seed of the table; the global random state is left alone.

    Returns:
        Tensor of shape (T, d_emb) of standard normal values.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A number of rows or columns is below 1, or the seed below 0.
    """
    check_count(num_timesteps, "num_timesteps")
    check_count(d_emb, "d_emb")
    check_count(seed, "seed", minimum=0)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_timesteps, d_emb, generator=generator)


def cosine_similarity_at(
    distance: Tensor, d_emb: int = 256, *, max_period: float = 10000.0, denominator: str = "half"
) -> Tensor:
    """Cosine similarity of two sinusoidal embeddings, from the distance of their timesteps.

    sim(D) = (2 / d_emb) * sum_i cos(w_i D), since sin a sin b + cos a cos b = cos(a - b) and every
    embedding has the norm sqrt(d_emb / 2). It holds for even d_emb.

    Args:
        distance: Differences of timesteps D, any shape.
        d_emb: Width of the embedding, even.
        max_period: As in `sinusoidal_embedding`.
        denominator: As in `sinusoidal_embedding`.

    Returns:
        Float64 tensor of the shape of distance, values in [-1, 1].

    Raises:
        TypeError: distance is no tensor of real numbers, or as `sinusoidal_frequencies`.
        ValueError: distance is not finite, d_emb is odd, or as `sinusoidal_frequencies`.
    """
    frequencies = sinusoidal_frequencies(
        d_emb, max_period=max_period, denominator=denominator, dtype=torch.float64
    )
    if d_emb % 2:
        raise ValueError(f"d_emb must be even for the closed form, got {d_emb}.")
    check_tensor(distance, "distance")
    if distance.is_complex():
        raise TypeError(f"distance must hold real numbers, got {distance.dtype}.")
    if not distance.is_meta and not distance.double().isfinite().all():
        raise ValueError("distance must be finite, got a nan or an infinity.")
    frequencies = frequencies.to(distance.device)
    return torch.cos(distance.double()[..., None] * frequencies).mean(dim=-1)


def check_options(d_emb: int, max_period: float, denominator: str) -> None:
    """Refuse a width, a period or a denominator that gives no frequencies."""
    check_choice("denominator", denominator, DENOMINATORS)
    if denominator == "half":
        check_count(d_emb, "d_emb", minimum=2)
    else:
        check_count(d_emb, 'd_emb with denominator="half_minus_one"', minimum=4)
    check_positive(max_period, "max_period")
    if max_period < 1:
        raise ValueError(
            f"max_period must be at least 1, got {max_period!r}: it is the ratio between the "
            "fastest frequency and the slowest."
        )
