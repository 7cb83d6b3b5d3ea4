"""Checks of exercise 3 on right and on wrong layers."""

import pytest

from condlesson import conditioning, exercises
from condlesson.checks import check_adagn, check_additive_gn, check_zero_init_adagn
from tests.answers import blank
from tests.checks.variants import assert_passed, assert_wrong, cell, edited, lines

pytestmark = pytest.mark.usefixtures("one_thread")

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


SUBCLASS = """\
class Layer(nn.GroupNorm):
    def __init__(self, C, D, G=32):
        super().__init__(G, C, affine=False)
        self.scores = nn.Sequential(nn.Linear(D, 2 * C), nn.Unflatten(1, (2, C, 1, 1)))

    def forward(self, h, t_emb):
        gamma, beta = self.scores(t_emb).unbind(1)
        return super().forward(h) * (1 + gamma) + beta
"""
RIGHT = {
    "as the page": {},
    "beta first": {SPLIT: "beta, gamma = scores.chunk(2, dim=-1)"},
    "slices": {SPLIT: "gamma, beta = scores[:, :C], scores[:, C:]"},
    "odd and even outputs": {SPLIT: "gamma, beta = scores[:, ::2], scores[:, 1::2]"},
    "unflatten": {SPLIT: "gamma, beta = scores.unflatten(-1, (2, -1)).unbind(1)"},
    "torch.split": {SPLIT: "gamma, beta = torch.split(scores, C, dim=1)"},
    "view": {SHAPES: "gamma, beta = (x.view(len(h), C, 1, 1) for x in (gamma, beta))"},
    "other order of the sum": {OUT: "return beta + self.norm(h) + self.norm(h) * gamma"},
    "addcmul": {OUT: "return torch.addcmul(beta, 1 + gamma, self.norm(h))"},
    "einsum": {
        SHAPES: "",
        OUT: lines(
            "scaled = torch.einsum('bc,bchw->bchw', 1 + gamma, self.norm(h))",
            "return scaled + beta[..., None, None]",
        ),
    },
    "two projections": {
        PROJECT: "self.to_gamma, self.to_beta = nn.Linear(D, C), nn.Linear(D, C)",
        SCORES: "",
        SPLIT: "gamma, beta = self.to_gamma(t_emb), self.to_beta(t_emb)",
    },
    "projections in a dictionary": {
        PROJECT: "self.made = nn.ModuleDict({k: nn.Linear(D, C) for k in 'gb'})",
        SCORES: "",
        SPLIT: "gamma, beta = (self.made[k](t_emb) for k in 'gb')",
    },
    "projection as a 1x1 convolution": {
        PROJECT: "self.project = nn.Conv2d(D, 2 * C, 1)",
        SCORES: "scores = self.project(t_emb[:, :, None, None])",
        SPLIT: "gamma, beta = scores.chunk(2, dim=1)",
        SHAPES: "",
    },
    "projection as parameters": {
        PROJECT: lines(
            "self.weight = nn.Parameter(torch.randn(D, 2 * C) * 0.3 * D**-0.5)",
            "self.bias = nn.Parameter(torch.zeros(2 * C))",
        ),
        SCORES: "scores = t_emb @ self.weight + self.bias",
    },
    "projection in a list": {
        PROJECT: "self.layers = nn.ModuleList([nn.Linear(D, 2 * C)])",
        SCORES: "scores = self.layers[0](t_emb)",
    },
    "lazy projection": {PROJECT: "self.project = nn.LazyLinear(2 * C)"},
    "functional group norm": {
        NORM: "self.num_groups = G",
        NORMED: "F.group_norm(h, self.num_groups)",
    },
    "a norm of all items' groups at once": {
        NORM: "self.G = G",
        SHAPES: "B, C, H, W = h.shape",
        OUT: lines(
            "h = h.reshape(1, B * C, H, W)",
            "scores = (1 + gamma).flatten(), beta.flatten()",
            "return F.group_norm(h, B * self.G, *scores).reshape(B, C, H, W)",
        ),
    },
    "norm made in forward": {
        NORM: "self.G = G",
        NORMED: "nn.GroupNorm(self.G, C, affine=False)(h)",
    },
    "group norm by hand": by_hand(
        "(x - x.mean(-1, True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()"
    ),
    "minus gamma": {"(1 + gamma)": "(1 - gamma)"},
    "another eps": {NORM: "self.norm = nn.GroupNorm(G, C, eps=1e-6, affine=False)"},
    "frozen affine": {
        NORM: "self.norm = nn.GroupNorm(G, C).requires_grad_(False)",
    },
    "the 1 in the features": {OUT: "return self.norm(h) * gamma + (beta + self.norm(h))"},
    "float64": {
        "# more": "self.double()",
        SCORES: "scores = self.project(t_emb.double())",
        NORMED: "self.norm(h.double())",
    },
    "small start": {"# more": "nn.init.normal_(self.project.weight, std=0.02)"},
    "prints": {SCORES: "print('here', t_emb.shape); scores = self.project(t_emb)"},
    "in place on a copy": {
        OUT: lines("x = self.norm(h).clone()", "x *= 1 + gamma", "x += beta", "return x")
    },
}
NOTED = {
    "SiLU in front": ({SCORES: "scores = self.project(F.silu(t_emb))"}, "a SiLU stands before"),
    "SiLU in a sequence": (
        {PROJECT: "self.project = nn.Sequential(nn.SiLU(), nn.Linear(D, 2 * C))"},
        "a SiLU stands before",
    ),
    "GELU in front": (
        {SCORES: "scores = self.project(F.gelu(t_emb))"},
        "Note: GELU stands before the projection",
    ),
    "zero-init": (
        {"# more": "[nn.init.zeros_(p) for p in self.project.parameters()]"},
        "starts as group norm exactly",
    ),
    "affine": ({NORM: "self.norm = nn.GroupNorm(G, C)"}, "keeps a scale and a shift of its own"),
    "the 1 in the bias": (
        {"# more": "nn.init.ones_(self.project.bias[:C])", "(1 + gamma)": "gamma"},
        "its bias starts at 1",
    ),
    "the 1 in the bias of a projection of its own": (
        {
            PROJECT: "self.to_gamma, self.to_beta = nn.Linear(D, C), nn.Linear(D, C)",
            "# more": "nn.init.ones_(self.to_gamma.bias)",
            SCORES: "",
            SPLIT: "gamma, beta = self.to_gamma(t_emb), self.to_beta(t_emb)",
            "(1 + gamma)": "gamma",
        },
        "its bias starts at 1",
    ),
    "eps": ({"affine=False": "affine=False, eps=1e-2"}, "or is eps another than 1e-5"),
    "no bias": ({PROJECT: "self.project = nn.Linear(D, 2 * C, bias=False)"}, "has no bias"),
    "a second layer that does nothing new": (
        {PROJECT: "self.project = nn.Sequential(nn.Linear(D, D), nn.Linear(D, 2 * C))"},
        "with 6 channels and d_emb = 5 the page's layer has 72 parameters; yours has 102",
    ),
    "variance over n - 1": (
        by_hand("(x - x.mean(-1, True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt()"),
        "divide by n - 1",
    ),
}

