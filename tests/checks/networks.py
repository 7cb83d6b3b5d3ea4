"""Networks as a learner writes them, to be edited by the tests of their check."""

import torch
from torch.utils.checkpoint import checkpoint

from condlesson import unet
from condlesson.embeddings import (
    FourierTimestepEmbedding,
    TimestepEmbedding,
    sinusoidal_embedding,
)
from tests.checks.variants import cell, edited, lines

KNOWN = {
    "UNet": unet.UNet,
    "TimestepEmbedding": TimestepEmbedding,
    "FourierTimestepEmbedding": FourierTimestepEmbedding,
    "sinusoidal_embedding": sinusoidal_embedding,
}


class Swish(torch.autograd.Function):
    """SiLU with a backward of its own, which keeps one tensor in place of two."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x.sigmoid()

    @staticmethod
    def backward(ctx, gradient):
        [x] = ctx.saved_tensors
        return gradient * (x.sigmoid() * (1 + x * (1 - x.sigmoid())))


# What a learner writes who starts from the page's network.
DERIVED = """\
class Net(UNet):
    def __init__(self):
        super().__init__()
        self.embedding = TimestepEmbedding(256, 512)
        self.project = nn.Linear(512, 256)
        # more

    def embed(self, t):
        return self.embedding(t)

    def condition(self, h, t_emb):
        shift = self.project(t_emb)[:, :, None, None]
        return h + shift
"""
EMBEDDING, PROJECT = (
    "self.embedding = TimestepEmbedding(256, 512)",
    "self.project = nn.Linear(512, 256)",
)
EMBED, SHIFT, SUM = (
    "return self.embedding(t)",
    "shift = self.project(t_emb)[:, :, None, None]",
    "return h + shift",
)
# And one who writes all of it, with other names.
WHOLE = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.d1, self.d2, self.d3 = self.pair(1, 32), self.pair(32, 64), self.pair(64, 128)
        self.mid = self.pair(128, 256)
        self.u2, self.u1 = nn.ConvTranspose2d(256, 128, 2, 2), nn.ConvTranspose2d(128, 64, 2, 2)
        self.e2, self.e1 = self.pair(192, 128), self.pair(96, 64)
        self.out = nn.Sequential(
            nn.Conv2d(64, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 1, 1)
        )
        self.clock = nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 512))
        self.to_mid = nn.Linear(512, 256)
        # more

    def pair(self, a, b):
        return nn.Sequential(
            nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(),
            nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(),
        )

    def sinusoid(self, t):
        w = 10000 ** (-torch.arange(128) / 128)
        angles = t[:, None] * w
        return torch.cat([angles.cos(), angles.sin()], dim=1)

    def forward(self, x, t):
        emb = self.to_mid(self.clock(self.sinusoid(t)))
        a = self.d1(x)
        b = self.d2(F.max_pool2d(a, 2))
        c = self.d3(F.max_pool2d(b, 2))
        m = self.mid(c) + emb[:, :, None, None]
        y = self.e2(torch.cat([self.u2(m), b], dim=1))
        y = self.e1(torch.cat([self.u1(y), a], dim=1))
        return self.out(y)
"""
PATH = "emb = self.to_mid(self.clock(self.sinusoid(t)))"
CLOCK = "self.clock = nn.Sequential(nn.Linear(256, 512), nn.GELU(), nn.Linear(512, 512))"
MID = "m = self.mid(c) + emb[:, :, None, None]"


FORWARD = "return super().forward(x, t)"


def around(*code, arguments="x, t"):
    """Edit of DERIVED: a forward of its own, around that of the page's network."""
    return {
        "    def embed": lines(f"    def forward(self, {arguments}):", *code) + "\n\n    def embed",
    }


def derived(edits):
    return cell(edited(DERIVED, edits), **KNOWN)


def whole(edits):
    return cell(edited(WHOLE, edits), checkpoint=checkpoint, SWISH=Swish.apply)
