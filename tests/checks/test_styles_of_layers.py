"""Timestep MLPs, norms and blocks as people write them: each right form must pass."""

import math

import pytest

from condlesson import conditioning
from condlesson.checks import (
    check_adagn,
    check_additive_block,
    check_additive_gn,
    check_timestep_embedding,
    check_zero_init_adagn,
)
from condlesson.embeddings import sinusoidal_embedding
from tests.answers import blank
from tests.checks.variants import assert_accepted, assert_passed, cell

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

MLPS = {
    "DiT": """
class Embedder(nn.Module):
    def __init__(self, frequency_size, hidden):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(frequency_size, hidden, bias=True), nn.SiLU(), nn.Linear(hidden, hidden)
        )
        self.frequency_size = frequency_size

    @staticmethod
    def features(t, dim, max_period=10000):
        w = torch.exp(-math.log(max_period) * torch.arange(dim // 2).float() / (dim // 2))
        args = t[:, None].float() * w[None]
        return torch.cat([args.cos(), args.sin()], dim=-1)

    def forward(self, t):
        return self.mlp(self.features(t, self.frequency_size))
""",
    "labml": """
class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)

class Embedder(nn.Module):
    def __init__(self, n, width):
        super().__init__()
        self.n = n
        self.lin1, self.act, self.lin2 = nn.Linear(n, width), Swish(), nn.Linear(width, width)

    def forward(self, t):
        half = self.n // 2
        emb = torch.exp(torch.arange(half, device=t.device) * -(math.log(10_000) / (half - 1)))
        emb = t[:, None] * emb[None, :]
        emb = torch.cat((emb.sin(), emb.cos()), dim=1)
        return self.lin2(self.act(self.lin1(emb)))
""",
    "denoising-diffusion-pytorch": """
class Position(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, x):
        w = torch.exp(torch.arange(self.dim // 2) * (-math.log(10000) / (self.dim // 2)))
        w = x[:, None] * w[None]
        return torch.cat((w.sin(), w.cos()), dim=-1)

def make(n, width):
    return nn.Sequential(Position(n), nn.Linear(n, width), nn.GELU(), nn.Linear(width, width))
""",
    "fastai, layers in a helper": """
def lin(a, b, act=True):
    return nn.Sequential(*([nn.SiLU()] if act else []), nn.Linear(a, b))

class Embedder(nn.Module):
    def __init__(self, n, width):
        super().__init__()
        self.n, self.emb_mlp = n, nn.Sequential(lin(n, width, act=False), lin(width, width))

    def forward(self, t):
        return self.emb_mlp(sinusoidal_embedding(t, self.n))
""",
    "frequencies in a buffer": """
class Embedder(nn.Module):
    def __init__(self, n, width):
        super().__init__()
        self.register_buffer("w", 10000 ** (-torch.arange(n // 2) / (n // 2)), persistent=False)
        self.first, self.second = nn.Linear(n, width), nn.Linear(width, width)

    def forward(self, t):
        a = t.reshape(-1, 1) * self.w
        return self.second(nn.functional.gelu(self.first(torch.cat([a.sin(), a.cos()], -1))))
""",
    "one layer after the other, by name": """
class Embedder(nn.Module):
    def __init__(self, n, width):
        super().__init__()
        self.n = n
        self.add_module("fc1", nn.Linear(n, width))
        self.add_module("act", nn.GELU())
        self.add_module("fc2", nn.Linear(width, width))

    def forward(self, t):
        x = sinusoidal_embedding(t, self.n)
        for layer in self.children():
            x = layer(x)
        return x
""",
    "an activation handed in": """
class Embedder(nn.Module):
    def __init__(self, n, width, act=nn.functional.gelu):
        super().__init__()
        self.n, self.act = n, act
        self.a, self.b = nn.Linear(n, width), nn.Linear(width, width)

    def forward(self, t, *unused):
        return self.b(self.act(self.a(sinusoidal_embedding(t, self.n))))
""",
    "initialised as in DiT": """
class Embedder(nn.Module):
    def __init__(self, n, width):
        super().__init__()
        self.n = n
        self.mlp = nn.ModuleList([nn.Linear(n, width), nn.Linear(width, width)])
        for layer in self.mlp:
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)

    def forward(self, t):
        x = self.mlp[0](sinusoidal_embedding(t, self.n))
        return self.mlp[1](x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))))
""",
}
HEAD = "class Layer(nn.Module):\n    def __init__(self, C, D, G):\n        super().__init__()\n"
ADAGNS = {
    "guided-diffusion": """
        self.out_norm = nn.GroupNorm(G, C)
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(D, 2 * C))

    def forward(self, h, emb):
        emb_out = self.emb_layers(emb).type(h.dtype)
        while len(emb_out.shape) < len(h.shape):
            emb_out = emb_out[..., None]
        scale, shift = torch.chunk(emb_out, 2, dim=1)
        return self.out_norm(h) * (1 + scale) + shift
""",
    "diffusers": """
        self.num_groups, self.eps = G, 1e-5
        self.linear = nn.Linear(D, C * 2)

    def forward(self, x, emb):
        emb = self.linear(emb)[:, :, None, None]
        scale, shift = emb.chunk(2, dim=1)
        x = F.group_norm(x, self.num_groups, eps=self.eps)
        return x * (1 + scale) + shift
""",
    "k-diffusion": """
        self.num_groups, self.eps = G, 1e-5
        self.mapper = nn.Linear(D, C * 2)
        nn.init.zeros_(self.mapper.weight)
        nn.init.zeros_(self.mapper.bias)

    def forward(self, input, cond):
        weight, bias = self.mapper(cond).chunk(2, dim=-1)
        input = F.group_norm(input, self.num_groups, eps=self.eps)
        return torch.addcmul(bias[:, :, None, None], input, weight[:, :, None, None] + 1)
""",
    "DiT's modulate": """
        self.norm = nn.GroupNorm(G, C, eps=1e-6, affine=False)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(D, 2 * C, bias=True))

    def modulate(self, x, shift, scale):
        return x * (1 + scale[..., None, None]) + shift[..., None, None]

    def forward(self, x, c):
        shift, scale = self.adaLN_modulation(c).chunk(2, dim=1)
        return self.modulate(self.norm(x), shift, scale)
""",
    "EDM": """
        self.norm1 = nn.GroupNorm(num_groups=G, num_channels=C, eps=1e-6)
        self.affine = nn.Linear(D, C * 2)

    def forward(self, x, emb):
        params = self.affine(emb).unsqueeze(2).unsqueeze(3).to(x.dtype)
        scale, shift = params.chunk(chunks=2, dim=1)
        return torch.addcmul(shift, self.norm1(x), scale + 1)
""",
    "denoising-diffusion-pytorch": """
        self.norm = nn.GroupNorm(G, C)
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(D, C * 2))

    def forward(self, x, time_emb):
        time_emb = self.mlp(time_emb).reshape(len(x), -1, 1, 1)
        scale_shift = time_emb.chunk(2, dim=1)
        x = self.norm(x)
        scale, shift = scale_shift
        return x * (scale + 1) + shift
""",
    "FiLM, two heads": """
        self.gn = nn.GroupNorm(G, C, affine=False)
        self.film = nn.ModuleDict({"gamma": nn.Linear(D, C), "beta": nn.Linear(D, C)})

    def forward(self, x, e):
        g, b = self.film["gamma"](e), self.film["beta"](e)
        return (1.0 + g).view(*g.shape, 1, 1) * self.gn(x) + b.view(*b.shape, 1, 1)
""",
    "viewed as pairs": """
        self.gn, self.C = nn.GroupNorm(G, C, affine=False), C
        self.to_scores = nn.Linear(D, 2 * C)

    def forward(self, x, e):
        scores = self.to_scores(e).view(-1, 2, self.C, 1, 1)
        return (1 + scores[:, 0]) * self.gn(x) + scores[:, 1]
""",
    "tensor_split": """
        self.gn, self.fc = nn.GroupNorm(G, C, affine=False), nn.Linear(D, 2 * C)

    def forward(self, x, e):
        g, b = self.fc(e).tensor_split(2, dim=-1)
        y = self.gn(x)
        return y + y * g[..., None, None] + b[..., None, None]
""",
    "channels last and back": """
        self.gn, self.fc = nn.GroupNorm(G, C, affine=False), nn.Linear(D, 2 * C)

    def forward(self, x, e):
        g, b = self.fc(e)[:, None, None, :].chunk(2, dim=-1)
        return ((1 + g) * self.gn(x).permute(0, 2, 3, 1) + b).permute(0, 3, 1, 2)
""",
    "pixels in a row": """
        self.gn, self.fc = nn.GroupNorm(G, C, affine=False), nn.Linear(D, 2 * C)

    def forward(self, x, e):
        g, b = self.fc(e).unsqueeze(-1).chunk(2, dim=1)
        return ((1 + g) * self.gn(x).flatten(2) + b).view_as(x)
""",
    "checked, and names of its own": """
        self.features, self.condition = C, nn.Linear(D, 2 * C)
        self.normalise = nn.GroupNorm(G, C, affine=False)

    def forward(self, h, t_emb):
        if h.shape[1] != self.features:
            raise ValueError("channels")
        gamma, beta = self.condition(t_emb).split(self.features, dim=-1)
        expand = (..., None, None)
        return (1 + gamma[expand]) * self.normalise(h) + beta[expand]
""",
}
ZERO_INITS = {
    "adaLN-Zero with the 1 in the formula": """
        self.gn, self.fc = nn.GroupNorm(G, C, affine=False), nn.Linear(D, 2 * C)
        nn.init.constant_(self.fc.weight, 0)
        nn.init.constant_(self.fc.bias, 0)

    def forward(self, x, e):
        g, b = self.fc(e)[..., None, None].chunk(2, dim=1)
        return (1 + g) * self.gn(x) + b
""",
    "StyleGAN's affine": """
        self.gn, self.fc = nn.GroupNorm(G, C, affine=False), nn.Linear(D, 2 * C)
        self.fc.weight.data.zero_()
        self.fc.bias.data[:C], self.fc.bias.data[C:] = 1, 0

    def forward(self, x, e):
        g, b = self.fc(e)[..., None, None].chunk(2, dim=1)
        return g * self.gn(x) + b
""",
}
SHIFTS = {
    "DDPM": """
        self.norm, self.temb_proj = nn.GroupNorm(G, C), nn.Linear(D, C)

    def forward(self, h, temb):
        return self.norm(h) + self.temb_proj(F.silu(temb))[:, :, None, None]
""",
    "affine of its own": """
        self.G, self.fc = G, nn.Linear(D, C)
        self.weight, self.bias = nn.Parameter(torch.ones(C)), nn.Parameter(torch.zeros(C))

    def forward(self, h, temb):
        shift = self.fc(temb).view(len(h), -1, 1, 1)
        return torch.add(F.group_norm(h, self.G, self.weight, self.bias), shift)
""",
}
BLOCK = (
    "class Block(nn.Module):\n    def __init__(self, A, C, D, G=8):\n        super().__init__()\n"
)
BLOCKS = {
    "DDPM": """
        self.conv1, self.norm2 = nn.Conv2d(A, C, 3, padding=1), nn.GroupNorm(G, C)
        self.temb_proj = nn.Linear(D, C)

    def forward(self, x, temb):
        h = self.conv1(x)
        h = h + self.temb_proj(temb)[:, :, None, None]
        return F.relu(self.norm2(h))
""",
    "in a sequence": """
        self.conv, self.fc = nn.Conv2d(A, C, kernel_size=3, padding="same"), nn.Linear(D, C)
        self.out = nn.Sequential(nn.GroupNorm(num_groups=G, num_channels=C), nn.ReLU())

    def forward(self, x, temb):
        return self.out(self.conv(x) + self.fc(temb).unflatten(-1, (-1, 1, 1)))
""",
}


