"""The check of exercise 4 on networks that are wrong beside their timestep."""

import pytest

from condlesson.checks import check_unet_sinusoidal
from tests.checks.networks import FORWARD, MID, PATH, SUM, around, derived, whole
from tests.checks.variants import assert_wrong, lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

MIXED = "an image gets one prediction alone and another one in a batch of other images"
TANH = "give nearly the same prediction: x_t is bent"
BENT = "goes through something that bends or bounds it"
WRONG = {
    # errors that only some inputs show
    "one image refused": (
        derived(around('if len(x) == 1: raise ValueError("too few")', FORWARD)),
        "The network, with x_t (1, 1, 28, 28) and t (1,), raised ValueError at line",
    ),
    "a large timestep refused": (
        derived(around('if (t == 0).any(): raise ValueError("no")', FORWARD)),
        "and t (3,), raised ValueError at line",
    ),
    "many images refused while it trains": (
        derived(around('if self.training and len(x) > 2: raise ValueError("no")', FORWARD)),
        "and t (3,), raised ValueError at line",
    ),
    "an error of torch's while it trains": (
        derived(around("x = x @ x[:, :, :2] if self.training and len(x) > 2 else x", FORWARD)),
        "raised RuntimeError at line",
    ),
    "a train of its own": (
        derived(
            {"    def embed": lines("    def train(self):", "return self") + "\n\n    def embed"}
        ),
        "Every nn.Module has methods train and eval",
    ),
    # images of a batch that influence one another
    "an attention over the batch": (
        derived(
            {
                "# more": "self.attention = nn.MultiheadAttention(256, 4)",
                SUM: lines(
                    "h = h + shift",
                    "rows = h.flatten(2).transpose(1, 2)",
                    "out = self.attention(rows, rows, rows)[0]",
                    "return h + out.transpose(1, 2).reshape(h.shape)",
                ),
            }
        ),
        MIXED,
    ),
    "the first image for all": (derived({SUM: "return h[:1] + shift"}), MIXED),
    "the mean of the batch": (derived({SUM: "return h.mean(0, keepdim=True) + shift"}), MIXED),
    "another image's bottleneck": (derived({SUM: "return h.roll(1, 0) + shift"}), MIXED),
    "the batch's statistics always": (
        derived({SUM: "return F.batch_norm(h, None, None, training=True) + shift"}),
        MIXED,
    ),
    "images in reverse": (derived(around("return super().forward(x.flip(0), t)")), MIXED),
    # what is cut
    "an image cut to [-1, 1]": (
        derived(around("return super().forward(x.clamp(-1, 1), t)")),
        "Pixels of 4 and of 9 give the same prediction",
    ),
    "an image divided by its own size": (
        whole({PATH: f"x = x / x.std((1, 2, 3), keepdim=True); {PATH}"}),
        "x_t is cut, as by clamp, or divided by its own size",
    ),
    "tanh of the image": (
        whole({PATH: f"x = torch.tanh(x); {PATH}"}),
        "give nearly the same prediction: x_t is bent, as by tanh",
    ),
    "a wider tanh of the image": (whole({PATH: f"x = 3 * torch.tanh(x / 3); {PATH}"}), TANH),
    "softsign of the image": (whole({PATH: f"x = F.softsign(x); {PATH}"}), TANH),
    # what bounds the bottleneck
    "tanh of the bottleneck": (
        whole({MID: "m = torch.tanh(self.mid(c) + emb[:, :, None, None])"}),
        "values of 60 and of 120 in it are alike behind tanh",
    ),
    "tanh of the bottleneck, then the shift": (
        whole({MID: "m = torch.tanh(self.mid(c)) + emb[:, :, None, None]"}),
        "are alike behind tanh",
    ),
    "sigmoid of the bottleneck": (
        whole({MID: "m = torch.sigmoid(self.mid(c) + emb[:, :, None, None])"}),
        "are alike behind sigmoid",
    ),
    "a clamp of the bottleneck": (
        derived({SUM: "return (h + shift).clamp(-1, 1)"}),
        "are alike behind clamp. A feature map can take every value",
    ),
    # a norm of two places
    "one batch norm for two convolutions": (
        whole(
            {
                "return nn.Sequential(": lines("n = nn.BatchNorm2d(b)", "return nn.Sequential("),
                "3, padding=1), nn.BatchNorm2d(b)": "3, padding=1), n",
            }
        ),
        "d1.1 is one batch norm at 2 places. Its running mean and variance",
    ),
    "one batch norm, twice in a row": (
        whole(
            {
                "# more": "self.n = nn.BatchNorm2d(64)",
                "self.out(y)": "self.out(self.n(self.n(y)))",
            }
        ),
        "n is one batch norm at 2 places",
    ),
    # what never learns
    "skip connection detached at 14": (
        whole({"[self.u2(m), b]": "[self.u2(m), b.detach()]"}),
        "through a feature map (1, 64, 14, 14), though the prediction depends on it: the path is "
        "cut by detach.",
    ),
    "data of the skip connection at 28": (
        whole({"[self.u1(y), a]": "[self.u1(y), a.data]"}),
        "a feature map (1, 32, 28, 28), though the prediction depends on it: the path is cut by "
        ".data.",
    ),
    "detached from below": (
        whole({"self.d3(F.max_pool2d(b, 2))": "self.d3(F.max_pool2d(b, 2).detach())"}),
        "No gradient goes back through a feature map (1, 64, 7, 7)",
    ),
    "pooled without gradients": (
        whole(
            {
                "c = self.d3(F.max_pool2d(b, 2))": lines(
                    "with torch.no_grad():", "    below = F.max_pool2d(b, 2)", "c = self.d3(below)"
                )
            }
        ),
        "the path is cut. Leave out detach, .data and no_grad",
    ),
    "feature map detached": (
        derived({SUM: "return h.detach() + shift"}),
        "No gradient reaches enc_3.conv_1.weight, though the prediction depends on it",
    ),
    "data of the feature map": (
        derived({SUM: "return h.data + shift"}),
        "No gradient reaches enc_3",
    ),
    "encoder without gradients": (
        whole({"a = self.d1(x)": lines("with torch.no_grad():", "    a = self.d1(x)")}),
        "No gradient reaches d1.0.weight, though the prediction depends on it",
    ),
    "bottleneck frozen": (
        derived({"# more": "self.bottleneck.requires_grad_(False)"}),
        "bottleneck.conv_1.weight is frozen",
    ),
    "last convolution frozen": (
        whole({"# more": "self.out[-1].requires_grad_(False)"}),
        "out.3.weight is frozen",
    ),
    # its end
    "tanh at the end": (whole({"self.out(y)": "self.out(y).tanh()"}), "goes through tanh"),
    "sigmoid at the end": (whole({"self.out(y)": "self.out(y).sigmoid()"}), "through sigmoid"),
    "ReLU at the end": (whole({"self.out(y)": "self.out(y).relu()"}), "goes through ReLU"),
    "a clamp at the end": (
        whole({"self.out(y)": "self.out(y).clamp(-1, 1)"}),
        "a clamp to [-1, 1]",
    ),
    "SiLU at the end": (whole({"self.out(y)": "F.silu(self.out(y))"}), "goes through SiLU"),
    "absolute value": (whole({"self.out(y)": "self.out(y).abs()"}), "through the absolute value"),
    "a wide clamp at the end": (whole({"self.out(y)": "self.out(y).clamp(-3, 3)"}), BENT),
    "a wide tanh at the end": (whole({"self.out(y)": "2 * self.out(y).tanh()"}), BENT),
    "a cube at the end": (whole({"self.out(y)": "self.out(y) ** 3"}), BENT),
    "divided by its own size": (
        whole({"return self.out(y)": "y = self.out(y); return y / y.std((1, 2, 3), keepdim=True)"}),
        BENT,
    ),
    "a learned scale behind tanh": (
        whole(
            {
                "# more": "self.gain = nn.Parameter(torch.ones(()))",
                "self.out(y)": "self.out(y).tanh() * self.gain",
            }
        ),
        "goes through tanh",
    ),
    "more than the prediction while it trains": (
        derived(around("y = super().forward(x, t); return (y, t) if self.training else y")),
        "must return one tensor, got a tuple of 2",
    ),
    "a norm at the end": (
        whole({"nn.Conv2d(32, 1, 1)": "nn.Conv2d(32, 1, 1), nn.GroupNorm(1, 1)"}),
        BENT,
    ),
    "ReLU at the end while it trains": (
        whole({"return self.out(y)": "y = self.out(y); return y.relu() if self.training else y"}),
        "After model.train(), the prediction goes through ReLU",
    ),
    # its skip connections
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


@pytest.mark.parametrize(("cls", "fragment"), WRONG.values(), ids=WRONG)
def test_mistake_beside_the_timestep_is_named(cls, fragment):
    assert_wrong(check_unet_sinusoidal(cls), fragment)
