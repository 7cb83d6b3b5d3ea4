"""The rest of a U-Net, beside its timestep: head, skip connections, convolutions."""

from collections import Counter

import torch
from torch import Tensor, nn

from condlesson import unet
from condlesson.checks.entrance import record
from condlesson.checks.running import Wrong

__all__ = ["check_head", "path_notes"]


def check_head(model: nn.Module, x: Tensor) -> None:
    """Refuse a prediction that went through an activation behind the last convolution."""
    t = torch.tensor([5])
    last = [o.output for o in record(model, x, t) if o.name == "convolution"][-1]
    with torch.no_grad():
        out = model(x, t)
    if out.shape != last.shape or torch.allclose(out, last, atol=1e-5):
        return
    for name, function in (("tanh", torch.tanh), ("sigmoid", torch.sigmoid), ("ReLU", torch.relu)):
        if torch.allclose(out, function(last), atol=1e-5):
            raise Wrong(
                f"The prediction goes through {name}, and noise takes every value. End with the "
                "last convolution."
            )


def path_notes(model: nn.Module, dead: list[str], clock: set[nn.Parameter]) -> list[str]:
    """Notes on parameters without a gradient, and on other convolutions than the page's.

    Args:
        model: The network.
        dead: Names of its parameters that no gradient reaches.
        clock: Its parameters on the timestep's path, which are no part of the spatial one.
    """
    notes = []
    if dead:
        notes.append(
            f"Note: no gradient ever reaches {', '.join(dead[:3])}{', ...' * (len(dead) > 3)}. "
            "These parameters are not used; are they left from the class that you started from?"
        )
    page = unet.UNetSinusoidal()
    ours = Counter(tuple(p.shape) for p in page.parameters() if p.ndim == 4)
    yours = Counter(tuple(p.shape) for p in set(model.parameters()) - clock if p.ndim == 4)
    for channels, size in ((192, 14), (96, 28)):
        narrower = (channels * 2 // 3, channels * 2 // 3, 3, 3)
        if (channels * 2 // 3, channels, 3, 3) not in yours and yours[narrower] > ours[narrower]:
            raise Wrong(
                f"The skip connection at {size} x {size} pixels is missing: the decoder there sees "
                f"{channels * 2 // 3} channels instead of {channels}. Join the encoder's: "
                "torch.cat."
            )
    if yours != ours:
        count, wanted = unet.count_parameters(model), unet.count_parameters(page)
        notes.append(
            f"Note: the convolutions differ from the page's, and the parameters are {count:,} "
            f"instead of {wanted:,}. Only with the same spatial path is a comparison of losses "
            "fair."
        )
    return notes
