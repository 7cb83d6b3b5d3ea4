"""Ten seconds, and no more: work that is stopped when it takes too long."""

import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from condlesson.checks.harness.location import place_of_frame

__all__ = ["TooSlow", "within"]

T = TypeVar("T")
PATIENCE = 30.0  # seconds more for an import, since half a module would stay in the session
AGAIN = 0.05  # seconds between two rings, for code that swallows the first


class TooSlow(BaseException):
    """The time is up; no subclass of Exception, so that `except Exception` lets it pass."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """Result of work(), or `TooSlow` with the place where it was after so many seconds.

    In the main thread an alarm interrupts it, elsewhere it runs in a thread that is left behind.
    """
    in_main = threading.current_thread() is threading.main_thread()
    return (_by_alarm if in_main and hasattr(signal, "setitimer") else _by_thread)(seconds, work)


def _by_alarm(seconds: float, work: Callable[[], T]) -> T:
    alarm = _Alarm()
    handler = signal.signal(signal.SIGALRM, alarm.ring)
    delay, interval = signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
    try:
        try:
            result = work()
        finally:
            alarm.disarm()
    except TooSlow:
        pass  # said below, as for code that swallowed it
    finally:
        alarm.disarm()
        signal.signal(signal.SIGALRM, signal.SIG_DFL if handler is None else handler)
        signal.setitimer(signal.ITIMER_REAL, delay, interval)
    if alarm.rings:
        raise TooSlow(alarm.place)
    return result


class _Alarm:
    def __init__(self) -> None:
        self.rings, self.armed, self.place = 0, True, ""
        self.patience = round(PATIENCE / AGAIN)

    def ring(self, signum: int, frame: FrameType | None) -> None:
        if not self.armed or self._waits_for_import(frame):
            return
        self.rings += 1
        if self.rings == 1:
            self.place = place_of_frame(frame)
        else:
            _raise_again_from(frame)
        raise TooSlow

    def _waits_for_import(self, frame: FrameType | None) -> bool:
        self.patience -= 1
        return self.patience > 0 and _is_importing(frame)

    def disarm(self) -> None:
        while self.armed:
            try:
                self.armed = False
                signal.setitimer(signal.ITIMER_REAL, 0)
            except TooSlow:  # it rang on the way here
                continue


def _raise_again_from(frame: FrameType | None) -> None:
    """Raise once more in the next line: a loop around ``try`` and ``except: pass`` holds one."""

    def trace(frame: FrameType, event: str, argument: object) -> Callable:
        if event == "line":  # an exception's own event would be inside the ``try`` still
            raise TooSlow
        return trace

    while frame is not None and frame.f_code is not _by_alarm.__code__:
        frame.f_trace = trace
        frame = frame.f_back
    sys.settrace(lambda *_: None)


def _by_thread(seconds: float, work: Callable[[], T]) -> T:
    outcome: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # handed over to the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        thread.join(seconds)
        _wait_for_import(thread)
        place = place_of_frame(sys._current_frames().get(thread.ident))
    finally:
        late = thread.is_alive()
        _stop(thread)
    if late:
        raise TooSlow(place)
    if errors:
        raise errors[0]
    return outcome[0]


def _wait_for_import(thread: threading.Thread) -> None:
    for _ in range(round(PATIENCE / AGAIN)):
        if not _is_importing(sys._current_frames().get(thread.ident)):
            return
        thread.join(AGAIN)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _stop(thread: threading.Thread) -> None:
    """Raise in a thread until it ends; one that goes on all the same is left behind."""
    for _ in range(20):
        if not thread.is_alive():
            return
        ident = ctypes.c_ulong(thread.ident)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(TooSlow))
        thread.join(AGAIN)
