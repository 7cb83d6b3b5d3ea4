"""What recorded runs say of two networks, and how sure a few seeds can be.

For each seed the two runs of a pair differ in their network only, so the differences

    d_s = loss_b(seed s) - loss_a(seed s)

are paired, and their mean has an interval (`intervals`). A difference counts as one
only if two things hold: the 95% interval excludes 0, so that it is more than the luck of the
seeds; and the mean is at least `LEAST` times the tolerance of the runs, so that it is more than
what another kind of machine does to a loss. Else the runs cannot tell.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from condlesson.arguments import check_choice
from condlesson.experiment import plan
from condlesson.experiment.intervals import mean_interval
from condlesson.experiment.runs import Run, list_runs, read_expected
from condlesson.tables import Table, true_minus
from condlesson.training import TIERS, TrainConfig

__all__ = [
    "LEAST",
    "PairedDifference",
    "comparison_table",
    "conclude",
    "paired_difference",
    "runs_of",
    "runs_of_family",
]

LEAST = 4  # times the tolerance: the loss of either run may be off by one, in either direction


@dataclass(frozen=True)
class PairedDifference:
    """Validation loss of b minus that of a, seed by seed.

    Attributes:
        a: The variant that is subtracted.
        b: The variant that it is subtracted from.
        values: One difference for each seed, below 0 where b has the lower loss.
        mean: Their mean.
        low: Lower end of the 95% interval of the mean, minus infinity for a single seed.
        high: Upper end of it.
        loss_a: Mean loss of a, for the scale.
        tolerance: By how much the loss of a run may differ on another kind of machine; the
            largest of all the runs.
    """

    a: str
    b: str
    values: list[float]
    mean: float
    low: float
    high: float
    loss_a: float
    tolerance: float

    @property
    def winner(self) -> str | None:
        """The variant with the lower loss, or None where these runs cannot tell."""
        if not (self.excludes_zero() and self.is_large):
            return None
        return self.b if self.mean < 0 else self.a

    def excludes_zero(self, level: float = 0.95) -> bool:
        """Whether the interval of the mean leaves out 0, which tells a difference from luck."""
        _, low, high = mean_interval(self.values, level)
        return not low <= 0 <= high

    @property
    def verdict(self) -> str:
        """Which network is lower, or why these runs cannot tell, in a few words."""
        if self.winner:
            return f"{self.winner} is lower"
        reasons = [] if self.excludes_zero() else ["seeds scatter"]
        reasons += [] if self.is_large else ["too small"]
        return f"cannot tell: {', '.join(reasons)}"

    @property
    def is_large(self) -> bool:
        """Whether the mean is at least `LEAST` times the tolerance."""
        return abs(self.mean) >= LEAST * self.tolerance

    @property
    def relative(self) -> float:
        """The mean difference as a share of a's loss."""
        return self.mean / self.loss_a


