"""What recorded runs say of a question, and how sure three seeds can make us.

For each seed the two runs of a pair differ in their network only, so the differences

    d_s = loss_b(seed s) - loss_a(seed s)

are paired. Their mean has the interval mean +- q * sd / sqrt(n) with Student's quantile q, 95 %
of such intervals hold the true mean if the differences are about normal.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from condlesson.runs import Run
from condlesson.tables import Table
from condlesson.training import TrainConfig

__all__ = ["PairedDifference", "beside", "conclude", "paired_difference"]

# Student's t, 97.5 % quantile, by degrees of freedom n - 1.
STUDENT_95 = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    6: 2.447,
    7: 2.365,
    8: 2.306,
    9: 2.262,
}


@dataclass(frozen=True)
class PairedDifference:
    """Validation loss of b minus that of a, seed by seed.

    Attributes:
        a: The variant that is subtracted.
        b: The variant that it is subtracted from.
        values: One difference for each seed, below 0 where b has the lower loss.
        mean: Their mean.
        low: Lower end of the 95 % interval of the mean.
        high: Upper end of it.
        loss_a: Mean loss of a, for the scale.
    """

    a: str
    b: str
    values: list[float]
    mean: float
    low: float
    high: float
    loss_a: float

    @property
    def winner(self) -> str | None:
        """The variant with the lower loss, or None where the interval holds 0."""
        if self.low <= 0 <= self.high:
            return None
        return self.b if self.mean < 0 else self.a

    @property
    def relative(self) -> float:
        """The mean difference as a share of a's loss."""
        return self.mean / self.loss_a


def paired_difference(runs_a: Sequence[Run], runs_b: Sequence[Run]) -> PairedDifference:
    """Compare the final validation losses of two variants, seed by seed.

    Args:
        runs_a: Runs of one variant, one for each of two to ten seeds.
        runs_b: Runs of the other, of the same seeds, sizes and settings.

    Returns:
        The differences, their mean and its 95 % interval.

    Raises:
        ValueError: The runs do not form pairs, or there are too few or too many.
    """
    a, b = ({run.config.seed: run for run in runs} for runs in (runs_a, runs_b))
    if sorted(a) != sorted(b) or len(a) != len(runs_a) or len(b) != len(runs_b):
        raise ValueError(
            "runs must come in pairs of one seed each, "
            f"got seeds {sorted(r.config.seed for r in runs_a)} and "
            f"{sorted(r.config.seed for r in runs_b)}."
        )
    setting_a, setting_b = _setting(runs_a, "a"), _setting(runs_b, "b")
    if replace(setting_a, variant=setting_b.variant) != setting_b:
        raise ValueError(
            f"runs must differ in their variant only, got {runs_a[0].name} and {runs_b[0].name}."
        )
    n = len(a)
    if n - 1 not in STUDENT_95:
        raise ValueError(f"an interval needs 2 to {max(STUDENT_95) + 1} pairs, got {n}.")
    values = [b[seed].val_loss[-1] - a[seed].val_loss[-1] for seed in sorted(a)]
    mean = sum(values) / n
    sd = math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))
    half_width = STUDENT_95[n - 1] * sd / math.sqrt(n)
    return PairedDifference(
        a=runs_a[0].config.variant,
        b=runs_b[0].config.variant,
        values=values,
        mean=mean,
        low=mean - half_width,
        high=mean + half_width,
        loss_a=sum(run.val_loss[-1] for run in runs_a) / n,
    )


def _setting(runs: Sequence[Run], name: str) -> TrainConfig:
    """What all runs of one side have in common: everything but the seed."""
    settings = {replace(run.config, seed=0) for run in runs}
    if len(settings) != 1:
        raise ValueError(
            f"runs_{name} must be of one variant, size and setting, "
            f"got {', '.join(run.name for run in runs)}."
        )
    return settings.pop()


def conclude(difference: PairedDifference) -> str:
    """State in words what a paired difference shows, and no more.

    Args:
        difference: The comparison.

    Returns:
        One or two sentences of plain text.
    """
    d, n = difference, len(difference.values)
    numbers = (
        f"the mean difference is {d.mean:+.5f} ({abs(d.relative):.1%} of the loss of {d.a}), "
        f"95 % interval {d.low:+.5f} to {d.high:+.5f}"
    )
    if d.winner is None:
        return (
            f"No difference between {d.a} and {d.b} can be told with {n} seeds: {numbers}, which "
            "holds 0. The true difference may be nil, or too small for these runs to show."
        )
    loser = d.a if d.winner == d.b else d.b
    return (
        f"{d.winner} has a lower validation loss than {loser} on average over {n} seeds: {numbers}."
    )


def beside(mine: Run, recorded: Run) -> Table:
    """Lay a run of yours beside a recorded one, epoch by epoch.

    Args:
        mine: A run that you trained.
        recorded: The run to compare it with.

    Returns:
        A table of both validation losses and their relative difference, as far as both go.
    """
    pairs = zip(mine.val_loss, recorded.val_loss, strict=False)
    rows = [
        (epoch, f"{m:.5f}", f"{r:.5f}", f"{(m - r) / r:+.1%}")
        for epoch, (m, r) in enumerate(pairs, start=1)
    ]
    return Table(
        ["epoch", f"mine ({mine.name})", f"recorded ({recorded.name})", "difference"], rows
    )
