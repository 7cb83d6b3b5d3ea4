"""Check of a ratio: how much louder than the noise an image is."""

from collections.abc import Callable

import torch
from torch import Tensor

from condlesson import exercises
from condlesson.checks.harness.answer import as_function, call_on, shape
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, run_check

__all__ = ["check_SNAKE"]


def check_SNAKE(fn: Callable[[Tensor], Tensor]) -> CheckResult:
    """Check the ratio of signal to noise.

    Args:
        fn: Called as fn(alpha_bar); returns a tensor of its shape.

    Returns:
        What was found.
    """
    return run_check(
        "check_SNAKE",
        fn,
        _examine,
        exercise=exercises.SNAKE,
        praise="Well done. Next, look for the timestep at which both are equally loud.",
    )


def _examine(answer: object) -> list[str]:
    fn = as_function(answer, "fn(alpha_bar)")
    alpha_bar = torch.tensor([[0.1, 0.3], [0.5, 0.9]])
    what = f"fn(alpha_bar) with shape {shape(alpha_bar)}"
    got = call_on(fn, alpha_bar, what=what).float()
    if got.shape != alpha_bar.shape:
        raise Wrong(f"{what} must return a tensor of that shape, got {shape(got)}.")
    right = alpha_bar / (1 - alpha_bar)
    if torch.allclose(got, right, atol=1e-5):
        return []
    known = [
        (1 / right, "It is upside down: this is noise to signal."),
        (right.sqrt(), "This is the ratio of amplitudes. Leave the square root out."),
        (right.log(), "This is its logarithm."),
    ]
    reason = next((text for wrong, text in known if torch.allclose(got, wrong, atol=1e-5)), "")
    raise Wrong(
        f"At alpha_bar = 0.1 it says {got[0, 0]:.3f}, which must be {right[0, 0]:.3f}. "
        + (reason or "Divide alpha_bar by 1 - alpha_bar.")
    )
