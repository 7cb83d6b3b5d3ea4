"""Check of exercise 5: a batch of images with their labels, of which some are withheld."""

from collections.abc import Callable

import torch
from torch import Tensor

from condlesson import exercises
from condlesson.checks.harness.answer import as_function, call, shape
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import NotDone, Wrong, name_of, run_check

__all__ = ["check_told_batch"]

ARGUMENTS = "images, labels, batch_size, null_label, dropout, training"
IMAGES, CLASSES, NULL = 60, 7, 7
LABELS = torch.arange(IMAGES).mul(31).remainder(CLASSES)  # in no order of the images
MANY = 150  # batches of 20: 3000 labels


def check_told_batch(fn: Callable) -> CheckResult:
    """Check the drawing of images with their labels, and the withholding of labels.

    Args:
        fn: Called as fn(images, labels, batch_size, null_label, dropout, training); returns
            images of shape (batch_size, ...) and labels of shape (batch_size,).

    Returns:
        What was found.
    """
    return run_check(
        "check_told_batch",
        fn,
        _told_batch,
        exercise=exercises.told_batch,
        praise="Well done: each image decides for itself whether its label is withheld, and "
        "nothing is withheld in evaluation. Next, say what a network learns if dropout is 1.",
    )


def _told_batch(answer: object) -> list[str]:
    fn = as_function(answer, f"told_batch({ARGUMENTS})")
    first, again = _draw(fn, 20, 0.0), _draw(fn, 20, 0.0)
    if torch.equal(first[0], again[0]):
        raise Wrong(
            "Every batch holds the same images: nothing is drawn, or from a seed that is set in "
            "the function. torch.randint(0, len(images), (batch_size,)) draws rows."
        )
    _check_pairs(*first)
    counted = [_check_share(fn, dropout) for dropout in (0.2, 0.7)]
    _check_ends(fn)
    _check_reach(fn)
    if not all(counted):
        return []
    return [
        "Note: each batch withholds the same number of labels. Most code lets each image draw by "
        "itself, which also works where a batch is smaller than 1 / dropout."
    ]


def _draw(fn: Callable, size: int, dropout: float, training: bool = True) -> tuple[Tensor, Tensor]:
    """Numbers of the drawn images, and what was told of them."""
    images = torch.arange(IMAGES).float().reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()
    labels = LABELS.clone()
    what = f"{name_of(fn)}(..., {size}, {NULL}, {dropout}, {training})"
    result = call(fn, images, labels, size, NULL, dropout, training, what=what)
    if result is None or result is Ellipsis:
        raise NotDone(f"{what} returned {result}.")
    pair = isinstance(result, (tuple, list)) and len(result) == 2
    if not pair or not all(isinstance(part, Tensor) for part in result):
        raise Wrong(f"{what} must return two tensors, the images and their labels.")
    if not torch.equal(labels, LABELS):
        raise Wrong(
            "The labels of the data set are changed in place: what is withheld once is lost for "
            "good. Make new ones: torch.where, masked_fill or clone."
        )
    shown, told = result
    if shown.shape != (size, 1, 2, 2) or told.shape != (size,):
        raise Wrong(
            f"{what} must return {size} images and {size} labels, {shape((size, 1, 2, 2))} and "
            f"{shape((size,))}, got {shape(shown)} and {shape(told)}."
        )
    if told.is_floating_point() or told.dtype == torch.bool:
        raise Wrong(f"Labels must stay integers, which index rows, got {told.dtype}.")
    numbers = shown.flatten(1).mean(dim=1).round().long()
    if not torch.equal(shown, numbers.float().reshape(-1, 1, 1, 1).expand_as(shown)):
        raise Wrong("The images are not those of the data set. Withhold labels, and no pixels.")
    return numbers, told.long()


def _check_pairs(numbers: Tensor, told: Tensor) -> None:
    """Without any dropout each image keeps its label."""
    right = LABELS[numbers.clamp(0, IMAGES - 1)]
    if torch.equal(told, right):
        return
    if (told == NULL).all():
        raise Wrong(
            "With dropout = 0 every label is withheld: the comparison is the wrong way round. A "
            "label is withheld where torch.rand is below dropout."
        )
    if (told == NULL).any():
        raise Wrong("With dropout = 0 labels are withheld. The probability is the argument.")
    off = int((told != right).sum())
    raise Wrong(
        f"{off} of {len(told)} images have the label of another image. Draw the rows once, and "
        "take images and labels from the same rows."
    )


def _check_share(fn: Callable, dropout: float) -> bool:
    """Whether each batch withholds the same number of labels."""
    withheld, others = [], []
    for _ in range(MANY):
        numbers, told = _draw(fn, 20, dropout)
        changed = told != LABELS[numbers]
        withheld.append(changed.float().mean())
        others.append(told[changed & (told != NULL)])
    shares, others = torch.stack(withheld), torch.cat(others)
    share = shares.mean().item()
    if len(others):
        value = int(others.mode().values)
        meaning = "which is a class" if 0 <= value < CLASSES else "for which there is no row"
        raise Wrong(
            f"A withheld label becomes {value}, {meaning}. It must become null_label, here {NULL}."
        )
    if share == 0:
        raise Wrong(f"With dropout = {dropout} no label is withheld while training.")
    if ((shares == 0) | (shares == 1)).all():
        raise Wrong(
            "Labels are withheld for a whole batch or for none of it: one number is drawn for the "
            "batch. Draw one for each image: torch.rand(batch_size) < dropout."
        )
    if abs(share - dropout) > 0.05:  # more than five standard deviations of 3000 draws
        raise Wrong(f"With dropout = {dropout}, {share:.0%} of the labels are withheld.")
    return shares.std().item() < 1e-6


def _check_ends(fn: Callable) -> None:
    if (_draw(fn, 20, 1.0)[1] != NULL).any():
        raise Wrong("With dropout = 1 some labels are told. torch.rand is always below 1.")
    for dropout in (0.5, 1.0):
        numbers, told = _draw(fn, 20, dropout, training=False)
        if not torch.equal(told, LABELS[numbers]):
            raise Wrong(
                "Labels are withheld in evaluation, too: training = False must tell every label. "
                "Who wants a prediction without a class asks for it with null_label."
            )


def _check_reach(fn: Callable) -> None:
    drawn = torch.cat([_draw(fn, 20, 0.0)[0] for _ in range(MANY)])
    never = IMAGES - len(drawn.unique())
    if never:
        raise Wrong(
            f"{never} of {IMAGES} images never came in {len(drawn)} draws. Draw from all of them: "
            "torch.randint(0, len(images), (batch_size,))."
        )
