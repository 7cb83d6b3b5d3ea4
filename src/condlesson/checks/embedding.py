"""Checks of exercise 1: the sinusoidal embedding, and what can be made of it."""

from collections.abc import Callable

import torch
from torch import Tensor

from condlesson import exercises
from condlesson.checks.harness.answer import HALVES, as_function, call_on, cured
from condlesson.checks.harness.cures import outer_cure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check
from condlesson.checks.instruments.kinds_of_timesteps import compare_kinds, depends_on_batch
from condlesson.checks.instruments.sinusoid import Reading, read_clock

__all__ = ["check_interleaved_embedding", "check_sinusoidal_embedding"]

T = 1000
DRAWN = torch.tensor([0, 50, 500, 501, 950, 999])  # the page's timesteps


def check_sinusoidal_embedding(fn: Callable[[Tensor, int], Tensor]) -> CheckResult:
    """Check a sinusoidal embedding of timesteps.

    Any layout passes, since all are the same up to the order of the dimensions.

    Args:
        fn: Called as fn(t, d_emb) with t of shape (B,); returns (B, d_emb).

    Returns:
        What was found.
    """
    return run_check(
        "check_sinusoidal_embedding",
        fn,
        _sinusoidal_embedding,
        exercise=exercises.embed_timesteps,
        praise="Well done: this is a clock with many hands, a sine and a cosine for each. Now "
        "change something: swap the halves, or put sines and cosines in turn, and see "
        "that it still passes; then make the base 100, and read what this check says.",
    )


def _sinusoidal_embedding(fn: object) -> list[str]:
    fn = as_function(fn, "sinusoidal_embedding(t, d_emb)")
    reading = examine_embedding(fn)
    return [*reading.notes, *_other_timesteps(fn, reading)]


def examine_embedding(
    fn: Callable, check_layout: Callable[[Reading], None] = lambda reading: None
) -> Reading:
    """What every layout of the sinusoid must do; raises `Wrong` at the first mistake.

    Args:
        fn: The answer.
        check_layout: Raises `Wrong` if this is not the layout that was asked for, at any width.

    Returns:
        How its table of width 256 is laid out.
    """
    name = name_of(fn)

    def embed(fn: Callable, t: Tensor, d: int = 256) -> Tensor:
        with cured(outer_cure):
            return call_on(fn, t, d, what=f"{name}(t, {d}) with {counted(t)}")

    emb = embed(fn, DRAWN)
    check_table_shape(emb, 6, 256)
    check_precision(emb)
    if emb.requires_grad:
        raise Wrong(
            "The embedding carries a gradient, so something in it is trained. The sinusoid is a "
            "fixed formula without parameters; the layers behind it learn."
        )
    check_repeats(emb, embed(fn, DRAWN), f"{name}(t, 256)")
    check_own_rows(fn, emb, DRAWN, embed)
    reading = read_clock(embed(fn, torch.arange(T)))
    check_layout(reading)
    for d in (64, 10):
        check_table_shape(embed(fn, DRAWN, d), 6, d)
        try:
            check_layout(read_clock(embed(fn, torch.arange(T), d)))
        except Wrong as error:
            raise Wrong(
                f"With d_emb = 256 it is right, with d_emb = {d} it is wrong. {error}"
            ) from None
    return reading


def counted(t: Tensor) -> str:
    """How many timesteps, as in "6 timesteps"."""
    return f"{len(t)} timestep{'s' * (len(t) > 1)}"


def check_precision(emb: Tensor, what: str = "The embedding") -> None:
    """Refuse embeddings, or what is made of them, in half precision."""
    if emb.dtype in HALVES:
        raise Wrong(
            f"{what} is {emb.dtype}, which is too coarse: near 1 its numbers lie "
            f"{torch.finfo(emb.dtype).eps:.2g} apart. In most dimensions that turn slowly, "
            "neighbouring timesteps are closer than that. Compute in float32: t.float()."
        )


