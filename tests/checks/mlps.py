"""Timestep MLPs of parts, for the tests of their checks."""

import torch.nn.functional as F
from torch import nn

from condlesson.embeddings import sinusoidal_embedding


def usual(m, s):
    return m.b(F.gelu(m.a(s)))


def mlp(forward=usual, *, sinusoid=sinusoidal_embedding, parts=None, as_is=False):
    """A class of two layers a and b, put together by a function of them and the sinusoid."""

    class Answer(nn.Module):
        def __init__(self, d_sinusoidal, d_emb):
            super().__init__()
            self.d, self.d_emb = d_sinusoidal, d_emb
            self.a, self.b = nn.Linear(d_sinusoidal, d_emb), nn.Linear(d_emb, d_emb)
            for name, value in parts(d_sinusoidal, d_emb).items() if parts else ():
                delattr(self, name) if hasattr(self, name) else None
                setattr(self, name, value)

        def forward(self, t):
            return forward(self, t if as_is else sinusoid(t, self.d))

    return Answer


def activated(function):
    return mlp(lambda m, s: m.b(function(m.a(s))))


def started(**values):
    """Parts that start with these values: weights and biases 1 and 2 by name, others as usual."""

    def parts(n, d):
        a, b = nn.Linear(n, d), nn.Linear(d, d)
        for name, p in (("w_1", a.weight), ("b_1", a.bias), ("w_2", b.weight), ("b_2", b.bias)):
            if name in values:
                nn.init.constant_(p, values[name])
        return {"a": a, "b": b}

    return parts


class Sinusoid(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, t):
        return sinusoidal_embedding(t, self.width)


def sequential(n, width):
    return nn.Sequential(Sinusoid(n), nn.Linear(n, width), nn.GELU(), nn.Linear(width, width))
