"""Every operation of a forward pass, and where among them the timestep enters.

The operations of torch are recorded, below the names and classes of modules, so that it does not
matter how a network is written. What depends on t, and what on the image, is told by values: it
differs between two passes with another t, or with another image.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from condlesson.checks.harness.answer import call, shape

__all__ = [
    "Entrance",
    "Model",
    "Operation",
    "Passes",
    "enters_behind",
    "find_entrance",
    "named",
    "record",
    "tensor_at",
    "tensors_in",
    "three_passes",
    "time_parameters",
]

Model = Callable[[Tensor, Tensor], Tensor]
UNFILLED = {"empty", "empty_like", "new_empty"}


class Operation(NamedTuple):
    """A floating tensor that a forward pass made, and what it was made of."""

    name: str  # such as "convolution"
    output: Tensor
    parameters: frozenset[nn.Parameter]  # that it was made of
    inputs: tuple[int, ...]  # operations that it was made of, by their numbers

    @property
    def is_map(self) -> bool:
        """Whether it is a feature map, (B, C, h, w)."""
        return self.output.ndim == 4


class Entrance(NamedTuple):
    """The first operation whose feature map depends on t."""

    index: int  # among all operations
    change: Tensor  # (C, h, w): what another t makes of it
    channels: int
    size: int  # pixels along a side
    deepest: int  # pixels along a side of the smallest feature maps
    is_behind: bool  # behind the last convolution of the bottleneck
    wide: int  # convolutions to the bottleneck's channels before it
    is_alone: bool = False  # whether its number holds for one image only, not for a batch


class _Stop(BaseException):
    """Ends a forward pass once the tensor that was asked for is there."""


class _Recorder(TorchFunctionMode):
    def __init__(self, given: dict[int, Tensor], stop_at: int | None = None) -> None:
        super().__init__()
        self.operations, self.count = [], 0
        self.given, self.stop_at = given, stop_at
        self.made: dict[int, tuple[Tensor, int]] = {}  # by id; the tensor is kept alive

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in UNFILLED and out.is_floating_point():
            out.zero_()  # else two passes differ by what lay in memory
        given = list(tensors_in([args, kwargs]))
        for tensor in list(tensors_in(args[0] if name == "__setitem__" else out)):
            if torch._C._functorch.is_batchedtensor(tensor):
                continue  # inside of torch.vmap; values tell the rest
            if tensor.is_floating_point():
                self._note(name, tensor, given)
        return out

    def _note(self, name: str, made: Tensor, given: list[Tensor]) -> None:
        parameters = frozenset(x for x in given if isinstance(x, nn.Parameter))
        inputs = tuple(self.made[id(x)][1] for x in given if id(x) in self.made)
        self.made[id(made)] = made, self.count
        shown = made
        if made.ndim == 4 and made.shape[1] == made.shape[2] != made.shape[3]:  # channels last
            shown = made.movedim(3, 1)
        if self.count in self.given:
            shown.copy_(self.given[self.count])
        if self.stop_at in (None, self.count):
            kind = "convolution" if name.startswith("conv") else name
            self.operations.append(Operation(kind, shown.detach().clone(), parameters, inputs))
        if self.stop_at == self.count:
            raise _Stop
        self.count += 1


def tensors_in(thing: object) -> Iterator[Tensor]:
    """All tensors of a nested list, tuple or dictionary."""
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, (list, tuple)):
        for part in thing:
            yield from tensors_in(part)
    elif isinstance(thing, dict):
        yield from tensors_in(list(thing.values()))


def record(
    model: Model, x: Tensor, t: Tensor, given: dict[int, Tensor] | None = None
) -> list[Operation]:
    """All operations of a forward pass that made floating tensors, in their order.

    Args:
        model: Without chance.
        x: Images (B, 1, H, W).
        t: Timesteps (B,).
        given: Tensors that go on in the place of those with these numbers.
    """
    recorder = _Recorder(given or {})
    with torch.no_grad(), recorder:
        call(_until_stopped, model, x, t, what=named(x, t))
    return recorder.operations


def named(x: Tensor, t: Tensor) -> str:
    """A call of a network, for messages."""
    return f"The network, with x_t {shape(x)} and t {shape(t)},"


def _until_stopped(model: Model, x: Tensor, t: Tensor) -> None:
    with suppress(_Stop):
        model(x, t)


def tensor_at(model: Model, x: Tensor, t: Tensor, index: int) -> Tensor:
    """The tensor with this number, without the rest of the forward pass."""
    recorder = _Recorder({}, stop_at=index)
    with torch.no_grad(), recorder:
        call(_until_stopped, model, x, t, what=named(x, t))
    return recorder.operations[0].output


class Passes(NamedTuple):
    """Three passes with the same weights: as it is, with another timestep, with another image."""

    one: list[Operation]
    other: list[Operation]
    mirrored: list[Operation]

    def together(self) -> Iterator[tuple[Operation, Operation, Operation]]:
        """The operations side by side, as long as they are the same."""
        for three in zip(*self, strict=False):
            if len({(o.name, o.output.shape) for o in three}) > 1:
                return
            yield three


def three_passes(model: Model, x: Tensor) -> Passes:
    """Record a model, which must be without chance, on one image (1, 1, H, W) and on another."""
    one, other = (record(model, x, torch.tensor([t])) for t in (10, 700))
    return Passes(one, other, record(model, x.flip(3) + 1, torch.tensor([10])))


def find_entrance(passes: Passes, wide: int) -> Entrance | None:
    """The first feature map that differs between two timesteps; None if none does.

    What does not depend on the image either, as a shift spread over all pixels, is none. Where
    channels are told in parts, it is what joins the parts.

    Args:
        passes: Of the model.
        wide: Channels of the bottleneck.
    """
    one = passes.one
    sizes = [o.output.shape[2] for o in one if o.is_map and o.name == "convolution"]
    deepest = min((size for size in sizes if size > 1), default=0)
    found, convolutions = None, 0
    for index, (a, b, c) in enumerate(passes.together()):
        if not a.is_map:
            continue
        is_convolution = a.name == "convolution"
        if found and (is_convolution or found.channels >= wide):
            break
        channels, size = a.output.shape[1:3]
        convolutions += is_convolution and channels == wide
        if size == 1 or torch.equal(a.output, c.output):
            continue
        change = (b.output - a.output)[0]
        if change.abs().max() > 1e-5 and (not found or channels == wide):
            later = one[index + 1 :]
            is_behind = not any(_is_wide(o, wide, size) for o in later)
            found = Entrance(index, change, channels, size, deepest, is_behind, convolutions)
    return found


def _is_wide(operation: Operation, wide: int, size: int) -> bool:
    is_convolution = operation.is_map and operation.name == "convolution"
    return is_convolution and tuple(operation.output.shape[1:3]) == (wide, size)


def enters_behind(model: Model, entrance: Entrance, x: Tensor) -> bool:
    """Whether with the feature map of one t at the entrance something of another t is left."""
    one = record(model, x, torch.tensor([10]))
    given = {entrance.index: one[entrance.index].output}
    other = record(model, x, torch.tensor([700]), given)
    return not torch.allclose(one[-1].output, other[-1].output, atol=1e-5)


def time_parameters(passes: Passes) -> set[nn.Parameter]:
    """Parameters that work on the timestep alone, before it meets the image."""
    found, behind = set(), []  # behind each operation, the parameters that no image went through
    for a, b, c in passes.together():
        parts = [behind[k] for k in a.inputs]
        is_free = torch.equal(a.output, c.output)
        behind.append(a.parameters.union(*parts) if is_free else frozenset())
        if is_free and not torch.equal(a.output, b.output):
            found |= behind[-1]
    return found
