"""Random Fourier features of parts, for the tests of their check."""

import math

import torch
from torch import nn


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
