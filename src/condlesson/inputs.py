"""What a network takes: images on its own device, and timesteps for them."""

from numbers import Real

import torch
from torch import Tensor

from condlesson.arguments import as_float
from condlesson.tensors import check_tensor

__all__ = [
    "as_batch",
    "autocasts",
    "check_image",
    "check_labels",
    "check_like",
    "check_timesteps",
    "one_for_each",
]


def check_image(x_t: Tensor, weights: Tensor) -> None:
    """Refuse what the two poolings cannot halve, and what these weights cannot be applied to.

    Raises:
        TypeError: The images have another type than the weights, and no autocast to change that.
        ValueError: They have another shape, or are on another device.
    """
    check_tensor(x_t, "x_t")
    if x_t.ndim != 4 or x_t.shape[1] != 1 or x_t.shape[2] % 4 or x_t.shape[3] % 4:
        raise ValueError(
            "x_t must have the shape (B, 1, H, W) with H and W multiples of 4, "
            f"got {tuple(x_t.shape)}."
        )
    if not x_t.numel():
        raise ValueError(f"x_t must hold at least one pixel, got shape {tuple(x_t.shape)}.")
    check_like("x_t", x_t, weights)


def check_like(name: str, value: Tensor, weights: Tensor) -> None:
    """Refuse what lies on another device than the weights, or that they cannot be applied to.

    Raises:
        TypeError: The value has another type, and no autocast to change that.
        ValueError: It is on another device.
    """
    if value.device != weights.device:
        raise ValueError(
            f"{name} must be on the device of the weights, {weights.device}, got {value.device}. "
            f"Move it: {name}.to({str(weights.device)!r})."
        )
    if value.dtype == weights.dtype:
        return
    if not (autocasts(value) and value.is_floating_point()):
        raise TypeError(
            f"{name} must have the type of the weights, {weights.dtype}, got {value.dtype}. "
            f"Convert it: {name}.to({weights.dtype})."
        )


def autocasts(like: Tensor) -> bool:
    """Whether autocast is on where this tensor lies; some devices, such as `meta`, have none."""
    device = like.device.type
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def check_labels(labels: Tensor, count: int) -> None:
    """Refuse labels that are no tensor (TypeError), or not one for each of so many images."""
    check_tensor(labels, "labels")
    if labels.shape != (count,):
        raise ValueError(
            f"labels must have the shape ({count},), one class for each image, got "
            f"{tuple(labels.shape)}. One class for all: torch.full(({count},), 7)."
        )


def one_for_each(t: float | Tensor, x_t: Tensor) -> Tensor:
    """Timesteps (B,) for the images x_t (B, ...), of one for all or of one for each.

    Raises:
        TypeError: t holds no real numbers.
        ValueError: It has another shape, is not finite, or is on `meta`, where nothing is computed.
    """
    try:
        t = torch.as_tensor(t)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise TypeError(f"t must be a timestep or a tensor of them, got {t!r}.") from error
    if t.is_meta:
        raise ValueError("t must be on a device that computes, got a tensor on meta.")
    check_timesteps(t)
    if t.ndim == 0:
        t = t.expand(len(x_t))
    if t.shape != x_t.shape[:1]:
        raise ValueError(
            f"t must be one timestep, or one for each of the {len(x_t)} images, "
            f"got shape {tuple(t.shape)}."
        )
    return t


def check_timesteps(t: Tensor) -> None:
    """Refuse what is no real number (TypeError) or not finite (ValueError)."""
    check_tensor(t, "t")
    if t.dtype == torch.bool or t.is_complex():
        raise TypeError(
            f"t must be integer or floating, got dtype {t.dtype}. Convert it: t.long()."
        )
    has_values = t.is_floating_point() and not t.is_meta  # of integers, no GPU waits to be asked
    if has_values and not t.double().isfinite().all():
        raise ValueError(
            "t must be finite, got a nan or an infinity. Is there a division by 0 or a log of 0 "
            "where t is made?"
        )


def as_batch(t: float | Tensor) -> Tensor:
    """Make t a floating tensor of shape (B,), in float32 at least."""
    if isinstance(t, Real) and not isinstance(t, bool):
        t = torch.tensor(as_float(t), dtype=torch.float32)
    if not isinstance(t, Tensor):
        raise TypeError(
            f"t must be a number or a torch.Tensor, got {type(t).__name__}. "
            "Make a tensor of it: torch.as_tensor(t)."
        )
    check_timesteps(t)
    if t.ndim > 1:
        raise ValueError(
            f"t must be a number, a 0-d or a 1-d tensor, got shape {tuple(t.shape)}. "
            "Give one timestep for each image of the batch: t.flatten()."
        )
    return t.reshape(-1).to(torch.float64 if t.dtype == torch.float64 else torch.float32)
