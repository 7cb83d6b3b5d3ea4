"""How an embedding of the timestep enters a feature map: adaptive group norm, and addition.

    AdaGN(h, t) = (1 + gamma(t)) * GroupNorm(h) + beta(t),   [gamma, beta] = Linear(t_emb)
    addition(h, t) = h + shift(t)

gamma, beta and shift hold one number for each channel, the same at every pixel.

Source: Dhariwal and Nichol 2021, section 3, arXiv:2105.05233 (AdaGN); Perez et al. 2018,
arXiv:1709.07871 (feature-wise scale and shift); Wu and He 2018, arXiv:1803.08494 (group norm).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.arguments import check_count, check_integer
from condlesson.inputs import check_like
from condlesson.tensors import check_floating, check_tensor

__all__ = ["AdaGN", "AdditiveGN", "add_to_channels"]


class AdaGN(nn.Module):
    """Adaptive group norm: the timestep sets scale and shift of every channel.

    AdaGN(h, t_emb) = (1 + gamma) * GroupNorm(h) + beta,   [gamma, beta] = Linear(t_emb)

    Papers often write gamma without the 1; the two describe the same functions, and with the 1 a
    layer whose gamma and beta are 0 is plain group norm.

    Args:
        num_channels: Channels C of the feature map.
        d_emb: Width of the timestep embedding.
        num_groups: Groups of the norm; num_channels is a multiple of it.
        zero_init: Start with gamma = beta = 0, so that the layer starts as GroupNorm exactly.

    Raises:
        TypeError: In the call, h or t_emb has another type than the weights.
        ValueError: num_channels is not a multiple of num_groups, or one of the three is below 1;
            in the call, h or t_emb has another shape, or is on another device than the weights.

    Source: Dhariwal and Nichol 2021, section 3, arXiv:2105.05233; zero-init as in adaLN-Zero,
    Peebles and Xie 2023, section 3.2, arXiv:2212.09748.
    """

    def __init__(
        self,
        num_channels: int,
        d_emb: int,
        num_groups: int = 32,
        *,
        zero_init: bool = False,
    ) -> None:
        super().__init__()
        check_groups(num_channels, num_groups, d_emb)
        self.num_channels, self.d_emb = num_channels, d_emb
        # TODO 1: the group norm. nn.GroupNorm takes the number of groups first, then
        # the number of channels; affine=False leaves out its own scale and shift.
        self.norm = nn.GroupNorm(num_groups, num_channels, affine=False)
        # END TODO
        # TODO 2: the projection. One nn.Linear from d_emb to a gamma and a beta for each
        # channel, so its output is twice as wide as the feature map has channels.
        self.projection = nn.Linear(d_emb, 2 * num_channels)
        # END TODO
        if zero_init:
            nn.init.zeros_(self.projection.weight)
            nn.init.zeros_(self.projection.bias)

    def forward(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Normalise h (B, C, H, W), then scale and shift it by t_emb (B, d_emb)."""
        check_inputs(h, t_emb, self.num_channels, self.d_emb, *self.parameters())
        # TODO 3: project t_emb, and split the result along its last dimension (.chunk).
        gamma, beta = self.projection(t_emb).chunk(2, dim=-1)  # (B, C) each
        # END TODO
        # TODO 4: return the modulated feature map. Reshape gamma and beta from (B, C)
        # to (B, C, 1, 1), so that one number serves every pixel of its channel.
        gamma, beta = gamma[:, :, None, None], beta[:, :, None, None]  # (B, C, 1, 1)
        return (1 + gamma) * self.norm(h) + beta
        # END TODO


