"""Canaries: a few float32 steps on the shipped subset, which tell whether the code is the same."""

from dataclasses import replace
from functools import cache

import torch
from torch import nn

from condlesson.data import Mnist, load_subset
from condlesson.training import TrainConfig, TrainState, evaluate, train, validation_batches

__all__ = [
    "CANARY_TOLERANCES",
    "WEIGHTS_TOLERANCE",
    "canary_drift",
    "canary_losses",
    "subset",
    "weights_loss",
]

CANARY = {"images": 64, "epochs": 1, "batch_size": 16, "val_images": 64, "precision": "float32"}
# Relative, for the four steps and the validation loss. Other thread counts and kernels moved them
# by at most 5e-7, 1e-5 and then 1e-4: Adam's first steps magnify rounding. SiLU for GELU moved the
# first one by 1.3e-5. GELU's tanh form for GELU, a still smaller change, stays within all five: it
# moves the loss of adagn's weights by 1.8e-5 and is noticed there, and would pass unnoticed on the
# sinusoidal run alone.
CANARY_TOLERANCES = [5e-6, 1e-4, 5e-4, 5e-4, 5e-4]
WEIGHTS_TOLERANCE = 1e-5  # relative, of a loss without training


def canary_losses(config: TrainConfig, *, threads: int = 1) -> list[float]:
    """Losses of a few float32 CPU steps on the shipped subset, and the validation loss after them.

    Args:
        config: The run's configuration; only its size and precision are reduced.
        threads: CPU threads for these steps; one keeps the order of every sum.
    """
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        state = TrainState.start(replace(config, **CANARY))
        for _ in train(state, subset()):
            pass
    finally:
        torch.set_num_threads(threads_before)
    return [*torch.stack(state.losses).tolist(), *state.val_loss]


def canary_drift(then: list[float], now: list[float], tolerances: list[float]) -> str:
    """What no longer agrees between two canaries, as a sentence; empty if all does."""
    for k, (old, new, tolerance) in enumerate(zip(then, now, tolerances, strict=True)):
        if not abs(new - old) <= tolerance * abs(old):  # a nan is a fault too
            return (
                f"Loss {k} of its canary was {old:.7f} and is {new:.7f}, a relative change above "
                f"{tolerance:g}."
            )
    return ""


def weights_loss(model: nn.Module, config: TrainConfig) -> float:
    """Mean loss of a network on the canary's validation images; the canary of its weights."""
    batches = validation_batches(replace(config, **CANARY), subset())
    return evaluate(model, batches).mean().item()


@cache
def subset() -> Mnist:
    """The shipped subset, read once."""
    return load_subset()
