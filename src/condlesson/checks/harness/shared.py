"""What calls of an answer must leave alone: torch's own state, other objects, its own parameters.

A layer that is made in the first call, or values that are set there, come too late: an optimiser
was made before, or weights were loaded. A lazy layer registers its parameters in __init__, and only
their numbers come with the first call, so it is allowed. Buffers may change, as in a batch norm.
"""

import copy
import dis
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import CodeType

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from condlesson.checks.harness.run import CALLED, MADE, Wrong

__all__ = ["apart", "parameters_kept", "state_kept"]


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
        written = {n: v for n, v in vars(owner).items() if names.get(n, _NO) is not v}
        written = {n: v for n, v in written.items() if not _is_kept(names.get(n, _NO), v)}
        changed = [n for n, v in written.items() if n[:2] != "__" and _counts(n, v, classes)]
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


def _is_kept(before: object, after: object) -> bool:
    """Whether it is the same word or number, or a table that is made once: `if x is None`."""
    if isinstance(after, Tensor):
        return before is None and not after.requires_grad
    return isinstance(after, (str, int, float)) and type(before) is type(after) and before == after


def _counts(name: str, value: object, classes: list[type]) -> bool:
    """Whether an object could do something else for it, as it does not for a count of objects."""
    if isinstance(value, (Tensor, nn.Module)):
        return True
    parts = {n: p for c in reversed(classes) for n, p in vars(c).items() if n != "__init__"}
    parts = {
        n: next((getattr(p, k) for k in ("fget", "__func__", "func") if hasattr(p, k)), p)
        for n, p in parts.items()
    }
    codes = {n: _names(p.__code__) for n, p in parts.items() if hasattr(p, "__code__")}
    reached, waiting = set(), ["forward", "__call__"]
    while waiting:  # what forward calls, and what that calls
        names = codes.pop(waiting.pop(), set())
        reached |= names
        waiting += names
    return name in reached


def _names(code: CodeType) -> set[str]:
    """What some code reads or writes, functions in it as well."""
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


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


@contextmanager
def parameters_kept(function: Callable, args: tuple) -> Iterator[None]:
    """Refuse a module whose first call, in either mode, changes parameters, or the mode."""
    mode = (id(function), bool(vars(function).get("training"))) if _is_module(function) else None
    if mode is None or mode in CALLED:
        yield
        return
    before = _parameters(function)
    values = {n: p.detach().clone() for n, p in before.items() if not is_lazy(p)}
    modes, lazy = _modes(function), None
    if any(is_lazy(p) for p in before.values()):
        with suppress(Exception):
            lazy = copy.deepcopy(function)
    yield
    CALLED.add(mode)
    _check_modes(modes, _modes(function))
    known = {id(p) for p in before.values()}
    for name, p in _parameters(function).items():
        if before.get(name, p) is not p or id(p) not in known:
            raise Wrong(_made(name, is_new=name not in before))
        if name in values and not _same(values[name], p.detach()):
            raise Wrong(_changed(name, _owner(function, name)))
    if lazy is not None:
        _check_loaded(lazy, function, args)


def _check_loaded(lazy: nn.Module, called: nn.Module, args: tuple) -> None:
    """What is loaded into lazy layers before their first call is still there behind it."""
    values = {
        name: value + 1.0 if value.is_floating_point() else value
        for name, value in called.state_dict().items()
    }
    found = values
    with suppress(Exception), torch.random.fork_rng(devices=[]):
        lazy.load_state_dict(values)
        lazy(*args)
        found = _parameters(lazy)
    for name, p in found.items():
        if name in values and not _same(values[name], p.detach()):
            raise Wrong(_changed(name, _owner(lazy, name)))


def _is_module(function: Callable) -> bool:
    return isinstance(function, nn.Module) and "_parameters" in vars(function)


def _modes(module: nn.Module) -> dict[str, bool]:
    """Which parts are in training mode."""
    return {name: part.training for name, part in nn.Module.named_modules(module)}


def _check_modes(before: dict[str, bool], after: dict[str, bool]) -> None:
    kinds = {True: "training", False: "evaluation"}
    for name in before:
        if after.get(name, before[name]) != before[name]:
            raise Wrong(
                f"A call in {kinds[before['']]} mode leaves {name or 'the module'} in "
                f"{kinds[after[name]]} mode. Who calls a module has set its mode, and goes on with "
                "it: leave out eval() and train() in forward."
            )


def _parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(nn.Module.named_parameters(module, remove_duplicate=False))


def _same(before: Tensor, after: Tensor) -> bool:
    if before.shape != after.shape or before.is_meta or after.is_meta:
        return before.shape == after.shape
    after = after.to(before)
    return torch.equal(before, after) or torch.allclose(before, after, 0, 0, equal_nan=True)


def _owner(module: nn.Module, name: str) -> nn.Module:
    for part in name.split(".")[:-1]:
        module = module._modules[part]
    return module


def _made(name: str, *, is_new: bool) -> str:
    start = (
        f"The first call makes the parameter {name}"
        if is_new
        else f"The first call puts another parameter in the place of {name}"
    )
    return (
        f"{start}: its layer is made in forward. An optimiser that was made before does not have "
        "it, so it would never learn, and weights that were loaded would not be in it. Make it in "
        "__init__; forward only uses it."
    )


def _changed(name: str, owner: nn.Module) -> str:
    if getattr(owner, "max_norm", None) is not None:
        return (
            f"A call changes the parameter {name}: max_norm shortens the rows that it reads, and "
            "with them weights that were loaded. Leave max_norm out."
        )
    return (
        f"The first call changes the numbers of the parameter {name}: they are set in forward. "
        "Weights that were loaded, or learned, would be lost there. Set them in __init__; forward "
        "only reads them."
    )
