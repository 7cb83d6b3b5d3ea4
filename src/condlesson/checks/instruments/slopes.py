"""Whether a backward pass tells how the result changes, and whether its steps lead anywhere."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from condlesson.checks.harness.answer import call
from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.parameters import overwritten, trainable

__all__ = ["check_slopes", "slope_error", "stepped", "unmoved"]

Run = Callable[[Tensor, Tensor], Tensor]  # of h and t_emb
WAYS = 6  # random directions
STEP = 2e-3  # along one, as a part of the size of what is changed
MOST = 12  # parameters that are looked at: many small ones would take long
ALLOWED = 0.05  # relative error of a slope
FINER = 8  # times smaller steps tell the same, unless something is rounded
STEPS = 3  # of gradient descent
STRIDE = 0.1  # of every number of a parameter that has a gradient, as in the first step of Adam

CUTS = {
    "h": " Is something on the way, such as the norm's mean or variance, taken without gradients?",
    "t_emb": " Is gamma, beta or a shift made of a copy of t_emb without gradients?",
}


def check_slopes(layer: nn.Module, run: Run, h: Tensor, t_emb: Tensor) -> None:
    """Refuse a layer whose backward pass says otherwise than small changes of the result.

    Args:
        layer: The layer, with the values at which it is to be examined.
        run: Its result, with gradients, which may change what it is called with.
        h: A feature map, (B, C, H, W).
        t_emb: Embeddings, (B, d_emb).
    """
    leaves = [x.clone().requires_grad_() for x in (h, t_emb)]
    found = dict(list(trainable(layer).items())[:MOST])
    out = run(*(x * 1.0 for x in leaves))
    traced = [*leaves, *found.values()]
    gradients = torch.autograd.grad(_sum(out), traced, allow_unused=True)
    floor = 1e-3 * _sum(out, absolute=True).item()

    def changed(x: Tensor, change: Tensor) -> Tensor:
        given = [leaf.detach() + change if leaf is x else leaf.detach() * 1.0 for leaf in leaves]
        values = {p: p.detach() + change for p in found.values() if p is x}
        with overwritten(values), torch.no_grad():
            return _sum(run(*given))

    for name, x, gradient in zip(("h", "t_emb", *found), traced, gradients, strict=True):
        ways = _ways(x.detach())
        error = slope_error(gradient, ways, partial(changed, x), floor * STEP)
        if error > ALLOWED:
            coarse = _slopes(ways, partial(changed, x))
            fine = _slopes([way / FINER for way in ways], partial(changed, x)) * FINER
            if (coarse - fine).norm() > ALLOWED * coarse.norm():
                raise Wrong(
                    f"On the path from {name} to the result something is rounded: small changes of "
                    f"{name} change the result by jumps. Is it computed in half precision, or by "
                    "whole numbers? Compute in float32."
                )
            raise Wrong(
                f"A part of the path from {name} to the result is cut: the gradient of {name} is "
                f"off by {error:.0%} from how the result changes with it.{CUTS.get(name, '')} "
                "Leave out detach, .data and no_grad."
            )


def _sum(out: Tensor, *, absolute: bool = False) -> Tensor:
    """One number that depends on every number of the result."""
    weights = torch.linspace(-1, 2, out.numel(), dtype=torch.float64).reshape(out.shape)
    return (out.double().square() * (weights.abs() if absolute else weights)).sum()


def _ways(x: Tensor) -> Sequence[Tensor]:
    """Small changes in random directions."""
    generator = torch.Generator().manual_seed(17)
    size = STEP * x.square().mean().sqrt().clamp(min=1e-2)
    return [torch.randn(x.shape, generator=generator, dtype=x.dtype) * size for _ in range(WAYS)]


def slope_error(
    gradient: Tensor | None,
    ways: Sequence[Tensor],
    changed: Callable[[Tensor], Tensor],
    floor: float = 1e-12,
) -> float:
    """Relative error of what a gradient tells of small changes.

    Args:
        gradient: Of a number, by a tensor; None if there is none, as if it were 0.
        ways: Changes of the tensor.
        changed: The number, after a change.
        floor: Change of the number below which an error does not count.
    """
    told = [torch.tensor(0.0) if gradient is None else (gradient * way).sum() for way in ways]
    told, measured = torch.stack(told).double(), _slopes(ways, changed)
    return ((told - measured).norm() / (measured.norm() + floor)).item()


def _slopes(ways: Sequence[Tensor], changed: Callable[[Tensor], Tensor]) -> Tensor:
    """How a number changes along each of some changes, in float64."""
    return torch.stack([(changed(way) - changed(-way)) / 2 for way in ways]).double()


def stepped(layer: nn.Module, run: Run, h: Tensor, t_emb: Tensor) -> dict[nn.Parameter, Tensor]:
    """Values of the parameters after a few steps of gradient descent from where they are.

    Args:
        layer: The layer, as it starts.
        run: Its result, with gradients.
        h: A feature map, (B, C, H, W).
        t_emb: Embeddings, (B, d_emb).

    Returns:
        The values, to be used with `overwritten`; the layer itself is left as it is.
    """
    generator = torch.Generator().manual_seed(18)
    found = list(trainable(layer).values())
    values = {p: p.detach().clone() for p in found}
    for _ in range(STEPS):
        with overwritten(values):
            out = run(h.clone(), t_emb.clone())
            if not out.requires_grad:
                raise Wrong(
                    "As the layer starts, its result carries no gradient, so nothing would be "
                    "learned. Compute the result in the same way whatever the parameters are."
                )
            target = torch.randn(out.shape, generator=generator, dtype=out.dtype)
            gradients = call(
                lambda loss: torch.autograd.grad(loss, found, allow_unused=True),
                (out * target).sum(),
                what="The backward pass",
            )
        for p, gradient in zip(found, gradients, strict=True):
            if gradient is not None:
                values[p] = values[p] - STRIDE * gradient.sign()
    return values


def unmoved(layer: nn.Module, values: dict[nn.Parameter, Tensor]) -> str:
    """A sentence on the parameters that start at 0 and are still there after these steps, or ""."""
    names = [
        name
        for name, p in trainable(layer).items()
        if not p.any() and torch.equal(p.detach(), values[p])
    ]
    return f" What starts at 0 and gets no gradient: {', '.join(names[:4])}." if names else ""
