"""What the record of a run can hold: shape, type and range of every field."""

import math
import re
from collections.abc import Mapping
from datetime import date, datetime

from condlesson.arguments import check_choice
from condlesson.config import TrainConfig
from condlesson.experiment.canaries import CANARY_TOLERANCES, WEIGHTS_TOLERANCE
from condlesson.experiment.outputs import OUTPUTS_TOLERANCE
from condlesson.experiment.records import check_keys, check_numbers, check_sha256
from condlesson.experiment.weights import DTYPES

__all__ = ["RERUN_TOLERANCES", "check_record"]

# Relative: what the same run gives on another kind of machine. On the same kind, with as many
# threads, it gives the same digits. Of nine runs that were recorded on two kinds of processor,
# training losses moved by at most 0.0058, validation losses by 0.032, and the final ones by 0.0195:
# at a constant learning rate, a network jumps about until its last step.
RERUN_TOLERANCES = {"train_loss": 0.01, "val_loss": 0.04, "final_val_loss": 0.025}
NUM_BINS = 10  # of the loss by timestep
OUTPUTS_CANARY = 18  # numbers: four moments, and the movement of seven blocks at two timesteps


def check_record(record: Mapping, config: TrainConfig, name: str) -> None:
    """Refuse a record with a field that no training writes.

    Args:
        record: Its fields, without the checksum.
        config: Its configuration.
        name: The run's name.

    Raises:
        TypeError: A field has another type.
        ValueError: A field has another shape, is out of range, or does not fit the others.
    """
    for field in ("train_loss", "val_loss", "seconds"):
        check_numbers(field, record[field], count=config.epochs)
    final = record.get("final")
    _check_final(final, config)
    _check_bins(record["val_loss_by_t"], config, final["loss"] if final else record["val_loss"][-1])
    _check_lie(record["lie"], config.num_timesteps)
    _check_canary(record["canary"])
    _check_provenance(record["provenance"])
    check_keys("tolerances", record["tolerances"], RERUN_TOLERANCES)
    for field, tolerance in RERUN_TOLERANCES.items():
        check_numbers(f"tolerances.{field}", [record["tolerances"][field]], high=tolerance)
    if record["weights"] is not None:
        _check_weights(record["weights"], f"{name}.npz")
    if record["outputs"] is not None:
        _check_outputs(record["outputs"], f"{name}-outputs.npz")


def _check_final(final: object, config: TrainConfig) -> None:
    if not config.final_images:
        if final is not None:
            raise ValueError(f"final must be there with final_images only, got {final!r}")
        return
    keys = ["loss", *["last_weights"] * (config.ema_decay > 0)]
    keys += ["without_class"] * config.told_class
    check_keys("final", final, keys)
    check_numbers("final", list(final.values()))


def _check_bins(bins: object, config: TrainConfig, loss: float) -> None:
    """Bins of equal size must average to the loss that they are the parts of."""
    if not isinstance(bins, list) or len(bins) != NUM_BINS:
        raise ValueError(f"val_loss_by_t must be a list of {NUM_BINS} losses, got {bins!r}")
    filled = [value for value in bins if value is not None]
    check_numbers("val_loss_by_t", filled)
    images = config.final_images or config.val_images
    if len(filled) < NUM_BINS or images % NUM_BINS:
        return
    mean = sum(filled) / NUM_BINS
    if not math.isclose(mean, loss, rel_tol=1e-4):
        raise ValueError(f"val_loss_by_t must average to {loss}, got {mean}")


def _check_lie(lie: object, num_timesteps: int) -> None:
    check_keys("lie", lie, ("timesteps", "loss"))
    told = lie["timesteps"]
    is_rising = isinstance(told, list) and told == sorted({t for t in told if type(t) is int})
    if not is_rising or not told or not 0 <= told[0] <= told[-1] < num_timesteps:
        raise ValueError(f"lie.timesteps must rise within 0 .. {num_timesteps - 1}, got {told!r}")
    if not isinstance(lie["loss"], list) or len(lie["loss"]) != len(told):
        raise ValueError(f"lie.loss must have {len(told)} rows, got {lie['loss']!r}")
    for row in lie["loss"]:
        check_numbers("lie.loss", row, count=len(told))


def _check_canary(canary: object) -> None:
    check_keys("canary", canary, ("losses", "tolerances"))
    check_numbers("canary.losses", canary["losses"], count=len(CANARY_TOLERANCES))
    check_numbers("canary.tolerances", canary["tolerances"], count=len(CANARY_TOLERANCES))
    for given, most in zip(canary["tolerances"], CANARY_TOLERANCES, strict=True):
        check_numbers("canary.tolerances", [given], high=most)


def _check_provenance(provenance: object) -> None:
    texts = ("device", "device_type", "torch", "recorded", "data_sha256")
    keys = (*texts, "threads", "wall_seconds")
    check_keys("provenance", provenance, keys, "started processes")
    for field in texts:
        if not isinstance(provenance[field], str) or not provenance[field]:
            raise TypeError(f"provenance.{field} must be a text, got {provenance[field]!r}")
    recorded = provenance["recorded"]
    if not recorded.isascii() or not re.fullmatch(r"\d{4}-\d\d-\d\d", recorded):
        raise ValueError(f"provenance.recorded must be a date, got {recorded!r}")
    date.fromisoformat(recorded)
    check_choice("provenance.device_type", provenance["device_type"], ("cpu", "cuda", "mps"))
    if "started" in provenance:
        datetime.fromisoformat(provenance["started"])
    for field in ("threads", "processes"):
        count = provenance.get(field, 1)
        if type(count) is not int or count < 1:
            raise ValueError(f"provenance.{field} must be 1 or more, got {count!r}")
    check_numbers("provenance.wall_seconds", [provenance["wall_seconds"]])
    check_sha256("provenance.data_sha256", provenance["data_sha256"])


def _check_weights(weights: object, file: str) -> None:
    check_keys("weights", weights, ("file", "sha256", "dtype", "canary_loss", "tolerance"))
    _check_file("weights", weights, file)
    if weights["dtype"] not in DTYPES:
        raise ValueError(f"weights.dtype must be {' or '.join(DTYPES)}, got {weights['dtype']!r}")
    check_numbers("weights.canary_loss", [weights["canary_loss"]])
    check_numbers("weights.tolerance", [weights["tolerance"]], high=WEIGHTS_TOLERANCE)


def _check_outputs(outputs: object, file: str) -> None:
    check_keys("outputs", outputs, ("file", "sha256", "canary", "tolerance"))
    _check_file("outputs", outputs, file)
    check_numbers("outputs.canary", outputs["canary"], count=OUTPUTS_CANARY)
    check_numbers("outputs.tolerance", [outputs["tolerance"]], high=OUTPUTS_TOLERANCE)


def _check_file(part: str, about: Mapping, file: str) -> None:
    if about["file"] != file:
        raise ValueError(f"{part}.file must be {file}, got {about['file']!r}")
    check_sha256(f"{part}.sha256", about["sha256"])
