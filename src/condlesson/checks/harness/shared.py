"""What an answer must not share: torch's own state, and what its objects have to themselves."""

import dis
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from condlesson.checks.harness.run import MADE, Wrong

__all__ = ["apart", "state_kept"]


@contextmanager
def state_kept(what: str) -> Iterator[None]:
    """Refuse a call that sets torch's seed, or switches gradients off, for all that follows."""
    seed, has_gradients = torch.initial_seed(), torch.is_grad_enabled()
    yield
    if torch.is_grad_enabled() != has_gradients:
        torch.set_grad_enabled(has_gradients)
        raise Wrong(
            f"{what} switches gradients off and leaves them so: nothing that follows would learn. "
            "Leave it out; where it belongs, `with torch.no_grad():` ends by itself."
        )
    if torch.initial_seed() != seed:
        raise Wrong(
            f"{what} sets torch's seed, and with it all that is drawn later: a seed is set in the "
            "function. Set a seed once, outside of it."
        )


@contextmanager
def apart(factory: Callable, text: str) -> Iterator[list[nn.Module]]:
    """Refuse an object that shares something with one that was made before, or that would.

    Args:
        factory: What makes it.
        text: How it is called.

    Yields:
        A list for what was made.
    """
    classes = [c for c in getattr(factory, "__mro__", ()) if _is_own(c)]
    before = {c: dict(vars(c)) for c in classes}
    made: list[nn.Module] = []
    yield made
    for owner, names in before.items():
        changed = [
            n for n, v in vars(owner).items() if n[:2] != "__" and names.get(n, _NO) is not v
        ]
        if changed:
            raise Wrong(
                f"{text} writes {owner.__name__}.{changed[0]}, which all objects of the class "
                f"share: the next one changes it for this one, too. Write self.{changed[0]} = ..."
            )
    code = getattr(getattr(factory, "__init__", None), "__code__", None)
    written = (
        [i.argval for i in dis.get_instructions(code) if i.opname == "STORE_GLOBAL"] if code else []
    )
    if written and classes:
        raise Wrong(
            f"{text} writes the global name {written[0]}, which all objects share: the next one "
            f"changes it for this one, too. Write self.{written[0]} = ..."
        )
    _check_shared(made, text)


_NO = object()


def _is_own(owner: type) -> bool:
    return owner.__module__.partition(".")[0] not in ("torch", "builtins", "typing", "abc")


def _check_shared(made: list[nn.Module], text: str) -> None:
    """No parameter is one of another object."""
    known = {id(p) for module in MADE for p in module.parameters()}
    for module in made:
        shared = [name for name, p in module.named_parameters() if id(p) in known]
        if shared:
            raise Wrong(
                f"{text} has the parameter {shared[0]} of another object that was made before: in "
                "a network two such layers would learn as one. Make layers in __init__, anew for "
                "each object."
            )
    MADE.extend(made)
