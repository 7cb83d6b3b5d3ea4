"""Scale and shift of every channel, measured from outside: what a conditioned norm does.

For one embedding the layer maps each channel of a feature map affinely. Slope and offset against
the normalised channel are (1 + gamma) and beta, if the norm is the one that was asked for: then,
and only then, they are the same for every feature map.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from condlesson.checks.harness.run import Wrong

__all__ = [
    "BATCH",
    "EPS",
    "FORMULA",
    "Affine",
    "Scores",
    "WantedLayer",
    "feature_maps",
    "fit_channels",
    "name_norm",
    "read_scores",
]

FORMULA = "(1 + gamma) * norm(h) + beta"
BATCH = 3  # feature maps and embeddings
HEIGHT, WIDTH = 5, 7
EPS = 1e-5
Layer = Callable[[Tensor, Tensor], Tensor]


class WantedLayer(NamedTuple):
    """The layer that was asked for."""

    num_channels: int
    num_groups: int
    adds_only: bool = False
    width: str = "num_channels"  # name of the argument

    @property
    def formula(self) -> str:
        """What it computes."""
        return "norm(h) + Linear(t_emb)" if self.adds_only else FORMULA

    @property
    def outputs(self) -> str:
        """How many numbers are projected."""
        return self.width if self.adds_only else f"2 * {self.width}"

    @property
    def norm(self) -> str:
        """The norm in this formula."""
        return self.norm_of(self.num_groups, self.num_channels)

    def norm_of(self, num_groups: object, num_channels: object) -> str:
        """A group norm with other numbers, or with names."""
        affine = "" if self.adds_only else ", affine=False"
        return f"nn.GroupNorm({num_groups}, {num_channels}{affine})"


class Affine(NamedTuple):
    """out = slope * h + offset for each feature map and channel, and what that leaves over."""

    slope: Tensor  # (B, C)
    offset: Tensor  # (B, C)
    residual: Tensor  # (B, C), relative to the size of the output


class Scores(NamedTuple):
    """What each of N embeddings does to each channel of the normalised feature map."""

    scale: Tensor  # (N, C): 1 + gamma
    shift: Tensor  # (N, C): beta


def feature_maps(count: int, num_channels: int, seed: int = 3) -> Tensor:
    """Feature maps (count, C, 5, 7) whose channels differ in mean and size."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.rand(count, num_channels, 1, 1, generator=generator) * 2 + 0.5
    mean = torch.randn(count, num_channels, 1, 1, generator=generator) * 2
    noise = torch.randn(count, num_channels, HEIGHT, WIDTH, generator=generator)
    return mean + size * noise


def fit_channels(h: Tensor, out: Tensor) -> Affine:
    """Fit each channel of the output by an affine map of the same channel of the input."""
    x, y = h.double().flatten(2), out.detach().double().flatten(2)
    x_mean, y_mean = x.mean(2, keepdim=True), y.mean(2, keepdim=True)
    slope = ((x - x_mean) * (y - y_mean)).mean(2) / (x - x_mean).square().mean(2)
    offset = y_mean[..., 0] - slope * x_mean[..., 0]
    left = y - slope[..., None] * x - offset[..., None]
    return Affine(slope, offset, left.abs().amax(2) / y.abs().amax().clamp(min=1e-9))


def read_scores(h: Tensor, affine: Affine, num_groups: int) -> Scores:
    """Scale and shift against the group-normalised channels."""
    mean, size = _group_statistics(h, num_groups)
    return Scores(affine.slope * size, affine.offset + affine.slope * mean)


