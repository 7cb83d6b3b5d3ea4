"""Where in a network the timestep enters: the first of its tensors that t changes.

Every operation of torch in a forward pass is recorded, below the names and classes of modules, so
that it does not matter how the network is written.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Entrance", "Operation", "find_entrance", "record", "tensor_at"]

Model = Callable[[Tensor, Tensor], Tensor]


class Operation(NamedTuple):
    """A feature map that a forward pass made, and what made it."""

    name: str  # such as "convolution"
    output: Tensor


class Entrance(NamedTuple):
    """The first operation whose feature map depends on t."""

    index: int  # among all operations
    change: Tensor  # (C, h, w): what another t makes of it
    channels: int
    size: int  # pixels along a side
    is_behind: bool  # behind the last convolution of the bottleneck
    wide: int  # convolutions to the bottleneck's channels before it


class _Stop(BaseException):
    """Ends a forward pass once the tensor that was asked for is there."""


class _Recorder(TorchFunctionMode):
    def __init__(self, given: dict[int, Tensor], stop_at: int | None = None) -> None:
        super().__init__()
        self.operations, self.count = [], 0
        self.given, self.stop_at = given, stop_at

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        made = args[0] if name == "__setitem__" else out
        if isinstance(made, Tensor) and made.ndim == 4 and made.is_floating_point():
            self._note(name, made)
        return out

    def _note(self, name: str, made: Tensor) -> None:
        if made.shape[1] == made.shape[2] != made.shape[3]:  # channels last
            made = made.movedim(3, 1)
        if self.count in self.given:
            made.copy_(self.given[self.count])
        if self.stop_at in (None, self.count):
            kind = "convolution" if name.startswith("conv") else name
            self.operations.append(Operation(kind, made.detach().clone()))
        if self.stop_at == self.count:
            raise _Stop
        self.count += 1


def record(
    model: Model, x: Tensor, t: Tensor, given: dict[int, Tensor] | None = None
) -> list[Operation]:
    """All feature maps (B, C, h, w) of a forward pass, in the order in which they were made.

    Args:
        model: In evaluation mode.
        x: Images (B, 1, H, W).
        t: Timesteps (B,).
        given: Feature maps that go on in the place of those with these numbers.
    """
    recorder = _Recorder(given or {})
    with torch.no_grad(), recorder:
        model(x, t)
    return recorder.operations


def tensor_at(model: Model, x: Tensor, t: Tensor, index: int) -> Tensor:
    """The feature map with this number, without the rest of the forward pass."""
    recorder = _Recorder({}, stop_at=index)
    try:
        with torch.no_grad(), recorder:
            model(x, t)
    except _Stop:
        pass
    return recorder.operations[0].output


def find_entrance(model: Model, x: Tensor, wide: int) -> Entrance | None:
    """The first feature map that differs between two timesteps; None if none does.

    What does not depend on the image either, as a shift spread over all pixels, is none. Where
    channels are told in parts, it is what joins the parts.

    Args:
        model: In evaluation mode.
        x: One image, (1, 1, H, W).
        wide: Channels of the bottleneck.
    """
    one, other = (record(model, x, torch.tensor([t])) for t in (10, 700))
    mirrored = record(model, x.flip(3) + 1, torch.tensor([10]))
    found, convolutions = None, 0
    for index, (a, b, c) in enumerate(zip(one, other, mirrored, strict=False)):
        is_convolution = a.name == "convolution"
        if found and (is_convolution or found.channels >= wide):
            break
        channels, size = a.output.shape[1:3]
        convolutions += is_convolution and channels == wide
        if a.output.shape != b.output.shape or size == 1 or torch.equal(a.output, c.output):
            continue
        change = (b.output - a.output)[0]
        if change.abs().max() > 1e-5 and (not found or channels == wide):
            later = one[index + 1 :]
            next_wide = [o for o in later if o.name == "convolution" and o.output.shape[1] == wide]
            found = Entrance(index, change, channels, size, not next_wide, convolutions)
    return found
