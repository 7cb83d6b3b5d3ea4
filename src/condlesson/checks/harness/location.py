"""Where in a learner's code something happened: the line's number and its text."""

import linecache
import sysconfig
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import torch

__all__ = ["Place", "frames_of_error", "own_place", "place_of_error", "place_of_frame"]

LENGTH = 120  # of a line of code in a message
_PACKAGE = Path(__file__).parents[2]
_CHECKS = str(Path(__file__).parents[1])
_EXHIBITS = str(_PACKAGE / "museum")  # broken code, shown as a learner's
_FOREIGN = tuple(
    {str(Path(torch.__file__).parent), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))}
)


class Place(NamedTuple):
    """A line that was running."""

    file: str
    line: int
    frame: FrameType | None = None
    instruction: int = -1  # in the frame's code

    def __str__(self) -> str:
        text = linecache.getline(self.file, self.line).strip()
        text = text if len(text) <= LENGTH else f"{text[:LENGTH]} ..."
        return f"line {self.line}, `{text}`" if text else f"line {self.line}"


def place_of_error(error: BaseException) -> str:
    """The innermost line of the learner's in an exception's traceback, or ""."""
    return str(own_place(frames_of_error(error)) or "")


def place_of_frame(frame: FrameType | None) -> str:
    """The innermost line of the learner's that leads to a frame, or ""."""
    places = []
    while frame is not None:
        places.insert(0, Place(frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return str(own_place(places) or "")


def frames_of_error(error: BaseException) -> list[Place]:
    """The lines of an exception's traceback, outermost first."""
    places, step = [], error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(Place(code.co_filename, step.tb_lineno, step.tb_frame, step.tb_lasti))
        step = step.tb_next
    return places


def own_place(places: list[Place]) -> Place | None:
    """The last of the lines inside a check that is neither ours nor a library's."""
    inside = (k for k, place in enumerate(places) if place.file.startswith(_CHECKS))
    called = places[next(inside, -1) + 1 :]
    return next((place for place in reversed(called) if _is_own(place.file)), None)


def _is_own(file: str) -> bool:
    foreign = ("<frozen ", *_FOREIGN, str(_PACKAGE))  # what Python itself is made of is frozen
    return file.startswith(_EXHIBITS) or not file.startswith(foreign)
