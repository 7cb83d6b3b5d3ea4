"""Recorded training runs: making them, reading them, and knowing when they are out of date.

A run is a JSON file and, where a page needs weights, a safetensors file beside it. Two things
guard it. A SHA-256 over its canonical form and over its weights tells that nothing was changed by
hand. Its canary, the losses of a few float32 CPU steps on the shipped subset, tells that the code
still does what it did: `verify` trains those steps again and compares.

This is the only module of the package that writes files.
"""

import hashlib
import json
import math
import pickle
import platform
import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from torch import nn

from condlesson.data import Mnist, load_subset, to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.probes import lie_matrix, loss_by_timestep
from condlesson.training import (
    Batch,
    TrainConfig,
    TrainState,
    evaluate,
    make_model,
    stream,
    train,
    validation_batches,
)
from condlesson.unet import VARIANTS

__all__ = [
    "RECORDED_DIR",
    "SEEDS",
    "Run",
    "RunError",
    "expected_runs",
    "list_runs",
    "load_model",
    "load_run",
    "record",
    "run_name",
    "train_command",
    "verify",
]

RECORDED_DIR = Path(__file__).parent / "recorded"
SEEDS = (42, 43, 44)
# For the figures of trained networks.
WITH_WEIGHTS = (TrainConfig(variant="sinusoidal", seed=42), TrainConfig(variant="adagn", seed=42))

CANARY = {"images": 64, "epochs": 1, "batch_size": 16, "val_images": 64, "precision": "float32"}
# Relative, for the four steps and the validation loss. Other thread counts and kernels moved them
# by at most 5e-7, 1e-5 and then 1e-4: Adam's first steps magnify rounding. SiLU for GELU, the
# smallest change that was tried, moved the first one by 1.3e-5.
CANARY_TOLERANCES = [5e-6, 1e-4, 5e-4, 5e-4, 5e-4]
WEIGHTS_TOLERANCE = 1e-5  # relative, of a loss without training
LIE_IMAGES = 64
LIE_TIMESTEPS = 10
CHECKPOINT_SECONDS = 30
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
            ``wall_seconds``, ``data_sha256``.
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
        return {**record, "sha256": _sha256(_canonical(record))}


def run_name(config: TrainConfig) -> str:
    """Name of a run: variant, seed, size, and every other field that is not at its default."""
    name = f"{config.variant}-seed{config.seed}-{config.images}x{config.epochs}"
    for f in fields(config):
        value = getattr(config, f.name)
        if f.name not in ("variant", "seed", "images", "epochs") and value != f.default:
            name += f"-{f.name}{value}"
    return name


def expected_runs() -> list[TrainConfig]:
    """The runs that the book reads: every variant with every seed."""
    return [TrainConfig(variant=variant, seed=seed) for variant in VARIANTS for seed in SEEDS]


def train_command(
    config: TrainConfig, out: str | Path = RECORDED_DIR, *, weights: bool = False
) -> str:
    """The shell command that records a run; DIR in it stands for the folder of MNIST.

    Args:
        config: The run; fields at their defaults are left out beyond the first four.
        out: Where the run goes, by default where the book looks for it.
        weights: Whether to write weights; those that the book needs are written anyway.
    """
    always = ("variant", "seed", "epochs", "images")
    changed = [f.name for f in fields(config) if getattr(config, f.name) != f.default]
    names = [*always, *(name for name in changed if name not in always)]
    options = [f"--{name.replace('_', '-')} {getattr(config, name)}" for name in names]
    if weights or config in WITH_WEIGHTS:
        options.append("--weights")
    options += ["--data DIR", f"--out {shlex.quote(_shown(Path(out)))}"]
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
    if _sha256(raw) != run.weights["sha256"]:
        raise RunError(f"the weights of run {run.name} are damaged. {remedy}")
    model = make_model(run.config)
    try:
        model.load_state_dict(_safetensors().load(raw))  # float16 on disk, float32 in the network
    except RuntimeError as error:
        raise RunError(f"the weights of run {run.name} do not fit its network. {remedy}") from error
    return model.eval()


