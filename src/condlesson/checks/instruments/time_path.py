"""The timestep's path in a U-Net: its layers, and what they compute.

Set to an identity, the projection hands on 256 numbers of the embedding, so that the MLP in front
of it can be read at the bottleneck.
"""

from inspect import isfunction
from typing import NamedTuple

import torch
from torch import Tensor, nn

from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.mlp import examine_perceptron
from condlesson.checks.instruments.mlp_layers import Layers
from condlesson.checks.instruments.parameters import listed, overwritten, squeezed
from condlesson.checks.instruments.trace import Entrance, record, tensor_at

__all__ = [
    "ACTIVATED",
    "D_EMB",
    "PATH",
    "WIDE",
    "TimePath",
    "bottleneck",
    "check_clock",
    "find_path",
    "goes_alone",
    "hidden_part",
    "small_image",
    "timesteps",
]

T = 1000
D_SINUSOIDAL, D_EMB, WIDE = 256, 512, 256
PATH = (
    "The path of t is TimestepEmbedding(256, 512), sinusoid and MLP, then nn.Linear(512, 256), "
    "added to the 256 channels of the bottleneck"
)
ACTIVATED = (
    "An activation stands between the projection and the bottleneck, so that the shift cannot take "
    "every value. Add what nn.Linear(512, 256) gives."
)
SMALL = 8  # pixels a side, of which a thousand images take less than a second
FEW = 60  # timesteps, of a network that takes no small images, or one after another


class TimePath(NamedTuple):
    """Parameters of the timestep's path."""

    perceptron: Layers
    projection: nn.Parameter


def find_path(model: nn.Module, x: Tensor, used: set[nn.Parameter]) -> TimePath:
    """The path's parameters, in any order; else `Wrong`.

    Args:
        model: In evaluation mode, with the gradients of a backward pass.
        x: One image, (1, 1, 28, 28).
        used: Parameters that work on the timestep.
    """
    layers = {(D_EMB, D_SINUSOIDAL), (D_SINUSOIDAL, D_EMB), (D_EMB, D_EMB), (D_EMB,)}
    named = {  # a fixed formula may be kept in a frozen parameter
        n: p
        for n, p in model.named_parameters()
        if p in used and (p.requires_grad or squeezed(p) in layers)
    }
    cut = [name for name, p in named.items() if p.grad is None]
    if cut:
        raise Wrong(
            f"No gradient reaches {', '.join(cut)}: the timestep's path would never learn. Leave "
            "out detach, .data and no_grad, and freeze nothing on it."
        )
    matrices = {n: p for n, p in named.items() if p.ndim > 1}
    outer = [p for p in matrices.values() if sorted(squeezed(p)) == [D_SINUSOIDAL, D_EMB]]
    inner = [p for p in matrices.values() if squeezed(p) == (D_EMB, D_EMB)]
    biases = [p for p in named.values() if squeezed(p) == (D_EMB,)]
    if len(matrices) == 3 and (len(outer), len(inner), len(biases)) == (2, 1, 2):
        first, last = _in_order(model, x, outer, biases)
        return TimePath(Layers(first, biases[0], inner[0], biases[1]), last)
    raise Wrong(hidden_part(model) or _structure_mistake(matrices, len(outer), len(inner)))


def hidden_part(model: nn.Module) -> str:
    """What of a network hides its operations, and what to do; "" if nothing does."""
    parts = {name: part for name, part in model.named_modules() if name}
    methods = [m for base in type(model).__mro__ for m in vars(base).values() if isfunction(m)]
    names = {name: method.__globals__ for method in methods for name in method.__code__.co_names}
    parts |= {name: known[name] for name, known in names.items() if name in known}
    for name, part in parts.items():
        if isinstance(part, (torch.jit.ScriptModule, torch.jit.ScriptFunction)):
            return (
                f"{name} is compiled by torch.jit.script, and a check cannot look into it. Hand in "
                "your class with the layer as it was, and compile it for training."
            )
    if "vmap" in names:
        return "A check cannot look into torch.vmap. Hand in your class without it."
    return ""


