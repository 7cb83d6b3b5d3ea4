"""What the desk loads: networks, digits to begin with, and the frames of the first screen.

Everything here comes from recorded runs and from the shipped images. `write_files` writes it for
the book's build, which keeps it as long as neither the runs nor this code change.
"""

import base64
import json
from pathlib import Path

import torch
from torch import Tensor, nn

from condlesson.data import load_subset, to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.experiment import plan
from condlesson.experiment.checkpoints import write_whole
from condlesson.experiment.network_file import network_file
from condlesson.experiment.outputs import denoise_lied_to, to_bytes
from condlesson.experiment.runs import Run, folder_of, load_model, read_expected, run_name
from condlesson.figures.moving import pack, sheet

__all__ = ["first_frames", "networks", "sample_digits", "write_files"]

# The runs whose networks the desk offers, by its name for them. A page starts the first of those
# that are recorded; that of the full size draws best.
RUNS = {
    "drawing": plan.FULL[0],
    "class": plan.FULL[1],
    **{c.variant: c for c in plan.SHOWN[::-1] if c in plan.WITH_WEIGHTS},
}
PART_SIZE = 500_000  # characters; a script of this size loads in a second or so on a slow line
# The first screen's true timesteps, and those told.
TRUE = tuple(range(50, 1000, 100))
TOLD = tuple(range(0, 1000, 50))


def write_files(folder: str | Path) -> None:
    """Write the parts of each network, and ``about.json``, which says what is there.

    ``about.json`` holds ``networks``, for each name the ``label`` that a reader is shown,
    whether it is ``told_class``, the ``run``, and its ``files`` with their ``size`` in bytes;
    ``digits``, as `sample_digits` gives them; and ``first``, as `first_frames`, its sheet in
    ``first.webp``.

    Args:
        folder: Where they go; it is made.
    """
    folder, offered = Path(folder), {}
    folder.mkdir(parents=True, exist_ok=True)
    there = networks()
    for name, (run, model) in there.items():
        files = []
        parts = network_file(model, run.config, run.name, part_size=PART_SIZE)
        for k, part in enumerate(parts, 1):
            path = folder / f"{name}-{k}.js"
            path.write_text(part, "utf-8")
            files.append({"address": path.name, "size": path.stat().st_size})
        offered[name] = {
            "label": f"{run.config.variant}, {run.config.images:,} images",
            "told_class": run.config.told_class,
            "run": run.name,
            "files": files,
        }
    first = first_frames(next(iter(there.values()))[1])
    address = first["sheet"].pop("address")
    (folder / "first.webp").write_bytes(base64.b64decode(address.split(",")[1]))
    first["sheet"]["file"] = "first.webp"
    about = {"networks": offered, "digits": sample_digits(), "first": first}
    # Last, and at once: it is the sign that all is there.
    write_whole(folder / "about.json", json.dumps(about, separators=(",", ":")).encode())


def networks() -> dict[str, tuple[Run, nn.Module]]:
    """The networks that the desk offers, by its names for them, the first one first.

    Raises:
        RunError: A run or its weights are damaged.
    """
    there = {n: c for n, c in RUNS.items() if (folder_of(c) / f"{run_name(c)}.json").is_file()}
    runs = {name: read_expected(config, folder_of(config)) for name, config in there.items()}
    return {name: (run, load_model(run)) for name, run in runs.items()}


def sample_digits() -> list[str]:
    """The first test image of each digit, 784 bytes each, as base64."""
    data = load_subset()
    chosen = [data.test_images[data.test_labels == digit][0] for digit in range(10)]
    return [base64.b64encode(image.numpy().tobytes()).decode() for image in chosen]


@torch.no_grad()
def first_frames(model: nn.Module) -> dict[str, object]:
    """The six of the first screen: noised, and estimated for each pair of timesteps.

    Args:
        model: Estimates; called as model(x_t, t).

    Returns:
        ``true`` and ``told``, the timesteps; ``noise``, packed; ``errors``, a row for each true
        timestep; and ``sheet``, the noised images in its first row, and then the estimates, a row
        for each true timestep. See `condlesson.figures.moving` for what is packed and a sheet.
    """
    data = load_subset()
    x_0 = to_model_range(data.test_images[data.test_labels == 6][:1])
    noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
    schedule = alphas_cumprod(linear_beta_schedule())
    noised = [q_sample(x_0, t, noise, schedule) for t in TRUE]
    rows = [denoise_lied_to(model, x, t, TOLD)[:, 0] for x, t in zip(noised, TRUE, strict=True)]
    errors = [[_rms(estimate - x_0) for estimate in row] for row in rows]
    padding = noised[:1] * (len(TOLD) - len(TRUE))  # so that a row of estimates is a row
    images = torch.cat([*noised, *padding, *rows])
    return {
        "true": TRUE,
        "told": TOLD,
        "noise": pack(noise, 3),
        "errors": errors,
        "sheet": sheet(to_bytes(images), len(TOLD), lossless=False),
    }


def _rms(x: Tensor) -> float:
    return round(x.square().mean().sqrt().item(), 4)
