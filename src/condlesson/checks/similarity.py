"""Checks of further tasks of exercises 1 and 2: similarities of embeddings."""

import math
import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from condlesson import embeddings, exercises
from condlesson.checks.embedding import check_precision
from condlesson.checks.harness.answer import as_function, call_on, cured, shape
from condlesson.checks.harness.cures import outer_cure
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check

__all__ = ["check_similarity_at", "check_similarity_matrix"]

NO_SIGN = (
    "The result never goes below 0, and a cosine does. Use cos as it is, without a square, an "
    "absolute value or a clamp."
)
NEAR = 1e-4  # float32 is off by less than 1e-5
HALF_MINUS_ONE = "Note: your frequencies are those of half_minus_one; the page's are half."


def check_similarity_at(fn: Callable[[Tensor, int], Tensor]) -> CheckResult:
    """Check the closed form of the similarity of two embeddings.

    Args:
        fn: Called as fn(distance, d_emb); returns a tensor of the shape of distance.

    Returns:
        What was found.
    """
    return run_check(
        "check_similarity_at",
        fn,
        _similarity_at,
        exercise=exercises.similarity_at,
        praise="Well done: two dot products became one average over the hands. Next, ask it where "
        "the similarity first rises with the distance.",
    )


def _similarity_at(fn: object) -> list[str]:
    fn = as_function(fn, "similarity_at(distance, d_emb)")
    distance = torch.arange(1000)
    got = _similarities(fn, distance, 256)
    notes, denominator = [], "half"
    right = {name: _closed_form(distance, 256, name) for name in embeddings.DENOMINATORS}
    if not _near(got, right["half"]):
        if not _near(got, right["half_minus_one"]):
            raise Wrong(_similarity_mistake(got, right["half"], distance))
        notes, denominator = [HALF_MINUS_ONE], "half_minus_one"
    few = torch.tensor([-5, 5, 300])
    for other, d in ((distance[:9], 64), *((few, d) for d in (4, 8, 16, 34, 128, 512))):
        _compare_other(_similarities(fn, other, d), other, d, denominator)
    one = torch.tensor([7])
    _compare_other(_similarities(fn, one, 64), one, 64, denominator)
    notes += _between(fn, denominator)
    square = distance[:8].reshape(2, 4)
    try:
        got = _similarities(fn, square, 64)
    except Wrong:
        return [*notes, "Note: your function takes distances of one dimension only."]
    _compare_other(got, square, 64, denominator)
    return notes


def _between(fn: Callable, denominator: str) -> list[str]:
    """Notes on a distance between two whole ones."""
    half = torch.tensor([0.5])
    try:
        got = _similarities(fn, half, 64)
    except Wrong:
        return ["Note: your function does not take distances in a floating tensor."]
    for whole in (0, 1):
        if _near(got, _closed_form(torch.tensor([whole]), 64, denominator)):
            return [
                f"Note: a distance of 0.5 is rounded to {whole}. That is fine for whole timesteps."
            ]
    _compare_other(got, half, 64, denominator)
    return []


def _compare_other(got: Tensor, distance: Tensor, d: int, denominator: str) -> None:
    """Compare at other distances or widths, where it was right for 1000 distances."""
    expected = _closed_form(distance, d, denominator)
    if _near(got, expected):
        return
    if _near(got, expected.abs()) or _near(got, expected.clamp(min=0)):
        raise Wrong(NO_SIGN)
    if rounded := _rounded(got, expected):
        raise Wrong(rounded)
    raise Wrong(
        "It is right for distances from 0 to 999 and d_emb = 256, and wrong for distances of shape "
        f"{shape(distance)} from {distance.min():g} to {distance.max():g} and d_emb = {d}. "
        "Average over the last dimension of cos(distance[..., None] * w)."
    )


def _similarities(fn: Callable, distance: Tensor, d: int) -> Tensor:
    what = f"{name_of(fn)}(distance, {d}) with distances of shape {shape(distance)}"
    with cured(outer_cure):
        got = call_on(fn, distance, d, what=what).detach()
    check_precision(got, "The result")
    got = got.double()
    if got.shape == (*distance.shape, 1):
        raise Wrong(
            f"{what} must return one number for each distance, shape {shape(distance)}, got "
            f"{shape(got)}. Leave out keepdim=True: the dimension that is averaged over goes."
        )
    if got.shape != distance.shape:
        cure = (
            "A dimension of 1 is lost: leave out squeeze()."
            if got.numel() == distance.numel()
            else "Average over the frequencies: the last dimension of distance[..., None] * w."
        )
        raise Wrong(
            f"{what} must return one number for each distance, shape {shape(distance)}, got "
            f"{shape(got)}. {cure}"
        )
    return got


def _closed_form(distance: Tensor, d: int, denominator: str) -> Tensor:
    return embeddings.cosine_similarity_at(distance, d, denominator=denominator)


def _near(got: Tensor, expected: Tensor) -> bool:
    return torch.allclose(got, expected, atol=NEAR)