WRONG = {
    # the call
    "no reshape": ({SHAPES: ""}, "must become (B, C, 1, 1)"),
    "flat result": ({OUT: OUT.replace("return ", "return (") + ").flatten(1)"}, "the shape of h"),
    "projection of half the width": (
        {PROJECT: "self.project = nn.Linear(D, C)"},
        "the projection has 12 outputs, one for each channel",
    ),
    "split along the batch": ({"dim=-1": "dim=0"}, "raised"),
    "groups and channels swapped": ({"(G, C, affine": "(C, G, affine"}, "groups first"),
    "32 groups whatever was asked for": ({"(G, C, affine": "(32, C, affine"}, "groups first"),
    "d_emb written down": ({PROJECT: "self.project = nn.Linear(512, 2 * C)"}, "widths"),
    "projection made in forward": (
        {PROJECT: "", SCORES: "scores = nn.Linear(t_emb.shape[1], 2 * C)(t_emb)"},
        "has no parameters",
    ),
    "projection made in forward beside an affine norm": (
        {
            NORM: "self.norm = nn.GroupNorm(G, C)",
            PROJECT: "",
            SCORES: "scores = nn.Linear(t_emb.shape[1], 2 * C)(t_emb)",
        },
        "Make every layer in __init__",
    ),
    "projection in a plain list": (
        {
            PROJECT: "self.layers = [nn.Linear(D, 2 * C)]",
            NORM: "self.norm = nn.GroupNorm(G, C)",
            SCORES: "scores = self.layers[0](t_emb)",
        },
        "not among them",
    ),
    "frozen": ({"# more": "self.requires_grad_(False)"}, "All parameters are frozen"),
    "frozen projection beside an affine norm": (
        {
            NORM: "self.norm = nn.GroupNorm(G, C)",
            "# more": "self.project.requires_grad_(False)",
        },
        "not among them",
    ),
    "dropout": ({SCORES: "scores = F.dropout(self.project(t_emb))"}, "draw nothing at random"),
    "in place": (
        {OUT: lines("h -= h.mean()", OUT)},
        "changes the tensor that it is given, in place",
    ),
    # the batch
    "first embedding for all": (
        {SCORES: "scores = self.project(t_emb[:1])"},
        "modulated by the first embedding",
    ),
    "mean of the embeddings": (
        {SCORES: "scores = self.project(t_emb.mean(0, keepdim=True))"},
        "embeddings of the whole batch",
    ),
    "split across the batch": (
        {SPLIT: "gamma, beta = scores.view(2, len(h), C)"},
        "do not reshape or split across it",
    ),
    "batch norm": ({NORM: "self.norm = nn.BatchNorm2d(C)"}, "as in a batch norm"),
    # the norm
    "no norm": ({NORMED: "h"}, "Nothing is normalised"),
    "instance norm": ({NORM: "self.norm = nn.InstanceNorm2d(C)"}, "which is an instance norm"),
    "layer norm": ({NORMED: "F.layer_norm(h, h.shape[1:])"}, "which is a layer norm"),
    "layer norm of each pixel": (
        {NORMED: "F.layer_norm(h.movedim(1, -1), (C,)).movedim(-1, 1)"},
        "across the channels at each pixel: a layer norm",
    ),
    "two groups": ({"(G, C, affine": "(2, C, affine"}, "The norm works in 2 groups, and 4"),
    "only centred": (by_hand("x - x.mean(-1, True)"), "nothing is divided by the deviation"),
    "RMS norm": (by_hand("x / x.square().mean(-1, True).sqrt()"), "it is an RMS norm"),
    "divided by the variance": (
        by_hand("(x - x.mean(-1, True)) / x.var(-1, keepdim=True)"),
        "not by its square root",
    ),
    "every fourth channel in a group": (
        {
            NORM: "self.G = G",
            NORMED: "F.group_norm(h.unflatten(1, (-1, self.G)).transpose(1, 2).flatten(1, 2), "
            "self.G).unflatten(1, (self.G, -1)).transpose(1, 2).flatten(1, 2)",
        },
        "dealt out like cards",
    ),
    "residual": ({OUT: f"{OUT} + h"}, "added on top"),
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
    "ReLU behind": ({OUT: f"return F.relu({OUT.removeprefix('return ')})"}, "activation goes over"),
    "SiLU behind": ({OUT: f"return F.silu({OUT.removeprefix('return ')})"}, "activation goes over"),
    "from pixel to pixel": (
        {NORMED: "self.norm(h) * torch.linspace(0.5, 1.5, h.shape[3])"},
        "from pixel to pixel",
    ),
    "tanh of the norm": ({NORMED: "self.norm(h).tanh()"}, "not a straight line"),
    # gamma and beta
    "no modulation": ({OUT: "return self.norm(h)"}, "t_emb has no effect"),
    "no gamma": ({OUT: "return self.norm(h) + beta"}, "Gamma is missing"),
    "no beta": ({OUT: "return (1 + gamma) * self.norm(h)"}, "Beta is missing"),
    "gamma for half the channels": (
        {SPLIT: f"{SPLIT}; gamma = F.pad(gamma[:, : C // 2], (0, C - C // 2))"},
        "Only 6 of 12 channels are given a gamma",
    ),
    "one beta is missing": (
        {SPLIT: f"{SPLIT}; beta = F.pad(beta[:, 1:], (1, 0))"},
        "channel 0 has none",
    ),
    "one gamma for all channels": (
        {PROJECT: "self.project = nn.Linear(D, 2)"},
        "one and the same gamma",
    ),
    "one beta for all channels": (
        {SPLIT: f"{SPLIT}; beta = beta[:, :1]"},
        "one and the same beta",
    ),
    "halves alike": (
        {SPLIT: f"{SPLIT}; gamma = gamma[:, : C // 2].repeat(1, 2)"},
        "repeats the gamma of the first half",
    ),
    "gamma is beta": (
        {PROJECT: "self.project = nn.Linear(D, C)", SPLIT: "gamma = beta = scores"},
        "the same numbers",
    ),
    "gamma is beta without the 1": (
        {
            PROJECT: "self.project = nn.Linear(D, C)",
            SPLIT: "gamma = beta = scores",
            "(1 + gamma)": "gamma",
        },
        "the same numbers",
    ),
    "beta is scaled": ({OUT: "return (1 + gamma) * (self.norm(h) + beta)"}, "Beta is scaled"),
    "tanh of gamma": ({"(1 + gamma)": "(1 + gamma.tanh())"}, "Gamma goes through tanh"),
    "sigmoid as the scale": ({"(1 + gamma)": "gamma.sigmoid()"}, "The scale goes through sigmoid"),
    "1 + tanh / 2 as the scale": (
        {"(1 + gamma)": "(1 + gamma.tanh() / 2)"},
        "No scale of any channel is ever negative",
    ),
    "exp as the scale": ({"(1 + gamma)": "gamma.exp()"}, "The scale goes through exp"),
    "softplus of beta": (
        {f"{NORMED} + beta": f"{NORMED} + F.softplus(beta)"},
        "Beta goes through softplus",
    ),
    "ReLU behind the projection": (
        {SCORES: "scores = F.relu(self.project(t_emb))"},
        "No gamma of any channel is ever negative",
    ),
    "ReLU of beta": (
        {f"{NORMED} + beta": f"{NORMED} + F.relu(beta)"},
        "No beta of any channel is ever negative",
    ),
    "MLP as the projection": (
        {PROJECT: "self.project = nn.Sequential(nn.Linear(D, D), nn.SiLU(), nn.Linear(D, 2 * C))"},
        "not linear in t_emb",
    ),
    "half of t_emb": (
        {
            PROJECT: "self.D = D // 2; self.project = nn.Linear(self.D, 2 * C)",
            "(t_emb)": "(t_emb[:, : self.D])",
        },
        "8 of the 16 numbers of t_emb have no effect",
    ),
    # gradients
    "no_grad": (
        {OUT: lines("with torch.no_grad():", f"    {OUT}")},
        "carries no gradient",
    ),
    "h detached": ({NORMED: "self.norm(h.detach())"}, "No gradient reaches h"),
    "t_emb detached": ({SCORES: "scores = self.project(t_emb.detach())"}, "reaches t_emb"),
    "scores detached": ({SCORES: f"{SCORES}.detach()"}, "reaches project.weight, project.bias"),
    "gamma detached": ({"(1 + gamma)": "(1 + gamma.detach())"}, "half of project.weight"),
    "beta detached": ({f"{NORMED} + beta": f"{NORMED} + beta.detach()"}, "half of project.weight"),
    "a layer that is not used": (
        {"# more": "self.spare = nn.Linear(D, D)"},
        "No gradient reaches spare.weight, spare.bias",
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
        "The 1 is in the wrong half",
    ),
    "large at the start": (
        {"# more": "nn.init.ones_(self.project.weight)"},
        "The 1 is in the formula; let the projection start small",
    ),
    "2 for 1": ({"(1 + gamma)": "(2 + gamma)"}, "with the 1 in there once"),
    "the 1 twice": ({"# more": "nn.init.ones_(self.project.bias[:C])"}, "multiplied by 2"),
}


