"""The check of an adaptive group norm on wrong layers: each mistake is named."""

import pytest

from condlesson.checks import check_adagn
from tests.checks.layers import ADAGN, NORM, NORMED, OUT, PROJECT, SCORES, SHAPES, SPLIT
from tests.checks.variants import assert_wrong, cell, edited, lines

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

WRONG = {
    # the call
    "no reshape": ({SHAPES: ""}, "gamma[:, :, None, None], which is (B, C, 1, 1)"),
    "flat result": ({OUT: OUT.replace("return ", "return (") + ").flatten(1)"}, "the shape of h"),
    "projection of half the width": (
        {PROJECT: "self.project = nn.Linear(D, C)"},
        "gamma is (3, 6, 1, 1), for half of the channels: the projection has 12 outputs",
    ),
    "layers that are named as a method": (
        {
            PROJECT: "self.to = nn.ModuleDict({'gamma': nn.Linear(D, C), 'beta': nn.Linear(D, C)})",
            SCORES: "scores = torch.cat([self.to['gamma'](t_emb), self.to['beta'](t_emb)], -1)",
        },
        "to is a method of every nn.Module: self.to gives that method, and not your layer",
    ),
    "a layer that is named as a method": (
        {PROJECT: "self.to = nn.Linear(D, 2 * C)", SCORES: "scores = self.to(t_emb)"},
        "Give the layer another name, such as to_layer",
    ),
    "split along the batch": ({"dim=-1": "dim=0"}, "raised"),
    "groups and channels swapped": ({"(G, C, affine": "(C, G, affine"}, "groups first"),
    "32 groups whatever was asked for": (
        {"(G, C, affine": "(32, C, affine"},
        "The norm must have 4 groups. Use the argument num_groups",
    ),
    "groups by a rule": (
        {"(G, C, affine": "(math.gcd(32, C) if C > 6 else G, C, affine"},
        "The norm works in 32 groups, and 8 were asked for",
    ),
    "no split": (
        {SPLIT: "gamma = beta = scores"},
        "gamma is (3, 24, 1, 1), gamma and beta in one: split the last dimension",
    ),
    "one name for both halves": (
        {SPLIT: "gamma = scores.chunk(2, dim=-1)", SHAPES: "gamma = gamma[:, :, None, None]"},
        "gamma is a tuple of 2, and no tensor. Give each a name",
    ),
    "split(2)": (
        {SPLIT: "gamma, beta = scores.split(2, dim=-1)"},
        "split takes the size of a part, chunk the number of parts",
    ),
    "conditioned while it trains only": (
        {SCORES: "scores = self.project(t_emb) * self.training"},
        "In evaluation mode, after eval(), it gives another result",
    ),
    "d_emb written down": (
        {PROJECT: "self.project = nn.Linear(512, 2 * C)"},
        "self.project takes 512 numbers, and d_emb is 16: nn.Linear(d_emb, 2 * num_channels).",
    ),
    "the widths of the projection swapped": (
        {PROJECT: "self.project = nn.Linear(2 * C, D)"},
        "self.project takes 24 numbers, and d_emb is 16: nn.Linear(d_emb, 2 * num_channels).",
    ),
    "an activation that is not called": (
        {SCORES: "scores = self.project(nn.SiLU(t_emb))"},
        "Write F.silu(x); or make nn.SiLU() in __init__, and call that in forward.",
    ),
    "a norm without its numbers": (
        {NORM: "self.norm = nn.GroupNorm"},
        "self.norm is the class GroupNorm itself. Make a layer of it in __init__",
    ),
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
        "t_emb acts through project.weight, which is frozen",
    ),
    "frozen projection that starts at 0": (
        {"# more": "w = self.project.weight; nn.init.zeros_(w); w.requires_grad_(False)"},
        "t_emb acts through project.weight, which is frozen",
    ),
    "expanded parameter": (
        {
            PROJECT: "self.w = nn.Parameter(torch.zeros(1, 1).expand(2 * C, D))",
            "self.project(t_emb)": "t_emb @ self.w.T",
        },
        "w (24, 16) is expanded",
    ),
    "made under inference_mode": (
        {PROJECT: lines("with torch.inference_mode():", f"    {PROJECT}")},
        "project.weight was made under torch.inference_mode",
    ),
    "a train of its own": (
        {"    def forward": "    def train(self):\n        self.on = True\n\n    def forward"},
        "Every nn.Module has methods train and eval",
    ),
    "eps 0.05": ({"(G, C, affine": "(G, C, 0.05, affine"}, "The norm's eps is about 0.05"),
    "eps 1": ({"(G, C, affine": "(G, C, eps=1.0, affine"}, "The norm's eps is about 1,"),
    "half precision": (
        {OUT: f"{OUT.replace('return ', 'return (')}).half()"},
        "returns torch.float16",
    ),
    "bfloat16": (
        {OUT: f"{OUT.replace('return ', 'return (')}).bfloat16()"},
        "returns torch.bfloat16, which is too coarse",
    ),
    "norm in bfloat16": (
        {NORMED: "self.norm(h.bfloat16()).float()"},
        "Is something converted to bfloat16 or float16?",
    ),
    "layer norm of torch": (
        {NORM: "self.norm = nn.LayerNorm(C)"},
        "A layer norm works on the last dimension",
    ),
    "t_emb normalised": (
        {"(t_emb)": "(F.normalize(t_emb))"},
        "t_emb is normalised before it is projected",
    ),
    "t_emb behind a layer norm": (
        {"(t_emb)": "(F.layer_norm(t_emb, t_emb.shape[1:]))"},
        "t_emb is normalised before it is projected",
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
    "batch norm behind the norm": (
        {"# more": "self.batch = nn.BatchNorm2d(C)", NORMED: "self.batch(self.norm(h))"},
        "the items influence one another, as in a batch norm",
    ),
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
    "a gamma and a beta for each group": (
        {
            PROJECT: "self.k = C // G; self.project = nn.Linear(D, 2 * G)",
            SCORES: "scores = self.project(t_emb).repeat_interleave(self.k, dim=1)",
        },
        "gamma of channel 1 always moves as that of channel 0: only 4 of 12 channels have a gamma "
        "of their own. The projection has 2 * num_channels outputs, and each is used once.",
    ),
    "a beta for each pair of channels": (
        {
            PROJECT: "self.g, self.b = nn.Linear(D, C), nn.Linear(D, C // 2)",
            SCORES: "",
            SPLIT: "gamma, beta = self.g(t_emb), self.b(t_emb).repeat_interleave(2, dim=1)",
        },
        "beta of channel 1 always moves as that of channel 0: only 6 of 12 channels have a beta",
    ),
    "half of the channels the other way": (
        {
            PROJECT: "self.project = nn.Linear(D, C)",
            SPLIT: "gamma, beta = (torch.cat([x, -x], dim=1) for x in scores.chunk(2, dim=1))",
        },
        "The gamma of channel 6 always moves against that of channel 0",
    ),
    "beta is minus gamma": (
        {PROJECT: "self.project = nn.Linear(D, C)", SPLIT: "gamma, beta = scores, -scores"},
        "The beta of channel 0 always moves against the gamma of channel 0. Both must be free",
    ),
    "beta is half of gamma, affine": (
        {
            NORM: "self.norm = nn.GroupNorm(G, C)",
            PROJECT: "self.project = nn.Linear(D, C)",
            SPLIT: "gamma, beta = scores, 0.5 * scores",
        },
        "The beta of channel 0 always moves 0.5 times as far as the gamma of channel 0",
    ),
    "one weight for both, and two biases": (
        {
            PROJECT: "self.project, self.b = nn.Linear(D, C), nn.Parameter(torch.zeros(C))",
            SPLIT: "gamma, beta = scores, scores + self.b",
        },
        "The beta of channel 0 always moves as the gamma of channel 0",
    ),
    "slices that overlap": (
        {
            PROJECT: "self.project = nn.Linear(D, C + 1)",
            SPLIT: "gamma, beta = scores[:, :C], scores[:, 1:]",
        },
        "The beta of channel 0 always moves as the gamma of channel 1",
    ),
    "beta of the sum of gammas": (
        {
            PROJECT: "self.project = nn.Linear(D, C)",
            SPLIT: "gamma, beta = scores, scores.sum(1, keepdim=True) - 2 * scores",
        },
        "Of the 24 numbers for the gamma and the beta of 12 channels only 12 are free",
    ),
    "minus gamma, behind a gate": (
        {
            PROJECT: "self.project = nn.Linear(D, C); self.gate = nn.Parameter(torch.zeros(C))",
            SPLIT: "gamma, beta = self.gate * scores, -self.gate * scores",
        },
        "The beta of channel 0 always moves against the gamma of channel 0",
    ),
    "half as large, and the 1 in beta's bias": (
        {
            "# more": "with torch.no_grad(): "
            "self.project.bias[:C] -= 0.5; self.project.bias[C:] += 1"
        },
        "At initialisation features are multiplied by 0.",
    ),
    "the batch split": (
        {SPLIT: "gamma, beta = scores.chunk(2)"},
        "the batch is split. For gamma and beta, split the last dimension, .chunk(2, dim=-1).",
    ),
    "a part of t_emb": (
        {SCORES: "scores = self.project(t_emb[:, :5])"},
        "self.project takes 16 numbers, and it gets 5. Project t_emb",
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
    "the square of gamma": (
        {"(1 + gamma)": "(1 + gamma**2)"},
        "No gamma of any channel is ever negative, so an activation stands after the projection, "
        "or it is squared",
    ),
    "the square of gamma, affine": (
        {NORM: "self.norm = nn.GroupNorm(G, C)", "(1 + gamma)": "(1 + gamma**2)"},
        "No gamma of any channel is ever negative",
    ),
    "tanh of gamma, affine": (
        {NORM: "self.norm = nn.GroupNorm(G, C)", "(1 + gamma)": "(1 + gamma.tanh())"},
        "Gamma goes through tanh",
    ),
    "softplus of beta, affine": (
        {
            NORM: "self.norm = nn.GroupNorm(G, C)",
            f"{NORMED} + beta": f"{NORMED} + F.softplus(beta)",
        },
        "Beta goes through softplus",
    ),
    "the size of gamma": ({"(1 + gamma)": "(1 + gamma.abs())"}, "No gamma of any channel is ever"),
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
}


@pytest.mark.parametrize(("edits", "fragment"), WRONG.values(), ids=WRONG)
def test_mistake_in_adagn_is_named(edits, fragment):
    assert_wrong(check_adagn(cell(edited(ADAGN, edits))), fragment)
