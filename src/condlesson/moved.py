"""Modules that had another name before version 0.2, so that notebooks handed out then still run."""

import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["MOVED", "MovedModules"]

MOVED = {  # both below `condlesson`
    "addresses": "notebooks.addresses",
    "asking": "notebooks.predictions",
    "bibliography": "notebooks.references",
    "book": "notebooks.pages",
    "broken": "museum.broken",
    "checkpoints": "experiment.checkpoints",
    "comparison": "experiment.comparison",
    "designs": "networks",
    "exhibits": "museum.exhibits",
    "intervals": "experiment.intervals",
    "judge_records": "experiment.judge_records",
    "judges": "experiment.judges",
    "measured": "notebooks.glued",
    "mistakes": "museum.mistakes",
    "moving": "figures.moving",
    "outputs": "experiment.outputs",
    "plots": "figures.plots",
    "questions": "experiment.answers",
    "recording": "experiment.recording",
    "roles": "notebooks.inline",
    "runs": "experiment.runs",
    "sweeps": "experiment.sweeps",
    "symptoms": "museum.symptoms",
    "tasks": "exercises",
    "translation": "notebooks.blocks",
    "yours": "experiment.beside",
}


def lie_heatmap(losses: object, timesteps: object) -> object:
    """Axes with one of `plots.lie_heatmaps`."""
    plots = import_module("condlesson.figures.plots")
    return plots.lie_heatmaps({"": losses}, timesteps).axes[0]


def has_notebook(text: str) -> bool:
    """Whether the text of a page becomes a notebook."""
    return import_module("condlesson.notebooks.pages").Page("page", text).has_notebook


def notebook_address(page: str, kind: str = "exercises") -> str:
    """Address of a page's published notebook."""
    addresses = import_module("condlesson.notebooks.addresses")
    return addresses.site_address() + addresses.notebook_path(page, kind)


def verify(*args: object, **options: object) -> list[str]:
    """As in `experiment.verifying`."""
    return import_module("condlesson.experiment.verifying").verify(*args, **options)


def canary_losses(*args: object, **options: object) -> list[float]:
    """As in `experiment.canaries`."""
    return import_module("condlesson.experiment.canaries").canary_losses(*args, **options)


HAD = {  # names that a module no longer has, or that another has now
    "addresses": [notebook_address],
    "book": [has_notebook],
    "plots": [lie_heatmap],
    "runs": [verify, canary_losses],
}


class MovedModules(MetaPathFinder, Loader):
    """Finds a module by the name that it had, and gives the one that it is now."""

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """A specification for a former name; None for any other."""
        package, _, name = fullname.rpartition(".")
        return ModuleSpec(fullname, self) if package == "condlesson" and name in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the module of today in the place of the one that the import has made."""
        former = module.__name__.rpartition(".")[2]
        sys.modules[module.__name__] = found = import_module(f"condlesson.{MOVED[former]}")
        for had in HAD.get(former, ()):
            vars(found).setdefault(had.__name__, had)
