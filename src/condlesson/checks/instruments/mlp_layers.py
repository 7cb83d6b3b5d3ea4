"""The layers of a timestep MLP, found by the shapes of its parameters."""

from typing import NamedTuple

from torch import Tensor, nn

from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.parameters import check_frozen, listed, squeezed, trainable

__all__ = ["Layers", "find_layers"]


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
    _check_tied(module)
    check_frozen(module, {(d_emb, d_sinusoidal), (d_sinusoidal, d_emb), (d_emb, d_emb), (d_emb,)})
    wanted = d_emb * (d_sinusoidal + d_emb + 2)
    count = sum(p.numel() for p in found.values())
    raise Wrong(
        f"{_structure_mistake(found, d_sinusoidal, d_emb)} {text} must have two linear layers, "
        f"{d_sinusoidal} -> {d_emb} and {d_emb} -> {d_emb}, {wanted:,} parameters in all; it has "
        f"{count:,}: {listed(found)}."
    )


def _check_tied(module: nn.Module) -> None:
    """Refuse one parameter in two layers; one layer may well have two names."""
    known: dict[tuple[int, str], str] = {}
    for layer, part in module.named_modules():
        for kind, p in part.named_parameters(recurse=False):
            name = f"{layer}.{kind}" if layer else kind
            first = known.setdefault((id(p), kind), name)
            if first != name:
                raise Wrong(
                    f"{first} and {name} are one parameter: a step of the one moves the other. "
                    f"Give each layer a {kind} of its own, as nn.Linear makes it."
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
    if len(learned) == 1 and len(biases) > len(matrices):
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
    hidden = next((sum(s) - d_sinusoidal for s in fits if set(s) != {d_sinusoidal, d_emb}), 0)
    if hidden and len(matrices) == 2:
        return f"The hidden layer is {hidden} wide instead of d_emb = {d_emb}."
    if len(matrices) > 2:
        return f"There are {len(matrices)} linear layers instead of two."
    return "There are other parameters than those of the two linear layers."