class AdditiveGN(nn.Module):
    """Group norm, and a shift of every channel that the timestep sets.

    AdditiveGN(h, t_emb) = GroupNorm(h) + Linear(t_emb)

    It is AdaGN without its gamma. The norm keeps its own learned scale and shift, which are the
    same for all timesteps. The timestep's shift comes after the norm, where no norm can cancel
    it, in the place that AdaGN's beta has.

    Args:
        num_channels: Channels C of the feature map.
        d_emb: Width of the timestep embedding.
        num_groups: Groups of the norm; num_channels is a multiple of it.

    Raises:
        TypeError: In the call, h or t_emb has another type than the weights.
        ValueError: num_channels is not a multiple of num_groups, or one of the three is below 1;
            in the call, h or t_emb has another shape, or is on another device than the weights.
    """

    def __init__(self, num_channels: int, d_emb: int, num_groups: int = 32) -> None:
        super().__init__()
        check_groups(num_channels, num_groups, d_emb)
        self.num_channels, self.d_emb = num_channels, d_emb
        # TODO 1: the group norm, with a learned scale and shift of its own.
        self.norm = nn.GroupNorm(num_groups, num_channels)
        # END TODO
        # TODO 2: the projection, from d_emb to one number for each channel.
        self.projection = nn.Linear(d_emb, num_channels)
        # END TODO

    def forward(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Normalise h (B, C, H, W), then shift it by t_emb (B, d_emb)."""
        check_inputs(h, t_emb, self.num_channels, self.d_emb, *self.parameters())
        # TODO 3: normalise h, and then add the projected embedding to every channel.
        return add_to_channels(self.norm(h), self.projection(t_emb))
        # END TODO


def add_to_channels(h: Tensor, shift: Tensor) -> Tensor:
    """Add one number per channel to the first channels of h, out of place.

    result[:, c] = h[:, c] + shift[:, c] for c < K, and h[:, c] for the other channels. Out of
    place matters: ``h[:, :K] += ...`` would write into a tensor that the backward pass needs.

    Args:
        h: Feature map of shape (B, C, H, W).
        shift: Shape (B, K) with K <= C.

    Returns:
        Tensor of the shape of h.

    Raises:
        TypeError: h or shift is no tensor.
        ValueError: h has not four dimensions, shift has not two, K is larger than C, or they are on
            two devices.
    """
    check_tensor(h, "h")
    check_tensor(shift, "shift")
    if h.device != shift.device:
        raise ValueError(f"h and shift must be on one device, got {h.device} and {shift.device}.")
    fits = h.ndim == 4 and shift.ndim == 2 and shift.shape[1] <= h.shape[1]
    if not fits or len(shift) not in (1, len(h)):
        raise ValueError(
            "h must have the shape (B, C, H, W) and shift (B, K) with K <= C, "
            f"got {tuple(h.shape)} and {tuple(shift.shape)}."
        )
    shift = F.pad(shift, (0, h.shape[1] - shift.shape[1]))  # (B, C)
    return h + shift[:, :, None, None]


def check_groups(num_channels: int, num_groups: int, d_emb: int = 1) -> None:
    """Refuse channels that the groups do not divide, and an embedding of no width."""
    check_integer(num_channels, "num_channels")
    check_integer(num_groups, "num_groups")
    check_count(d_emb, "d_emb")
    if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
        raise ValueError(
            "num_channels must be a positive multiple of num_groups, "
            f"got {num_channels} channels and {num_groups} groups."
        )
    check_count(num_channels, "num_channels")


def check_inputs(h: Tensor, t_emb: Tensor, num_channels: int, d_emb: int, *weights: Tensor) -> None:
    """Refuse a feature map or an embedding of another shape or type, or elsewhere."""
    for name, value in (("h", h), ("t_emb", t_emb)):
        check_floating(value, name)
    if h.device != t_emb.device:
        raise ValueError(
            f"h and t_emb must be on one device, got {h.device} and {t_emb.device}. "
            "Move one: t_emb.to(h.device)."
        )
    if h.ndim != 4 or h.shape[1] != num_channels or 0 in h.shape[2:]:
        raise ValueError(
            f"h must have the shape (B, {num_channels}, H, W), got {tuple(h.shape)}. It has a "
            "pixel at least. Add a batch dimension to a single feature map: h[None]."
        )
    if t_emb.ndim != 2 or t_emb.shape[1] != d_emb or len(t_emb) not in (1, len(h)):
        raise ValueError(
            f"t_emb must have the shape (B, {d_emb}), got {tuple(t_emb.shape)}. Give one "
            f"embedding for each of the {len(h)} feature maps, or one for all. "
            "Add a batch dimension to a single embedding: t_emb[None]."
        )
    for weight in weights:
        check_like("h", h, weight)
        check_like("t_emb", t_emb, weight)
