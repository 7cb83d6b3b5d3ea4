"""What a trained network makes of the class it is told: recorded, as it takes too long for a page.

A record is a JSON file and a NumPy file (.npz) with the name of the run that it was made from, in
``classes`` below the recorded runs. It is guarded as runs are: SHA-256s tell that nothing was
changed by hand and that the weights are those it was made from, and a canary, a small measurement
on the shipped subset, that the code still measures the same.
"""

import json
import platform
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from condlesson.data import Mnist, load_subset, to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.experiment import plan
from condlesson.experiment.canaries import canary_drift
from condlesson.experiment.checkpoints import write_whole
from condlesson.experiment.outputs import to_bytes
from condlesson.experiment.records import (
    RunError,
    arrays_of,
    canonical,
    check_keys,
    check_numbers,
    check_sha256,
    digest,
    npz_of,
    read,
    shown,
    today,
)
from condlesson.experiment.runs import RECORDED_DIR, Run, load_model, read_expected
from condlesson.guidance import GuidedModel
from condlesson.sampling import sample_ddim
from condlesson.training import stream

__all__ = [
    "CLASSES_DIR",
    "Measured",
    "coarse",
    "load_classes",
    "measure_classes",
    "record_classes",
    "record_planned",
    "verify_classes",
]

CLASSES_DIR = RECORDED_DIR / "classes"
CONFIG = plan.FULL[1]  # the network that is told classes
NUM_CLASSES = 10
TOLERANCE = 1e-3  # relative, of each number of the canary


