"""The check of an adaptive group norm on layers that learn badly: by their gradients or start."""

import pytest

from condlesson.checks import check_adagn
from tests.checks.layers import ADAGN, NORM, NORMED, OUT, PROJECT, SCORES, SPLIT, by_hand
from tests.checks.variants import assert_wrong, cell, edited, lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

WRONG = {
    # gradients
    "no_grad": (
        {OUT: lines("with torch.no_grad():", f"    {OUT}")},
        "carries no gradient",
    ),
    "h detached": ({NORMED: "self.norm(h.detach())"}, "No gradient reaches h"),
    "t_emb detached": ({SCORES: "scores = self.project(t_emb.detach())"}, "reaches t_emb"),
    "scores detached": ({SCORES: f"{SCORES}.detach()"}, "reaches project.weight, project.bias"),
    "gamma detached": ({"(1 + gamma)": "(1 + gamma.detach())"}, "reaches 50% of project.weight"),
    "beta detached": (
        {f"{NORMED} + beta": f"{NORMED} + beta.detach()"},
        "No gradient reaches 50% of project.weight (24, 16), though the result depends on it",
    ),
    "statistics under no_grad": (
        {
            NORM: "self.G = G",
            OUT: lines(
                "x = h.reshape(len(h), self.G, -1)",
                "with torch.no_grad():",
                "    v, m = torch.var_mean(x, -1, correction=0, keepdim=True)",
                "return (1 + gamma) * ((x - m) / (v + 1e-5).sqrt()).view_as(h) + beta",
            ),
        },
        "the gradient of h is off by 137% from how the result changes with it",
    ),
    "variance detached": (
        by_hand("(x - x.mean(-1, True)) / (x.var(-1, keepdim=True).detach() + 1e-5).sqrt()"),
        "A part of the path from h to the result is cut",
    ),
    "mean detached": (
        by_hand("(x - x.mean(-1, True).detach()) / (x.var(-1, keepdim=True) + 1e-5).sqrt()"),
        "the norm's mean or variance, taken without gradients?",
    ),
    "t_emb detached for gamma": (
        {
            PROJECT: "self.g, self.b = nn.Linear(D, C), nn.Linear(D, C)",
            SCORES: "",
            SPLIT: "gamma, beta = self.g(t_emb.detach()), self.b(t_emb)",
        },
        "Is gamma, beta or a shift made of a copy of t_emb without gradients?",
    ),
    "t_emb detached for beta": (
        {
            PROJECT: "self.g, self.b = nn.Linear(D, C), nn.Linear(D, C)",
            SCORES: "",
            SPLIT: "gamma, beta = self.g(t_emb), self.b(t_emb.detach())",
        },
        "A part of the path from t_emb to the result is cut: the gradient of t_emb is off by",
    ),
    "scores in half precision": (
        {SCORES: lines(SCORES, "scores = scores.half().float()")},
        "On the path from t_emb to the result something is rounded: small changes of t_emb change",
    ),
    "a weight that is used twice and detached once": (
        {
            SCORES: lines(
                SCORES,
                "w = self.project.weight",
                "scores = scores + t_emb @ w.detach().T + t_emb.detach() @ w.T * 0",
                "scores = scores + t_emb @ (w - w.detach()).T * 0",
            )
        },
        "A part of the path from project.weight to the result is cut",
    ),
    "a layer that is not used": (
        {"# more": "self.spare = nn.Linear(D, D)"},
        "spare.weight, spare.bias are never used: forward does not call the layer",
    ),
    # the start
    "without the 1": ({"(1 + gamma)": "gamma"}, "Gamma multiplies without the 1 +"),
    "zero-init without the 1": (
        {
            "# more": "[nn.init.zeros_(p) for p in self.project.parameters()]",
            "(1 + gamma)": "gamma",
        },
        "silences all features",
    ),
    "the 1 at beta": (
        {OUT: "return gamma * self.norm(h) + (1 + beta)"},
        "Your formula adds the 1 to the shift",
    ),
    "the 1 in beta's half of the bias": (
        {"(1 + gamma)": "gamma", "# more": "nn.init.ones_(self.project.bias[C:])"},
        "The 1 is in the wrong half of the bias",
    ),
    "large at the start": (
        {"# more": "nn.init.ones_(self.project.weight)"},
        "The 1 is in the formula already. Let the projection start with small",
    ),
    "2 for 1": ({"(1 + gamma)": "(2 + gamma)"}, "where the 1 is added once."),
    "bias of ones for gamma and beta": (
        {
            "(1 + gamma)": "gamma",
            "# more": "nn.init.zeros_(self.project.weight); nn.init.ones_(self.project.bias)",
        },
        "every channel is shifted by about 1, which should be about 0. Beta's half of the bias",
    ),
    "beta at 5": (
        {"# more": "nn.init.constant_(self.project.bias[C:], 5.0)"},
        "every channel is shifted by about 5, which should be about 0. Beta's half of the bias",
    ),
    "a shift of the norm's own at 1": (
        {NORM: "self.norm = nn.GroupNorm(G, C)", "# more": "nn.init.ones_(self.norm.bias)"},
        "and so must a shift of the norm's own",
    ),
    "a 1 for each": (
        {OUT: f"{OUT} + 1"},
        "Your formula adds 1 to it. Write (1 + gamma) * norm(h) + beta.",
    ),
    "standard normal weights": (
        {"# more": "nn.init.normal_(self.project.weight)"},
        "Gamma is large at initialisation: it has a spread of",
    ),
    "standard normal weights without the 1": (
        {"(1 + gamma)": "gamma", "# more": "nn.init.normal_(self.project.weight)"},
        "Gamma is large at initialisation: it has a spread of",
    ),
    "standard normal weights of beta": (
        {"# more": "nn.init.normal_(self.project.weight[C:])"},
        "Beta is large at initialisation: it has a spread of",
    ),
    "the norm's own scale at 0": (
        {NORM: "self.norm = nn.GroupNorm(G, C)", "# more": "nn.init.zeros_(self.norm.weight)"},
        "The norm's own scale, norm.weight, starts at 0 on average",
    ),
    "the norm's own scale at 3": (
        {NORM: "self.norm = nn.GroupNorm(G, C)", "# more": "self.norm.weight.data.fill_(3)"},
        "The norm's own scale, norm.weight, starts at 3 on average",
    ),
    "the norm's own scale at 0, without the 1": (
        {
            NORM: "self.norm = nn.GroupNorm(G, C)",
            "# more": "nn.init.zeros_(self.norm.weight)",
            "(1 + gamma)": "gamma",
        },
        "Gamma multiplies without the 1 +",
    ),
    "a gate at 0 before a projection at 0": (
        {
            "# more": lines(
                "[nn.init.zeros_(p) for p in self.project.parameters()]",
                "self.gate = nn.Parameter(torch.zeros(1))",
            ),
            SCORES: "scores = self.gate * self.project(t_emb)",
        },
        "start at 0. What starts at 0 and gets no gradient: gate, project.weight, project.bias.",
    ),
    "the 1 twice": ({"# more": "nn.init.ones_(self.project.bias[:C])"}, "multiplied by 2"),
}


@pytest.mark.parametrize(("edits", "fragment"), WRONG.values(), ids=WRONG)
def test_mistake_in_what_adagn_learns_is_named(edits, fragment):
    assert_wrong(check_adagn(cell(edited(ADAGN, edits))), fragment)
