"""Checkpoints: where a training run stands, on disk, so that a run that was stopped goes on.

A run that is stopped, even by `kill -9`, loses what it did since its last checkpoint: half a
minute, or less. From there it takes the steps that it would have taken, and ends with the same
losses and weights, bit for bit on the same machine.
"""

import io
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import PickleError

import torch

from condlesson.experiment.canaries import CANARY_TOLERANCES, canary_drift
from condlesson.experiment.records import RunError, digest
from condlesson.training import TrainState

__all__ = ["Checkpoint", "awaiting_signals", "discard", "write_whole"]

SECONDS = 30  # between two checkpoints
SIGNALS = (signal.SIGINT, signal.SIGTERM)  # Ctrl-C, and what schedulers send before they kill


class Checkpoint:
    """The file that a run goes on from; it is there whole or not at all.

    Args:
        path: Where it lies, or will.
        origin: What must stay the same from a run's first step to its last, by name; ``canary``
            holds the losses that tell whether the code is the same, and ``started`` when the run
            began, which the file knows better.
    """

    def __init__(self, path: Path, origin: dict) -> None:
        self.path = path
        self.origin = origin
        self.saved = time.monotonic()

    def load(self, state: TrainState) -> None:
        """Let a fresh state go on from the file, if it is there.

        Raises:
            RunError: The file is damaged, or comes from other code, data, machine or torch.
        """
        if not self.path.exists():
            return
        try:
            device = next(state.model.parameters()).device
            content = torch.load(self._content(), map_location=device, weights_only=True)
            state.load_state_dict(content)
            self._check(content["origin"])
        except (RuntimeError, EOFError, LookupError, TypeError, ValueError, PickleError) as error:
            raise RunError(
                f"the checkpoint {self.path} cannot be used ({error}). "
                "Delete it to train from the start."
            ) from error

    def _content(self) -> io.BytesIO:
        """What lies below the file's first line, which is its SHA-256."""
        sha256, _, content = self.path.read_bytes().partition(b"\n")
        if sha256 != digest(content).encode():
            raise ValueError("it is damaged: its bytes are not those that were written")
        return io.BytesIO(content)

    def _check(self, then: dict) -> None:
        for name in self.origin.keys() - {"canary", "started"}:
            if then[name] != self.origin[name]:
                raise RunError(
                    f"the checkpoint {self.path} must have the {name} {self.origin[name]}, got "
                    f"{then[name]}. Go on as the run began, or delete it to train from the start."
                )
        drift = canary_drift(then["canary"], self.origin["canary"], CANARY_TOLERANCES)
        if drift:
            raise RunError(
                f"the checkpoint {self.path} comes from other code. {drift} "
                "Delete it to train from the start."
            )
        self.origin["started"] = then["started"]

    def keep(self, state: TrainState) -> None:
        """Save the state if the last time is long ago, or if something long is about to begin."""
        waited = time.monotonic() - self.saved > SECONDS
        if waited or state.finished or not state.steps_left:
            self.save(state)

    def save(self, state: TrainState) -> None:
        """Save the state."""
        buffer = io.BytesIO()
        torch.save({**state.state_dict(), "origin": self.origin}, buffer)
        content = buffer.getvalue()
        write_whole(self.path, digest(content).encode() + b"\n" + content)
        self.saved = time.monotonic()


@contextmanager
def awaiting_signals() -> Iterator[list[int]]:
    """Let Ctrl-C and SIGTERM wait until the caller is ready for them.

    A step that is torn apart leaves a state that no uninterrupted run has. So the first signal is
    only noted; a second one acts at once. Signals that were ignored still are.

    Yields:
        A list, empty until a signal came, and then holding its number.
    """
    came: list[int] = []
    before = {}

    def note(number: int, frame: object) -> None:
        came.append(number)
        put_back()

    def put_back() -> None:
        while before:
            signal.signal(*before.popitem())

    if threading.current_thread() is threading.main_thread():  # no other may handle signals
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        before = {n: old for n, old in handlers.items() if old not in (None, signal.SIG_IGN)}
        for number in tuple(before):
            signal.signal(number, note)
    try:
        yield came
    finally:
        put_back()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} must be the name of a file, got a folder.")
    partial = _partial(path)
    partial.write_bytes(content)
    partial.replace(path)


def discard(path: Path) -> None:
    """Remove a file, and what a try to write it that was killed may have left."""
    path.unlink(missing_ok=True)
    _partial(path).unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")
