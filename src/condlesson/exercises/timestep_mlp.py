"""Exercise 2, further: a timestep MLP to be mended."""

import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.embeddings import sinusoidal_embedding

__all__ = ["TimestepMLP"]


class TimestepMLP(nn.Module):
    """The timestep MLP: from t (B,) by way of its sinusoid to t_emb (B, d_emb).

    t_emb = W_2 GELU(W_1 s(t) + b_1) + b_2

    Args:
        d_sinusoidal: Width of the sinusoid.
        d_emb: Width of the hidden layer and of the result.
    """

    def __init__(self, d_sinusoidal: int = 256, d_emb: int = 512) -> None:
        super().__init__()
        self.d_sinusoidal = d_sinusoidal
        self.linear_1 = nn.Linear(d_sinusoidal, d_emb)
        self.linear_2 = nn.Linear(d_emb, d_emb)

    def forward(self, t: Tensor) -> Tensor:
        """Embed the timesteps (B,) as (B, d_emb)."""
        sinusoid = sinusoidal_embedding(t, self.d_sinusoidal)
        # BUG: hidden = self.linear_1(sinusoid)
        hidden = F.gelu(self.linear_1(sinusoid))
        # END BUG
        return self.linear_2(hidden)