@dataclass(frozen=True)
class Measured:
    """How much is measured.

    Attributes:
        scales: Guidance scales s, each drawn with the noise kept and computed anew.
        intervals: Intervals of timesteps, each the only one that is guided, by interval_scale.
        interval_scale: The guidance scale in them.
        sets: Sets of images that are drawn in each way; the n-th starts from the same noise.
        per_class: Images of each class in a set.
        ddim_steps: Timesteps that DDIM visits.
        images: Test images whose noise is predicted with the class and without.
        timesteps: Timesteps at which that is done, spread over 0 .. T - 1.
        lied_to: Test images of each class that the network is lied to about.
        lies: Timesteps at which it is, spread over 0 .. T - 1.
    """

    scales: tuple[float, ...] = (0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
    intervals: tuple[tuple[int, int], ...] = ((0, 300), (300, 800), (800, 1000))
    interval_scale: float = 3.0
    sets: int = 4
    per_class: int = 10
    ddim_steps: int = 25
    images: int = 256
    timesteps: int = 20
    lied_to: int = 10
    lies: int = 10


ALL = Measured()
CANARY = Measured((5.0,), ((300, 600),), 5.0, 1, 1, 4, 4, 1, 1, 1)
PIECE = 25  # images at a time, which a CPU's cache holds
GREY_LEVELS = 16  # of a drawn image; more of them would more than double the record
CANARY_PARTS = ("kept", "anew", "in_interval", "equal_cost", "errors", "class_lies", "time_lies")


@torch.no_grad()
def measure_classes(model: nn.Module, data: Mnist, sizes: Measured = ALL) -> dict[str, np.ndarray]:
    """Draw classes at several guidance scales, and measure what the class is worth.

    Args:
        model: Called as model(x_t, t, labels); labels may be None for no class.
        data: Gives the test images.
        sizes: How much is measured.

    Returns:
        ``scales`` (S,); ``labels`` (N,), the classes asked for. Images by DDIM, uint8 of
        `GREY_LEVELS` levels: ``kept`` and ``anew`` (S, sets, N, 28, 28), whose estimates of x_0 are
        clipped and whose noise is as predicted, or computed anew from x_0. With the noise computed
        anew also ``in_interval`` (I, sets, N, 28, 28), guided in each of ``intervals`` (I, 2) only;
        and ``equal_cost`` (sets, N, 28, 28), at a scale of 1 in twice as many steps, for which the
        network is asked as often as for a guided set.

        ``timesteps`` (K,); ``errors`` (K, 2, images), mean squared errors of the predicted noise
        with the class and without. ``lied_timesteps`` (L,); ``class_lies`` (L, 10, 10), mean
        squared error by true and told class; ``time_lies`` (2, L, L), by true and told timestep,
        with the class and without.
    """
    schedule = alphas_cumprod(linear_beta_schedule())
    labels = torch.arange(NUM_CLASSES).repeat_interleave(sizes.per_class)
    return {
        "scales": np.array(sizes.scales),
        "labels": labels.numpy(),
        "intervals": np.array(sizes.intervals),
        **_draw(model, labels, schedule, sizes),
        **_errors(model, data, schedule, sizes),
        **_lies(model, data, schedule, sizes),
    }


def _draw(
    model: nn.Module, labels: Tensor, schedule: Tensor, sizes: Measured
) -> dict[str, np.ndarray]:
    generator = stream(0, "drawn classes")
    noise = torch.randn(sizes.sets, len(labels), 1, 28, 28, generator=generator)

    def sets(scale: float, *, steps: int = sizes.ddim_steps, anew: bool = True,
             interval: tuple[int, int] | None = None) -> np.ndarray:  # fmt: skip
        def part(x_T: Tensor, labels: Tensor) -> Tensor:  # noqa: N803
            guided = GuidedModel(model, labels, scale, null_label=NUM_CLASSES, interval=interval)
            return sample_ddim(guided, x_T, schedule, num_steps=steps, noise_from_x_0=anew)

        pieces = [zip(x_T.split(PIECE), labels.split(PIECE), strict=True) for x_T in noise]
        return np.stack([coarse(to_bytes(torch.cat([part(*p) for p in of]))) for of in pieces])

    return {
        "kept": np.stack([sets(scale, anew=False) for scale in sizes.scales]),
        "anew": np.stack([sets(scale) for scale in sizes.scales]),
        "in_interval": np.stack([sets(sizes.interval_scale, interval=i) for i in sizes.intervals]),
        "equal_cost": sets(1.0, steps=2 * sizes.ddim_steps),
    }


def coarse(images: np.ndarray) -> np.ndarray:
    """Images of 256 grey levels, uint8, with the `GREY_LEVELS` that are recorded."""
    step = 255 // (GREY_LEVELS - 1)
    return (np.round(images / step) * step).astype(np.uint8)


def _errors(
    model: nn.Module, data: Mnist, schedule: Tensor, sizes: Measured
) -> dict[str, np.ndarray]:
    generator = stream(0, "told classes")
    chosen = torch.randperm(len(data.test_images), generator=generator)[: sizes.images]
    x_0, labels = to_model_range(data.test_images[chosen]), data.test_labels[chosen].long()
    timesteps = _spread(sizes.timesteps)
    rows = [[_error(model, noised, t, told) for told in (labels, None)]
            for t, noised in _noised(x_0, timesteps, schedule, generator)]  # fmt: skip
    return {"timesteps": np.array(timesteps), "errors": np.array(rows, dtype=np.float32)}


def _lies(
    model: nn.Module, data: Mnist, schedule: Tensor, sizes: Measured
) -> dict[str, np.ndarray]:
    generator = stream(0, "lies about classes")
    order = torch.randperm(len(data.test_images), generator=generator)
    of_class = [order[data.test_labels[order] == c][: sizes.lied_to] for c in range(NUM_CLASSES)]
    chosen = torch.cat(of_class)
    x_0, labels = to_model_range(data.test_images[chosen]), data.test_labels[chosen].long()
    timesteps = _spread(sizes.lies)
    classes, times = [], []
    for t, noised in _noised(x_0, timesteps, schedule, generator):
        told = [_error(model, noised, t, torch.full_like(labels, c)) for c in range(NUM_CLASSES)]
        by_class = np.stack(told, axis=1).reshape(NUM_CLASSES, -1, NUM_CLASSES)
        classes.append(by_class.mean(axis=1))
        times.append([[_error(model, noised, said, c).mean() for said in timesteps]
                      for c in (labels, None)])  # fmt: skip
    return {
        "lied_timesteps": np.array(timesteps),
        "class_lies": np.array(classes, dtype=np.float32),
        "time_lies": np.array(times, dtype=np.float32).swapaxes(0, 1),
    }


def _spread(count: int) -> list[int]:
    return [int((k + 0.5) * 1000 / count) for k in range(count)]


def _noised(
    x_0: Tensor, timesteps: list[int], schedule: Tensor, generator: torch.Generator
) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
    """For each timestep the noised images with the noise that is in them, the same at each."""
    noise = torch.randn(x_0.shape, generator=generator)
    for t in timesteps:
        yield t, (q_sample(x_0, t, noise, schedule), noise)


def _error(
    model: nn.Module, noised: tuple[Tensor, Tensor], t: int, labels: Tensor | None
) -> np.ndarray:
    """Mean squared error of the noise predicted in each image."""
    x_t, noise = noised
    noise_pred = model(x_t, torch.full((len(x_t),), t), labels)
    return (noise_pred - noise).square().mean(dim=(1, 2, 3)).numpy()


def record_planned(data: Mnist, out: str | Path) -> Path:
    """Record what the plan's network makes of classes, see `record_classes`."""
    run = read_expected(CONFIG, plan.MATRIX_DIR)
    return record_classes(run, load_model(run, plan.MATRIX_DIR), data, out, ALL)


def record_classes(
    run: Run, model: nn.Module, data: Mnist, out: str | Path, sizes: Measured = ALL
) -> Path:
    """Measure the network of a run, in minutes on a CPU, and write the record.

    Args:
        run: A run that was recorded with weights.
        model: Its network.
        data: The data set.
        out: Folder for the record; it is made if need be.
        sizes: How much is measured.

    Returns:
        The record's JSON file.
    """
    out = Path(out)
    raw = npz_of(measure_classes(model, data, sizes))
    record = {
        "name": run.name,
        "weights_sha256": run.weights["sha256"],
        "file": f"{run.name}.npz",
        "file_sha256": digest(raw),
        "sizes": _as_json(sizes),
        "canary": _canary(model),
        "provenance": {
            "torch": str(torch.__version__),
            "machine": platform.machine(),
            "recorded": today(),
            "data_sha256": data.checksum(),
        },
    }
    record["sha256"] = digest(canonical(record))
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / record["file"], raw)
    path = out / f"{run.name}.json"
    write_whole(path, (json.dumps(record, indent=1) + "\n").encode())
    return path


