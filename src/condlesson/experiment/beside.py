"""A run of yours beside a recorded one: a table, and what it says.

Two runs that differ in their seed alone end at different losses. Where a further one would end,
judging by those that are recorded, is an interval (`intervals`); a run that ends outside was
likely not trained as they were.
"""

import html
from dataclasses import dataclass, fields, replace
from pathlib import Path

from condlesson.experiment.intervals import further_interval
from condlesson.experiment.records import RunError
from condlesson.experiment.runs import Run, list_runs
from condlesson.tables import Table
from condlesson.training import TIERS, TrainConfig

__all__ = ["Beside", "beside"]


@dataclass(frozen=True, repr=False)
class Beside:
    """A run of yours beside a recorded one: a table and what it says.

    Attributes:
        mine: The run that you trained.
        recorded: The run that it is compared with.
        others: Recorded runs that differ from yours in the seed at most: how far chance goes.
    """

    mine: Run
    recorded: Run
    others: list[Run]

    @property
    def table(self) -> Table:
        """Both validation losses and their relative difference, as far as both go."""
        pairs = zip(self.mine.val_loss, self.recorded.val_loss, strict=False)
        rows = [
            (epoch, f"{m:.5f}", f"{r:.5f}", f"{(m - r) / r:+.1%}")
            for epoch, (m, r) in enumerate(pairs, start=1)
        ]
        return Table(["epoch", "yours", "recorded", "difference"], rows)

    @property
    def curves(self) -> dict[str, list[list[float]]]:
        """Validation losses for `plots.training_curves`: those of the others, and yours."""
        drawn = self.others or [self.recorded]
        return {self.recorded.config.variant: [r.val_loss for r in drawn],
                "yours": [self.mine.val_loss]}  # fmt: skip

    @property
    def likely(self) -> tuple[float, float] | None:
        """Where a further run would end in 95% of cases, or None for fewer than two others."""
        final = [run.final_loss for run in self.others]
        return further_interval(final) if len(final) > 1 else None

    @property
    def verdict(self) -> str:
        """What the table shows, in words that the numbers chose."""
        mine, recorded = self.mine, self.recorded
        if mine.val_loss == recorded.val_loss and mine.config == recorded.config:
            return "The two runs are the same to the last digit."
        if differences := _differences(mine.config, recorded.config):
            return (
                f"The two were not trained alike: the recorded run has {differences}. So what "
                "their losses differ by says nothing about your code."
            )
        if self._saw_other_data():
            return (
                "The two were not trained on the same data: the digests of their images differ. So "
                "what their losses differ by says nothing about your code."
            )
        seed = (
            "the same seed"
            if mine.config.seed == recorded.config.seed
            else f"seed {recorded.config.seed} in place of {mine.config.seed}"
        )
        change = mine.final_loss / recorded.final_loss - 1
        ends = f"Yours ends {change:+.1%} from the recorded run, which has {seed}. "
        if mine.config.seed == recorded.config.seed:
            share = recorded.tolerances["final_val_loss"]
            ends += f"On another kind of machine the same training may end {share:.1%} from it. "
        return ends + self._judged()

    def _saw_other_data(self) -> bool:
        """Whether both runs say what data they saw, and it was not the same."""
        seen = {run.provenance.get("data_sha256") for run in (self.mine, self.recorded)}
        return len(seen) == 2 and None not in seen

    def _judged(self) -> str:
        if self.likely is None:
            found = "Only one other run is" if self.others else "No other run is"
            return f"{found} recorded with this configuration, too few to tell how far chance goes."
        low, high = self.likely
        yardstick = (
            f"Judging by {len(self.others)} recorded runs, a further one ends between {low:.5f} "
            f"and {high:.5f} with 95% probability"
        )
        if low <= self.mine.final_loss <= high:
            return (
                f"{yardstick}, and yours does: no sign of a mistake. It is no proof that "
                "there is none, since so few runs make a wide range."
            )
        side = "below" if self.mine.final_loss < low else "above"
        return (
            f"{yardstick}, and yours ends {side} that. Chance alone does so in one case of twenty. "
            "Look for another cause first: other data, a changed package, another training command."
        )

    def __repr__(self) -> str:
        return f"{self._names()}\n{self.table!r}\n{self.verdict}"

    def _repr_html_(self) -> str:
        names, verdict = (html.escape(text) for text in (self._names(), self.verdict))
        return f"<p>{names}</p>{self.table._repr_html_()}<p>{verdict}</p>"

    def _names(self) -> str:
        return (
            f"Yours: {self.mine.name}, {self.mine.recorded_on}. "
            f"Recorded: {self.recorded.name}, {self.recorded.recorded_on}."
        )


