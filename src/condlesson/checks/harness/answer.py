"""Calls of a learner's code: what it raises, returns or changes becomes a message."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from condlesson.checks.harness.location import place_of_error
from condlesson.checks.harness.run import PASSING, NotDone, Wrong, say

__all__ = ["as_factory", "as_function", "build", "call", "shape", "tensor_from"]

# A piece of an error's message, and the cure.
_CURES = (
    ("modified by an inplace operation", "Write the sum out of place: `h = h + shift`, no `+=`, "
     "no assignment to a slice."),
    ("a leaf Variable that requires grad is being used in an in-place", "Write it out of place."),
    ("a view of a leaf Variable that requires grad", "Write it out of place: `h = h + shift`, no "
     "`+=`, no assignment to a slice."),
    ("divisible by num_groups", "nn.GroupNorm takes the number of groups first, then the number "
     "of channels, here nn.GroupNorm(num_groups, num_channels) as they were handed in."),
    ("before Module.__init__()", "Call super().__init__() first in __init__."),
    ("object has no attribute '_parameters'", "Call super().__init__() first in __init__."),
    ("mat1 and mat2 shapes cannot be multiplied", "Compare the widths of the layers with what "
     "enters them."),
    ("must match the size of tensor", "Two shapes do not broadcast: one number per channel, "
     "(B, C), must become (B, C, 1, 1) before it meets (B, C, H, W)."),
    ("does not require grad and does not have a grad_fn", "The path from the parameters to the "
     "result is cut: look for detach, .data, .item or no_grad."),
    ("required positional argument", "Keep the arguments of the exercise, in their order."),
    ("positional arguments but", "Keep the arguments of the exercise, in their order."),
    ("positional argument but", "Keep the arguments of the exercise, in their order."),
    ("Expected more than 1 value per channel", "A batch norm makes the items of a batch depend on "
     "one another; there is none in this exercise."),
    ("same dtype", "Bring both sides to one dtype: `s.to(self.linear_1.weight.dtype)`."),
)  # fmt: skip
_INDEXED = "timesteps may be whole numbers in a floating tensor"


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
            f"You handed in the class {_name(answer)}; this check takes a function, which is "
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
        raise NotDone(f"{what} is not written yet: NotImplementedError{_at(error)}.") from None
    except BaseException as error:
        raise Wrong(_raised(error, what)) from None


def build(factory: Callable, *args: object, text: str) -> nn.Module:
    """A module made by the learner's class, in training mode as made."""
    module = call(factory, *args, what=text)
    if module is None or module is Ellipsis:
        raise NotDone(f"{text} returned {module}.")
    if not isinstance(module, nn.Module):
        raise Wrong(
            f"{text} must be an nn.Module, so that an optimiser finds its parameters, got "
            f"{_article(type(module).__name__)}. Write `class {_name(factory)}(nn.Module)`."
        )
    return module


def tensor_from(value: object, what: str) -> Tensor:
    """A returned value as a finite, floating tensor on the CPU."""
    if value is None:
        raise NotDone(f"{what} returned None. Does every path of it end in a return?")
    if value is Ellipsis or value is NotImplemented:
        raise NotDone(f"{what} returned {value}.")
    if isinstance(value, (tuple, list)):
        raise Wrong(
            f"{what} must return one tensor, got {_article(type(value).__name__)} of {len(value)}. "
            "Join its parts with torch.cat or torch.stack."
        )
    if not isinstance(value, Tensor):
        raise Wrong(
            f"{what} must return a torch.Tensor, got {_article(type(value).__name__)}. "
            "Compute it with torch, so that devices and gradients work."
        )
    value = _plain(value, what)
    if not value.is_floating_point():
        cure = "Take .real and .imag" if value.is_complex() else "Convert first: t.float()"
        raise Wrong(f"{what} must return floating numbers, got {value.dtype}. {cure}.")
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise Wrong(
            f"{what} returned {bad} of {value.numel()} values that are nan or infinite. "
            "Look for a division by 0, or an exponent that grows instead of falling."
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


def _raised(error: BaseException, what: str) -> str:
    text = say(error)
    cure = next((cure for piece, cure in _CURES if piece in text), "")
    text = f"{text[:150]} ..." if cure and len(text) > 150 else text
    message = f"{what} raised {type(error).__name__}{_at(error)}: {text}"
    message += "" if message.endswith((".", "!", "?")) else "."
    return f"{message} {cure}".strip()


def _at(error: BaseException) -> str:
    place = place_of_error(error)
    return f" at {place}" if place else ""


def _article(name: str) -> str:
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _name(thing: object) -> str:
    name = getattr(thing, "__name__", "")
    return name if isinstance(name, str) and name.isidentifier() else "Answer"
