"""Layers that are made, or values that are set, in the first call: too late for an optimiser."""

import pytest

from condlesson import checks
from condlesson.embeddings import sinusoidal_embedding
from tests.checks import test_additive_block
from tests.checks import test_time_and_class as told
from tests.checks.layers import ADAGN, NORM, NORMED, OUT, PROJECT, SCORES, SPLIT
from tests.checks.networks import DERIVED, KNOWN, SHIFT
from tests.checks.networks import PROJECT as TO_MAP
from tests.checks.test_zero_init_adagn import START, ZERO_INIT
from tests.checks.variants import assert_accepted, assert_wrong, cell, edited, lines

pytestmark = pytest.mark.usefixtures("one_thread")

MLP = """\
class Clock(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.n, self.d, self.done = n, d, False
        self.a, self.b = nn.Linear(n, d), nn.Linear(d, d)

    def forward(self, t):
        s = sinusoidal_embedding(t, self.n)
        return self.b(F.gelu(self.a(s)))
"""
LAYERS = "self.a, self.b = nn.Linear(n, d), nn.Linear(d, d)"
SUM = "return self.b(F.gelu(self.a(s)))"
ADDITIVE = edited(
    ADAGN,
    {
        "2 * C": "C",
        NORM: "self.norm = nn.GroupNorm(G, C)",
        SPLIT: "beta = scores",
        "gamma, beta = gamma[:, :, None, None], ": "beta = ",
        OUT: "return self.norm(h) + beta",
    },
)
CODES = {
    "adagn": ADAGN,
    "zero_init_adagn": ZERO_INIT,
    "additive_gn": ADDITIVE,
    "additive_block": test_additive_block.BLOCK,
    "timestep_embedding": MLP,
    "timestep_mlp": MLP,
    "time_and_class": told.CODE,
    "unet_sinusoidal": DERIVED,
}


def first(line, code):
    """Edits that run some code in the first call, before this line."""
    return {
        "super().__init__()": "super().__init__(); self.done = False",
        line: lines("if not self.done:", f"    self.done = True; {code}", line),
    }


def made(layer, line, name, call):
    """Edits that make a layer in the first call, before this line."""
    return {
        layer: f"self.{name} = None",
        line: lines(f"if self.{name} is None:", f"    self.{name} = {call}", line),
    }


