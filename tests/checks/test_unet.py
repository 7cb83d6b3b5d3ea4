"""The check of exercise 4 on right and on wrong networks."""

import pytest

from condlesson import unet
from condlesson.checks import check_unet_sinusoidal
from tests.answers import blank
from tests.checks.networks import (
    CLOCK,
    EMBED,
    EMBEDDING,
    FORWARD,
    MID,
    PATH,
    PROJECT,
    SHIFT,
    SUM,
    around,
    derived,
    whole,
)
from tests.checks.variants import assert_passed, lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
RIGHT = {
    "as the page": derived({}),
    "subtracted": derived({SUM: "return h - shift"}),
    "a sinusoid by vmap": derived(
        {
            EMBEDDING: "self.a, self.b = nn.Linear(256, 512), nn.Linear(512, 512)",
            EMBED: "w = 10000 ** (-torch.arange(128) / 128); return self.b(F.gelu(self.a("
            "torch.vmap(lambda k: torch.cat([(k * w).sin(), (k * w).cos()]))(t))))",
        }
    ),
    "view": derived({"[:, :, None, None]": ".view(len(h), -1, 1, 1)"}),
    "expanded to all pixels": derived({SUM: "return h + shift.expand_as(h)"}),
    "pixels in a row": derived({SUM: "return (h.flatten(2) + shift[..., 0]).view_as(h)"}),
    "channels last": derived(
        {
            SHIFT: "shift = self.project(t_emb)[:, None, None]",
            SUM: "return (h.permute(0, 2, 3, 1) + shift).permute(0, 3, 1, 2)",
        }
    ),
    "in two parts": derived(
        {SUM: "return torch.cat([a + b for a, b in zip(h.chunk(2, 1), shift.chunk(2, 1))], 1)"}
    ),
    "in place on a copy": derived({SUM: "h = h.clone(); h += shift; return h"}),
    "projection as a 1x1 convolution": derived(
        {
            PROJECT: "self.project = nn.Conv2d(512, 256, 1)",
            SHIFT: "shift = self.project(t_emb[:, :, None, None])",
        }
    ),
    "projection as a parameter": derived(
        {
            PROJECT: "self.project = nn.Parameter(torch.randn(512, 256) / 20)",
            SHIFT: "shift = (t_emb @ self.project)[:, :, None, None]",
        }
    ),
    "projection without bias": derived({"nn.Linear(512, 256)": "nn.Linear(512, 256, bias=False)"}),
    "projected in embed": derived(
        {EMBED: "return self.project(self.embedding(t))", "self.project(t_emb)": "t_emb"}
    ),
    "MLP of its own": derived(
        {
            EMBEDDING: "self.layers = nn.ModuleList([nn.Linear(256, 512), nn.Linear(512, 512)])",
            EMBED: "a, b = self.layers; return b(F.gelu(a(sinusoidal_embedding(t, 256))))",
        }
    ),
    "last layer first": derived(
        {
            EMBEDDING: "self.z, self.a = nn.Linear(512, 512), nn.Linear(256, 512)",
            EMBED: "return self.z(F.gelu(self.a(sinusoidal_embedding(t, 256))))",
        }
    ),
    "projection first": derived({PROJECT: "", EMBEDDING: lines(PROJECT, EMBEDDING)}),
    "group norms": derived(
        {"super().__init__()": "super().__init__(norm=lambda c: nn.GroupNorm(8, c))"}
    ),
    "image by image": derived(
        {SUM: "return torch.cat([h[k : k + 1] + shift[k : k + 1] for k in range(len(h))])"}
    ),
    "image by image, stacked": derived(
        {SUM: "return torch.stack([one + by for one, by in zip(h, shift)])"}
    ),
    "image by image, into an empty tensor": derived(
        {
            SUM: lines(
                "out = torch.empty_like(h)",
                "for k in range(len(h)): out[k] = h[k] + shift[k]",
                "return out",
            )
        }
    ),
    "timestep by timestep": derived(
        {EMBED: "return torch.cat([self.embedding(one[None]) for one in t])"}
    ),
    "timesteps in parts of 64": derived(
        {EMBED: "return torch.cat([self.embedding(part) for part in t.split(64)])"}
    ),
    "in one class": whole({}),
    "sines and cosines in turn": whole(
        {
            "torch.cat([angles.cos(), angles.sin()], dim=1)": "torch.stack([angles.sin(), "
            "angles.cos()], dim=-1).flatten(1)"
        }
    ),
    "float64": whole({"# more": "self.double()", PATH: f"x, t = x.double(), t.double(); {PATH}"}),
    "dropout in the bottleneck": whole({MID: f"{MID}; m = F.dropout(m, 0.1, self.training)"}),
    "shift before the last ReLU of the bottleneck": whole(
        {MID: lines("m = self.mid[:5](c) + emb[:, :, None, None]", "m = self.mid[5:](m)")}
    ),
    "sinusoids in a buffer": derived(
        {
            EMBEDDING: lines(
                EMBEDDING,
                "self.register_buffer('table', sinusoidal_embedding(torch.arange(1000), 256))",
            ),
            EMBED: "a, b = self.embedding.linear_1, self.embedding.linear_2; "
            "return b(F.gelu(a(self.table[t])))",
        }
    ),
    "MLP of 1x1 convolutions": whole(
        {
            CLOCK: "self.clock = nn.Sequential(nn.Unflatten(1, (256, 1, 1)), "
            "nn.Conv2d(256, 512, 1), nn.GELU(), nn.Conv2d(512, 512, 1), nn.Flatten())"
        }
    ),
    "dropout in the MLP": whole({"nn.GELU(), ": "nn.GELU(), nn.Dropout(0.1), "}),
    "skip connection first": whole({"[self.u2(m), b]": "[b, self.u2(m)]"}),
    "average pooling": whole({"F.max_pool2d": "F.avg_pool2d"}),
    "attention at the bottleneck": derived(
        {
            "# more": "self.attention = nn.MultiheadAttention(256, 4, batch_first=True)",
            SHIFT: lines(
                "rows = h.flatten(2).transpose(1, 2)",
                "h = h + self.attention(rows, rows, rows)[0].transpose(1, 2).reshape(h.shape)",
                SHIFT,
            ),
        }
    ),
    "squeeze and excite": derived(
        {
            "# more": "self.a, self.b = nn.Linear(256, 512), nn.Linear(512, 256)",
            SHIFT: lines(
                "gate = self.b(self.a(h.mean((2, 3))).relu()).sigmoid()[:, :, None, None]",
                "h = h * gate",
                SHIFT,
            ),
        }
    ),
    "padded to 32 pixels": whole(
        {
            PATH: f"x = F.pad(x, (2, 2, 2, 2)); {PATH}",
            "return self.out(y)": "return self.out(y)[:, :, 2:-2, 2:-2]",
        }
    ),
    "padded to a power of two": whole(
        {
            PATH: f"n = 1 << (x.shape[3] - 1).bit_length(); p = n - x.shape[3]; "
            f"x = F.pad(x, (p // 2, p - p // 2) * 2); {PATH}",
            "return self.out(y)": "return self.out(y)[..., p // 2 : n - p + p // 2, "
            "p // 2 : n - p + p // 2]",
        }
    ),
    "noise on the image while it trains": whole(
        {PATH: f"x = x + 0.1 * torch.randn_like(x) if self.training else x; {PATH}"}
    ),
    "noise on the image while it trains, around the page's": derived(
        around("x = x + 0.1 * torch.randn_like(x) if self.training else x", FORWARD)
    ),
    "one operation more while it trains": derived(
        around("x = x.contiguous() * 1.0 if self.training else x", FORWARD)
    ),
    "two operations more while it trains": derived(
        around("x = 1.0 * x + 0.0 if self.training else x", FORWARD)
    ),
    "an operation less while it trains": derived(
        around("x = x if self.training else x * 1.0", FORWARD)
    ),
    "noise beside the bottleneck while it trains": derived(
        {SUM: "h = h + 0.1 * torch.randn_like(h) if self.training else h; return h + shift"}
    ),
    "autocast": derived(
        around(
            'with torch.autocast("cpu", dtype=torch.bfloat16):',
            "    return super().forward(x, t).float()",
        )
    ),
    "weight norm": derived(
        {PROJECT: "self.project = nn.utils.parametrizations.weight_norm(nn.Linear(512, 256))"}
    ),
    "the older weight norm": derived(
        {PROJECT: "self.project = nn.utils.weight_norm(nn.Linear(512, 256))"}
    ),
    "the older spectral norm": derived(
        {PROJECT: "self.project = nn.utils.spectral_norm(nn.Linear(512, 256))"}
    ),
    "frequencies in a frozen parameter": whole(
        {
            "# more": "self.w = nn.Parameter(10000 ** (-torch.arange(128) / 128), False)",
            "w = 10000 ** (-torch.arange(128) / 128)": "w = self.w",
        }
    ),
    "a learned scale at the end": whole(
        {
            "# more": "self.gain = nn.Parameter(torch.ones(()))",
            "self.out(y)": "self.out(y) * self.gain",
        }
    ),
    "added to the image": whole({"self.out(y)": "x + self.out(y)"}),
    "a clamp that noise never reaches": whole({"self.out(y)": "self.out(y).clamp(-20, 20)"}),
    "a feature map looked at without gradients": whole({MID: f"{MID}; self.seen = m.detach()"}),
    "instance norms": whole({"nn.BatchNorm2d(b)": "nn.InstanceNorm2d(b)"}),
    "a checkpoint": whole(
        {MID: MID.replace("self.mid(c)", "checkpoint(self.mid, c, use_reentrant=True)")}
    ),
    "a backward of its own": whole({MID: f"{MID}; m = SWISH(m)"}),
    "a norm with detached statistics": whole(
        {MID: f"{MID}; m = m / (m.std((1, 2, 3), keepdim=True).detach() + 1e-5)"}
    ),
    "instance norms that keep statistics": whole(
        {"nn.BatchNorm2d(b)": "nn.InstanceNorm2d(b, affine=True, track_running_stats=True)"}
    ),
    "a bottleneck through a gate of its own": whole({MID: f"{MID}; m = m * m.sigmoid()"}),
    "28 pixels only": whole({PATH: f"assert x.shape[2] == 28; {PATH}"}),
    "16 pixels or more": whole({PATH: f"assert x.shape[2] >= 16; {PATH}"}),
    "the package's own": unet.UNetSinusoidal,
    "a function that makes it": lambda: unet.UNetSinusoidal(),
}
NOTED = {
    "a gate by another convolution": (
        whole(
            {
                "# more": "self.gate = nn.Conv2d(128, 256, 1)",
                MID: MID.replace("self.mid(c)", "self.mid(c) * self.gate(c).sigmoid()"),
            }
        ),
        "the convolutions differ from the page's",
    ),
    "ReLU6": (
        whole({"nn.ReLU()": "nn.ReLU6()"}),
        "the bottleneck goes through a ReLU6, which is never above 6",
    ),
    "no ReLU in the blocks": (
        whole({"nn.ReLU()": "nn.Identity()"}),
        "no activation was found in the blocks",
    ),
    "linear layer at the end": (
        whole(
            {
                ", nn.ReLU(), nn.Conv2d(32, 1, 1)": ", nn.ReLU()",
                "# more": "self.last = nn.Linear(32, 1)",
                "self.out(y)": "self.last(self.out(y).movedim(1, 3)).movedim(3, 1)",
            }
        ),
        "the convolutions differ from the page's",
    ),
    "matrix product at the end": (
        whole(
            {
                ", nn.ReLU(), nn.Conv2d(32, 1, 1)": ", nn.ReLU()",
                "# more": "self.last = nn.Parameter(torch.randn(32, 1) / 5)",
                "self.out(y)": "(self.out(y).movedim(1, 3) @ self.last).movedim(3, 1)",
            }
        ),
        "the convolutions differ from the page's",
    ),
    "product and sum at the end": (
        whole(
            {
                ", nn.ReLU(), nn.Conv2d(32, 1, 1)": ", nn.ReLU()",
                "# more": "self.last = nn.Parameter(torch.randn(32, 1, 1) / 5)",
                "self.out(y)": "(self.out(y) * self.last).sum(1, keepdim=True)",
            }
        ),
        "the convolutions differ from the page's",
    ),
    "a layer whose result is not used": (
        derived(
            {
                "# more": "self.spare = nn.Linear(256, 2)",
                SHIFT: lines("self.spare(h.mean((2, 3)))", SHIFT),
            }
        ),
        "no gradient ever reaches spare.weight, spare.bias",
    ),
    "squeeze and excite by convolutions, in the decoder": (
        whole(
            {
                "# more": "self.se = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(64, 16, 1), "
                "nn.ReLU(), nn.Conv2d(16, 64, 1), nn.Sigmoid())",
                "self.out(y)": "self.out(y * self.se(y))",
            }
        ),
        "the convolutions differ from the page's",
    ),
    "SiLU": (whole({"nn.GELU()": "nn.SiLU()"}), "the activation is SiLU, as in most production"),
    "half minus one": (whole({"/ 128)": "/ 127)"}), "as in the first diffusion code"),
    "SiLU before the projection": (
        derived({"self.project(t_emb)": "self.project(F.silu(t_emb))"}),
        "Note: SiLU stands before the projection",
    ),
    "between the convolutions": (
        whole({MID: lines("m = self.mid[:3](c) + emb[:, :, None, None]", "m = self.mid[3:](m)")}),
        "between the two convolutions of the bottleneck",
    ),
    "a layer that is not used": (
        derived({"# more": "self.spare = nn.Linear(3, 3)"}),
        "no gradient ever reaches spare.weight, spare.bias",
    ),
    "upsampling": (
        whole(
            {
                "nn.ConvTranspose2d(256, 128, 2, 2), nn.ConvTranspose2d(128, 64, 2, 2)": "("
                "nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2 * c, c, 3, padding=1)) "
                "for c in (128, 64))"
            }
        ),
        "the convolutions differ from the page's",
    ),
    "more predicted than handed on": (
        whole({"nn.Conv2d(32, 1, 1)": "nn.Conv2d(32, 2, 1)", "self.out(y)": "self.out(y)[:, :1]"}),
        "the convolutions differ from the page's",
    ),
    "a wider first block": (
        whole(
            {
                "self.pair(1, 32), self.pair(32, 64)": "self.pair(1, 64), self.pair(64, 64)",
                "self.pair(96, 64)": "self.pair(128, 64)",
            }
        ),
        "the convolutions differ from the page's",
    ),
    "projection that starts at 0": (
        derived({"# more": "nn.init.zeros_(self.project.weight)"}),
        "project.weight starts at 0",
    ),
    "last convolution that starts at 0": (
        whole({"# more": "nn.init.zeros_(self.out[-1].weight)"}),
        "out.3.weight starts at 0",
    ),
}


