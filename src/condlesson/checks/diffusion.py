"""Checks of further tasks of exercise 4: timesteps to train on, and one step of DDIM."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from condlesson import exercises
from condlesson.checks.harness.answer import as_function, call, call_on, cured, shape
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import NotDone, Wrong, name_of, run_check
from condlesson.checks.instruments.chance import are_coarse, unevenness
from condlesson.checks.instruments.ddim_mistakes import mistake_of
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule

__all__ = ["check_ddim_update", "check_draw_timesteps"]

ARGUMENTS = "x_t, noise_pred, alpha_bar_t, alpha_bar_prev"
MANY = 20_000  # draws, in which each of ten timesteps is expected 2000 times, give or take 42
UNEVEN = 90.0  # chi-square of ten counts, far beyond chance, even of draws in pairs t, T - 1 - t
EACH = 100_000  # draws, in which each of 1000 timesteps is expected 100 times
UNEVEN_EACH = 1400.0  # chi-square of 1000 counts, which pairs t, T - 1 - t exceed once in 10**8
DRAW = "torch.randint(0, num_timesteps, (batch_size,))"
NOW, BEFORE = 0.22, 0.58  # levels at which no two known mistakes give nearly the same step


def check_draw_timesteps(fn: Callable[[int, int], Tensor]) -> CheckResult:
    """Check the drawing of timesteps in which a bug was to be found.

    Args:
        fn: Called as fn(batch_size, num_timesteps); returns integers of shape (batch_size,).

    Returns:
        What was found.
    """
    return run_check(
        "check_draw_timesteps",
        fn,
        _draw_timesteps,
        exercise=exercises.draw_timesteps,
        praise="Found: torch.randint leaves out its upper end. With num_timesteps - 1 as that "
        "end it never draws the last timestep, and a sampler starts just there. Next, "
        "say what the network does at a timestep that it has never been trained on, and "
        "measure it.",
    )


def _draw_timesteps(answer: object) -> list[str]:
    fn = as_function(answer, "draw_timesteps(batch_size, num_timesteps)")
    few = _draw(fn, 5, 1000)
    _draw(fn, 1, 1000)  # .squeeze() takes the batch away from one image
    drawn = _draw(fn, MANY, 10)
    counts = torch.bincount(drawn, minlength=10)[:10]
    if (drawn == drawn[0]).all():
        raise Wrong(_all_alike(int(drawn[0]), always_0=not (few.any() or drawn.any())))
    never = (counts == 0).nonzero().flatten().tolist()
    if never:
        raise Wrong(_never_drawn(never))
    if unevenness(counts) > UNEVEN:
        raise Wrong(_uneven(counts))
    first, again = _draw(fn, 64, 1000), _draw(fn, 64, 1000)
    if torch.equal(first, again):
        raise Wrong(
            "Every batch gets the same timesteps: nothing is drawn, or a seed is set in the "
            "function. Set a seed once, outside of the function."
        )
    if len(first.diff().remainder(1000).unique()) == 1:
        raise Wrong(
            f"The timesteps of a batch follow one another: {first[:3].tolist()} and so on. Nothing "
            f"is drawn by chance. Take {DRAW}."
        )
    _check_places(fn)
    _check_last(fn)
    if len(first.unique()) < 48:  # two of 64 are alike by chance
        raise Wrong(
            f"The 64 images of a batch share {len(first.unique())} timesteps, with T = 1000. Each "
            f"image must draw its own: {DRAW}."
        )
    _check_each(fn)
    return []


def _check_each(fn: Callable) -> None:
    """Of many timesteps, too, each single one must be as likely as another."""
    counts = torch.bincount(_draw(fn, EACH, 1000), minlength=1000)
    if unevenness(counts) > UNEVEN_EACH:
        much, little = int(counts.argmax()), int(counts.argmin())
        comb = (
            "Are the numbers that are drawn too coarse? In float16 torch.rand has 2048 different "
            "ones, which 1000 timesteps cannot share evenly. "
        )
        raise Wrong(
            f"With T = 1000 some timesteps are more likely than others: in {EACH:,} draws t = "
            f"{much} came {int(counts[much])} times, and t = {little} {int(counts[little])} times. "
            f"{comb * are_coarse(counts)}Take {DRAW}."
        )


def _check_places(fn: Callable) -> None:
    """Every place in the batch must get all timesteps, as a batch that is sorted does not."""
    batches = torch.stack([_draw(fn, 5, 10) for _ in range(400)]).double()
    counts = torch.bincount(batches.flatten().long(), minlength=10)
    if unevenness(counts) > 2 * UNEVEN:
        shares = ", ".join(f"{share:.0%}" for share in counts / counts.sum())
        raise Wrong(
            f"In batches of 5 with T = 10, 0 .. 9 have the shares {shares}, though in large "
            f"batches they are alike. Keep what is drawn, whatever it holds: {DRAW}."
        )
    means = batches.mean(dim=0)  # each 4.5, give or take 0.14
    if (means - 4.5).abs().max() > 1:
        shown = ", ".join(f"{mean:.1f}" for mean in means)
        raise Wrong(
            f"t depends on the place of an image in the batch: with T = 10 the five places get "
            f"{shown} on average, not 4.5 each. Do not sort what was drawn."
        )


def _draw(fn: Callable, batch_size: int, num_timesteps: int) -> Tensor:
    what = f"{name_of(fn)}({batch_size}, {num_timesteps})"
    drawn = call(fn, batch_size, num_timesteps, what=what)
    if drawn is None:
        raise NotDone(f"{what} returned None.")
    if not isinstance(drawn, Tensor):
        convert = "from_numpy" if type(drawn).__module__ == "numpy" else "tensor"
        raise Wrong(
            f"{what} must return a torch.Tensor, got {type(drawn).__name__}. Convert it with "
            f"torch.{convert}, or take {DRAW}."
        )
    if drawn.shape != (batch_size,):
        raise Wrong(
            f"{what} must return one timestep for each image, shape ({batch_size},), got "
            f"{shape(drawn)}."
        )
    if drawn.is_floating_point() or drawn.is_complex() or drawn.dtype == torch.bool:
        raise Wrong(
            f"{what} must return integers, which index alpha-bar, got {drawn.dtype}. Convert "
            "numbers in [0, num_timesteps) with .long()."
        )
    largest = torch.iinfo(drawn.dtype).max
    if largest < num_timesteps - 1:
        raise Wrong(
            f"{what} returned {drawn.dtype}, which holds numbers up to {largest}, and timesteps go "
            f"up to {num_timesteps - 1}. Take torch.long."
        )
    drawn = drawn.long()  # unsigned types have no minimum
    low, high = int(drawn.min()), int(drawn.max())
    if low < 0 or high >= num_timesteps:
        reason = ""
        if low < -1:
            reason = " torch.randn draws negative numbers, too."
        elif high == num_timesteps:
            reason = (
                " T itself is no timestep: torch.randint leaves it out, Python's random.randint "
                "does not."
            )
        raise Wrong(
            f"{what} drew t = {low if low < 0 else high}, and timesteps run from 0 to "
            f"{num_timesteps - 1}.{reason} Take {DRAW}."
        )
    return drawn


def _all_alike(t: int, *, always_0: bool) -> str:
    start = f"All {MANY:,} images get t = {t}."
    if always_0:
        return (
            f"{start} torch.rand is below 1, so .long() alone makes 0 of it: multiply first, in "
            f"brackets, (torch.rand(batch_size) * num_timesteps).long(), or take {DRAW}."
        )
    return f"{start} Each image must draw a timestep of its own: {DRAW}."


def _never_drawn(never: list[int]) -> str:
    start = f"In {MANY:,} draws with T = 10, t = {', '.join(map(str, never))} never came."
    if never == [9]:
        return (
            f"{start} It is the last timestep, T - 1, the noisiest: the network would never see "
            "it in training. torch.randint leaves out its upper end, so the upper end must be "
            "num_timesteps, not num_timesteps - 1."
        )
    if never == [0]:
        return (
            f"{start} It is the first timestep, the one with the least noise, with which every "
            "sampler ends. Draw from 0: torch.randint(0, num_timesteps, (batch_size,))."
        )
    return f"{start} All of 0 .. 9 must be drawn: torch.randint(0, num_timesteps, (batch_size,))."


def _uneven(counts: Tensor) -> str:
    shares = [f"{count / MANY:.1%}" for count in counts.tolist()]
    inner = counts[1:-1].float()
    ends = counts[[0, -1]] / inner.mean()
    is_rounded = ends.min() > 0.35 and ends.max() < 0.65 and inner.std() < 0.1 * inner.mean()
    rounded = (
        " The ends come half as often as the others: numbers are rounded, or the upper end is off "
        "by one."
    )
    reason = rounded * bool(is_rounded)
    return (
        f"Timesteps are not equally likely. With T = 10, 0 .. 9 have the shares "
        f"{', '.join(shares)} instead of 10% each.{reason} Take torch.randint(0, num_timesteps, "
        "(batch_size,))."
    )


def _check_last(fn: Callable) -> None:
    """The ends are drawn for another T, too, so that none is written down as a number."""
    for num_timesteps in (700, 3, 1000):
        drawn = _draw(fn, MANY, num_timesteps)
        low, high = int(drawn.min()), int(drawn.max())
        if low != 0 or high != num_timesteps - 1:
            raise Wrong(
                f"With T = 10 it is right; with T = {num_timesteps} the draws run from {low} to "
                f"{high} instead of 0 to {num_timesteps - 1}. Use the argument num_timesteps."
            )
        missing = num_timesteps - len(drawn.unique())
        if missing > num_timesteps // 100:
            raise Wrong(
                f"With T = {num_timesteps}, {missing} timesteps never came in {MANY:,} draws. "
                f"Take {DRAW}."
            )
        parts = torch.bincount(drawn * min(10, num_timesteps) // num_timesteps)
        if unevenness(parts) > UNEVEN:
            raise Wrong(
                f"With T = 10 it is right; with T = {num_timesteps} timesteps are not equally "
                f"likely: {int(parts.max())} draws lie in one part of the range, and "
                f"{int(parts.min())} in another as large. Take {DRAW}, without a modulo."
            )


def check_ddim_update(fn: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]) -> CheckResult:
    """Check one step of DDIM without fresh noise.

    Args:
        fn: Called as fn(x_t, noise_pred, alpha_bar_t, alpha_bar_prev); returns the shape of x_t.

    Returns:
        What was found.
    """
    return run_check(
        "check_ddim_update",
        fn,
        _ddim_update,
        exercise=exercises.ddim_update,
        praise="Well done: estimate the clean image, then add the same noise again, a little "
        "less of it. Next, go from t = 999 to the clean image in one step, and in fifty.",
    )


def _ddim_update(answer: object) -> list[str]:
    fn = as_function(answer, f"ddim_update({ARGUMENTS})")
    generator = torch.Generator().manual_seed(6)
    x_0 = torch.rand(3, 1, 4, 5, generator=generator) * 2 - 1
    noise = torch.randn(3, 1, 4, 5, generator=generator)
    now, before = torch.tensor(NOW), torch.tensor(BEFORE)
    x_t = _noised(x_0, noise, now)
    got = _step(fn, x_t, noise, now, before)
    if not torch.equal(got, _step(fn, x_t, noise, now, before)):
        raise Wrong("The same step gives another result each time. With eta = 0 no noise is drawn.")
    if not torch.allclose(got, _noised(x_0, noise, before).double(), atol=1e-4):
        raise Wrong(_step_mistake(got, x_t, noise, _noised(x_0, noise, before).double()))
    for a, b in _levels():
        _compare_level(fn, x_0, noise.flip(0), a, b)  # not the noise of the first call
    if not torch.allclose(_step(fn, x_t[:1], noise[:1], now, before), got[:1], atol=1e-4):
        raise Wrong("One image alone gives another result than in a batch. Treat each alike.")
    _check_loud(fn, x_0, 2.5 * noise)
    notes = _clipping_note(fn, x_t=3 * noise, noise=noise)
    one_each = [torch.tensor(v).view(3, 1, 1, 1) for v in ([0.2, 0.5, 0.8], [0.3, 0.9, 1.0])]
    try:
        _step(fn, x_t, noise, *one_each)
    except Wrong:
        return [*notes, "Note: your function takes no alpha-bar for each image, (B, 1, 1, 1)."]
    _compare_level(fn, x_0, noise, *one_each)
    return notes


def _check_loud(fn: Callable, x_0: Tensor, noise: Tensor) -> None:
    """Noise that is larger than usual is no other noise."""
    now, before = torch.tensor(NOW), torch.tensor(BEFORE)
    got = _step(fn, _noised(x_0, noise, now), noise, now, before)
    off = (got - _noised(x_0, noise, before).double()).abs()
    if off.max() > 1e-3:
        raise Wrong(
            f"Where noise_pred is large, here up to {noise.abs().max():.1f}, the step is off by up "
            f"to {off.max():.2g}. Is it clamped? Take noise_pred as it is."
        )


def _levels() -> list[tuple[Tensor, Tensor]]:
    """Levels to go from and to: the page's thirty steps, and steps to the clean image."""
    alpha_bar = alphas_cumprod(linear_beta_schedule()).float()
    levels = alpha_bar[torch.linspace(999, 0, 31).round().long()]
    clean = torch.tensor(1.0)
    starts = levels[0], levels[15], levels[-1]
    return [*pairwise(levels), (levels[0], levels[-1]), *((a, clean) for a in starts)]


