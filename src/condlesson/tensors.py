"""Refusals of what is no tensor, or none of floating numbers: the same words everywhere."""

import torch
from torch import Tensor

__all__ = ["check_floating", "check_tensor"]


def check_tensor(value: object, name: str) -> None:
    """Refuse with a TypeError what is no tensor, or one that lists its numbers by their places."""
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name} must be a tensor, got {type(value).__name__}. "
            f"Make one of numbers: torch.as_tensor({name})."
        )
    if value.layout != torch.strided:
        raise TypeError(
            f"{name} must be dense, got the layout {value.layout}. Convert it: {name}.to_dense()."
        )


def check_floating(value: object, name: str, cure: str = "") -> None:
    """Refuse with a TypeError what is no tensor of floating numbers."""
    check_tensor(value, name)
    if not value.is_floating_point():
        raise TypeError(f"{name} must be floating, got {value.dtype}.{cure}")
