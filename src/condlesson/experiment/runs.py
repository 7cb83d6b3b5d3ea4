"""Recorded training runs: what they hold, what they are called, and reading them.

A run is a JSON file and, where a page needs them, its weights and its network's outputs in NumPy
files (.npz) beside it. Two things guard it. A SHA-256 over its canonical form and over its files
tells that nothing was changed by hand. Its canary, the losses of a few float32 CPU steps on the
shipped subset, tells that the code still does what it did (`condlesson.experiment.verifying`).
Outputs have a canary of their own.

Runs are made in `condlesson.experiment.recording`.
"""

import re
import shlex
import zipfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from torch import nn

from condlesson.arguments import check_choice, check_integer
from condlesson.experiment import plan
from condlesson.experiment.forms import check_record
from condlesson.experiment.records import RunError, arrays_of, canonical, digest, read, shown
from condlesson.experiment.weights import restored
from condlesson.networks import VARIANTS
from condlesson.training import TIERS, TrainConfig, make_model

__all__ = [
    "COMPARED",
    "FIRST_SEEDS",
    "FOLDERS",
    "QUICK",
    "RECORDED_DIR",
    "SEEDS",
    "SHOWN_SEED",
    "Run",
    "cure",
    "data_of",
    "expected_runs",
    "folder_of",
    "list_runs",
    "load_model",
    "load_outputs",
    "load_run",
    "needs_outputs",
    "read_expected",
    "read_run",
    "run_name",
    "train_command",
]

