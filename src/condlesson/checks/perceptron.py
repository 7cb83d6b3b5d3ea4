"""The timestep MLP taken apart from outside: its layers, its activation, its sinusoid.

With the first weight at 0, the first bias is what enters the activation; with the second weight
an identity, what leaves it comes out. And with an identity as the first weight and a large bias,
where a GELU is a straight line, the sinusoid comes out.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from condlesson.checks.clock import read_clock
from condlesson.checks.layers import (
    ACTIVATIONS,
    GELU,
    SILU,
    activation_of,
    listed,
    overwritten,
    squeezed,
    trainable,
)
from condlesson.checks.running import Wrong
from condlesson.embeddings import sinusoidal_embedding

__all__ = ["Layers", "examine_perceptron", "find_layers"]

Embed = Callable[[Tensor], Tensor]
BOUNDED = {"tanh", "sigmoid", "sine", "ReLU6", "hard tanh", "softsign"}
LINE = 20.0  # here every rectifier is the identity


class Layers(NamedTuple):
    """The four parameters of the MLP."""

    weight_1: nn.Parameter
    bias_1: nn.Parameter
    weight_2: nn.Parameter
    bias_2: nn.Parameter

    @property
    def widths(self) -> tuple[int, int]:
        """d_sinusoidal and d_emb."""
        return self.weight_1.numel() // self.bias_1.numel(), self.bias_1.numel()


def find_layers(module: nn.Module, d_sinusoidal: int, d_emb: int, text: str) -> Layers:
    """The parameters of an MLP d_sinusoidal -> d_emb -> d_emb, in any order; else `Wrong`."""
    found = trainable(module)
    weights_1 = [p for p in found.values() if _is_matrix(p, d_sinusoidal, d_emb)]
    weights_2 = [p for p in found.values() if _is_matrix(p, d_emb, d_emb)]
    biases = [p for p in found.values() if squeezed(p) == (d_emb,)]
    if len(found) == 4 and (len(weights_1), len(weights_2), len(biases)) == (1, 1, 2):
        return Layers(weights_1[0], biases[0], weights_2[0], biases[1])
    wanted = d_emb * (d_sinusoidal + d_emb + 2)
    count = sum(p.numel() for p in found.values())
    raise Wrong(
        f"{_structure_mistake(found, d_sinusoidal, d_emb)} {text} must have two linear layers, "
        f"{d_sinusoidal} -> {d_emb} and {d_emb} -> {d_emb}, {wanted:,} parameters in all; it has "
        f"{count:,}: {listed(found)}."
    )


def _is_matrix(p: Tensor, first: int, second: int) -> bool:
    return squeezed(p) in {(first, second), (second, first)}


def _structure_mistake(found: dict[str, nn.Parameter], d_sinusoidal: int, d_emb: int) -> str:
    """What is wrong with the list of parameters."""
    shapes = {name: squeezed(p) for name, p in found.items()}
    matrices = [s for s in shapes.values() if len(s) == 2]
    biases = [s for s in shapes.values() if len(s) == 1]
    table = next((s for s in matrices if s[0] in (1000, 1001)), None)
    fits = [s for s in matrices if d_sinusoidal in s]
    learned = [n for n, s in shapes.items() if s in {(d_sinusoidal // 2,), (d_sinusoidal,)}]
    if table:
        return (
            f"It learns a table of {max(table)} rows, one for each timestep, instead of computing "
            "the sinusoid. Neighbouring timesteps then have nothing in common at the start."
        )
    if learned and d_emb not in (d_sinusoidal, d_sinusoidal // 2):
        return (
            f"The sinusoid is trained: {learned[0]} is a parameter of {found[learned[0]].numel()} "
            "numbers. It is a fixed formula; keep it out of the parameters."
        )
    if len(fits) == 1 and len(matrices) == 1:
        return "There is one linear layer only; the second is missing."
    if not fits:
        scalar = any(1 in p.shape and p.ndim == 2 for p in found.values())
        more = " The first takes one number, t itself." if scalar else ""
        return f"No layer takes the sinusoid: none is d_sinusoidal = {d_sinusoidal} wide.{more}"
    if len(biases) < len(matrices) and len(matrices) == 2:
        return "A bias is missing: leave bias=False out."
    hidden = next((set(s) - {d_sinusoidal} for s in fits if set(s) != {d_sinusoidal, d_emb}), None)
    if hidden and len(matrices) == 2:
        return f"The hidden layer is {hidden.pop()} wide instead of d_emb = {d_emb}."
    if len(matrices) > 2:
        return f"There are {len(matrices)} linear layers instead of two."
    return "There are other parameters than those of the two linear layers."


def examine_perceptron(layers: Layers, embed: Embed, *, is_whole: bool = True) -> list[str]:
    """Compare an MLP with the formula, part by part; return notes or raise `Wrong`.

    Args:
        layers: Its parameters; the two biases may be in either order.
        embed: Maps t (B,) to the first numbers of the embedding, (B, at least d_sinusoidal).
        is_whole: The embedding ends here. If not, an activation may follow, before a projection.
    """
    layers, last = _ordered(layers, embed)
    notes = []
    if last != "no activation":
        if is_whole or last != SILU:
            raise Wrong(
                f"Behind the second layer stands an activation{_named(last)}. The embedding must "
                "be free to point anywhere, so it ends with the linear layer."
            )
        notes.append(
            "Note: a SiLU stands before the projection, as in most U-Nets. The page has none. "
            "Both are fine."
        )
    notes += _check_activation(layers, embed, ACTIVATIONS[last])
    notes += _check_sinusoid(layers, embed)
    _check_formula(layers, embed, ACTIVATIONS[last])
    return notes


def _named(activation: str) -> str:
    return f", {activation}" if activation else ""


def _grid(d: int) -> Tensor:
    return torch.linspace(-4, 4, d)


def _ordered(layers: Layers, embed: Embed) -> tuple[Layers, str]:
    """The biases in their order, and the activation behind the last layer."""
    w_1, b_1, w_2, b_2 = layers
    d = layers.widths[1]
    zeros = dict.fromkeys(layers, 0.0)
    t = torch.tensor([7])
    _refuse_bypass(layers, embed)
    for first, last in ((b_1, b_2), (b_2, b_1)):
        with overwritten({**zeros, last: _grid(d)}):
            out = embed(t)[0].detach()
        if out.std() > 0.1:
            after = activation_of(_grid(d)[: len(out)], out)
            return Layers(w_1, first, w_2, last), after
    raise Wrong(
        "The second bias does not reach the embedding: with all weights 0 and that bias from -4 "
        "to 4, the embedding hardly moves. Does the result of the last layer get lost?"
    )


def _refuse_bypass(layers: Layers, embed: Embed) -> None:
    w_1, b_1, w_2, b_2 = layers
    t, zero = torch.tensor([7]), dict.fromkeys(layers, 0.0)
    weight = torch.linspace(-1, 1, w_1.numel()).reshape(w_1.shape)
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
    with overwritten({w_1: 0.0, w_2: torch.eye(d), b_2: 0.0, b_1: _grid(d)}):
        out = embed(t)[0].detach()
    x = _grid(d)[: len(out)]
    other = torch.where(torch.arange(d) < len(out) // 2, _grid(d), 3.0)
    with overwritten({w_1: 0.0, w_2: torch.eye(d), b_2: 0.0, b_1: other}):
        is_pointwise = torch.allclose(embed(t)[0].detach()[: len(x) // 2], out[: len(x) // 2])
    found = activation_of(x, out, after)
    if found == "no activation":
        raise Wrong(
            "There is no activation between the two linear layers: what enters the second is what "
            "left the first, from -4 to 4. Two linear layers in a row are one linear layer, so the "
            f"MLP collapses to one linear map of the sinusoid. {_put_gelu(layers, embed)}"
        )
    if found in BOUNDED:
        raise Wrong(
            f"The activation between the layers is {found}, which holds every value between "
            f"{out.min():.2g} and {out.max():.2g}. Take a GELU."
        )
    if found in (GELU, "GELU in its tanh form"):
        return []
    if found:
        more = ", as in most production U-Nets" if found == SILU else ""
        return [f"Note: the activation is {found}{more}; the page has GELU. Both are fine."]
    return _unknown_activation(x, out, is_pointwise)


def _unknown_activation(x: Tensor, out: Tensor, is_pointwise: bool) -> list[str]:
    line = torch.stack([x, torch.ones_like(x)], dim=1)
    fitted = line @ torch.linalg.lstsq(line, out[:, None]).solution
    if torch.allclose(fitted[:, 0], out, atol=1e-3) or out.std() < 1e-3:
        raise Wrong(
            "What stands between the two linear layers is linear itself, so that both are one "
            "linear map. Put a GELU between them."
        )
    if is_pointwise:
        return ["Note: the activation is none that we know; the page has GELU."]
    raise Wrong(
        "Between the two linear layers stands more than an activation: numbers of the hidden "
        "layer influence one another. A GELU works on each alone."
    )


def _check_sinusoid(layers: Layers, embed: Embed) -> list[str]:
    """Let the sinusoid pass through the first layer unchanged, and read it."""
    table = _first_input(layers, embed)
    try:
        return read_clock(table, noise=3e-5).notes
    except Wrong as error:
        text = str(error)
    bent = _bent_by(table)
    if bent:
        text = (
            f"{bent} goes over the sinusoid before the first layer: its values run from "
            f"{table.min():.2f} to {table.max():.2f} instead of -1 to 1. Leave that one out."
        )
    raise Wrong(f"The first layer does not see the sinusoid of exercise 1. {text}")


def _put_gelu(layers: Layers, embed: Embed) -> str:
    bent = _bent_by(_first_input(layers, embed))
    return (
        f"Your {bent} stands before both. Put it between them." if bent else "Put a GELU between."
    )


def _bent_by(table: Tensor) -> str:
    """The activation that makes a table of the sinusoid, in any order of the columns."""
    right = sinusoidal_embedding(torch.arange(0, 1000, 50).double(), table.shape[1])
    for name, function in ACTIVATIONS.items():
        off = torch.cdist(function(right).T, table[::50].T, p=math.inf)
        if name != "no activation" and off.amin(dim=1).max() < 1e-3:
            return name
    return ""


def _first_input(layers: Layers, embed: Embed) -> Tensor:
    """What enters the first layer for t = 0 .. 999, in float64."""
    w_1, b_1, w_2, b_2 = layers
    d_in, d = layers.widths
    t = torch.arange(1000)
    seen = len(embed(t[:1])[0])
    parts = []
    for start in range(0, d_in, seen):
        width = min(seen, d_in - start)
        chosen = torch.zeros(d, d_in)
        chosen[torch.arange(width), start + torch.arange(width)] = 1
        if tuple(w_1.squeeze().shape) == (d_in, d):
            chosen = chosen.T
        with overwritten({w_1: chosen, b_1: LINE, w_2: torch.eye(d), b_2: 0.0}):
            parts.append(embed(t).detach().double()[:, :width] - LINE)
    return torch.cat(parts, dim=1)


def _check_formula(layers: Layers, embed: Embed, after: Callable) -> None:
    """The whole with random weights must be the formula with the parts that were found."""
    w_1, b_1, w_2, b_2 = layers
    d_in, d = layers.widths
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
            "Something more than the second linear layer stands behind the activation: the result "
            "is not W_2 h + b_2. Leave it out, or put it into a block of its own."
        )
