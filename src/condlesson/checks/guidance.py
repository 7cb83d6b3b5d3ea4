"""Check of exercise 5: the guided prediction, from one batch with and without the class."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from condlesson import guidance
from condlesson.checks.harness.answer import as_function, call_on, cured, shape
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check

__all__ = ["check_guided_prediction"]

ARGUMENTS = "model, x_t, t, labels, null_label, scale"
NULL = 5
STEPS, LABELS = torch.tensor([20, 700, 999]), torch.tensor([4, 0, 2])
X_T = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(7))
FORMULA = "uncond + scale * (cond - uncond)"


class Asked(NamedTuple):
    """A row of a batch that the model was asked: image, timestep and label."""

    image: int
    t: int
    label: int


class _Model:
    """A stand-in for a network: notes what it is asked, and has an answer of its own to each."""

    def __init__(self) -> None:
        self.calls: list[list[Asked]] = []

    def __call__(self, x_t: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        labels = torch.full((len(x_t),), NULL) if labels is None else torch.as_tensor(labels)
        t = torch.as_tensor(t).expand(len(x_t)) if torch.as_tensor(t).ndim == 0 else t
        if len(t) != len(x_t) or labels.shape != t.shape:
            raise ValueError(
                f"the model got {len(x_t)} images, {len(t)} timesteps and labels {shape(labels)}."
            )
        images = [_which(image) for image in x_t]
        rows = zip(images, t.tolist(), labels.tolist(), strict=True)
        self.calls.append([Asked(*row) for row in rows])
        return _answers(x_t, t, labels)


def _answers(x_t: Tensor, t: Tensor, labels: Tensor) -> Tensor:
    place = torch.linspace(0, 3, x_t[0].numel()).reshape(x_t[0].shape)
    turn = (1.3 * labels + t / 300).reshape(-1, 1, 1, 1)
    return torch.sin(2 * x_t + place * (1 + labels.reshape(-1, 1, 1, 1)) + turn)


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
    model = _Model()
    got = _guide(fn, 3.0, model)
    _check_asked(model.calls)
    offset = _offset(got, model.calls)
    for scale in (0.0, 1.0, 7.5, -1.0):
        right = _mix(scale + offset)
        if not torch.allclose(_guide(fn, scale), right, atol=1e-4):
            raise Wrong(
                f"With scale = 3 it is right, with scale = {scale:g} it is not. The same formula "
                f"holds for every scale: {FORMULA}."
            )
    return _notes(offset, model.calls)


def _guide(fn: Callable, scale: float, model: _Model | None = None) -> Tensor:
    what = f"{name_of(fn)}({ARGUMENTS}) with x_t {shape(X_T)} and scale = {scale:g}"
    told = (model or _Model()), X_T, STEPS, LABELS, NULL, scale
    with cured(_cure):
        got = call_on(fn, *told, what=what)
    if got.shape != X_T.shape:
        raise Wrong(
            f"{what} must return the shape of x_t, got {shape(got)}. Take the batch of twice the "
            "size apart along its first dimension: .chunk(2)."
        )
    return got.detach().float()


def _cure(failure: Failure) -> str:
    if "the model got" in failure.text:
        return "In the batch of twice the size, x_t, t and labels are all twice as long."
    if "not enough values to unpack" in failure.text:
        return "Split along the first dimension, the batch: .chunk(2), without dim=1."
    return ""


def _check_asked(calls: list[list[Asked]]) -> None:
    """Each image is asked with its own timestep, once with its label and once with the null."""
    asked = [row for rows in calls for row in rows]
    if not asked:
        raise Wrong("The model is never called. Ask it with the labels, and with null_label.")
    if any(row.image < 0 for row in asked):
        raise Wrong("The model is given other images than x_t. Join x_t with itself, unchanged.")
    astray = next((row for row in asked if row.t != STEPS[row.image]), None)
    if astray:
        raise Wrong(
            f"The image at t = {STEPS[astray.image]} is asked with t = {astray.t}, the timestep of "
            "another image. Double x_t, t and labels in the same way, all with torch.cat."
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


def _mix(scale: float) -> Tensor:
    cond, uncond = _answers(X_T, STEPS, LABELS), _answers(X_T, STEPS, torch.full_like(LABELS, NULL))
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
        (3, 0): "The prediction with the class is multiplied by scale, and that without is gone.",
        (3, -3): "This is the guidance alone. Add it to the prediction without the class.",
        (3, 1): "Subtract the prediction without the class before you multiply by scale.",
        (3, -1): "Only cond is multiplied by scale. It belongs to the difference, in brackets.",
        (-3, 3): turned,
    }
    if shares in known:
        raise Wrong(known[shares])
    found = f"it is {a:.3g} * cond + {b:.3g} * uncond" if mixed else "rows of the batch are mixed"
    raise Wrong(
        f"With scale = 3 the result must be {FORMULA}, which is 3 * cond - 2 * uncond; {found}. "
        "chunk(2) takes a batch apart in the order in which torch.cat joined it."
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
