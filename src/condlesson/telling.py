"""Telling a trained network the time in other ways, and reading it off what the network finds.

Each block of a network with AdaGN reads the time by a layer of its own, so that each can be told
another one. And a network that finds noise shows the time by how much it finds.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from condlesson.probes import BLOCKS

__all__ = ["CONDITIONED", "clock_by_noise_size", "predict_divided", "predict_embedded"]

CONDITIONED = BLOCKS[:-1]  # the head is told nothing


@torch.no_grad()
def predict_divided(model: nn.Module, x_t: Tensor, told: Mapping[str, int]) -> Tensor:
    """Predict the noise while each block is told a timestep of its own.

    Args:
        model: A network whose blocks have a conditioned first norm, as `UNetAdaGN`.
        x_t: Noised images of shape (B, 1, H, W).
        told: The timestep of each block; one that is not named is told 0.

    Returns:
        Predicted noise of the shape of x_t.

    Raises:
        AttributeError: The model has no such block.
    """
    embedded = {block: model.embed(torch.tensor([t])) for block, t in told.items()}
    return predict_embedded(model, x_t, embedded)


@torch.no_grad()
def predict_embedded(model: nn.Module, x_t: Tensor, t_emb: Tensor | Mapping[str, Tensor]) -> Tensor:
    """Predict the noise from embeddings of the timestep in the place of a timestep.

    Args:
        model: A network whose blocks have a conditioned first norm, as `UNetAdaGN`.
        x_t: Noised images of shape (B, 1, H, W).
        t_emb: Shape (1, d_emb), for all blocks or for each by its name; a block that is not named
            gets that of t = 0.

    Returns:
        Predicted noise of the shape of x_t.

    Raises:
        AttributeError: The model has no such block.
    """
    by_block = t_emb if isinstance(t_emb, Mapping) else dict.fromkeys(CONDITIONED, t_emb)
    with ExitStack() as hooks:
        for block, told in by_block.items():
            norm = model.get_submodule(f"{block}.norm_1")
            told = told.expand(len(x_t), -1)
            hook = norm.register_forward_pre_hook(lambda _, given, e=told: (given[0], e))
            hooks.callback(hook.remove)
        return model(x_t, torch.tensor(0))


@torch.no_grad()
def clock_by_noise_size(model: nn.Module, x_t: Tensor, candidates: Sequence[int]) -> Tensor:
    """Read the time off noised images by a network that predicts noise, without a clean image.

    Noise is standard normal at every timestep, so that the noise found has a mean square of about
    1, or a little less, if the network was told the truth. Told too early a time it takes x_t for
    less noisy, and finds more than there can be; told too late, less. The time is about where the
    mean square falls through 1, by a straight line between the candidates, or else the candidate
    nearest to that.

    Args:
        model: Called as model(x_t, t), in evaluation mode.
        x_t: Noised images of shape (B, 1, H, W).
        candidates: The K timesteps to tell, rising.

    Returns:
        Tensor of shape (B,), timesteps.
    """
    told = torch.as_tensor(candidates)
    sizes = [model(x_t, t.expand(len(x_t))).square().mean(dim=(1, 2, 3)) for t in told]
    over = torch.stack(sizes, dim=1) - 1  # (B, K)
    return torch.stack([_crossing(told.float(), row) for row in over])


def _crossing(t: Tensor, over: Tensor) -> Tensor:
    """Where a curve through (t, over) is 0, on one side of the point that is nearest to it."""
    k = int(over.abs().argmin())
    for a, b in ((k - 1, k), (k, k + 1)):
        if a >= 0 and b < len(t) and over[a] * over[b] < 0:
            return (t[a] + (t[b] - t[a]) * over[a] / (over[a] - over[b])).round()
    return t[k]
