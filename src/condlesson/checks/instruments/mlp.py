"""The timestep MLP taken apart from outside: its layers, its activation, its sinusoid.

With the first weight at 0, the first bias is what enters the activation; with the second weight
an identity, what leaves it comes out. And with an identity as the first weight and a large bias,
where a GELU is a straight line, the sinusoid comes out.
"""

from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor, nn

from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.mlp_layers import Layers
from condlesson.checks.instruments.mlp_reading import (
    LINE,
    SPAN,
    Embed,
    bent_by,
    first_input,
    grid_of,
    is_readable,
    passed,
    straight_line,
)
from condlesson.checks.instruments.parameters import (
    ACTIVATIONS,
    GELU,
    SILU,
    activation_of,
    overwritten,
)
from condlesson.checks.instruments.sinusoid import read_clock

__all__ = ["Layers", "examine_perceptron"]

BOUNDED = {"tanh", "sigmoid", "sine", "ReLU6", "hard tanh", "softsign"}
ALL = torch.arange(1000)  # timesteps
FAR = 100.0  # beyond where anybody would cut


def examine_perceptron(
    layers: Layers, embed: Embed, *, is_whole: bool = True, t: Tensor | None = None
) -> list[str]:
    """Compare an MLP with the formula, part by part; return notes or raise `Wrong`.

    Args:
        layers: Its parameters; the two biases may be in either order.
        embed: Maps t (B,) to the first numbers of the embedding, (B, at least d_sinusoidal).
        is_whole: The embedding ends here. If not, an activation may follow, before a projection.
        t: Timesteps to read the sinusoid at; by default all of 0 .. 999, as if it is wrong.
    """
    layers, last = _ordered(layers, embed)
    notes = []
    if last != "no activation":
        if is_whole or not last or last in BOUNDED:
            raise Wrong(
                f"After the second layer there is {_named(last)}. The embedding must be able to "
                "take every value, so end with the linear layer, W_2 h + b_2."
            )
        notes.append(
            f"Note: {last} stands before the projection{', as in most U-Nets' * (last == SILU)}. "
            "The page has no activation there. Both are fine."
        )
    notes += _check_activation(layers, embed, ACTIVATIONS[last])
    notes += _check_sinusoid(layers, embed, t)
    _check_formula(layers, embed, ACTIVATIONS[last])
    return notes


def _named(activation: str) -> str:
    return f"an activation, {activation}" if activation else "something more"


def _ordered(layers: Layers, embed: Embed) -> tuple[Layers, str]:
    """The biases in their order, and the activation behind the last layer."""
    w_1, b_1, w_2, b_2 = layers
    d = layers.widths[1]
    zeros = dict.fromkeys(layers, 0.0)
    t = torch.tensor([7])
    grid = grid_of(d, len(embed(t)[0]))
    _refuse_bypass(layers, embed)
    for first, last in ((b_1, b_2), (b_2, b_1)):
        with overwritten({**zeros, last: grid}):
            out = embed(t)[0].detach()
        if out.std() > 0.05:
            after = activation_of(grid[: len(out)], out)
            cut = _cut_far(embed, zeros, last, ACTIVATIONS.get(after))
            if cut is not None and after not in BOUNDED:
                raise Wrong(
                    f"After the second layer something cuts large values: {FAR:g} becomes "
                    f"{cut:.3g}. The embedding must be able to take every value, so end with the "
                    "linear layer, W_2 h + b_2."
                )
            return Layers(w_1, first, w_2, last), after
    raise Wrong(
        "The second bias does not reach the embedding: with all weights 0 and that bias from "
        f"-{SPAN:g} to {SPAN:g}, the embedding hardly moves. Is the result of the last layer used?"
    )


def _cut_far(
    embed: Embed, values: dict, bias: nn.Parameter, wanted: Callable | None
) -> float | None:
    """What becomes of a far value of this bias, if it is not what is wanted."""
    for far in (FAR, -FAR):
        out = None
        with overwritten({**values, bias: far}), suppress(Wrong):  # exp(100) overflows: no cut
            out = embed(torch.tensor([7]))[0, 0].item()
        if wanted and out is not None and abs(out - wanted(torch.tensor(far)).item()) > 1e-2 * FAR:
            return out
    return None