MAKES, CHANGES = "The first call makes the parameter ", "The first call changes the numbers of the "
LEAVES = "A call in training mode leaves "
PUTS = "The first call puts another parameter in the place of "
ZERO = "nn.init.zeros_(self.project.weight)"
LAZY = "self.project = nn.LazyLinear(2 * C)"
ZERO_LAZY = """\
class LazyLinear(nn.LazyLinear):
    def reset_parameters(self):
        if not self.has_uninitialized_params() and self.in_features:
            nn.init.zeros_(self.weight); nn.init.zeros_(self.bias)

"""
BLOCK_SHIFT = test_additive_block.SHIFT
BLOCK_PROJECT = "self.project = nn.Linear(D, C)"
WIDTH = "nn.Linear(t_emb.shape[1], {}h.shape[1])"
WRONG = [  # check, what is written, and what is said
    ("adagn", made(PROJECT, SCORES, "project", WIDTH.format("2 * "))
     | {"(G, C, affine=False)": "(G, C)"}, f"{MAKES}project.weight"),
    ("additive_gn", made("self.project = nn.Linear(D, C)", SCORES, "project", WIDTH.format("")),
     f"{MAKES}project.weight"),
    ("additive_block", made(BLOCK_PROJECT, BLOCK_SHIFT, "project", WIDTH.format("")),
     f"{MAKES}project.weight"),
    ("timestep_embedding", made(LAYERS, SUM, "a", "nn.Linear(self.n, self.d)")
     | {LAYERS: "self.a, self.b = None, nn.Linear(d, d)"}, f"{MAKES}a.weight"),
    ("timestep_mlp", made(LAYERS, SUM, "b", "nn.Linear(self.d, self.d)")
     | {LAYERS: "self.a, self.b = nn.Linear(n, d), None"}, f"{MAKES}b.weight"),
    ("time_and_class", made(told.ROWS, told.SUM, "rows", "nn.Embedding(self.C + 1, self.d)"),
     f"{MAKES}rows.weight"),
    ("unet_sinusoidal", made(TO_MAP, SHIFT, "project", "nn.Linear(512, 256)"),
     f"{MAKES}project.weight"),
    ("adagn", {SCORES: f"self.project = nn.Linear(t_emb.shape[1], 2 * C); {SCORES}"},
     f"{PUTS}project.weight"),
    ("adagn", first(SCORES, ZERO), f"{CHANGES}parameter project.weight"),
    ("zero_init_adagn", first(SCORES, "nn.init.normal_(self.project.weight)"),
     f"{CHANGES}parameter project.weight"),
    ("zero_init_adagn", first(SPLIT, f"{START}; scores = self.project(t_emb)")
     | {f"{START}\n": "\n", PROJECT: LAZY}, f"{CHANGES}parameter project.weight"),
    ("additive_gn", first(SCORES, ZERO), f"{CHANGES}parameter project.weight"),
    ("additive_block", first(BLOCK_SHIFT, ZERO), f"{CHANGES}parameter project.weight"),
    ("timestep_embedding", first(SUM, "nn.init.normal_(self.a.weight, std=0.02)"),
     f"{CHANGES}parameter a.weight"),
    ("timestep_mlp", first(SUM, "self.b.weight.data = 0.1 * torch.randn(self.d, self.d)"),
     f"{CHANGES}parameter b.weight"),
    ("time_and_class", first(told.SUM, "nn.init.normal_(self.rows.weight, std=0.02)"),
     f"{CHANGES}parameter rows.weight"),
    ("time_and_class", {told.SUM: lines("with torch.no_grad():",
     "    self.rows.weight[self.C] = 0", told.SUM)}, f"{CHANGES}parameter rows.weight"),
    ("time_and_class", {"nn.Embedding(C + 1, d)": "nn.Embedding(C + 1, d, max_norm=1.0)"},
     "max_norm shortens the rows that it reads"),
    ("unet_sinusoidal", first(SHIFT, ZERO), f"{CHANGES}parameter project.weight"),
    ("unet_sinusoidal", first(SHIFT, ZERO) | {"if not self.done:":
     "if not self.done and not self.training:"}, f"{CHANGES}parameter project.weight"),
    ("adagn", {SCORES: f"self.eval(); {SCORES}"}, f"{LEAVES}the module in evaluation mode"),
    ("timestep_embedding", {SUM: f"self.eval(); {SUM}"}, f"{LEAVES}the module in evaluation mode"),
    ("time_and_class", {told.SUM: f"self.rows.eval(); {told.SUM}"}, f"{LEAVES}rows in evaluation"),
    ("unet_sinusoidal", {SHIFT: f"self.eval(); {SHIFT}"}, f"{LEAVES}the module in evaluation mode"),
    ("unet_sinusoidal", {SHIFT: f"self.train(); {SHIFT}"},
     "A call in evaluation mode leaves the module in training mode. Who calls a module has set"),
]  # fmt: skip
RIGHT = [  # and what the first call may change
    ("adagn", {PROJECT: "self.project = nn.LazyLinear(2 * C); self.register_buffer('calls', "
     "torch.zeros(()))", SCORES: f"self.calls += 1; {SCORES}"}),
    ("adagn", {PROJECT: "self.project = nn.utils.parametrizations.spectral_norm("
     "nn.Linear(D, 2 * C))"}),
    ("zero_init_adagn", {START: "pass", PROJECT: LAZY.replace("nn.Lazy", "Lazy"),
     "class Layer": f"{ZERO_LAZY}class Layer", "return gamma": "return (1 + gamma)"}),
    ("adagn", {NORMED: "self.norm.to(h.device)(h)"}),
    ("timestep_embedding", {LAYERS: "self.a, self.b = nn.LazyLinear(d), nn.LazyLinear(d)"}),
    ("time_and_class", {told.ROWS: f"{told.ROWS}; self.known = None",
     told.SUM: f"self.known = labels.max(); {told.SUM}"}),
    ("unet_sinusoidal", {TO_MAP: "self.project = nn.LazyLinear(256)"}),
    ("adagn", {SCORES: f"was = self.training; self.eval(); {SCORES}; self.train(was)"}),
]  # fmt: skip


def checked(check, edits):
    known = {**KNOWN, "sinusoidal_embedding": sinusoidal_embedding}
    return getattr(checks, f"check_{check}")(cell(edited(CODES[check], edits), **known))


def ids(rows):
    return [f"{check}-{k}" for k, (check, *_) in enumerate(rows)]


@pytest.mark.parametrize("check", CODES)
def test_what_is_edited_is_right(check):
    assert_accepted(checked(check, {}))


@pytest.mark.parametrize(("check", "edits", "fragment"), WRONG, ids=ids(WRONG))
def test_what_a_first_call_makes_or_changes_is_refused(check, edits, fragment):
    assert_wrong(checked(check, edits), fragment)


@pytest.mark.parametrize(("check", "edits"), RIGHT, ids=ids(RIGHT))
def test_what_comes_with_the_first_call_passes(check, edits):
    assert_accepted(checked(check, edits))
