"""A layer as a learner writes it, to be edited by the tests of its checks."""

from tests.checks.variants import lines

ADAGN = """\
class Layer(nn.Module):
    def __init__(self, C, D, G):
        super().__init__()
        self.norm = nn.GroupNorm(G, C, affine=False)
        self.project = nn.Linear(D, 2 * C)
        # more

    def forward(self, h, t_emb):
        C = h.shape[1]
        scores = self.project(t_emb)
        gamma, beta = scores.chunk(2, dim=-1)
        gamma, beta = gamma[:, :, None, None], beta[:, :, None, None]
        return (1 + gamma) * self.norm(h) + beta
"""
NORM = "self.norm = nn.GroupNorm(G, C, affine=False)"
PROJECT = "self.project = nn.Linear(D, 2 * C)"
SCORES = "scores = self.project(t_emb)"
SPLIT = "gamma, beta = scores.chunk(2, dim=-1)"
SHAPES = "gamma, beta = gamma[:, :, None, None], beta[:, :, None, None]"
OUT = "return (1 + gamma) * self.norm(h) + beta"
NORMED = "self.norm(h)"


BY_HAND = {  # a norm, as code over x, the channels of each group in a row
    NORM: "self.num_groups = G",
    OUT: lines(
        "x = h.reshape(len(h), self.num_groups, -1)",
        "x = norm of x",
        "return (1 + gamma) * x.reshape(h.shape) + beta",
    ),
}


def by_hand(code):
    return {old: new.replace("norm of x", code) for old, new in BY_HAND.items()}