def _refuse_bypass(layers: Layers, embed: Embed) -> None:
    w_1, b_1, _, b_2 = layers
    t, zero = torch.tensor([7]), dict.fromkeys(layers, 0.0)
    with overwritten(zero):
        if not torch.allclose(embed(t), embed(t + 500), atol=1e-4):
            raise Wrong(
                "Something goes past both layers: with all weights and biases at 0 the embedding "
                "still depends on t. There is no residual connection in this formula."
            )
    weight = torch.linspace(-1, 1, w_1.numel()).reshape(w_1.shape) * SPAN / layers.widths[0]
    outs = []
    for values in ({w_1: weight, b_1: 1.0}, {w_1: weight, b_2: 1.0}):
        with overwritten({**zero, **values}):
            outs.append(embed(t).detach())
    if all(out.std() > 1e-4 for out in outs):
        raise Wrong(
            "Something goes past the second layer: with its weight at 0 the first layer still "
            "moves the embedding. There is no residual connection in this formula."
        )


def _check_activation(layers: Layers, embed: Embed, after: Callable) -> list[str]:
    w_1, b_1, w_2, b_2 = layers
    d = layers.widths[1]
    t = torch.tensor([7])
    grid = grid_of(d, len(embed(t)[0]))
    with overwritten({w_1: 0.0, w_2: torch.eye(d), b_2: 0.0, b_1: grid}):
        out = embed(t)[0].detach()
    x = grid[: len(out)]
    other = torch.where(torch.arange(d) < len(out) // 2, grid, 3.0)
    with overwritten({w_1: 0.0, w_2: torch.eye(d), b_2: 0.0, b_1: other}):
        is_pointwise = torch.allclose(embed(t)[0].detach()[: len(x) // 2], out[: len(x) // 2])
    _refuse_parts(layers, embed, grid, out)
    found = activation_of(x, out, after)
    if not found and activation_of(2 * x, out, after):
        _refuse_double_bias(layers, embed)
    if found == "no activation":
        _refuse_late_bias(layers, embed)
        raise Wrong(
            "There is no activation between the two linear layers: what enters the second is what "
            f"left the first, from -{SPAN:g} to {SPAN:g}. Two linear layers in a row are one "
            "linear layer, so the MLP collapses to one linear map of the sinusoid. "
            + _put_gelu(layers, embed)
        )
    if found in BOUNDED:
        raise Wrong(
            f"The activation between the layers is {found}, which keeps every value between "
            f"{out.min():.2g} and {out.max():.2g}. Take a GELU."
        )
    _refuse_cut(layers, embed, found, after)
    if found in (GELU, "GELU in its tanh form"):
        return []
    if found:
        more = ", as in most production U-Nets" if found == SILU else ""
        return [f"Note: the activation is {found}{more}; the page has GELU. Both are fine."]
    return _unknown_activation(x, out, is_pointwise)


def _refuse_parts(layers: Layers, embed: Embed, grid: Tensor, out: Tensor) -> None:
    """Refuse an activation of some numbers only: in reverse they would come out otherwise."""
    w_1, b_1, w_2, b_2 = layers
    turned = torch.cat([grid[: len(out)].flip(0), grid[len(out) :]])
    with overwritten({w_1: 0.0, w_2: torch.eye(len(grid)), b_2: 0.0, b_1: turned}):
        other = embed(torch.tensor([7]))[0].detach().flip(0)
    if (other - out).abs().max() > 1e-2:
        raise Wrong(
            "Not all numbers of the hidden layer go through the same activation: the same value "
            "comes out otherwise in another place. Put one GELU between the layers, for all of "
            "them."
        )


def _refuse_double_bias(layers: Layers, embed: Embed) -> None:
    """Refuse W_1 s + 2 b_1, where the sinusoid is not doubled with the bias."""
    seen = passed(layers, embed, torch.arange(0, 1000, 100), LINE, 1.0)
    if seen.max() - seen.min() < 3:  # a sine goes from -1 to 1
        raise Wrong(
            "The first bias counts twice: what enters the activation is W_1 s + 2 b_1. nn.Linear "
            "adds its bias already; leave the second out."
        )


def _refuse_cut(layers: Layers, embed: Embed, name: str, after: Callable) -> None:
    """Refuse a limit of the hidden layer that lies beyond SPAN."""
    w_1, b_1, w_2, b_2 = layers
    values = {w_1: 0.0, w_2: torch.eye(layers.widths[1]), b_2: 0.0}
    function = ACTIVATIONS.get(name)
    cut = _cut_far(embed, values, b_1, function and (lambda x: after(function(x))))
    if cut is not None:
        raise Wrong(
            f"Something cuts large values between the two linear layers: {FAR:g} becomes {cut:.3g} "
            f"behind the {name}. Leave it out."
        )


def _unknown_activation(x: Tensor, out: Tensor, is_pointwise: bool) -> list[str]:
    line = torch.stack([x, torch.ones_like(x)], dim=1)
    fitted = line @ torch.linalg.lstsq(line, out[:, None]).solution
    if torch.allclose(fitted[:, 0], out, atol=1e-3) or out.std() < 1e-3:
        raise Wrong(
            "What stands between the two linear layers is linear itself, so that both are one "
            "linear map. Put a GELU between them."
        )
    if (out.diff().abs() < 1e-5).double().mean() > 0.85:
        raise Wrong(
            "The activation between the layers is made of steps: it is level nearly everywhere, so "
            "no gradient reaches the first layer. Take a GELU."
        )
    inner = out[x.abs() < SPAN / 2]
    if out.max() - out.min() < 1.15 * (inner.max() - inner.min()):
        raise Wrong(
            "The activation between the layers keeps every value between "
            f"{out.min():.2g} and {out.max():.2g}. Take a GELU."
        )
    if is_pointwise:
        return ["Note: this check does not know your activation. The page has GELU."]
    raise Wrong(
        "There is more than an activation between the two linear layers: numbers of the hidden "
        "layer influence one another. A GELU works on each number by itself."
    )


def _check_sinusoid(layers: Layers, embed: Embed, t: Tensor | None) -> list[str]:
    """Let the sinusoid pass through the first layer, and read it."""
    noise = 3e-5
    if straight_line(layers, embed) is None:
        if not is_readable(layers, embed):
            return [
                "Note: the sinusoid cannot be read through this activation, so it is not checked."
            ]
        noise = 1e-4
    with suppress(Wrong):
        t = ALL if t is None else t
        return read_clock(first_input(layers, embed, t), noise, t).notes
    table = first_input(layers, embed, ALL)
    try:
        return read_clock(table, noise).notes
    except Wrong as error:
        text = str(error)
    bent = bent_by(table)
    if bent:
        text = (
            f"{bent} is applied to the sinusoid before the first layer: its values run from "
            f"{table.min():.2f} to {table.max():.2f} instead of -1 to 1. Leave that {bent} out."
        )
    raise Wrong(f"The first layer does not see the sinusoid of exercise 1. {text}")


def _refuse_late_bias(layers: Layers, embed: Embed) -> None:
    """Refuse an activation of W_1 s alone; one of s itself would change its sign with W_1."""
    plus, minus = (passed(layers, embed, ALL, 0.0, sign) for sign in (1.0, -1.0))
    bent = bent_by(plus)
    if bent and not torch.allclose(minus, -plus, atol=1e-3):
        raise Wrong(
            f"The first bias is added behind the activation: {bent} bends W_1 s alone, and b_1 "
            f"goes into the second layer as it is. Write the bias inside, {bent} of W_1 s + b_1, "
            "which is what nn.Linear returns."
        )


def _put_gelu(layers: Layers, embed: Embed) -> str:
    bent = bent_by(first_input(layers, embed, ALL))
    return (
        f"Your {bent} stands before both layers. Put it between them."
        if bent
        else "Put a GELU between them."
    )


def _check_formula(layers: Layers, embed: Embed, after: Callable) -> None:
    """The whole with random weights must be the formula with the parts that were found."""
    _, _, w_2, b_2 = layers
    d = layers.widths[1]
    generator = torch.Generator().manual_seed(2)
    random = {p: torch.randn(p.shape, generator=generator) / p.numel() ** 0.25 for p in layers}
    t = torch.tensor([3, 400, 998])
    with overwritten(random):
        out = embed(t).detach().double()
    with overwritten({**random, w_2: torch.eye(d), b_2: 0.0}):
        hidden = embed(t).detach().double()
    if hidden.shape[1] < d or after is not ACTIVATIONS["no activation"]:
        return  # a part of the embedding, as in the U-Net, does not tell the whole
    matrix, bias = random[w_2].squeeze().double(), random[b_2].flatten().double()
    if not any(torch.allclose(out, hidden @ m + bias, atol=1e-3) for m in (matrix.T, matrix)):
        raise Wrong(
            "There is more than the second linear layer after the activation: the result is not "
            "W_2 h + b_2. Leave it out, or put it into a block of its own."
        )
