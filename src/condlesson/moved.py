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
        sys.modules[module.__name__] = import_module(f"condlesson.{MOVED[former]}")
