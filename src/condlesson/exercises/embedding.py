"""Exercise 1: the lines that carry the sinusoid; and further, the layout of the paper."""

import torch
from torch import Tensor

from condlesson.embeddings import sinusoidal_frequencies

__all__ = ["embed_timesteps", "interleaved_embedding"]


def embed_timesteps(t: Tensor, d_emb: int) -> Tensor:
    """Embed timesteps (B,) as (B, d_emb): all sines, then all cosines.

    Row of t: [sin(w_0 t), sin(w_1 t), ..., cos(w_0 t), cos(w_1 t), ...], w_i = 10000 ** (-i / half)
    with half = d_emb / 2

    Args:
        t: One timestep, or a batch of shape (B,), integer or floating.
        d_emb: Width of the embedding, even.

    Returns:
        Tensor of shape (B, d_emb), values in [-1, 1].

    Source: Ho, Jain and Abbeel 2020, appendix B, arXiv:2006.11239.
    """
    t = torch.as_tensor(t).reshape(-1)  # a single number becomes a batch of one
    half = d_emb // 2
    i = torch.arange(half)
    # TODO 1: the frequencies, (half,): 10000 to the power of -i / half.
    frequencies = 10000.0 ** (-i / half)
    # END TODO
    # TODO 2: the angles, (B, half): every timestep times every frequency. t[:, None]
    # is a column, frequencies[None, :] a row.
    angles = t[:, None] * frequencies[None, :]
    # END TODO
    # TODO 3: the sines of all angles, then their cosines, side by side, (B, d_emb).
    # torch.cat joins along the last dimension with dim=-1.
    sines, cosines = angles.sin(), angles.cos()
    return torch.cat([sines, cosines], dim=-1)
    # END TODO


def interleaved_embedding(t: Tensor, d_emb: int) -> Tensor:
    """Embed timesteps (B,) as (B, d_emb), in the order sin, cos, sin, cos.

    Row of t: [sin(w_0 t), cos(w_0 t), sin(w_1 t), cos(w_1 t), ...], w_i = 10000 ** (-2i / d_emb)

    Args:
        t: Timesteps of shape (B,), integer or floating.
        d_emb: Width of the embedding, even.

    Returns:
        Tensor of shape (B, d_emb), values in [-1, 1].

    Source: Vaswani et al. 2017, section 3.5, arXiv:1706.03762.
    """
    # TODO 1: the angle of every hand at every timestep, (B, d_emb // 2): an outer
    # product of t and the frequencies.
    t = t if t.is_floating_point() else t.float()
    angles = torch.outer(t, sinusoidal_frequencies(d_emb, dtype=t.dtype, device=t.device))
    # END TODO
    # TODO 2: the embedding, (B, d_emb): sines at even dimensions, cosines at odd.
    emb = angles.new_empty(len(t), d_emb)
    emb[:, 0::2], emb[:, 1::2] = angles.sin(), angles.cos()
    return emb
    # END TODO
