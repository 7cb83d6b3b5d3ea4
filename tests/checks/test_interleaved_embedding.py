"""The sinusoid in turn, and in other orders."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from condlesson import exercises
from condlesson.checks import check_interleaved_embedding
from condlesson.embeddings import sinusoidal_embedding
from tests.answers import blank
from tests.checks.sinusoids import (
    OTHER_TIMES,
    by_columns,
    by_loops,
    by_slices,
    changed,
    clock,
    joined,
    slices_of_rows,
    wheel,
)
from tests.checks.variants import assert_noted

pytestmark = pytest.mark.usefixtures("one_thread")
HALF_MINUS_ONE = "your exponents are i / (d/2 - 1)"

IN_TURN = {
    "the page's": (partial(sinusoidal_embedding, layout="interleaved"), ""),
    "the task's": (exercises.interleaved_embedding, ""),
    "slices": (by_slices, ""),
    "loops": (by_loops, ""),
    "columns": (by_columns, ""),
    "stack and reshape": (
        clock(join=lambda a: torch.stack([a.sin(), a.cos()], dim=2).reshape(len(a), -1)),
        "",
    ),
    "transposed pairs": (
        clock(join=lambda a: torch.stack([a.sin(), a.cos()], dim=1).mT.flatten(1)),
        "",
    ),
    "dstack": (clock(join=lambda a: torch.dstack([a.sin(), a.cos()]).reshape(len(a), -1)), ""),
    "a cosine as a shifted sine": (
        clock(join=lambda a: (a[..., None] + torch.tensor([0, math.pi / 2])).sin().flatten(1)),
        "",
    ),
    "a table of all timesteps": (
        lambda t, d: by_slices(torch.arange(1000), d)[t.long()],
        ("t = 0.5 is rounded to 0", "t = 1,000 is refused"),
    ),
    "the page's, put in order": (
        lambda t, d: sinusoidal_embedding(t, d)[:, torch.arange(d).view(2, -1).T.reshape(-1)],
        "",
    ),
    "index_copy": (
        clock(
            join=lambda a: (
                torch.empty(len(a), 2 * a.shape[1])
                .index_copy(1, torch.arange(0, 2 * a.shape[1], 2), a.sin())
                .index_copy(1, torch.arange(1, 2 * a.shape[1], 2), a.cos())
            )
        ),
        "",
    ),
    "polar numbers": (
        clock(
            join=lambda a: (
                torch.view_as_real(torch.polar(torch.ones_like(a), a)).flip(-1).flatten(1)
            )
        ),
        "",
    ),
    "float64": (
        lambda t, d: alternating(
            t[:, None].double() * 10000 ** (-(torch.arange(d).double() // 2) * 2 / d)
        ),
        "",
    ),
    "NumPy": (
        lambda t, d: torch.from_numpy(
            np.stack(
                [(f(np.outer(t, 1e4 ** (-np.arange(0, d, 2) / d)))) for f in (np.sin, np.cos)], -1
            )
        ).flatten(1),
        "",
    ),
    "half_minus_one": (
        partial(sinusoidal_embedding, layout="interleaved", denominator="half_minus_one"),
        HALF_MINUS_ONE,
    ),
}
OUT_OF_TURN = {
    "sines first": (sinusoidal_embedding, "first all sines, then all cosines"),
    "cosines first": (partial(sinusoidal_embedding, layout="cos_sin"), "first all cosines, then"),
    "cosines at even dimensions": (
        clock(join=lambda a: torch.stack([a.cos(), a.sin()], dim=-1).flatten(1)),
        "cosines stand at even dimensions",
    ),
    "slowest first": (
        clock(lambda d: wheel(d).flip(0), join=partial(joined, layout="interleaved")),
        "256 of 256 stand elsewhere. The first of them, sin(w_0 t), belongs at dimension 0 and "
        "stands at 254",
    ),
    "the second half flipped": (
        lambda t, d: second_half_flipped(by_slices(t, d)),
        "192 of 256 stand elsewhere. The first of them, sin(w_32 t), belongs at dimension 64 and "
        "stands at 255",
    ),
    "the last two swapped": (
        lambda t, d: by_slices(t, d)[:, [*range(d - 2), d - 1, d - 2]],
        "2 of 256 stand elsewhere. The first of them, sin(w_127 t), belongs at dimension 254 and "
        "stands at 255",
    ),
    "negative sines": (
        clock(lambda d: -wheel(d), join=partial(joined, layout="interleaved")),
        "some signs are wrong. Write sin(w_i t), not -sin(w_i t)",
    ),
    "in turn at one width only": (
        lambda t, d: sinusoidal_embedding(t, d)[:, (torch.arange(d) % 128).argsort(stable=True)],
        "With d_emb = 256 it is right, with d_emb = 64 it is wrong. All sines and cosines are "
        "there, in another order: first all sines, then all cosines",
    ),
    "negative sines at one width": (
        clock(lambda d: wheel(d) * (-1) ** (d == 10), join=partial(joined, layout="interleaved")),
        "with d_emb = 10 it is wrong. The order is right, but some signs are wrong",
    ),
    "i / d": (
        clock(
            partial(wheel, steps=lambda half: 2 * half), join=partial(joined, layout="interleaved")
        ),
        "fall half as fast",
    ),
    "one frequency a dimension": (
        lambda t, d: alternating(t[:, None] * 10000 ** (-torch.arange(d) / d)),
        "Both dimensions of a pair take the same i",
    ),
    "two steps a dimension": (
        lambda t, d: alternating(t[:, None] * 10000 ** (-2 * torch.arange(d) / d)),
        "are the same at every t",
    ),
    **{
        name: (changed(change, join=partial(joined, layout="interleaved")), message)
        for name, (change, message) in OTHER_TIMES.items()
    },
    "slices along the batch": (slices_of_rows, "emb[0::2] where emb[:, 0::2] is meant"),
}


def second_half_flipped(emb):
    return torch.cat([emb[:, :64], emb[:, 64:].flip(1)], dim=1)


def alternating(angles):
    return torch.where(torch.arange(angles.shape[1]) % 2 == 0, angles.sin(), angles.cos())


@pytest.mark.parametrize(("answer", "note"), IN_TURN.values(), ids=IN_TURN)
def test_in_turn(answer, note):
    result = check_interleaved_embedding(answer)
    assert result.passed, result
    *notes, praise = result.messages
    assert "the order of the formula of 2017" in praise
    assert_noted(notes, note)


@pytest.mark.parametrize(("answer", "message"), OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_out_of_turn(answer, message):
    result = check_interleaved_embedding(answer)
    assert result.status == "wrong"
    assert message in " ".join(result.messages)


ANGLES = "angles = torch.outer(t.float(), sinusoidal_frequencies(d_emb))"
SINES = "return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)"


def test_the_scaffold_is_not_done():
    result = check_interleaved_embedding(blank(exercises.interleaved_embedding))
    assert result.status == "not done"
    assert result.messages[0] == "TODO 1 and TODO 2 are still open."
    assert result.messages[1].startswith("Next, TODO 1: the angle of every hand at every timestep")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (ANGLES, "TODO 2 is still open."),
        (f"{ANGLES}\n    angles.sin()", "TODO 2 is still open."),
    ],
    ids=["first gap", "first gap and more"],
)
def test_one_gap_is_left(line, message):
    result = check_interleaved_embedding(blank(exercises.interleaved_embedding, ("...", line)))
    assert result.status == "not done"
    assert result.messages[0] == message
    assert result.messages[1].startswith("Next, TODO 2: the embedding, (B, d_emb): sines at even")


def test_both_gaps_are_filled():
    filled = blank(exercises.interleaved_embedding, ("...", ANGLES), ("...", SINES))
    assert check_interleaved_embedding(filled).passed
    wrong = blank(
        exercises.interleaved_embedding, ("...", ANGLES), ("...", SINES.replace("-1", "1"))
    )
    assert check_interleaved_embedding(wrong).status == "wrong"
