"""Making recorded runs: training to the end, with checkpoints, and writing what happened.

A run that was stopped, even by `kill -9`, goes on from its last checkpoint and ends with the losses
and weights that it would have had without the stop. What a run holds, and how it is read and
checked later, is in `condlesson.runs`.

This is the only module of the package that writes files.
"""

import io
import json
import math
import pickle
import platform
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch
from torch import nn

from condlesson.data import Mnist, to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.probes import lie_matrix, loss_by_timestep
from condlesson.runs import (
    CANARY_TOLERANCES,
    WEIGHTS_TOLERANCE,
    Run,
    RunError,
    canary_drift,
    canary_losses,
    digest,
    run_name,
    weights_loss,
)
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

__all__ = ["record"]

LIE_IMAGES = 64
LIE_TIMESTEPS = 10
CHECKPOINT_SECONDS = 30


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
    """
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
    drift = canary_drift(then["canary"], origin["canary"], CANARY_TOLERANCES)
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
    raw = _npz(tensors)
    file = f"{run_name(config)}.npz"
    _write_whole(out / file, raw)
    rounded = make_model(config)
    rounded.load_state_dict(tensors)
    return {
        "file": file,
        "sha256": digest(raw),
        "dtype": "float16",
        "canary_loss": weights_loss(rounded, config),
        "tolerance": WEIGHTS_TOLERANCE,
    }


def _npz(tensors: dict[str, torch.Tensor]) -> bytes:
    """NumPy's archive of arrays, which every reader can open without a further package."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value.numpy() for name, value in tensors.items()})
    return buffer.getvalue()


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
