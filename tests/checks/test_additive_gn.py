"""The check of a group norm that t_emb only shifts."""

import pytest

from condlesson.checks import check_additive_gn
from tests.checks.variants import assert_passed, assert_wrong, cell, edited, rows

pytestmark = pytest.mark.usefixtures("one_thread")

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
    "subtracted": {SUM: "self.norm(h) - shift[:, :, None, None]"},
    "two views": {SUM: "self.norm(h) + shift.view(*shift.shape, 1, 1)"},
    "expanded": {SUM: "torch.add(self.norm(h), shift[..., None, None].expand_as(h))"},
    "einsum": {SUM: 'self.norm(h) + torch.einsum("bc,hw->bchw", shift, h.new_ones(h.shape[2:]))'},
    "pixels in a row": {SUM: "(self.norm(h).flatten(2) + shift.unsqueeze(2)).view_as(h)"},
    "channels last and back": {
        SUM: "(self.norm(h).movedim(1, -1) + shift[:, None, None]).movedim(-1, 1)"
    },
    "in place on its own": {
        f"return {SUM}": "out = self.norm(h); out += shift[:, :, None, None]; return out"
    },
    "a sequence": {
        "nn.Linear(D, C)": "nn.Sequential(nn.Linear(D, C), nn.Unflatten(1, (C, 1, 1)))",
        SUM: "self.norm(h) + shift",
    },
    "linear by its own weights": {
        "self.project = nn.Linear(D, C)": "self.w, self.b = nn.Parameter(torch.randn(C, D) * 0.1), "
        "nn.Parameter(torch.zeros(C))",
        "self.project(t_emb)": "F.linear(t_emb, self.w, self.b)",
    },
    "affine by hand": {
        "nn.GroupNorm(G, C)": "nn.GroupNorm(G, C, affine=False)",
        "# more": "self.a, self.b = (nn.Parameter(x * torch.ones(1, C, 1, 1)) for x in (1, 0))",
        SUM: "self.norm(h) * self.a + self.b + shift[:, :, None, None]",
    },
    "keywords, another eps": {
        "nn.GroupNorm(G, C)": "nn.GroupNorm(num_channels=C, num_groups=G, eps=1e-6)"
    },
    "a norm in float32": {"self.norm(h)": "self.norm(h.float()).type(h.dtype)"},
    "eps 1e-3": {"nn.GroupNorm(G, C)": "nn.GroupNorm(G, C, eps=1e-3)"},
    "a gate for the shift": {
        "# more": "self.gate = nn.Parameter(torch.ones(C))",
        SHIFT: f"{SHIFT} * self.gate",
    },
    "weight norm": {"nn.Linear(D, C)": "nn.utils.parametrizations.weight_norm(nn.Linear(D, C))"},
    "the older spectral norm": {"nn.Linear(D, C)": "nn.utils.spectral_norm(nn.Linear(D, C))"},
    "scale as 1 + a parameter": {
        "nn.GroupNorm(G, C)": "nn.GroupNorm(G, C, affine=False)",
        "# more": "self.a, self.b = (nn.Parameter(torch.zeros(C, 1, 1)) for _ in range(2))",
        SUM: "self.norm(h) * (1 + self.a) + self.b + shift[:, :, None, None]",
    },
    "scale and shift in one": {
        "self.norm = nn.GroupNorm(G, C)": "self.G = G",
        "# more": "self.ab = nn.Parameter(torch.stack([torch.ones(C), torch.zeros(C)]))",
        "self.norm(h)": "F.group_norm(h, self.G, *self.ab)",
    },
    "scale and shift in one, as columns": {
        "nn.GroupNorm(G, C)": "nn.GroupNorm(G, C, affine=False)",
        "# more": "self.ab = nn.Parameter(torch.tensor([1.0, 0.0]).repeat(C, 1)[:, :, None, None])",
        SUM: "self.norm(h) * self.ab[:, 0] + self.ab[:, 1] + shift[:, :, None, None]",
    },
    "low rank": {"nn.Linear(D, C)": "nn.Sequential(nn.Linear(D, 2), nn.Linear(2, C))"},
    "rank of 1": {"nn.Linear(D, C)": "nn.Sequential(nn.Linear(D, 1), nn.Linear(1, C))"},
    "the last of two layers at 0": {
        "nn.Linear(D, C)": "nn.Sequential(nn.Linear(D, D), nn.Linear(D, C))",
        "# more": "[nn.init.zeros_(p) for p in self.project[1].parameters()]",
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
    "no shift": ({SUM: "self.norm(h)"}, "shifts 0 of 12 channels, and it must shift all of them"),
    "half the channels": (
        {
            "nn.Linear(D, C)": "nn.Linear(D, C // 2)",
            SHIFT: "shift = F.pad(self.project(t_emb), (0, h.shape[1] // 2))",
        },
        "shifts 6 of 12 channels, and it must shift all of them. Project",
    ),
    "one number for all": (
        {"nn.Linear(D, C)": "nn.Linear(D, 1)"},
        "All channels are shifted by the same number",
    ),
    "one number for each group": (
        {
            "nn.Linear(D, C)": "nn.Linear(D, G); self.k = C // G",
            SHIFT: "shift = self.project(t_emb).repeat_interleave(self.k, dim=1)",
        },
        "shift of channel 1 always moves as that of channel 0: only 4 of 12 channels have a shift",
    ),
    "half of the channels the other way": (
        {
            "nn.Linear(D, C)": "nn.Linear(D, C // 2)",
            SHIFT: f"{SHIFT}; shift = torch.cat([shift, -shift], dim=1)",
        },
        "The shift of channel 6 always moves against that of channel 0",
    ),
    "shifts without their mean": (
        {SHIFT: f"{SHIFT}; shift = shift - shift.mean(1, keepdim=True)"},
        "Of the 12 numbers for the shift of 12 channels only 11 are free",
    ),
    "two layers at 0": (
        {
            "nn.Linear(D, C)": "nn.Sequential(nn.Linear(D, D), nn.Linear(D, C))",
            "# more": "[nn.init.zeros_(p) for p in self.project.parameters()]",
        },
        "From this start t_emb can never set the shift of every channel",
    ),
    "h detached but for a trace": (
        {"self.norm(h)": "self.norm(h.detach() + 0 * h)"},
        "A part of the path from h to the result is cut",
    ),
    "tanh": ({SHIFT: f"{SHIFT}.tanh()"}, "The shift is not linear in t_emb"),
    "without affine": ({"nn.GroupNorm(G, C)": "nn.GroupNorm(G, C, affine=False)"}, "affine=False"),
    "frozen affine": (
        {"# more": "self.norm.requires_grad_(False)"},
        "The norm has no scale of its own that an optimiser would train",
    ),
    "frozen scale": (
        {"# more": "self.norm.weight.requires_grad_(False)"},
        "The norm has no scale of its own that an optimiser would train",
    ),
    "no shift at all": (
        {"nn.Linear(D, C)": "nn.Linear(D, C, bias=False)", "# more": "self.norm.bias = None"},
        "The norm has no shift of its own that an optimiser would train",
    ),
    "frozen projection that starts at 0": (
        {"# more": "w = self.project.weight; nn.init.zeros_(w); w.requires_grad_(False)"},
        "t_emb acts through project.weight, which is frozen",
    ),
    "eps 0.1": ({"nn.GroupNorm(G, C)": "nn.GroupNorm(G, C, 0.1)"}, "The norm's eps is about 0.1"),
    "half precision": (
        {f"return {SUM}": f"return ({SUM}).half()"},
        "returns torch.float16, which is too coarse",
    ),
    "before the norm": (
        {SUM: "self.norm(h + shift[:, :, None, None])"},
        "would be left, here about 67%. Add it after the norm: norm(h) + Linear(t_emb).",
    ),
    "the norm twice": (
        {"self.norm(h)": "self.norm(self.norm(h))"},
        "Is the norm applied twice? Apply it once, to h: norm(h) + Linear(t_emb).",
    ),
    "the norm's scale twice": (
        {"self.norm(h)": "self.norm(h) * self.norm.weight[:, None, None]"},
        "The norm's own scale, norm.weight, works twice",
    ),
    "the shift behind the norm, and in front of its scale": (
        {
            SUM: "(self.norm(h) + shift[:, :, None, None]) * self.a",
            "# more": "self.a = nn.Parameter(torch.ones(C, 1, 1))",
        },
        "The norm's own scale, a, multiplies the timestep's shift, too",
    ),
    "the shift times the norm's scale": (
        {SUM: "self.norm(h) + (shift * self.norm.weight)[:, :, None, None]"},
        "The norm's own scale, norm.weight, multiplies the timestep's shift, too",
    ),
    "no norm": ({"self.norm(h)": "h"}, "Normalise first: nn.GroupNorm(4, 12)."),
    "batch norm": (
        {"nn.GroupNorm(G, C)": "nn.BatchNorm2d(C)"},
        "by itself: nn.GroupNorm(num_groups, num_channels).",
    ),
    "batch norm behind the norm": (
        {"# more": "self.batch = nn.BatchNorm2d(C)", "self.norm(h)": "self.batch(self.norm(h))"},
        "the items influence one another, as in a batch norm",
    ),
    "no reshape": ({SUM: "self.norm(h) + shift"}, "shift is (3, 12), and the feature map"),
    "a projection twice as wide": (
        {"nn.Linear(D, C)": "nn.Linear(D, 2 * C)", SHIFT: f"{SHIFT}[:, : h.shape[1]]"},
        "50% of project.weight (24, 16) has no effect",
    ),
    "twice as large": ({"self.norm(h)": "2 * self.norm(h)"}, "multiplied by 2, which should be 1"),
    "detached": ({SHIFT: f"{SHIFT}.detach()"}, "No gradient reaches project.weight"),
    "t_emb detached": ({"(t_emb)": "(t_emb.detach())"}, "No gradient reaches t_emb"),
    "in place": ({f"return {SUM}": f"h += shift[:, :, None, None]; return {SUM}"}, "in place"),
}


@pytest.mark.parametrize("edits", rows(ADDITIVE_RIGHT, 10))
def test_right_additive_norm_passes(edits):
    assert_passed(check_additive_gn(cell(edited(ADDITIVE, edits))))


@pytest.mark.parametrize(
    "edits",
    [
        {"nn.Linear(D, C)": "nn.Linear(D, C, bias=False)"},
        {"# more": "self.norm.bias = None"},
    ],
)
def test_one_shift_for_two_is_noted(edits):
    assert_passed(check_additive_gn(cell(edited(ADDITIVE, edits))), "One of both can do what both")


def test_silu_in_front_of_the_addition_is_noted():
    edits = {"self.project(t_emb)": "self.project(F.silu(t_emb))"}
    assert_passed(check_additive_gn(cell(edited(ADDITIVE, edits))), "a SiLU stands before")


@pytest.mark.parametrize(("edits", "fragment"), ADDITIVE_WRONG.values(), ids=ADDITIVE_WRONG)
def test_mistake_in_additive_norm_is_named(edits, fragment):
    assert_wrong(check_additive_gn(cell(edited(ADDITIVE, edits))), fragment)
