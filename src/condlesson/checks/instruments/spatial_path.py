"""The rest of a U-Net, beside its timestep: head, skip connections, convolutions."""

from collections import Counter
from itertools import pairwise

import torch
from torch import Tensor, nn

from condlesson import unet
from condlesson.checks.harness.answer import tensor_from
from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.parameters import ACTIVATIONS, overwritten
from condlesson.checks.instruments.trace import Model, Operation, named, record

__all__ = ["check_head", "check_input", "check_learning", "check_skips", "path_notes"]

LINEAR = {
    "convolution",
    "linear",
    "matmul",
    "__matmul__",
    "einsum",
    "tensordot",
    "mm",
    "bmm",
    "addmm",
}
BENT = {
    "abs",
    "celu",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "elu",
    "gelu",
    "glu",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "maximum",
    "minimum",
    "mish",
    "prelu",
    "relu",
    "relu6",
    "rrelu",
    "selu",
    "sigmoid",
    "silu",
    "sin",
    "softplus",
    "softsign",
    "tanh",
    "threshold",
    "where",
}
# Of the steps from 0 to 4 and from 4 to 9. Set after a look: of networks that are right the second
# is 0.67 of the first or more, behind a tanh 0.001, a sigmoid 0.04, and a 3 tanh(x / 3) 0.2.
FLAT = 0.3
HEADS = {
    "a clamp to [-1, 1]": lambda out: out.clamp(-1, 1),
    "the absolute value": torch.abs,
    **ACTIVATIONS,
}


def check_head(model: Model, x: Tensor, subject: str = "The prediction") -> None:
    """Refuse a prediction that something bends behind the last convolution.

    What that convolution made is replaced by numbers of ours, three images and their sums. A
    straight line keeps the sums.

    Args:
        model: Without chance.
        x: One image, (1, 1, 28, 28).
        subject: How the message begins.
    """
    t = torch.tensor([5])
    operations, out = _with_result(model, x, t)
    index = _last_layer(operations, out.numel())
    if index is None:
        return
    size = operations[index].output.shape
    generator = torch.Generator().manual_seed(7)
    # Eighths up to 9, which every precision holds, and no clamp that noise never reaches.
    a, b, c = (torch.randint(-24, 25, size, generator=generator) / 8 for _ in range(3))
    given = a, a + b, a + c, a + b + c
    outs = [_with_result(model, x, t, {index: z})[1] for z in given]
    bend = (outs[3] - outs[2] - outs[1] + outs[0]).abs().max()
    if bend <= 2e-2 * max(out.abs().max() for out in outs):
        return
    means = (
        name
        for name, f in HEADS.items()
        if all(z.numel() == y.numel() and torch.allclose(f(z), y.view_as(z), atol=1e-4)
               for z, y in zip(given, outs, strict=True))
    )  # fmt: skip
    raise Wrong(
        f"{subject} goes through {next(means, 'something that bends or bounds it')}, and noise "
        "can take every value. End with the last convolution."
    )


def check_input(model: nn.Module, x: Tensor) -> None:
    """Refuse a network that cuts or bends the values of x_t.

    Args:
        model: In evaluation mode.
        x: One image, (1, 1, 28, 28).
    """
    t, outs = torch.tensor([5]), []
    with torch.no_grad():
        for size in (0.0, 4.0, 9.0):
            spotted = x.clone()
            spotted[:, :, 2::5, 2::5] = (
                size  # single pixels, which norms of all of them do not undo
            )
            outs.append(model(spotted, t))
        sign = x.sign()
        is_cut = torch.equal(model(4 * sign, t), model(9 * sign, t))
    low, high = ((b - a).abs().max() for a, b in pairwise(outs))
    if is_cut:
        raise Wrong(
            "Pixels of 4 and of 9 give the same prediction: x_t is cut, as by clamp, or divided by "
            "its own size, and the noise that is to be predicted with it. Take x_t as it is."
        )
    if high < FLAT * low:
        raise Wrong(
            "Pixels of 4 and of 9 give nearly the same prediction: x_t is bent, as by tanh, and "
            "the noise that is to be predicted with it. Take x_t as it is."
        )


def _with_result(
    model: Model, x: Tensor, t: Tensor, given: dict[int, Tensor] | None = None
) -> tuple[list[Operation], Tensor]:
    """The operations of a forward pass, and what it returned."""
    results = []
    operations = record(lambda x, t: results.append(model(x, t)), x, t, given)
    return operations, tensor_from(results[0], named(x, t)).float()


