"""Recorded training runs: reading them, and knowing when they are out of date.

A run is a JSON file and, where a page needs weights, a NumPy file (.npz) beside it. Two things
guard it. A SHA-256 over its canonical form and over its weights tells that nothing was changed by
hand. Its canary, the losses of a few float32 CPU steps on the shipped subset, tells that the code
still does what it did: `verify` trains those steps again and compares.

Runs are made in `condlesson.recording`.
"""

import hashlib
import io
import json
import shlex
import zipfile
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from condlesson.data import Mnist, load_subset
from condlesson.training import (
    TrainConfig,
    TrainState,
    evaluate,
    make_model,
    train,
    validation_batches,
)

__all__ = [
    "COMPARED",
    "RECORDED_DIR",
    "SEEDS",
    "Run",
    "RunError",
    "canary_losses",
    "expected_runs",
    "list_runs",
    "load_model",
    "load_run",
    "run_name",
    "train_command",
    "verify",
]

RECORDED_DIR = Path(__file__).parent / "recorded"
SEEDS = (42, 43, 44)
COMPARED = ("none", "simple", "sinusoidal", "adagn")  # the networks of exercise 4
# For the figures of trained networks.
WITH_WEIGHTS = (TrainConfig(variant="sinusoidal", seed=42), TrainConfig(variant="adagn", seed=42))

CANARY = {"images": 64, "epochs": 1, "batch_size": 16, "val_images": 64, "precision": "float32"}
# Relative, for the four steps and the validation loss. Other thread counts and kernels moved them
# by at most 5e-7, 1e-5 and then 1e-4: Adam's first steps magnify rounding. SiLU for GELU moved the
# first one by 1.3e-5. GELU's tanh form for GELU, a still smaller change, stays within all five: it
# moves the loss of adagn's weights by 1.8e-5 and is noticed there, and would pass unnoticed on the
# sinusoidal run alone.
CANARY_TOLERANCES = [5e-6, 1e-4, 5e-4, 5e-4, 5e-4]
WEIGHTS_TOLERANCE = 1e-5  # relative, of a loss without training
FORMAT = 1
NO_FOLDER = "{} must be a folder of recorded runs, and is none. Is it spelt right?"


class RunError(Exception):
    """A recorded run is missing, damaged or out of date; the message says what makes it again."""


@dataclass(frozen=True)
class Run:
    """What is recorded of one training run.

    Attributes:
        config: What was trained.
        train_loss: Mean training loss of each epoch.
        val_loss: Validation loss after each epoch.
        seconds: Time of each epoch.
        val_loss_by_t: Final validation loss in ten equal bins of the timestep, None for a bin that
            no validation image fell into.
        lie: ``timesteps`` and ``loss``: final loss as a matrix, true timestep by told timestep.
        canary: ``losses`` of the replayed steps, and their relative ``tolerances``.
        provenance: ``device``, ``device_type``, ``threads``, ``torch``, ``recorded`` (UTC date),
            ``wall_seconds``, ``data_sha256``; ``processes`` if there was more than one.
        weights: None, or ``file``, ``sha256``, ``dtype``, ``canary_loss`` and ``tolerance`` of the
            weights.
    """

    config: TrainConfig
    train_loss: list[float]
    val_loss: list[float]
    seconds: list[float]
    val_loss_by_t: list[float | None]
    lie: dict
    canary: dict
    provenance: dict
    weights: dict | None

    @property
    def name(self) -> str:
        """The name of the run and of its files."""
        return run_name(self.config)

    @property
    def recorded_on(self) -> str:
        """The device and the date, as a reader is told them; a GPU is named only if it was one."""
        kind = "GPU" if self.provenance["device_type"] == "cuda" else "CPU"
        return f"{self.provenance['device']} ({kind}), {self.provenance['recorded']}"

    def to_json(self) -> dict:
        """The run as it is written, with the SHA-256 of its canonical form."""
        record = {"format": FORMAT, "name": self.name, **asdict(self)}
        return {**record, "sha256": digest(_canonical(record))}


def run_name(config: TrainConfig) -> str:
    """Name of a run: variant, seed, size, and every other field that is not at its default."""
    name = f"{config.variant}-seed{config.seed}-{config.images}x{config.epochs}"
    for f in fields(config):
        value = getattr(config, f.name)
        if f.name not in ("variant", "seed", "images", "epochs") and value != f.default:
            name += f"-{f.name}{value}"
    return name


