"""What can be seen where an answer raised an error: its line, and what is named there."""

import linecache
import re
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from condlesson.checks.harness.location import Place, frames_of_error, own_place

__all__ = ["Cure", "Failure", "Shape", "failure_of", "said"]

Shape = tuple[int, ...]
_NAME = re.compile(r"(?<![\w.\"'])[a-zA-Z_]\w*(?:\.[a-zA-Z_]\w*)*")

_SAME_SHAPE = {"float", "long", "double", "to", "clone", "detach"}  # methods of a tensor


class Failure(NamedTuple):
    """An error of an answer.

    Attributes:
        kind: Name of its class.
        text: Its message, in one line.
        code: The learner's expression that raised it, or the line; "" if there is none.
        named: What the code names, by name: tensors, tuples, numbers, None.
        attributes: Names that the learner's object has.
        layer: The learner's name of torch's layer that raised it, such as self.projection, or "".
        numbers: Whole numbers that this layer was made or called with, by torch's names.
        hidden: Names of its parts that methods of nn.Module have, too, and so hide.
        is_begun: Whether the learner's object, if there is one, has called super().__init__().
    """

    kind: str
    text: str
    code: str = ""
    named: dict[str, object] = {}  # noqa: RUF012 -- a default of a tuple, which nobody changes
    attributes: tuple[str, ...] = ()
    layer: str = ""
    numbers: dict[str, int] = {}  # noqa: RUF012
    hidden: tuple[str, ...] = ()
    is_begun: bool = True

    @property
    def shapes(self) -> dict[str, Shape]:
        """Shapes of the tensors that the code names."""
        return {k: tuple(v.shape) for k, v in self.named.items() if isinstance(v, Tensor)}


Cure = Callable[[Failure], str]  # what to do about it, or "" if it is another mistake


def said(shapes: dict[str, Shape]) -> str:
    """Names and shapes, as in "t is (6,) and w is (128,)"."""
    texts = [f"{name} is {shape}" for name, shape in shapes.items()]
    return " and ".join(texts) if len(texts) < 3 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def failure_of(error: BaseException, text: str) -> Failure:
    """Look at an error where it was raised; text is its message."""
    places = frames_of_error(error)
    own = own_place(places)
    kind = type(error).__name__
    if own is None or own.frame is None:
        return Failure(kind, text)
    known = own.frame.f_locals
    code = _expression(own)
    named = _named(code, known)
    if not any(isinstance(value, Tensor) for value in named.values()):
        named |= _named(_line(own), known)
    root = known.get("self")
    layer, numbers = _layer(places[places.index(own) + 1 :], root)
    begun = not isinstance(root, nn.Module) or "_modules" in vars(root)
    attributes, hidden = tuple(_attributes(root)), tuple(_hidden(root))
    return Failure(kind, text, code, named, attributes, layer, numbers, hidden, begun)


def _line(place: Place) -> str:
    return linecache.getline(place.file, place.line).strip()


def _expression(place: Place) -> str:
    """The part of the line that was running, as far as Python keeps it (from 3.11 on)."""
    positions = getattr(place.frame.f_code, "co_positions", None)
    if positions is None:
        return _line(place)
    first, last, start, end = list(positions())[place.instruction // 2]
    lines = [] if None in (first, last, start, end) else range(first, last + 1)
    lines = [linecache.getline(place.file, k).encode() for k in lines]
    if not lines or not all(lines):
        return _line(place)
    lines[-1] = lines[-1][:end]  # before the start is cut, which may be in the same line
    lines[0] = lines[0][start:]
    return " ".join(b" ".join(lines).decode(errors="replace").split())


def _named(code: str, known: dict[str, object]) -> dict[str, object]:
    """Tensors, tuples, whole numbers and Nones that a piece of code names."""
    found = {}
    for name in dict.fromkeys(_NAME.findall(code)):
        first, *rest = name.split(".")
        value, missing = known.get(first, ...), first not in known
        if type(value) is tuple or (isinstance(value, Tensor) and set(rest) <= _SAME_SHAPE):
            name, rest = first, []
        for part in rest:
            inside = _attributes(value)
            value, missing = inside.get(part), missing or part not in inside
        if not missing and (value is None or isinstance(value, (Tensor, int, tuple))):
            found[name] = value
    return found


def _attributes(thing: object) -> dict[str, object]:
    """What an nn.Module holds, by its public names, without running code of the learner's."""
    if not isinstance(thing, nn.Module):
        return {}
    parts = dict(vars(thing))
    for kind in ("_parameters", "_buffers", "_modules"):
        parts |= parts.get(kind) or {}
    return {k: v for k, v in parts.items() if k[0] != "_" and k != "training"}


def _hidden(root: object) -> list[str]:
    """Parts of an nn.Module that self.name does not give, but a method of the class."""
    if not isinstance(root, nn.Module):
        return []
    parts = (vars(root).get(kind) or {} for kind in ("_parameters", "_buffers", "_modules"))
    return [name for names in parts for name in names if hasattr(nn.Module, name)]


def _layer(places: list[Place], root: object) -> tuple[str, dict[str, int]]:
    """The learner's name of the layer of torch below a line of theirs, and its numbers."""
    for place in reversed(places):
        inside = place.frame.f_locals
        layer = inside.get("self")
        if isinstance(layer, nn.Module) and type(layer).__module__.startswith("torch.nn"):
            numbers = {**vars(layer), **inside}
            return _name_in(root, layer), {k: v for k, v in numbers.items() if type(v) is int}
    return "", {}


def _name_in(root: object, layer: nn.Module) -> str:
    if not isinstance(root, nn.Module) or "_modules" not in vars(root):
        return ""
    name = next((name for name, module in root.named_modules() if module is layer), "")
    return re.sub(r"\.(\d+)", r"[\1]", f"self.{name}") if name else ""
