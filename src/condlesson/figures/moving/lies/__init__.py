"""The lies that a network is told."""

import base64
import io
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from condlesson.experiment.outputs import denoise_lied_to, to_bytes
from condlesson.figures.moving import Moving, pack

__all__ = ["lies"]


@torch.no_grad()
def lies(models: Mapping[str, nn.Module], x_0: Tensor, noised: Mapping[int, Tensor]) -> Moving:
    """Tell the network a lie: choose the true timestep and the one that it is told.

    Args:
        models: For each label a network, called as model(x_t, t).
        x_0: A clean image, shape (1, 1, H, W).
        noised: For each true timestep the noised image, of the same shape; the network is told
            each of these timesteps in turn.
    """
    t, images, errors = list(noised), [x_0, *noised.values()], {}
    for label, model in models.items():
        rows = torch.stack([denoise_lied_to(model, x_t, true, t) for true, x_t in noised.items()])
        errors[label] = pack((rows - x_0).square().mean(dim=(2, 3, 4, 5)).sqrt())
        images += rows.flatten(0, 2).split(1)
    sheet = _sheet(to_bytes(torch.cat(images).view(-1, *x_0.shape[1:])), len(t))
    return Moving("lies", {"t": t, "errors": errors, "sheet": sheet})


def _sheet(images: np.ndarray, columns: int) -> dict[str, object]:
    """Images (N, H, W) row by row on one sheet, as an address that holds it; nothing is lost."""
    from PIL import Image

    _, height, width = images.shape
    padded = np.concatenate([images, np.zeros((-len(images) % columns, height, width), np.uint8)])
    rows = padded.reshape(-1, columns, height, width).swapaxes(1, 2)
    Image.fromarray(rows.reshape(-1, columns * width)).save(
        file := io.BytesIO(), "WEBP", lossless=True, quality=100, method=6
    )
    address = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"address": address, "columns": columns, "size": width, "rows": len(rows)}
