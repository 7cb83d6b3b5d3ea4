"""Sinusoids, features and similarities as people write them: each right form must pass."""

import math

import numpy as np
import pytest

from condlesson.checks import (
    check_interleaved_embedding,
    check_random_fourier_features,
    check_similarity_at,
    check_similarity_matrix,
    check_sinusoidal_embedding,
)
from tests.checks.variants import assert_accepted, cell

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

# The sinusoid, called with (t, d). Of other repositories the form is theirs, the words are ours.
SINUSOIDS = {
    "guided-diffusion": """
def embed(t, d, longest=10000):
    half = d // 2
    w = torch.exp(torch.arange(half, dtype=torch.float32) * (-math.log(longest) / half))
    w = w.to(t.device)
    angles = t[:, None].float() * w[None]
    emb = torch.cat((torch.cos(angles), torch.sin(angles)), dim=-1)
    return torch.cat([emb, torch.zeros_like(emb[:, :1])], dim=-1) if d % 2 else emb
""",
    "the first diffusion code": """
def embed(t, d):
    half = d // 2
    w = torch.exp(torch.arange(half, dtype=torch.float) * -(math.log(10000) / (half - 1)))
    angles = t.float()[:, None] * w[None, :]
    return torch.nn.functional.pad(torch.cat([angles.sin(), angles.cos()], 1), (0, d % 2, 0, 0))
""",
    "denoising-diffusion-pytorch": """
class Position(nn.Module):
    def __init__(self, width, theta=10000):
        super().__init__()
        self.width, self.theta = width, theta

    def forward(self, x):
        half = self.width // 2
        step = math.log(self.theta) / (half - 1)
        w = torch.exp(torch.arange(half, device=x.device) * -step)
        w = x[:, None] * w[None, :]
        return torch.cat((w.sin(), w.cos()), dim=-1)

def embed(t, d):
    return Position(d)(t)
""",
    "EDM": """
class Positional(nn.Module):
    def __init__(self, channels, max_positions=10000, endpoint=False):
        super().__init__()
        self.channels, self.max_positions, self.endpoint = channels, max_positions, endpoint

    def forward(self, x):
        w = torch.arange(0, self.channels // 2, dtype=torch.float32, device=x.device)
        w = w / (self.channels // 2 - (1 if self.endpoint else 0))
        w = (1 / self.max_positions) ** w
        x = torch.outer(x.float(), w)
        return torch.cat([x.cos(), x.sin()], dim=1)

def embed(t, d):
    return Positional(d)(t)
""",
    "EDM, with the ends swapped": """
def embed(t, d):
    w = (1 / 10000) ** (torch.arange(d // 2).float() / (d // 2))
    x = torch.outer(t.float(), w)
    both = torch.cat([x.cos(), x.sin()], dim=1)
    return both.reshape(both.shape[0], 2, -1).flip(1).reshape(*both.shape)
""",
    "fastai": """
def embed(t, d, longest=10000):
    exponent = -math.log(longest) * torch.linspace(0, 1, d // 2, device=t.device)
    angles = t[:, None].float() * exponent.exp()[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
""",
    "tensor2tensor": """
def embed(t, d, shortest=1.0, longest=1.0e4):
    step = math.log(longest / shortest) / max(d // 2 - 1, 1)
    inverse = shortest * torch.exp(torch.arange(d // 2).float() * -step)
    scaled = t.float().unsqueeze(1) * inverse.unsqueeze(0)
    return torch.cat([torch.sin(scaled), torch.cos(scaled)], dim=1)
""",
    "a table made once, as for words": """
def embed(t, d):
    place = torch.arange(1000).unsqueeze(1)
    term = torch.exp(torch.arange(0, d, 2) * (-math.log(10000.0) / d))
    table = torch.zeros(1000, d)
    table[:, 0::2], table[:, 1::2] = torch.sin(place * term), torch.cos(place * term)
    return table.index_select(0, t.long())
""",
    "k-diffusion": """
def embed(t, d):
    w = torch.logspace(0, -4 * (1 - 2 / d), d // 2)
    f = t[:, None] @ w[None] if t.is_floating_point() else t[:, None].float() @ w[None]
    return torch.cat([f.cos(), f.sin()], dim=-1)
""",
    "a rearranged outer product": """
def embed(t, d):
    w = 1.0 / (10000 ** (torch.arange(0, d, 2).float() / d))
    return torch.einsum("i,j->ij", t.float(), w).repeat(1, 2).add_(
        torch.tensor([0.0, math.pi / 2]).repeat_interleave(d // 2)).sin()
""",
    "vmap": """
def embed(t, d):
    w = 10000 ** (-torch.arange(d // 2) / (d // 2))
    return torch.vmap(lambda one: torch.cat([(one * w).sin(), (one * w).cos()]))(t)
""",
    "one timestep at a time": """
def one(t, d):
    w = 10000 ** (-torch.arange(d // 2) / (d // 2))
    return torch.cat([torch.sin(t * w), torch.cos(t * w)])

def embed(t, d):
    return torch.stack([one(step, d) for step in t])
""",
    "NumPy throughout": """
def embed(t, d):
    i = np.arange(d)
    rates = 1 / np.power(10000, (2 * (i // 2)) / np.float32(d))
    angles = t.numpy()[:, None] * rates[None]
    angles[:, 0::2], angles[:, 1::2] = np.sin(angles[:, 0::2]), np.cos(angles[:, 1::2])
    return torch.tensor(angles, dtype=torch.float32)
""",
    "a list comprehension": """
def embed(t, d):
    rows = [[math.sin(s / 10000 ** (2 * i / d)) for i in range(d // 2)]
            + [math.cos(s / 10000 ** (2 * i / d)) for i in range(d // 2)] for s in t.tolist()]
    return torch.tensor(rows)
""",
    "polar numbers": """
def embed(t, d):
    w = torch.pow(10000.0, -torch.arange(d // 2) / (d // 2))
    turned = torch.polar(torch.ones(len(t), d // 2), torch.outer(t.float(), w))
    return torch.cat([turned.imag, turned.real], dim=-1)
""",
    "no gradient": """
@torch.no_grad()
def embed(t, d):
    w = 10000 ** torch.linspace(0, -1, d // 2 + 1)[:-1]
    return torch.hstack([(t.view(-1, 1) * w).sin(), (t.view(-1, 1) * w).cos()])
""",
    "written into an empty tensor": """
def embed(t, d):
    w, out = 10000 ** (-torch.arange(0, d, 2) / d), torch.empty(t.shape[0], d)
    torch.sin(t[:, None] * w, out=out[:, : d // 2])
    torch.cos(t[:, None] * w, out=out[:, d // 2 :])
    return out
""",
    "broadcast over a third dimension": """
def embed(t, d):
    w = torch.exp2(-torch.arange(d // 2) * (math.log2(10000) / (d // 2)))
    phase = torch.tensor([0, math.pi / 2])
    return torch.sin(t[:, None, None] * w[None, None] + phase[None, :, None]).reshape(len(t), d)
""",
    "tuples of sin and cos": """
def embed(t, d):
    angles = t.reshape(-1, 1) / 10000 ** (torch.arange(d // 2) / (d // 2))
    return torch.cat(tuple(f(angles) for f in (torch.sin, torch.cos)), dim=-1)
""",
}
IN_TURN = {
    "slices": """
def embed(t, d):
    angles = torch.outer(t.float(), 10000 ** (-torch.arange(0, d, 2) / d))
    emb = torch.empty(len(t), d)
    emb[:, 0::2], emb[:, 1::2] = angles.sin(), angles.cos()
    return emb
""",
    "repeated angles": """
def embed(t, d):
    angles = t[:, None] * 10000 ** (-2 * (torch.arange(d) // 2) / d)
    return torch.where(torch.arange(d) % 2 == 0, angles.sin(), angles.cos())
""",
    "zip": """
def embed(t, d):
    angles = t[:, None] * torch.exp(-math.log(1e4) * torch.arange(0, d, 2) / d)
    pairs = zip(angles.sin().T, angles.cos().T)
    return torch.stack([column for pair in pairs for column in pair], dim=1)
""",
    "a permutation of the other layout": """
def embed(t, d):
    angles = t[:, None] * 10000 ** (-torch.arange(d // 2) / (d // 2))
    order = torch.arange(d).reshape(2, -1).T.flatten()
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, order]
""",
    "view_as_real": """
def embed(t, d):
    angles = torch.outer(t.float(), 10000 ** (-torch.arange(0, d, 2) / d))
    return torch.view_as_real(torch.complex(angles.sin(), angles.cos())).flatten(1)
""",
}
FEATURES = {
    "k-diffusion": """
class Features(nn.Module):
    def __init__(self, d, num_timesteps=1000, scale=16.0):
        super().__init__()
        self.T = num_timesteps
        self.register_buffer("weight", torch.randn([d // 2, 1]) * scale)

    def forward(self, t):
        f = 2 * math.pi * (t[:, None] / self.T) @ self.weight.T
        return torch.cat([f.cos(), f.sin()], dim=-1)
""",
    "the tutorial of score models": """
class Features(nn.Module):
    def __init__(self, d, num_timesteps=1000, scale=16.0):
        super().__init__()
        self.W = nn.Parameter(torch.randn(d // 2) * scale, requires_grad=False)
        self.n = num_timesteps

    def forward(self, t):
        x = t[:, None] / self.n * self.W[None, :] * 2 * np.pi
        return torch.cat([torch.sin(x), torch.cos(x)], dim=-1)
""",
    "EDM": """
class Features(nn.Module):
    def __init__(self, d, num_timesteps=1000, scale=16.0):
        super().__init__()
        self.n = num_timesteps
        self.register_buffer("freqs", torch.randn(d // 2) * scale)

    def forward(self, t):
        x = (t / self.n).ger((2 * np.pi * self.freqs).to(torch.float32))
        return torch.cat([x.cos(), x.sin()], dim=1)
""",
    "drawn in a method": """
class Features(nn.Module):
    def __init__(self, d, num_timesteps=1000, scale=16.0):
        super().__init__()
        self.num_timesteps, self.scale = num_timesteps, scale
        self.register_buffer("f", torch.empty(d // 2))
        self.draw()

    def draw(self):
        self.f.normal_(0, self.scale)

    def forward(self, t):
        angles = torch.einsum("b,f->bf", t / self.num_timesteps, self.f) * math.tau
        return torch.stack([angles.cos(), angles.sin()], 1).flatten(1)
""",
}
SIMILARITIES = {
    "as the page shows it, one dimension": """
def sim(D, d):
    w = 10000 ** (-torch.arange(d // 2) / (d // 2))
    return torch.cos(D[:, None] * w[None, :]).mean(dim=1)
""",
    "an outer product": """
def sim(D, d):
    return torch.cos(torch.outer(D.float(), 10000 ** (-torch.arange(0, d, 2) / d))).mean(1)
""",
    "a matrix product": """
def sim(D, d):
    w = 10000 ** (-torch.arange(d // 2) / (d // 2))
    return torch.cos(D.unsqueeze(-1) * w) @ torch.full((d // 2,), 2 / d)
""",
    "a sum": """
def sim(D, d):
    total = torch.zeros(D.shape)
    for i in range(d // 2):
        total += torch.cos(D * 10000 ** (-2 * i / d))
    return total * 2 / d
""",
}
MATRICES = {
    "unsqueezed twice": """
def sim(x):
    return nn.CosineSimilarity(dim=-1)(x.unsqueeze(0), x.unsqueeze(1))
""",
    "bmm": """
def sim(x):
    y = x / x.square().sum(-1, keepdim=True).sqrt()
    return torch.bmm(y[None], y.t()[None])[0]
""",
    "lengths as a column and a row": """
def sim(x):
    n = torch.linalg.vector_norm(x, dim=1)
    return x.mm(x.t()) / (n[:, None] * n[None, :])
""",
    "a guard against 0": """
def sim(x):
    y = x / x.norm(p=2, dim=1, keepdim=True).clamp(min=1e-8)
    return torch.einsum("ik,jk->ij", y, y)
""",
    "with itself": """
def sim(a, b=None):
    b = a if b is None else b
    return nn.functional.normalize(a, dim=1) @ nn.functional.normalize(b, dim=1).transpose(0, 1)
""",
}
FORMS = [
    pytest.param(check, code, id=f"{check.__name__[6:]}: {name}")
    for check, forms in (
        (check_sinusoidal_embedding, SINUSOIDS),
        (check_interleaved_embedding, IN_TURN),
        (check_random_fourier_features, FEATURES),
        (check_similarity_at, SIMILARITIES),
        (check_similarity_matrix, MATRICES),
    )
    for name, code in forms.items()
]


@pytest.mark.parametrize(("check", "code"), FORMS)
def test_a_form_that_people_use_passes(check, code):
    assert_accepted(check(cell(code, math=math, np=np)))
