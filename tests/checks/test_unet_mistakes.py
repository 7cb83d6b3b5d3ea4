"""The check of exercise 4 on wrong networks: each mistake is named."""

import pytest

from condlesson import unet
from condlesson.checks import check_unet_sinusoidal
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
from tests.checks.variants import assert_wrong, lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

DEAF = "The prediction does not depend on t"
WRONG = {
    # calls and shapes
    "condition without a return": (
        derived({SUM: "h + shift"}),
        "condition returned None. End it with return.",
    ),
    "embed without a return": (
        derived({EMBED: "self.embedding(t)"}),
        "embed returned None. End it with return.",
    ),
    "embed with more than the embedding": (
        derived({EMBED: "return self.embedding(t), t"}),
        "embed returned a tuple. Return one tensor alone.",
    ),
    "nothing added": (
        derived({SHIFT: "shift = None"}),
        "'NoneType'. shift is None. A function without return gives None",
    ),
    "condition with its arguments exchanged": (
        derived({"condition(self, h, t_emb)": "condition(self, t_emb, h)"}),
        "It is called with h first, then t_emb",
    ),
    "forward with its arguments exchanged": (
        derived(around(FORWARD, arguments="t, x")),
        "The network is called with x_t first, then t",
    ),
    "condition misspelt": (
        derived({"def condition": "def conditions"}),
        "Your class has no condition, and UNet's own returns h as it is",
    ),
    "a width without default": (
        derived({"def __init__(self)": "def __init__(self, width)"}),
        "Give width a default, width=32",
    ),
    "half precision": (
        derived(around("return super().forward(x, t).half()")),
        "The prediction is torch.float16, which is too coarse",
    ),
    "a projection of another width": (
        derived({PROJECT: "self.project = nn.Linear(256, 256)"}),
        "self.project takes 256 numbers and gets 512",
    ),
    "a class without its parentheses": (
        derived({EMBEDDING: "self.embedding = TimestepEmbedding"}),
        "TimestepEmbedding is a class. Make the layer in __init__",
    ),
    "skip connection not joined": (
        whole({"torch.cat([self.u2(m), b], dim=1)": "self.u2(m)"}),
        "takes 192 channels and gets 128",
    ),
    "one number for an image": (
        whole({"return self.out(y)": "return self.out(y).mean((2, 3))"}),
        "must give a prediction of its shape, got (2, 1)",
    ),
    "no reshape": (
        derived({"[:, :, None, None]": ""}),
        "shift is (2, 256), and the feature map (B, C, H, W)",
    ),
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
    "t in bfloat16": (
        derived({EMBED: "return self.embedding(t.to(torch.bfloat16).float())"}),
        "Something rounds or clamps t",
    ),
    "t by eights": (derived({EMBED: "return self.embedding(t // 8 * 8)"}), "Something rounds"),
    "t clamped at its end": (
        derived({EMBED: "return self.embedding(t.clamp(max=998))"}),
        "Something rounds or clamps t",
    ),
    "told 0 while it trains": (
        derived({EMBED: "return self.embedding(t * 0 if self.training else t)"}),
        "its bottleneck does not depend on t",
    ),
    "told another image's t while it trains": (
        derived({EMBED: "return self.embedding(t.roll(1) if self.training else t)"}),
        "an image is told the timestep of another one",
    ),
    "t divided by a million": (
        derived({EMBED: "return self.embedding(t / 1000 / 1000)"}),
        "but t = 10 and t = 700 differ there by",
    ),
    "told nothing by chance while it trains": (
        derived(
            {
                EMBED: "e = self.embedding(t); "
                "return e * (torch.rand(len(e), 1) > 0.1) if self.training else e"
            }
        ),
        "the shifts of the bottleneck differ by up to",
    ),
    "told half of t while it trains": (
        derived({EMBED: "return self.embedding(t // 2 if self.training else t)"}),
        "the shifts of the bottleneck differ by up to",
    ),
    "told at a second place while it trains": (
        whole(
            {"return self.out(y)": "return self.out(y + emb[:, :64, None, None] * self.training)"}
        ),
        "t enters at a second place, too",
    ),
    "told while it trains only": (
        derived({SUM: "return h + shift * self.training"}),
        DEAF,
    ),
    "sorted timesteps": (
        derived({EMBED: "return self.embedding(t.sort()[0])"}),
        "timesteps or images influence one another",
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
    "the shift twice": (
        derived({SUM: "return h + shift + shift"}),
        "Or is the shift added twice?",
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
        "is joined to the feature map, 512 channels in all",
    ),
    "multiplied": (derived({SUM: "return h * (1 + shift)"}), "Do not multiply by it"),
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
    "a projection that is a part of another layer": (
        derived(
            {"# more": "self.project.weight = nn.Parameter(self.embedding.linear_2.weight[:256])"}
        ),
        "project.weight has its numbers in the memory of another parameter, "
        "embedding.linear_2.weight: a step of the one moves the other",
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
    "projection compiled": (
        derived({PROJECT: "self.project = torch.jit.script(nn.Linear(512, 256))"}),
        "project is compiled by torch.jit.script, and a check cannot look into it",
    ),
    "added by vmap": (
        derived({SUM: "return torch.vmap(torch.add)(h, shift)"}),
        "A check cannot look into torch.vmap. Hand in your class without it",
    ),
    "a layer of a method's name": (
        derived(
            {
                EMBEDDING: "self.embed = TimestepEmbedding(256, 512)",
                f"    def embed(self, t):\n        {EMBED}\n": "",
            }
        ),
        "self.embed is a layer, and UNet has a method of that name",
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
        "After the second layer there is an activation, tanh",
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
}


@pytest.mark.parametrize(("cls", "fragment"), WRONG.values(), ids=WRONG)
def test_mistake_in_network_is_named(cls, fragment):
    assert_wrong(check_unet_sinusoidal(cls), fragment)
