"""Sweeps: one independent run for each variant and seed, made anywhere and brought together.

A run needs nothing of another, so a sweep is a list of commands: for one machine, one after the
other, or for any scheduler's job array. `collect` brings together what they wrote.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from itertools import product
from pathlib import Path

from condlesson.arguments import check_choice
from condlesson.experiment.checkpoints import write_whole
from condlesson.experiment.plan import FAMILIES, MATRIX_DIR, planned_runs
from condlesson.experiment.records import RunError, digest
from condlesson.experiment.runs import (
    FIRST_SEEDS,
    QUICK,
    WITH_WEIGHTS,
    Run,
    expected_runs,
    folder_of,
    list_runs,
    load_model,
    load_outputs,
    load_run,
    needs_outputs,
    run_name,
)
from condlesson.networks import VARIANTS
from condlesson.training import TIERS, TrainConfig

__all__ = ["PLANNED", "SWEEPS", "Collected", "collect", "is_recorded", "missing", "sweep"]

SWEEPS = {  # variants and seeds of each tier
    "quick": (QUICK, FIRST_SEEDS[:1]),
    "small": (tuple(VARIANTS), FIRST_SEEDS),
}
PLANNED = (*FAMILIES, "full")
# Two recordings of one run may differ in these: when, where and how long.
INCIDENTAL = ("seconds", "provenance")


def sweep(tier: str | None = None) -> list[TrainConfig]:
    """The runs of a tier or of a family of the plan; by default those that the book reads.

    Raises:
        ValueError: There is no such tier or family.
    """
    if tier is None:
        return [*expected_runs(), *expected_runs(MATRIX_DIR)]
    check_choice("tier", tier, (*SWEEPS, *PLANNED))
    if tier in PLANNED:
        return planned_runs(tier)
    return [replace(TIERS[tier], variant=v, seed=s) for v, s in product(*SWEEPS[tier])]


def missing(expected: Iterable[TrainConfig], folder: str | Path | None = None) -> list[TrainConfig]:
    """Those of the expected runs that a folder does not hold whole, weights and outputs included.

    By default each is looked for where the package has its kind. Whether a run is still what the
    code trains is for `condlesson.experiment.verifying` to say.
    """
    return [config for config in expected if not is_recorded(config, folder or folder_of(config))]


def is_recorded(
    config: TrainConfig, folder: str | Path, *, weights: bool = False, outputs: bool = False
) -> bool:
    """Whether a run lies whole in a folder, with the weights and outputs that it has or needs."""
    try:
        run = load_run(folder=folder, **{f.name: getattr(config, f.name) for f in fields(config)})
        if weights or run.weights is not None or config in WITH_WEIGHTS:
            load_model(run, folder)
        if outputs or run.outputs is not None or needs_outputs(config):
            load_outputs(run, folder)
    except RunError:
        return False
    return True


@dataclass
class Collected:
    """What `collect` found, by name.

    Attributes:
        new: Runs that it brought.
        known: Runs that were found again, and agree.
        unfinished: Checkpoints of runs that are not done, which it left where they are.
    """

    new: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    unfinished: list[Path] = field(default_factory=list)


def collect(folders: Iterable[str | Path], out: str | Path) -> Collected:
    """Bring the runs of several folders together in one, which may hold runs already.

    Everything is read and compared first. Nothing is written if anything is wrong.

    Args:
        folders: Where the runs were recorded.
        out: Where they go; it is made if need be.

    Returns:
        What was found.

    Raises:
        RunError: A folder is not there, a run is damaged, or two runs of one name disagree in
            their configuration, losses or weights.
    """
    out = Path(out)
    report, chosen, problems = Collected(), {}, []
    for folder in [*([out] if out.is_dir() else []), *map(Path, folders)]:
        report.unfinished += sorted(folder.glob("*.checkpoint"))
        for run in list_runs(folder):
            _check_files(run, folder)
            known, known_folder = chosen.setdefault(run.name, (run, folder))
            problems += _disagreement(known, known_folder, run, folder)
            if _holds_more(run, known):
                chosen[run.name] = (run, folder)
            elif folder != known_folder:
                report.known.append(run.name)
    if problems:
        raise RunError("\n".join(problems))
    for name, (run, folder) in sorted(chosen.items()):
        if folder != out:
            _copy(run, folder, out)
            report.new.append(name)
    return report


def _check_files(run: Run, folder: Path) -> None:
    for part in run.parts:
        path = folder / Path(part["file"]).name
        if not path.is_file() or digest(path.read_bytes()) != part["sha256"]:
            raise RunError(f"{path} of run {run.name} is missing or damaged. Record the run again.")


def _disagreement(a: Run, folder_a: Path, b: Run, folder_b: Path) -> list[str]:
    """A message if two runs of one name differ in what one configuration decides."""
    names = [f.name for f in fields(Run) if f.name not in INCIDENTAL]
    pairs = {name: (getattr(a, name), getattr(b, name)) for name in names}
    wrong = [name for name, (x, y) in pairs.items() if None not in (x, y) and x != y]
    own = [[name for name, p in pairs.items() if p[1 - k] is None and p[k]] for k in (0, 1)]
    if wrong:
        return [
            f"run {a.name} must be the same in {folder_a} and in {folder_b}, got two that disagree "
            f"in {', '.join(wrong)}. Delete one, or make both again on one kind of machine."
        ]
    if all(own):
        return [
            f"run {a.name} has {' and '.join(own[0])} in {folder_a} alone, and "
            f"{' and '.join(own[1])} in {folder_b} alone. One would be lost: record it with both."
        ]
    return []


def _holds_more(run: Run, other: Run) -> bool:
    """Whether a run has weights, say, that another recording of it lacks."""
    return len(run.parts) > len(other.parts)


def _copy(run: Run, folder: Path, out: Path) -> None:
    """The files first: a record is the sign that all is there."""
    out.mkdir(parents=True, exist_ok=True)
    names = [Path(part["file"]).name for part in run.parts]
    for name in (*names, f"{run_name(run.config)}.json"):
        write_whole(out / name, (folder / name).read_bytes())
