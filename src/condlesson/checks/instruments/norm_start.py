"""How a conditioned norm begins: what scales and shifts its channels before anything is trained."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from condlesson.checks.harness.answer import build
from condlesson.checks.harness.run import name_of
from condlesson.checks.instruments.modulation import Scores
from condlesson.checks.instruments.norm import PAGE, measure, moved_by_t, with_random_parameters
from condlesson.checks.instruments.parameters import overwritten, slices

__all__ = ["Start", "start_of"]


class Start(NamedTuple):
    """How a fresh layer of the page's size begins."""

    scores: Scores
    zeroed: Scores  # with a projection that is all 0, and the norm's own scale at 1
    own: str  # name of the norm's own scale, "" if it has none
    own_mean: float  # of its numbers
    freed: Scores  # with the norm's own scale at 1


def start_of(factory: Callable, t_emb: Tensor) -> Start:
    """Scores of a fresh layer of the page's size, and of the same without parts of its start."""
    layer = build(factory, *PAGE, text=f"{name_of(factory)}{PAGE}")
    scores = measure(layer, PAGE, t_emb)
    owned = [
        (name, p, part)
        for name, p in layer.named_parameters()
        for part in slices(p, PAGE[0])
        if _scales_norm(layer, p, part, t_emb)
    ]
    zeros = dict.fromkeys(layer.parameters(), 0.0)
    with overwritten(zeros | {p: part.to(p) for _, p, part in owned}):
        zeroed = measure(layer, PAGE, t_emb)
    with overwritten({p: p.detach().masked_fill(part, 1.0) for _, p, part in owned}):
        freed = measure(layer, PAGE, t_emb)
    own, mean = next(((name, p[part].mean().item()) for name, p, part in owned), ("", 1.0))
    return Start(scores, zeroed, own, mean, freed)


def _scales_norm(layer: nn.Module, p: nn.Parameter, part: Tensor, t_emb: Tensor) -> bool:
    """Whether this part is the norm's own scale: where it is 0, no embedding scales."""
    with with_random_parameters(layer), overwritten({p: p.detach().masked_fill(part, 0.0)}):
        return not moved_by_t(measure(layer, PAGE, t_emb).scale).any()