@pytest.mark.parametrize("edits", RIGHT.values(), ids=RIGHT)
def test_right_adagn_passes(edits):
    assert_passed(check_adagn(cell(edited(ADAGN, edits))))


@pytest.mark.parametrize(("edits", "note"), NOTED.values(), ids=NOTED)
def test_usual_adagn_passes_with_a_note(edits, note):
    assert_passed(check_adagn(cell(edited(ADAGN, edits))), note)


@pytest.mark.parametrize(("edits", "fragment"), WRONG.values(), ids=WRONG)
def test_mistake_in_adagn_is_named(edits, fragment):
    assert_wrong(check_adagn(cell(edited(ADAGN, edits))), fragment)


def test_a_group_norm_with_scores_passes():
    assert_passed(check_adagn(cell(SUBCLASS)))


def test_several_notes_stand_together():
    edits = NOTED["SiLU in front"][0] | NOTED["zero-init"][0] | NOTED["affine"][0]
    notes = ("starts as group norm exactly", "a SiLU stands before", "a scale and a shift of its")
    assert_passed(check_adagn(cell(edited(ADAGN, edits))), *notes)


ZEROED = "nn.init.zeros_(self.project.weight); nn.init.zeros_(self.project.bias)"
ONES = "nn.init.ones_(self.project.bias[:C])"
ZERO_INIT = edited(ADAGN, {"# more": f"{ZEROED}; {ONES}", "(1 + gamma)": "gamma"})
START = f"{ZEROED}; {ONES}"
ZERO_INIT_RIGHT = {
    "as the task": {},
    "beta first": {
        SPLIT: "beta, gamma = scores.chunk(2, dim=-1)",
        ONES: "nn.init.ones_(self.project.bias[C:])",
    },
    "with the 1 in the formula": {START: ZEROED, "return gamma": "return (1 + gamma)"},
    "two projections": {
        PROJECT: "self.to_gamma, self.to_beta = nn.Linear(D, C), nn.Linear(D, C)",
        START: lines(
            "[nn.init.zeros_(p) for p in self.parameters()]", "nn.init.ones_(self.to_gamma.bias)"
        ),
        SCORES: "",
        SPLIT: "gamma, beta = self.to_gamma(t_emb), self.to_beta(t_emb)",
    },
    "the bias as one tensor": {
        START: lines(
            "with torch.no_grad():",
            "    self.project.weight.zero_()",
            "    self.project.bias.copy_(torch.cat([torch.ones(C), torch.zeros(C)]))",
        )
    },
}
ZERO_INIT_WRONG = {
    "nothing set": ({START: "pass"}, "the projection's weight must start at 0"),
    "weight small": (
        {START: f"nn.init.normal_(self.project.weight, std=0.02); {ONES}"},
        "the projection's weight must start at 0",
    ),
    "ones at beta": ({ONES: "nn.init.ones_(self.project.bias[C:])"}, "belong to gamma's"),
    "no ones": ({START: ZEROED}, "gamma's half of the bias must start at 1"),
    "the 1 twice": ({"return gamma": "return (1 + gamma)"}, "The 1 is in there twice"),
    "ones everywhere": ({ONES: "nn.init.ones_(self.project.bias)"}, "Beta's half of the bias"),
    "bias as it came": (
        {START: "nn.init.zeros_(self.project.weight)"},
        "The projection's bias must be set, too",
    ),
    "norm last": (
        {"gamma * self.norm(h) + beta": "self.norm(gamma * h + beta)"},
        "The norm comes last",
    ),
    "no beta": ({"self.norm(h) + beta": "self.norm(h)"}, "Beta is missing"),
}


