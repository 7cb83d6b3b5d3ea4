"""Checks of further tasks of exercise 4: timesteps to train on, and one step of DDIM."""

from collections.abc import Callable

import torch
from torch import Tensor

from condlesson import exercises
from condlesson.checks.harness.answer import as_function, call, call_on, shape
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import NotDone, Wrong, run_check

__all__ = ["check_ddim_update", "check_draw_timesteps"]

MANY = 20_000  # draws, in which each of ten timesteps is expected 2000 times, give or take 42


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
        praise="Found: torch.randint leaves out its upper end, so that one less never draws the "
        "last timestep. A sampler starts right there. Next, say what the network does at a "
        "timestep that it has never been trained on, and measure it.",
    )


def _draw_timesteps(answer: object) -> list[str]:
    fn = as_function(answer, "fn(batch_size, num_timesteps)")
    _draw(fn, 5, 1000)
    drawn = _draw(fn, MANY, 10)
    counts = torch.bincount(drawn, minlength=10)[:10]
    if (drawn == drawn[0]).all():
        raise Wrong(
            f"All {MANY:,} images get t = {int(drawn[0])}. Each image must draw a timestep of its "
            "own: torch.randint(0, num_timesteps, (batch_size,))."
        )
    never = (counts == 0).nonzero().flatten().tolist()
    if never:
        raise Wrong(_never_drawn(never))
    if ((counts - MANY // 10).abs() > 300).any():
        raise Wrong(_uneven(counts))
    if torch.equal(_draw(fn, 64, 1000), _draw(fn, 64, 1000)):
        raise Wrong(
            "Every batch gets the same timesteps: nothing is drawn, or from a seed that is set in "
            "the function. Set seeds once, outside."
        )
    _check_last(fn)
    return []


def _draw(fn: Callable, batch_size: int, num_timesteps: int) -> Tensor:
    what = f"fn({batch_size}, {num_timesteps})"
    drawn = call(fn, batch_size, num_timesteps, what=what)
    if drawn is None:
        raise NotDone(f"{what} returned None.")
    if not isinstance(drawn, Tensor):
        raise Wrong(f"{what} must return a torch.Tensor, got {type(drawn).__name__}.")
    if drawn.shape != (batch_size,):
        raise Wrong(
            f"{what} must return one timestep for each image, shape ({batch_size},), got "
            f"{shape(drawn)}."
        )
    if drawn.is_floating_point() or drawn.is_complex() or drawn.dtype == torch.bool:
        raise Wrong(f"{what} must return integers, which index alpha-bar, got {drawn.dtype}.")
    low, high = int(drawn.min()), int(drawn.max())
    if low < 0 or high >= num_timesteps:
        raise Wrong(
            f"{what} drew t = {low if low < 0 else high}, and timesteps run from 0 to "
            f"{num_timesteps - 1}. torch.randint leaves out its upper end: "
            "torch.randint(0, num_timesteps, (batch_size,))."
        )
    return drawn.long()


def _never_drawn(never: list[int]) -> str:
    start = f"In {MANY:,} draws with T = 10, t = {', '.join(map(str, never))} never came."
    if never == [9]:
        return (
            f"{start} It is the last timestep, T - 1, the noisiest, at which every sampler starts: "
            "the network would never see it in training. torch.randint leaves out its upper end, "
            "so that end is num_timesteps, not num_timesteps - 1."
        )
    if never == [0]:
        return (
            f"{start} It is the first timestep, the least noise, with which every sampler ends. "
            "Draw from 0: torch.randint(0, num_timesteps, (batch_size,))."
        )
    return f"{start} All of 0 .. 9 must be drawn: torch.randint(0, num_timesteps, (batch_size,))."


def _uneven(counts: Tensor) -> str:
    shares = [f"{count / MANY:.1%}" for count in counts.tolist()]
    inner = counts[1:-1].float()
    ends = counts[[0, -1]].float().mean() < 0.65 * inner.mean() and inner.std() < 0.1 * inner.mean()
    reason = " The ends are drawn half as often: rounding does that; cut instead." if ends else ""
    return (
        f"Timesteps are not equally likely. With T = 10, 0 .. 9 have the shares "
        f"{', '.join(shares)} instead of 10 % each.{reason} Take torch.randint(0, num_timesteps, "
        "(batch_size,))."
    )


def _check_last(fn: Callable) -> None:
    """The ends are drawn for another T, too, so that none is written down as a number."""
    for num_timesteps in (1000, 3):
        drawn = _draw(fn, MANY, num_timesteps)
        low, high = int(drawn.min()), int(drawn.max())
        if low != 0 or high != num_timesteps - 1:
            raise Wrong(
                f"With T = 10 it is right; with T = {num_timesteps} the draws run from {low} to "
                f"{high} instead of 0 to {num_timesteps - 1}. Use the argument num_timesteps."
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
        praise="Well done: clean the image, then noise it again with the same noise, a little "
        "less. Next, go from t = 999 to the clean image in one step, and in fifty.",
    )


def _ddim_update(answer: object) -> list[str]:
    fn = as_function(answer, "fn(x_t, noise_pred, alpha_bar_t, alpha_bar_prev)")
    generator = torch.Generator().manual_seed(6)
    x_0 = torch.rand(3, 1, 4, 5, generator=generator) * 2 - 1
    noise = torch.randn(3, 1, 4, 5, generator=generator)
    now, before = torch.tensor(0.3), torch.tensor(0.6)
    x_t = now.sqrt() * x_0 + (1 - now).sqrt() * noise
    got = _step(fn, x_t, noise, now, before)
    if not torch.equal(got, _step(fn, x_t, noise, now, before)):
        raise Wrong("The same step gives another result each time. With eta = 0 no noise is drawn.")
    _compare_step(got, x_0, x_t, noise, now, before)
    for a, b in ((torch.tensor(0.01), torch.tensor(1.0)), (before, before), (before, now)):
        _compare_level(fn, x_0, noise, a, b)
    notes = _clipping_note(fn, x_t=3 * noise, noise=noise)
    one_each = [torch.tensor(v).view(3, 1, 1, 1) for v in ([0.2, 0.5, 0.8], [0.3, 0.9, 1.0])]
    try:
        _step(fn, x_t, noise, *one_each)
    except Wrong:
        return [*notes, "Note: an alpha-bar for each image, of shape (B, 1, 1, 1), is not taken."]
    _compare_level(fn, x_0, noise, *one_each)
    return notes


def _compare_level(fn: Callable, x_0: Tensor, noise: Tensor, now: Tensor, before: Tensor) -> None:
    """Compare a step from one level of noise to another."""
    got = _step(fn, now.sqrt() * x_0 + (1 - now).sqrt() * noise, noise, now, before)
    right = before.sqrt() * x_0 + (1 - before).sqrt() * noise
    if not torch.allclose(got, right.double(), atol=1e-3):
        raise Wrong(
            f"From alpha_bar_t = {_say(now)} to alpha_bar_prev = {_say(before)} the result is off "
            f"by up to {(got - right).abs().max():.2g}, though from 0.3 to 0.6 it was right."
        )


def _say(value: Tensor) -> str:
    return str([round(v, 3) for v in value.flatten().tolist()]) if value.ndim else f"{value:.2f}"


def _step(fn: Callable, x_t: Tensor, noise: Tensor, now: Tensor, before: Tensor) -> Tensor:
    what = f"fn(x_t, noise_pred, alpha_bar_t, alpha_bar_prev) with x_t {shape(x_t)}"
    got = call_on(fn, x_t, noise, now, before, what=what)
    if got.shape != x_t.shape:
        raise Wrong(f"{what} must return the shape of x_t, got {shape(got)}.")
    return got.detach().double()


def _compare_step(
    got: Tensor, x_0: Tensor, x_t: Tensor, noise: Tensor, now: Tensor, before: Tensor
) -> None:
    """Compare with the formula, and with its mistakes."""
    a, b = now.double(), before.double()
    x_0, x_t, noise = x_0.double(), x_t.double(), noise.double()

    def near(wrong: Tensor) -> bool:
        return torch.allclose(got, wrong, atol=1e-4)

    if near(b.sqrt() * x_0 + (1 - b).sqrt() * noise):
        return
    without_root = (x_t - (1 - a) * noise) / a
    estimates = [
        (x_t - (1 - a) * noise) / a.sqrt(),
        without_root,
        (x_t - (1 - a).sqrt() * noise) / a,
        x_t - (1 - a).sqrt() * noise,
        (x_t - noise) / a.sqrt(),
        (x_t + (1 - a).sqrt() * noise) / a.sqrt(),
        (x_t - (1 - a).sqrt() * noise) * a.sqrt(),
        (x_t - a.sqrt() * noise) / (1 - a).sqrt(),
        x_t,
    ]
    ends = [
        (lambda x: b * x + (1 - b) * noise, "The level of noise needs square roots: "
         "sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * noise_pred."),
        (lambda x: x, "This is x_0, the clean image. Noise it again to the level alpha_bar_prev."),
        (lambda x: b.sqrt() * x, "The image is scaled, and its noise is missing: add "
         "sqrt(1 - alpha_bar_prev) * noise_pred."),
        (lambda x: (1 - b).sqrt() * x + b.sqrt() * noise, "The two factors are swapped: the share "
         "of the image is sqrt(alpha_bar_prev)."),
        (lambda x: x_t, "This is x_t again: both lines have the same level of noise. Solve for x_0 "
         "with alpha_bar_t, and noise it to the level alpha_bar_prev."),
        (lambda x: b.sqrt() * x + (1 - a).sqrt() * noise, "The image is at alpha_bar_prev, and its "
         "noise still at alpha_bar_t."),
        (lambda x: a.sqrt() * x + (1 - b).sqrt() * noise, "The noise is at alpha_bar_prev, and the "
         "image still at alpha_bar_t."),
        (lambda x: a.sqrt() * ((x_t - (1 - b).sqrt() * noise) / b.sqrt()) + (1 - a).sqrt() * noise,
         "alpha_bar_t and alpha_bar_prev are swapped: x_t is at alpha_bar_t."),
        (lambda x: b.sqrt() * x - (1 - b).sqrt() * noise, "The noise is subtracted in the second "
         "step; it is added there."),
        (lambda x: b.sqrt() * x + (1 - b) * noise, "The share of noise is sqrt(1 - "
         "alpha_bar_prev), a square root."),
        (lambda x: x + (1 - b).sqrt() * noise, "The image is added whole: its share is "
         "sqrt(alpha_bar_prev)."),
        (lambda x: b * x + (1 - b).sqrt() * noise, "The share of the image is "
         "sqrt(alpha_bar_prev), a square root."),
        (lambda x: b.sqrt() * x + noise, "The noise is added whole: its share is "
         "sqrt(1 - alpha_bar_prev)."),
    ]  # fmt: skip
    text = next((text for end, text in ends if near(end(x_0))), "")
    if not text and any(near(b.sqrt() * x + (1 - b).sqrt() * noise) for x in estimates):
        text = (
            "The estimate of the clean image is wrong: x_0 = (x_t - sqrt(1 - alpha_bar_t) * "
            "noise_pred) / sqrt(alpha_bar_t)."
        )
    if not text and near(b * without_root + (1 - b) * noise):
        text = "alpha-bar is a share of variance: every factor is its square root."
    right = b.sqrt() * x_0 + (1 - b).sqrt() * noise
    raise Wrong(
        f"With the true noise, the step from alpha_bar 0.3 to 0.6 must give the image noised to "
        f"0.6; the result is off by up to {(got - right).abs().max():.2g}. "
        + (text or "Solve for x_0 first, then noise it again with the same noise.")
    )


def _clipping_note(fn: Callable, x_t: Tensor, noise: Tensor) -> list[str]:
    now, before = torch.tensor(0.3), torch.tensor(0.6)
    x_0 = (x_t - (1 - now).sqrt() * noise) / now.sqrt()
    got = _step(fn, x_t, noise, now, before).float()
    if torch.allclose(got, before.sqrt() * x_0 + (1 - before).sqrt() * noise, atol=1e-3):
        return []
    clipped = x_0.clamp(-1, 1)
    fitting = (x_t - now.sqrt() * clipped) / (1 - now).sqrt()  # the noise between it and x_t
    ends = [before.sqrt() * clipped + (1 - before).sqrt() * eps for eps in (noise, fitting)]
    if any(torch.allclose(got, end, atol=1e-3) for end in ends):
        return ["Note: you clip the estimate of x_0 to [-1, 1], as samplers often do."]
    raise Wrong(
        "It is right where x_0 lies in [-1, 1], and wrong where the estimate lies outside. Compute "
        "it as it is, or clip x_0 alone."
    )
