"""The guided prediction in the styles of public code, and its mistakes."""

import pytest

from condlesson import guidance
from condlesson.checks import check_guided_prediction
from tests.answers import blank
from tests.checks.variants import assert_passed, assert_wrong, cell, edited

pytestmark = pytest.mark.usefixtures("one_thread")

CODE = """\
def guide(model, x, t, labels, null, s):
    told = torch.cat([labels, torch.full_like(labels, null)])
    both = model(torch.cat([x, x]), torch.cat([t, t]), told)
    cond, uncond = both.chunk(2)
    return uncond + s * (cond - uncond)
"""
TOLD = "told = torch.cat([labels, torch.full_like(labels, null)])"
BOTH = "both = model(torch.cat([x, x]), torch.cat([t, t]), told)"
SPLIT = "cond, uncond = both.chunk(2)"
END = "return uncond + s * (cond - uncond)"
TWO = "uncond = model(x, t, torch.full_like(labels, null)); cond = model(x, t, labels)"
TWO_CALLS = {TOLD: "pass", BOTH: "pass", SPLIT: TWO}
NOTE_TWO = "you call the model 2 times"
PAPER = "yours is the paper's convention"
RIGHT = {
    "as the task": {},
    "DiT: split by its size": {SPLIT: "cond, uncond = torch.split(both, len(both) // 2, dim=0)"},
    "DiT: three of the channels": {
        SPLIT: "eps, rest = both[:, :3], both[:, 3:]; cond, uncond = eps.chunk(2)",
        END: f"{END[7:].join(['half = ', ''])}; "
        "return torch.cat([torch.cat([half, half]), rest], dim=1)[: len(x)]",
    },
    "without a class first": {
        TOLD: "told = torch.cat([torch.full_like(labels, null), labels])",
        SPLIT: "uncond, cond = both.chunk(2)",
    },
    "repeated": {BOTH: "both = model(x.repeat(2, 1, 1, 1), t.repeat(2), told)"},
    "interleaved": {
        TOLD: "told = torch.stack([labels, torch.full_like(labels, null)], 1).flatten()",
        BOTH: "both = model(x.repeat_interleave(2, 0), t.repeat_interleave(2), told)",
        SPLIT: "cond, uncond = both[::2], both[1::2]",
    },
    "indexed": {SPLIT: "B = len(x); cond, uncond = both[:B], both[B:]"},
    "lerp, as in EDM2": {END: "return uncond.lerp(cond, s)"},
    "a weighted mean": {END: "return s * cond + (1 - s) * uncond"},
    "from the class on": {END: "return cond + (s - 1) * (cond - uncond)"},
    "a list of two": {
        TOLD: "null_labels = torch.tensor([null] * len(x)); told = torch.cat([labels, null_labels])"
    },
    "the model's device": {TOLD: f"{TOLD}.to(next(model.parameters()).device)"},
    "int32": {TOLD: f"{TOLD}.int()"},
    "in evaluation mode, and back": {
        BOTH: f"was = model.training; model.eval(); {BOTH}; model.train(was)"
    },
    "by view": {SPLIT: "cond, uncond = both.view(2, *x.shape)"},
    "without gradient": {BOTH: f"with torch.no_grad(): {BOTH}"},
}
NOTED = {
    "left in evaluation mode": (
        {BOTH: f"model.eval(); {BOTH}"},
        ["the model came in training mode, and is left in evaluation mode"],
    ),
    "two calls": (TWO_CALLS, [NOTE_TWO]),
    "two calls, None for no class": (
        {**TWO_CALLS, SPLIT: "uncond, cond = model(x, t, None), model(x, t, labels)"},
        [NOTE_TWO],
    ),
    "the scale one for each image": (
        {END: "s = torch.full((len(x), 1, 1, 1), s); " + END},
        ["takes no tensor of scales, one for each image"],
    ),
    "without the null at a scale of 1": (
        {TOLD: "if s == 1: return model(x, t, labels)\n    " + TOLD},
        ["takes no tensor of scales, one for each image"],
    ),
    "the paper's convention": ({END: "return (1 + s) * cond - s * uncond"}, [PAPER]),
    "the paper's, as a step": ({END: "return cond + s * (cond - uncond)"}, [PAPER]),
    "the paper's, in two calls": (
        {**TWO_CALLS, END: "return (1 + s) * cond - s * uncond"},
        [PAPER, NOTE_TWO],
    ),
}
AWAY = "cond and uncond have changed places"
WRONG = {
    "left in training mode": (
        {BOTH: f"model.train(); {BOTH}"},
        "The model came in evaluation mode, and is left in training mode",
    ),
    "asked in training mode": (
        {BOTH: f"was = model.training; model.train(); {BOTH}; model.train(was)"},
        "The model came in evaluation mode, and is asked in training mode",
    ),
    "one null label for all": (
        TWO_CALLS | {SPLIT: TWO.replace("torch.full_like(labels, null)", "torch.tensor(null)")},
        "Each image has a label: torch.full_like(labels, null_label)",
    ),
    "a null label with a point": (
        {TOLD: "told = torch.cat([labels, torch.ones(len(labels)) * null])"},
        "The model gets labels of torch.float32. They index the rows of a table",
    ),
    "all labels with a point": (
        {TOLD: f"{TOLD}.float()"},
        "The model gets labels of torch.float32",
    ),
    "away from the class": ({END: "return uncond + s * (uncond - cond)"}, AWAY),
    "from the class to none": ({END: "return cond + s * (uncond - cond)"}, AWAY),
    "halves swapped": (
        {SPLIT: "uncond, cond = both.chunk(2)"},
        "Your batch has the labels in its first half, so that half is cond",
    ),
    "halves swapped in the batch": (
        {TOLD: "told = torch.cat([torch.full_like(labels, null), labels])"},
        "Your batch has the labels in its second half, so that half is cond",
    ),
    "halves swapped, the paper's": (
        {SPLIT: "uncond, cond = both.chunk(2)", END: "return (1 + s) * cond - s * uncond"},
        AWAY,
    ),
    "the model without t": (
        {BOTH: "both = model(torch.cat([x, x]), told)"},
        "The model is called model(x_t, t, labels), three tensors in this order.",
    ),
    "almost, at other scales": (
        {END: f"s += 0.01 * (s != 3); {END}"},
        "With scale = 3 it is right, with scale = 0 it is not",
    ),
    "almost": (
        {END: f"{END} + 0.001 * torch.sin(99 * x)"},
        "With scale = 3 the result must be",
    ),
    "the class alone": ({END: "return cond"}, "This is the prediction with the class"),
    "no class": ({END: "return uncond"}, "This is the prediction without the class"),
    "scaled": ({END: "return s * cond"}, "The difference stands in brackets"),
    "guidance alone": ({END: "return s * (cond - uncond)"}, "Add it to the prediction without"),
    "added": ({END: "return uncond + s * cond"}, "Subtract the prediction without the class"),
    "no brackets": ({END: "return uncond + s * cond - uncond - uncond"}, "in brackets"),
    "halved": ({END: "return (cond + uncond) / 2"}, "it is 0.5 * cond + 0.5 * uncond"),
    "split in turn": ({SPLIT: "cond, uncond = both[::2], both[1::2]"}, "rows of the batch are"),
    "split along the channels": (
        {SPLIT: "cond, uncond = both.chunk(2, dim=1)"},
        "without dim=1",
    ),
    "not split": ({SPLIT: "cond, uncond = both, both"}, "must return the shape of x_t"),
    "0 for no class": (
        {TOLD: "told = torch.cat([labels, torch.zeros_like(labels)])"},
        "is asked with the label 0, which is a class",
    ),
    "-1 for no class": (
        {TOLD: "told = torch.cat([labels, torch.full_like(labels, -1)])"},
        "is asked with the label -1. It is asked with null_label",
    ),
    "labels twice": ({TOLD: "told = torch.cat([labels, labels])"}, "asked only with the labels"),
    "no labels": ({TOLD: "told = torch.full((6,), null)"}, "not asked with the labels"),
    "labels turned": (
        {TOLD: "told = torch.cat([labels.flip(0), torch.full_like(labels, null)])"},
        "An image of class 4 is asked with the label 2",
    ),
    "images in turn, labels in halves": (
        {BOTH: "both = model(x.repeat_interleave(2, 0), t.repeat_interleave(2), told)"},
        "that of another image",
    ),
    "timesteps in turn": (
        {BOTH: "both = model(torch.cat([x, x]), t.repeat_interleave(2), told)"},
        "the timestep of another image",
    ),
    "t not doubled": (
        {BOTH: "both = model(torch.cat([x, x]), t, told)"},
        "x_t, t and labels are all twice as long",
    ),
    "one noise for each half": (
        {BOTH: "both = model(torch.cat([x, torch.randn_like(x)]), torch.cat([t, t]), told)"},
        "The model is given other images",
    ),
    "no model": ({BOTH: "both = torch.cat([x, x])"}, "The model is never called"),
    "no brackets at all": ({END: "return uncond + s * cond - uncond"}, "in brackets"),
    "the largest label plus 1": (
        {TOLD: "told = torch.cat([labels, torch.full_like(labels, labels.max() + 1)])"},
        "is asked with the label 5",
    ),
    "the null label added": (
        {TOLD: "told = torch.cat([labels, labels + null])"},
        "neither its own nor null_label, here 9",
    ),
    "t and labels exchanged": (
        {BOTH: "both = model(torch.cat([x, x]), told, torch.cat([t, t]))"},
        "t and labels have changed places",
    ),
    "kept from the first call": (
        {
            BOTH: "guide.kept = getattr(guide, 'kept', None); k = guide.kept; "
            "guide.kept = model(torch.cat([x, x]), torch.cat([t, t]), told) if k is None else k; "
            "both = guide.kept"
        },
        "something is kept from an earlier call",
    ),
    "cut": ({END: f"{END.replace('return ', 'y = ')}; return y.clamp(-1, 1)"}, "as clamp or a div"),
    "tanh": ({END: f"{END.replace('return ', 'y = ')}; return y.tanh()"}, "no sum of the two"),
    "rescaled": (
        {END: f"{END.replace('return ', 'y = ')}; return y * (cond.std() / y.std())"},
        "in the end: return it as it is",
    ),
    "rescaled for each image": (
        {END: f"{END.replace('return ', 'y = ')}; return y / y.std((1, 2, 3), keepdim=True)"},
        "Something is applied to the result",
    ),
    "split by 2": ({SPLIT: "cond, uncond = both.split(2)"}, ".split takes the size of a part"),
    "the last dimension": ({SPLIT: "cond, uncond = both.chunk(2, dim=-1)"}, "the batch, into two"),
    "cat without a list": (
        {BOTH: "both = model(torch.cat(x, x), torch.cat(t, t), told)"},
        "torch.cat([a, b]).",
    ),
    "another keyword": (
        {BOTH: "both = model(torch.cat([x, x]), torch.cat([t, t]), y=told)"},
        "The model is called model(x_t, t, labels)",
    ),
    "one argument too few": (
        {"labels, null, s)": "labels, null)", "s * (": "3 * ("},
        "Keep the arguments of the exercise",
    ),
    "a number joined": (
        {TOLD: "told = torch.cat([labels, null])"},
        "Make a tensor of it: torch.full_like",
    ),
    "labels in place": (
        {
            TOLD: "both = [model(x, t, labels)]; labels[:] = null",
            BOTH: "both = torch.cat([*both, model(x, t, labels)])",
        },
        "in place: labels",
    ),
    "a scale written down": ({END: END.replace("s *", "3 *")}, "with scale = 0 it is not"),
    "a scale clamped": ({END: f"s = max(s, 1); {END}"}, "with scale = 0 it is not"),
}


@pytest.mark.parametrize("edits", RIGHT.values(), ids=RIGHT)
def test_right_answers_pass(edits):
    assert_passed(check_guided_prediction(cell(edited(CODE, edits))))


@pytest.mark.parametrize(("edits", "notes"), NOTED.values(), ids=NOTED)
def test_usual_answers_pass_with_a_note(edits, notes):
    assert_passed(check_guided_prediction(cell(edited(CODE, edits))), *notes)


@pytest.mark.parametrize(("edits", "fragment"), WRONG.values(), ids=WRONG)
def test_the_mistake_is_named(edits, fragment):
    assert_wrong(check_guided_prediction(cell(edited(CODE, edits))), fragment)


def test_the_packages_own_passes_and_its_scaffold_is_not_done():
    assert_passed(check_guided_prediction(guidance.guided_prediction))
    result = check_guided_prediction(blank(guidance.guided_prediction))
    assert result.status == "not done"
    assert result.messages[0] == "TODO 1 and TODO 2 are still open."
