"""Checking recorded runs: none missing, none changed, none out of date.

Every record is read and its files are hashed. Whether the code still trains as it did is asked of
one run for each network and code path: its canary is trained again. What was found well is kept
until the code, torch or the record changes, so that a second look takes no time.
"""

import hashlib
import os
import platform
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import torch

from condlesson.config import TrainConfig
from condlesson.experiment import plan
from condlesson.experiment.canaries import canary_drift, canary_losses, subset, weights_loss
from condlesson.experiment.judge_records import JUDGES_DIR, verify_judges
from condlesson.experiment.outputs import outputs_canary
from condlesson.experiment.records import RunError, canonical, digest
from condlesson.experiment.runs import (
    FOLDERS,
    NO_FOLDER,
    RECORDED_DIR,
    WITH_WEIGHTS,
    Run,
    cure,
    expected_runs,
    load_model,
    load_outputs,
    needs_outputs,
    read_expected,
    read_run,
    run_name,
)
from condlesson.experiment.told_classes import CLASSES_DIR, verify_classes

__all__ = ["verify", "verify_book"]

PACKAGE = Path(__file__).parents[1]
DECISIVE = ("*.py", "networks/*.py", "experiment/*.py", "subset/*.gz")  # decides what a canary is
OUTPUTS_HOLD = ("ddim", "movement", "timesteps", "blocks")
# A canary has a size of its own, and its images are MNIST's; another seed takes the same path.
SAME_PATH = {"seed": 0, "images": 64, "batch_size": 16, "epochs": 1, "val_images": 64}
SAME_PATH |= {"dataset": "mnist", "precision": "float32"}
# An average of the weights changes no step. The runs of the quick size have none.
SAME_PATH |= {"ema_decay": 0.0, "final_images": 0}


def verify(
    folder: str | Path = RECORDED_DIR,
    expected: list[TrainConfig] | None = None,
    *,
    every: bool = False,
) -> list[str]:
    """Check recorded runs: none missing, none changed, none out of date.

    Args:
        folder: Where the runs lie.
        expected: The runs that must be there; by default those that the book reads there. Other
            runs in the folder are checked as well.
        every: Train the canary of every run again, whatever was found before.

    Returns:
        A message for each fault, which names the run and the command that makes it; [] if all
        is well.
    """
    return _verify(folder, expected, set(), every=every)


def _verify(
    folder: str | Path, expected: list[TrainConfig] | None, paths: set[TrainConfig], *, every: bool
) -> list[str]:
    """What `verify` says. The code paths need no canary; those of these runs join them."""
    folder = Path(folder)
    if not folder.is_dir():
        return [NO_FOLDER.format(folder)]
    if expected is None:
        expected = expected_runs(folder)
    names = {run_name(config): config for config in expected}
    found, problems = [], []
    for name in sorted(names | dict.fromkeys(path.stem for path in folder.glob("*.json"))):
        try:
            path = folder / f"{name}.json"
            run = read_expected(names[name], folder) if name in names else read_run(path)
            _check_parts(run, folder)
            found.append(run)
        except RunError as error:
            problems.append(str(error))
    replayed = {run.name for run in found} if every else _representatives(found, paths)
    for run in found:
        try:
            _check_fresh(run, folder, replay=run.name in replayed, again=every)
        except RunError as error:
            problems.append(str(error))
    return problems


def verify_book(*, every: bool = False) -> list[str]:
    """Check all that the book reads: runs, judges, and what is recorded of classes.

    Args:
        every: As of `verify`.

    Returns:
        A message for each fault, as of `verify`.
    """
    paths: set[TrainConfig] = set()
    plans_first = [_verify(folder, None, paths, every=every) for folder in reversed(FOLDERS)]
    problems = [problem for found in reversed(plans_first) for problem in found]
    return [*problems, *_pilot(), *_strangers(), *verify_judges(), *verify_classes()]


def _pilot() -> list[str]:
    """What is wrong with the plan's pilot, which has a digest in the plan and none of its own."""
    try:
        is_whole = digest(canonical(plan.pilot())) == plan.PILOT_SHA256
    except (OSError, ValueError):
        is_whole = False
    name = plan.PILOT.name
    told = f"the pilot of the plan, {name}, was changed or cut short. Take it from the history."
    return [] if is_whole else [told]


