"""Making recorded runs: training to the end, with checkpoints, and writing what happened.

What a run holds, and how it is read and checked later, is in `runs`; how a run that was stopped
goes on, in `checkpoints`.
"""

import json
import math
import platform
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from condlesson.batches import clean_images, make_batch, validation_count
from condlesson.data import Mnist, load_subset
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.experiment import plan
from condlesson.experiment.canaries import (
    CANARY_TOLERANCES,
    WEIGHTS_TOLERANCE,
    canary_losses,
    weights_loss,
)
from condlesson.experiment.checkpoints import Checkpoint, awaiting_signals, discard, write_whole
from condlesson.experiment.forms import RERUN_TOLERANCES
from condlesson.experiment.judge_records import (
    TOLERANCES,
    JudgeRecord,
    judge_canary,
    judge_scores,
    weights_canary,
)
from condlesson.experiment.judges import make_judge, train_judge
from condlesson.experiment.outputs import (
    OUTPUTS,
    OUTPUTS_TOLERANCE,
    compute_outputs,
    outputs_canary,
)
from condlesson.experiment.records import digest, npz_of, today
from condlesson.experiment.runs import Run, run_name
from condlesson.experiment.weights import restored, stored
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

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["record", "record_judge"]

JUDGE_STEPS = 4_000
LIE_IMAGES = 64
LIE_TIMESTEPS = 10


def _usable(device: torch.device | str) -> torch.device:
    """A device, if a run can be trained on it here."""
    gpus = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    there = ["cpu", *(["cuda", *gpus] if gpus else [])]
    there += ["mps"] if torch.backends.mps.is_available() else []
    if str(device) not in there:
        raise ValueError(f"device must be one of {', '.join(there)}, got {str(device)!r}.")
    return torch.device(device)


def record(
    config: TrainConfig,
    data: Mnist,
    out: str | Path,
    *,
    device: torch.device | str = "cpu",
    weights: bool = False,
    outputs: bool = False,
    on_step: Callable[[TrainState], None] = lambda state: None,
    accelerator: "Accelerator | None" = None,
) -> Run | None:
    """Train to the end and write the run; go on from a checkpoint if an earlier try left one.

    A checkpoint is written every half minute and before every validation, and removed at the end.
    Ctrl-C and SIGTERM wait for the step's end and leave one too.

    Args:
        config: What to train.
        data: The data set.
        out: Folder for the run's files; it is made if need be.
        device: Where to train; accelerate's device if there is an accelerator.
        weights: Whether to write the weights, in float16; those of the plan's runs in int8.
        outputs: Whether to write what the trained network does (`condlesson.experiment.outputs`).
        on_step: Called after every step and every validation.
        accelerator: Of several processes that train this run together; None for a single one.

    Returns:
        The run, as written; None in the processes that leave the writing to the main one.

    Raises:
        ValueError: The data set is too small or another one than the configuration's, the device
            is not there, or the loss is no longer a finite number.
        RunError: The checkpoint is damaged, or was made with other code, data, machine or torch.
    """
    if data.name != config.dataset:
        raise ValueError(f"data must be {config.dataset}, as dataset says, got {data.name}.")
    if config.final_images:  # or all epochs would be trained for nothing
        validation_count(config, data, final=True)
    device = _usable(device) if accelerator is None else accelerator.device
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    state = TrainState.start(config, device)
    checkpoint = Checkpoint(
        out / f"{run_name(config)}.checkpoint", _origin(config, data, device, accelerator)
    )
    discard_leftovers(config, out)
    checkpoint.load(state)
    _train_on(state, data, checkpoint, on_step, accelerator)
    if not _writes(accelerator):
        return None
    run = _describe(state, data, checkpoint.origin)
    if weights:
        run = replace(run, weights=_write_weights(state.judged, config, out))
    if outputs:
        run = replace(run, outputs=_write_outputs(state.judged, config, data, out))
    text = json.dumps(run.to_json(), indent=1) + "\n"
    write_whole(out / f"{run.name}.json", text.encode())
    discard_leftovers(config, out)
    return run


