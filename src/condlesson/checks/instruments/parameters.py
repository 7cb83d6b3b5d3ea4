"""Parts of a module by the shapes of their parameters, whatever their names are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.checks.harness.answer import call, shape
from condlesson.checks.harness.run import Wrong

__all__ = [
    "ACTIVATIONS",
    "activation_of",
    "check_gradients",
    "listed",
    "overwritten",
    "squeezed",
    "trainable",
]

GELU, SILU = "GELU", "SiLU"
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "no activation": lambda x: x,
    GELU: F.gelu,
    "GELU in its tanh form": lambda x: F.gelu(x, approximate="tanh"),
    SILU: F.silu,
    "ReLU": F.relu,
    "x * sigmoid(1.702 x), a quick GELU": lambda x: x * torch.sigmoid(1.702 * x),
    "Mish": F.mish,
    "ELU": F.elu,
    "CELU": F.celu,
    "SELU": F.selu,
    "LeakyReLU": F.leaky_relu,
    "LeakyReLU(0.1)": lambda x: F.leaky_relu(x, 0.1),
    "LeakyReLU(0.2)": lambda x: F.leaky_relu(x, 0.2),
    "hard swish": F.hardswish,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "sine": torch.sin,
    "ReLU6": F.relu6,
    "hard tanh": F.hardtanh,
    "softsign": F.softsign,
}


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """Parameters that an optimiser would train, by name; `Wrong` if there are none."""
    found = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if found:
        return found
    if any(True for _ in module.parameters()):
        raise Wrong("All parameters are frozen: requires_grad is False. Nothing could be learned.")
    raise Wrong(
        "The module has no parameters, so an optimiser would train nothing. Make the layers in "
        "__init__ and keep each as an attribute, self.x = nn.Linear(...). What is made in forward, "
        "or stands in a plain list, is not registered."
    )


def squeezed(parameter: Tensor) -> tuple[int, ...]:
    """Shape without dimensions of 1, such as those of a 1x1 convolution."""
    return tuple(size for size in parameter.shape if size != 1)


def listed(parameters: dict[str, nn.Parameter]) -> str:
    """Names and shapes of parameters for a message."""
    shown = [f"{name} {shape(p)}" for name, p in list(parameters.items())[:8]]
    return ", ".join(shown) + (", ..." if len(parameters) > 8 else "")


@contextmanager
def overwritten(values: dict[nn.Parameter, Tensor | float]) -> Iterator[None]:
    """Other values in some parameters, for a while."""
    kept = {p: p.detach().clone() for p in values}
    try:
        with torch.no_grad():
            for p, value in values.items():
                p.copy_(
                    torch.as_tensor(value).expand(p.shape)
                    if isinstance(value, float)
                    else value.to(p).reshape(p.shape)
                )
        yield
    finally:
        with torch.no_grad():
            for p, value in kept.items():
                p.copy_(value)


def activation_of(x: Tensor, y: Tensor, after: Callable[[Tensor], Tensor] | None = None) -> str:
    """Name of the activation that makes y of x, or "" if it is none that we know.

    Args:
        x: Inputs on both sides of 0.
        y: What came out.
        after: An activation that y has been through besides.
    """
    for name, function in ACTIVATIONS.items():
        expected = function(x) if after is None else after(function(x))
        if torch.allclose(y.double(), expected.double(), atol=2e-5, rtol=1e-4):
            return name
    return ""


def check_gradients(module: nn.Module, run: Callable[[], Tensor], what: str) -> None:
    """Refuse a module of which a backward pass does not reach every trainable parameter."""
    module.zero_grad()
    out = run()
    if not out.requires_grad:
        raise Wrong(
            f"{what} carries no gradient, so nothing would be learned. Look for torch.no_grad, "
            "detach, .data or .item on the way from the parameters to the result."
        )
    weights = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).reshape(out.shape)
    call((out.square() * weights).sum().backward, what="The backward pass")
    dead = [n for n, p in module.named_parameters() if p.requires_grad and p.grad is None]
    if dead:
        raise Wrong(
            f"No gradient reaches {', '.join(dead[:4])}: a backward pass leaves it as it is. It is "
            "not used, or the path to it is cut by detach, .data or no_grad."
        )