@pytest.mark.parametrize("edits", ZERO_INIT_RIGHT.values(), ids=ZERO_INIT_RIGHT)
def test_right_zero_init_passes(edits):
    assert_passed(check_zero_init_adagn(cell(edited(ZERO_INIT, edits))))


def test_zero_init_passes_with_notes():
    edits = NOTED["SiLU in front"][0] | NOTED["affine"][0]
    notes = ("a SiLU stands before", "a scale and a shift of its own")
    assert_passed(check_zero_init_adagn(cell(edited(ZERO_INIT, edits))), *notes)


@pytest.mark.parametrize(("edits", "fragment"), ZERO_INIT_WRONG.values(), ids=ZERO_INIT_WRONG)
def test_mistake_in_zero_init_is_named(edits, fragment):
    assert_wrong(check_zero_init_adagn(cell(edited(ZERO_INIT, edits))), fragment)


ADDITIVE = """\
class Layer(nn.Module):
    def __init__(self, C, D, G):
        super().__init__()
        self.norm = nn.GroupNorm(G, C)
        self.project = nn.Linear(D, C)
        # more

    def forward(self, h, t_emb):
        shift = self.project(t_emb)
        return self.norm(h) + shift[:, :, None, None]
"""
SHIFT, SUM = "shift = self.project(t_emb)", "self.norm(h) + shift[:, :, None, None]"
ADDITIVE_RIGHT = {
    "as the task": {},
    "unsqueezed": {SUM: "shift.unsqueeze(-1).unsqueeze(-1) + self.norm(h)"},
    "functional": {
        "self.norm = nn.GroupNorm(G, C)": "self.G, self.a, self.b = G, nn.Parameter(torch.ones(C)),"
        " nn.Parameter(torch.zeros(C))",
        "self.norm(h)": "F.group_norm(h, self.G, self.a, self.b)",
    },
    "projection as a 1x1 convolution": {
        "nn.Linear(D, C)": "nn.Conv2d(D, C, 1)",
        SHIFT: "shift = self.project(t_emb[:, :, None, None])[..., 0, 0]",
    },
    "zero-init": {"# more": "[nn.init.zeros_(p) for p in self.project.parameters()]"},
    "float64": {
        "# more": "self.double()",
        "(t_emb)": "(t_emb.double())",
        "self.norm(h)": "self.norm(h.double())",
    },
}
ADDITIVE_WRONG = {
    "scales, too": ({SUM: f"{SUM} * self.norm(h)"}, "t_emb scales the channels, too"),
    "no shift": ({SUM: "self.norm(h)"}, "so it has no effect. Add its projection"),
    "half the channels": (
        {
            "nn.Linear(D, C)": "nn.Linear(D, C // 2)",
            SHIFT: "shift = F.pad(self.project(t_emb), (0, h.shape[1] // 2))",
        },
        "shifts 6 of 12 channels. It must shift all",
    ),
    "one number for all": (
        {"nn.Linear(D, C)": "nn.Linear(D, 1)"},
        "All channels are shifted by the same number",
    ),
    "tanh": ({SHIFT: f"{SHIFT}.tanh()"}, "The shift is not linear in t_emb"),
    "without affine": ({"nn.GroupNorm(G, C)": "nn.GroupNorm(G, C, affine=False)"}, "affine=False"),
    "before the norm": (
        {SUM: "self.norm(h + shift[:, :, None, None])"},
        "would be left, here about 67%. Add it after the norm: norm(h) + Linear(t_emb).",
    ),
    "no norm": ({"self.norm(h)": "h"}, "Normalise first: nn.GroupNorm(4, 12)."),
    "batch norm": (
        {"nn.GroupNorm(G, C)": "nn.BatchNorm2d(C)"},
        "by itself: nn.GroupNorm(num_groups, num_channels).",
    ),
    "no reshape": ({SUM: "self.norm(h) + shift"}, "must become (B, C, 1, 1) before it meets"),
    "twice as large": ({"self.norm(h)": "2 * self.norm(h)"}, "multiplied by 2, which should be 1"),
    "detached": ({SHIFT: f"{SHIFT}.detach()"}, "No gradient reaches project.weight"),
    "t_emb detached": ({"(t_emb)": "(t_emb.detach())"}, "No gradient reaches t_emb"),
    "in place": ({f"return {SUM}": f"h += shift[:, :, None, None]; return {SUM}"}, "in place"),
}