def record_judge(
    kind: str, data: Mnist, out: str | Path, *, steps: int = JUDGE_STEPS, seed: int = 0
) -> JudgeRecord:
    """Train a judge, in seconds on a CPU, and write it.

    Args:
        kind: One of `condlesson.experiment.judges.KINDS`.
        data: The data set.
        out: Folder for its files; it is made if need be.
        steps: Steps of 128 images.
        seed: Seed of its weights and of what it is shown.

    Returns:
        The record, as written.

    Raises:
        ValueError: The kind is unknown.
    """
    out = Path(out)
    judge = make_judge(kind, seed)
    for _ in train_judge(judge, kind, data, steps, seed):
        pass
    weights = {name: value.half() for name, value in judge.state_dict().items()}
    judge.load_state_dict(weights)  # what is judged is what is written
    raw = npz_of({name: value.numpy() for name, value in weights.items()})
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / f"{kind}.npz", raw)
    record = JudgeRecord(
        kind=kind,
        seed=seed,
        steps=steps,
        scores=judge_scores(judge, kind, data),
        canary={
            "losses": [*judge_canary(kind, seed), weights_canary(judge, kind)],
            "tolerances": TOLERANCES,
        },
        provenance={
            "device": _cpu_name(),
            "torch": str(torch.__version__),
            "recorded": today(),
            "data_sha256": data.checksum(),
        },
        weights={"file": f"{kind}.npz", "sha256": digest(raw)},
    )
    text = json.dumps(record.to_json(), indent=1) + "\n"
    write_whole(out / f"{kind}.json", text.encode())
    return record


def discard_leftovers(config: TrainConfig, out: str | Path) -> None:
    """Remove a checkpoint that is older than the run's record: the run was killed at its very end.

    A younger one belongs to a run that is being recorded again.
    """
    record = Path(out) / f"{run_name(config)}.json"
    checkpoint = record.with_name(f"{run_name(config)}.checkpoint")
    if record.exists() and not _younger(checkpoint, record):
        discard(checkpoint)


def _younger(path: Path, than: Path) -> bool:
    return path.exists() and path.stat().st_mtime_ns > than.stat().st_mtime_ns


def _train_on(
    state: TrainState,
    data: Mnist,
    checkpoint: Checkpoint,
    on_step: Callable[[TrainState], None],
    accelerator: "Accelerator | None",
) -> None:
    """Train to the end, or until a signal comes, with a checkpoint for the next time."""
    with awaiting_signals() as came:
        for _ in train(state, data, accelerator=accelerator):
            _check_finite(state.config, [*state.train_loss, *state.val_loss])
            if _writes(accelerator):
                checkpoint.keep(state)
            on_step(state)
            if came:
                break
    if came:
        if _writes(accelerator):
            checkpoint.save(state)
        signal.raise_signal(came[0])
        raise KeyboardInterrupt  # a handler of somebody else's may return


def _writes(accelerator: "Accelerator | None") -> bool:
    return accelerator is None or accelerator.is_main_process


def _origin(
    config: TrainConfig, data: Mnist, device: torch.device, accelerator: "Accelerator | None" = None
) -> dict:
    """What must stay the same from a run's first step to its last."""
    canary = canary_losses(config)
    _check_finite(config, canary)
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "device_type": device.type,
        "threads": torch.get_num_threads(),
        "processes": 1 if accelerator is None else accelerator.num_processes,
        "torch": str(torch.__version__),
        "data_sha256": data.checksum(),
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "canary": canary,
    }


def _check_finite(config: TrainConfig, losses: list[float]) -> None:
    if not all(map(math.isfinite, losses)):
        raise ValueError(
            f"the losses of {run_name(config)} must be finite, got {losses}. "
            f"Lower learning_rate, {config.learning_rate:g}."
        )


