"""Exercise 3, further: AdaGN that starts as group norm."""

from torch import Tensor, nn

from condlesson.conditioning import AdaGN

__all__ = ["ZeroInitAdaGN"]


class ZeroInitAdaGN(AdaGN):
    """AdaGN with gamma as papers write it, which starts as group norm exactly.

    ZeroInitAdaGN(h, t_emb) = gamma * GroupNorm(h) + beta,   [gamma, beta] = Linear(t_emb)

    Args:
        num_channels: Channels C of the feature map.
        d_emb: Width of the timestep embedding.
        num_groups: Groups of the norm; num_channels is a multiple of it.

    Source: as in adaLN-Zero, Peebles and Xie 2023, section 3.2, arXiv:2212.09748.
    """

    def __init__(self, num_channels: int, d_emb: int, num_groups: int = 32) -> None:
        super().__init__(num_channels, d_emb, num_groups)
        # TODO 1: the start. Set the weight and the bias of self.projection so that
        # gamma is 1 and beta is 0, whatever t_emb is.
        nn.init.constant_(self.projection.weight, 0.0)
        nn.init.constant_(self.projection.bias[:num_channels], 1.0)  # gamma's half
        nn.init.constant_(self.projection.bias[num_channels:], 0.0)
        # END TODO

    def forward(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Normalise h (B, C, H, W), then scale and shift it by t_emb (B, d_emb)."""
        # TODO 2: gamma * GroupNorm(h) + beta, without the 1.
        gamma, beta = self.projection(t_emb)[:, :, None, None].chunk(2, dim=1)
        return gamma * self.norm(h) + beta
        # END TODO
