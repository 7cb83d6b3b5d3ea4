"""Where in a learner's code something happened: the line's number and its text."""

import linecache
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, TracebackType

import torch

__all__ = ["place_of_error", "place_of_frame"]

LENGTH = 120  # of a line of code in a message
_PACKAGE = Path(__file__).parents[2]
_CHECKS = str(Path(__file__).parents[1])
_FOREIGN = tuple(
    {str(Path(torch.__file__).parent), *map(sysconfig.get_path, ("stdlib", "purelib", "platlib"))}
)


def place_of_error(error: BaseException) -> str:
    """The innermost line of the learner's in an exception's traceback, or ""."""
    return _place(_frames_of_traceback(error.__traceback__))


def place_of_frame(frame: FrameType | None) -> str:
    """The innermost line of the learner's that leads to a frame, or ""."""
    frames = []
    while frame is not None:
        frames.insert(0, (frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return _place(frames)


def _frames_of_traceback(traceback: TracebackType | None) -> Iterable[tuple[str, int]]:
    frames = []
    while traceback is not None:
        frames.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return frames


def _place(frames: Iterable[tuple[str, int]]) -> str:
    """The last of the frames inside a check that is neither ours nor a library's."""
    frames = list(frames)
    inside = [k for k, (name, _) in enumerate(frames) if name.startswith(_CHECKS)]
    called = frames[inside[-1] + 1 :] if inside else frames
    called = [frame for frame in called if not frame[0].startswith(_FOREIGN)]
    own = [frame for frame in called if not frame[0].startswith(str(_PACKAGE))] or called
    if not own:
        return ""
    name, number = own[-1]
    text = linecache.getline(name, number).strip()
    text = text if len(text) <= LENGTH else f"{text[:LENGTH]} ..."
    return f"line {number}, `{text}`" if text else f"line {number}"