RECORDED_DIR = Path(__file__).parent / "recorded"
FOLDERS = (RECORDED_DIR, plan.MATRIX_DIR)  # of the runs that the book reads
SEEDS = plan.SEEDS
FIRST_SEEDS = (42, 43, 44)  # of the first study
SHOWN_SEED = plan.SHOWN[0].seed  # of the runs whose networks the pages show
COMPARED = ("none", "simple", "sinusoidal", "adagn")  # the networks of exercise 4
QUICK = ("none", "adagn")  # also in two minutes, on the shipped images
TOLD = ("matrix", "sizes", "glyphs")  # families of the plan that are whole and that pages tell
SUBSET = "subset"  # stands for these in place of a folder
WITH_WEIGHTS = tuple(plan.WITH_WEIGHTS)  # for the figures of trained networks
FORMAT = 2
NO_FOLDER = "{} must be a folder of recorded runs, and is none. Is it spelt right?"


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
        provenance: ``device``, ``device_type``, ``threads``, ``torch``, ``started`` (UTC time; not
            in the first runs), ``recorded`` (UTC date), ``wall_seconds``, ``data_sha256``;
            ``processes`` if there was more than one.
        tolerances: How far, as a share of each loss, a re-run on another kind of machine may be
            off: ``train_loss``, ``val_loss``, and ``final_val_loss`` for the last of these.
        weights: None, or ``file``, ``sha256``, ``dtype``, ``canary_loss`` and ``tolerance`` of the
            weights.
        outputs: None, or ``file``, ``sha256``, ``canary`` and ``tolerance`` of what the trained
            network does, see `load_outputs`.
        final: None if the last of `val_loss` is the final loss; else the ``loss`` on
            `final_images`, that of the ``last_weights`` if averaged ones are judged, and that
            ``without_class`` of a network that can be told one. `val_loss_by_t` is on these images.
    """

    config: TrainConfig
    train_loss: list[float]
    val_loss: list[float]
    seconds: list[float]
    val_loss_by_t: list[float | None]
    lie: dict
    canary: dict
    provenance: dict
    tolerances: dict
    weights: dict | None
    outputs: dict | None
    final: dict | None = None

    @property
    def final_loss(self) -> float:
        """The loss that networks are compared by."""
        return self.val_loss[-1] if self.final is None else self.final["loss"]

    @property
    def tolerance(self) -> float:
        """How far the final validation loss of a re-run may be off, in units of the loss."""
        return self.tolerances["final_val_loss"] * self.final_loss

    @property
    def name(self) -> str:
        """The name of the run and of its files."""
        return run_name(self.config)

    @property
    def parts(self) -> list[dict]:
        """The parts that lie in files of their own, each with ``file`` and ``sha256``."""
        values = [getattr(self, f.name) for f in fields(self)]
        return [value for value in values if isinstance(value, dict) and "file" in value]

    @property
    def recorded_on(self) -> str:
        """The device and the date, as a reader is told them; a GPU is named only if it was one."""
        kind = "GPU" if self.provenance["device_type"] == "cuda" else "CPU"
        return f"{self.provenance['device']} ({kind}), {self.provenance['recorded']}"

    def to_json(self) -> dict:
        """The run as it is written, with the SHA-256 of its canonical form."""
        record = {"format": FORMAT, "name": self.name, **asdict(self)}
        if self.final is None:  # as in runs of the time before there was one
            del record["final"]
        return {**record, "sha256": digest(canonical(record))}


def run_name(config: TrainConfig) -> str:
    """Name of a run: variant, seed, size, and every other field that is not at its default."""
    name = f"{config.variant}-seed{config.seed}-{config.images}x{config.epochs}"
    for f in fields(config):
        value = getattr(config, f.name)
        if f.name not in ("variant", "seed", "images", "epochs") and value != f.default:
            name += f"-{f.name}{value}"
    return name


def expected_runs(folder: str | Path | None = None) -> list[TrainConfig]:
    """The runs that the book reads.

    Args:
        folder: Where from. By default the package's own folder, which has the first study: every
            variant with three seeds, and two runs of the quick size.
            `condlesson.experiment.plan.MATRIX_DIR` has those of the plan.

    Returns:
        Their configurations; none for any other folder.
    """
    folder = Path(folder or RECORDED_DIR).resolve()
    if folder == plan.MATRIX_DIR.resolve():
        told = [config for name in TOLD for config in plan.FAMILIES[name].runs()]
        return [*plan.FULL, *told]
    if folder != RECORDED_DIR.resolve():
        return []
    small = [replace(TIERS["small"], variant=v, seed=s) for v in VARIANTS for s in FIRST_SEEDS]
    quick = [replace(TIERS["quick"], variant=v) for v in QUICK]
    return small + quick


def folder_of(config: TrainConfig) -> Path:
    """Where the package has a run: those of the plan, told by their final images, apart."""
    return plan.MATRIX_DIR if config.final_images else RECORDED_DIR


def needs_outputs(config: TrainConfig) -> bool:
    """Whether a page shows what the trained network of a run does, as the plan says."""
    return config in plan.WITH_OUTPUTS


def data_of(config: TrainConfig, data: str | Path | None) -> str | Path | None:
    """Where the images of a run lie: in this folder, or in the package; glyphs are drawn."""
    quick = TIERS["quick"]
    is_quick = replace(config, variant=quick.variant, seed=quick.seed) == quick
    return SUBSET if is_quick or config.dataset != "mnist" else data


def train_command(
    config: TrainConfig,
    out: str | Path = RECORDED_DIR,
    *,
    weights: bool = False,
    outputs: bool = False,
    data: str | Path = "DIR",
) -> str:
    """The shell command that records a run.

    Args:
        config: The run; fields at their defaults are left out beyond the first four.
        out: Where the run goes, by default where the book looks for it.
        weights: Whether to write weights; those that the book needs are written anyway.
        outputs: The same for outputs.
        data: Folder of MNIST, or ``subset``; by default a word that stands for it. A run of the
            quick tier always has ``subset``.
    """
    always = ("variant", "seed", "epochs", "images")
    changed = [f.name for f in fields(config) if getattr(config, f.name) != f.default]
    names = [*always, *(name for name in changed if name not in always)]
    options = [f"--{name.replace('_', '-')} {getattr(config, name)}" for name in names]
    if weights or config in WITH_WEIGHTS:
        options.append("--weights")
    if outputs or needs_outputs(config):
        options.append("--outputs")
    if config.dataset == "mnist":
        options.append(f"--data {shlex.quote(str(data_of(config, data)))}")
    options.append(f"--out {shlex.quote(shown(out))}")
    return " ".join(["condlesson train", *options])


def load_run(
    variant: str,
    seed: int = SHOWN_SEED,
    *,
    folder: str | Path | None = None,
    tier: str | None = None,
    **config: int | float | str,
) -> Run:
    """Read a recorded run and check that it is whole.

    Args:
        variant: Name of the network.
        seed: Seed of the run; by default the one whose networks the pages show.
        folder: Where runs lie; by default those that ship with the package.
        tier: Size of the run, one of `condlesson.training.TIERS`; by default that of the study
            which has the seed.
        **config: Other fields of `TrainConfig` that are not the tier's.

    Returns:
        The run.

    Raises:
        RunError: The run is missing or damaged.
        TypeError: The seed is no integer.
        ValueError: There is no such tier.
    """
    tier = tier or ("study" if seed in plan.SEEDS else "small")
    check_choice("tier", tier, TIERS)
    check_integer(seed, "seed")
    wanted = replace(TIERS[tier], variant=variant, seed=seed, **config)
    return read_expected(wanted, Path(folder or folder_of(wanted)))


def read_run(path: str | Path) -> Run:
    """Read a recorded run from its file, and check that it is whole.

    Args:
        path: The run's JSON file; the ending may be left out.

    Raises:
        RunError: The run is missing or damaged.
    """
    path = Path(path)
    if path.suffix != ".json":
        path = path.with_name(f"{path.name}.json")
    if not path.exists():
        raise RunError(f"{path} must be a recorded run, and is no file. Is it spelt right?")
    return _parse(path)


def list_runs(folder: str | Path | None = None) -> list[Run]:
    """All runs in a folder, by name; by default those that ship with the package, all studies.

    Raises:
        RunError: A run is damaged, or the folder is not there.
    """
    if folder is None:
        return [run for folder in FOLDERS for run in list_runs(folder)]
    if not Path(folder).is_dir():
        raise RunError(NO_FOLDER.format(folder))
    return [_parse(path) for path in sorted(Path(folder).glob("*.json"))]


def load_model(run: Run, folder: str | Path | None = None) -> nn.Module:
    """The trained network of a run, in float32 and evaluation mode.

    Args:
        run: A run that was recorded with weights.
        folder: Where its files lie; by default those that ship with the package.

    Raises:
        RunError: The run has no weights, or they are missing or damaged.
    """
    raw, remedy = _bytes_of(run, folder, "weights")
    model = make_model(run.config)
    try:
        model.load_state_dict(restored(arrays_of(raw)))  # float32 in the network
    except (RuntimeError, ValueError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise RunError(f"the weights of run {run.name} do not fit its network. {remedy}") from error
    return model.eval()


def load_outputs(run: Run, folder: str | Path | None = None) -> dict[str, np.ndarray]:
    """What the trained network of a run does, as `outputs.compute_outputs` says.

    Args:
        run: A run that was recorded with outputs.
        folder: Where its files lie; by default those that ship with the package.

    Raises:
        RunError: The run has no outputs, or they are missing or damaged.
    """
    raw, remedy = _bytes_of(run, folder, "outputs")
    try:
        return arrays_of(raw)
    except (ValueError, zipfile.BadZipFile) as error:
        raise RunError(f"the outputs of run {run.name} cannot be read. {remedy}") from error


def _bytes_of(run: Run, folder: str | Path | None, part: str) -> tuple[bytes, str]:
    """Content of a run's file for a part, checked, and the remedy for what is wrong inside."""
    if not isinstance(run, Run):
        told = "run must be a recorded run, as load_run gives it"
        raise TypeError(f"{told}, got {type(run).__name__}.")
    folder = folder or folder_of(run.config)
    about, remedy = getattr(run, part), cure(run.config, folder, **{part: True})
    if about is None:
        raise RunError(f"run {run.name} must have {part}, got none. {remedy}")
    path = Path(folder) / about["file"]
    if not path.is_file():
        raise RunError(f"the {part} of run {run.name} are missing. {remedy}")
    raw = path.read_bytes()
    if digest(raw) != about["sha256"]:
        raise RunError(f"the {part} of run {run.name} are damaged. {remedy}")
    return raw, remedy


