"""Broken code that runs: the exhibits of the museum of silent bugs.

Each function or class is whole, has the right shapes, and holds one wrong line. The line that
belongs there is in the comment above it, from which `condlesson.scaffold` makes the cured version.
All are written for this lesson, after bugs that public code has had; `mistakes` says where.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.conditioning import AdaGN, add_to_channels
from condlesson.embeddings import sinusoidal_embedding, sinusoidal_frequencies
from condlesson.unet import UNetAdaGN, UNetSinusoidal

__all__ = [
    "AlwaysZeroUNet",
    "CancelledShiftBlock",
    "DeafUNet",
    "InPlaceUNet",
    "MissingOneAdaGN",
    "NoActivationEmbedding",
    "UnregisteredEmbedding",
    "UnsavedFourierFeatures",
    "batch_axis_embedding",
    "bfloat16_embedding",
    "doubled_exponent_embedding",
    "draw_all_but_last",
    "other_denominator_embedding",
    "rootless_ddim_update",
    "swapped_halves_embedding",
    "told_by_block",
    "told_indices",
    "unguided_prediction",
    "unit_interval_embedding",
    "unscaled_betas",
]


# --- the sinusoid -----------------------------------------------------------------------------


def batch_axis_embedding(t: Tensor, d_emb: int) -> Tensor:
    """Embed timesteps (B,) as (B, d_emb): sine, cosine, sine, cosine."""
    angles = t[:, None] * sinusoidal_frequencies(d_emb).repeat_interleave(2)
    table = torch.empty(angles.shape)
    # CURE: table[:, 0::2], table[:, 1::2] = angles[:, 0::2].sin(), angles[:, 1::2].cos()
    table[0::2], table[1::2] = angles[0::2].sin(), angles[1::2].cos()
    # END CURE
    return table


def unit_interval_embedding(t: Tensor, d_emb: int) -> Tensor:
    """Embed timesteps (B,) as (B, d_emb): all sines, then all cosines."""
    # CURE: clock = t.float()
    clock = t / 1000
    # END CURE
    angles = clock[:, None] * sinusoidal_frequencies(d_emb)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def doubled_exponent_embedding(t: Tensor, d_emb: int) -> Tensor:
    """Embed timesteps (B,) as (B, d_emb): all sines, then all cosines."""
    i = torch.arange(d_emb // 2)
    # CURE: frequencies = 10000 ** (-2 * i / d_emb)
    frequencies = 10000 ** (-2 * i / (d_emb // 2))
    # END CURE
    angles = t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def bfloat16_embedding(t: Tensor, d_emb: int) -> Tensor:
    """Embed timesteps (B,) as (B, d_emb): all sines, then all cosines."""
    # CURE: clock = t.to(torch.float32)
    clock = t.to(torch.bfloat16)
    # END CURE
    angles = clock.float()[:, None] * sinusoidal_frequencies(d_emb)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def swapped_halves_embedding(t: Tensor, d_emb: int) -> Tensor:
    """Embed timesteps (B,) as (B, d_emb), for weights that know the sines first."""
    angles = t[:, None] * sinusoidal_frequencies(d_emb)
    # CURE: return torch.cat([torch.sin(angles), torch.cos(angles)], dim=-1)
    return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)
    # END CURE


def other_denominator_embedding(t: Tensor, d_emb: int) -> Tensor:
    """Embed timesteps (B,) as (B, d_emb), for weights that know i / (d_emb / 2)."""
    half = d_emb // 2
    # CURE: exponents = torch.arange(half) / half
    exponents = torch.arange(half) / (half - 1)
    # END CURE
    angles = t[:, None] * torch.exp(-math.log(10000.0) * exponents)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


# --- networks behind it -----------------------------------------------------------------------


class NoActivationEmbedding(nn.Module):
    """The timestep MLP: from t (B,) by way of its sinusoid to t_emb (B, d_emb)."""

    def __init__(self, d_sinusoidal: int = 256, d_emb: int = 512) -> None:
        super().__init__()
        self.d_sinusoidal = d_sinusoidal
        self.linear_1 = nn.Linear(d_sinusoidal, d_emb)
        self.linear_2 = nn.Linear(d_emb, d_emb)

    def forward(self, t: Tensor) -> Tensor:
        """Embed the timesteps (B,) as (B, d_emb)."""
        hidden = self.linear_1(sinusoidal_embedding(t, self.d_sinusoidal))
        # CURE: return self.linear_2(F.gelu(hidden))
        return self.linear_2(hidden)
        # END CURE


class UnregisteredEmbedding(nn.Module):
    """The timestep MLP: from t (B,) by way of its sinusoid to t_emb (B, d_emb)."""

    def __init__(self, d_sinusoidal: int = 256, d_emb: int = 512) -> None:
        super().__init__()
        self.d_sinusoidal = d_sinusoidal
        widths = [(d_sinusoidal, d_emb), (d_emb, d_emb)]
        # CURE: self.layers = nn.ModuleList(nn.Linear(*width) for width in widths)
        self.layers = [nn.Linear(*width) for width in widths]
        # END CURE

    def forward(self, t: Tensor) -> Tensor:
        """Embed the timesteps (B,) as (B, d_emb)."""
        first, second = self.layers
        return second(F.gelu(first(sinusoidal_embedding(t, self.d_sinusoidal))))


class UnsavedFourierFeatures(nn.Module):
    """Cosines and sines of t (B,) at random frequencies, (B, d_emb)."""

    def __init__(self, d_emb: int = 256, *, num_timesteps: int = 1000, scale: float = 16.0) -> None:
        super().__init__()
        self.num_timesteps = num_timesteps
        drawn = scale * torch.randn(d_emb // 2)
        # CURE: self.register_buffer("turns", drawn)
        self.turns = drawn
        # END CURE

    def forward(self, t: Tensor) -> Tensor:
        """Features of the timesteps (B,), of shape (B, d_emb)."""
        angles = 2 * math.pi * t[:, None] / self.num_timesteps * self.turns
        return torch.cat([torch.cos(angles), torch.sin(angles)], dim=-1)


# --- the way into a block ---------------------------------------------------------------------


class MissingOneAdaGN(AdaGN):
    """Adaptive group norm: the timestep sets scale and shift of every channel."""

    def forward(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Normalise h (B, C, H, W), then scale and shift it by t_emb (B, d_emb)."""
        scores = self.projection(t_emb)[:, :, None, None]
        gamma, beta = scores.chunk(2, dim=1)
        # CURE: modulated = (1 + gamma) * self.norm(h)
        modulated = gamma * self.norm(h)
        # END CURE
        return modulated + beta


