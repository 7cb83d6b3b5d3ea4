"""A process of its own for code under test, where the platform has fork and it is safe.

The child has all that the session has, and whatever it does there ends with it: memory, state,
a call of C that does not return. Where there is no child (Windows, macOS, a session that has used
a GPU, or trained what torch.compile made), `session` puts back what it knows of and `deadline`
stops what Python can stop; there a long call of C goes on to its end, and state that `session`
does not list stays changed.
"""

import contextlib
import faulthandler
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch

from condlesson.checks.harness.deadline import Clock, TooSlow

__all__ = ["Died", "can_isolate", "isolated"]

MEMORY = 4 * 2**30  # bytes that a check may add to the session's
GRACE = 3.0  # seconds for the child to stop by itself and say where it was
Outcome = tuple[str, list[str]]


class Died(Exception):  # noqa: N818 -- told to the learner as it is
    """The child ended without a result."""


def can_isolate() -> bool:
    """Whether a child by fork can do what the session can."""
    is_safe = hasattr(os, "fork") and sys.platform != "darwin"
    return is_safe and not torch.cuda.is_initialized() and not _has_autograd_threads()


def _has_autograd_threads() -> bool:
    """Whether backward passes have threads: by fork they are lost, and a child cannot go backward.

    On a CPU they come with the first backward pass after a torch.compile.
    """
    for name in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            if name.read_bytes().startswith(b"pt_autograd"):
                return True
    return False


def isolated(work: Callable[[], Outcome], seconds: float) -> Outcome:
    """Result of work() in a child that is killed when it takes too long.

    Raises:
        TooSlow: It took more than so many seconds, and could not stop by itself.
        KeyboardInterrupt: Somebody interrupted it, or it raised that.
        Died: It ended without a result.
    """
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which the child does not use
        child = os.fork()
    if child == 0:
        _work_and_exit(work, writer)
    os.close(writer)
    try:
        text = _read(reader, child, seconds + GRACE)
    finally:
        os.close(reader)
        status = _end(child)
    if text == "null":
        raise KeyboardInterrupt
    if not text:
        raise Died(_ending(status))
    kind, messages = json.loads(text)
    return kind, messages


def _work_and_exit(work: Callable[[], Outcome], writer: int) -> None:
    """In the child: write the outcome as JSON, null if it was interrupted; never return."""
    try:
        os.setsid()  # so that what it starts is ended with it
        _limit()
        os.fork = os.forkpty = _refuse_fork
        try:
            text = json.dumps(work())
        except KeyboardInterrupt:
            text = "null"
        _write_all(writer, text.encode())
    finally:
        os._exit(0)


def _write_all(writer: int, data: bytes) -> None:
    while data:
        data = data[os.write(writer, data) :]


def _limit() -> None:
    """Bound the child's memory, and keep what it prints past Python from the session."""
    import resource

    faulthandler.disable()
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limit = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _refuse_fork(*_: object) -> int:
    raise RuntimeError("The code under test must not fork: each copy would go on with the check.")


def _read(reader: int, child: int, seconds: float) -> str:
    """All that the child writes, until it closes its end."""
    clock, data = Clock(child, seconds), b""
    while True:
        ready, _, _ = select.select([reader], [], [], 0.2)
        if ready:
            piece = os.read(reader, 1 << 16)
            if not piece:
                return data.decode()
            data += piece
        elif not clock.has_time:
            raise TooSlow


def _end(child: int) -> int:
    """Kill what is left of the child and of what it started; its exit status."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(child, signal.SIGKILL)
    for _ in range(200):
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(0.01)
    return 0


def _ending(status: int) -> str:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return "the system stopped it, probably because there was too little memory"
    if os.WIFSIGNALED(status):
        return f"it crashed ({signal.Signals(os.WTERMSIG(status)).name})"
    return "it called a function such as os._exit"
