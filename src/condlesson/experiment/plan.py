"""The plan of the experiment: what is compared, how, and with how many runs.

It was written before the first of its runs, and the page "The plan" tells it with these numbers.
What the runs then say is computed in `condlesson.experiment.analysis`. Whatever has to deviate from
the plan is told on the page with its reason, and not changed here.
"""

import json
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from condlesson.config import TIERS, TrainConfig
from condlesson.networks import VARIANTS

__all__ = [
    "FAMILIES",
    "FULL",
    "LEVEL",
    "MARGIN",
    "MATRIX_DIR",
    "WITH_OUTPUTS",
    "WITH_WEIGHTS",
    "Family",
    "pilot",
    "planned_runs",
]

MATRIX_DIR = Path(__file__).parent / "recorded" / "matrix"
PILOT = Path(__file__).parent / "pilot.json"
PILOT_SHA256 = "afe419be72fe7a5bb194c874dc53130dc58c3057a744d386d213c8b815fcb3a3"

MARGIN = 0.02  # of the loss: two networks that differ by less are called the same
LEVEL = 0.95  # of all intervals of a family together
ALPHA = 0.01  # below it a test of the model's assumptions fails
SEEDS = tuple(range(45, 53))  # none of them was in the first study, or in the pilot

STUDY = TIERS["study"]
SIZES = (28, 16, 8, 4)  # pixels a side
GROUP_NORM = ("gn_none", "gn_bottleneck", "gn_additive", "adagn")

Pair = tuple[str, str]  # the second is judged against the first

HELP: tuple[Pair, ...] = (
    *(("none", told) for told in VARIANTS if told not in ("none", *GROUP_NORM)),
    *(("gn_none", told) for told in GROUP_NORM[1:]),
)
NORM: tuple[Pair, ...] = (("none", "gn_none"), ("sinusoidal", "gn_bottleneck"))
ENCODING: tuple[Pair, ...] = (("simple_matched", "sinusoidal_matched"), ("sinusoidal", "fourier"))
PLACE: tuple[Pair, ...] = (("gn_bottleneck", "gn_additive"),)
ACTION: tuple[Pair, ...] = (("gn_additive", "adagn"),)


@dataclass(frozen=True)
class Family:
    """Comparisons that are judged together: all their intervals hold at once with `LEVEL`.

    Attributes:
        name: Its name.
        settings: One configuration for each setting, whose variant and seed play no part.
        variants: The networks that are trained in each setting.
        seeds: The seeds of all of them.
        questions: For each question the pairs that answer it, in every setting.
    """

    name: str
    settings: tuple[TrainConfig, ...]
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    questions: dict[str, tuple[Pair, ...]]

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs that are compared in each setting."""
        return tuple(pair for pairs in self.questions.values() for pair in pairs)

    def runs(self) -> list[TrainConfig]:
        """Its runs, seed by seed, so that what is there is whole for the first seeds."""
        order = product(self.seeds, self.settings, self.variants)
        return [replace(setting, variant=v, seed=seed) for seed, setting, v in order]


FAMILIES = {
    "matrix": Family(
        "matrix",
        (STUDY,),
        tuple(VARIANTS),
        SEEDS,
        {
            "Does t help at all?": HELP,
            "Does the norm matter?": NORM,
            "Does the encoding matter?": ENCODING,
            "Does the place of injection matter?": PLACE,
            "AdaGN against addition?": ACTION,
        },
    ),
    "sizes": Family(
        "sizes",
        tuple(replace(STUDY, image_size=size) for size in SIZES[1:]),
        ("gn_none", "gn_additive", "adagn"),
        SEEDS,
        {"When does the time matter?": (("gn_none", "gn_additive"), ("gn_none", "adagn"))},
    ),
    "glyphs": Family(
        "glyphs",
        (replace(STUDY, dataset="glyphs"),),
        GROUP_NORM,
        SEEDS[:6],
        {"Is it MNIST?": (*HELP[-3:], *PLACE, *ACTION)},
    ),
}
# The full size: one seed each, for pictures and samples. One seed compares nothing.
FULL = [
    replace(TIERS["full"], seed=42, variant=variant)
    for variant in ("adagn", "adagn_class", "sinusoidal", "simple")
]
SHOWN = [replace(STUDY, seed=SEEDS[-1], variant=variant) for variant in VARIANTS]  # on the pages
WITH_WEIGHTS = [*(c for c in SHOWN if c.variant in ("sinusoidal", "adagn")), *FULL[:2]]
WITH_OUTPUTS = [*SHOWN, *FULL]


def planned_runs(name: str) -> list[TrainConfig]:
    """The runs of a family, or those of the full size.

    Args:
        name: One of `FAMILIES`, or ``"full"``.
    """
    return FULL if name == "full" else FAMILIES[name].runs()


def pilot() -> dict:
    """What was tried beforehand, with seeds that no family has.

    Returns:
        ``trial``: an earlier trial at the small size, networks ``a`` and ``b``, the ``level`` of
        their loss, and for each way to end a run the differences of b and a for ``seeds``.
        ``narrow``: for each run of a narrow network, ``variant-seedN``, its loss with each way.
        ``runs``: the same at the small size, of networks with group norm.
    """
    return json.loads(PILOT.read_text())
