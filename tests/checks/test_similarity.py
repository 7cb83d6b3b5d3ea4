"""Right and wrong similarities of embeddings, and what their checks must say of them."""

import math

import pytest
import torch
import torch.nn.functional as F

from condlesson import exercises
from condlesson.checks import check_similarity_at, check_similarity_matrix
from condlesson.embeddings import cosine_similarity_at, sinusoidal_embedding
from condlesson.embeddings import sinusoidal_frequencies as frequencies
from tests.answers import blank
from tests.checks.variants import assert_noted


def angles(distance, d):
    return distance[..., None] * frequencies(d, dtype=torch.float64)


def by_embedding(distance, d):
    """From two embeddings, without the closed form."""
    one = sinusoidal_embedding(distance.flatten(), d)
    other = sinusoidal_embedding(torch.zeros(distance.numel()), d)
    return F.cosine_similarity(one, other).reshape(distance.shape)


def by_loops(distance, d):
    found = [
        sum(math.cos(step * 10000 ** (-2 * i / d)) for i in range(d // 2)) / (d // 2)
        for step in distance.flatten().tolist()
    ]
    return torch.tensor(found).reshape(distance.shape)


RIGHT_AT = {
    "the page's": (cosine_similarity_at, ""),
    "the task's": (exercises.similarity_at, ""),
    "embeddings": (by_embedding, ""),
    "loops": (by_loops, ""),
    "a sum": (lambda distance, d: 2 / d * angles(distance, d).cos().sum(-1), ""),
    "float32": (lambda distance, d: angles(distance, d).cos().mean(-1).float(), ""),
    "absolute distances": (lambda distance, d: cosine_similarity_at(distance.abs(), d), ""),
    "two dot products": (
        lambda x, d: (angles(x, d).cos() * 1 + angles(x, d).sin() * 0).sum(-1) / (d // 2),
        "",
    ),
    "around t = 500": (
        lambda x, d: (
            angles(x + 500, d).cos() * angles(torch.tensor(500), d).cos()
            + angles(x + 500, d).sin() * angles(torch.tensor(500), d).sin()
        ).mean(-1),
        "",
    ),
    "complex numbers": (lambda x, d: torch.exp(1j * angles(x, d)).mean(-1).real, ""),
    "logspace": (
        lambda x, d: torch.cos(
            x.unsqueeze(-1) * torch.logspace(0, 8 / d - 4, d // 2, dtype=torch.float64)
        ).mean(dim=-1),
        "",
    ),
    "einsum": (
        lambda x, d: (
            torch.einsum("...,w->...w", x.double(), frequencies(d).double()).cos().mean(-1)
        ),
        "",
    ),
    "every frequency twice": (
        lambda x, d: angles(x, d).cos().repeat_interleave(2, dim=-1).sum(-1) / d,
        "",
    ),
    "vmap": (
        lambda x, d: torch.vmap(lambda one: torch.cos(one * frequencies(d)).mean())(
            x.reshape(-1)
        ).view(x.shape),
        "",
    ),
    "one distance at a time": (
        lambda x, d: torch.stack([torch.cos(one * frequencies(d)).mean() for one in x]),
        "takes distances of one dimension only",
    ),
    "whole distances": (lambda x, d: cosine_similarity_at(x.long(), d), "0.5 is rounded to 0"),
    "distances rounded up": (lambda x, d: cosine_similarity_at(x.ceil(), d), "is rounded to 1"),
    "a table of all distances": (
        lambda x, d: cosine_similarity_at(torch.arange(1000), d)[x.abs()],
        "does not take distances in a floating tensor",
    ),
    "compiled": (
        torch.compile(lambda x, d: angles(x, d).cos().mean(-1), backend="eager"),
        "",
    ),
    "float32, around t = 500": (
        lambda x, d: (
            angles(x + 500, d).float().cos() * angles(torch.tensor(500), d).float().cos()
            + angles(x + 500, d).float().sin() * angles(torch.tensor(500), d).float().sin()
        ).mean(-1),
        "",
    ),
    "half_minus_one": (
        lambda distance, d: cosine_similarity_at(distance, d, denominator="half_minus_one"),
        "your frequencies are those of half_minus_one",
    ),
    "one dimension only": (
        lambda x, d: (x.reshape(-1, 1) * frequencies(d)).cos().mean(-1),
        "takes distances of one dimension only",
    ),
    "the first dimension": (
        lambda x, d: angles(x, d).cos().mean((0, -1) if x.ndim == 2 else -1),
        "takes distances of one dimension only",
    ),
}
WRONG_AT = {
    "two dimensions wrong": (
        lambda x, d: cosine_similarity_at(x // 2 * 2 if x.ndim == 2 else x, d),
        "wrong for distances of shape (2, 4) from 0 to 7",
    ),
    "no dimension for one distance": (
        lambda x, d: angles(x, d).cos().mean(-1).squeeze(),
        "shape (1,), got (). A dimension of 1 is lost: leave out squeeze()",
    ),
    "floating distances in parts of 1": (
        lambda x, d: cosine_similarity_at(1000 * x if x.is_floating_point() else x, d),
        "wrong for distances of shape (1,) from 0.5 to 0.5 and d_emb = 64",
    ),
    "cosines in bfloat16": (
        lambda x, d: angles(x, d).cos().bfloat16().float().mean(-1),
        "must be right up to 0.0001. Leave out what rounds, such as round and half precision",
    ),
    "cosines in float16": (
        lambda x, d: angles(x, d).cos().half().float().mean(-1),
        "Leave out what rounds",
    ),
    "rounded to three digits": (
        lambda x, d: cosine_similarity_at(x, d).round(decimals=3),
        "Every similarity is right up to 0.0005",
    ),
    "distances by threes": (
        lambda x, d: cosine_similarity_at(x // 3 * 3, d),
        "your function returns",
    ),
    "a sum alone": (lambda x, d: angles(x, d).cos().sum(-1), "the sum over the hands by 2 / d_emb"),
    "divided by d_emb": (lambda x, d: angles(x, d).cos().sum(-1) / d, "d_emb / 2, not d_emb"),
    "sines": (lambda x, d: angles(x, d).sin().mean(-1), "you average sines"),
    "squares": (lambda x, d: angles(x, d).cos().square().mean(-1), "The result never goes below 0"),
    "absolute values": (
        lambda x, d: angles(x, d).cos().mean(-1).abs(),
        "The result never goes below 0",
    ),
    "degrees": (
        lambda x, d: torch.deg2rad(angles(x, d)).cos().mean(-1),
        "The angles are converted from degrees",
    ),
    "one minus": (lambda x, d: 1 - cosine_similarity_at(x, d), "has the similarity 1 with itself"),
    "another base": (
        lambda x, d: cosine_similarity_at(x, d, max_period=100.0),
        "Average cos(w_i * distance) over all frequencies",
    ),
    "the fastest hand alone": (lambda x, d: x.double().cos(), "the embeddings themselves have"),
    "two numbers": (
        lambda x, d: angles(x, d).cos().mean(-1, keepdim=True),
        "shape (1000,), got (1000, 1). Leave out keepdim",
    ),
    "one number": (lambda x, d: angles(x, d).cos().mean(), "got ()"),
    "no average": (
        lambda x, d: angles(x, d).cos(),
        "Average over the frequencies: the last dimension",
    ),
    "in half precision": (
        lambda x, d: cosine_similarity_at(x, d).half(),
        "The result is torch.float16, which is too coarse",
    ),
    "cut at 0": (
        lambda x, d: cosine_similarity_at(x, d).clamp(min=0),
        "The result never goes below 0",
    ),
    "2 pi": (lambda x, d: (2 * math.pi * angles(x, d)).cos().mean(-1), "2 pi times too large"),
    "distance / 1000": (
        lambda x, d: (angles(x, d) / 1000).cos().mean(-1),
        "The distance is divided by 1000",
    ),
    "twice the mean": (
        lambda x, d: 2 * cosine_similarity_at(x, d),
        "the result is 2 times the similarity",
    ),
    "another width wrong": (
        lambda x, d: cosine_similarity_at(x, 256 if d == 8 else d),
        "and d_emb = 8",
    ),
    "one width only": (
        lambda x, d: cosine_similarity_at(x, 256),
        "wrong for distances of shape (9,) from 0 to 8 and d_emb = 64",
    ),
    "no negative distance": (
        lambda x, d: cosine_similarity_at(x.clamp(min=0), d),
        "wrong for distances of shape (3,) from -5 to 300",
    ),
    "a number": (lambda x, d: 1.0, "must return a torch.Tensor, got a float"),
    "a tensor": (torch.zeros(3), "Hand in the function itself"),
}


def unit(x):
    return x / x.norm(dim=1, keepdim=True)


def divided_by(x, lengths):
    u = x / lengths[:, None]
    return u @ u.T


def matrix_by_loops(x):
    return torch.stack([torch.stack([F.cosine_similarity(a, b, dim=0) for b in x]) for a in x])


RIGHT_MATRIX = {
    "the task's": exercises.similarity_matrix,
    "loops": matrix_by_loops,
    "broadcast": lambda x: F.cosine_similarity(x[:, None], x[None], dim=2),
    "normalize": lambda x: F.normalize(x) @ F.normalize(x).T,
    "einsum": lambda x: torch.einsum("id,jd->ij", unit(x), unit(x)),
    "divided afterwards": lambda x: (x @ x.T) / torch.outer(x.norm(dim=1), x.norm(dim=1)),
    "float64": lambda x: unit(x.double()) @ unit(x.double()).T,
    "inner": lambda x: torch.inner(unit(x), unit(x)),
    "linear": lambda x: F.linear(F.normalize(x, dim=-1), F.normalize(x, dim=-1)),
    "by the diagonal": lambda x: (
        (x @ x.T) * (x @ x.T).diagonal().rsqrt()[:, None] * (x @ x.T).diagonal().rsqrt()
    ),
    "a sum of products": lambda x: (unit(x)[:, None, :] * unit(x)[None, :, :]).sum(dim=-1),
    "vecdot": lambda x: torch.linalg.vecdot(unit(x)[:, None], unit(x)[None]),
    "a small number added": lambda x: (
        (x @ x.T) / (torch.outer(x.norm(dim=1), x.norm(dim=1)) + 1e-8)
    ),
    "a small number in the squared lengths": lambda x: divided_by(
        x, (x.square().sum(1) + 1e-8).sqrt()
    ),
    "a small number in the lengths": lambda x: divided_by(x, x.norm(dim=1) + 1e-6),
    "cut to [-1, 1]": lambda x: torch.clamp(unit(x) @ unit(x).T, -1.0, 1.0),
    "a half, mirrored": lambda x: (unit(x) @ unit(x).T).tril() + (unit(x) @ unit(x).T).triu(1),
    "a diagonal of ones": lambda x: (unit(x) @ unit(x).mT).fill_diagonal_(1),
    "tensordot": lambda x: torch.tensordot(unit(x), unit(x), dims=([1], [1])),
    "distances of unit vectors": lambda x: 1 - torch.cdist(unit(x), unit(x)).square() / 2,
}
WRONG_MATRIX = {
    "dot products": (lambda x: x @ x.T, "These are plain dot products"),
    "columns divided": (lambda x: F.normalize(x, dim=0) @ F.normalize(x, dim=0).T, "Columns were"),
    "one row, twice": (
        lambda x: x @ x.T / x.square().sum(1, keepdim=True),
        "Only one of the two rows was divided, twice",
    ),
    "the other row, twice": (
        lambda x: x @ x.T / x.square().sum(1),
        "Only one of the two rows was divided, twice",
    ),
    "one row": (lambda x: unit(x) @ x.T, "Only one of the two rows is divided by its length"),
    "the other row": (lambda x: x @ unit(x).T, "Only one of the two rows is divided by its"),
    "one length": (lambda x: (x / x.norm()) @ (x / x.norm()).T, "that of the whole matrix"),
    "no sign": (lambda x: (unit(x) @ unit(x).T).abs(), "Signs are lost"),
    "cosine distance": (lambda x: 1 - unit(x) @ unit(x).T, "the cosine distance, 1 - similarity"),
    "distance": (lambda x: torch.cdist(x, x), "This is the Euclidean distance"),
    "softmax": (lambda x: (unit(x) @ unit(x).T).softmax(1), "A softmax was applied"),
    "softmax of dot products": (lambda x: (x @ x.T).softmax(1), "A softmax was applied"),
    "correlation": (torch.corrcoef, "this is the correlation"),
    "half precision": (lambda x: (unit(x) @ unit(x).T).half(), "The matrix is torch.float16"),
    "half precision inside": (
        lambda x: (unit(x).half() @ unit(x).half().T).float(),
        "Leave out what rounds",
    ),
    "rounded": (lambda x: (unit(x) @ unit(x).T).round(decimals=2), "Leave out what rounds"),
    "squares": (lambda x: (unit(x) @ unit(x).T).square(), "Similarities were squared"),
    "from 0 to 1": (lambda x: (1 + unit(x) @ unit(x).T) / 2, "moved to 0 .. 1"),
    "angles": (lambda x: (unit(x) @ unit(x).T).clamp(-1, 1).acos(), "These are angles"),
    "exp": (lambda x: (unit(x) @ unit(x).T).exp(), "An exp was applied"),
    "cut at 0": (lambda x: (unit(x) @ unit(x).T).clamp(min=0), "Signs are lost"),
    "a diagonal of zeros": (
        lambda x: (unit(x) @ unit(x).T).fill_diagonal_(0),
        "The diagonal was set to 0",
    ),
    "without the mean row": (
        lambda x: unit(x - x.mean(0)) @ unit(x - x.mean(0)).T,
        "mean of the rows was subtracted",
    ),
    "lengths squared": (
        lambda x: x @ x.T / torch.outer(x.square().sum(1), x.square().sum(1)),
        "Divide each row by its length, then take",
    ),
    "sums for lengths": (lambda x: (x / x.sum(1, keepdim=True)) @ unit(x).T, "Divide each row by"),
    "a shifted row": (lambda x: unit(x) @ unit(x).roll(1, 0).T, "A row's similarity with itself"),
    "the diagonal twice": (
        lambda x: (unit(x) @ unit(x).T).triu() + (unit(x) @ unit(x).T).triu().T,
        "A row's similarity with itself is 2, which must be 1. The diagonal is counted twice",
    ),
    "a number in the squared lengths": (
        lambda x: divided_by(x, (x.square().sum(1) + 1e-5).sqrt()),
        "About 1e-05 is added to each squared length, which is too much beside rows as short as",
    ),
    "a number in the lengths": (
        lambda x: divided_by(x, x.norm(dim=1) + 0.01),
        "About 0.01 is added to each length",
    ),
    "a number in the products of lengths": (
        lambda x: x @ x.T / (torch.outer(x.norm(dim=1), x.norm(dim=1)) + 1e-4),
        "About 0.0001 is added to each squared length",
    ),
    "columns with columns": (lambda x: x.T @ x, "shape (5, 5), got (8, 8). Rows are vectors"),
    "neighbours only": (lambda x: F.cosine_similarity(x[:-1], x[1:]), "for each pair of rows"),
    "identity": (lambda x: torch.eye(len(x)), "is 0.000, which must be"),
    "one half": (
        lambda x: (unit(x) @ unit(x).T).triu(),
        "The lower half, below the diagonal, is missing. Leave .triu() out",
    ),
    "the other half": (
        lambda x: (unit(x) @ unit(x).T).tril(),
        "The upper half, above the diagonal, is missing. Leave .tril() out",
    ),
    "one half without the diagonal": (
        lambda x: (unit(x) @ unit(x).T).triu(1),
        "The lower half and the diagonal are missing",
    ),
    "the other half without the diagonal": (
        lambda x: (unit(x) @ unit(x).T).tril(-1),
        "The upper half and the diagonal are missing",
    ),
    "in place": (lambda x: x.div_(x.norm(dim=1, keepdim=True)) @ x.T, "changes the tensor"),
    "a list": (lambda x: (unit(x) @ unit(x).T).tolist(), "must return one tensor, got a list"),
}


@pytest.mark.parametrize(("answer", "note"), RIGHT_AT.values(), ids=RIGHT_AT)
def test_right_closed_form(answer, note):
    result = check_similarity_at(answer)
    assert result.passed, result
    *notes, praise = result.messages
    assert "one average over the hands" in praise
    assert_noted(notes, note)


@pytest.mark.parametrize(("answer", "message"), WRONG_AT.values(), ids=WRONG_AT)
def test_wrong_closed_form(answer, message):
    result = check_similarity_at(answer)
    assert result.status == "wrong"
    assert message in " ".join(result.messages)


@pytest.mark.parametrize("answer", RIGHT_MATRIX.values(), ids=RIGHT_MATRIX)
def test_right_matrix(answer):
    result = check_similarity_matrix(answer)
    assert result.passed, result
    assert result.messages[0].startswith("Well done")


@pytest.mark.parametrize(("answer", "message"), WRONG_MATRIX.values(), ids=WRONG_MATRIX)
def test_wrong_matrix(answer, message):
    result = check_similarity_matrix(answer)
    assert result.status == "wrong"
    assert message in " ".join(result.messages)


@pytest.mark.parametrize(
    ("check", "task", "labels", "hint"),
    [
        (check_similarity_at, exercises.similarity_at, "TODO 1 is", "an average over the hands"),
        (
            check_similarity_matrix,
            exercises.similarity_matrix,
            "TODO 1 and TODO 2 are",
            "each row by",
        ),
    ],
)
def test_the_scaffold_is_not_done(check, task, labels, hint):
    result = check(blank(task))
    assert result.status == "not done"
    assert result.messages[0] == f"{labels} still open."
    assert result.messages[1].startswith("Next, TODO 1: ")
    assert hint in result.messages[1]


def test_one_gap_is_left():
    directions = "directions = embeddings / embeddings.norm(dim=1, keepdim=True)"
    result = check_similarity_matrix(blank(exercises.similarity_matrix, ("...", directions)))
    assert result.status == "not done"
    assert result.messages == [
        "TODO 2 is still open.",
        "Next, TODO 2: all dot products of two rows at once.",
    ]
