"""The check of an adaptive group norm on layers whose norm is another one, or elsewhere."""

import pytest

from condlesson.checks import check_adagn
from tests.checks.layers import ADAGN, NORM, NORMED, OUT, by_hand
from tests.checks.variants import assert_wrong, cell, edited

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

WRONG = {
    "no norm": ({NORMED: "h"}, "Nothing is normalised"),
    "instance norm": ({NORM: "self.norm = nn.InstanceNorm2d(C)"}, "which is an instance norm"),
    "layer norm": ({NORMED: "F.layer_norm(h, h.shape[1:])"}, "which is a layer norm"),
    "layer norm of each pixel": (
        {NORMED: "F.layer_norm(h.movedim(1, -1), (C,)).movedim(-1, 1)"},
        "across the channels at each pixel: a layer norm",
    ),
    "two groups": ({"(G, C, affine": "(2, C, affine"}, "The norm works in 2 groups, and 4"),
    "only centred": (
        by_hand("x - x.mean(-1, True)"),
        "the rest is not divided by the standard deviation",
    ),
    "RMS norm": (by_hand("x / x.square().mean(-1, True).sqrt()"), "it is an RMS norm"),
    "divided by the variance": (
        by_hand("(x - x.mean(-1, True)) / x.var(-1, keepdim=True)"),
        "It must divide by its square root",
    ),
    "divided by the deviation and a number": (
        by_hand("(x - x.mean(-1, True)) / (x.std(-1, correction=0, keepdim=True) + 0.05)"),
        "divides by the standard deviation plus about 0.05",
    ),
    "every fourth channel in a group": (
        {
            NORM: "self.G = G",
            NORMED: "F.group_norm(h.unflatten(1, (-1, self.G)).transpose(1, 2).flatten(1, 2), "
            "self.G).unflatten(1, (self.G, -1)).transpose(1, 2).flatten(1, 2)",
        },
        "A group takes every 4th channel",
    ),
    "affine norm twice": (
        {NORM: "self.norm = nn.GroupNorm(G, C)", NORMED: "self.norm(self.norm(h))"},
        "Is the norm applied twice? Apply it once, to h: (1 + gamma) * norm(h) + beta.",
    ),
    "residual": ({OUT: f"{OUT} + h"}, "is added to the result"),
    "norm last": ({OUT: "return self.norm((1 + gamma) * h + beta)"}, "The norm comes last"),
    "affine norm last": (
        {NORM: "self.norm = nn.GroupNorm(G, C)", OUT: "return self.norm((1 + gamma) * h + beta)"},
        "The norm comes last",
    ),
    "shift before the norm": (
        {OUT: "return (1 + gamma) * self.norm(h + beta)"},
        "The shift is added before the norm",
    ),
    "only a shift, before the norm": (
        {OUT: "return self.norm(h + beta)"},
        "The shift is added before the norm",
    ),
    "scale before the norm": (
        {OUT: "return self.norm((1 + gamma) * h) + beta"},
        "Normalise h first, and only then modulate",
    ),
    "ReLU behind": (
        {OUT: f"return F.relu({OUT.removeprefix('return ')})"},
        "activation is applied to it",
    ),
    "SiLU behind": (
        {OUT: f"return F.silu({OUT.removeprefix('return ')})"},
        "activation is applied to it",
    ),
    "from pixel to pixel": (
        {NORMED: "self.norm(h) * torch.linspace(0.5, 1.5, h.shape[3])"},
        "from pixel to pixel",
    ),
    "tanh of the norm": ({NORMED: "self.norm(h).tanh()"}, "not a linear function"),
}


@pytest.mark.parametrize(("edits", "fragment"), WRONG.values(), ids=WRONG)
def test_mistake_in_the_norm_is_named(edits, fragment):
    assert_wrong(check_adagn(cell(edited(ADAGN, edits))), fragment)