def _last_layer(operations: list[Operation], pixels: int) -> int | None:
    """Number of the last linear operation that made an image."""
    found = (k for k, o in enumerate(operations) if o.output.numel() >= pixels and _weighs(o))
    return max(found, default=None)


def _weighs(operation: Operation) -> bool:
    """Whether it is a linear layer, or a product with weights that are written down."""
    is_product = any(p.numel() > 1 for p in operation.parameters) and "norm" not in operation.name
    return operation.name in LINEAR or is_product


def check_learning(model: nn.Module, deaf: list[str], clock: set[nn.Parameter], x: Tensor) -> None:
    """Refuse a network of which a part that is used never learns.

    Args:
        model: In evaluation mode.
        deaf: Names of its trainable parameters that no gradient reaches.
        clock: Its parameters on the timestep's path.
        x: One image, (1, 1, 28, 28).
    """
    rest = {n: p for n, p in model.named_parameters() if p not in clock}
    kernels = [p.shape for p in unet.UNetSinusoidal().parameters() if p.ndim == 4]
    frozen = {n: p for n, p in rest.items() if not p.requires_grad and p.shape in kernels}
    for parts, reason in (
        ({n: p for n, p in rest.items() if n in deaf}, "No gradient reaches {}, though the "
         "prediction depends on it: the path is cut. Leave out detach, .data and no_grad."),
        (frozen, "{} is frozen: requires_grad is False, so it never learns. Freeze nothing of the "
         "spatial path."),
    ):  # fmt: skip
        used = _used(model, parts, x)
        if used:
            raise Wrong(reason.format(used))


def _used(model: nn.Module, parts: dict[str, nn.Parameter], x: Tensor) -> str:
    """Name of the first of these parameters on which the prediction depends, or ""."""
    t = torch.tensor([5])
    generator = torch.Generator().manual_seed(8)
    other = {p: p + torch.randn(p.shape, generator=generator) for p in parts.values()}
    with torch.no_grad():
        before = model(x, t)
        with overwritten(other):
            if torch.equal(model(x, t), before):
                return ""
        for name, p in parts.items():
            with overwritten({p: other[p]}):
                if not torch.equal(model(x, t), before):
                    return name
    return ""


def check_skips(model: nn.Module, x: Tensor) -> None:
    """Refuse a decoder that sees nothing of the encoder's feature map of its own size.

    What is left of another image, when all that came from below is this image's?
    """
    t = torch.tensor([5])
    one = record(model, x, t)
    last = {o.output.shape[2]: index for index, o in enumerate(one) if o.is_map}
    sizes = {o.output.shape[2] for o in one if o.is_map and o.name == "convolution"}
    for below, size in pairwise(sorted(sizes - {1})):
        given = {last[below]: one[last[below]].output}
        other = record(model, x.flip(3) + 1, t, given)
        if torch.equal(other[last[size]].output, one[last[size]].output):
            raise Wrong(
                f"The skip connection at {size} x {size} pixels is missing: the decoder there "
                "sees nothing of the encoder's feature map. Join both: torch.cat([up, skip], "
                "dim=1)."
            )


def path_notes(
    model: nn.Module, deaf: list[str], clock: set[nn.Parameter], operations: list[Operation]
) -> list[str]:
    """Notes on parameters without a gradient, and on another spatial path than the page's.

    Args:
        model: The network.
        deaf: Names of its parameters that no gradient reaches.
        clock: Its parameters on the timestep's path.
        operations: Of a forward pass.
    """
    notes = []
    if not any(o.is_map and o.name.rstrip("_") in BENT for o in operations):
        notes.append(
            "Note: no activation was found in the blocks. The page's have a ReLU behind each norm; "
            "without it two convolutions do the work of one."
        )
    if deaf:
        notes.append(
            f"Note: no gradient ever reaches {', '.join(deaf[:3])}{', ...' * (len(deaf) > 3)}. "
            "These parameters are not used; are they left over from the class that you started "
            "from?"
        )
    page = unet.UNetSinusoidal()
    ours = Counter(tuple(p.shape) for p in page.parameters() if p.ndim == 4)
    yours = Counter(tuple(p.shape) for p in set(model.parameters()) - clock if p.ndim == 4)
    if yours != ours:
        count, wanted = unet.count_parameters(model), unet.count_parameters(page)
        notes.append(
            f"Note: the convolutions differ from the page's, and the parameters are {count:,} "
            f"instead of {wanted:,}. Only with the same spatial path is a comparison of losses "
            "fair."
        )
    return notes
