"""Calls of a learner's code: what it raises, returns or changes becomes a message."""

import builtins
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from condlesson.checks.harness.failure import Cure, Failure, failure_of
from condlesson.checks.harness.location import place_of_error
from condlesson.checks.harness.run import PASSING, NotDone, Raised, Wrong, name_of, say

__all__ = [
    "as_factory",
    "as_function",
    "build",
    "call",
    "call_on",
    "cured",
    "shape",
    "tensor_from",
]

_BUILTINS = dict(vars(builtins))


def as_function(answer: object, call_text: str) -> Callable:
    """The answer as a function; call_text says how it is to be called."""
    if answer is None or answer is Ellipsis:
        raise NotDone(f"There is nothing yet: hand in your function, which is called {call_text}.")
    if isinstance(answer, Tensor):
        raise Wrong(
            "You handed in what your function returned, a tensor. Hand in the function itself, "
            "without calling it."
        )
    if isinstance(answer, type):
        raise Wrong(
            f"You handed in the class {name_of(answer)}; this check takes a function, which is "
            f"called {call_text}."
        )
    if not callable(answer):
        raise Wrong(
            f"You handed in {_article(type(answer).__name__)}; this check takes a function, which "
            f"is called {call_text}."
        )
    return answer


def as_factory(answer: object, call_text: str) -> Callable:
    """The answer as a class, or something that is called as one."""
    if answer is None or answer is Ellipsis:
        raise NotDone(f"There is nothing yet: hand in your class, which is called {call_text}.")
    if isinstance(answer, nn.Module):
        raise Wrong(
            f"You handed in an object, {type(answer).__name__}(...). Hand in the class itself, "
            f"{type(answer).__name__}: the check makes its own objects, {call_text}."
        )
    if isinstance(answer, Tensor) or not callable(answer):
        raise Wrong(
            f"You handed in {_article(type(answer).__name__)}; this check takes a class, which is "
            f"called {call_text}."
        )
    return answer


def call(function: Callable, *args: object, what: str) -> object:
    """Result of function(*args); what it raises becomes `Wrong` or `NotDone`."""
    try:
        return function(*args)
    except PASSING:
        raise
    except NotImplementedError as error:
        if "missing the required" in say(error):  # torch's own: there is no forward
            raise _raised(error, what) from None
        raise NotDone(f"{what} is not written yet: NotImplementedError{_at(error)}.") from None
    except BaseException as error:
        vars(builtins).update(_BUILTINS)  # what follows needs them
        raise _raised(error, what) from None


def build(factory: Callable, *args: object, text: str) -> nn.Module:
    """A module made by the learner's class, in training mode as made."""
    module = call(factory, *args, what=text)
    if module is None or module is Ellipsis:
        raise NotDone(f"{text} returned {module}.")
    if not isinstance(module, nn.Module):
        name = name_of(factory, "Answer")
        raise Wrong(
            f"{text} must be an nn.Module, so that an optimiser finds its parameters, got "
            f"{_article(type(module).__name__)}. Write `class {name}(nn.Module)`."
        )
    for part in module.modules():  # as a plain layer it computes the same
        for kept in list(part.parametrizations) if is_parametrized(part) else ():
            remove_parametrizations(part, kept)
    return module


def tensor_from(value: object, what: str) -> Tensor:
    """A returned value as a finite, floating tensor on the CPU."""
    if value is None:
        raise NotDone(f"{what} returned None. Does every branch of it end with a return?")
    if value is Ellipsis or value is NotImplemented:
        raise NotDone(f"{what} returned {value}.")
    if isinstance(value, (tuple, list)):
        raise Wrong(
            f"{what} must return one tensor, got {_article(type(value).__name__)} of {len(value)}. "
            "Join its parts with torch.cat or torch.stack."
        )
    if not isinstance(value, Tensor):
        cure = (
            "It can be called: are its parentheses missing?"
            if callable(value)
            else "Compute it with torch, so that devices and gradients work."
        )
        raise Wrong(
            f"{what} must return a torch.Tensor, got {_article(type(value).__name__)}. {cure}"
        )
    value = _plain(value, what)
    if not value.is_floating_point():
        cure = "Take .real and .imag" if value.is_complex() else "Convert first: t.float()"
        raise Wrong(f"{what} must return floating numbers, got {value.dtype}. {cure}.")
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise Wrong(
            f"{what} returned {bad} of {value.numel()} values that are nan or infinite. "
            "Is there a division by 0, or an exponent without its minus?"
        )
    return value


def _plain(value: Tensor, what: str) -> Tensor:
    """The tensor without what a subclass adds, on the CPU."""
    with torch._C.DisableTorchFunctionSubclass():
        if value.is_meta or value.layout != torch.strided:
            kind = "without values, on the device meta" if value.is_meta else f"{value.layout}"
            raise Wrong(f"{what} must return an ordinary tensor, got one that is {kind}.")
        value = value.as_subclass(Tensor)
    return value.cpu()


def call_on(function: Callable, *tensors: object, what: str) -> Tensor:
    """Tensor that the function makes of tensors, which it must leave as they are."""
    given = [value.clone() if isinstance(value, Tensor) else value for value in tensors]
    result = tensor_from(call(function, *given, what=what), what)
    for before, after in zip(tensors, given, strict=True):
        if isinstance(before, Tensor) and not _same(before, after):
            raise Wrong(
                f"{what} changes the tensor that it is given, in place. The caller still needs "
                "it: write `x = x + ...` in place of `x += ...`."
            )
    return result


def shape(value: Tensor | Sequence[int]) -> str:
    """A shape as (2, 3)."""
    return str(tuple(value.shape if isinstance(value, Tensor) else value))


def _same(before: Tensor, after: Tensor) -> bool:
    return before.shape == after.shape and torch.equal(before, after)


def _raised(error: BaseException, what: str) -> Raised:
    text = say(error)
    message = f"{what} raised {type(error).__name__}{_at(error)}: {text}"
    return Raised(message, _failure(error, text))


def _failure(error: BaseException, text: str) -> Failure:
    try:
        return failure_of(error, text)
    except PASSING:
        raise
    except BaseException:  # an answer can make even a look at it fail
        return Failure(type(error).__name__, text)


@contextmanager
def cured(*cures: Cure) -> Iterator[None]:
    """Say, of an error that an answer raises in here, what this exercise knows to do about it."""
    try:
        yield
    except Raised as error:
        for cure in cures:
            error.cure = error.cure or cure(error.failure)
        raise


def _at(error: BaseException) -> str:
    place = place_of_error(error)
    return f" at {place}" if place else ""


def _article(name: str) -> str:
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
