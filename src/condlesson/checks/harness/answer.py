"""Calls of a learner's code: what it raises, returns or changes becomes a message."""

import builtins
import inspect
import linecache
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.utils import remove_spectral_norm, remove_weight_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from condlesson.checks.harness.cures import applied
from condlesson.checks.harness.failure import Cure, Failure, failure_of
from condlesson.checks.harness.location import frames_of_error, place_of_error
from condlesson.checks.harness.run import PASSING, NotDone, Raised, Wrong, name_of, say
from condlesson.checks.harness.shared import apart, parameters_kept, state_kept

__all__ = [
    "HALVES",
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
HALVES = torch.float16, torch.bfloat16  # too coarse for what is compared


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
        with state_kept(what), parameters_kept(function, args):
            return function(*args)
    except (*PASSING, Wrong):
        raise
    except NotImplementedError as error:
        if not _is_placeholder(error):
            raise _raised(error, what) from None
        raise NotDone(f"{what} is not written yet: NotImplementedError{_at(error)}.") from None
    except BaseException as error:
        vars(builtins).update(_BUILTINS)  # what follows needs them
        raise _raised(error, what) from None


def _is_placeholder(error: NotImplementedError) -> bool:
    """Whether a line says `raise NotImplementedError`; torch raises it, too, of a wrong dtype."""
    place = frames_of_error(error)[-1]
    line = linecache.getline(place.file, place.line)
    if place.file.startswith(str(Path(torch.__file__).parent)):
        return False
    return "raise" in line if line else "not implemented for" not in say(error)


def build(factory: Callable, *args: object, text: str) -> nn.Module:
    """A module made by the learner's class, in training mode as made."""
    with apart(factory, text) as made:
        module = call(factory, *args, what=text)
        made += [module] if isinstance(module, nn.Module) else []
    if module is None or module is Ellipsis:
        raise NotDone(f"{text} returned {module}.")
    if not isinstance(module, nn.Module):
        name = name_of(factory, "Answer")
        raise Wrong(
            f"{text} must be an nn.Module, so that an optimiser finds its parameters, got "
            f"{_article(type(module).__name__)}. Write `class {name}(nn.Module)`."
        )
    for part in module.modules():
        _as_plain_layer(part)
    return module


def _as_plain_layer(part: nn.Module) -> None:
    """Take away what computes its weights from other parameters; the layer computes the same."""
    for name in list(part.parametrizations) if is_parametrized(part) else ():
        remove_parametrizations(part, name)
    for hook in list(part._forward_pre_hooks.values()):
        if isinstance(hook, WeightNorm):  # those that came before parametrizations
            remove_weight_norm(part, hook.name)
        if isinstance(hook, SpectralNorm):
            hook.n_power_iterations = 15  # as parametrizations begin; less leaves weights large
            hook.compute_weight(part, do_power_iteration=True)
            remove_spectral_norm(part, hook.name)


def tensor_from(value: object, what: str) -> Tensor:
    """A returned value as a finite, floating tensor on the CPU."""
    if value is None:
        raise NotDone(f"{what} returned None. Does every branch of it end with a return?")
    if value is Ellipsis or value is NotImplemented:
        raise NotDone(f"{what} returned {value}.")
    if not isinstance(value, Tensor):
        kind = _article(type(value).__name__)
        count = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
        if type(value).__module__ == "torch.return_types":
            kind, count = f"what .{type(value).__name__}(dim) returns", ", several tensors"
        one = "one tensor" if count else "a torch.Tensor"
        raise Wrong(f"{what} must return {one}, got {kind}{count}. {_other_kind(value)}")
    value = _plain(value, what)
    if not value.is_floating_point():
        cure = "Take .real and .imag" if value.is_complex() else "Convert first: t.float()"
        if value.dtype == torch.bool:
            cure = "Is there a comparison, such as == or <, in the line of return?"
        end = "" if cure.endswith("?") else "."
        raise Wrong(f"{what} must return floating numbers, got {value.dtype}. {cure}{end}")
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise Wrong(
            f"{what} returned {bad} of {value.numel()} values that are nan or infinite. "
            "A division by 0 gives them, an exponent without its minus, or a power of whole "
            "numbers, which overflows: give those a decimal point."
        )
    return value


def _other_kind(value: object) -> str:
    """What to do about a returned value that is no tensor."""
    if isinstance(value, torch.Size):
        return "That is a shape. Return the tensor itself."
    if type(value).__module__ == "torch.return_types":
        return "Its first part is what you need: write .values behind it."
    if isinstance(value, nn.Module) and type(value).__module__.startswith("torch.nn"):
        return applied(type(value).__name__)
    if inspect.isgenerator(value):
        return "A function with yield gives them one by one. Write return."
    if callable(value):
        return "It can be called: are its parentheses missing?"
    parts = value if isinstance(value, (tuple, list)) else ()
    if parts and not any(isinstance(part, Tensor) for part in parts):
        return "Make a tensor of its numbers: torch.tensor(values)."
    if isinstance(value, tuple):
        return (
            "Return one of them alone, without the comma and what follows; or, if they are parts "
            "of the result, join them with torch.cat or torch.stack."
        )
    if parts:
        return "Join its parts with torch.cat or torch.stack."
    return "Compute it with torch, so that devices and gradients work."


def _plain(value: Tensor, what: str) -> Tensor:
    """The tensor without what a subclass adds, on the CPU."""
    if value.is_inference():
        raise Wrong(
            f"{what} returned a tensor of inference mode, which no layer can be trained on. Leave "
            "out torch.inference_mode."
        )
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
    for k, (before, after) in enumerate(zip(tensors, given, strict=True)):
        if isinstance(before, Tensor) and not _same(before, after):
            raise Wrong(
                f"{what} changes the tensor that it is given, in place{_called(function, k)}. The "
                "caller still needs it. Make a new one: no `+=` on it, no assignment to a part of "
                "it, and no method whose name ends with _."
            )
    return result


def _called(function: Callable, k: int) -> str:
    """What the learner calls an argument, as in ": labels", or ""."""
    with suppress(Exception):
        function = function.forward if isinstance(function, nn.Module) else function
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        parameters = inspect.signature(function).parameters.values()
        return f": {[p.name for p in parameters if p.kind in kinds][k]}"
    return ""


def shape(value: Tensor | Sequence[int]) -> str:
    """A shape as (2, 3)."""
    return str(tuple(value.shape if isinstance(value, Tensor) else value))


def _same(before: Tensor, after: Tensor) -> bool:
    return before.shape == after.shape and torch.equal(before, after)


def _raised(error: BaseException, what: str) -> Raised:
    text = say(error)
    message = f"{what} raised {type(error).__name__}{_at(error)}{': ' * bool(text)}{text}"
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