def load_classes(run: Run | None = None, folder: str | Path = CLASSES_DIR) -> dict[str, np.ndarray]:
    """What was measured, see `measure_classes`, of the network that the page tells classes.

    Args:
        run: Its run; by default that of the plan.
        folder: Where records lie; by default those that ship with the package.

    Raises:
        RunError: The record is missing or damaged, or was made from other weights.
    """
    return _load(run or read_expected(CONFIG, plan.MATRIX_DIR), Path(folder))[1]


def verify_classes(folder: str | Path = CLASSES_DIR) -> list[str]:
    """Check the record of the plan's network: there, unchanged, and measured as today.

    Returns:
        A message for each fault, with the command that mends it; [] if all is well.
    """
    try:
        run = read_expected(CONFIG, plan.MATRIX_DIR)
        record, _ = _load(run, Path(folder))
        now = _canary(load_model(run, plan.MATRIX_DIR))
    except RunError as error:
        return [str(error)]
    if record["sizes"] != _as_json(ALL):
        return [f"what {run.name} makes of classes was measured in other sizes. {_cure()}"]
    drift = canary_drift(record["canary"], now, [TOLERANCE] * len(now))
    return [f"what {run.name} makes of classes is out of date. {drift} {_cure()}"] if drift else []


def _load(run: Run, folder: Path) -> tuple[dict, dict[str, np.ndarray]]:
    path = folder / f"{run.name}.json"
    if not path.is_file():
        raise RunError(f"what {run.name} makes of classes is not recorded. {_cure()}")
    try:
        record, whole = read(path)
        _check_form(record, run.name)
        raw = (folder / record["file"]).read_bytes()
        arrays = arrays_of(raw)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise RunError(
            f"what {run.name} makes of classes is damaged ({error}). {_cure()}"
        ) from error
    if not whole or digest(raw) != record["file_sha256"]:
        raise RunError(f"{path} was changed after it was recorded. {_cure()}")
    if run.weights is None or record["weights_sha256"] != run.weights["sha256"]:
        raise RunError(f"{path} was made from other weights than those of {run.name}. {_cure()}")
    return record, arrays


def _check_form(record: dict, name: str) -> None:
    parts = ("name", "weights_sha256", "file", "file_sha256", "sizes", "canary", "provenance")
    check_keys("a record of classes", record, parts)
    if record["name"] != name or record["file"] != f"{name}.npz":
        raise ValueError(f"name must be {name}, got {record['name']!r} with {record['file']!r}")
    for part in ("weights_sha256", "file_sha256"):
        check_sha256(part, record[part])
    check_numbers("canary", record["canary"], count=len(CANARY_PARTS))
    check_keys("provenance", record["provenance"], ("torch", "machine", "recorded", "data_sha256"))
    check_sha256("provenance.data_sha256", record["provenance"]["data_sha256"])


def _canary(model: nn.Module) -> list[float]:
    """Means of a small measurement on the shipped subset."""
    made = measure_classes(model, load_subset(), CANARY)
    return [made[part].mean(dtype=float).item() for part in CANARY_PARTS]


def _as_json(sizes: Measured) -> dict:
    """The sizes as a record has them, with lists for tuples."""
    return json.loads(json.dumps(asdict(sizes)))


def _cure() -> str:
    return f"Make it with: condlesson classes --data DIR --out {shown(CLASSES_DIR)}"