@pytest.mark.parametrize("cls", RIGHT.values(), ids=RIGHT)
def test_right_network_passes(cls):
    assert_passed(check_unet_sinusoidal(cls))


@pytest.mark.parametrize(("cls", "note"), NOTED.values(), ids=NOTED)
def test_usual_network_passes_with_a_note(cls, note):
    assert_passed(check_unet_sinusoidal(cls), note)


FILLED = [
    ("        ...\n", f"        {line}\n")
    for line in (
        "self.time_embedding = TimestepEmbedding(D_SINUSOIDAL, D_EMB)",
        "self.time_projection = nn.Linear(D_EMB, 8 * width)",
        "return self.time_embedding(t)",
        "return add_to_channels(h, self.time_projection(t_emb))",
    )
]


@pytest.mark.parametrize("count", range(4))
def test_a_scaffold_with_gaps_is_not_done(count):
    result = check_unet_sinusoidal(blank(unet.UNetSinusoidal, *FILLED[:count]))
    assert result.status == "not done"
    assert "TODO 4" in result.messages[0]
    assert ("TODO 1" in result.messages[0]) == (count == 0)


def test_a_filled_scaffold_passes():
    assert_passed(check_unet_sinusoidal(blank(unet.UNetSinusoidal, *FILLED)))
