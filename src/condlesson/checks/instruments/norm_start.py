"""How a conditioned norm begins: what scales and shifts its channels before anything is trained."""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from condlesson.checks.harness.answer import build
from condlesson.checks.harness.run import name_of
from condlesson.checks.instruments.modulation import Scores
from condlesson.checks.instruments.norm import PAGE, measure, moved_by_t, with_random_parameters
from condlesson.checks.instruments.parameters import overwritten, squeezed

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
    owned = {n: p for n, p in layer.named_parameters() if _scales_norm(layer, p, t_emb)}
    ones = dict.fromkeys(owned.values(), 1.0)
    with overwritten(dict.fromkeys(layer.parameters(), 0.0) | ones):
        zeroed = measure(layer, PAGE, t_emb)
    with overwritten(ones):
        freed = measure(layer, PAGE, t_emb)
    means = [p.mean().item() for p in owned.values()]
    return Start(scores, zeroed, next(iter(owned), ""), next(iter(means), 1.0), freed)


def _scales_norm(layer: nn.Module, p: nn.Parameter, t_emb: Tensor) -> bool:
    """Whether it is the norm's own scale: one number a channel, and at 0 no embedding scales."""
    if squeezed(p) != PAGE[:1]:
        return False
    with with_random_parameters(layer), overwritten({p: 0.0}):
        return not moved_by_t(measure(layer, PAGE, t_emb).scale).any()
