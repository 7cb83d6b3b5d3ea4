"""Figures that a reader can move on the book's pages: what their scripts need to know.

Each function returns a `Moving`. A cell that ends with one stands below a cell that draws a still
figure, by `plots`. On the page a script puts the moving figure in the still one's place;
in a notebook, in print and without scripts the still one stays.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from condlesson.experiment.outputs import denoise_lied_to, to_bytes
from condlesson.probes import layer_inputs, modulations

__all__ = ["Moving", "clock", "lies", "pack", "score", "similarity"]

EDGES = torch.linspace(-4, 4, 41)  # of the histograms, in standard deviations of a group


@dataclass(frozen=True)
class Moving:
    """Data of a figure that moves, for the script of the same name in ``book/_static/moving``.

    Attributes:
        name: Name of the script and of the figure's template, without their endings.
        data: What the script reads: numbers, texts, lists and mappings of them.
    """

    name: str
    data: Mapping[str, object]

    def __repr__(self) -> str:
        return f"Moving({self.name!r})"

    def _repr_html_(self) -> str:
        text = json.dumps(self.data, separators=(",", ":")).replace("<", r"\u003c")
        data = f'<script type="application/json" data-moving="{self.name}">{text}</script>'
        return f"{data}<p>On the page of the book, the figure above moves.</p>"


def clock(frequencies: Tensor, *, num_timesteps: int = 1000) -> Moving:
    """The clock with many hands: drag t, and see all hands turn.

    Args:
        frequencies: As `condlesson.embeddings.sinusoidal_frequencies` gives them, shape (K,).
        num_timesteps: T, the length of a run.
    """
    return Moving("clock", {"frequencies": frequencies.tolist(), "steps": num_timesteps})


def similarity(matrices: Mapping[str, Tensor], t: Tensor, closed_form: Tensor) -> Moving:
    """The similarity explorer: choose a timestep, and see how alike all others are to it.

    Args:
        matrices: For each embedding's label, the cosine similarities of all pairs, shape (N, N).
        t: The N timesteps, evenly spaced from 0 on.
        closed_form: Similarity of two sinusoids by the distance of their timesteps, 0 .. t[-1].
    """
    upper = tuple(torch.triu_indices(len(t), len(t)))  # the matrices are symmetric
    data = {
        "t": t.tolist(),
        "matrices": {label: pack(matrix[upper]) for label, matrix in matrices.items()},
        "closed_form": pack(closed_form),
    }
    return Moving("similarity", data)


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


def pack(values: Tensor, decimals: int = 4) -> dict[str, object]:
    """Many numbers in few characters: whole multiples of a small step, 16 bits each.

    Args:
        values: Any shape, finite.
        decimals: How many decimals are kept.

    Returns:
        ``step``, the size of a step, and ``base64``, the little-endian multiples, the last
        dimension fastest.

    Raises:
        ValueError: A value is too large for 16 bits, or not finite.
    """
    steps = (values.double() * 10**decimals).round()
    if not (steps.abs() < 2**15).all():  # not so for a nan either
        raise ValueError(
            f"values must be finite and below {2**15 / 10**decimals:g}, "
            f"got {values.abs().max().item():g}."
        )
    whole = steps.to(torch.int16).numpy().astype("<i2")
    return {"step": 10.0**-decimals, "base64": base64.b64encode(whole.tobytes()).decode()}


def _passed(h: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Share of a channel's values that a ReLU lets pass, h of shape (C, N), gamma of shape (C,)."""
    return ((1 + gamma)[:, None] * h + beta[:, None] > 0).float().mean(dim=1)


def _density(values: Tensor) -> Tensor:
    """Share of values in each bin of `EDGES`, by the bin's width."""
    return torch.histogram(values, EDGES, density=False).hist / len(values) / EDGES.diff()


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