def read_expected(config: TrainConfig, folder: Path) -> Run:
    """The run of a configuration.

    Raises:
        RunError: It is missing or damaged; the message says how it is made.
    """
    path = folder / f"{run_name(config)}.json"
    if not path.is_file():
        raise RunError(f"run {path.stem} is missing. {cure(config, folder)}")
    return _parse(path, config)


def _parse(path: Path, config: TrainConfig | None = None) -> Run:
    """Read a run, and check it; config is what the file must hold, where that is known."""
    try:
        record, whole = read(path)
        content = {f.name: record[f.name] for f in fields(Run) if f.name in record}
        content["config"] = TrainConfig(**record["config"])
        run = Run(**content)
        check_record(record, run.config, run.name)
        whole = whole and set(record) == {"format", "name", *content}
        whole = whole and record["format"] == FORMAT and record["name"] == run.name == path.stem
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"run {path.stem} is damaged ({error!r}). {_remedy_for(path, config)}"
        ) from error
    if not whole:
        remedy = _remedy_for(path, config or run.config)
        raise RunError(f"run {path.stem} was changed after it was recorded. {remedy}")
    return run


def cure(config: TrainConfig, folder: str | Path, **parts: bool) -> str:
    """What to do about a run that is missing or out of date."""
    return f"Make it with: {train_command(config, folder, **parts)}"


def _remedy_for(path: Path, config: TrainConfig | None) -> str:
    """The remedy for a file that cannot be trusted to say what it should hold."""
    books = (*expected_runs(), *expected_runs(plan.MATRIX_DIR))
    candidates = books if config is None else [config]
    for candidate in candidates:
        if run_name(candidate) == path.stem:
            return cure(candidate, path.parent)
    if not re.match(rf"({'|'.join(VARIANTS)})-seed\d", path.stem):
        return f"{path.name} has not the name of a run: move it to another folder."
    return f"Delete {path.name} and record it again."