def _describe(state: TrainState, data: Mnist, origin: dict) -> Run:
    config, device = state.config, next(state.model.parameters()).device
    batches = validation_batches(config, data, device, final=True)
    losses = evaluate(state.judged, batches)
    t = torch.cat([b.t for b in batches]).cpu()
    by_t = loss_by_timestep(losses, t, config.num_timesteps).tolist()
    told = _lie_timesteps(config)
    lie = lie_matrix(state.judged, _lie_batches(config, data, device), told)
    final = _final(state, batches, losses) if config.final_images else None
    _check_finite(config, list(final.values()) if final else [])
    return Run(
        config=config,
        train_loss=state.train_loss,
        val_loss=state.val_loss,
        seconds=[round(s, 2) for s in state.seconds],
        val_loss_by_t=[None if math.isnan(loss) else loss for loss in by_t],
        lie={"timesteps": told, "loss": lie.tolist()},
        canary={"losses": origin["canary"], "tolerances": CANARY_TOLERANCES},
        provenance=_provenance(state, origin),
        tolerances=RERUN_TOLERANCES,
        weights=None,
        outputs=None,
        final=final,
    )


def _final(state: TrainState, batches: list[Batch], losses: Tensor) -> dict[str, float]:
    """The final loss on images of the run's seed, and what it is with other weights or no class."""
    final = {"loss": losses.mean().item()}
    if state.average is not None:
        final["last_weights"] = evaluate(state.model, batches).mean().item()
    if state.config.told_class:
        untold = evaluate(state.judged, batches, told_class=False)
        final["without_class"] = untold.mean().item()
    return final


def _provenance(state: TrainState, origin: dict) -> dict:
    return {
        "device": origin["device"],
        "device_type": origin["device_type"],
        "threads": origin["threads"],
        **({"processes": origin["processes"]} if origin["processes"] > 1 else {}),
        "torch": origin["torch"],
        "started": origin["started"],
        "recorded": today(),
        "wall_seconds": round(sum(state.seconds), 1),
        "data_sha256": origin["data_sha256"],
    }


def _lie_timesteps(config: TrainConfig) -> list[int]:
    spacing = config.num_timesteps / LIE_TIMESTEPS
    return [int((k + 0.5) * spacing) for k in range(LIE_TIMESTEPS)]


def _lie_batches(config: TrainConfig, data: Mnist, device: torch.device) -> dict[int, Batch]:
    """One batch for each true timestep, of the same images and the same noise."""
    generator = stream(config.seed if config.final_images else 0, "lie")
    chosen = torch.randperm(len(data.test_images), generator=generator)[:LIE_IMAGES]
    x_0 = clean_images(config, data.test_images[chosen])
    noise = torch.randn(x_0.shape, generator=generator)
    labels = data.test_labels[chosen].long() if config.told_class else None
    schedule = alphas_cumprod(linear_beta_schedule(config.num_timesteps))
    batches = {}
    for t in _lie_timesteps(config):
        batch = make_batch(x_0, torch.full((len(x_0),), t), noise, schedule, labels)
        batches[t] = batch.each(lambda values: values.to(device))
    return batches


def _write_weights(model: nn.Module, config: TrainConfig, out: Path) -> dict:
    dtype = "int8" if config in plan.WITH_WEIGHTS else "float16"
    arrays = stored(model.state_dict(), dtype)
    raw = npz_of(arrays)
    file = f"{run_name(config)}.npz"
    write_whole(out / file, raw)
    rounded = make_model(config)
    rounded.load_state_dict(restored(arrays))
    return {
        "file": file,
        "sha256": digest(raw),
        "dtype": dtype,
        "canary_loss": weights_loss(rounded, config),
        "tolerance": WEIGHTS_TOLERANCE,
    }


def _write_outputs(model: nn.Module, config: TrainConfig, data: Mnist, out: Path) -> dict:
    raw = npz_of(compute_outputs(model, config, data, OUTPUTS))
    file = f"{run_name(config)}-outputs.npz"
    write_whole(out / file, raw)
    return {
        "file": file,
        "sha256": digest(raw),
        "canary": outputs_canary(config, load_subset()),
        "tolerance": OUTPUTS_TOLERANCE,
    }


def _cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