def paired_difference(runs_a: Sequence[Run], runs_b: Sequence[Run]) -> PairedDifference:
    """Compare the final validation losses of two variants, seed by seed.

    Args:
        runs_a: Runs of one variant, one for each seed.
        runs_b: Runs of the other, of the same seeds, sizes and settings.

    Returns:
        The differences, their mean and its 95% interval.

    Raises:
        ValueError: The runs do not form pairs, or there are none.
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
    values = [b[seed].val_loss[-1] - a[seed].val_loss[-1] for seed in sorted(a)]
    mean, low, high = mean_interval(values)
    return PairedDifference(
        a=setting_a.variant,
        b=setting_b.variant,
        values=values,
        mean=mean,
        low=low,
        high=high,
        loss_a=sum(run.val_loss[-1] for run in runs_a) / len(a),
        tolerance=max(run.tolerance for run in (*runs_a, *runs_b)),
    )


def _setting(runs: Sequence[Run], name: str) -> TrainConfig:
    """What all runs of one side have in common: everything but the seed."""
    settings = {replace(run.config, seed=0) for run in runs}
    if len(settings) != 1:
        raise ValueError(
            f"runs_{name} must be of one variant, size and setting, "
            f"got {', '.join(run.name for run in runs) or 'no run'}."
        )
    return settings.pop()


def conclude(difference: PairedDifference) -> str:
    """State in words what a paired difference shows, and no more.

    Args:
        difference: The comparison.

    Returns:
        One to three sentences of plain text.
    """
    d, n = difference, len(difference.values)
    mean, low, high = (true_minus(f"{x:+.5f}") for x in (d.mean, d.low, d.high))
    size = f"{mean} ({abs(d.relative):.1%} of the loss of {d.a})"
    if n == 1:
        return (
            f"With one seed, {d.b} minus {d.a} is {size}. One seed gives no interval, so nothing "
            "follows from it about the two networks."
        )
    numbers = f"the mean difference is {size}, 95% interval {low} to {high}"
    if d.winner:
        loser = d.a if d.winner == d.b else d.b
        return (
            f"{d.winner} has a lower validation loss than {loser} on average over {n} seeds: "
            f"{numbers}."
        )
    told = f"No difference between {d.a} and {d.b} can be told with {n} seeds: {numbers}"
    return f"{told}. {_what_failed(d)}"


def comparison_table(differences: Iterable[PairedDifference]) -> Table:
    """Paired differences as a table, a row for each.

    Args:
        differences: The comparisons.

    Returns:
        Mean difference, the same as a share of a's loss, its 95% interval, and what follows.
    """
    rows = [
        (f"{d.b} − {d.a}", f"{d.mean:+.5f}", f"{d.relative:+.1%}", f"{d.low:+.5f}",
         f"{d.high:+.5f}", d.verdict)
        for d in differences
    ]  # fmt: skip
    return Table(["pair", "mean", "share", "95% from", "to", "what follows"], rows)


def _what_failed(d: PairedDifference) -> str:
    """Which of the two conditions a difference does not meet."""
    luck = "The interval holds 0: the seeds scatter too much to tell a difference from luck."
    size = (
        f"The mean is below {LEAST} times the {d.tolerance:.5f} by which a loss may differ on "
        "another kind of machine: too small to count, whichever way it points."
    )
    if d.excludes_zero():
        return f"The interval excludes 0, but that is not enough. {size}"
    return luck if d.is_large else f"{luck} {size}"


def runs_of(tier: str, runs: Iterable[Run] | None = None) -> dict[str, list[Run]]:
    """All runs of a size by their variant, in the order of their seeds.

    Args:
        tier: One of `condlesson.training.TIERS`.
        runs: Where to look, for instance `list_runs` of a folder of yours; by default those that
            are recorded.

    Returns:
        For each variant that was trained, its runs.

    Raises:
        ValueError: There is no such tier.
    """
    check_choice("tier", tier, TIERS)
    found: dict[str, list[Run]] = {}
    for run in sorted(list_runs() if runs is None else runs, key=lambda run: run.config.seed):
        setting = replace(TIERS[tier], variant=run.config.variant, seed=run.config.seed)
        if run.config == setting:
            found.setdefault(run.config.variant, []).append(run)
    return found


def runs_of_family(
    name: str, folder: str | Path = plan.MATRIX_DIR
) -> dict[TrainConfig, dict[str, list[Run]]]:
    """All runs of a family of the plan, which must be whole.

    Args:
        name: One of `condlesson.experiment.plan.FAMILIES`.
        folder: Where they lie.

    Returns:
        For each setting, for each network its runs in the order of their seeds.

    Raises:
        RunError: A run is missing or damaged.
    """
    family, folder = plan.FAMILIES[name], Path(folder)
    return {
        setting: {
            v: [read_expected(replace(setting, variant=v, seed=s), folder) for s in family.seeds]
            for v in family.variants
        }
        for setting in family.settings
    }