def check_table_shape(emb: Tensor, rows: int, d: int) -> None:
    """Refuse embeddings of another shape than (rows, d), with the likely reason."""
    got = tuple(emb.shape)
    if got == (rows, d):
        return
    reasons = {
        (d, rows): "It is transposed. Each timestep needs a row: t[:, None] * w[None, :].",
        (d // 2, 2 * rows): "Timesteps and frequencies are exchanged. Each timestep needs a row: "
        "t[:, None] * w[None, :].",
        (rows, d // 2): "Half is missing: each of the d/2 frequencies gives a sine and a cosine, "
        "joined by torch.cat([sin, cos], dim=-1).",
        (2 * rows, d // 2): "Sines and cosines are joined along the batch, dimension 0. Join them "
        "along the last one: torch.cat([sin, cos], dim=-1).",
        (rows, 2 * d): "d_emb dimensions need d_emb // 2 frequencies, since each gives a sine and "
        "a cosine.",
        (rows, d // 2, 2): "Sine and cosine still have a dimension of their own: flatten(1).",
        (rows, 2, d // 2): "Sine and cosine still have a dimension of their own: flatten(1).",
        (2, rows, d // 2): "Sine and cosine still have a dimension of their own. Join them with "
        "torch.cat([sin, cos], dim=-1).",
        (1, d): "There is one row for all timesteps. Each timestep needs its own.",
        (d,): "The batch dimension is lost. Each timestep needs a row of its own, even if alone.",
    }
    raise Wrong(
        f"{rows} timestep{'s' * (rows > 1)} and d_emb = {d} must give shape {(rows, d)}, got "
        f"{got}. " + reasons.get(got, "Each timestep needs one row of d_emb numbers.")
    )


def check_repeats(first: Tensor, again: Tensor, what: str) -> None:
    """Refuse a result that changes from call to call."""
    if not torch.equal(first, again):
        raise Wrong(
            f"{what} gives another result each time, with the same t. A timestep must always have "
            "the same embedding: draw nothing at random in the call, and make no layer there."
        )


def check_own_rows(
    fn: Callable, emb: Tensor, t: Tensor, embed: Callable[[Callable, Tensor], Tensor]
) -> None:
    """Refuse rows that depend on anything but their own timestep."""
    backwards = embed(fn, t.flip(0))
    if bool((emb == emb[:1]).all()):
        start = f"All {len(t)} rows are the same, though t = {t.tolist()}:"
        if torch.equal(backwards, emb):
            raise Wrong(
                f"{start} none of the timesteps is used. Use t[:, None], and divide it with / if "
                "at all: // and .long() make the same number of all."
            )
        raise Wrong(
            f"{start} only the first of the timesteps is used. Keep the whole batch: t[:, None], "
            "and not t[0]."
        )
    if torch.equal(backwards, emb):
        raise Wrong(
            "A row depends on its place in the batch, and not on t: with the timesteps in another "
            "order the rows are the same. Use t itself, and neither torch.arange(len(t)) nor a "
            "result that was kept from an earlier call."
        )
    rows = [embed(fn, t[k : k + 1]) for k in range(len(t))]
    for row in rows:
        check_table_shape(row, 1, emb.shape[1])
    off = (torch.cat(rows) - emb).abs().amax(dim=1)
    if off.max() > 1e-4 * max(1.0, emb.abs().max().item()):
        raise Wrong(
            f"t = {int(t[off.argmax()])} gets one embedding alone and another one in a batch. "
            "Something runs along the batch, dimension 0, instead of the embedding, dimension 1: a "
            "norm or a mean, or emb[0::2] where emb[:, 0::2] is meant."
        )
    equal = embed(fn, t[1:2].repeat(4))  # as a sampler's timesteps are
    check_table_shape(equal, 4, emb.shape[1])
    off = (equal - emb[1]).abs().max()
    if off > 1e-4 * max(1.0, emb.abs().max().item()):
        raise Wrong(
            f"In a batch of equal timesteps, t = {int(t[1])} each, not all rows are those of a "
            "timestep alone. A sampler's timesteps are all equal: give each its row."
        )
    one = torch.tensor([1])
    off = (embed(fn, one) - embed(fn, torch.cat([t, one]))[-1]).abs().max()
    if off > 1e-4 * max(1.0, emb.abs().max().item()):
        raise Wrong(depends_on_batch("1", off.item()))


def _other_timesteps(fn: Callable, reading: Reading) -> list[str]:
    """Notes on timesteps that the page's embedding takes as well."""
    taken = compare_kinds(lambda t: call_on(fn, t, 256, what=""), reading.at)
    refused = [
        f"Note: your function does not take {kind}. The page's embedding takes it, too."
        for kind in taken.refused[:1]
    ]
    return [*refused, *taken.notes]


def check_interleaved_embedding(fn: Callable[[Tensor, int], Tensor]) -> CheckResult:
    """Check an embedding in the order of the 2017 formula: sin, cos, sin, cos.

    Args:
        fn: Called as fn(t, d_emb) with t of shape (B,); returns (B, d_emb).

    Returns:
        What was found.
    """
    return run_check(
        "check_interleaved_embedding",
        fn,
        _interleaved_embedding,
        exercise=exercises.interleaved_embedding,
        praise="Well done: this is the order of the formula of 2017. Next, find the permutation "
        "that turns it into the page's sin_cos layout, and try it with emb[:, permutation].",
    )


def _interleaved_embedding(fn: object) -> list[str]:
    fn = as_function(fn, "interleaved_embedding(t, d_emb)")
    reading = examine_embedding(fn, _check_order)
    taken = compare_kinds(lambda t: call_on(fn, t, 256, what=""), reading.at)
    return [*reading.notes, *taken.notes]


def _check_order(reading: Reading) -> None:
    matched = reading.matched
    half = len(matched.order) // 2
    sines, cosines = matched.order[:half], matched.order[half:]
    even = torch.arange(half) * 2
    if not (torch.equal(sines, even) and torch.equal(cosines, even + 1)):
        raise Wrong(_order_text(sines, cosines, even))
    if matched.is_negative.any():
        raise Wrong(
            "The order is right, but some signs are wrong. Write sin(w_i t), not -sin(w_i t)."
        )


def _order_text(sines: Tensor, cosines: Tensor, even: Tensor) -> str:
    start = "All sines and cosines are there, in another order: "
    if torch.equal(sines, even + 1) and torch.equal(cosines, even):
        return f"{start}cosines stand at even dimensions. Sines belong there, cosines at odd ones."
    if torch.equal(sines, even // 2):
        return (
            f"{start}first all sines, then all cosines. This task wants them in turn: sines at "
            "emb[:, 0::2], cosines at emb[:, 1::2]."
        )
    if torch.equal(cosines, even // 2):
        return (
            f"{start}first all cosines, then all sines. This task wants them in turn: sines at "
            "emb[:, 0::2], cosines at emb[:, 1::2]."
        )
    places = torch.stack([sines, cosines], dim=1).flatten()  # in the order that is wanted
    elsewhere = (places != torch.arange(len(places))).nonzero().flatten()
    k = int(elsewhere[0])
    return (
        f"{start}{len(elsewhere)} of {len(places)} stand elsewhere. The first of them, "
        f"{'cos' if k % 2 else 'sin'}(w_{k // 2} t), belongs at dimension {k} and stands at "
        f"{int(places[k])}. Sines belong at even dimensions, cosines at odd ones, fastest first."
    )
