"""Sinusoids of parts, for the tests of their checks."""

import math

import torch

from condlesson.embeddings import sinusoidal_frequencies


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


def by_slices(t, d_emb):
    w = 1 / torch.pow(10000, torch.arange(0, d_emb, 2) / d_emb)
    emb = torch.zeros(len(t), d_emb)
    emb[:, 0::2] = torch.sin(t.unsqueeze(1) * w)
    emb[:, 1::2] = torch.cos(t.unsqueeze(1) * w)
    return emb


def slices_of_rows(t, d):
    angles = t[:, None] * wheel(d)
    emb = torch.zeros(len(t), d)
    emb[0::2] = torch.cat([angles.sin(), angles.cos()], dim=1)[0::2]
    emb[1::2] = torch.cat([angles.cos(), angles.sin()], dim=1)[1::2]
    return emb


def by_columns(t, d_emb):
    w = sinusoidal_frequencies(d_emb)
    return torch.stack([f(t * w_i) for w_i in w for f in (torch.sin, torch.cos)], dim=1)


def changed(change, **parts):
    """A clock of parts, of timesteps that a function of the whole batch changes first."""
    embed = clock(**parts)
    return lambda t, d: embed(change(torch.as_tensor(t).reshape(-1)), d)


OTHER_TIMES = {
    "small batches as parts of 1": (
        lambda t: 1000 * t if t.max() <= 1 else t,
        "t = 1 gets one embedding alone and another one in a batch of larger timesteps",
    ),
    "floats as parts of 1": (
        lambda t: 1000 * t if t.is_floating_point() else t,
        "t = 500 gets another embedding in a floating tensor than in a tensor of whole timesteps: "
        "they differ by up to",
    ),
    "floats beside the largest": (
        lambda t: t / t.max() if t.is_floating_point() else t,
        "take t as it is, and change nothing by its kind, by its size or by the largest t",
    ),
    "small batches of floats as parts of 1": (
        lambda t: 1000 * t if t.max() < 1 else t,
        "t = 0.25 gets one embedding alone and another one in a batch of larger timesteps",
    ),
}
