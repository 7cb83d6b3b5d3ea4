"""The class beside the timestep: right answers in the styles of public code, and mistakes."""

import pytest
import torch
from torch.testing import assert_close

from condlesson import exercises
from condlesson.checks import check_time_and_class
from condlesson.embeddings import sinusoidal_embedding
from tests.answers import blank
from tests.checks.variants import assert_passed, assert_wrong, cell, edited, rows

pytestmark = pytest.mark.usefixtures("one_thread")

CODE = """\
class Both(nn.Module):
    def __init__(self, C, d):
        super().__init__()
        self.C, self.d = C, d
        self.rows = nn.Embedding(C + 1, d)

    def forward(self, t_emb, labels):
        return t_emb + self.rows(labels)
"""
ROWS = "self.rows = nn.Embedding(C + 1, d)"
SUM = "return t_emb + self.rows(labels)"
ONE_HOT = "return t_emb + self.rows(F.one_hot(labels, self.C + 1).float())"
FIXED = "what stands for no class is fixed"
RIGHT = {
    "as the task": {},
    "DiT: a small start": {ROWS: f"{ROWS}; nn.init.normal_(self.rows.weight, std=0.02)"},
    "rows that start at 0": {ROWS: f"{ROWS}; nn.init.zeros_(self.rows.weight)"},
    "a parameter": {
        ROWS: "self.rows = nn.Parameter(torch.randn(C + 1, d))",
        SUM: "return t_emb + self.rows[labels]",
    },
    "F.embedding": {
        ROWS: "self.rows = nn.Parameter(torch.zeros(C + 1, d))",
        SUM: "return F.embedding(labels, self.rows) + t_emb",
    },
    "index_select": {SUM: "return t_emb + self.rows.weight.index_select(0, labels)"},
    "a one-hot": {ROWS: "self.rows = nn.Linear(C + 1, d, bias=False)", SUM: ONE_HOT},
    "a one-hot and a bias": {ROWS: "self.rows = nn.Linear(C + 1, d)", SUM: ONE_HOT},
    "a layer that is not used": {ROWS: f"{ROWS}; self.spare = nn.Linear(d, d)"},
    "a row of the identity": {
        ROWS: "self.rows = nn.Linear(C + 1, d); self.register_buffer('eye', torch.eye(C + 1))",
        SUM: "return t_emb + self.rows(self.eye[labels])",
    },
    "lucidrains: a null embedding of its own": {
        ROWS: "self.rows = nn.Embedding(C, d); self.null = nn.Parameter(torch.randn(d))",
        SUM: "is_null = (labels == self.C)[:, None]\n        "
        "return t_emb + torch.where(is_null, self.null, self.rows(labels.clamp(max=self.C - 1)))",
    },
    "lucidrains: layers behind the rows": {
        ROWS: "self.rows = nn.Sequential(nn.Embedding(C + 1, d), nn.Linear(d, d), nn.GELU(), "
        "nn.Linear(d, d))",
    },
    "the null row first": {
        SUM: "return t_emb + self.rows(torch.where(labels == self.C, 0, labels + 1))"
    },
    "several rows in one": {
        ROWS: "self.rows = nn.EmbeddingBag(C + 1, d, mode='sum')",
        SUM: "return t_emb + self.rows(labels[:, None])",
    },
    "a list of parameters": {
        ROWS: "self.rows = nn.ParameterList([torch.randn(d) for _ in range(C + 1)])",
        SUM: "return t_emb + torch.stack([self.rows[int(k)] for k in labels])",
    },
    "EDM with a bias: the bias alone for no class": {
        ROWS: "self.rows = nn.Linear(C, d)",
        SUM: "return t_emb + self.rows(F.one_hot(labels, self.C + 1)[:, :-1].float())",
    },
    "a narrow table, and layers behind it": {
        ROWS: "self.rows = nn.Sequential(nn.Embedding(C + 1, d // 2), nn.Linear(d // 2, 4 * d), "
        "nn.SiLU(), nn.Linear(4 * d, d))",
    },
    "a narrow table, and one layer": {
        ROWS: "self.rows = nn.Sequential(nn.Embedding(C + 1, d // 2), nn.Linear(d // 2, d))",
    },
    "layers with ReLU behind the rows": {
        ROWS: "self.rows = nn.Sequential(nn.Embedding(C + 1, d), nn.Linear(d, d), nn.ReLU(), "
        "nn.Linear(d, d))",
    },
    "a last layer of zeros": {
        ROWS: "self.rows = nn.Sequential(nn.Embedding(C + 1, d), nn.Linear(d, d)); "
        "nn.init.zeros_(self.rows[1].weight); nn.init.zeros_(self.rows[1].bias)",
    },
    "a one-hot, and layers behind it": {
        ROWS: "self.rows = nn.Sequential(nn.Linear(C + 1, 4 * d), nn.GELU(), nn.Linear(4 * d, d))",
        SUM: ONE_HOT,
    },
    "a norm behind the row": {
        ROWS: "self.rows = nn.Sequential(nn.Embedding(C + 1, d), nn.LayerNorm(d))",
    },
    "sparse gradients": {ROWS: "self.rows = nn.Embedding(C + 1, d, sparse=True)"},
    "weights scaled for each dimension": {
        ROWS: "self.rows = nn.utils.parametrizations.weight_norm(nn.Linear(C + 1, d))",
        SUM: ONE_HOT,
    },
    "the null row on top of the table": {
        ROWS: "self.rows = nn.Embedding(C, d); self.null = nn.Parameter(torch.zeros(1, d))",
        SUM: "return t_emb + torch.cat([self.rows.weight, self.null])[labels]",
    },
    "add_": {SUM: "return t_emb.clone().add_(self.rows(labels))"},
}
NOTED = {
    "EDM: zeros for no class": (
        {
            ROWS: "self.rows = nn.Linear(C, d, bias=False)",
            SUM: "return t_emb + self.rows(F.one_hot(labels, self.C + 1)[:, :-1].float())",
        },
        FIXED,
    ),
    "padding_idx for no class": (
        {ROWS: "self.rows = nn.Embedding(C + 1, d, padding_idx=C)"},
        FIXED,
    ),
}
LIVE = "What __init__ computes from parameters stays as it was: compute it in forward"
WRONG = {
    "a table that is joined once": (
        {
            ROWS: "self.rows = nn.Embedding(C, d); self.null = nn.Parameter(torch.zeros(1, d)); "
            "self.table = torch.cat([self.rows.weight, self.null])",
            SUM: "return t_emb + self.table[labels]",
        },
        LIVE,
    ),
    "rows that are scaled once": (
        {
            ROWS: f"{ROWS}; self.table = self.rows.weight * d**-0.5",
            SUM: "return t_emb + self.table[labels]",
        },
        LIVE,
    ),
    "rows in float64": (
        {ROWS: f"{ROWS}.double()"},
        "must return torch.float32, as t_emb is, got torch.float64",
    ),
    "no null row": ({ROWS: "self.rows = nn.Embedding(C, d)"}, "needs a row of its own"),
    "ten rows and one": ({ROWS: "self.rows = nn.Embedding(11, d)"}, "needs a row of its own"),
    "t_emb detached": (
        {SUM: "return t_emb.detach() + self.rows(labels)"},
        "No gradient reaches t_emb",
    ),
    "t_emb without gradient": (
        {SUM: "with torch.no_grad(): t_emb = 1 * t_emb\n        " + SUM},
        "No gradient reaches t_emb",
    ),
    "a class as a number": (
        {
            ROWS: "self.rows = nn.Linear(1, d)",
            SUM: "return t_emb + self.rows(labels[:, None].float())",
        },
        "Classes are no numbers",
    ),
    "a class as a number, and layers": (
        {
            ROWS: "self.rows = nn.Sequential(nn.Linear(1, 4 * d), nn.GELU(), nn.Linear(4 * d, d))",
            SUM: "return t_emb + self.rows(labels[:, None].float())",
        },
        "Classes are no numbers",
    ),
    "the sinusoid of a class": (
        {
            ROWS: "self.rows = nn.Linear(d, d)",
            SUM: "return t_emb + self.rows(sinusoidal_embedding(labels, self.d))",
        },
        "Classes are no numbers",
    ),
    "a class as a timestep": (
        {
            ROWS: "self.rows = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))",
            SUM: "return t_emb + self.rows(sinusoidal_embedding(labels, self.d))",
        },
        "Classes are no numbers",
    ),
    "the null row is the mean of the others": (
        {
            ROWS: "self.rows = nn.Embedding(C, d)",
            SUM: "w = self.rows.weight\n        "
            "return t_emb + torch.cat([w, w.mean(0, keepdim=True)])[labels]",
        },
        "is made of those of the classes",
    ),
    "the null row is the sum of two": (
        {
            ROWS: "self.rows = nn.Embedding(C, d)",
            SUM: "w = self.rows.weight\n        "
            "return t_emb + torch.cat([w, w[:1] + w[1:2]])[labels]",
        },
        "is made of those of the classes",
    ),
    "half a row, twice": (
        {
            ROWS: "self.rows = nn.Embedding(C + 1, d // 2)",
            SUM: "return t_emb + self.rows(labels).repeat(1, 2)",
        },
        "Dimensions 0 and 3 of every row are the same number",
    ),
    "one number for each class": (
        {ROWS: "self.rows = nn.Embedding(C + 1, 1)"},
        "A row has d_emb numbers of its own",
    ),
    "made in forward": (
        {
            ROWS: "pass",
            SUM: "self.rows = nn.Embedding(self.C + 1, self.d)\n        " + SUM,
        },
        "its layer is made in forward",
    ),
    "dropout on the rows": (
        {ROWS: "self.rows = nn.Sequential(nn.Embedding(C + 1, d), nn.Dropout(0.5))"},
        "or is there a dropout",
    ),
    "an average": (
        {SUM: "return (t_emb + self.rows(labels)) / 2"},
        "t_emb is multiplied by 0.5 in the result",
    ),
    "one null label for the whole batch": (
        {
            ROWS: "self.rows = nn.Embedding(C, d)",
            SUM: "if (labels == self.C).any(): return t_emb\n        " + SUM,
        },
        "An `if` decides for the whole batch",
    ),
    "the arguments of nn.Embedding exchanged": (
        {ROWS: "self.rows = nn.Embedding(d, C + 1)"},
        "first how many rows, then their width",
    ),
    "brackets": ({SUM: "return t_emb + self.rows[labels]"}, "layer(x) and not layer[x]"),
    "forward's arguments exchanged": (
        {"self, t_emb, labels": "self, labels, t_emb"},
        "Keep the order forward(self, t_emb, labels)",
    ),
    "floating labels": (
        {SUM: "return t_emb + self.rows(labels.float())"},
        "without .float()",
    ),
    "no self": ({ROWS: "rows = nn.Embedding(C + 1, d)"}, "Write self.rows = ... there"),
    "no null parameter": (
        {
            ROWS: "self.rows = nn.Parameter(torch.randn(C, d))",
            SUM: "return t_emb + self.rows[labels]",
        },
        "needs a row of its own",
    ),
    "labels from 1 on": (
        {SUM: "return t_emb + self.rows(labels - 1)"},
        "Labels count from 0, so a label is the number of its row as it is: take off nothing.",
    ),
    "a row too many": (
        {ROWS: "self.rows = nn.Embedding(C + 2, d)"},
        "rows.weight has 15 rows, and the labels 0 .. num_classes read 14 of them; the others",
    ),
    "the null row is class 0": (
        {SUM: "return t_emb + self.rows(labels % self.C)"},
        "The null label 4 gives the row of class 0",
    ),
    "the null row is the last class": (
        {SUM: "return t_emb + self.rows(labels.clamp(max=self.C - 1))"},
        "The null label 4 gives the row of class 3",
    ),
    "two classes share a row": (
        {SUM: "return t_emb + self.rows(labels.clamp(min=1))"},
        "The labels 0 and 1 give the same row",
    ),
    "class 0 as padding": (
        {ROWS: "self.rows = nn.Embedding(C + 1, d, padding_idx=0)"},
        "The row of class 0 gets no gradient",
    ),
    "detached": ({SUM: "return t_emb + self.rows(labels).detach()"}, "gets no gradient"),
    "replaced": ({SUM: "return self.rows(labels)"}, "does not replace it"),
    "replaced where there is a class": (
        {
            SUM: "row = self.rows(labels)\n        "
            "return torch.where((labels < self.C)[:, None], row, t_emb + row)"
        },
        "not t_emb plus a row",
    ),
    "multiplied": ({SUM: "return t_emb * self.rows(labels)"}, "multiplied by t_emb"),
    "scaled": ({SUM: "return t_emb * (1 + self.rows(labels))"}, "multiplied by t_emb"),
    "a layer behind the sum": (
        {
            ROWS: f"{ROWS}; self.out = nn.Linear(d, d)",
            SUM: "return self.out(F.silu(t_emb + self.rows(labels)))",
        },
        "not t_emb plus a row",
    ),
    "side by side": (
        {SUM: "return torch.cat([t_emb, self.rows(labels)], dim=-1)"},
        "must return the shape of t_emb",
    ),
    "side by side, and a layer": (
        {
            ROWS: f"{ROWS}; self.out = nn.Linear(2 * d, d)",
            SUM: "return self.out(torch.cat([t_emb, self.rows(labels)], dim=-1))",
        },
        "not t_emb plus a row",
    ),
    "the label is not used": ({SUM: "return t_emb + self.rows.weight[0]"}, "The label changes"),
    "the label of the first image": (
        {SUM: "return t_emb + self.rows(labels[:1])"},
        "in another place of the batch",
    ),
    "labels sorted": (
        {SUM: "return t_emb + self.rows(labels.sort().values)"},
        "in another place of the batch",
    ),
    "dropped in the module": (
        {
            SUM: "if self.training: labels = torch.where(torch.rand(len(labels)) < 0.5, self.C, "
            "labels)\n        return t_emb + self.rows(labels)"
        },
        "Labels are withheld where the batch is made",
    ),
    "seldom dropped in the module": (
        {
            SUM: "if self.training: labels = torch.where(torch.rand(len(labels)) < 0.003, self.C, "
            "labels)\n        return t_emb + self.rows(labels)"
        },
        "Labels are withheld where the batch is made",
    ),
    "dropped in evaluation": (
        {
            SUM: "labels = labels if self.training else torch.full_like(labels, self.C)\n        "
            + SUM
        },
        "In evaluation mode",
    ),
    "a one-hot as wide as the largest label": (
        {
            ROWS: "self.rows = nn.Linear(C + 1, d)",
            SUM: "return t_emb + self.rows(F.one_hot(labels).float())",
        },
        "A one-hot is num_classes + 1 wide",
    ),
    "a one-hot without its last place": (
        {
            ROWS: "self.rows = nn.Linear(C, d)",
            SUM: "return t_emb + self.rows(F.one_hot(labels, self.C).float())",
        },
        "places",
    ),
    "a one-hot too wide for its layer": (
        {
            ROWS: "self.rows = nn.Linear(C, d)",
            SUM: "return t_emb + self.rows(F.one_hot(labels, self.C + 1).float())",
        },
        "A one-hot is num_classes + 1 wide",
    ),
    "ten classes written down": (
        {ROWS: "self.rows = nn.Embedding(5, d)"},
        "needs a row of its own",
    ),
    "a width written down": ({ROWS: "self.rows = nn.Embedding(C + 1, 512)"}, "A row is d_emb wide"),
    "a plain list": (
        {
            ROWS: "self.rows = [torch.randn(d) for _ in range(C + 1)]",
            SUM: "return t_emb + torch.stack([self.rows[int(k)] for k in labels])",
        },
        "no parameters",
    ),
    "in place": ({SUM: "t_emb += self.rows(labels); return t_emb"}, "in place"),
}


