"""Check of exercise 5: the guided prediction, from one batch with and without the class."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor, nn

from condlesson import guidance
from condlesson.checks.harness.answer import as_function, call_on, cured, shape
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check

__all__ = ["check_guided_prediction"]

ARGUMENTS = "model, x_t, t, labels, null_label, scale"
NULL = 9  # not the largest label plus 1
STEPS, LABELS = torch.tensor([20, 700, 999]), torch.tensor([4, 0, 2])
X_T = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(7))
FORMULA = "uncond + scale * (cond - uncond)"


class Asked(NamedTuple):
    """A row of a batch that the model was asked: image, timestep and label."""

    image: int
    t: int
    label: int


class Model(nn.Module):
    """A stand-in for a network: notes what it is asked, and has an answer of its own to each."""

    def __init__(self, null: int = NULL) -> None:
        super().__init__()
        self.null = null
        self.calls: list[list[Asked]] = []
        self.misfit = ""  # what of a call did not fit together
        self.modes: set[bool] = set()  # in which it was asked: True while it trains
        self.weight = nn.Parameter(torch.zeros(1))  # whose device may be asked for

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """Predict, or note that images, timesteps and labels of a call do not fit together."""
        self.modes.add(self.training)
        labels = torch.full((len(x_t),), self.null) if labels is None else torch.as_tensor(labels)
        if labels.dtype not in (torch.int64, torch.int32):
            self.misfit = (
                f"The model gets labels of {labels.dtype}. They index the rows of a table, and "
                "stay int64: torch.full_like(labels, null_label)."
            )
        t = torch.as_tensor(t).expand(len(x_t)) if torch.as_tensor(t).ndim == 0 else t
        if len(t) != len(x_t) or labels.shape != t.shape:
            alone = labels.numel() == 1
            self.misfit = (
                f"The model gets {len(x_t)} images, {len(t)} timesteps and labels {shape(labels)}. "
                + (
                    "Each image has a label: torch.full_like(labels, null_label)."
                    if alone
                    else "In the batch of twice the size, x_t, t and labels are all twice as long."
                )
            )
            return torch.zeros_like(x_t)
        images = [_which(image) for image in x_t]
        rows = zip(images, t.tolist(), labels.tolist(), strict=True)
        self.calls.append([Asked(*row) for row in rows])
        return _answers(x_t, t, labels)


def _answers(x_t: Tensor, t: Tensor, labels: Tensor) -> Tensor:
    place = torch.linspace(0, 3, x_t[0].numel()).reshape(x_t[0].shape)
    turn = (1.3 * labels + t / 300).reshape(-1, 1, 1, 1)
    return 4 * torch.sin(2 * x_t + place * (1 + labels.reshape(-1, 1, 1, 1)) + turn)


def _which(image: Tensor) -> int:
    return next((k for k, x in enumerate(X_T) if torch.allclose(image.float(), x)), -1)


def check_guided_prediction(fn: Callable) -> CheckResult:
    """Check the guided prediction of classifier-free guidance.

    Args:
        fn: Called as fn(model, x_t, t, labels, null_label, scale); returns the shape of x_t.

    Returns:
        What was found.
    """
    return run_check(
        "check_guided_prediction",
        fn,
        _guided_prediction,
        exercise=guidance.guided_prediction,
        praise="Well done: from the prediction without the class you go towards the one with it, "
        "and beyond. Next, say which scale draws images as if nobody had named a class.",
    )


def _guided_prediction(answer: object) -> list[str]:
    fn = as_function(answer, f"guided_prediction({ARGUMENTS})")
    model = Model()
    got = _guide(fn, 3.0, model)
    if model.misfit:
        raise Wrong(model.misfit)
    _check_asked(model.calls)
    offset = _offset(got, model.calls)
    for scale in (0.0, 1.0, 7.5, -1.0):
        right = _mix(scale + offset)
        if not torch.allclose(_guide(fn, scale), right, atol=1e-4):
            raise Wrong(
                f"With scale = 3 it is right, with scale = {scale:g} it is not. The same formula "
                f"holds for every scale: {FORMULA}."
            )
    if not torch.allclose(_guide(fn, 3.0, x_t=-X_T), _mix(3.0 + offset, -X_T), atol=1e-4):
        raise Wrong(
            "For another x_t the result is wrong: something is kept from an earlier call. Ask the "
            "model anew in each."
        )
    _check_others(fn, offset)
    return [*_mode_note(model), *_notes(offset, model.calls), *_scale_note(fn, offset)]


def _check_others(fn: Callable, offset: int) -> None:
    """Another number of images, other timesteps and labels, and another null label."""
    for x_t, t, labels, null in (
        (X_T[:2], STEPS[1:], torch.tensor([6, 6]), 11),
        (X_T[:1], STEPS[:1], LABELS[:1], 10),
        (X_T[:1], torch.tensor([0]), torch.tensor([3]), 0),
    ):
        right = _mix(2.0 + offset, x_t, t, labels, null)
        got = _guide(fn, 2.0, None, x_t, (t, labels, null))
        if not torch.allclose(got, right, atol=1e-4):
            raise Wrong(
                f"For {len(LABELS)} images, null_label = {NULL} and scale = 3 it is right, for "
                f"{len(x_t)} at t = {t.tolist()} with the labels {labels.tolist()}, null_label = "
                f"{null} and scale = 2 it is not. Take all numbers from the arguments, and keep "
                "nothing between calls."
            )


def _scale_note(fn: Callable, offset: int) -> list[str]:
    """Whether each image may have a scale of its own, (B, 1, 1, 1)."""
    scales = torch.tensor([3.0, 1.0, 0.5]).reshape(-1, 1, 1, 1)
    with suppress(Wrong):
        if torch.allclose(_guide(fn, scales), _mix(scales + offset), atol=1e-4):
            return []
    return [
        "Note: your function takes no tensor of scales, one for each image, (B, 1, 1, 1). The "
        "page's does."
    ]


def _guide(
    fn: Callable,
    scale: float | Tensor,
    model: Model | None = None,
    x_t: Tensor = X_T,
    told: tuple[Tensor, Tensor, int] = (STEPS, LABELS, NULL),
) -> Tensor:
    shown = f"{scale:g}" if isinstance(scale, float) else f"a tensor {shape(scale)}"
    what = f"{name_of(fn)}({ARGUMENTS}) with x_t {shape(x_t)} and scale = {shown}"
    model = model or Model(told[2]).eval()
    was_training = model.training
    with cured(_cure):
        got = call_on(fn, model, x_t, *told, scale, what=what)
    _check_mode(model, was_training)
    if got.shape != x_t.shape:
        raise Wrong(
            f"{what} must return the shape of x_t, got {shape(got)}. Take the batch of twice the "
            "size apart along its first dimension: .chunk(2)."
        )
    return got.detach().float()


def _check_mode(model: Model, was_training: bool) -> None:
    """Who calls the function has set the mode; training mode changes what is predicted."""
    if model.training and not was_training:
        raise Wrong(
            "The model came in evaluation mode, and is left in training mode. Who calls the "
            "function has set the mode, and goes on with it: leave out model.train()."
        )
    if True in model.modes and not was_training:
        raise Wrong(
            "The model came in evaluation mode, and is asked in training mode, in which a dropout "
            "changes its predictions. Leave out model.train()."
        )


def _cure(failure: Failure) -> str:
    if "Model.forward()" in failure.text:
        return "The model is called model(x_t, t, labels), three tensors in this order."
    if re.search(r"argument 'tensors' .* not Tensor", failure.text):
        return "torch.cat takes a list of tensors: torch.cat([a, b])."
    if re.search(r"(?:not enough|too many) values to unpack|must match the size", failure.text):
        return (
            "Split along the first dimension, the batch, into two halves: .chunk(2), without "
            "dim=1; .split takes the size of a part."
        )
    return ""


def _mode_note(model: Model) -> list[str]:
    """Of a model that came in training mode."""
    if model.training:
        return []
    return [
        "Note: the model came in training mode, and is left in evaluation mode. Who trains it with "
        "samples in between would go on so. A sampler sets the mode, and puts it back."
    ]


def _check_asked(calls: list[list[Asked]]) -> None:
    """Each image is asked with its own timestep, once with its label and once with the null."""
    asked = [row for rows in calls for row in rows]
    if not asked:
        raise Wrong("The model is never called. Ask it with the labels, and with null_label.")
    if any(row.image < 0 for row in asked):
        raise Wrong("The model is given other images than x_t. Join x_t with itself, unchanged.")
    if all(row.label in STEPS.tolist() and row.t in (*LABELS.tolist(), NULL) for row in asked):
        raise Wrong("t and labels have changed places. The model is called model(x_t, t, labels).")
    astray = next((row for row in asked if row.t != STEPS[row.image]), None)
    if astray:
        raise Wrong(
            f"The image at t = {STEPS[astray.image]} is asked with t = {astray.t}"
            f"{', the timestep of another image' * (astray.t in STEPS)}. Double x_t, "
            "t and labels in the same way, all with torch.cat."
        )
    own = {row.image for row in asked if row.label == LABELS[row.image]}
    null = {row.image for row in asked if row.label == NULL}
    strange = next((r for r in asked if r.label not in (NULL, LABELS[r.image])), None)
    if strange and not null:
        raise Wrong(
            f"The prediction without a class is asked with the label {strange.label}"
            f"{', which is a class' if 0 <= strange.label < NULL else ''}. It is asked with "
            f"null_label, here {NULL}."
        )
    if strange and strange.label not in LABELS:
        raise Wrong(
            f"An image of class {LABELS[strange.image]} is asked with the label {strange.label}, "
            f"neither its own nor null_label, here {NULL}. Labels without a class are "
            "torch.full_like(labels, null_label)."
        )
    if strange:
        raise Wrong(
            f"An image of class {LABELS[strange.image]} is asked with the label {strange.label}, "
            "that of another image. Double x_t and labels in the same way, all with torch.cat."
        )
    if len(own) < len(X_T):
        raise Wrong("The model is not asked with the labels: every label is null_label.")
    if len(null) < len(X_T):
        raise Wrong(
            "The model is asked only with the labels. Guidance needs the prediction with "
            "null_label as well, for each image."
        )


def _mix(
    scale: float | Tensor,
    x_t: Tensor = X_T,
    t: Tensor = STEPS,
    labels: Tensor = LABELS,
    null: int = NULL,
) -> Tensor:
    cond, uncond = (_answers(x_t, t, k) for k in (labels, torch.full_like(labels, null)))
    return uncond + scale * (cond - uncond)


def _offset(got: Tensor, calls: list[list[Asked]]) -> int:
    """0 where scale = 1 is the class alone, and 1 where scale = 0 is; what is neither is wrong."""
    cond, uncond = _mix(1.0), _mix(0.0)
    parts = torch.stack([cond.flatten(), uncond.flatten()], dim=1).double()
    a, b = torch.linalg.lstsq(parts, got.flatten().double()).solution.tolist()
    mixed = torch.allclose(got, a * cond + b * uncond, atol=1e-4)
    shares = (round(a, 3), round(b, 3)) if mixed else None
    if shares in ((3, -2), (4, -3)):
        return int(shares == (4, -3))
    turned = (
        "The guidance goes away from the class: cond and uncond have changed places. "
        f"{_order(calls)}The formula is {FORMULA}."
    )
    known = {
        (-2, 3): turned,
        (-3, 4): turned,
        (1, 0): "This is the prediction with the class, whatever scale is.",
        (0, 1): "This is the prediction without the class, whatever scale is.",
        (3, 0): "This is scale * cond: the prediction without the class is not there, or cancels. "
        f"The difference stands in brackets: {FORMULA}.",
        (3, -3): "This is the guidance alone. Add it to the prediction without the class.",
        (3, 1): "Subtract the prediction without the class before you multiply by scale.",
        (3, -1): "Only cond is multiplied by scale. It belongs to the difference, in brackets.",
        (-3, 3): turned,
    }
    if shares in known:
        raise Wrong(known[shares])
    raise Wrong(
        f"With scale = 3 the result must be {FORMULA}, which is 3 * cond - 2 * uncond; "
        f"{_found(a, b) if mixed else _found_of_rows(got, cond, uncond)}"
    )


def _found(a: float, b: float) -> str:
    """What is wrong if all rows are a * cond + b * uncond."""
    found = f"it is {a:.3g} * cond + {b:.3g} * uncond."
    if abs(a * -2 - b * 3) < 1e-2 * abs(a):
        return f"{found} It is multiplied by {a / 3:.3g} in the end: return it as it is."
    return found


def _found_of_rows(got: Tensor, cond: Tensor, uncond: Tensor) -> str:
    """What is wrong if they are not: rows that are mixed, or something behind the formula."""
    rows = torch.cat([cond, uncond]).flatten(1).T.double()
    shares = torch.linalg.lstsq(rows, got.flatten(1).T.double()).solution
    foreign = shares.reshape(2, len(got), len(got)) * (1 - torch.eye(len(got)))
    fits = torch.allclose((rows @ shares).T, got.flatten(1).double(), atol=1e-3)
    if fits and foreign.abs().max() > 1e-2:
        return (
            "rows of the batch are mixed. chunk(2) takes a batch apart in the order in which "
            "torch.cat joined it."
        )
    return (
        "it is no sum of the two. Something is applied to the result, or to the predictions, such "
        "as clamp or a division by their own std: take them as they are."
    )


def _order(calls: list[list[Asked]]) -> str:
    if len(calls) != 1:
        return ""
    half = "first" if calls[0][0].label == LABELS[calls[0][0].image] else "second"
    return f"Your batch has the labels in its {half} half, so that half is cond. "


def _notes(offset: int, calls: list[list[Asked]]) -> list[str]:
    notes = []
    if offset:
        notes.append(
            "Note: yours is the paper's convention, in which a scale of 0 is the class alone. "
            "With this page's scale s, write s - 1 for it."
        )
    if len(calls) > 1:
        notes.append(
            f"Note: you call the model {len(calls)} times. One call, on a batch of twice the size, "
            "gives the same."
        )
    return notes