class CancelledShiftBlock(nn.Module):
    """A block that is told the time by addition: convolution, shift, norm, ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, d_emb: int, num_groups: int = 8
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time = nn.Linear(d_emb, out_channels)
        # CURE: self.group_norm = nn.GroupNorm(num_groups, out_channels)
        self.group_norm = nn.GroupNorm(out_channels, out_channels)
        # END CURE

    def forward(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Map h (B, in_channels, H, W) to (B, out_channels, H, W), told t_emb (B, d_emb)."""
        told = add_to_channels(self.conv(h), self.time(t_emb))
        return F.relu(self.group_norm(told))


class InPlaceUNet(UNetSinusoidal):
    """A U-Net that adds the timestep to its bottleneck."""

    def condition(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Add one number per channel to the bottleneck."""
        shift = self.time_projection(t_emb)[:, :, None, None]
        # CURE: h = h + shift
        h += shift
        # END CURE
        return h


class AlwaysZeroUNet(UNetSinusoidal):
    """A U-Net that adds the timestep to its bottleneck."""

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Predict the noise in x_t (B, 1, H, W) at the timesteps (B,)."""
        # CURE: told = t
        told = 0 * t
        # END CURE
        return super().forward(x_t, told)


# --- training and sampling --------------------------------------------------------------------


def draw_all_but_last(batch_size: int, num_timesteps: int) -> Tensor:
    """Draw a timestep for each image, all of 0 .. num_timesteps - 1 equally likely."""
    # CURE: timesteps = torch.randint(num_timesteps, (batch_size,))
    timesteps = torch.randint(num_timesteps - 1, (batch_size,))
    # END CURE
    return timesteps


def unscaled_betas(num_timesteps: int) -> Tensor:
    """Noise variances of a schedule of any length, that ends in noise: (num_timesteps,)."""
    # CURE: scale = 1000 / num_timesteps
    scale = 1
    # END CURE
    return torch.linspace(1e-4 * scale, 0.02 * scale, num_timesteps)


def told_indices(num_steps: int, num_timesteps: int) -> Tensor:
    """What a sampler of num_steps steps tells the network at each, most noise first."""
    k = torch.arange(num_steps - 1, -1, -1)
    # CURE: return k * (num_timesteps // num_steps)
    return k
    # END CURE


def rootless_ddim_update(
    x_t: Tensor, noise_pred: Tensor, alpha_bar_t: Tensor, alpha_bar_prev: Tensor
) -> Tensor:
    """Go from x_t to an earlier timestep without fresh noise: DDIM with eta = 0."""
    x_0 = (x_t - torch.sqrt(1 - alpha_bar_t) * noise_pred) / torch.sqrt(alpha_bar_t)
    # CURE: noise = torch.sqrt(1 - alpha_bar_prev) * noise_pred
    noise = (1 - alpha_bar_prev) * noise_pred
    # END CURE
    return torch.sqrt(alpha_bar_prev) * x_0 + noise


# --- what to draw -----------------------------------------------------------------------------


class DeafUNet(UNetAdaGN):
    """Told the timestep, and the class."""

    def __init__(self, width: int = 32) -> None:
        # CURE: super().__init__(width, num_classes=10)
        super().__init__(width)
        # END CURE

    def embed(self, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Embed timesteps (B,) and classes (B,) as (B, 512)."""
        e = self.time_embedding(t)
        return e + self.class_embedding(labels) if self.class_embedding is not None else e


def told_by_block(labels: Tensor, num_blocks: int, null_label: int) -> Tensor:
    """What each block is told of labels (B,): (num_blocks, B), one in ten withheld."""
    # CURE: is_withheld = torch.rand(len(labels)) < 0.1
    is_withheld = torch.rand(num_blocks, len(labels)) < 0.1
    # END CURE
    return torch.where(is_withheld, null_label, labels).expand(num_blocks, -1)


def unguided_prediction(
    model: Callable,
    x_t: Tensor,
    t: Tensor,
    labels: Tensor,
    null_label: int,
    scale: float,
) -> Tensor:
    """Predict the noise with guidance."""
    cond = model(x_t, t, labels)
    # CURE: uncond = model(x_t, t, torch.full_like(labels, null_label))
    uncond = model(x_t, t, labels)
    # END CURE
    return cond + (scale - 1) * (cond - uncond)