@pytest.mark.parametrize("edits", ADDITIVE_RIGHT.values(), ids=ADDITIVE_RIGHT)
def test_right_additive_norm_passes(edits):
    assert_passed(check_additive_gn(cell(edited(ADDITIVE, edits))))


def test_silu_in_front_of_the_addition_is_noted():
    edits = {"self.project(t_emb)": "self.project(F.silu(t_emb))"}
    assert_passed(check_additive_gn(cell(edited(ADDITIVE, edits))), "a SiLU stands before")


@pytest.mark.parametrize(("edits", "fragment"), ADDITIVE_WRONG.values(), ids=ADDITIVE_WRONG)
def test_mistake_in_additive_norm_is_named(edits, fragment):
    assert_wrong(check_additive_gn(cell(edited(ADDITIVE, edits))), fragment)


EXERCISES = {
    "AdaGN": (check_adagn, conditioning.AdaGN, 4),
    "ZeroInitAdaGN": (check_zero_init_adagn, exercises.ZeroInitAdaGN, 2),
    "AdditiveGN": (check_additive_gn, conditioning.AdditiveGN, 3),
}


@pytest.mark.parametrize(("check", "cls", "gaps"), EXERCISES.values(), ids=EXERCISES)
def test_the_packages_own_passes_and_its_scaffold_is_not_done(check, cls, gaps):
    assert_passed(check(cls))
    result = check(blank(cls))
    assert result.status == "not done"
    assert all(f"TODO {k}" in result.messages[0] for k in range(1, gaps + 1))
    assert result.messages[1].startswith("Next, TODO 1: the ")


