"""The check of the block that was deaf to the timestep, on blocks that were mended and others."""

import pytest

from condlesson import exercises
from condlesson.checks import check_additive_block
from tests.answers import blank
from tests.checks.variants import assert_passed, assert_wrong, cell, edited, lines

pytestmark = pytest.mark.usefixtures("one_thread")

BLOCK = """\
class Block(nn.Module):
    def __init__(self, C_in, C, D, G):
        super().__init__()
        self.conv = nn.Conv2d(C_in, C, 3, padding=1)
        self.norm = nn.GroupNorm(G, C)
        self.project = nn.Linear(D, C)
        # more

    def forward(self, h, t_emb):
        h = self.conv(h)
        shift = self.project(t_emb)[:, :, None, None]
        return F.relu(self.norm(h + shift))
"""
NORM, OUT = "self.norm = nn.GroupNorm(G, C)", "return F.relu(self.norm(h + shift))"
SHIFT = "shift = self.project(t_emb)[:, :, None, None]"
RIGHT = {
    "as mended": {},
    "without affine": {"(G, C)": "(G, C, affine=False)"},
    "functional group norm": {
        NORM: "self.G = G",
        "self.norm(": "F.group_norm(",
        "shift))": "shift, self.G))",
    },
    "shift in place": {OUT: lines("h += shift", "return self.norm(h).relu()")},
    "projection as a 1x1 convolution": {
        "nn.Linear(D, C)": "nn.Conv2d(D, C, 1)",
        SHIFT: "shift = self.project(t_emb[..., None, None])",
    },
    "projection as a parameter": {
        "self.project = nn.Linear(D, C)": "self.project = nn.Parameter(torch.randn(D, C))",
        SHIFT: "shift = (t_emb @ self.project)[:, :, None, None]",
    },
    "the shift in two views": {"[:, :, None, None]": ".view(len(h), -1, 1, 1)"},
    "unsqueezed": {"[:, :, None, None]": ".unsqueeze(-1).unsqueeze(-1)"},
    "expanded": {OUT: "return F.relu(self.norm(torch.add(h, shift.expand_as(h))))"},
    "layers in sequences": {
        NORM: "self.norm = nn.Sequential(nn.GroupNorm(num_groups=G, num_channels=C), nn.ReLU())",
        "nn.Linear(D, C)": "nn.Sequential(nn.Linear(D, C), nn.Unflatten(1, (C, 1, 1)))",
        "[:, :, None, None]": "",
        OUT: "return self.norm(h + shift)",
    },
    "channels last and back": {
        SHIFT: "shift = self.project(t_emb)[:, None, None, :]",
        OUT: "return F.relu(self.norm((h.permute(0, 2, 3, 1) + shift).permute(0, 3, 1, 2)))",
    },
    "the norm's scale as its logarithm": {
        NORM: "self.norm = nn.GroupNorm(G, C, affine=False)\n"
        "        self.g = nn.Parameter(torch.zeros(C, 1, 1))",
        OUT: "return F.relu(self.norm(h + shift) * self.g.exp())",
    },
    "another eps": {"(G, C)": "(G, C, eps=1e-6)"},
    "a norm by hand": {
        NORM: "self.G = G",
        OUT: lines(
            "x = (h + shift).reshape(len(h), self.G, -1)",
            "variance, mean = torch.var_mean(x, -1, correction=0, keepdim=True)",
            "x = (x - mean) / (variance + 1e-5).sqrt()",
            "return x.view_as(h).clamp(min=0)",
        ),
    },
    "projection without bias": {"nn.Linear(D, C)": "nn.Linear(D, C, bias=False)"},
    "convolution without bias": {"padding=1": "padding=1, bias=False"},
    "scale near 1": {"# more": "nn.init.normal_(self.norm.weight, 1.0, 0.02)"},
    "scale of a half": {"# more": "nn.init.constant_(self.norm.weight, 0.5)"},
    "scale as 1 + a parameter": {
        "(G, C)": "(G, C, affine=False)",
        "# more": "self.a = nn.Parameter(torch.zeros(C, 1, 1))",
        OUT: "return F.relu(self.norm(h + shift) * (1 + self.a))",
    },
    "scale and shift in one": {
        NORM: "self.G = G",
        "# more": "self.both = nn.Parameter(torch.cat([torch.zeros(C), torch.ones(C)]))",
        OUT: lines(
            "b, a = self.both.chunk(2)", "return F.relu(F.group_norm(h + shift, self.G, a, b))"
        ),
    },
    "scale and shift as columns": {
        NORM: "self.G = G",
        "# more": "self.ab = nn.Parameter(torch.tensor([1.0, 0.0]).repeat(C, 1))",
        OUT: "return F.relu(F.group_norm(h + shift, self.G, *self.ab.T))",
    },
    "frozen scale and shift": {"# more": "self.norm.requires_grad_(False)"},
    "lazy layers": {
        "nn.Conv2d(C_in, ": "nn.LazyConv2d(",
        "nn.Linear(D, ": "nn.LazyLinear(",
    },
    "zero-init": {"# more": "[nn.init.zeros_(p) for p in self.project.parameters()]"},
    "weight norm": {"nn.Linear(D, C)": "nn.utils.parametrizations.weight_norm(nn.Linear(D, C))"},
    "the older spectral norm": {"nn.Linear(D, C)": "nn.utils.spectral_norm(nn.Linear(D, C))"},
    "float64": {
        "# more": "self.double()",
        "self.conv(h)": "self.conv(h.double())",
        "(t_emb)": "(t_emb.double())",
    },
}
SILU_BEFORE = {"self.project(t_emb)": "self.project(F.silu(t_emb))"}
NOTED = {
    "shift behind the norm": (
        {OUT: "return F.relu(self.norm(h) + shift)"},
        "you moved the shift behind the norm",
    ),
    "shift behind the norm as it was": (
        {OUT: "return F.relu(self.norm(h) + shift)", "(G, C)": "(C, C)"},
        "The mistake was in the norm's number of groups",
    ),
    "SiLU before the projection": (
        SILU_BEFORE,
        "a SiLU stands before the projection",
    ),
    "SiLU": ({"F.relu": "F.silu"}, "and yours has a SiLU"),
    "GELU": ({"F.relu": "F.gelu"}, "and yours has a GELU"),
    "ReLU6": ({"F.relu": "F.relu6"}, "and yours has a ReLU6"),
    "ReLU6, without affine": (
        {"F.relu": "F.relu6", "(G, C)": "(G, C, affine=False)"},
        "and yours has a ReLU6",
    ),
}
NOTED_TWICE = {
    "SiLU before and behind": (
        SILU_BEFORE | {"F.relu": "F.silu"},
        "a SiLU stands before the projection",
        "and yours has a SiLU",
    ),
    "SiLU before, shift behind": (
        SILU_BEFORE | {OUT: "return F.relu(self.norm(h) + shift)"},
        "a SiLU stands before the projection",
        "you moved the shift behind the norm",
    ),
    "shift and SiLU behind": (
        {OUT: "return F.silu(self.norm(h) + shift)"},
        "you moved the shift behind the norm",
        "and yours has a SiLU",
    ),
    "shift and GELU behind as it was": (
        {OUT: "return F.gelu(self.norm(h) + shift)", "(G, C)": "(C, C)"},
        "you moved the shift behind the norm",
        "and yours has a GELU",
    ),
}
WRONG = {
    "one channel a group": ({"(G, C)": "(C, C)"}, "The norm has 12 groups for 12 channels"),
    "instance norm": (
        {"nn.GroupNorm(G, C)": "nn.InstanceNorm2d(C)"},
        "The norm has 12 groups for 12 channels",
    ),
    "one group": ({"(G, C)": "(1, C)"}, "The norm works in 1 group, and 4 were asked for"),
    "two groups": ({"(G, C)": "(2, C)"}, "The norm works in 2 groups, and 4 were asked for"),
    "two groups, shift behind": (
        {"(G, C)": "(2, C)", OUT: "return F.relu(self.norm(h) + shift)"},
        "The norm works in 2 groups, and 4 were asked for",
    ),
    "groups and channels swapped": ({"(G, C)": "(C, G)"}, "groups first"),
    "batch norm": ({"nn.GroupNorm(G, C)": "nn.BatchNorm2d(C)"}, "the items influence one another"),
    "first embedding for all": (
        {"(t_emb)[": "(t_emb[:1])["},
        "Every feature map of the batch is told the first embedding, t_emb[0]",
    ),
    "eps 1": ({"(G, C)": "(G, C, eps=1.0)"}, "The norm's eps is about 1, and it must be tiny"),
    "eps 0.2": ({"(G, C)": "(G, C, 0.2)"}, "The norm's eps is about 0.2, and it must be tiny"),
    "no norm": ({OUT: "return F.relu(h + shift)"}, "The norm is gone"),
    "the norm twice": (
        {OUT: "return F.relu(self.norm(self.norm(h + shift)))"},
        "With other numbers in norm.weight the block does not compute convolution, shift, norm",
    ),
    "the shift times the norm's scale": (
        {OUT: "return F.relu(self.norm(h) + shift * self.norm.weight[:, None, None])"},
        "or the shift multiplied by the norm's scale?",
    ),
    "the shift in front of the norm's scale": (
        {
            "(G, C)": "(G, C, affine=False)",
            "# more": "self.a = nn.Parameter(torch.ones(C, 1, 1))",
            OUT: "return F.relu((self.norm(h) + shift) * self.a)",
        },
        "With other numbers in a the block does not compute",
    ),
    "a clamp in place of the ReLU": (
        {OUT: "return self.norm(h + shift).clamp(0, 5)"},
        "Large values come out otherwise than small ones: the largest is 5. Is the result bounded",
    ),
    "a hard tanh in place of the ReLU": (
        {OUT: "return F.hardtanh(self.norm(h + shift), 0, 4)"},
        "the largest is 4. Is the result bounded",
    ),
    "no ReLU": ({OUT: "return self.norm(h + shift)"}, "The ReLU is gone"),
    "no ReLU, shift behind": ({OUT: "return self.norm(h) + shift"}, "The ReLU is gone"),
    "no shift": ({OUT: "return F.relu(self.norm(h))"}, "another t_emb changes no value. Add its"),
    "norm last": ({OUT: "return self.norm(F.relu(h + shift))"}, "in this order any more"),
    "no projection": (
        {"self.project = nn.Linear(D, C)": "pass", "self.project(t_emb)": "t_emb[:, :12]"},
        "The block's projection of t_emb is not there as it was given",
    ),
    "two convolutions": (
        {"# more": "self.conv_2 = nn.Conv2d(C_in, C, 3, padding=1)"},
        "The block's convolution is not there as it was given",
    ),
    "a convolution of single pixels": (
        {"3, padding=1)": "1)"},
        "The block's convolution is not there as it was given",
    ),
    "a larger convolution": (
        {"3, padding=1)": "5, padding=2)"},
        "The block's convolution is not there as it was given",
    ),
    "frozen convolution": (
        {"# more": "self.conv.requires_grad_(False)"},
        "conv.weight is frozen",
    ),
    "frozen projection": (
        {"# more": "self.project.requires_grad_(False)"},
        "project.weight is frozen",
    ),
    "dropout": (
        {"h = self.conv(h)": "h = F.dropout(self.conv(h), 0.1, self.training)"},
        "The same input gives another result each time",
    ),
    "mean of all embeddings": (
        {"(t_emb)": "(t_emb.mean(0, keepdim=True))"},
        "the items influence one another",
    ),
    "layer norm of torch": (
        {"nn.GroupNorm(G, C)": "nn.LayerNorm(C)"},
        "A layer norm works on the last dimension",
    ),
    "eight groups": (
        {"nn.GroupNorm(G, C)": "nn.GroupNorm(8, C)"},
        "nn.GroupNorm(num_groups, out_channels), here nn.GroupNorm(4, 12)",
    ),
    "smaller map": (
        {", padding=1": ""},
        "must return shape (3, 12, 6, 8) for h of shape (3, 3, 6, 8)",
    ),
    "no reshape": (
        {"[:, :, None, None]": ""},
        "shift is (3, 12), and the feature map",
    ),
    "groups written down": (
        {"(G, C)": "(4, C)"},
        "With num_groups = 4 the block is right, with num_groups = 2 it is wrong",
    ),
    "channels of the norm written down": (
        {"(G, C)": "(G, 12)"},
        "with out_channels = 20 it is wrong: something else is used in its place",
    ),
    "channels of the convolution written down": (
        {"nn.Conv2d(C_in": "nn.Conv2d(3"},
        "With in_channels = 3 the block is right, with in_channels = 5 it is wrong",
    ),
    "d_emb written down": (
        {"nn.Linear(D": "nn.Linear(16"},
        "With d_emb = 16 the block is right, with d_emb = 24 it is wrong",
    ),
    "all out_channels written down": (
        {"(C_in, C, 3": "(C_in, 12, 3", "(G, C)": "(G, 12)", "(D, C)": "(D, 12)"},
        "such as a number that is written down. Use the argument out_channels.",
    ),
    "as many groups as a third of the channels": (
        {"(G, C)": "(C // 3, C)"},
        "with num_groups = 2 it is wrong",
    ),
    "SiLU, and one channel a group": (
        {"(G, C)": "(C, C)", "F.relu": "F.silu"},
        "The norm has 12 groups for 12 channels",
    ),
    "SiLU before, and two groups": (
        SILU_BEFORE | {"(G, C)": "(2, C)"},
        "The norm works in 2 groups, and 4 were asked for",
    ),
    "SiLU before, and no ReLU": (
        SILU_BEFORE | {OUT: "return self.norm(h + shift)"},
        "The ReLU is gone",
    ),
    "groups as asked with 12 channels only": (
        {"(G, C)": "(G if C == 12 else 1, C)"},
        "With out_channels = 12 the block is right, with out_channels = 20 it is wrong",
    ),
    "the norm's scale at 0": (
        {"# more": "nn.init.zeros_(self.norm.weight)"},
        "at 1. What starts at 0 and gets no gradient: norm.weight, norm.bias.",
    ),
    "two projections' width": (
        {
            "nn.Linear(D, C)": "nn.Linear(64, C)",
        },
        "self.project takes 64 numbers, and d_emb is 16: nn.Linear(d_emb, out_channels).",
    ),
    "another block in evaluation mode": (
        {"h + shift": "h + shift * (1 if self.training else 0)"},
        "In evaluation mode, after eval(), it gives another result",
    ),
    "in place on the input": ({"h = self.conv(h)": "h *= 2; h = self.conv(h)"}, "in place"),
    "t_emb detached": ({"(t_emb)": "(t_emb.detach())"}, "No gradient reaches t_emb"),
    "shift detached": ({"h + shift": "h + shift.detach()"}, "No gradient reaches project.weight"),
    "statistics under no_grad": (
        {
            NORM: "self.G = G",
            OUT: lines(
                "x = (h + shift).reshape(len(h), self.G, -1)",
                "with torch.no_grad():",
                "    v, m = torch.var_mean(x, -1, correction=0, keepdim=True)",
                "return ((x - m) / (v + 1e-5).sqrt()).view_as(h).relu()",
            ),
        },
        "A part of the path from h to the result is cut",
    ),
    "t_emb detached but for a trace": (
        {"(t_emb)": "(t_emb.detach() + 0.1 * (t_emb - t_emb.detach()))"},
        "the gradient of t_emb is off by 89% from how the result changes with it",
    ),
    "no_grad": (
        {OUT: lines("with torch.no_grad():", f"    {OUT}")},
        "carries no gradient",
    ),
}


