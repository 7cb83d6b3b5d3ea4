"""The check of exercise 4 on right and on wrong networks."""

import pytest

from condlesson import unet
from condlesson.checks import check_unet_sinusoidal
from condlesson.embeddings import (
    FourierTimestepEmbedding,
    TimestepEmbedding,
    sinusoidal_embedding,
)
from tests.answers import blank
from tests.checks.variants import assert_passed, assert_wrong, cell, edited, lines

pytestmark = pytest.mark.usefixtures("one_thread")
KNOWN = {
    "UNet": unet.UNet,
    "TimestepEmbedding": TimestepEmbedding,
    "FourierTimestepEmbedding": FourierTimestepEmbedding,
    "sinusoidal_embedding": sinusoidal_embedding,
}

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


def derived(edits):
    return cell(edited(DERIVED, edits), **KNOWN)


def whole(edits):
    return cell(edited(WHOLE, edits))


RIGHT = {
    "as the page": derived({}),
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
    "28 pixels only": whole({PATH: f"assert x.shape[2] == 28; {PATH}"}),
    "16 pixels or more": whole({PATH: f"assert x.shape[2] >= 16; {PATH}"}),
    "the package's own": unet.UNetSinusoidal,
    "a function that makes it": lambda: unet.UNetSinusoidal(),
}
NOTED = {
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
DEAF = "The prediction does not depend on t"
WRONG = {
    # calls and shapes
    "one number for an image": (
        whole({"return self.out(y)": "return self.out(y).mean((2, 3))"}),
        "must give a prediction of its shape, got (2, 1)",
    ),
    "no reshape": (derived({"[:, :, None, None]": ""}), "must become (B, C, 1, 1)"),
    "in place": (derived({SUM: "h += shift; return h"}), "Write the sum out of place"),
    "in place on a slice": (
        derived({SUM: "h[:, :128] = h[:, :128] + shift[:, :128]; return h"}),
        "Write the sum out of place",
    ),
    "in place on the image": (whole({PATH: f"x -= 0.1; {PATH}"}), "in place"),
    "all frozen": (derived({"# more": "self.requires_grad_(False)"}), "All parameters are frozen"),
    "no_grad": (
        whole({"return self.out(y)": lines("with torch.no_grad():", "    return self.out(y)")}),
        "carries no gradient",
    ),
    # the batch
    "first timestep for all": (
        derived({EMBED: "return self.embedding(t[:1])"}),
        "All images of a batch are told one timestep",
    ),
    "mean timestep": (
        derived({EMBED: "return self.embedding(t).mean(0, keepdim=True)"}),
        "All images of a batch are told one timestep",
    ),
    "timesteps mixed": (
        derived({EMBED: "t_emb = self.embedding(t); return t_emb + t_emb.mean(0)"}),
        "timesteps or images influence one another",
    ),
    "softmax over the batch": (
        whole({MID: "m = self.mid(c) + emb.softmax(0)[:, :, None, None]"}),
        "timesteps or images influence one another",
    ),
    "noise in evaluation": (whole({MID: f"{MID}; m = F.dropout(m)"}), "nothing may be drawn"),
    "layer made in forward": (
        derived({PROJECT: "pass", "self.project(t_emb)": "nn.Linear(512, 256)(t_emb)"}),
        "A layer that is made in forward starts anew",
    ),
    # whether t enters
    "no timestep": (unet.UNet, DEAF),
    "embedded and not used": (derived({SUM: "return h"}), DEAF),
    "always timestep 0": (derived({EMBED: "return self.embedding(0 * t)"}), DEAF),
    "t modulo 3": (derived({EMBED: "return self.embedding(t % 3)"}), DEAF),
    "t counted in hundreds, up to 700": (
        derived({EMBED: "return self.embedding((t - 700).clamp(min=0))"}),
        "t enters no feature map",
    ),
    "instance norm behind": (
        derived({SUM: "return F.instance_norm(h + shift)"}),
        "It enters at the bottleneck, in 256 channels of 7 x 7 pixels, and what follows cancels it",
    ),
    "one-channel groups behind": (
        whole(
            {
                "# more": "self.norm = nn.GroupNorm(256, 256)",
                MID: "m = self.norm(self.mid(c) + emb[:, :, None, None])",
            }
        ),
        "It subtracts each channel's mean",
    ),
    # where it enters
    "at the first block": (
        whole({"a = self.d1(x)": "a = self.d1(x + emb[:, :1, None, None])"}),
        "at the first block, in 1 channels of 28 x 28 pixels",
    ),
    "in every block": (unet.UNetAdaGN, "at the first block, in 32 channels of 28 x 28 pixels"),
    "in front of the bottleneck": (
        whole(
            {
                "nn.Linear(512, 256)": "nn.Linear(512, 128)",
                MID: "m = self.mid(c + emb[:, :, None, None])",
            }
        ),
        "in front of the bottleneck, in 128 channels of 7 x 7 pixels",
    ),
    "in the decoder": (
        whole(
            {
                "nn.Linear(512, 256)": "nn.Linear(512, 64)",
                MID: "m = self.mid(c)",
                "self.out(y)": "self.out(y + emb[:, :, None, None])",
            }
        ),
        "in the decoder, in 64 channels of 28 x 28 pixels",
    ),
    "in the decoder, too": (
        whole({"return self.out(y)": "return self.out(y + emb[:, :64, None, None])"}),
        "enters the network at a second place",
    ),
    "t / T added as well": (
        whole({MID: f"{MID} + t[:, None, None, None] / 1000"}),
        "enters the network at a second place",
    ),
    "beside the feature map": (
        whole(
            {
                "nn.ConvTranspose2d(256, 128, 2, 2)": "nn.ConvTranspose2d(512, 128, 2, 2)",
                MID: "m = self.mid(c); emb = emb[:, :, None, None].expand_as(m); "
                "m = torch.cat([m, emb], 1)",
            }
        ),
        "stands beside the feature map, 512 channels in all",
    ),
    "multiplied": (derived({SUM: "return h * (1 + shift)"}), "multiply nothing"),
    "other at every pixel": (
        derived({SUM: "return h + shift * torch.linspace(0, 1, h.shape[3])"}),
        "differs from pixel to pixel",
    ),
    "one number for all channels": (
        derived({"nn.Linear(512, 256)": "nn.Linear(512, 1)"}),
        "Every channel of the bottleneck gets the same number",
    ),
    "half the channels": (unet.UNetSimple, "reaches 128 of the 256 channels"),
    "half the channels, joined": (
        derived(
            {
                "nn.Linear(512, 256)": "nn.Linear(512, 128)",
                SUM: "return torch.cat([h[:, :128] + shift, h[:, 128:]], dim=1)",
            }
        ),
        "reaches 128 of the 256 channels",
    ),
    "half the channels, no projection": (
        derived({SHIFT: "shift = F.pad(t_emb[:, :128], (0, 128))[:, :, None, None]"}),
        "reaches 128 of the 256 channels",
    ),
    "ReLU behind the projection": (
        derived({"self.project(t_emb)": "self.project(t_emb).relu()"}),
        "An activation stands between the projection and the bottleneck",
    ),
    "GELU behind the projection": (
        derived({"self.project(t_emb)": "F.gelu(self.project(t_emb))"}),
        "An activation stands between the projection and the bottleneck",
    ),
    "tanh behind the projection": (
        derived({"self.project(t_emb)": "self.project(t_emb).tanh()"}),
        "An activation stands between the projection and the bottleneck",
    ),
    # its path
    "shift detached": (derived({SUM: "return h + shift.detach()"}), "No gradient reaches"),
    "embedding detached": (
        derived({"(t_emb)": "(t_emb.detach())"}),
        "No gradient reaches embedding",
    ),
    "embedding frozen": (
        derived({"# more": "self.embedding.requires_grad_(False)"}),
        "No gradient reaches embedding",
    ),
    "t / T as it is": (
        whole(
            {"nn.Linear(256, 512)": "nn.Linear(1, 512)", "self.sinusoid(t)": "t[:, None] / 1000"}
        ),
        "t enters as one number; the sinusoid is missing",
    ),
    "table": (
        derived({EMBEDDING: "self.embedding = nn.Embedding(1000, 512)"}),
        "A table of 1000 rows is learned",
    ),
    "no MLP": (
        derived(
            {
                EMBEDDING: "",
                EMBED: "return sinusoidal_embedding(t, 256)",
                "(512, 256)": "(256, 256)",
            }
        ),
        "The sinusoid is projected as it is; the timestep MLP is missing",
    ),
    "one layer": (
        whole({CLOCK: "self.clock = nn.Sequential(nn.Linear(256, 512), nn.GELU())"}),
        "The second layer of the timestep MLP is missing",
    ),
    "projection in a plain list": (
        derived(
            {PROJECT: "self.x = [nn.Linear(512, 256)]", "self.project(t_emb)": "self.x[0](t_emb)"}
        ),
        "or is not registered",
    ),
    "no projection": (
        derived({PROJECT: "", "self.project(t_emb)": "t_emb[:, :256]"}),
        "The projection from 512 to 256 is missing",
    ),
    "other widths": (
        derived({"(256, 512)": "(128, 512)"}),
        "The timestep's path has other layers",
    ),
    "no activation": (whole({"nn.GELU(), ": ""}), "There is no activation between the two"),
    "tanh for GELU": (
        whole({"nn.GELU()": "nn.Tanh()"}),
        "The activation between the layers is tanh",
    ),
    "tanh behind the MLP": (
        derived({EMBED: "return self.embedding(t).tanh()"}),
        "Behind the second layer stands an activation, tanh",
    ),
    "t divided by 1000": (
        derived({EMBED: "return self.embedding(t / 1000)"}),
        "The first layer does not see the sinusoid of exercise 1.",
    ),
    "base 100": (
        whole({"10000 **": "100 **"}),
        "or the base is 100 and not 10000",
    ),
    "random Fourier features": (unet.UNetFourier, "does not see the sinusoid"),
    # the rest of the network
    "tanh at the end": (whole({"self.out(y)": "self.out(y).tanh()"}), "goes through tanh"),
    "sigmoid at the end": (whole({"self.out(y)": "self.out(y).sigmoid()"}), "through sigmoid"),
    "ReLU at the end": (whole({"self.out(y)": "self.out(y).relu()"}), "goes through ReLU"),
    "a clamp at the end": (
        whole({"self.out(y)": "self.out(y).clamp(-1, 1)"}),
        "a clamp to [-1, 1]",
    ),
    "an empty skip connection at 14": (
        whole({"[self.u2(m), b]": "[self.u2(m), 0 * b]"}),
        "The skip connection at 14 x 14 pixels is missing",
    ),
    "no skip connection at 14": (
        whole(
            {
                "self.pair(192, 128)": "self.pair(128, 128)",
                "torch.cat([self.u2(m), b], dim=1)": "self.u2(m)",
            }
        ),
        "The skip connection at 14 x 14 pixels is missing",
    ),
    "no skip connection at 28": (
        whole(
            {
                "self.pair(96, 64)": "self.pair(64, 64)",
                "torch.cat([self.u1(y), a], dim=1)": "self.u1(y)",
            }
        ),
        "The skip connection at 28 x 28 pixels is missing",
    ),
}


@pytest.mark.parametrize("cls", RIGHT.values(), ids=RIGHT)
def test_right_network_passes(cls):
    assert_passed(check_unet_sinusoidal(cls))


@pytest.mark.parametrize(("cls", "note"), NOTED.values(), ids=NOTED)
def test_usual_network_passes_with_a_note(cls, note):
    assert_passed(check_unet_sinusoidal(cls), note)


@pytest.mark.parametrize(("cls", "fragment"), WRONG.values(), ids=WRONG)
def test_mistake_in_network_is_named(cls, fragment):
    assert_wrong(check_unet_sinusoidal(cls), fragment)


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
