"""Weights as they are stored: in float16, or in int8 with a scale for each output channel.

Weights of two and more dimensions are stored in int8 as

    w = scale * step,   scale = max(abs(w)) / 127,   step = round(w / scale) in -127 .. 127

which takes half the room of float16 and a quarter of that of float32. Everything else stays as it
would be without.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

__all__ = ["DTYPES", "quantised", "restored", "stored"]

DTYPES = ("float16", "int8")
SCALES = ".scales"  # ends the name of a weight's scales


def quantised(name: str, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps in int8, of the shape of the weight, and the scale of each output channel.

    Args:
        name: The weight's name in PyTorch; transposed convolutions, ``up_``, are (in, out, 2, 2).
        weight: Of two or more dimensions.
    """
    axis = _channels(name)
    others = tuple(k for k in range(weight.ndim) if k != axis)
    largest = np.abs(weight).max(axis=others, keepdims=True)
    scales = (np.where(largest > 0, largest, 1) / 127).astype("<f4")
    return np.rint(weight / scales).astype(np.int8), scales.ravel()


def stored(tensors: Mapping[str, Tensor], dtype: str) -> dict[str, np.ndarray]:
    """The arrays of a file of weights.

    Args:
        tensors: What `torch.nn.Module.state_dict` gives.
        dtype: One of `DTYPES`, for what has floating numbers.
    """
    arrays = {}
    for name, tensor in tensors.items():
        values = tensor.cpu().contiguous()
        if dtype == "int8" and values.is_floating_point() and values.ndim > 1:
            arrays[name], arrays[name + SCALES] = quantised(name, values.float().numpy())
        else:
            arrays[name] = (values.half() if values.is_floating_point() else values).numpy()
    return arrays


def restored(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """The other way: tensors by their names in PyTorch, from what `stored` gave."""
    tensors = {}
    for name, array in arrays.items():
        if name + SCALES in arrays:
            wide = [1] * array.ndim
            wide[_channels(name)] = -1
            array = array * arrays[name + SCALES].reshape(wide)
        if not name.endswith(SCALES):
            tensors[name] = torch.from_numpy(array)
    return tensors


def _channels(name: str) -> int:
    """The dimension of the output channels."""
    return 1 if name.startswith("up_") else 0