def expected_runs() -> list[TrainConfig]:
    """The runs that the book reads: every compared variant with every seed."""
    return [TrainConfig(variant=variant, seed=seed) for variant in COMPARED for seed in SEEDS]


def train_command(
    config: TrainConfig,
    out: str | Path = RECORDED_DIR,
    *,
    weights: bool = False,
    data: str | Path = "DIR",
) -> str:
    """The shell command that records a run.

    Args:
        config: The run; fields at their defaults are left out beyond the first four.
        out: Where the run goes, by default where the book looks for it.
        weights: Whether to write weights; those that the book needs are written anyway.
        data: Folder of MNIST, or ``subset``; by default a word that stands for it.
    """
    always = ("variant", "seed", "epochs", "images")
    changed = [f.name for f in fields(config) if getattr(config, f.name) != f.default]
    names = [*always, *(name for name in changed if name not in always)]
    options = [f"--{name.replace('_', '-')} {getattr(config, name)}" for name in names]
    if weights or config in WITH_WEIGHTS:
        options.append("--weights")
    options += [f"--data {shlex.quote(str(data))}", f"--out {shlex.quote(_shown(Path(out)))}"]
    return " ".join(["condlesson train", *options])


def load_run(
    variant: str, seed: int, *, folder: str | Path = RECORDED_DIR, **config: int | float | str
) -> Run:
    """Read a recorded run and check that it is whole.

    Args:
        variant: Name of the network.
        seed: Seed of the run.
        folder: Where runs lie; by default those that ship with the package.
        **config: Other fields of `TrainConfig` that are not at their defaults.

    Returns:
        The run.

    Raises:
        RunError: The run is missing or damaged.
    """
    return _read(TrainConfig(variant=variant, seed=seed, **config), Path(folder))


def list_runs(folder: str | Path = RECORDED_DIR) -> list[Run]:
    """All runs in a folder, by name.

    Raises:
        RunError: A run is damaged, or the folder is not there.
    """
    if not Path(folder).is_dir():
        raise RunError(NO_FOLDER.format(folder))
    return [_parse(path) for path in sorted(Path(folder).glob("*.json"))]


