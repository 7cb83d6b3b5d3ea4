"""The conductor's score."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from condlesson.figures.moving import Moving, pack
from condlesson.probes import layer_inputs, modulations

__all__ = ["score"]

EDGES = torch.linspace(-4, 4, 41)  # of the histograms, in standard deviations of a group


@torch.no_grad()
def score(
    model: nn.Module, t: Tensor, x_t: Tensor, told: int, blocks: Sequence[str], channels: int = 32
) -> Moving:
    """The conductor's score: drag t, and see gamma and beta, and what they do to a feature map.

    The map is the normalised one in front of gamma and beta, and stays the same for every t.

    Args:
        model: A network with an `AdaGN` as the first norm of each block.
        t: The N timesteps that can be chosen, evenly spaced from 0 on.
        x_t: Noised images of shape (B, 1, H, W), from which the maps are made.
        told: The timestep that the network is told for that.
        blocks: Names of its blocks.
        channels: How many channels of each are shown, the first ones.
    """
    norms = [f"{block}.norm_1.norm" for block in blocks]
    maps = layer_inputs(model, x_t, torch.full((len(x_t),), told), norms)
    played, shown = modulations(model, t), {}
    for block, norm in zip(blocks, norms, strict=True):
        gamma, beta = (values[:, :channels] for values in played[block])
        h = model.get_submodule(norm)(maps[norm])[:, :channels].transpose(0, 1).flatten(1)
        passed = [_passed(h, *both) for both in zip(gamma, beta, strict=True)]
        shown[block] = {
            "gamma": pack(gamma, 3),
            "beta": pack(beta, 3),
            "passed": pack(torch.stack(passed)),
            "histograms": pack(torch.stack([_density(values) for values in h])),
        }
    data = {"t": t.tolist(), "channels": channels, "edges": EDGES.tolist(), "blocks": shown}
    return Moving("score", data)


def _passed(h: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Share of a channel's values that a ReLU lets pass, h of shape (C, N), gamma of shape (C,)."""
    return ((1 + gamma)[:, None] * h + beta[:, None] > 0).float().mean(dim=1)


def _density(values: Tensor) -> Tensor:
    """Share of values in each bin of `EDGES`, by the bin's width."""
    return torch.histogram(values, EDGES, density=False).hist / len(values) / EDGES.diff()