def _strangers() -> list[str]:
    """Files and folders among the book's runs that belong to none of them."""
    known = {path.name for path in (plan.MATRIX_DIR, JUDGES_DIR, CLASSES_DIR)}
    problems = []
    for folder in FOLDERS:
        names = known | {run_name(config) for config in expected_runs(folder)}
        for path in sorted(folder.glob("[!.]*")):
            if _owner(path.name) not in names:
                problems.append(
                    f"{path.name} in {folder.name} belongs to no run that the book reads. Take it "
                    "out of the folder."
                )
    return problems


def _owner(file: str) -> str:
    """The name of the run that a file is of, or says it is."""
    return re.sub(r"(?:-outputs)?\.(?:json|npz|checkpoint)(?:\.partial)?$", "", file)


def _representatives(runs: Iterable[Run], paths: set[TrainConfig]) -> set[str]:
    """The name of one run for each network and code path, of one with outputs where there is.

    Args:
        runs: Recorded runs.
        paths: Code paths that are left out, as those of other runs; the new ones join them.
    """
    chosen = set()
    for run in sorted(runs, key=lambda run: run.outputs is None):
        path = replace(run.config, **SAME_PATH)
        chosen |= {run.name} if path not in paths else set()
        paths.add(path)
    return chosen


def _check_parts(run: Run, folder: Path) -> None:
    """Let the files of a run be there, unchanged, and readable."""
    if run.config in WITH_WEIGHTS or run.weights is not None:
        load_model(run, folder)
    if needs_outputs(run.config) or run.outputs is not None:
        _check_outputs(run, load_outputs(run, folder), folder)


def _check_outputs(run: Run, outputs: dict[str, np.ndarray], folder: Path) -> None:
    """Let outputs hold what pages take from them, as finite numbers."""
    lacking = [name for name in OUTPUTS_HOLD if name not in outputs]
    if lacking or not np.isfinite(outputs["movement"]).all():
        told = f"lack {', '.join(lacking)}" if lacking else "hold no finite numbers"
        raise RunError(
            f"the outputs of run {run.name} {told}. {cure(run.config, folder, outputs=True)}"
        )


def _check_fresh(run: Run, folder: Path, *, replay: bool, again: bool) -> None:
    """Compare the canaries of a run, unless they were found well with this code."""
    text = f"{_code()} {replay} {digest(canonical(run.to_json()))}"
    seen, key = _Seen(), digest(text.encode())
    if key in seen and not again:
        return
    then, now, tolerances = _then_and_now(run, folder, replay)
    drift = canary_drift(then, now, tolerances)
    if drift:
        parts = {part: getattr(run, part) is not None for part in ("weights", "outputs")}
        raise RunError(
            f"run {run.name} is out of date: the code no longer trains as it did. {drift} "
            f"{cure(run.config, folder, **parts)} --again"
        )
    seen.add(key)


def _then_and_now(run: Run, folder: Path, replay: bool) -> tuple[list, list, list]:
    """What is recorded of the canaries of a run, what they are now, and the tolerances.

    With replay, these are its first steps and its outputs; of weights, the loss in any case.
    """
    triples = []
    if replay:
        losses, tolerances = run.canary["losses"], run.canary["tolerances"]
        triples += zip(losses, canary_losses(run.config), tolerances, strict=True)
    if run.weights is not None:
        now = weights_loss(load_model(run, folder), run.config)
        triples.append((run.weights["canary_loss"], now, run.weights["tolerance"]))
    if run.outputs is not None and replay:
        now = outputs_canary(run.config, subset())
        triples += zip(
            run.outputs["canary"], now, [run.outputs["tolerance"]] * len(now), strict=True
        )
    return tuple([triple[k] for triple in triples] for k in range(3))


class _Seen:
    """Keys of what was found well, a file for each, so that several checks can run at once."""

    def __init__(self) -> None:
        cache_home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        self.folder = Path(cache_home) / "condlesson" / "verified"

    def __contains__(self, key: str) -> bool:
        return (self.folder / key).is_file()

    def add(self, key: str) -> None:
        """Keep a key; where nothing can be written, the next check takes as long as this one."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / key).touch()
        except OSError:
            pass


@cache
def _code() -> str:
    """Digest of the code that decides what a canary is, of its libraries and of the machine."""
    found = hashlib.sha256()
    for pattern in DECISIVE:
        for path in filter(Path.is_file, sorted(PACKAGE.glob(pattern))):
            found.update(path.read_bytes())
    for version in (torch.__version__, np.__version__, platform.machine(), platform.processor()):
        found.update(version.encode())
    return found.hexdigest()
