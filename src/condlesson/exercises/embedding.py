"""Exercise 1, further: the sinusoid in the layout of the paper."""

import torch
from torch import Tensor

from condlesson.embeddings import sinusoidal_frequencies

__all__ = ["interleaved_embedding"]


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
