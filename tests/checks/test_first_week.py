"""Errors of a first week with PyTorch: each check must say what to do about them."""

import math

import pytest

from condlesson.checks import (
    check_adagn,
    check_ddim_update,
    check_draw_timesteps,
    check_random_fourier_features,
    check_similarity_matrix,
    check_sinusoidal_embedding,
    check_timestep_embedding,
    check_unet_sinusoidal,
)
from condlesson.embeddings import TimestepEmbedding, sinusoidal_embedding
from condlesson.unet import UNet
from tests.checks.layers import ADAGN
from tests.checks.variants import assert_wrong, cell, edited

pytestmark = pytest.mark.usefixtures("one_thread")

EMBEDDING = """\
def embed(t, d):
    i, half = torch.arange(d // 2), d // 2
    w = 10000.0 ** (-i / half)
    a = t[:, None] * w[None, :]
    return torch.cat([a.sin(), a.cos()], dim=-1)
"""
MLP = """\
class Embedder(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.n, self.one, self.two = n, nn.Linear(n, d), nn.Linear(d, d)

    def forward(self, t):
        s = sinusoidal_embedding(t, self.n)
        return self.two(F.gelu(self.one(s)))
"""
FEATURES = """\
class Features(nn.Module):
    def __init__(self, d, num_timesteps=1000, scale=16.0):
        super().__init__()
        self.T = num_timesteps
        self.register_buffer("w", torch.empty(d // 2).normal_(std=scale))

    def forward(self, t):
        a = 2 * math.pi * t[:, None] / self.T * self.w
        return torch.cat([a.cos(), a.sin()], dim=-1)
"""
UNET = """\
class Net(UNet):
    def __init__(self):
        super().__init__()
        self.one, self.two = TimestepEmbedding(256, 512), nn.Linear(512, 256)

    def embed(self, t):
        return self.one(t)

    def condition(self, h, t_emb):
        return h + self.two(t_emb)[:, :, None, None]
"""
STEP = """\
def step(x_t, noise, a, b):
    x_0 = (x_t - (1 - a) ** 0.5 * noise) / a**0.5
    return b**0.5 * x_0 + (1 - b) ** 0.5 * noise
"""
DRAW = "def draw(B, T):\n    return torch.randint(0, T, (B,))"
MATRIX = "def matrix(x):\n    u = x / x.norm(dim=1, keepdim=True)\n    return u @ u.T"
ERRORS = {
    check_sinusoidal_embedding: (
        EMBEDDING,
        ("a.sin(), a.cos()", "a.sin, a.cos", "x.sqrt() in place of x.sqrt"),
        ("torch.arange(d // 2)", "range(d // 2)", "A list or a range is no tensor"),
        ("-i / half)", "-i / half)(1)", "such as *, missing before the parentheses"),
        ("** (-i / half)", "** -i / half", "since ** comes before /"),
        ("w[None, :]", "list(w)[None, :]", "A list or a range is no tensor"),
        ("d // 2)", "d // 2, dtype=int64)", "Write torch.int64."),
        ("(-i / half)", "(-i)", "The exponent is -i and not -i / (d/2)"),
        ("10000.0 ** (-i / half)", "10000 ** (-i)", "Or is the exponent not divided by d/2?"),
        ("torch.arange(d // 2)", "torch.zeros(d / 2)", "divide with //"),
        ("10000.0 **", "10000.0 ^", "^ is no power in Python. Write **"),
        ("w[None, :]", "w[None, :],", "a is a tuple of one: a comma at the end of a line"),
        ("a.sin()", "a.sinus()", "Do you mean torch.sin(x)?"),
        ("a.sin()", "torch.sine(a)", "Do you mean torch.sin(x)?"),
        ("t[:, None]", "t.item()", ".item() takes one number out of a tensor"),
        ("t[:, None]", "t.cuda()[:, None]", "There is no GPU here"),
        (
            "torch.cat([a.sin(), a.cos()], dim=-1)",
            "torch.tensor([a.sin(), a.cos()])",
            "To join tensors take torch.cat or torch.stack",
        ),
        (
            "torch.cat([a.sin(), a.cos()], dim=-1)",
            "[[math.sin(1.0)] * d for _ in t]",
            "Make a tensor of its numbers",
        ),
        (
            "    return torch.cat([a.sin(), a.cos()], dim=-1)",
            "    e = torch.zeros(len(t), d)\n    e[: d // 2] = a.sin()\n    return e",
            "Columns are x[:, :n], and rows x[:n]",
        ),
        ("t[:, None] * w[None, :]", "t.unsqueeze_(1) * w[None, :]", "in place: t. The caller"),
    ),
    check_timestep_embedding: (
        MLP,
        ("self.one(s)", "one(s)", "Your object has one. Write self.one."),
        ("self.one", "self.half", "half is a method of every nn.Module: self.half gives that"),
        ("self.one(s)", "self.one", "That is the layer, not its result"),
        ("self.one(s)", "self.one(t)", "self.one gets t itself. Give it the sinusoid of t"),
        ("self.one(s)", "self.one(t.float())", "self.one gets t itself"),
        ("self.one(s)", "self.two(s)", "the result of that into nn.Linear(d_emb, d_emb)"),
        ("F.gelu", "gelu", "Write F.gelu."),
        ("F.gelu", "torch.gelu", "Do you mean F.gelu(x)?"),
        ("nn.Linear(n, d)", "nn.Sequential([nn.Linear(n, d)])", "without a list: nn.Sequential"),
        ("self.n, self.one, self.two =", "self.n, one, self.two =", "Write self.one = ... there"),
        ("super().__init__()", "super.__init__()", "Write the parentheses: super().__init__()"),
        (
            "return self.two(F.gelu(self.one(s)))",
            "return nn.GELU(self.two(self.one(s)))",
            "Write F.gelu(x), or nn.GELU()(x)",
        ),
        ("F.gelu", "F.GELU", "in small letters, such as F.gelu"),
        ("nn.Linear(n, d)", "nn.linear(n, d)", "with a capital letter, such as nn.Linear"),
        ("nn.Linear(n, d)", "Linear(n, d)", "Write nn.Linear."),
        ("__init__(self, n", "_init_(self, n", "two underscores on each side"),
        ("super().__init__()", "super().init()", "Call super().__init__() first"),
        ("forward(", "foward(", "Is forward spelt right"),
        ("forward(self, t)", "forward(t)", "in their order, with self first"),
    ),
    check_random_fourier_features: (
        FEATURES,
        ('"w"', '"self.w"', "Write the name without self. in it"),
        ('"w", ', "", "The name comes first, then the tensor"),
        ("std=scale", "scale", "The first number of a normal distribution is its mean"),
    ),
    check_adagn: (
        ADAGN,
        ("(1 + gamma) *", "1 + gamma *", "adds the 1 to the shift, not to gamma"),
        ("self, h, t_emb", "self, t_emb, h", "(3, 12, 5, 7), a feature map. Project t_emb"),
        ("GroupNorm(G, C, ", "GroupNorm(G, D, ", "The norm gets 5 channels, and h has 6"),
        ("nn.GroupNorm", "nn.Groupnorm", "Is nn.Groupnorm spelt right, capital letters and all"),
        ("nn.GroupNorm", "torch.GroupNorm", "Layers are in nn"),
        ("nn.GroupNorm(G, C, ", "nn.GroupNorm(G, ", "the number of groups, then the number"),
        ("self.norm(h)", "self.norm(h, t_emb)", "GroupNorm takes one tensor"),
        ("self.norm(h) + beta", "self.norm(h) + beta == h", "Is there a comparison, such as =="),
        ("return ", "if gamma > 0: return ", "Take torch.where, which decides number by number"),
        ("affine=False", "affine=false", "Python writes True, False and None"),
        ("nn.Linear(D, 2 * C)", "nn.Linear[D, 2 * C]", "A call has round parentheses"),
        ("gamma[:, :, None, None]", "gamma.unsqueeze(-1)", "and must be (3, 12, 1, 1)"),
        ("self.norm(h)", "norm(h)", "Your object has norm. Write self.norm."),
    ),
    check_unet_sinusoidal: (
        UNET,
        ("[:, :, None, None]", "", "One number serves a whole channel: x[:, :, None, None]"),
        ("h + self", "self", "condition returned (2, 256, 1, 1), and h is (2, 256, 7, 7)"),
        ("def embed", "def embedd", "has no embed, and UNet's own returns None. Is the name"),
        ("return h +", "h +", "condition returned None. End it with return."),
        ("nn.Linear(512, 256)", "nn.Linear(512, 128)", "The shift needs 256 numbers"),
        ("nn.Linear(512, 256)", "nn.Linear(256, 256)", "gets 512. The path of t is Timestep"),
    ),
    check_ddim_update: (
        STEP,
        ("/ a**0.5", "/ sqrt(a)", "Write torch.sqrt."),
        ("/ a**0.5", "/ a[:, None] ** 0.5", "That tensor is a single number"),
        ("/ a**0.5", "/ a[0] ** 0.5", "That tensor is a single number"),
        (
            "(1 - b) **",
            "(1 - b - (1 - b) / (1 - a) * (1 - a / b)) **",
            "That is the mean of DDPM's step",
        ),
    ),
    check_draw_timesteps: (
        DRAW,
        ("return", "assert B == 128; return", "The condition of your assert does not hold here"),
        ("torch.randint(0, T, (B,))", "draw(B, T)", "The function calls itself"),
        ("torch.randint(0, T, (B,))", "torch.rand(B, dtype=torch.long)", "Random numbers of this"),
        ("torch.randint(0, T, (B,))", "torch.rand(B < T)", "a parenthesis closes too late"),
        ("torch.randint(0, T, (B,))", "torch.arange(T)[torch.rand(B)]", "Convert it with .long()"),
        ("(B,)", "B", "The size is a tuple, with a comma"),
        ("0, T, (B,)", "T, B", "The size is a tuple, with a comma"),
        ("torch.randint(0, T, (B,))", "torch.rand(B) * T", "with .long()"),
        (
            "torch.randint(0, T, (B,))",
            "torch.linspace(0, T - 1, B).long()[torch.randperm(B)]",
            "0.0% instead of 10% each. Take torch.randint",
        ),
    ),
    check_similarity_matrix: (
        MATRIX,
        (", keepdim=True", "", "The lengths need a column, (N, 1)"),
        ("u @ u.T", "u * u.T", "multiply as matrices: u @ u.T"),
        ("u @ u.T", "F.cosine_similarity(x, x.T)", "multiply as matrices: u @ u.T"),
        ("x.norm(dim=1, keepdim=True)", "x.norm", "A method is named there and not called"),
        ("x.norm(dim=1, keepdim=True)", "x.max(1, keepdim=True)", "Write x.max(dim).values"),
        ("return u @ u.T", "return u @ u.T, u", "Return one of them alone"),
        ("return u @ u.T", "return u.shape", "That is a shape. Return the tensor itself"),
        ("return u @ u.T", "return (u @ u.T).max(1)", "write .values behind it"),
        ("u @ u.T", "u @ u", "multiply by the transposed matrix"),
        ("u @ u.T", "torch.dot(u, u)", "multiply by the transposed matrix"),
        ("u @ u.T", "nn.CosineSimilarity(u, u)", "Write nn.CosineSimilarity()(x)."),
    ),
}
CASES = [
    pytest.param(check, edited(code, {old: new}), cure, id=f"{check.__name__[6:]}: {new or old}")
    for check, (code, *cases) in ERRORS.items()
    for old, new, cure in cases
]


@pytest.mark.parametrize(("check", "code", "cure"), CASES)
def test_the_cure_of_a_first_week(check, code, cure):
    known = {f.__name__: f for f in (sinusoidal_embedding, TimestepEmbedding, UNet)}
    answer = cell(code, math=math, **known)
    assert_wrong(check(answer), cure)
