"""Whether a timestep MLP can learn: from the values that it starts with, and by its gradients."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from condlesson.checks.harness.answer import call
from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.mlp_layers import Layers
from condlesson.checks.instruments.parameters import overwritten
from condlesson.checks.instruments.slopes import slope_error

__all__ = ["check_slopes", "check_start"]

STEPS = 3  # a layer that starts at 0 passes a gradient on after the first
LARGEST = 0.05  # change of a number in a step
SIZES = 0.001, 0.01, 0.1  # of a change to measure a slope: for a ReLU small, for bfloat16 large
DIRECTIONS = 6
OFF = 0.1  # of a slope


def check_start(module: nn.Module, layers: Layers, run: Callable[[], Tensor]) -> None:
    """Refuse values from which the layers can never learn, whatever the loss.

    Args:
        module: With the values that it starts with, which it has again afterwards.
        layers: Its parameters.
        run: Returns embeddings of several timesteps, (B, d_emb).
    """
    weights = layers.weight_1, layers.weight_2
    zero = [not bool(w.any()) for w in weights]
    reached = [False, False]
    with overwritten({p: p.detach() for p in layers}):
        for _ in range(STEPS):
            _set_gradients(module, run)
            for k, weight in enumerate(weights):
                reached[k] = reached[k] or bool(weight.grad.any())
            _descend(layers)
        alike = _units_are_alike(layers)
    names = [name for w in weights for name, p in module.named_parameters() if p is w]
    if not all(reached):
        stuck = [name for name, r in zip(names, reached, strict=True) if not r]
        cause = (
            f"{' and '.join(names)} both start at 0, and each waits for the other: two layers of "
            "zeros in a row pass on neither t nor a gradient. One of them may start at 0; leave "
            "the other as nn.Linear makes it."
            if all(zero)
            else "With the values of the start, nothing comes through the activation. Leave the "
            "layers as nn.Linear makes them."
        )
        raise Wrong(
            f"It can never learn: at the start the gradient of {' and '.join(stuck)} is exactly 0, "
            f"and after {STEPS} steps of training it still is. {cause}"
        )
    if alike:
        raise Wrong(
            f"All {layers.widths[1]} numbers of the hidden layer are the same at the start, and "
            f"after {STEPS} steps of training they still are. The same weights get the same "
            "gradients for ever, so that the layer is worth one number. Start with random "
            "weights, as nn.Linear makes them."
        )


def _set_gradients(module: nn.Module, run: Callable[[], Tensor]) -> None:
    module.zero_grad()
    out = run()
    call(_weighted(out).backward, what="The backward pass")


def _weighted(out: Tensor) -> Tensor:
    """A sum over the embeddings, each number with a weight of its own."""
    weights = torch.randn(out.shape, generator=torch.Generator().manual_seed(5))
    return (out.double() * weights).sum()


def _descend(layers: Layers) -> None:
    """A step down the gradient, of the same size for every parameter."""
    with torch.no_grad():
        for p in layers:
            largest = p.grad.abs().max()
            if largest > 0:
                p -= LARGEST * p.grad / largest


def _units_are_alike(layers: Layers) -> bool:
    """Whether all numbers of the hidden layer have the same weights, and the same bias."""
    weight = layers.weight_1.detach().squeeze()
    rows = weight if weight.shape[0] == layers.widths[1] else weight.T
    biases = (layers.bias_1.detach().flatten(), layers.bias_2.detach().flatten())
    return _is_one(rows) and any(_is_one(bias) for bias in biases)


def _is_one(rows: Tensor) -> bool:
    return bool((rows - rows[:1]).abs().max() <= 1e-5 * rows.abs().max())


def check_slopes(module: nn.Module, layers: Layers, run: Callable[[], Tensor]) -> None:
    """Refuse gradients that are not the slopes of the result, as when a part of a path is cut.

    Args:
        module: With values that move every part of it.
        layers: Its parameters.
        run: Returns embeddings of several timesteps, (B, d_emb).
    """
    _set_gradients(module, run)
    gradients = {n: (p, p.grad.double()) for n, p in module.named_parameters() if _is_in(p, layers)}
    for name, (p, gradient) in gradients.items():
        off = 1.0
        for size in SIZES:
            off = min(off, _off(p, gradient, size, run)) if off > OFF else off
        if off > OFF:
            zeros = int((gradient == 0).sum())
            none = f", and {zeros:,} of its {p.numel():,} numbers get none" if zeros else ""
            raise Wrong(
                f"The gradient of {name} is off by {off:.0%}, compared with what small changes of "
                f"{name} do to the embedding{none}. A part of the path to the result is cut: leave "
                "out detach, .data and no_grad, for parts of a layer, too."
            )


def _is_in(p: nn.Parameter, layers: Layers) -> bool:
    return any(p is one for one in layers)


def _off(p: nn.Parameter, gradient: Tensor, size: float, run: Callable[[], Tensor]) -> float:
    """Error of a gradient, beside slopes that are measured in some directions."""
    generator = torch.Generator().manual_seed(7)
    fan_in = p.squeeze().shape[-1] if p.squeeze().ndim > 1 else 2
    step, start = size / (fan_in / 2) ** 0.5, p.detach().clone()
    ways = [step * torch.randn(p.shape, generator=generator) for _ in range(DIRECTIONS)]

    def changed(way: Tensor) -> Tensor:
        with overwritten({p: start + way}), torch.no_grad():
            return _weighted(run())

    return slope_error(gradient, ways, changed)