FILLED = {
    "self.norm = nn.GroupNorm(num_groups, num_channels, affine=False)": "TODO 2, TODO 3 and TODO 4",
    "self.projection = nn.Linear(d_emb, 2 * num_channels)": "TODO 3 and TODO 4 are",
    "gamma, beta = self.projection(t_emb).chunk(2, dim=-1)": "TODO 4 is",
}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_left_of_a_scaffold_is_named(count):
    filled = [("        ...\n", f"        {line}\n") for line in list(FILLED)[:count]]
    result = check_adagn(blank(conditioning.AdaGN, *filled))
    assert result.status == "not done"
    assert result.messages[0].startswith(f"{list(FILLED.values())[count - 1]}")


@pytest.mark.parametrize(("scale", "fragment"), [("(1 + gamma)", None), ("gamma", "without the 1")])
def test_a_filled_scaffold_is_examined(scale, fragment):
    shaped = "gamma, beta = gamma[:, :, None, None], beta[:, :, None, None]"
    last = f"{shaped}\n        return {scale} * self.norm(h) + beta"
    filled = [("        ...\n", f"        {line}\n") for line in [*FILLED, last]]
    result = check_adagn(blank(conditioning.AdaGN, *filled))
    assert_wrong(result, fragment) if fragment else assert_passed(result)
