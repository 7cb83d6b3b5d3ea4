"""Checks of exercise 2: the timestep MLP, written and mended."""

import re
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from condlesson import embeddings, exercises
from condlesson.checks.embedding import (
    DRAWN,
    check_own_rows,
    check_precision,
    check_repeats,
    counted,
)
from condlesson.checks.harness.answer import as_factory, build, call_on, cured, shape
from condlesson.checks.harness.cures import outer_cure
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check
from condlesson.checks.instruments.kinds_of_timesteps import NUMBER, compare_kinds
from condlesson.checks.instruments.mlp import examine_perceptron
from condlesson.checks.instruments.mlp_layers import find_layers
from condlesson.checks.instruments.mlp_learning import check_slopes, check_start
from condlesson.checks.instruments.parameters import (
    check_gradients,
    check_modes,
    overwritten,
    trainable,
)

__all__ = ["check_timestep_embedding", "check_timestep_mlp"]


def check_timestep_embedding(cls: Callable[[int, int], nn.Module]) -> CheckResult:
    """Check the timestep MLP: sinusoid, linear layer, GELU, linear layer.

    Args:
        cls: Called as cls(d_sinusoidal, d_emb); an object is called with t of shape (B,) and
            returns (B, d_emb).

    Returns:
        What was found.
    """
    return run_check(
        "check_timestep_embedding",
        cls,
        _timestep_embedding,
        exercise=embeddings.TimestepEmbedding,
        praise="Well done: a fixed clock, and a small network that learns to read it. Now change "
        "something: take SiLU for GELU, as most U-Nets do, and then leave the activation out.",
    )


def check_timestep_mlp(cls: Callable[[int, int], nn.Module]) -> CheckResult:
    """Check the timestep MLP in which a bug was to be found.

    Args:
        cls: As in `check_timestep_embedding`.

    Returns:
        What was found.
    """
    return run_check(
        "check_timestep_mlp",
        cls,
        _timestep_embedding,
        exercise=exercises.TimestepMLP,
        praise="Found. Without the activation the two layers would be one linear map of the "
        "sinusoid, and no error would say so. Next, count how many parameters would be "
        "wasted.",
    )


def _timestep_embedding(answer: object) -> list[str]:
    factory = as_factory(answer, "TimestepEmbedding(d_sinusoidal, d_emb)")
    notes = []
    for d_sinusoidal, d_emb in ((256, 512), (48, 32)):
        notes = _examine(factory, d_sinusoidal, d_emb)
    notes = [*notes, *_other_timesteps(factory)]
    for sizes in ((256, 512), (48, 32), (32, 16)):  # another one of each shares nothing
        build(factory, *sizes, text=f"{name_of(factory)}{sizes}")
    return notes


def _examine(factory: Callable, d_sinusoidal: int, d_emb: int) -> list[str]:
    text = f"{name_of(factory)}({d_sinusoidal}, {d_emb})"
    with cured(partial(_cure, d_sinusoidal=d_sinusoidal)):
        module = build(factory, d_sinusoidal, d_emb, text=text)
        emb = _embed(module, DRAWN)
    if emb.shape != (len(DRAWN), d_emb):
        raise Wrong(
            f"{text} must make {shape((len(DRAWN), d_emb))} of {len(DRAWN)} timesteps, got "
            f"{shape(emb)}. Each timestep needs one row of d_emb numbers."
        )
    check_precision(emb)
    trainable(module)
    check_repeats(emb, _embed(module, DRAWN), "The module")
    layers = find_layers(module, d_sinusoidal, d_emb, text)
    check_gradients(module, lambda: _embed(module, DRAWN), "The embedding")
    with overwritten(_random_values(module)):  # a second layer may start at 0
        check_own_rows(module, _embed(module, DRAWN), DRAWN, _embed)
        check_modes(module, lambda: _embed(module, DRAWN))
    notes = examine_perceptron(layers, lambda t: _embed(module, t))
    with overwritten(_random_values(module)):
        check_slopes(module, layers, lambda: _embed(module, DRAWN))
    check_start(module, layers, lambda: _embed(module, DRAWN))
    return notes


def _cure(failure: Failure, d_sinusoidal: int) -> str:
    """A layer of another width than what enters it, or an outer product without its dimension."""
    layer = failure.layer or "A layer"
    match = re.search(r"cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", failure.text)
    gets_one_row = bool(match) and match[1] in ("1", str(len(DRAWN)))
    if failure.layer and DRAWN.shape in failure.shapes.values() and (not match or gets_one_row):
        return f"{layer} gets t itself. Give it the sinusoid of t, d_sinusoidal numbers for each."
    if not match:
        return outer_cure(failure)
    return (
        f"{layer} takes {match[2]} numbers and gets {match[1]}. The sinusoid, d_sinusoidal = "
        f"{d_sinusoidal} wide, goes into nn.Linear(d_sinusoidal, d_emb), and the result of that "
        "into nn.Linear(d_emb, d_emb)."
    )


def _random_values(module: nn.Module) -> dict[nn.Parameter, Tensor]:
    generator = torch.Generator().manual_seed(4)
    return {
        p: torch.randn(p.shape, generator=generator) / p.shape[-1] ** 0.5
        for p in trainable(module).values()
    }


def _embed(module: Callable, t: Tensor) -> Tensor:
    return call_on(module, t, what=f"The module, called with {counted(t)},")


def _other_timesteps(factory: Callable) -> list[str]:
    module = build(factory, 32, 16, text=f"{name_of(factory)}(32, 16)")
    _embed(module, DRAWN)  # lazy layers get their values here
    with overwritten(_random_values(module)):  # a second layer may start at 0
        taken = compare_kinds(lambda t: call_on(module, t, what=""))
    if NUMBER not in taken.refused:
        return taken.notes
    return [
        "Note: your module does not take a single number, such as t = 500. The page's module "
        "takes it, too."
    ]
