"""Networks for the desk: the weights of a run as a file of text that a browser can read.

A file is a call of one JavaScript function with an object of JSON. The book's pages load their
networks as scripts, in parts; a reader's own file the desk reads as text and never runs.

Weights of two and more dimensions are in int8, see `condlesson.experiment.weights`. Everything else
is in float32.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from torch import nn

from condlesson.arguments import check_choice
from condlesson.experiment.checkpoints import write_whole
from condlesson.experiment.records import RunError
from condlesson.experiment.runs import load_model, read_run
from condlesson.experiment.weights import quantised
from condlesson.training import TrainConfig

__all__ = ["PRECISIONS", "VARIANTS", "export_run", "network_file"]

VARIANTS = ("adagn", "adagn_class", "sinusoidal")  # that the desk can run
PRECISIONS = ("int8", "float32")
FORMAT = 1
NUM_TIMESTEPS = 1000  # of the desk's clock
HEADING = "// A trained network of condlesson, for the desk: a page of the book that runs it.\n"


def export_run(path: str | Path, out: str | Path) -> Path:
    """Write the network of a recorded run as one file for the desk.

    Args:
        path: The run's JSON file, with or without its ending; its weights lie beside it.
        out: The file to write.

    Returns:
        The file that was written.

    Raises:
        RunError: The run is missing, damaged, or was recorded without weights.
        ValueError: The desk cannot run its network, or out is a file of the run.
    """
    path, out = Path(path), Path(out)
    run = read_run(path)
    if run.weights is None:
        raise RunError(
            f"run {run.name} must have weights, got none. Train it again with --weights --again."
        )
    kept = [path, path.parent / f"{run.name}.json", *(path.parent / p["file"] for p in run.parts)]
    if out.resolve() in [file.resolve() for file in kept]:
        raise ValueError(f"out must be another file than those of the run, got {out}.")
    (text,) = network_file(load_model(run, path.parent), run.config, run.name)
    write_whole(out, text.encode("utf-8"))
    return out


def network_file(
    model: nn.Module,
    config: TrainConfig,
    name: str,
    *,
    precision: str = "int8",
    part_size: int | None = None,
) -> list[str]:
    """The text of a network's file, or of its parts.

    Args:
        model: A trained network.
        config: What was trained.
        name: Name of the run.
        precision: ``"int8"``, or ``"float32"``, which changes nothing and is four times as large.
        part_size: Characters after which a new part begins; by default there is one part.

    Returns:
        The parts in their order.

    Raises:
        ValueError: The desk cannot run such a network, or the precision is unknown.
    """
    if config.variant not in VARIANTS:
        raise ValueError(
            f"variant must be one of {', '.join(VARIANTS)} for the desk, got {config.variant!r}."
        )
    if config.num_timesteps != NUM_TIMESTEPS:
        raise ValueError(
            f"num_timesteps must be {NUM_TIMESTEPS} for the desk, got {config.num_timesteps}."
        )
    check_choice("precision", precision, PRECISIONS)
    head = {
        "format": FORMAT,
        "name": name,
        "variant": config.variant,
        "width": config.width,
        "num_timesteps": config.num_timesteps,
    }
    weights = _weights(model).items()
    entries = [json.dumps(_entry(*weight, precision), separators=(",", ":")) for weight in weights]
    return [_call(head, part) for part in _parts(entries, part_size)]


def _weights(model: nn.Module) -> dict[str, np.ndarray]:
    """All weights, and the means and variances of batch norms, by their names in PyTorch."""
    tensors = {name: t for name, t in model.state_dict().items() if t.is_floating_point()}
    return {name: t.float().cpu().numpy() for name, t in tensors.items()}


def _entry(name: str, weight: np.ndarray, precision: str) -> dict[str, object]:
    entry = {"name": name, "shape": list(weight.shape)}
    if precision == "float32" or weight.ndim == 1:
        return {**entry, "values": _text(weight.astype("<f4"))}
    steps, scales = quantised(name, weight)
    return {**entry, "scales": _text(scales), "values": _text(steps)}


def _text(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def _parts(entries: list[str], size: int | None) -> Iterator[list[str]]:
    part: list[str] = []
    for entry in entries:
        if part and size is not None and sum(map(len, part)) + len(entry) > size:
            yield part
            part = []
        part.append(entry)
    yield part


def _call(head: dict[str, object], entries: list[str]) -> str:
    opened = json.dumps(head)[:-1]  # without the last brace
    return f'{HEADING}condlessonNetwork({opened}, "tensors": [\n' + ",\n".join(entries) + "\n]});\n"
