"""Check of exercise 5: a batch of images with their labels, of which some are withheld."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from condlesson import exercises
from condlesson.checks.harness.answer import as_function, call, cured, shape
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import NotDone, Raised, Wrong, name_of, run_check
from condlesson.checks.instruments.chance import unevenness

__all__ = ["check_told_batch"]

ARGUMENTS = "images, labels, batch_size, null_label, dropout, training"
IMAGES, CLASSES, NULL = 60, 7, 9  # the null label is not the largest label plus 1
LABELS = torch.arange(IMAGES).mul(31).remainder(CLASSES)  # in no order of the images
PIXELS = torch.rand(IMAGES, 1, 2, 3, generator=torch.Generator().manual_seed(12)) * 2 - 1
SIZE, MANY = 20, 150  # images in a batch, and batches: 3000 labels
RARE = 0.15, 0.85  # shares that are withheld; no tenths
UNEVEN = 160.0  # chi-square of 60 images, which chance exceeds once in 10**10 checks
RAND = "torch.rand(batch_size) < dropout"


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
    first, *others = (_draw(fn, SIZE, 0.0) for _ in range(3))
    _check_pairs(*first)
    for _ in range(100):  # a probability of 1% shows
        _check_pairs(*_draw(fn, SIZE, 0.0))
    if any(torch.equal(one[0], other[0]) for one, other in pairwise([first, *others])):
        raise Wrong(
            "Every batch holds the same images: nothing is drawn, or from a seed that is set in "
            "the function. torch.randint(0, len(images), (batch_size,)) draws rows."
        )
    few, many = (_withheld(fn, dropout) for dropout in RARE)
    _check_alone([few, many])
    for batches in (few, many):
        _check_share(batches)
    _check_reach(torch.cat([few.numbers, many.numbers]))
    _check_ends(fn)
    _check_evaluation(fn)
    _draw(fn, 1, 0.0, training=False)  # .squeeze() takes the batch away from one image
    _check_others(fn)
    if not all(batches.share.std() < 1e-6 for batches in (few, many)):
        return []
    return [
        "Note: each batch withholds the same number of labels. Most code lets each image draw by "
        "itself, which also works where a batch is smaller than 1 / dropout."
    ]


def _draw(
    fn: Callable,
    size: int,
    dropout: float,
    training: bool = True,
    count: int = IMAGES,
    null: int = NULL,
) -> tuple[Tensor, Tensor]:
    """Numbers of the drawn images, and what was told of them."""
    images, labels = PIXELS[:count].clone(), LABELS[:count].clone()
    what = f"{name_of(fn)}(..., {size}, {null}, {dropout}, {training})"
    with cured(_cure):
        result = call(fn, images, labels, size, null, dropout, training, what=what)
    if result is None or result is Ellipsis:
        raise NotDone(f"{what} returned {result}.")
    pair = isinstance(result, (tuple, list)) and len(result) == 2
    if not pair or not all(isinstance(part, Tensor) for part in result):
        raise Wrong(f"{what} must return two tensors, the images and their labels.")
    if not torch.equal(labels, LABELS[:count]):
        raise Wrong(
            "The labels of the data set are changed in place: what is withheld once is lost for "
            "good. Make new ones: torch.where, masked_fill or clone."
        )
    if not torch.equal(images, PIXELS[:count]):
        raise Wrong(
            "The images of the data set are changed in place, so that in the next batch they no "
            "longer fit their labels. Take rows of them: images[rows]."
        )
    shown, told = result
    if told.ndim == 4 and shown.shape == (size,):
        raise Wrong(f"{what} returns the labels first. Return the images, then their labels.")
    wanted = (size, *PIXELS.shape[1:])
    if shown.shape != wanted or told.shape != (size,):
        raise Wrong(
            f"{what} must return {size} images and {size} labels, {shape(wanted)} and "
            f"{shape((size,))}, got {shape(shown)} and {shape(told)}."
        )
    if told.dtype not in (torch.int64, torch.int32):
        raise Wrong(
            f"Labels must stay integers, which index rows: int64 as they came, got {told.dtype}."
        )
    off = (shown.float()[:, None] - PIXELS[None, :count]).flatten(2).abs().amax(dim=2)
    if not bool((off.amin(dim=1) == 0).all()):
        raise Wrong("The images are not those of the data set. Withhold labels, and no pixels.")
    return off.argmin(dim=1), told.long()


def _cure(failure: Failure) -> str:
    """A mask of the batch on the labels of the data set, None for no class, or one `if` for all."""
    if "shape of the mask" in failure.text:
        return (
            "The mask has a place for each image of the batch, and these labels are those of the "
            "whole data set. Draw the rows first, labels = labels[rows], then withhold."
        )
    if "dropout" in failure.code and "can't be cast" in failure.text:
        return (
            "F.dropout makes numbers 0 and enlarges the rest, and labels are no such numbers. "
            "Choose between two labels: torch.where(withheld, null_label, labels)."
        )
    if "out of bounds" in failure.text or "out of range" in failure.text:
        return "Rows are 0 .. len(images) - 1: torch.randint(len(images), (size,))."
    if "NoneType" in failure.text and re.search(r"\bNone\b", failure.code):
        return "None is no label. What stands for no class is the argument null_label."
    return ""


def _check_pairs(numbers: Tensor, told: Tensor) -> None:
    """Without any dropout each image keeps its label."""
    right = LABELS[numbers.clamp(0, IMAGES - 1)]
    if torch.equal(told, right):
        return
    count = int((told == NULL).sum())
    odd = told[(told != right) & (told != NULL)]
    if count and len(odd):
        raise Wrong(
            f"With dropout = 0 a label becomes {int(odd[0])}, which is neither its own nor "
            "null_label. Choose one of the two: torch.where(withheld, null_label, labels)."
        )
    if count == len(told):
        raise Wrong(
            f"With dropout = 0 every label is withheld. A label is withheld where {RAND}, and "
            "torch.where takes null_label before the labels: torch.where(withheld, null_label, "
            "labels)."
        )
    if count:
        raise Wrong(
            f"With dropout = 0, {count} of {len(told)} labels are withheld. The probability is "
            f"dropout, and no number of your own, and torch.rand is never below 0, as torch.randn "
            f"is: {RAND}."
        )
    off = int((told != right).sum())
    raise Wrong(
        f"{off} of {len(told)} images have the label of another image. Draw the rows once, and "
        "take images and labels from the same rows."
    )


class _Batches(NamedTuple):
    """What many batches told of their images, (MANY, SIZE) each."""

    dropout: float
    numbers: Tensor  # of the images
    changed: Tensor  # where a label is withheld

    @property
    def share(self) -> Tensor:
        """Of the withheld labels, in each batch."""
        return self.changed.double().mean(dim=1)


def _withheld(fn: Callable, dropout: float) -> _Batches:
    drawn = [_draw(fn, SIZE, dropout) for _ in range(MANY)]
    numbers, told = (torch.stack(parts) for parts in zip(*drawn, strict=True))
    changed = told != LABELS[numbers]
    others = told[changed & (told != NULL)]
    grown = changed & (told != 0) & (told != NULL)
    if 0 in others and grown.any() and (told > LABELS[numbers])[grown].all():
        raise Wrong(
            "Labels become 0 and other numbers. Is it F.dropout? It makes numbers 0 and enlarges "
            "the rest. Choose between two labels: torch.where(withheld, null_label, labels)."
        )
    if len(others):
        value = int(others.mode().values)
        meaning = "which is a class" if 0 <= value < CLASSES else "for which there is no row"
        meaning = "the largest label plus 1" if value == CLASSES else meaning
        raise Wrong(
            f"A withheld label becomes {value}, {meaning}. It must become null_label, here {NULL}."
        )
    if not changed.any():
        raise Wrong(f"With dropout = {dropout} no label is withheld while training.")
    found = _Batches(dropout, numbers, changed)
    if ((found.share == 0) | (found.share == 1)).all():
        raise Wrong(
            "Labels are withheld for a whole batch or for none of it: one number is drawn for the "
            f"batch. Draw one for each image: {RAND}."
        )
    return found


def _check_alone(found: list[_Batches]) -> None:
    """Each image decides for itself, anew in each batch."""
    for numbers, changed in ((batches.numbers, batches.changed) for batches in found):
        drawn = torch.bincount(numbers.flatten(), minlength=IMAGES).double()
        lost = torch.bincount(numbers[changed], minlength=IMAGES).double()
        p = changed.double().mean()
        spread = (lost - drawn * p).square() / (drawn * p * (1 - p)).clamp(min=1e-9)
        if spread.sum() > UNEVEN:
            most, least = (lost / drawn.clamp(min=1)).argmax(), (lost / drawn.clamp(min=1)).argmin()
            raise Wrong(
                "Which labels are withheld depends on the image: image "
                f"{int(most)} lost its label in {lost[most]:.0f} of {drawn[most]:.0f} draws, image "
                f"{int(least)} in {lost[least]:.0f} of {drawn[least]:.0f}. Draw anew in each "
                f"batch, for each image: {RAND}."
            )
    shares = [(batches.share - batches.share.mean(), batches.share.mean()) for batches in found]
    ratio = torch.stack([off.square().mean() * SIZE / (p * (1 - p)) for off, p in shares]).mean()
    if ratio > 1.5:  # 300 batches of independent images have 1, give or take 0.08
        raise Wrong(
            "Images do not decide each for itself: from batch to batch the number of withheld "
            f"labels varies {ratio:.1f} times as much as it then would. Draw one number for each "
            f"image: {RAND}."
        )


def _check_share(batches: _Batches) -> None:
    share = batches.share.mean().item()
    if abs(share - batches.dropout) <= 0.035:  # more than five standard deviations of 3000 draws
        return
    reason = ""
    if (batches.changed == batches.changed[0]).all():
        reason = (
            " They stand at the same places of every batch: a seed is set in the function. Set a "
            "seed once, outside of it."
        )
    elif abs(share - batches.dropout * (2 - batches.dropout)) < 0.05:
        reason = " Are labels withheld twice?"
    raise Wrong(
        f"With dropout = {batches.dropout}, {share:.0%} of the labels are withheld.{reason}"
    )


def _check_others(fn: Callable) -> None:
    """Another number of images and of the batch, and another null label."""
    text = (
        f"With {IMAGES} images, null_label = {NULL} and a batch of {SIZE} it is right; with 23 "
        "images, null_label = 12 and batches of 14 or 2 it is not: {}. Take all numbers from the "
        "arguments."
    )
    other = {"count": 23, "null": 12}
    try:
        drawn, told = zip(*(_draw(fn, 14, 0.0, **other) for _ in range(60)), strict=True)
        for size in (14, 2):
            if (_draw(fn, size, 1.0, **other)[1] != 12).any():
                raise Wrong(text.format("with dropout = 1 a label is not null_label"))
    except Raised as error:
        raise Wrong(text.format(error.args[0].removesuffix("."))) from None
    if len(torch.cat(drawn).unique()) < 23:
        raise Wrong(text.format("not all images are drawn"))
    if not torch.equal(torch.cat(told), LABELS[torch.cat(drawn)]):
        raise Wrong(text.format("with dropout = 0 a label is another one"))


def _check_ends(fn: Callable) -> None:
    if (_draw(fn, SIZE, 1.0)[1] != NULL).any():
        raise Wrong("With dropout = 1 some labels are told. torch.rand is always below 1.")


def _check_evaluation(fn: Callable) -> None:
    """In evaluation rows are drawn as in training, and every label is told."""
    for dropout in (0.5, 1.0):
        numbers, told = _draw(fn, SIZE, dropout, training=False)
        if not torch.equal(told, LABELS[numbers]):
            raise Wrong(
                "Labels are withheld in evaluation, too: training = False must tell every label. "
                "Who wants a prediction without a class asks for it with null_label."
            )
    drawn = [_draw(fn, SIZE, 0.5, training=False)[0] for _ in range(60)]
    if torch.equal(drawn[0], drawn[1]):
        raise Wrong(
            "With training = False every batch holds the same images. Only the withholding depends "
            "on training: draw the rows in either case, and set no seed in the function."
        )
    try:
        _check_reach(torch.stack(drawn))
    except Wrong as error:
        raise Wrong(f"With training = False: {error}") from None


def _check_reach(numbers: Tensor) -> None:
    """Each row of a batch is drawn by itself from all images, all equally likely."""
    draw = "Draw from all of them: torch.randint(0, len(images), (batch_size,))."
    steps = numbers.diff(dim=1).remainder(IMAGES).flatten()
    alike = (steps == steps.mode().values).double().mean()
    if numbers.max() == SIZE - 1:
        raise Wrong(
            f"Only the first {SIZE} images are drawn, as many as a batch holds. The end of "
            "torch.randint is the number of images, not that of the batch: "
            "torch.randint(0, len(images), (batch_size,))."
        )
    different = sum(len(batch.unique()) for batch in numbers) / len(numbers)
    if different < 15:  # 17.1 of 20 draws from 60, give or take 0.1
        raise Wrong(
            f"A batch of {SIZE} holds {different:.3g} different images on average; {SIZE} rows "
            "drawn one by one hold 17. Draw batch_size rows, not fewer rows that are repeated: "
            "torch.randint(0, len(images), (batch_size,))."
        )
    if alike > 0.6:
        raise Wrong(
            f"In {alike:.0%} of the cases an image is followed by the one that is "
            f"{int(steps.mode().values)} further in the data set: a batch is a block of it, and no "
            f"rows are drawn. {draw}"
        )
    gap = _largest_gap(numbers)
    if gap > 15:  # 9.8 of 20 draws from 60, give or take 0.4
        raise Wrong(
            "The images of a batch are neighbours in the data set: a batch is a block of it, in "
            f"another order. It leaves out {gap:.0f} of {IMAGES} images in a row on average, and "
            f"rows that are drawn one by one leave out 10. {draw}"
        )
    counts = torch.bincount(numbers.flatten(), minlength=IMAGES)
    never = int((counts == 0).sum())
    if never:
        raise Wrong(f"{never} of {IMAGES} images never came in {numbers.numel()} draws. {draw}")
    ends = int(counts[[0, -1]].sum())
    if numbers.numel() > 100 * IMAGES // 2 and ends < 1.3 * counts.double().mean():
        raise Wrong(
            f"The first and the last image came {ends} times together in {numbers.numel()} draws, "
            f"and two others {2 * counts.double().mean():.0f} times: numbers are rounded. {draw}"
        )
    if unevenness(counts) > UNEVEN:
        raise Wrong(
            f"Images are not equally likely: in {numbers.numel()} draws one came "
            f"{int(counts.max())} times and another {int(counts.min())} times. {draw}"
        )


def _largest_gap(numbers: Tensor) -> float:
    """How many images in a row a batch leaves out, on average; the first follows the last."""
    rows = numbers.sort(dim=1).values
    turned = torch.cat([rows, rows[:, :1] + IMAGES], dim=1)
    return (turned.diff(dim=1).amax(dim=1) - 1).double().mean().item()