def beside(
    mine: Run | str | Path,
    recorded: Run | None = None,
    *,
    variant: str | None = None,
    seed: int | None = None,
) -> Beside:
    """Lay a run of yours beside the recorded one: that of your seed, or else of another.

    Args:
        mine: A run that you trained, or the folder that it is in (what --out named).
        recorded: The run to compare it with; by default one that was trained as yours was.
        variant: Network of your run, where the folder holds several.
        seed: Seed of your run, where the folder holds several.

    Returns:
        The two, which a notebook shows as a table and a terminal as text, with a verdict.

    Raises:
        RunError: The folder is missing, holds no finished run, or a damaged one.
        ValueError: It holds several runs that fit, or no run is recorded that was trained alike.
    """
    if not isinstance(mine, Run):
        mine = _the_run_in(Path(mine), variant, seed)
    library = list_runs()
    alike = [run for run in library if not _differences(mine.config, run.config)]
    same_seed = [run for run in alike if run.config == mine.config]
    recorded = recorded or next(iter(same_seed + alike), None)
    if recorded is None:
        nearest = min(library, key=lambda run: _distance(mine.config, run.config))
        raise ValueError(
            f"no recorded run was trained as {mine.name} was. The nearest, {nearest.name}, has "
            f"{_differences(mine.config, nearest.config)}. Name it to see both all the same: "
            f"beside(..., {_as_loaded(nearest.config)})."
        )
    return Beside(mine, recorded, [run for run in alike if run.val_loss != mine.val_loss])


def _the_run_in(folder: Path, variant: str | None, seed: int | None) -> Run:
    """The one finished run of a folder that has this variant and seed, where they are given."""
    found = [
        run
        for run in list_runs(folder)
        if variant in (None, run.config.variant) and seed in (None, run.config.seed)
    ]
    if len(found) > 1:
        raise ValueError(
            f"{folder} must hold one run that is meant, got {', '.join(run.name for run in found)}."
            ' Say which: beside("...", variant="...", seed=...).'
        )
    if not found:
        unfinished = sorted(path.stem for path in folder.glob("*.checkpoint"))
        cure = (
            f"{', '.join(unfinished)} is not finished: give the command that trains it once more."
            if unfinished
            else "Is it the folder that --out named?"
        )
        raise RunError(f"{folder} must hold a finished run of this kind, got none. {cure}")
    return found[0]


def _differing(one: TrainConfig, other: TrainConfig) -> list[str]:
    """Names of the fields in which two configurations differ."""
    return [f.name for f in fields(one) if getattr(one, f.name) != getattr(other, f.name)]


def _differences(mine: TrainConfig, other: TrainConfig) -> str:
    """In which settings other than the seed two runs differ, as words; empty if in none."""
    return ", ".join(
        f"{name} {getattr(other, name)} where yours has {getattr(mine, name)}"
        for name in _differing(mine, other)
        if name != "seed"
    )


def _distance(mine: TrainConfig, other: TrainConfig) -> tuple[bool, int, bool]:
    """How unlike two runs are: first the variant counts, then the settings, then the seed."""
    changed = _differing(mine, other)
    return "variant" in changed, len(changed), "seed" in changed


def _as_loaded(config: TrainConfig) -> str:
    """The call that loads a recorded run."""
    sizes = {
        tier: replace(size, variant=config.variant, seed=config.seed)
        for tier, size in TIERS.items()
    }
    tier = next((tier for tier, size in sizes.items() if size == config), "study")
    others = {name: getattr(config, name) for name in _differing(config, sizes[tier])}
    options = {"seed": config.seed, "tier": tier, **others}
    said = ", ".join(f"{name}={value!r}" for name, value in options.items())
    return f"load_run({config.variant!r}, {said})".replace("'", '"')
