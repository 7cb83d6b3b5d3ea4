"""Feature maps inside a U-Net: what bounds them, shares their norms, or cuts their gradients."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from condlesson.checks.harness.answer import shape
from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.trace import Entrance, Operation, record, tensors_in

__all__ = ["check_bounds", "check_cuts", "check_norms"]

LARGE = 60.0, 120.0  # far beyond what a tanh or a sigmoid tells apart
T = torch.tensor([10])
SMALLEST = 3  # a feature map has more pixels in a row, a kernel or a mean has not


def check_bounds(model: nn.Module, entrance: Entrance, x: Tensor) -> list[str]:
    """Refuse a network that bounds its bottleneck; return a note on a ReLU6.

    Args:
        model: In evaluation mode.
        entrance: Where the timestep enters.
        x: One image, (1, 1, 28, 28).
    """
    one = record(model, x, T)
    before = [k for k, o in enumerate(one[: entrance.index]) if _is_beside(o, entrance)]
    names = [_bound(model, x, one, places) for places in ([entrance.index], before) if places]
    name = next(filter(None, names), "")
    if name == "ReLU6":
        return [
            "Note: the bottleneck goes through a ReLU6, which is never above 6. The page's goes "
            "through a ReLU."
        ]
    if name:
        raise Wrong(
            f"Something bounds the bottleneck: values of {LARGE[0]:g} and of {LARGE[1]:g} in it "
            f"are alike behind {name}. A feature map can take every value: hand on what the layers "
            "give, and the shift with it."
        )
    return []


def _is_beside(operation: Operation, entrance: Entrance) -> bool:
    """Whether it is a convolution to feature maps of the shape of those at the entrance."""
    wanted = entrance.channels, entrance.size
    is_convolution = operation.is_map and operation.name == "convolution"
    return is_convolution and tuple(operation.output.shape[1:3]) == wanted


def _bound(model: nn.Module, x: Tensor, one: list[Operation], places: list[int]) -> str:
    """What makes large values of single pixels alike, behind the operations of these numbers.

    They are all large at once: one of them alone may be a gate, which is bounded rightly.
    """
    passes = []
    for size in LARGE:
        values = {index: one[index].output.clone() for index in places}
        for value in values.values():
            middle = value.shape[2] // 2
            value[:, ::7, middle, middle] = size  # not of all channels: a norm would undo it
        passes.append(record(model, x, T, values))
    low, high = passes
    if torch.equal(one[-1].output, low[-1].output) or not torch.equal(
        low[-1].output, high[-1].output
    ):
        return ""
    differs = {places[-1]}
    for k in range(places[-1] + 1, len(low)):
        if not torch.equal(low[k].output, high[k].output):
            differs.add(k)
        elif differs.intersection(low[k].inputs):
            most = low[k].output.max().item()
            return "ReLU6" if most == 6 and low[k].output.min() >= 0 else low[k].name.rstrip("_")
    return "an operation"


def check_norms(model: nn.Module, x: Tensor) -> None:
    """Refuse a batch norm that is used at several places.

    Args:
        model: In evaluation mode.
        x: One image, (1, 1, 28, 28).
    """
    calls: dict[str, int] = {}

    def counting(name: str) -> Callable:
        return lambda *_: calls.update({name: calls.get(name, 0) + 1})

    hooks = [
        part.register_forward_pre_hook(counting(name))
        for name, part in model.named_modules()
        if isinstance(part, _BatchNorm) and part.track_running_stats
    ]
    try:
        with torch.no_grad():
            model(x, T)
    finally:
        for hook in hooks:
            hook.remove()
    name = max(calls, key=calls.get, default="")
    if name and calls[name] > 1:
        raise Wrong(
            f"{name} is one batch norm at {calls[name]} places. Its running mean and variance, "
            "which evaluation takes, are then those of neither. Make a batch norm for each place."
        )


class _Cuts(TorchFunctionMode):
    """Notes feature maps at which the path of gradients ends, and adds noise to one of them."""

    def __init__(self, noisy: int | None = None) -> None:
        super().__init__()
        self.noisy, self.found = noisy, []
        self.lost: dict[int, tuple[int, Tensor]] = {}  # by id, kept alive
        self.used: set[int] = set()  # of those found, by what records gradients

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        given = [args, kwargs or {}]
        if torch.is_grad_enabled():  # not in a checkpoint or a function with a backward of its own
            self.used |= {
                self.lost[id(x)][0]
                for x in tensors_in(given)
                if id(x) in self.lost and not x.requires_grad
            }
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        is_made = any(x.requires_grad or id(x) in self.lost for x in tensors_in(given))
        if not is_made or not _is_cut(name, out):
            return out
        if len(self.found) == self.noisy:
            out = out + torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
        self.lost[id(out)] = len(self.found), out
        self.found.append((name, shape(out)))
        return out


def _is_cut(name: str, out: object) -> bool:
    """Whether it is a feature map that needs no gradient, and not filled anew."""
    is_map = isinstance(out, Tensor) and out.is_floating_point() and out.ndim == 4
    is_map = is_map and len(out) == 1 and min(out.shape[2:]) > SMALLEST  # no weight, no statistic
    is_new = name.endswith("_like") or name.startswith("new_")
    return is_map and not out.requires_grad and not is_new


def check_cuts(model: nn.Module, x: Tensor) -> None:
    """Refuse a network in which a feature map counts, and no gradient goes back through it.

    Args:
        model: In evaluation mode.
        x: One image, (1, 1, 28, 28).
    """

    def run(noisy: int | None = None) -> tuple[Tensor, _Cuts]:
        with torch.enable_grad(), _Cuts(noisy) as cuts:
            out = model(x.clone(), T)
        return out.detach(), cuts

    out, cuts = run()
    for k in sorted(cuts.used):
        name, size = cuts.found[k]
        if not torch.allclose(run(k)[0], out, atol=1e-5):
            raise Wrong(
                f"No gradient goes back through a feature map {size}, though the prediction "
                f"depends on it: the path is cut{_where(name)}. Leave out detach, .data and "
                "no_grad."
            )


def _where(name: str) -> str:
    """Which operation cuts, if its name says it."""
    return {"__get__": " by .data", "detach": " by detach", "detach_": " by detach_"}.get(name, "")
