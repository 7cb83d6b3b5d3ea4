"""What a network takes: images on its own device, and timesteps for them."""

import torch
from torch import Tensor

from condlesson.embeddings import check_timesteps

__all__ = ["autocasts", "check_image", "check_labels", "one_for_each"]


def check_image(x_t: Tensor, weights: Tensor) -> None:
    """Refuse what the two poolings cannot halve, and what these weights cannot be applied to.

    Raises:
        TypeError: The images have another type than the weights, and no autocast to change that.
        ValueError: They have another shape, or are on another device.
    """
    if x_t.ndim != 4 or x_t.shape[1] != 1 or x_t.shape[2] % 4 or x_t.shape[3] % 4:
        raise ValueError(
            "x_t must have the shape (B, 1, H, W) with H and W multiples of 4, "
            f"got {tuple(x_t.shape)}."
        )
    if not x_t.numel():
        raise ValueError(f"x_t must hold at least one pixel, got shape {tuple(x_t.shape)}.")
    if x_t.device != weights.device:
        raise ValueError(
            f"x_t must be on the network's device, {weights.device}, got {x_t.device}. "
            f"Move it: x_t.to({str(weights.device)!r})."
        )
    is_cast = autocasts(x_t) and x_t.is_floating_point()
    if x_t.dtype != weights.dtype and not is_cast:
        raise TypeError(
            f"x_t must have the type of the weights, {weights.dtype}, got {x_t.dtype}. "
            f"Convert it: x_t.to({weights.dtype})."
        )


def autocasts(like: Tensor) -> bool:
    """Whether autocast is on where this tensor lies; some devices, such as `meta`, have none."""
    device = like.device.type
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def check_labels(labels: Tensor, count: int) -> None:
    """Refuse labels that are not one for each of so many images, with a ValueError."""
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
