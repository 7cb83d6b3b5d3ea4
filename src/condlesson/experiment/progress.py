"""How far a training is, on a terminal or in a log."""

import math
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch

from condlesson.experiment.runs import run_name
from condlesson.training import TrainConfig, TrainState

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["ProgressBar"]


class ProgressBar:
    """A bar with the time left and the losses. Between two looks it asks the device for nothing.

    Args:
        config: What is trained.
        accelerator: Of several processes, of which the main one alone shows it; None for one.
    """

    RECENT = 20  # steps; the loss of a single one jumps about

    def __init__(self, config: TrainConfig, accelerator: "Accelerator | None") -> None:
        try:
            from tqdm import tqdm as shown  # of the extra `train`; the archive has none of it
        except ModuleNotFoundError:
            shown = _Lines
        self.hidden = accelerator is not None and not accelerator.is_main_process
        self.interval = 1 if sys.stderr.isatty() else 30  # seconds; a log keeps every line
        self.shown = -math.inf
        total = config.epochs * config.steps_per_epoch
        self.start = partial(shown, total=total, desc=run_name(config), unit="step")
        self.bar = None

    def show(self, state: TrainState) -> None:
        """Show where a run stands, if the last time is long ago."""
        now = time.monotonic()
        if self.hidden or (now - self.shown < self.interval and not state.finished):
            return
        if self.bar is None:  # a run that goes on is not judged by what it did before
            self.bar = self.start(initial=state.step, mininterval=0)
        self.shown = now
        losses = {"loss": torch.stack(state.losses[-self.RECENT :]).mean().item()}
        if state.val_loss:
            losses |= {"train": state.train_loss[-1], "val": state.val_loss[-1]}
        self.bar.set_postfix({name: f"{x:.4f}" for name, x in losses.items()}, refresh=False)
        self.bar.update(state.step - self.bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()


class _Lines:
    """In the place of tqdm's bar, where that is not installed: a line at a time."""

    def __init__(self, total: int, desc: str, unit: str, initial: int, mininterval: float) -> None:
        self.total, self.desc, self.unit, self.n, self.told = total, desc, unit, initial, ""
        print("For a bar with the time left: pip install 'condlesson[train]'", file=sys.stderr)

    def set_postfix(self, values: Mapping[str, str], refresh: bool) -> None:
        """Keep what the next line tells."""
        self.told = ", ".join(f"{name} {value}" for name, value in values.items())

    def update(self, steps: int) -> None:
        """Print where the run is, so many steps further."""
        self.n += steps
        line = f"{self.desc}: {self.unit} {self.n} of {self.total}, {self.told}"
        print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Do nothing: every line is out."""
