"""A network in which the timestep opens and closes the channels of the bottleneck."""

from torch import Tensor

from condlesson.unet import UNetSinusoidal

__all__ = ["UNetCAMEL"]


class UNetCAMEL(UNetSinusoidal):
    """The sinusoidal network with a factor for each bottleneck channel in the sum's place.

    Args:
        width: As in `UNet`.
    """

    def condition(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Multiply each bottleneck channel by one number, near 1 at first."""
        gate = 1 + self.time_projection(t_emb)  # (B, C)
        return h * gate[:, :, None, None]
