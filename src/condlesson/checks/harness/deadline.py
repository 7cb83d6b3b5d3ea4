"""Ten seconds, and no more: work that is stopped when it takes too long.

Time for which a busy machine gave the work no processor does not count, up to `PATIENCE` seconds.
"""

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TypeVar

from condlesson.checks.harness.location import place_of_frame

__all__ = ["Clock", "TooSlow", "within"]

T = TypeVar("T")
PATIENCE = 60.0  # seconds more for a busy machine, or an import: half a module would stay
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
    alarm = _Alarm(seconds)
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
    def __init__(self, seconds: float) -> None:
        self.rings, self.armed, self.place = 0, True, ""
        self.patience = round(PATIENCE / AGAIN)
        self.clock = Clock(threading.get_native_id(), seconds)

    def ring(self, signum: int, frame: FrameType | None) -> None:
        if not self.armed or (not self.rings and self._waits(frame)):
            return
        self.rings += 1
        if self.rings == 1:
            self.place = place_of_frame(frame)
        else:
            _raise_again_from(frame)
        raise TooSlow

    def _waits(self, frame: FrameType | None) -> bool:
        self.patience -= 1
        return self.patience > 0 and (self.clock.has_time or _is_importing(frame))

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


class Clock:
    """Seconds since its start, but for those in which a thread was ready and had no processor.

    Args:
        thread: Its number for the system, which of a process is that of its first thread.
        seconds: How many it may have.
    """

    def __init__(self, thread: int, seconds: float) -> None:
        self.file = Path(f"/proc/{thread}/schedstat")
        self.seconds, self.start = seconds, time.monotonic() - self._waited()

    @property
    def has_time(self) -> bool:
        """Whether they are fewer than allowed."""
        return time.monotonic() - self.start - self._waited() < self.seconds

    def _waited(self) -> float:
        try:
            return int(self.file.read_text().split()[1]) / 1e9
        except (OSError, ValueError, IndexError):  # no Linux, or one without these numbers
            return 0.0


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
    clock = Clock(thread.native_id, seconds)
    try:
        thread.join(seconds)
        _wait_for(thread, clock)
        place = place_of_frame(sys._current_frames().get(thread.ident))
    finally:
        late = thread.is_alive()
        _stop(thread)
    if late:
        raise TooSlow(place)
    if errors:
        raise errors[0]
    return outcome[0]


def _wait_for(thread: threading.Thread, clock: Clock) -> None:
    for _ in range(round(PATIENCE / AGAIN)):
        frame = sys._current_frames().get(thread.ident)
        if not thread.is_alive() or not (clock.has_time or _is_importing(frame)):
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
