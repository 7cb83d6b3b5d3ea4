"""The lies that a network is told."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from condlesson.experiment.outputs import denoise_lied_to, to_bytes
from condlesson.figures.moving import Moving, pack, sheet

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
    images = to_bytes(torch.cat(images).view(-1, *x_0.shape[1:]))
    return Moving("lies", {"t": t, "errors": errors, "sheet": sheet(images, len(t))})
