"""Batches of images with labels, some of them withheld: right answers, and mistakes."""

import pytest
import torch

from condlesson import exercises
from condlesson.checks import check_told_batch
from tests.answers import blank
from tests.checks.variants import assert_passed, assert_wrong, cell, edited, rows

pytestmark = pytest.mark.usefixtures("one_thread")

CODE = """\
import numpy as np
def draw(images, labels, B, null, p, training):
    rows = torch.randint(0, len(images), (B,))
    x, y = images[rows], labels[rows]
    if training:
        y = torch.where(torch.rand(B) < p, null, y)
    return x, y
"""
ROWS = "rows = torch.randint(0, len(images), (B,))"
DROP = "y = torch.where(torch.rand(B) < p, null, y)"
PAIR = "x, y = images[rows], labels[rows]"
SAME = "each batch withholds the same number of labels"
RIGHT = {
    "as the task": {},
    "permuted": {ROWS: "rows = torch.randperm(len(images))[:B]"},
    "NumPy": {ROWS: "rows = torch.from_numpy(np.random.choice(len(images), B, replace=False))"},
    "a loader": {
        ROWS: "data = torch.utils.data.TensorDataset(images, labels)",
        PAIR: "x, y = next(iter(torch.utils.data.DataLoader(data, B, shuffle=True)))",
    },
    "Bernoulli": {DROP: "y = torch.where(torch.bernoulli(torch.full((B,), p)).bool(), null, y)"},
    "masked_fill": {DROP: "y = y.masked_fill(torch.rand(B) < p, null)"},
    "a clone, changed in place": {DROP: "y = y.clone(); y[torch.rand(B) < p] = null"},
    "what was indexed, in place": {DROP: "y[torch.rand(B) < p] = null"},
    "kept": {DROP: "y = torch.where(torch.rand(B) >= p, y, null)"},
    "by multiplication": {DROP: "k = (torch.rand(B) < p).long(); y = y * (1 - k) + null * k"},
    "a loop": {
        DROP: "y = torch.tensor([null if torch.rand(()) < p else int(k) for k in y])",
    },
    "a probability of 0 in evaluation": {
        "if training:\n        ": "",
        DROP: "y = torch.where(torch.rand(B) < p * training, null, y)",
    },
    "a list": {"return x, y": "return [x, y]"},
    "index_select": {PAIR: "x, y = images.index_select(0, rows), labels.index_select(0, rows)"},
    "sorted rows": {ROWS: f"{ROWS}.sort().values"},
    "whole permutations, one after another": {
        ROWS: "rows = torch.stack([torch.randperm(len(images))[0] for _ in range(B)])"
    },
    "antithetic": {
        DROP: "u = torch.rand(B // 2); u = torch.cat([u, 1 - u]); y = torch.where(u < p, null, y)"
    },
    "weights of the draw": {ROWS: "rows = torch.multinomial(torch.ones(len(images)), B, True)"},
    "a mask over the data set, drawn anew": {
        DROP: "gone = torch.rand(len(labels)) < p; y = torch.where(gone[rows], null, y)"
    },
    "int32": {PAIR: "x, y = images[rows], labels[rows].int()"},
}
NOTED = {
    "a fixed number of labels": ({DROP: "y[torch.randperm(B)[: round(p * B)]] = null"}, SAME),
    "the first labels of the batch": ({DROP: "y[: round(p * B)] = null"}, SAME),
}
WRONG = {
    "images blanked as well": (
        {DROP: "m = torch.rand(B) < p; y = torch.where(m, null, y); x[m] = 0"},
        "Withhold labels, and no pixels",
    ),
    "a slip": (
        {DROP: "y = y * (torch.rand(B) >= p) + null"},
        "which is neither its own nor null_label",
    ),
    "F.dropout": (
        {DROP: "y = F.dropout(y.float(), p).long()"},
        "Is it F.dropout? It makes numbers 0 and enlarges the rest",
    ),
    "F.dropout of integers": ({DROP: "y = F.dropout(y, p)"}, "labels are no such numbers"),
    "a row too many": (
        {ROWS: "rows = torch.randint(0, len(images) + 1, (1000 * B,))[-B:]; rows[0] = len(images)"},
        "Rows are 0 .. len(images) - 1",
    ),
    "per batch": ({DROP: "y = torch.where(torch.rand(1) < p, null, y)"}, "for a whole batch"),
    "per batch, if": (
        {DROP: "y = torch.full_like(y, null) if torch.rand(()) < p else y"},
        "one number is drawn for the batch",
    ),
    "in evaluation": ({"if training:": "if True:"}, "Labels are withheld in evaluation, too"),
    "only in evaluation": ({"if training:": "if not training:"}, "no label is withheld while"),
    "never": ({DROP: "pass"}, "no label is withheld while training"),
    "labels not drawn with the images": (
        {PAIR: "x, y = images[rows], labels[:B]"},
        "images have the label of another image",
    ),
    "labels drawn for themselves": (
        {PAIR: f"x = images[rows]; {ROWS}; y = labels[rows]"},
        "take images and labels from the same rows",
    ),
    "labels shuffled": (
        {PAIR: "x, y = images[rows], labels[rows][torch.randperm(B)]"},
        "images have the label of another image",
    ),
    "the wrong way round": ({DROP: DROP.replace("<", ">")}, "withheld where torch.rand"),
    "arguments of where swapped": (
        {DROP: "y = torch.where(torch.rand(B) < p, y, null)"},
        "takes null_label before the labels",
    ),
    "randn": ({DROP: DROP.replace("rand", "randn")}, "torch.rand is never below 0"),
    "twice": (
        {DROP: f"{DROP}; {DROP}"},
        "Are labels withheld twice?",
    ),
    "0 for no class": ({DROP: DROP.replace("null", "0")}, "becomes 0, which is a class"),
    "-1 for no class": ({DROP: DROP.replace("null", "-1")}, "becomes -1, for which there is no"),
    "a share written down": ({DROP: DROP.replace("< p", "< 0.1")}, "With dropout = 0, "),
    "one share or none": (
        {DROP: DROP.replace("< p", "< 0.2 * (p > 0)")},
        "With dropout = 0.15, ",
    ),
    "the largest label plus 1": (
        {DROP: DROP.replace("null", "labels.max() + 1")},
        "becomes 7, the largest label plus 1. It must become null_label, here 9",
    ),
    "nothing drawn in evaluation": (
        {ROWS: f"{ROWS}\n    if not training: return images[:B], labels[:B]"},
        "With training = False every batch holds the same images",
    ),
    "a seed in evaluation": (
        {ROWS: f"if not training: torch.manual_seed(0)\n    {ROWS}"},
        "a seed is set in the function",
    ),
    "the first images alone in evaluation": (
        {ROWS: f"{ROWS} if training else torch.randint(0, B, (B,))"},
        "With training = False: Only the first 20 images are drawn",
    ),
    "images shuffled in place": (
        {
            PAIR: "order = torch.randperm(len(images)); images[:] = images[order]; "
            "x, y = images[:B], labels[order][:B]"
        },
        "images of the data set are changed in place",
    ),
    "bytes": ({DROP: f"{DROP}; y = y.to(torch.uint8)"}, "int64 as they came, got torch.uint8"),
    "a hundredth too much": (
        {DROP: "y = torch.where(torch.randint(0, 100, (B,)) <= 100 * p, null, y)"},
        "With dropout = 0, ",
    ),
    "tenths": (
        {DROP: "y = torch.where(torch.randint(0, 10, (B,)) < int(10 * p), null, y)"},
        "With dropout = 0.15, 10% of the labels are withheld",
    ),
    "rounded rows": (
        {ROWS: "rows = (torch.rand(B) * (len(images) - 1)).round().long()"},
        "numbers are rounded",
    ),
    "one image squeezed": (
        {ROWS: "rows = torch.randint(0, len(images), (B, 1)).squeeze()"},
        "must return 1 images and 1 labels",
    ),
    "withheld by the row's number": (
        {DROP: "y = torch.where(rows % 10 < 10 * p, null, y)"},
        "Which labels are withheld depends on the image",
    ),
    "a mask over the data set": (
        {
            DROP: "g = torch.Generator().manual_seed(8); "
            "gone = torch.rand(len(labels), generator=g) < p; y = torch.where(gone[rows], null, y)"
        },
        "Which labels are withheld depends on the image",
    ),
    "one draw a class": (
        {DROP: "y = torch.where((torch.rand(null) < p)[y], null, y)"},
        "Images do not decide each for itself",
    ),
    "one draw for two images": (
        {DROP: "y = torch.where((torch.rand(B // 2) < p).repeat(2), null, y)"},
        "Images do not decide each for itself",
    ),
    "a seed before the mask": (
        {DROP: f"torch.manual_seed(0); {DROP}"},
        "a seed is set in the function",
    ),
    "a seeded mask": (
        {DROP: DROP.replace("rand(B)", "rand(B, generator=torch.Generator().manual_seed(3))")},
        "at the same places of every batch: a seed is set",
    ),
    "one image": (
        {ROWS: "rows = torch.randint(0, len(images), (1,)).expand(B)"},
        "A batch of 20 holds 1 different images",
    ),
    "half a batch, twice": (
        {ROWS: "rows = torch.randint(0, len(images), (B // 2,)).repeat(2)"},
        "not fewer rows that are repeated",
    ),
    "a block": (
        {ROWS: "start = torch.randint(0, len(images), ()); rows = (start + torch.arange(B)) % 60"},
        "a batch is a block of it",
    ),
    "a block, permuted": (
        {
            ROWS: "start = torch.randint(0, len(images), ()); "
            "rows = (start + torch.randperm(B)) % len(images)"
        },
        "a batch is a block of it, in another order. It leaves out 40 of 60 images in a row",
    ),
    "two blocks, permuted": (
        {
            ROWS: "half = torch.cat([torch.randint(0, 60, ()) + torch.arange(B // 2) for _ in "
            "'ab']); half = torch.cat([half, torch.randint(0, 60, (B % 2,))]); "
            "rows = half[torch.randperm(B)] % len(images)"
        },
        "a batch is a block of it, in another order",
    ),
    "every second of a block": (
        {
            ROWS: "start = torch.randint(0, 60, ()); rows = (start + 2 * torch.arange(B)) % 60",
        },
        "by the one that is 2 further",
    ),
    "a pointer": (
        {ROWS: "draw.k = getattr(draw, 'k', 0) + B; rows = (torch.arange(B) + draw.k) % 60"},
        "and no rows are drawn",
    ),
    "more of the first": (
        {ROWS: "rows = (torch.rand(B) ** 2 * len(images)).long()"},
        "Images are not equally likely",
    ),
    "integers below dropout": (
        {DROP: "y = torch.where(torch.rand_like(y) < p, null, y)"},
        "raised NotImplementedError",
    ),
    "three": ({"return x, y": "return x, y, rows"}, "must return two tensors, the images and"),
    "rows drawn twice": (
        {PAIR: "x, y = images[rows], labels[torch.randint(0, len(images), (B,))]"},
        " of 20 images have the label of another image. Draw the rows once",
    ),
    "images last": ({"return x, y": "return y, x"}, "returns the labels first"),
    "withheld before the draw": (
        {PAIR: f"labels = labels.clone(); labels[torch.rand(B) < p] = null; {PAIR}"},
        "Draw the rows first",
    ),
    "None for no class": (
        {DROP: "y = torch.where(torch.rand(B) < p, None, y)"},
        "is the argument null_label",
    ),
    "the first images": ({ROWS: "rows = torch.arange(B)"}, "nothing is drawn"),
    "seeded": ({ROWS: f"torch.manual_seed(0); {ROWS}"}, "a seed is set in the function"),
    "as many as a batch holds": (
        {ROWS: "rows = torch.randint(0, B, (B,))"},
        "is the number of images, not that of the batch",
    ),
    "the last image is missing": (
        {ROWS: "rows = torch.randint(0, len(images) - 1, (B,))"},
        "1 of 60 images never came",
    ),
    "the data set's labels in place": (
        {DROP: "labels[rows[torch.rand(B) < p]] = null; y = labels[rows]"},
        "what is withheld once is lost",
    ),
    "images withheld": (
        {PAIR: "x, y = images[rows] + 0.5 * torch.randn(B, 1, 1, 1).mul(0).add(1), labels[rows]"},
        "Withhold labels, and no pixels",
    ),
    "one-hot": (
        {"return x, y": "return x, F.one_hot(y, null + 1)"},
        "must return 20 images and 20 labels",
    ),
    "floating": ({"return x, y": "return x, y.float()"}, "Labels must stay integers"),
    "labels alone": ({"return x, y": "return y"}, "must return two tensors"),
    "all": (
        {ROWS: "rows = torch.randperm(len(images))", "rand(B)": "rand(len(y))"},
        "must return 20 images",
    ),
}