def _group_statistics(h: Tensor, num_groups: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel's group, (B, C)."""
    groups = h.double().reshape(len(h), num_groups, -1)
    per_group = h.shape[1] // num_groups
    mean = groups.mean(2).repeat_interleave(per_group, dim=1)
    size = (groups.var(2, correction=0) + EPS).sqrt().repeat_interleave(per_group, dim=1)
    return mean, size


def name_norm(layer: Layer, asked: WantedLayer, t_emb: Tensor) -> None:
    """Raise `Wrong` unless the layer modulates the group norm that was asked for.

    Args:
        layer: Maps (h, t_emb) to a tensor of the shape of h.
        asked: What was asked for.
        t_emb: One embedding, (1, d_emb), which all feature maps get.
    """
    h = feature_maps(6, asked.num_channels)
    out = layer(h, t_emb.expand(len(h), -1)).detach()
    affine = fit_channels(h, out)
    if affine.residual.max() > 1e-3:
        raise Wrong(_not_affine(layer, h, out, t_emb, asked))
    if _is_steady(affine, *_group_statistics(h, asked.num_groups)):
        return
    raise Wrong(_other_norm(layer, h, affine, t_emb, asked))


def _is_steady(affine: Affine, mean: Tensor, size: Tensor) -> bool:
    """Whether slope and offset against this norm are the same for every feature map."""
    scale, shift = affine.slope * size, affine.offset + affine.slope * mean
    spread = torch.stack([scale - scale.mean(0), shift - shift.mean(0)]).abs().max()
    return bool(spread < 1e-2 * max(scale.abs().max().item(), shift.abs().max().item(), 1e-3))


def _other_norm(layer: Layer, h: Tensor, affine: Affine, t_emb: Tensor, asked: WantedLayer) -> str:
    num_channels, num_groups = asked[:2]
    one, zero = torch.ones_like(affine.slope), torch.zeros_like(affine.slope)
    if _is_steady(affine, zero, one):
        return (
            "Nothing is normalised: scale and shift are applied to the feature map as it is, so "
            "that a feature map ten times as large stays ten times as large. Normalise first: "
            f"{asked.norm}."
        )
    for groups in (k for k in range(1, num_channels + 1) if num_channels % k == 0):
        if _is_steady(affine, *_group_statistics(h, groups)):
            return _other_groups(groups, asked)
    mean, size = _group_statistics(h, num_groups)
    if _is_steady(affine, mean, one):
        return (
            "The mean is subtracted, but the rest is not divided by the standard deviation. Take "
            f"{asked.norm}."
        )
    if _is_steady(affine, zero, (mean.square() + size.square()).sqrt()):
        return (
            "The norm divides by the root mean square and subtracts no mean: it is an RMS norm. "
            f"Group norm subtracts the group's mean first: {asked.norm}."
        )
    if _is_steady(affine, mean, size.square()):
        return "The norm divides by the variance. It must divide by its square root."
    eps = _eps(affine, size)
    if eps > 0 and _is_steady(affine, mean, (size.square() + eps).sqrt()):
        return (
            f"The norm's eps is about {eps:.2g}, and it must be tiny beside the variance, which it "
            f"is added to: leave it at {EPS:g}, {asked.norm}."
        )
    added = _added(affine, size)
    if added > 0 and _is_steady(affine, mean, size + added):
        return (
            f"The norm divides by the standard deviation plus about {added:.2g}. What is added "
            "stands under the root, beside the variance, and is tiny: (variance + 1e-5).sqrt(), as "
            f"in {asked.norm}."
        )
    order = torch.arange(num_channels).reshape(-1, num_groups).T.flatten()
    if _is_steady(
        Affine(affine.slope[:, order], affine.offset[:, order], affine.residual),
        *_group_statistics(h[:, order], num_groups),
    ):
        return (
            f"A group takes every {num_groups}th channel. Group norm takes neighbouring channels: "
            f"{asked.norm}."
        )
    residual = affine._replace(slope=affine.slope - 1)
    if _is_steady(residual, mean, size):
        return "The feature map itself is added to the result. Return the modulated norm alone."
    return _before_the_norm(layer, h, t_emb, asked)


def _eps(affine: Affine, size: Tensor) -> float:
    """What a norm adds to the variance: 1 / slope^2 is linear in both."""
    return _added(affine._replace(slope=affine.slope.square()), size.square())


def _added(affine: Affine, size: Tensor) -> float:
    """What a norm adds to this size, by which it divides: 1 / slope is linear in both."""
    channel = affine.slope.abs().amin(0).argmax()
    x, y = size[:, channel], affine.slope[:, channel].reciprocal()
    line = torch.stack([x, torch.ones_like(x)], dim=1)
    factor, offset = torch.linalg.lstsq(line, y[:, None]).solution.flatten().tolist()
    return offset / factor if factor else 0.0


def _other_groups(groups: int, asked: WantedLayer) -> str:
    kind = {1: ", all channels together, which is a layer norm", asked.num_channels: ", each "
            "channel by itself, which is an instance norm"}.get(groups, "")  # fmt: skip
    return (
        f"The norm works in {groups} group{'s' * (groups > 1)}{kind}, and {asked.num_groups} were "
        f"asked for. Pass num_groups on: {asked.norm_of('num_groups', asked.width)}, here "
        f"{asked.norm}."
    )


def _before_the_norm(layer: Layer, h: Tensor, t_emb: Tensor, asked: WantedLayer) -> str:
    num_channels, num_groups = asked[:2]
    loud = 1e4 * h
    affine = fit_channels(loud, layer(loud, t_emb.expand(len(h), -1)))
    if _is_steady(affine, *_group_statistics(loud, num_groups)):
        kept = 1 - num_groups / num_channels  # of the variance of independent shifts
        return (
            "The shift is added before the norm, and the norm subtracts the mean of each group: "
            f"with as many groups as channels nothing of it would be left, here about {kept:.0%}. "
            f"Add it after the norm: {asked.formula}."
        )
    if _is_standardised(layer(h, t_emb.expand(len(h), -1)).detach(), num_groups):
        return (
            "The norm comes last: whatever t_emb scaled and shifted before it, each group leaves "
            "the norm with mean 0 and size 1. Normalise h first, and then modulate: "
            f"{asked.formula}, with norm = {asked.norm}."
        )
    return (
        "Scale and shift are not applied to the normalised feature map: the same t_emb scales "
        "and shifts each feature map differently. Normalise h first, and only then modulate: "
        f"{asked.formula}, with norm = {asked.norm}."
    )


def _is_standardised(out: Tensor, num_groups: int) -> bool:
    """Whether each group has mean 0 and size 1, as behind a norm without scale and shift."""
    mean, size = _group_statistics(out, num_groups)
    return bool(mean.abs().max() < 1e-2 and (size - 1).abs().max() < 1e-2)


def _not_affine(layer: Layer, h: Tensor, out: Tensor, t_emb: Tensor, asked: WantedLayer) -> str:
    across = F.layer_norm(h.permute(0, 2, 3, 1), h.shape[1:2]).permute(0, 3, 1, 2)
    if fit_channels(across, out).residual.max() < 1e-3:
        return (
            "The norm works across the channels at each pixel: a layer norm. Group norm takes the "
            "pixels of a group of channels together: nn.GroupNorm(num_groups, num_channels)."
        )
    residual = fit_channels(h, out).residual.max().item()
    if residual < 2e-2:
        return (
            f"The result is {asked.formula} but for about {residual:.1%}, as if it was rounded. Is "
            "something converted to bfloat16 or float16? Compute in float32."
        )
    low = out.min().item()
    if low > -0.3:
        return (
            f"No value of the result lies below {low:.2g}, so an activation is applied to it. End "
            "with the modulation; the activation belongs to the block around this layer."
        )
    h_2 = h.clone()
    h_2[:, :, 0, 0] = h_2[:, :, 0, 1]  # two pixels with the same value
    out_2 = layer(h_2, t_emb.expand(len(h), -1)).detach()
    if (out_2[:, :, 0, 0] - out_2[:, :, 0, 1]).abs().max() > 1e-3:
        return (
            "Two pixels with the same value in the same channel come out different, by up to "
            f"{(out_2[:, :, 0, 0] - out_2[:, :, 0, 1]).abs().max():.2g}: scale or shift change "
            "from pixel to pixel. One number serves a whole channel: x[:, :, None, None]."
        )
    return (
        "Within a channel the result is not a linear function of the feature map. The layer is "
        f"{asked.formula}, with the same numbers for all pixels of a channel."
    )
