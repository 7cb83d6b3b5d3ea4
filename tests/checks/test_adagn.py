"""Checks of exercise 3 on right and on wrong layers."""

import pytest

from condlesson import conditioning, exercises
from condlesson.checks import check_adagn, check_additive_gn, check_zero_init_adagn
from tests.answers import blank
from tests.checks.layers import ADAGN, NORM, NORMED, OUT, PROJECT, SCORES, SHAPES, SPLIT, by_hand
from tests.checks.variants import assert_passed, assert_wrong, cell, edited, lines, rows

pytestmark = pytest.mark.usefixtures("one_thread")

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
    "xavier": {"# more": "nn.init.xavier_normal_(self.project.weight)"},
    "kaiming": {"# more": "nn.init.kaiming_normal_(self.project.weight)"},
    "std 0.2": {"# more": "nn.init.normal_(self.project.weight, std=0.2)"},
    "weight at 0, bias as it comes": {"# more": "nn.init.zeros_(self.project.weight)"},
    "weight norm": {
        PROJECT: "self.project = nn.utils.parametrizations.weight_norm(nn.Linear(D, 2 * C))"
    },
    "two parts of one block of memory": {
        PROJECT: "both = 0.1 * torch.randn(D, 2 * C); "
        "self.g, self.b = nn.Parameter(both[:, :C]), nn.Parameter(both[:, C:]); "
        "self.bias = nn.Parameter(torch.zeros(2 * C))",
        SCORES: "scores = torch.cat([t_emb @ self.g, t_emb @ self.b], dim=1) + self.bias",
    },
    "the older spectral norm": {
        PROJECT: "self.project = nn.utils.spectral_norm(nn.Linear(D, 2 * C))"
    },
    "the older weight norm": {PROJECT: "self.project = nn.utils.weight_norm(nn.Linear(D, 2 * C))"},
    "compiled": {PROJECT: f"{PROJECT}; self.project.compile(backend='eager')"},
    "a head for each channel": {
        PROJECT: "self.heads = nn.ModuleList(nn.Linear(D, 2) for _ in range(C))",
        SCORES: "scores = torch.stack([head(t_emb) for head in self.heads], dim=1)",
        SPLIT: "gamma, beta = scores.unbind(-1)",
    },
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
        "gamma's bias starts at 1",
    ),
    "the 1 in the bias of a projection of its own": (
        {
            PROJECT: "self.to_gamma, self.to_beta = nn.Linear(D, C), nn.Linear(D, C)",
            "# more": "nn.init.ones_(self.to_gamma.bias)",
            SCORES: "",
            SPLIT: "gamma, beta = self.to_gamma(t_emb), self.to_beta(t_emb)",
            "(1 + gamma)": "gamma",
        },
        "gamma's bias starts at 1",
    ),
    "eps": ({"affine=False": "affine=False, eps=1e-2"}, "or is its eps not 1e-5"),
    "a parameter whose name is h": (
        {
            PROJECT: "self.h = nn.Parameter(torch.randn(D, 2 * C) * 0.1)",
            SCORES: "scores = t_emb @ self.h",
        },
        "has no bias",
    ),
    "large values": (
        {"# more": "nn.init.orthogonal_(self.project.weight, gain=11)"},
        "Note: at initialisation gamma has a spread of 1.",
        "Note: at initialisation beta has a spread of 1.",
    ),
    "no bias": ({PROJECT: "self.project = nn.Linear(D, 2 * C, bias=False)"}, "has no bias"),
    "rank of 3": (
        {PROJECT: "self.project = nn.Sequential(nn.Linear(D, 3, bias=False), nn.Linear(3, 2 * C))"},
        "the page's layer has 3,200 parameters; yours has 584",
    ),
    "rank of 2 each": (
        {
            PROJECT: "self.g, self.b = (nn.Sequential(nn.Linear(D, 2), nn.Linear(2, C))"
            " for _ in range(2))",
            SCORES: "",
            SPLIT: "gamma, beta = self.g(t_emb), self.b(t_emb)",
        },
        "the page's layer has 3,200 parameters; yours has 484",
    ),
    "rank of 1 each": (
        {
            PROJECT: "self.g, self.b = (nn.Sequential(nn.Linear(D, 1), nn.Linear(1, C))"
            " for _ in range(2))",
            SCORES: "",
            SPLIT: "gamma, beta = self.g(t_emb), self.b(t_emb)",
        },
        "the page's layer has 3,200 parameters; yours has 306",
    ),
    "a factor that is learned": (
        {"# more": "self.c = nn.Parameter(torch.tensor(1.0))", "(1 + gamma)": "(1 + self.c*gamma)"},
        "yours has 3,201: c ()",
    ),
    "affine, in one parameter": (
        {
            NORM: "self.G = G",
            "# more": "self.ab = nn.Parameter(torch.stack([torch.ones(C), torch.zeros(C)]))",
            NORMED: "F.group_norm(h, self.G, *self.ab)",
        },
        "keeps a scale and a shift of its own",
    ),
    "affine scale near 1": (
        {
            NORM: "self.norm = nn.GroupNorm(G, C)",
            "# more": "nn.init.normal_(self.norm.weight, 1.0, 0.02)",
        },
        "keeps a scale and a shift of its own",
    ),
    "zero-init, variance over n - 1": (
        by_hand("(x - x.mean(-1, True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt()")
        | {"# more": "[nn.init.zeros_(p) for p in self.project.parameters()]"},
        "divided by n - 1",
    ),
    "a second layer that does nothing new": (
        {PROJECT: "self.project = nn.Sequential(nn.Linear(D, D), nn.Linear(D, 2 * C))"},
        "with 64 channels and d_emb = 24 the page's layer has 3,200 parameters; yours has 3,800",
    ),
    "variance over n - 1": (
        by_hand("(x - x.mean(-1, True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt()"),
        "divided by n - 1",
    ),
}


