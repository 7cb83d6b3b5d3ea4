"""Wrong answers that a check once took, since it asked at one size, or called a thing once."""

import pytest

from condlesson import checks
from condlesson.embeddings import sinusoidal_embedding
from tests.checks import test_additive_block, test_ddim_update, test_guidance, test_interval_scale
from tests.checks import test_time_and_class as told
from tests.checks import test_told_batch as batches
from tests.checks.layers import ADAGN, NORM, NORMED, PROJECT, by_hand
from tests.checks.test_first_call import LAYERS, MLP
from tests.checks.variants import assert_accepted, assert_wrong, cell, edited

pytestmark = pytest.mark.usefixtures("one_thread")

SINUSOID = """\
def embed(t, d):
    w = 10_000 ** (-torch.arange(d // 2) / (d // 2))
    angles = t[:, None] * w
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
"""
DRAW = """\
def draw(B, T):
    return torch.randint(0, T, (B,))
"""
FORWARD = "    def forward"
CODES = {
    "sinusoidal_embedding": SINUSOID,
    "adagn": ADAGN,
    "zero_init_adagn": ADAGN,
    "time_and_class": told.CODE,
    "told_batch": batches.CODE,
    "guided_prediction": test_guidance.CODE,
    "interval_scale": test_interval_scale.CODE,
    "draw_timesteps": DRAW,
    "timestep_embedding": MLP,
    "ddim_update": test_ddim_update.STEP,
    "additive_block": test_additive_block.BLOCK,
}
MADE = "def embed(t, d):"
OFF, SEED = "torch.set_grad_enabled(False)", "torch.manual_seed(0)"
HIDDEN = "self.b(F.gelu(self.a(s)))"
WIDE, NARROW = "nn.Embedding(C + 1, d)", "self.C, self.d = C, d"
ZERO = "nn.init.zeros_(self.project.weight); nn.init.zeros_(self.project.bias)"
ONE = "KEPT.setdefault(d, nn.Linear(d, d))"
SAME = "has the parameter b.weight of another object that was made before"
WRONG = [  # check, what is written, and what is said
    (
        "sinusoidal_embedding",
        {MADE: f"@torch.inference_mode()\n{MADE}"},
        "tensor of inference mode",
    ),
    ("sinusoidal_embedding", {MADE: f"{MADE}\n    {OFF}"}, "switches gradients off and leaves"),
    ("sinusoidal_embedding", {MADE: f"{MADE}\n    {SEED}"}, "sets torch's seed, and with it all"),
    (
        "sinusoidal_embedding",
        {MADE: f"{MADE}\n    if bool((t == t[0]).all()): t = t[:1]"},
        "4 timesteps and d_emb = 256 must give shape (4, 256), got (1, 256)",
    ),
    (
        "sinusoidal_embedding",
        {"t[:, None] * w": "(t * ((t[:, None] == t).tril(-1).sum(1) == 0))[:, None] * w"},
        "In a batch of equal timesteps, t =",
    ),
    ("adagn", {PROJECT: f"{SEED}; {PROJECT}"}, "sets torch's seed, and with it all"),
    (
        "adagn",
        {PROJECT: f"Layer.G = G; {PROJECT}", NORMED: "F.group_norm(h, self.G)"},
        "writes Layer.G, which all objects of the",
    ),
    (
        "adagn",
        {
            PROJECT: f"Layer.G = G; {PROJECT}",
            FORWARD: f"    groups = property(lambda self: self.G)\n\n{FORWARD}",
            NORMED: "F.group_norm(h, self.groups)",
        },
        "writes Layer.G, which all objects of the",
    ),
    (
        "adagn",
        {
            PROJECT: f"Layer.weight = nn.Parameter(torch.zeros(2 * C, D)); {PROJECT}",
        },
        "writes Layer.weight, which all objects of the",
    ),
    ("time_and_class", {NARROW: "global width; width = C"}, "writes the global name width, which"),
    (
        "adagn",
        {PROJECT: PROJECT.replace("= ", "= KEPT.setdefault((C, D), ", 1) + ")"},
        "has the parameter project.weight of another object that was made before",
    ),
    (
        "time_and_class",
        {
            "nn.Embedding(C + 1, d)": "KEPT.setdefault(d, nn.Embedding(C + 1, d)) if d < 9 else "
            "nn.Embedding(C + 1, d)"
        },
        "has the parameter rows.weight of another object that was made before",
    ),
    *(
        ("timestep_embedding", {"nn.Linear(d, d)": f"{ONE} if d == {d} else nn.Linear(d, d)"}, SAME)
        for d in (512, 32, 16)
    ),
    (
        "timestep_embedding",
        {LAYERS: f"{LAYERS}; self.b.bias = self.a.bias"},
        "a.bias and b.bias are one parameter: a step of the one moves the other",
    ),
    (
        "timestep_embedding",
        {
            LAYERS: f"{LAYERS}; self.b = nn.Linear(d, d, bias=False); "
            "self.net = nn.Sequential(self.a, self.b)"
        },
        "A bias is missing: leave bias=False out",
    ),
    (
        "timestep_embedding",
        {
            "s = sinusoidal_embedding(t, self.n)": "w = 1e4 ** (-torch.arange(self.n // 2) / 128)"
            "; s = torch.as_tensor(t).reshape(-1, 1) * w; s = torch.cat([s.sin(), s.cos()], 1)"
        },
        "The frequencies are the first 24 of those of the width 256",
    ),
    (
        "timestep_embedding",
        {HIDDEN: "self.b(F.gelu(self.a(s)).clamp(max=10))"},
        "Something cuts large values between the two linear layers: 100 becomes 10 behind",
    ),
    (
        "timestep_embedding",
        {HIDDEN: "self.b(F.gelu(self.a(s) + self.a.bias))"},
        "The first bias counts twice: what enters the activation is W_1 s + 2 b_1",
    ),
    (
        "sinusoidal_embedding",
        {"t[:, None] * w": "(t[:, None] * w).remainder(6.28)"},
        "Is something done to the angles, such as a modulo with a rounded 2 pi?",
    ),
    (
        "timestep_embedding",
        {HIDDEN: f"{HIDDEN}.clamp(-10, 10)"},
        "After the second layer something cuts large values: 100 becomes 10",
    ),
    (
        "timestep_embedding",
        {
            HIDDEN: "self.b(torch.cat([F.gelu(x) if k else x for k, x in "
            "enumerate(self.a(s).chunk(2, 1))], 1))"
        },
        "Not all numbers of the hidden layer go through the same activation",
    ),
    (
        "adagn",
        {NORMED: "self.norm(h).clamp(-5, 5)"},
        "A pixel far above all others comes out smaller than the others tell",
    ),
    (
        "zero_init_adagn",
        {"# more": f"if C < 32:\n            {ZERO}"},
        "At the start the layer is not group norm",
    ),
    (
        "adagn",
        by_hand("(x - x.mean(-1, keepdim=True)) / x.std(-1, correction=0, keepdim=True)"),
        "values that are nan or infinite. A division by 0",
    ),
    (
        "adagn",
        {
            NORM: "self.G, self.C = G, C",
            NORMED: "F.group_norm(h, self.G if h[0, 0].numel() < 36 else self.C)",
        },
        "It is right for feature maps of 5 x 7 pixels, and not for 10 x 7",
    ),
    (
        "time_and_class",
        {
            told.SUM: "first = (labels[:, None] == labels).float().tril(-1).sum(1) == 0\n"
            "        return t_emb + self.rows(labels) * first[:, None]"
        },
        "Where labels come twice in a batch",
    ),
    (
        "time_and_class",
        {told.SUM: "return 0.5 * t_emb + 0.5 * t_emb.detach() + self.rows(labels)"},
        "The gradient that reaches t_emb is 0.5 times the one that arrives",
    ),
    (
        "time_and_class",
        {
            told.SUM: "if self.training and torch.rand(()) < 0.05: "
            f"labels = torch.full_like(labels, self.C)\n        {told.SUM}"
        },
        "Labels are withheld where the batch is made; here each label has its row",
    ),
    (
        "time_and_class",
        {
            told.ROWS: f"{told.ROWS}; self.n = nn.BatchNorm1d(d, track_running_stats=False)",
            told.SUM: "return t_emb + self.n(self.rows(labels))",
        },
        "changes with the other labels of the batch: n is a batch norm",
    ),
    (
        "told_batch",
        {batches.PAIR: "x, y = images[rows].round(), labels[rows]"},
        "The images are not those of the data set",
    ),
    (
        "told_batch",
        {batches.PAIR: "x, y = images[rows].flip(-1), labels[rows]"},
        "The images are not those of the data set",
    ),
    (
        "told_batch",
        {batches.ROWS: "rows = torch.randint(0, 60, (B,))"},
        "with 23 images, null_label",
    ),
    (
        "told_batch",
        {batches.DROP: batches.DROP.replace("null", "labels.max() + 3")},
        "with dropout = 1 a label is not null_label",
    ),
    (
        "guided_prediction",
        {test_guidance.SPLIT: "cond, uncond = both[:3], both[3:]"},
        "with x_t (2, 1, 4, 5) and scale = 2 must return the shape",
    ),
    (
        "guided_prediction",
        {test_guidance.TOLD: test_guidance.TOLD.replace("null", "9")},
        "for 2 at t = [700, 999] with the labels [6, 6], null_label = 11 and scale = 2 it is not",
    ),
    (
        "guided_prediction",
        {test_guidance.SPLIT: "cond, uncond = both.clamp(-1, 1).chunk(2)"},
        "Something is applied to the result, or to the predictions, such as clamp",
    ),
    (
        "guided_prediction",
        {test_guidance.END: f"s = 1 + (s - 1) * bool((t > 0).all()); {test_guidance.END}"},
        "for 1 at t = [0] with the labels [3], null_label = 0 and scale = 2 it is not",
    ),
    (
        "interval_scale",
        {test_interval_scale.INSIDE: "inside = ((t - low) * (t - high) < 0) | (t == low)"},
        "low = 300 and high = 300, is not: at t = 300 the scale is 3",
    ),
    (
        "interval_scale",
        {test_interval_scale.END: "return torch.where(inside, min(scale, 10.0), 1.0)"},
        "with scale = 12, low = 299 and high = 302, is not",
    ),
    (
        "draw_timesteps",
        {"(B,))": "(B,)).clamp(max=998)"},
        "with T = 1000 the draws run from 0 to 998",
    ),
    (
        "ddim_update",
        {test_ddim_update.END: f"noise = noise * (len(x_t) > 1); {test_ddim_update.END}"},
        "One image alone gives another result than in a batch",
    ),
    (
        "additive_block",
        {
            "# more": "self.g, self.C = nn.Parameter(torch.ones(())), C",
            test_additive_block.OUT: "z = h + shift\n        return F.relu(self.norm(z) + self.g * "
            "(F.group_norm(z, self.C) - self.norm(z)))",
        },
        "The block has g, (), which was not there",
    ),
]
RIGHT = [  # and right answers that were refused
    (
        "adagn",
        {
            "    def __init__": "    count = 0\n\n    def __init__",
            PROJECT: f"type(self).count += 1; {PROJECT}",
        },
    ),
    (
        "adagn",
        {
            "    def __init__": "    made = 0\n\n    @classmethod\n    def how_many(cls):\n"
            "        return cls.made\n\n    def __init__",
            PROJECT: f"type(self).made += 1; type(self).kind = 'adagn'; {PROJECT}",
        },
    ),
    ("zero_init_adagn", {"affine=False": "eps=1e-3, affine=False", "# more": ZERO}),
    (
        "zero_init_adagn",
        {"# more": ZERO}
        | by_hand("(x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True) + 1e-5).sqrt()"),
    ),
    (
        "time_and_class",
        {
            told.ROWS: f"{told.ROWS}; self.gain = nn.Parameter(torch.ones(()))",
            told.SUM: "return t_emb + self.gain * self.rows(labels)",
        },
    ),
]


def ids(rows):
    return [f"{check}-{k}" for k, (check, *_) in enumerate(rows)]


@pytest.mark.parametrize(("check", "edits", "fragment"), WRONG, ids=ids(WRONG))
def test_it_is_wrong_and_named(check, edits, fragment):
    assert FORWARD in ADAGN
    answer = cell(edited(CODES[check], edits), KEPT={}, sinusoidal_embedding=sinusoidal_embedding)
    assert_wrong(getattr(checks, f"check_{check}")(answer), fragment)


@pytest.mark.parametrize(("check", "edits"), RIGHT, ids=ids(RIGHT))
def test_it_is_right(check, edits):
    assert_accepted(getattr(checks, f"check_{check}")(cell(edited(CODES[check], edits))))