@pytest.mark.parametrize("edits", rows(RIGHT, 10))
def test_right_answers_pass(edits):
    assert_passed(check_time_and_class(cell(edited(CODE, edits))))


@pytest.mark.parametrize(("edits", "note"), NOTED.values(), ids=NOTED)
def test_usual_answers_pass_with_a_note(edits, note):
    assert_passed(check_time_and_class(cell(edited(CODE, edits))), note)


@pytest.mark.parametrize(("edits", "fragment"), WRONG.values(), ids=WRONG)
def test_the_mistake_is_named(edits, fragment):
    answer = cell(edited(CODE, edits), sinusoidal_embedding=sinusoidal_embedding)
    assert_wrong(check_time_and_class(answer), fragment)


def test_the_packages_own_is_a_sum_of_two():
    module = exercises.TimeAndClass(3, 4)
    t_emb, labels = torch.randn(2, 4), torch.tensor([3, 0])
    expected = [
        [a + b for a, b in zip(t_emb[k].tolist(), module.rows.weight[label].tolist(), strict=True)]
        for k, label in enumerate(labels.tolist())
    ]
    assert_close(module(t_emb, labels), torch.tensor(expected))
    assert_passed(check_time_and_class(exercises.TimeAndClass))


def test_an_empty_exercise_is_not_done():
    result = check_time_and_class(blank(exercises.TimeAndClass))
    assert result.status == "not done"
    assert result.messages[0] == "TODO 1 and TODO 2 are still open."
    assert check_time_and_class(None).status == "not done"