def load_model(run: Run, folder: str | Path = RECORDED_DIR) -> nn.Module:
    """The trained network of a run, in float32 and evaluation mode.

    Args:
        run: A run that was recorded with weights.
        folder: Where its files lie.

    Raises:
        RunError: The run has no weights, or they are missing or damaged.
    """
    remedy = _remedy(run.config, folder, weights=True)
    if run.weights is None:
        raise RunError(f"run {run.name} must have weights, got none. {remedy}")
    path = Path(folder) / run.weights["file"]
    if not path.is_file():
        raise RunError(f"the weights of run {run.name} are missing. {remedy}")
    raw = path.read_bytes()
    if digest(raw) != run.weights["sha256"]:
        raise RunError(f"the weights of run {run.name} are damaged. {remedy}")
    model = make_model(run.config)
    try:
        arrays = np.load(io.BytesIO(raw), allow_pickle=False)
        tensors = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        model.load_state_dict(tensors)  # float16 on disk, float32 in the network
    except (RuntimeError, ValueError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise RunError(f"the weights of run {run.name} do not fit its network. {remedy}") from error
    return model.eval()


def verify(
    folder: str | Path = RECORDED_DIR, expected: list[TrainConfig] | None = None
) -> list[str]:
    """Check recorded runs: none missing, none changed, none out of date.

    Every run's canary is trained again and compared within the run's tolerance.

    Args:
        folder: Where the runs lie.
        expected: The runs that must be there; by default, in the package's own folder, those
            that the book reads. Other runs in the folder are checked as well.

    Returns:
        A message for each fault, which names the run and the command that makes it; [] if all
        is well.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return [NO_FOLDER.format(folder)]
    if expected is None:
        expected = expected_runs() if folder.resolve() == RECORDED_DIR.resolve() else []
    names = {run_name(config): config for config in expected}
    problems = []
    for name in sorted(names | dict.fromkeys(path.stem for path in folder.glob("*.json"))):
        try:
            run = _read(names[name], folder) if name in names else _parse(folder / f"{name}.json")
            _check_fresh(run, folder)
        except RunError as error:
            problems.append(str(error))
    return problems


def canary_losses(config: TrainConfig, *, threads: int = 1) -> list[float]:
    """Losses of a few float32 CPU steps on the shipped subset, and the validation loss after them.

    Args:
        config: The run's configuration; only its size and precision are reduced.
        threads: CPU threads for these steps; one keeps the order of every sum.
    """
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        state = TrainState.start(replace(config, **CANARY))
        for _ in train(state, _subset()):
            pass
    finally:
        torch.set_num_threads(threads_before)
    return [*torch.stack(state.losses).tolist(), *state.val_loss]


@cache
def _subset() -> Mnist:
    return load_subset()


def _check_fresh(run: Run, folder: Path) -> None:
    then, tolerances = run.canary["losses"], run.canary["tolerances"]
    now = canary_losses(run.config)
    if run.config in WITH_WEIGHTS or run.weights is not None:
        model = load_model(run, folder)
        then = [*then, run.weights["canary_loss"]]
        tolerances = [*tolerances, run.weights["tolerance"]]
        now = [*now, weights_loss(model, run.config)]
    drift = canary_drift(then, now, tolerances)
    if drift:
        raise RunError(
            f"run {run.name} is out of date: the code no longer trains as it did. {drift} "
            f"{_remedy(run.config, folder, weights=run.weights is not None)} --again"
        )


def canary_drift(then: list[float], now: list[float], tolerances: list[float]) -> str:
    """What no longer agrees between two canaries, as a sentence; empty if all does."""
    for k, (old, new, tolerance) in enumerate(zip(then, now, tolerances, strict=True)):
        if not abs(new - old) <= tolerance * abs(old):  # a nan is a fault too
            return (
                f"Loss {k} of its canary was {old:.7f} and is {new:.7f}, a relative change above "
                f"{tolerance:g}."
            )
    return ""


def weights_loss(model: nn.Module, config: TrainConfig) -> float:
    """Mean loss of a network on the canary's validation images; the canary of its weights."""
    batches = validation_batches(replace(config, **CANARY), _subset())
    return evaluate(model, batches).mean().item()


def _read(config: TrainConfig, folder: Path) -> Run:
    path = folder / f"{run_name(config)}.json"
    if not path.is_file():
        raise RunError(f"run {path.stem} is missing. {_remedy(config, folder)}")
    return _parse(path, config)


def _parse(path: Path, config: TrainConfig | None = None) -> Run:
    """Read a run, and check it; config is what the file must hold, where that is known."""
    try:
        record = json.loads(path.read_text())
        sha256 = record.pop("sha256")
        content = {f.name: record[f.name] for f in fields(Run)}
        content["config"] = TrainConfig(**record["config"])
        expected_keys = {"format", "name", *content}
        whole = sha256 == digest(_canonical(record)) and set(record) == expected_keys
        run = Run(**content)
        _check_form(run)
        whole = whole and record["format"] == FORMAT and record["name"] == run.name == path.stem
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"run {path.stem} is damaged ({error!r}). {_remedy_for(path, config)}"
        ) from error
    if not whole:
        remedy = _remedy_for(path, config or run.config)
        raise RunError(f"run {path.stem} was changed after it was recorded. {remedy}")
    return run


def _check_form(run: Run) -> None:
    """Let what `_check_fresh` reads be there, as numbers; errors are the caller's to word."""
    losses, tolerances = run.canary["losses"], run.canary["tolerances"]
    if not len(losses) == len(tolerances) == len(CANARY_TOLERANCES):
        raise ValueError(f"canary must have {len(CANARY_TOLERANCES)} losses, got {len(losses)}")
    numbers = [*losses, *tolerances]
    if run.weights is not None:
        numbers += [run.weights["canary_loss"], run.weights["tolerance"]]
    if not all(isinstance(number, float) for number in numbers):
        raise TypeError(f"losses and tolerances must be numbers, got {numbers}")


def _remedy(config: TrainConfig, folder: str | Path, *, weights: bool = False) -> str:
    return f"Make it with: {train_command(config, folder, weights=weights)}"


def _remedy_for(path: Path, config: TrainConfig | None) -> str:
    """The remedy for a file that cannot be trusted to say what it should hold."""
    candidates = expected_runs() if config is None else [config]
    for candidate in candidates:
        if run_name(candidate) == path.stem:
            return _remedy(candidate, path.parent)
    return f"Delete {path.name} and record it again."


def _shown(path: Path) -> str:
    """A path as a reader can type it: relative to the working directory where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _canonical(record: dict) -> bytes:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def digest(content: bytes) -> str:
    """The SHA-256 of some bytes, as hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
