"""Exercise 3, further: a block to be mended."""

import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.conditioning import add_to_channels

__all__ = ["AdditiveBlock"]


class AdditiveBlock(nn.Module):
    """A block that is told the time by addition: convolution, shift, norm, ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        d_emb: Width of the timestep embedding.
        num_groups: Groups of the norm; out_channels is a multiple of it.
    """

    def __init__(
        self, in_channels: int, out_channels: int, d_emb: int, num_groups: int = 8
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        # BUG: self.norm = nn.GroupNorm(out_channels, out_channels)
        self.norm = nn.GroupNorm(num_groups, out_channels)
        # END BUG
        self.projection = nn.Linear(d_emb, out_channels)

    def forward(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Map h (B, in_channels, H, W) to (B, out_channels, H, W), told t_emb (B, d_emb)."""
        h = add_to_channels(self.conv(h), self.projection(t_emb))
        return F.relu(self.norm(h))