@pytest.mark.parametrize("edits", RIGHT.values(), ids=RIGHT)
def test_right_block_passes(edits):
    assert_passed(check_additive_block(cell(edited(BLOCK, edits))))


@pytest.mark.parametrize(("edits", "note"), NOTED.values(), ids=NOTED)
def test_another_cure_passes_with_a_note(edits, note):
    assert_passed(check_additive_block(cell(edited(BLOCK, edits))), note)


@pytest.mark.parametrize(("edits", "first", "second"), NOTED_TWICE.values(), ids=NOTED_TWICE)
def test_two_other_ways_pass_with_two_notes(edits, first, second):
    assert_passed(check_additive_block(cell(edited(BLOCK, edits))), first, second)


@pytest.mark.parametrize(("edits", "fragment"), WRONG.values(), ids=WRONG)
def test_mistake_in_block_is_named(edits, fragment):
    assert_wrong(check_additive_block(cell(edited(BLOCK, edits))), fragment)


def test_the_packages_own_passes_and_the_block_as_handed_out_has_the_bug():
    assert_passed(check_additive_block(exercises.AdditiveBlock))
    handed_out = check_additive_block(blank(exercises.AdditiveBlock))
    assert_wrong(handed_out, "The timestep still does nothing")
    assert "here nn.GroupNorm(4, 12)" in handed_out.messages[0]
    mended = ("nn.GroupNorm(out_channels, out_channels)", "nn.GroupNorm(num_groups, out_channels)")
    assert_passed(check_additive_block(blank(exercises.AdditiveBlock, mended)))