def record(
    config: TrainConfig,
    data: Mnist,
    out: str | Path,
    *,
    device: torch.device | str = "cpu",
    weights: bool = False,
    on_step: Callable[[TrainState], None] = lambda state: None,
) -> Run:
    """Train to the end and write the run; go on from a checkpoint if an earlier try left one.

    A checkpoint is written every half minute, whole or not at all, and removed at the end.

    Args:
        config: What to train.
        data: The data set.
        out: Folder for the run's files; it is made if need be.
        device: Where to train.
        weights: Whether to write the weights, in float16.
        on_step: Called after every step.

    Returns:
        The run, as written.

    Raises:
        ValueError: The data set is too small, or the loss is no longer a finite number.
        RunError: The checkpoint is damaged, or was made with other code, data, device or torch.
        ModuleNotFoundError: Weights are wanted and safetensors is not installed.
    """
    if weights:
        _safetensors()  # now, and not after hours of training
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / f"{run_name(config)}.checkpoint"
    state = TrainState.start(config, device)
    origin = _origin(config, data, torch.device(device))
    if checkpoint.exists():
        _go_on(state, checkpoint, origin)
    for _ in _with_checkpoints(train(state, data), checkpoint, origin):
        _check_finite(config, [*state.train_loss, *state.val_loss])
        on_step(state)
    run = _describe(state, data, origin)
    if weights:
        run = replace(run, weights=_write_weights(state.model, config, out))
    text = json.dumps(run.to_json(), indent=1) + "\n"
    _write_whole(out / f"{run.name}.json", text.encode())
    checkpoint.unlink(missing_ok=True)
    _partial(checkpoint).unlink(missing_ok=True)  # of an earlier try that was killed
    return run


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
        now = [*now, _weights_loss(model, run.config)]
    drift = _drift(then, now, tolerances)
    if drift:
        raise RunError(
            f"run {run.name} is out of date: the code no longer trains as it did. {drift} "
            f"{_remedy(run.config, folder, weights=run.weights is not None)}"
        )


def _drift(then: list[float], now: list[float], tolerances: list[float]) -> str:
    """What no longer agrees between two canaries, as a sentence; empty if all does."""
    for k, (old, new, tolerance) in enumerate(zip(then, now, tolerances, strict=True)):
        if not abs(new - old) <= tolerance * abs(old):  # a nan is a fault too
            return (
                f"Loss {k} of its canary was {old:.7f} and is {new:.7f}, a relative change above "
                f"{tolerance:g}."
            )
    return ""


def _weights_loss(model: nn.Module, config: TrainConfig) -> float:
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
        whole = sha256 == _sha256(_canonical(record)) and set(record) == expected_keys
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


def _origin(config: TrainConfig, data: Mnist, device: torch.device) -> dict:
    """What must stay the same from a run's first step to its last."""
    canary = canary_losses(config)
    _check_finite(config, canary)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "device_type": device.type,
        "torch": str(torch.__version__),
        "data_sha256": data.checksum(),
        "canary": canary,
    }


def _go_on(state: TrainState, checkpoint: Path, origin: dict) -> None:
    cure = "Delete it to train from the start."
    try:
        device = next(state.model.parameters()).device
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        then = saved["origin"]
        state.load_state_dict(saved)
    except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise RunError(f"the checkpoint {checkpoint} cannot be used ({error}). {cure}") from error
    for name in set(origin) - {"canary"}:
        if then.get(name) != origin[name]:
            raise RunError(
                f"the checkpoint {checkpoint} must have the {name} {origin[name]}, "
                f"got {then.get(name)}. {cure}"
            )
    drift = _drift(then["canary"], origin["canary"], CANARY_TOLERANCES)
    if drift:
        raise RunError(f"the checkpoint {checkpoint} comes from other code. {drift} {cure}")