def titled(head, forms):
    return {name: head + code.lstrip("\n") for name, code in forms.items()}


FORMS = [
    pytest.param(check, code, id=f"{check.__name__[6:]}: {name}")
    for check, forms in (
        (check_timestep_embedding, MLPS),
        (check_adagn, titled(HEAD, ADAGNS)),
        (check_zero_init_adagn, titled(HEAD, ZERO_INITS)),
        (check_additive_gn, titled(HEAD, SHIFTS)),
        (check_additive_block, titled(BLOCK, BLOCKS)),
    )
    for name, code in forms.items()
]


@pytest.mark.parametrize(("check", "code"), FORMS)
def test_a_form_that_people_use_passes(check, code):
    assert_accepted(check(cell(code, math=math, sinusoidal_embedding=sinusoidal_embedding)))


OWN_NAMES = [
    "self.gn = nn.GroupNorm(num_groups, num_channels, affine=False)",
    "self.film = nn.Sequential(nn.SiLU(), nn.Linear(d_emb, 2 * num_channels))",
    "gamma, beta = self.film(t_emb).chunk(2, dim=-1)",
    "return (1 + gamma[:, :, None, None]) * self.gn(h) + beta[:, :, None, None]",
]


def test_the_given_lines_of_the_scaffold_ask_for_no_names_of_layers():
    filled = [("        ...\n", f"        {line}\n") for line in OWN_NAMES]
    assert_passed(check_adagn(blank(conditioning.AdaGN, *filled)), "a SiLU stands before")
