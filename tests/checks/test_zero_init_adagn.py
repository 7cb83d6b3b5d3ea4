"""The check of an adaptive group norm that starts as group norm."""

import pytest

from condlesson.checks import check_zero_init_adagn
from tests.checks.layers import ADAGN, NORM, PROJECT, SCORES, SPLIT
from tests.checks.variants import assert_passed, assert_wrong, cell, edited, lines, rows

pytestmark = pytest.mark.usefixtures("one_thread")

ZEROED = "nn.init.zeros_(self.project.weight); nn.init.zeros_(self.project.bias)"
ONES = "nn.init.ones_(self.project.bias[:C])"
ZERO_INIT = edited(ADAGN, {"# more": f"{ZEROED}; {ONES}", "(1 + gamma)": "gamma"})
START = f"{ZEROED}; {ONES}"
ONES_AND_ZEROS = "torch.cat([torch.ones(C), torch.zeros(C)])"
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
    "zero_module": {
        START: "[p.detach().zero_() for p in self.project.parameters()]",
        "return gamma": "return (1 + gamma)",
    },
    "constant_": {
        START: lines(
            "nn.init.constant_(self.project.weight, 0)",
            "nn.init.constant_(self.project.bias[:C], 1)",
            "nn.init.constant_(self.project.bias[C:], 0)",
        )
    },
    "fill_ without a gradient": {
        START: lines(
            "with torch.no_grad():",
            "    self.project.weight.fill_(0)",
            "    self.project.bias[:C].fill_(1)",
            "    self.project.bias[C:].fill_(0)",
        )
    },
    "by .data": {
        START: lines(
            "self.project.weight.data *= 0",
            "self.project.bias.data = torch.tensor([1.0] * C + [0.0] * C)",
        )
    },
    "a new bias": {
        START: lines(
            "self.project.weight = nn.Parameter(torch.zeros(2 * C, D))",
            "self.project.bias = nn.Parameter(torch.arange(2 * C).lt(C).float())",
        )
    },
    "its own weights": {
        PROJECT: "self.w = nn.Parameter(torch.zeros(D, 2 * C))",
        START: "self.b = nn.Parameter(torch.cat([torch.ones(C), torch.zeros(C)]))",
        SCORES: "scores = t_emb @ self.w + self.b",
    },
    "a 1x1 convolution": {
        PROJECT: "self.project = nn.Conv2d(D, 2 * C, 1)",
        SCORES: "scores = self.project(t_emb[:, :, None, None])[..., 0, 0]",
    },
    "load_state_dict": {
        START: lines(
            "bias = torch.zeros(2 * C)",
            "bias[:C] = 1",
            "self.project.load_state_dict({'weight': torch.zeros(2 * C, D), 'bias': bias})",
        )
    },
    "a method that is applied": {
        START: "self.apply(self.reset)",
        "    def forward": lines(
            "    @staticmethod",
            "def reset(layer):",
            "    if isinstance(layer, nn.Linear):",
            "        nn.init.zeros_(layer.weight); nn.init.zeros_(layer.bias)",
            "        nn.init.ones_(layer.bias[: len(layer.bias) // 2])",
            "",
            "def forward",
            indent=4,
        ),
    },
    "pairs of numbers": {
        ONES: "nn.init.ones_(self.project.bias[0::2])",
        SPLIT: "gamma, beta = scores.reshape(-1, C, 2).unbind(-1)",
    },
    "addcmul": {
        "return gamma * self.norm(h) + beta": "return torch.addcmul(beta, gamma, self.norm(h))"
    },
    "slices": {SPLIT: "gamma, beta = scores[:, :C], scores[:, C:]"},
    "split by size": {SPLIT: "gamma, beta = torch.split(scores, [C, C], dim=1)"},
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
    "the norm's own scale at 0": (
        {
            START: f"{ZEROED}; nn.init.zeros_(self.norm.weight)",
            NORM: "self.norm = nn.GroupNorm(G, C)",
            "return gamma": "return (1 + gamma)",
        },
        "The norm's own scale, norm.weight, starts at 0",
    ),
    "no ones": ({START: ZEROED}, "gamma's half of the bias must start at 1"),
    "the 1 twice": ({"return gamma": "return (1 + gamma)"}, "The 1 is added twice"),
    "ones everywhere": ({ONES: "nn.init.ones_(self.project.bias)"}, "Beta's half of the bias"),
    "the weight of gamma at 0": (
        {START: edited(START, {"(self.project.weight)": "(self.project.weight[:C])"})},
        "the projection's weight must start at 0",
    ),
    "the weight of beta at 0": (
        {START: edited(START, {"(self.project.weight)": "(self.project.weight[C:])"})},
        "the projection's weight must start at 0",
    ),
    "a shift of a half": (
        {ONES: f"{ONES}; nn.init.constant_(self.project.bias[C:], 0.5)"},
        "Beta's half of the bias must start at 0.",
    ),
    "a half, and ones at every other beta": (
        {ONES: "nn.init.constant_(self.project.bias[:C], 0.5); self.project.bias.data[C::2] = 1"},
        "The shift is 0 in 6 of 12 channels",
    ),
    "a half everywhere": (
        {ONES: "nn.init.constant_(self.project.bias, 0.5)"},
        "Set the projection's bias, too, so that the scale starts at 1 and the shift at 0.",
    ),
    "bias as it came": (
        {START: "nn.init.zeros_(self.project.weight)"},
        "Set the projection's bias, too",
    ),
    "frozen weight": (
        {START: f"{ZEROED}; {ONES}; self.project.weight.requires_grad_(False)"},
        "t_emb acts through project.weight, which is frozen",
    ),
    "ones at every other place": (
        {ONES: "nn.init.ones_(self.project.bias[::2])"},
        "The scale is 1 in 6 of 12 channels",
    ),
    "a half": (
        {ONES: "nn.init.constant_(self.project.bias[:C], 0.5)"},
        "Change gamma's half of the bias",
    ),
    "two layers at 0": (
        {
            PROJECT: "self.project = nn.Sequential(nn.Linear(D, D), nn.Linear(D, 2 * C))",
            START: lines(
                "[nn.init.zeros_(p) for p in self.project.parameters()]",
                "nn.init.ones_(self.project[1].bias[:C])",
            ),
        },
        "and gets no gradient: project.0.weight, project.0.bias, project.1.weight.",
    ),
    "a gate at 0 before a projection at 0": (
        {
            START: f"{ZEROED}; self.gate = nn.Parameter(torch.zeros(1))",
            SCORES: "scores = self.gate * self.project(t_emb)",
            "return gamma": "return (1 + gamma)",
        },
        "From this start t_emb can never set the scale of every channel",
    ),
    "a shortcut as long as the weight is 0": (
        {SCORES: f"if not self.project.weight.any(): return self.norm(h)\n        {SCORES}"},
        "As the layer starts, its result carries no gradient",
    ),
    "beta never learns": (
        {
            START: f"{START}; self.gate = nn.Parameter(torch.zeros(1))",
            SPLIT: f"{SPLIT}; beta = self.gate * beta",
        },
        "From this start t_emb can never set the shift of every channel",
    ),
    "a score for each group": (
        {
            PROJECT: "self.k = C // G; self.project = nn.Linear(D, 2 * G)",
            START: ZEROED,
            SCORES: "scores = self.project(t_emb).repeat_interleave(self.k, dim=1)",
            "return gamma": "return (1 + gamma)",
        },
        "only 4 of 12 channels have a gamma of their own",
    ),
    "t_emb detached for beta": (
        {
            PROJECT: "self.g, self.b = nn.Linear(D, C), nn.Linear(D, C)",
            START: "[nn.init.zeros_(p) for p in self.parameters()]; nn.init.ones_(self.g.bias)",
            SCORES: "",
            SPLIT: "gamma, beta = self.g(t_emb), self.b(t_emb.detach())",
        },
        "A part of the path from t_emb to the result is cut",
    ),
    "norm last": (
        {"gamma * self.norm(h) + beta": "self.norm(gamma * h + beta)"},
        "The norm comes last",
    ),
    "no beta": ({"self.norm(h) + beta": "self.norm(h)"}, "Beta is missing"),
}


