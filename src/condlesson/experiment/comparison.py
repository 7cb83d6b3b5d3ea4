"""Recorded runs, brought into the form in which they are compared.

For each seed two runs differ in their network only, so their final losses are paired. How far one
network lies from the other, and how sure a few seeds can be, is said in
`condlesson.experiment.analysis`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from condlesson.arguments import check_choice
from condlesson.experiment import plan
from condlesson.experiment.analysis import Estimate, conclude, estimate_pairs
from condlesson.experiment.runs import Run, folder_of, list_runs, read_expected
from condlesson.tables import Table
from condlesson.training import TIERS, TrainConfig

__all__ = [
    "comparison_table",
    "conclusions",
    "losses_of",
    "paired_difference",
    "runs_of",
    "runs_of_family",
]


def losses_of(runs: Mapping[str, Sequence[Run]]) -> dict[str, list[float]]:
    """Final losses of some networks, each network's in the order of the seeds.

    Args:
        runs: For each network its runs, of the same seeds, sizes and settings as all others.

    Returns:
        What `condlesson.experiment.analysis` takes.

    Raises:
        ValueError: The runs do not form pairs, or there are none.
    """
    seeds = {name: sorted(run.config.seed for run in of) for name, of in runs.items()}
    first = next(iter(seeds.values()), [])
    for name, found in seeds.items():
        if not found or found != first or len(set(found)) != len(found):
            raise ValueError(
                "runs must come in pairs of one seed each, "
                f"got seeds {first} of {next(iter(seeds))} and {found} of {name}."
            )
    named = [run for of in runs.values() for run in of]
    if len({replace(run.config, variant=named[0].config.variant, seed=0) for run in named}) > 1:
        raise ValueError(
            "runs must differ in their variant and seed only, "
            f"got {', '.join(sorted({run.name for run in named}))}."
        )
    return {
        name: [run.final_loss for run in sorted(of, key=lambda run: run.config.seed)]
        for name, of in runs.items()
    }


def paired_difference(runs_a: Sequence[Run], runs_b: Sequence[Run]) -> Estimate:
    """Compare the final losses of two variants, seed by seed.

    The scatter is that of this pair alone, and the interval its own.

    Args:
        runs_a: Runs of one variant, one for each seed.
        runs_b: Runs of the other, of the same seeds, sizes and settings.

    Returns:
        How far the loss of the second lies from that of the first.

    Raises:
        ValueError: The runs do not form pairs, or there are none.
    """
    sides = {"runs_a": runs_a, "runs_b": runs_b}
    for side, runs in sides.items():
        if len({run.config.variant for run in runs}) != 1:
            raise ValueError(
                f"{side} must be of one variant, "
                f"got {', '.join(run.name for run in runs) or 'no run'}."
            )
    losses = losses_of(sides)
    names = {side: runs[0].config.variant for side, runs in sides.items()}
    [found] = estimate_pairs(losses, [tuple(sides)], [])
    return replace(found, a=names["runs_a"], b=names["runs_b"])


def conclusions(estimates: Iterable[Estimate]) -> str:
    """What some estimates show, a sentence or two for each, as a list in Markdown."""
    return "\n".join(f"- {conclude(estimate)}" for estimate in estimates)


def comparison_table(estimates: Iterable[Estimate]) -> Table:
    """Estimates as a table, a row for each.

    Args:
        estimates: The comparisons.

    Returns:
        The difference as a share of a's loss, its interval, and what follows.
    """
    rows = []
    for e in estimates:
        ends = [f"{end:+.1%}" for end in e.interval()] if e.df else ["none", "none"]
        rows.append((f"{e.b} − {e.a}", f"{e.relative:+.1%}", *ends, e.verdict))
    return Table(["pair", "difference", "interval from", "to", "what follows"], rows)


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
    runs = list_runs(folder_of(TIERS[tier])) if runs is None else runs
    for run in sorted(runs, key=lambda run: run.config.seed):
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