def _noised(x_0: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    return level.sqrt() * x_0 + (1 - level).sqrt() * noise


def _compare_level(fn: Callable, x_0: Tensor, noise: Tensor, now: Tensor, before: Tensor) -> None:
    """Compare a step from one level of noise to another."""
    got = _step(fn, _noised(x_0, noise, now), noise, now, before)
    right = _noised(x_0, noise, before)
    if not torch.allclose(got, right.double(), atol=2e-3):
        raise Wrong(
            f"From alpha_bar_t = {_say(now)} to alpha_bar_prev = {_say(before)} the result is off "
            f"by up to {(got - right).abs().max():.2g}, though from {NOW} to {BEFORE} it was "
            "right. Use the same formula for every pair of levels, without a limit such as clamp."
        )


def _say(value: Tensor) -> str:
    return str([round(v, 3) for v in value.flatten().tolist()]) if value.ndim else f"{value:.3g}"


def _step(fn: Callable, x_t: Tensor, noise: Tensor, now: Tensor, before: Tensor) -> Tensor:
    what = f"{name_of(fn)}({ARGUMENTS}) with x_t {shape(x_t)}"
    with cured(_cure):
        got = call_on(fn, x_t, noise, now, before, what=what)
    if got.shape != x_t.shape:
        raise Wrong(f"{what} must return the shape of x_t, got {shape(got)}.")
    return got.detach().double()


def _step_mistake(got: Tensor, x_t: Tensor, noise: Tensor, right: Tensor) -> str:
    """What is wrong with the first step: every mistake gives p * x_t + q * noise."""
    start = (
        f"Given the true noise, the step from alpha_bar_t = {NOW} to alpha_bar_prev = {BEFORE} "
        f"must give the image with the noise of the level {BEFORE}. "
    )
    parts = torch.stack([x_t.flatten(), noise.flatten()], dim=1).double()
    found = torch.linalg.lstsq(parts, got.flatten()).solution
    is_sum = (got.flatten() - parts @ found).abs().max() < 1e-4
    known = mistake_of(*found.tolist(), NOW, BEFORE) if is_sum else ""
    if is_sum and not known and (got - right).abs().max() > 0.02:
        wanted = torch.linalg.lstsq(parts, right.flatten()).solution
        (p, q), (p_0, q_0) = found.tolist(), wanted.tolist()
        known = (
            f"Your result is {p:.3f} * x_t {q:+.3f} * noise_pred, and the formula gives "
            f"{p_0:.3f} * x_t {q_0:+.3f} * noise_pred. Compare it factor by factor."
        )
    return start + (known or _odd(got, right))


def _odd(got: Tensor, right: Tensor) -> str:
    """What is wrong with a step that no known factors explain."""
    off = (got - right).abs()
    if off.max() < 0.02:
        return (
            f"It is off by {off.max():.2g} at most: leave out a small number such as 1e-3 that is "
            "added, and half precision."
        )
    is_right = off < 1e-4
    if is_right.double().mean() > 0.2:
        return (
            f"{int(is_right.sum())} of {off.numel()} numbers are right, and the others are cut, as "
            "by clamp. Leave it out, or clip x_0 to [-1, 1] and nothing else."
        )
    return (
        "Your result is not x_t and noise_pred, each times a number of the formula. Is there "
        "another noise, or a parenthesis in the wrong place, as in (x_t - s) * noise_pred?"
    )


def _cure(failure: Failure) -> str:
    """A level that is taken for a timestep."""
    if "used as indices" in failure.text or "are valid indices" in failure.text:
        return "alpha_bar_t and alpha_bar_prev are the levels themselves, no timesteps: use them."
    return ""


def _clipping_note(fn: Callable, x_t: Tensor, noise: Tensor) -> list[str]:
    now, before = torch.tensor(NOW), torch.tensor(BEFORE)
    x_0 = (x_t - (1 - now).sqrt() * noise) / now.sqrt()
    got = _step(fn, x_t, noise, now, before).float()
    if torch.allclose(got, _noised(x_0, noise, before), atol=1e-3):
        return []
    clipped = x_0.clamp(-1, 1)
    fitting = (x_t - now.sqrt() * clipped) / (1 - now).sqrt()  # the noise between it and x_t
    if any(
        torch.allclose(got, _noised(clipped, eps, before), atol=1e-3) for eps in (noise, fitting)
    ):
        return ["Note: you clip the estimate of x_0 to [-1, 1], as samplers often do."]
    raise Wrong(
        "The step is right where the estimate of x_0 lies in [-1, 1], and wrong where it lies "
        "outside. Leave the estimate as it is, or clip it to [-1, 1] and change nothing else."
    )