def _check_finite(config: TrainConfig, losses: list[float]) -> None:
    if not all(map(math.isfinite, losses)):
        raise ValueError(
            f"the losses of {run_name(config)} must be finite, got {losses}. "
            f"Lower learning_rate, {config.learning_rate:g}."
        )


def _with_checkpoints(
    steps: Iterator[TrainState], path: Path, origin: dict
) -> Iterator[TrainState]:
    saved = 0.0
    for state in steps:
        if sum(state.seconds) - saved > CHECKPOINT_SECONDS:
            saved = sum(state.seconds)
            torch.save({**state.state_dict(), "origin": origin}, _partial(path))
            _partial(path).replace(path)
        yield state


def _describe(state: TrainState, data: Mnist, origin: dict) -> Run:
    config, device = state.config, next(state.model.parameters()).device
    batches = validation_batches(config, data, device)
    by_t = loss_by_timestep(
        evaluate(state.model, batches),
        torch.cat([b.t for b in batches]).cpu(),
        config.num_timesteps,
    )
    told = _lie_timesteps(config)
    lie = lie_matrix(state.model, _lie_batches(config, data, device), told)
    return Run(
        config=config,
        train_loss=state.train_loss,
        val_loss=state.val_loss,
        seconds=[round(s, 2) for s in state.seconds],
        val_loss_by_t=[None if math.isnan(loss) else loss for loss in by_t.tolist()],
        lie={"timesteps": told, "loss": lie.tolist()},
        canary={"losses": origin["canary"], "tolerances": CANARY_TOLERANCES},
        provenance=_provenance(state, origin),
        weights=None,
    )


def _provenance(state: TrainState, origin: dict) -> dict:
    return {
        "device": origin["device"],
        "device_type": origin["device_type"],
        "threads": torch.get_num_threads(),
        "torch": origin["torch"],
        "recorded": datetime.now(timezone.utc).date().isoformat(),
        "wall_seconds": round(sum(state.seconds), 1),
        "data_sha256": origin["data_sha256"],
    }


def _lie_timesteps(config: TrainConfig) -> list[int]:
    spacing = config.num_timesteps / LIE_TIMESTEPS
    return [int((k + 0.5) * spacing) for k in range(LIE_TIMESTEPS)]


def _lie_batches(config: TrainConfig, data: Mnist, device: torch.device) -> dict[int, Batch]:
    """One batch for each true timestep, of the same images and the same noise."""
    generator = stream(0, "lie")
    chosen = torch.randperm(len(data.test_images), generator=generator)[:LIE_IMAGES]
    x_0 = to_model_range(data.test_images[chosen]).to(device)
    noise = torch.randn(x_0.shape, generator=generator).to(device)
    schedule = alphas_cumprod(linear_beta_schedule(config.num_timesteps))
    batches = {}
    for t in _lie_timesteps(config):
        ts = torch.full((len(x_0),), t, device=device)
        batches[t] = Batch(x_0, ts, noise, q_sample(x_0, t, noise, schedule))
    return batches


def _write_weights(model: nn.Module, config: TrainConfig, out: Path) -> dict:
    tensors = {
        name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
        for name, value in model.state_dict().items()
    }
    raw = _safetensors().save(tensors)
    file = f"{run_name(config)}.safetensors"
    _write_whole(out / file, raw)
    rounded = make_model(config)
    rounded.load_state_dict(tensors)
    return {
        "file": file,
        "sha256": _sha256(raw),
        "dtype": "float16",
        "canary_loss": _weights_loss(rounded, config),
        "tolerance": WEIGHTS_TOLERANCE,
    }


def _safetensors() -> ModuleType:
    try:
        import safetensors.torch
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"safetensors must be installed to read or write weights ({error}). Install the "
            'training extras: pip install "condlesson[train]".'
        ) from error
    return safetensors.torch


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    _partial(path).write_bytes(content)
    _partial(path).replace(path)


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


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


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