def _structure_mistake(matrices: dict[str, nn.Parameter], outer: int, inner: int) -> str:
    shapes = [squeezed(p) for p in matrices.values()]
    table = next((s[0] for s in shapes if s[0] in (1000, 1001)), 0)
    if table:
        reason = f"A table of {table} rows is learned; the sinusoid is missing."
    elif any(len(s) == 1 for s in shapes):
        reason = "t enters as one number; the sinusoid is missing."
    elif shapes == [(WIDE, D_SINUSOIDAL)]:
        reason = "The sinusoid is projected as it is; the timestep MLP is missing."
    elif not inner and outer and len(shapes) <= 2:
        reason = "The second layer of the timestep MLP is missing."
    elif len(shapes) == 2 and inner == outer == 1:
        reason = (
            "The projection from 512 to 256 is missing, has another width, or is not registered, "
            "as in a plain list."
        )
    else:
        reason = "The timestep's path has other layers."
    return f"{reason} {PATH}. Matrices found: {listed(matrices) or 'none'}."


def _in_order(
    model: nn.Module, x: Tensor, outer: list[nn.Parameter], biases: list[nn.Parameter]
) -> list[nn.Parameter]:
    """First layer and projection: behind a projection of 0, biases change nothing."""
    t, moved = torch.tensor([5]), []
    for p in outer:
        with overwritten({p: 0.0}), torch.no_grad():
            before = model(x, t)
            with overwritten(dict.fromkeys(biases, 3.0)):
                moved.append((model(x, t) - before).abs().max().item())
    return outer if moved[0] > moved[1] else outer[::-1]


def small_image(model: nn.Module, x: Tensor) -> Tensor:
    """A corner of the image, as small as the network takes it and does the same with it.

    A shift of all pixels can be read with a bottleneck of one.
    """
    t = torch.tensor([5])
    wanted = [o.name for o in record(model, x, t)]
    for side in (4, 8, 16):
        corner = x[:, :, :side, :side]
        try:
            if [o.name for o in record(model, corner, t)] == wanted:
                return corner
        except Exception:  # it may be made for 28 pixels only
            continue
    return x


def goes_alone(model: nn.Module, x: Tensor) -> bool:
    """Whether a batch takes other operations than an image does, as in a loop over its images."""

    def names(count: int) -> list[str]:
        return [o.name for o in record(model, x.expand(count, -1, -1, -1), torch.arange(count))]

    one = names(1)
    return any(names(count) != one for count in (2, T if x.shape[2] <= SMALL else FEW))


def timesteps(x: Tensor, entrance: Entrance) -> Tensor:
    """All of them, in no order; fewer, and both ends, if images are large or go one by one."""
    generator = torch.Generator().manual_seed(6)
    shuffled = torch.randperm(T, generator=generator)
    if x.shape[2] <= SMALL and not entrance.is_alone:
        return shuffled
    inner = shuffled[(shuffled > 0) & (shuffled < T - 1)]
    return torch.cat([torch.tensor([T - 1, 0]), inner[: FEW - 2]])


def check_clock(model: nn.Module, path: TimePath, entrance: Entrance, x: Tensor) -> list[str]:
    """Read the timestep MLP through the projection; return notes or raise `Wrong`.

    Args:
        model: In evaluation mode.
        path: Its parameters on the timestep's path.
        entrance: Where the shift is added.
        x: One image, as small as the network takes.
    """

    def at(t: Tensor, projection: Tensor | float) -> Tensor:
        with overwritten({path.projection: projection}):
            return bottleneck(model, x, t, entrance)

    def shift(t: Tensor, projection: Tensor) -> Tensor:
        return at(t, projection) - at(t[:1], 0.0)

    identity = torch.eye(WIDE, D_EMB)
    if squeezed(path.projection) != identity.shape:
        identity = identity.T
    t = torch.tensor([3, 400])
    if not torch.allclose(shift(t, -2 * identity), -2 * shift(t, identity), atol=1e-3):
        raise Wrong(ACTIVATED)
    mistakes = []
    for projection in (identity, -identity):  # a shift may be subtracted
        try:
            return examine_perceptron(
                path.perceptron,
                lambda t, projection=projection: shift(t, projection),
                is_whole=False,
                t=timesteps(x, entrance),
            )
        except Wrong as error:
            mistakes.append(error)
    raise Wrong(f"The timestep's path, before the projection: {mistakes[0]}") from None


def bottleneck(model: nn.Module, x: Tensor, t: Tensor, entrance: Entrance) -> Tensor:
    """What stands at the first pixel of each channel where the timestep has entered."""
    batches = t.split(1 if entrance.is_alone else len(t))
    made = [tensor_at(model, x.expand(len(u), -1, -1, -1), u, entrance.index) for u in batches]
    return torch.cat(made)[:, :, 0, 0].float()