@pytest.mark.parametrize("edits", rows(RIGHT, 16))
def test_right_adagn_passes(edits):
    assert_passed(check_adagn(cell(edited(ADAGN, edits))))


@pytest.mark.slow
@pytest.mark.parametrize("noted", NOTED.values(), ids=NOTED)
def test_usual_adagn_passes_with_a_note(noted):
    edits, *notes = noted
    assert_passed(check_adagn(cell(edited(ADAGN, edits))), *notes)


def test_a_group_norm_with_scores_passes():
    assert_passed(check_adagn(cell(SUBCLASS)))


SEQUENCE = "self.project = nn.Sequential(nn.Linear(D, D), nn.Linear(D, 2 * C))"
LEARNS = {
    "a gate": {
        "# more": "self.gate = nn.Parameter(torch.zeros(1))",
        SCORES: "scores = self.gate * self.project(t_emb)",
    },
    "a gate for each channel": {
        "# more": "self.gate = nn.Parameter(torch.zeros(C))",
        SCORES: "scores = self.gate.repeat(2) * self.project(t_emb)",
    },
    "the last of two layers": {
        PROJECT: SEQUENCE,
        "# more": "[nn.init.zeros_(p) for p in self.project[1].parameters()]",
    },
}


@pytest.mark.parametrize("edits", LEARNS.values(), ids=LEARNS)
def test_one_factor_that_starts_at_0_still_learns(edits):
    notes = ("starts as group norm exactly", "the page's layer has 3,200 parameters")
    assert_passed(check_adagn(cell(edited(ADAGN, edits))), *notes)


def test_several_notes_stand_together():
    edits = NOTED["SiLU in front"][0] | NOTED["zero-init"][0] | NOTED["affine"][0]
    notes = ("starts as group norm exactly", "a SiLU stands before", "a scale and a shift of its")
    assert_passed(check_adagn(cell(edited(ADAGN, edits))), *notes)


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
