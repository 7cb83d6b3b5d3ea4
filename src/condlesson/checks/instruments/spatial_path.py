"""The rest of a U-Net, beside its timestep: head, skip connections, convolutions."""

from collections import Counter
from itertools import pairwise

import torch
from torch import Tensor, nn

from condlesson import unet
from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.parameters import overwritten
from condlesson.checks.instruments.trace import record

__all__ = ["check_head", "check_skips", "path_notes"]

HEADS = {
    "": lambda out: out,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "ReLU": torch.relu,
    "a clamp to [-1, 1]": lambda out: out.clamp(-1, 1),
}


def check_head(model: nn.Module, x: Tensor) -> None:
    """Refuse a prediction that went through an activation behind the last convolution."""
    ends = [_end(model, x, factor) for factor in (1.0, 8.0)]  # a clamp shows in large values only
    if any(last.shape != out.shape for last, out in ends):
        return
    for name, function in HEADS.items():
        if all(torch.allclose(out, function(last), atol=1e-5) for last, out in ends):
            if name:
                raise Wrong(
                    f"The prediction goes through {name}, and noise can take every value. End "
                    "with the last convolution."
                )
            return


def _end(model: nn.Module, x: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """What the last convolution makes, and the prediction, with all weights so much larger."""
    t = torch.tensor([5])
    loud = {p: factor * p.detach() for p in model.parameters() if p.ndim == 4}
    with overwritten(loud), torch.no_grad():
        outputs = [o.output for o in record(model, x, t) if o.name == "convolution"]
        return outputs[-1], model(x, t)


def check_skips(model: nn.Module, x: Tensor) -> None:
    """Refuse a decoder that sees nothing of the encoder's feature map of its own size.

    What is left of another image, when all that came from below is this image's?
    """
    t = torch.tensor([5])
    one = record(model, x, t)
    last = {o.output.shape[2]: index for index, o in enumerate(one) if o.is_map}
    sizes = {o.output.shape[2] for o in one if o.is_map and o.name == "convolution"}
    for below, size in pairwise(sorted(sizes - {1})):
        given = {last[below]: one[last[below]].output}
        other = record(model, x.flip(3) + 1, t, given)
        if torch.equal(other[last[size]].output, one[last[size]].output):
            raise Wrong(
                f"The skip connection at {size} x {size} pixels is missing: the decoder there "
                "sees nothing of the encoder's feature map. Join both: torch.cat([up, skip], "
                "dim=1)."
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
            "These parameters are not used; are they left over from the class that you started "
            "from?"
        )
    page = unet.UNetSinusoidal()
    ours = Counter(tuple(p.shape) for p in page.parameters() if p.ndim == 4)
    yours = Counter(tuple(p.shape) for p in set(model.parameters()) - clock if p.ndim == 4)
    if yours != ours:
        count, wanted = unet.count_parameters(model), unet.count_parameters(page)
        notes.append(
            f"Note: the convolutions differ from the page's, and the parameters are {count:,} "
            f"instead of {wanted:,}. Only with the same spatial path is a comparison of losses "
            "fair."
        )
    return notes