def _rounded(got: Tensor, right: Tensor) -> str:
    """What to say of similarities that are right up to the second digit or so; else ""."""
    off = (got - right).abs().max().item()
    if off > 5e-3:
        return ""
    return (
        f"Every similarity is right up to {off:.1g}, and must be right up to {NEAR:g}. Leave out "
        "what rounds, such as round and half precision."
    )


def _similarity_mistake(got: Tensor, right: Tensor, distance: Tensor) -> str:
    if rounded := _rounded(got, right):
        return rounded
    at_0 = f"At distance 0 your function returns {got[0]:.4g}"
    w = embeddings.sinusoidal_frequencies(256, dtype=torch.float64)
    angles = distance[:, None] * w
    if _near(got / 128, right):
        return f"{at_0}, which must be 1: multiply the sum over the hands by 2 / d_emb."
    if _near(got * 2, right):
        return f"{at_0}, which must be 1: divide by the number of hands, d_emb / 2, not d_emb."
    if _near(got, angles.sin().mean(1)):
        return (
            f"{at_0}, which must be 1: you average sines, and sin a sin b + cos a cos b is "
            "cos(a - b)."
        )
    if _near(got, angles.cos().square().mean(1)):
        return NO_SIGN
    if abs(got[0] - 1) > 1e-3 and abs(got[0]) > 1e-3 and _near(got / got[0], right):
        return (
            f"{at_0}, which must be 1: the result is {got[0]:.4g} times the similarity. Take the "
            "mean over the d_emb / 2 hands, without another factor."
        )
    if abs(got[0] - 1) > 1e-3:
        return f"{at_0}, which must be 1: every embedding has the similarity 1 with itself."
    k = int((got - right).abs().argmax())
    if _near(got, torch.cos(math.pi / 180 * angles).mean(1)):
        return "The angles are converted from degrees to radians. They are radians already."
    for factor, reason in _FACTORS.items():
        if _near(got, torch.cos(factor * angles).mean(1)):
            return reason
    return (
        f"At distance {int(distance[k])} your function returns {got[k]:.4f}; the embeddings "
        f"themselves have a similarity of {right[k]:.4f}. Average cos(w_i * distance) over all "
        "frequencies w_i."
    )


_FACTORS = {
    2 * math.pi: "The angles are 2 pi times too large: w is in radians already. Leave it out.",
    1 / (2 * math.pi): "The angles are 2 pi times too small. Leave out the division.",
    math.pi: "The angles are pi times too large: w is in radians already. Leave out the pi.",
    1 / 1000: "The distance is divided by 1000. Take it as it is: w is in radians a timestep.",
    1 / 999: "The distance is divided by 999. Take it as it is: w is in radians a timestep.",
    0.5: "The angles are half as large as they must be. Take distance * w as it is.",
    2.0: "The angles are twice as large as they must be. Take distance * w as it is.",
}  # fmt: skip


def check_similarity_matrix(fn: Callable[[Tensor], Tensor]) -> CheckResult:
    """Check the matrix of all cosine similarities.

    Args:
        fn: Called as fn(embeddings) with shape (N, D); returns (N, N).

    Returns:
        What was found.
    """
    return run_check(
        "check_similarity_matrix",
        fn,
        _similarity_matrix,
        exercise=exercises.similarity_matrix,
        praise="Well done. Next, give it the sinusoids of t = 0, 10, ..., 990 and look along a "
        "diagonal: what is the same all along it, and why?",
    )


def _similarity_matrix(answer: object) -> list[str]:
    fn = as_function(answer, "similarity_matrix(embeddings)")
    generator = torch.Generator().manual_seed(1)
    for rows, d, scale in ((5, 8, 3.0), (1, 4, 1.0), (40, 16, 0.1), (7, 7, 1.0)):
        x = scale * (torch.rand(rows, 1, generator=generator) + 0.5)
        x = x * (torch.randn(rows, d, generator=generator) + 0.5)
        what = f"{name_of(fn)}(embeddings) with shape {shape(x)}"
        with cured(_matrix_cure):
            got = call_on(fn, x, what=what).detach()
        check_precision(got, "The matrix")
        got = got.double()
        if got.shape != (rows, rows):
            raise Wrong(
                f"{what} must return one number for each pair of rows, shape {(rows, rows)}, got "
                f"{shape(got)}. Rows are vectors: x @ x.T."
            )
        _compare(got, x.double(), what)
    return []


def _matrix_cure(failure: Failure) -> str:
    """Lengths that lost their dimension, or a product of rows with rows."""
    is_transposed = re.search(r"\.m?T\b|\.t\(\)|transpose", failure.code)
    if "must match the size" in failure.text and is_transposed and "@" not in failure.code:
        return (
            "That takes number by number, or pairs of rows. For all pairs of rows, multiply as "
            "matrices: u @ u.T."
        )
    if "must match the size" in failure.text and "keepdim" not in failure.code:
        return "The lengths need a column, (N, 1): norm(dim=1, keepdim=True)."
    if re.search(r"cannot be multiplied \((\d+x\d+) and \1\)|1D tensors expected", failure.text):
        return "For all pairs of rows, multiply by the transposed matrix: x @ x.T."
    return ""