@pytest.mark.parametrize("edits", rows(RIGHT, 10))
def test_right_answers_pass(edits):
    assert_passed(check_told_batch(cell(edited(CODE, edits))))


@pytest.mark.parametrize(("edits", "note"), NOTED.values(), ids=NOTED)
def test_usual_answers_pass_with_a_note(edits, note):
    assert_passed(check_told_batch(cell(edited(CODE, edits))), note)


@pytest.mark.parametrize(("edits", "fragment"), WRONG.values(), ids=WRONG)
def test_the_mistake_is_named(edits, fragment):
    assert_wrong(check_told_batch(cell(edited(CODE, edits))), fragment)


BLOCK = "i = int(torch.randint(0, len(images) - B + 1, ())); rows = torch.arange(i, i + B)"
OF_A_CLASS = (
    "k = labels[torch.randint(0, len(images), ())]; of = (labels == k).nonzero().flatten(); "
    "rows = of[torch.randint(0, len(of), (B,))]"
)


@pytest.mark.parametrize(
    ("drawn", "start"),
    [(BLOCK, "In 100% of the cases an image is followed"), (OF_A_CLASS, "A batch of 20 holds")],
)
def test_rows_that_are_wrong_in_either_mode_are_not_laid_on_evaluation(drawn, start):
    result = check_told_batch(cell(edited(CODE, {ROWS: drawn})))
    assert_wrong(result, start)
    assert result.messages[0].startswith(start)


def test_the_packages_own_passes_and_leaves_the_data_set_as_it_is():
    assert_passed(check_told_batch(exercises.told_batch))
    images, labels = torch.arange(8.0).reshape(8, 1), torch.arange(8)
    shown, told = exercises.told_batch(images, labels, 1000, 8, 0.25, True)
    assert torch.equal(labels, torch.arange(8))
    assert 150 < (told == 8).sum() < 350
    assert torch.equal(told[told < 8], shown[told < 8, 0].long())


def test_an_empty_exercise_is_not_done():
    result = check_told_batch(blank(exercises.told_batch))
    assert result.status == "not done"
    assert result.messages[0] == "TODO 1 and TODO 2 are still open."
    assert check_told_batch(cell(edited(CODE, {"return x, y": "x, y"}))).status == "not done"
