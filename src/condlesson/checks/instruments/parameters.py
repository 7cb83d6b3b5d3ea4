"""Parts of a module by the shapes of their parameters, whatever their names are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from condlesson.checks.harness.answer import call, cured, shape
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.run import Wrong

__all__ = [
    "ACTIVATIONS",
    "GELU",
    "SILU",
    "activation_of",
    "check_frozen",
    "check_gradients",
    "check_modes",
    "listed",
    "overwritten",
    "slices",
    "squeezed",
    "switch",
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
    for name, p in module.named_parameters():
        _check_memory(name, p)
    _check_apart(module)
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


def check_frozen(module: nn.Module, shapes: set[tuple[int, ...]]) -> None:
    """Refuse a parameter of one of these shapes that is there and not trained."""
    for name, p in module.named_parameters():
        if not p.requires_grad and squeezed(p) in shapes:
            raise Wrong(
                f"{name} is frozen: requires_grad is False, so an optimiser would not train it. "
                "Freeze nothing."
            )


def _check_memory(name: str, p: nn.Parameter) -> None:
    """Refuse a parameter whose numbers cannot be set, by an optimiser or by a check."""
    if is_lazy(p):  # its numbers come with the first call
        return
    if p.is_inference():
        raise Wrong(
            f"{name} was made under torch.inference_mode, so it can never change. Make the layers "
            "outside of it."
        )
    if any(step == 0 and size > 1 for step, size in zip(p.stride(), p.shape, strict=True)):
        raise Wrong(
            f"{name} {shape(p)} is expanded: many of its numbers are one number in memory, and "
            "cannot be trained one by one. Make it in its whole shape, such as torch.zeros"
            f"{shape(p)}."
        )


def _check_apart(module: nn.Module) -> None:
    """Refuse two parameters that have numbers in memory in common, as a part of a weight has."""
    known: dict[int, list[tuple[str, nn.Parameter]]] = {}
    for name, p in module.named_parameters():
        if not is_lazy(p) and p.device.type == "cpu" and p.numel():
            known.setdefault(p.untyped_storage().data_ptr(), []).append((name, p))
    for shared in known.values():
        if len(shared) == 1 or len({p.dtype for _, p in shared}) > 1:
            continue
        size = shared[0][1].untyped_storage().nbytes() // shared[0][1].element_size()
        taken = torch.zeros(size, dtype=torch.bool)
        for name, p in shared:
            place = taken.as_strided(p.shape, p.stride(), p.storage_offset())
            if place.any():
                raise Wrong(
                    f"{name} has its numbers in the memory of another parameter, "
                    f"{shared[0][0]}: a step of the one moves the other. Give each numbers of its "
                    "own, as nn.Linear makes them."
                )
            place.fill_(True)


def switch(module: nn.Module, mode: str) -> None:
    """Call module.train() or module.eval(), which may be the learner's own."""
    with cured(_mode_cure):
        call(getattr(module, mode), what=f"The call of .{mode}()")


def _mode_cure(failure: Failure) -> str:
    return "Every nn.Module has methods train and eval. Give another name to what is yours."


def squeezed(parameter: Tensor) -> tuple[int, ...]:
    """Shape without dimensions of 1, such as those of a 1x1 convolution."""
    return tuple(size for size in parameter.shape if size != 1)


def slices(parameter: Tensor, num_channels: int) -> list[Tensor]:
    """Masks of the parts of it that hold one number for each channel: none, one, or two."""
    shape = squeezed(parameter)
    if shape == (num_channels,):
        return [torch.ones_like(parameter, dtype=torch.bool)]
    if shape not in {(2, num_channels), (num_channels, 2), (2 * num_channels,)}:
        return []
    order = torch.arange(2 * num_channels)
    first = order % 2 == 0 if shape == (num_channels, 2) else order < num_channels
    return [first.reshape(parameter.shape), ~first.reshape(parameter.shape)]


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


class _Uses(TorchFunctionMode):
    """Notes the tensors that torch's functions are called with."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        for thing in (*args, *kwargs.values()):
            self.seen |= {id(x) for x in (thing if isinstance(thing, (list, tuple)) else [thing])}
        return func(*args, **kwargs)


def check_gradients(module: nn.Module, run: Callable[[], Tensor], what: str) -> None:
    """Refuse a module of which a backward pass does not reach every trainable parameter."""
    module.zero_grad()
    with _Uses() as uses:
        out = run()
    if not out.requires_grad:
        raise Wrong(
            f"{what} carries no gradient, so nothing would be learned. Leave out torch.no_grad, "
            "detach, .data and .item on the way from the parameters to the result."
        )
    weights = torch.linspace(-1, 2, out.numel(), dtype=out.dtype).reshape(out.shape)
    call((out.square() * weights).sum().backward, what="The backward pass")
    dead = {n: p for n, p in module.named_parameters() if p.requires_grad and p.grad is None}
    unused = [n for n, p in dead.items() if id(p) not in uses.seen]
    if unused:
        raise Wrong(
            f"{_some(unused)} {'is' if len(unused) == 1 else 'are'} never used: forward does not "
            "call the layer. Use it, or do not make it."
        )
    if dead:
        raise Wrong(
            f"No gradient reaches {_some(list(dead))}: the path to the result is cut. Leave out "
            "detach, .data and no_grad."
        )


def _some(names: list[str]) -> str:
    return f"{', '.join(names[:4])}{', ...' * (len(names) > 4)}"


def check_modes(module: nn.Module, run: Callable[[], Tensor]) -> None:
    """Refuse a module that does something else in evaluation mode than while it trains."""
    trained = run().detach()
    switch(module, "eval")
    evaluated = run().detach()
    switch(module, "train")
    if trained.shape != evaluated.shape or not torch.allclose(trained, evaluated, atol=1e-4):
        raise Wrong(
            "In evaluation mode, after eval(), it gives another result than while it trains, after "
            "train(). It must do the same in both."
        )