def _compare(got: Tensor, x: Tensor, what: str) -> None:
    unit = nn.functional.normalize(x, dim=1)
    cosines = unit @ unit.T
    if _near(got, cosines):
        return
    if lengthened := _lengthened(got, x) or _rounded(got, cosines):
        raise Wrong(f"{what}: {lengthened}")
    across = nn.functional.normalize(x, dim=0)
    norms = x.norm(dim=1)
    known = [
        (x @ x.T, "These are plain dot products. Divide each row by its length first."),
        (across @ across.T, "Columns were divided by their lengths. Divide the rows: dim=1."),
        ((x @ x.T) / norms.square()[:, None], "Only one of the two rows was divided, twice. Divide "
         "by both lengths."),
        ((x @ x.T) / norms.square()[None, :], "Only one of the two rows was divided, twice. Divide "
         "by both lengths."),
        ((x @ x.T) / norms[:, None], "Only one of the two rows is divided by its length."),
        ((x @ x.T) / norms[None, :], "Only one of the two rows is divided by its length."),
        ((x @ x.T) / x.norm().square(), "All rows were divided by one length, that of the "
         "whole matrix. Each row has its own: norm(dim=1, keepdim=True)."),
        (cosines.abs(), "Signs are lost: similarities go down to -1."),
        (cosines.square(), "Similarities were squared. Return the dot products as they "
         "are."),
        ((1 + cosines) / 2, "Similarities were moved to 0 .. 1. Return the dot products as "
         "they are, from -1 to 1."),
        (got if torch.allclose(got.cos(), cosines, atol=1e-3) else cosines, "These are angles. "
         "Return their cosines, the dot products."),
        (cosines.exp(), "An exp was applied. Return the dot products as they are."),
        (cosines.clamp(min=0), "Signs are lost: similarities go down to -1."),
        (cosines.clone().fill_diagonal_(0), "The diagonal was set to 0. A row is as similar to "
         "itself as can be: 1."),
        (_centred(x) @ _centred(x).T, "The mean of the rows was subtracted. Cosine similarity "
         "takes the rows as they are."),
        (cosines.tril(), "The upper half, above the diagonal, is missing. Leave .tril() out: rows "
         "i and j are as similar as rows j and i."),
        (cosines.triu(), "The lower half, below the diagonal, is missing. Leave .triu() out: rows "
         "i and j are as similar as rows j and i."),
        (cosines.tril(-1), "The upper half and the diagonal are missing. Leave .tril(-1) out."),
        (cosines.triu(1), "The lower half and the diagonal are missing. Leave .triu(1) out."),
        (cosines + torch.eye(len(x)), "The diagonal is counted twice, as in s.triu() + s.triu().T. "
         "Write s.triu() + s.triu(1).T, or u @ u.T as it is."),
        (1 - cosines, "This is the cosine distance, 1 - similarity."),
        (torch.cdist(x, x), "This is the Euclidean distance."),
        (torch.softmax(cosines, dim=1), "A softmax was applied. Similarities are not "
         "probabilities."),
        ((x @ x.T).softmax(dim=1), "A softmax was applied. Similarities are not probabilities."),
        (torch.corrcoef(x) if len(x) > 1 else x @ x.T, "Means were subtracted: this is the "
         "correlation. Cosine similarity keeps them."),
    ]  # fmt: skip
    reason = next((text for wrong, text in known if torch.allclose(got, wrong, atol=1e-4)), "")
    reason = reason or "Divide each row by its length, then take the dot product of every two rows."
    apart = (got.diagonal() - 1).abs().max().item()
    i, j = divmod(int((got - cosines).abs().argmax()), len(got))
    symptom = (
        f"A row's similarity with itself is {got.diagonal()[0]:.3g}"
        if apart > 1e-3
        else f"The similarity of rows {i} and {j} is {got[i, j]:.3f}"
    )
    wanted = "1" if apart > 1e-3 else f"{cosines[i, j]:.3f}"
    raise Wrong(f"{what}: {symptom}, which must be {wanted}. {reason}")


def _lengthened(got: Tensor, x: Tensor) -> str:
    """What to say if a number is added to each squared length, or to each length; else ""."""
    own, norms = got.diagonal(), x.norm(dim=1)
    if len(x) < 2 or bool((own <= 0).any()):
        return ""
    for added, name in (
        (norms.square() * (1 / own - 1), "squared length"),
        (norms * (own.rsqrt() - 1), "length"),
    ):
        if added.std() < 0.02 * added.mean():
            return (
                f"A row's similarity with itself is down to {own.min():.5f}, which must be 1. "
                f"About {added.mean():.1g} is added to each {name}, which is too much beside rows "
                f"as short as {norms.min():.2g}. Leave it out, or clamp the lengths at 1e-8."
            )
    return ""


def _centred(x: Tensor) -> Tensor:
    return nn.functional.normalize(x - x.mean(dim=0), dim=1)