@pytest.mark.parametrize("edits", rows(ZERO_INIT_RIGHT, 10))
def test_right_zero_init_passes(edits):
    assert_passed(check_zero_init_adagn(cell(edited(ZERO_INIT, edits))))


NOTED = {
    "the last of two layers at 0": (
        {
            PROJECT: "self.project = nn.Sequential(nn.Linear(D, D), nn.Linear(D, 2 * C))",
            START: lines(
                "[nn.init.zeros_(p) for p in self.project[1].parameters()]",
                "nn.init.ones_(self.project[1].bias[:C])",
            ),
        },
        "yours has 3,800",
    ),
    "a gate at 0": (
        {
            START: "self.gate = nn.Parameter(torch.zeros(1))",
            SCORES: "scores = self.gate * self.project(t_emb)",
            "return gamma": "return (1 + gamma)",
        },
        "yours has 3,201",
    ),
    "a projection of low rank": (
        {
            PROJECT: "self.project = nn.Sequential(nn.Linear(D, 3), nn.Linear(3, 2 * C))",
            START: lines(
                "[nn.init.zeros_(p) for p in self.project[1].parameters()]",
                "nn.init.ones_(self.project[1].bias[:C])",
            ),
        },
        "yours has 587",
    ),
    "without a bias": (
        {
            PROJECT: "self.project = nn.Linear(D, 2 * C, bias=False)",
            START: "nn.init.zeros_(self.project.weight)",
            "return gamma": "return (1 + gamma)",
        },
        "the projection has no bias",
    ),
    **{
        f"a bias that is {kept}": (
            {
                PROJECT: f"self.project = nn.Linear(D, 2 * C, bias=False); {keep}",
                START: "nn.init.zeros_(self.project.weight)",
                SCORES: "scores = self.project(t_emb) + self.shift",
            },
            "Note: shift is part of gamma or beta, and no optimiser trains it",
        )
        for kept, keep in {
            "a buffer": f"self.register_buffer('shift', {ONES_AND_ZEROS})",
            "an attribute": f"self.shift = {ONES_AND_ZEROS}",
            "frozen": f"self.shift = nn.Parameter({ONES_AND_ZEROS}, requires_grad=False)",
        }.items()
    },
}


@pytest.mark.parametrize(("edits", "note"), NOTED.values(), ids=NOTED)
def test_another_zero_init_passes_with_a_note(edits, note):
    assert_passed(check_zero_init_adagn(cell(edited(ZERO_INIT, edits))), note)


def test_zero_init_passes_with_notes():
    edits = {
        SCORES: "scores = self.project(F.silu(t_emb))",
        NORM: "self.norm = nn.GroupNorm(G, C)",
    }
    notes = ("a SiLU stands before", "a scale and a shift of its own")
    assert_passed(check_zero_init_adagn(cell(edited(ZERO_INIT, edits))), *notes)


@pytest.mark.parametrize(("edits", "fragment"), ZERO_INIT_WRONG.values(), ids=ZERO_INIT_WRONG)
def test_mistake_in_zero_init_is_named(edits, fragment):
    assert_wrong(check_zero_init_adagn(cell(edited(ZERO_INIT, edits))), fragment)
