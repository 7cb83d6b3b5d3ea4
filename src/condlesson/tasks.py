"""Further tasks of the exercises, with their solutions: what a learner who finished early writes.

`condlesson.scaffold` makes the exercises of them. Where something is to be mended instead of
written, the comment after ``# BUG:`` is the line that the learner finds in the place of ours.

Further tasks whose solution the lesson has anyway are `conditioning.AdditiveGN` and
`embeddings.RandomFourierFeatures`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.conditioning import AdaGN, add_to_channels
from condlesson.embeddings import sinusoidal_embedding, sinusoidal_frequencies

__all__ = [
    "AdditiveBlock",
    "TimestepMLP",
    "ZeroInitAdaGN",
    "ddim_update",
    "draw_timesteps",
    "interleaved_embedding",
    "similarity_at",
    "similarity_matrix",
]


def interleaved_embedding(t: Tensor, d_emb: int) -> Tensor:
    """Embed timesteps (B,) as (B, d_emb), in the order sin, cos, sin, cos.

    Row of t: [sin(w_0 t), cos(w_0 t), sin(w_1 t), cos(w_1 t), ...], w_i = 10000 ** (-2i / d_emb)

    Args:
        t: Timesteps of shape (B,), integer or floating.
        d_emb: Width of the embedding, even.

    Returns:
        Tensor of shape (B, d_emb), values in [-1, 1].

    Source: Vaswani et al. 2017, section 3.5, arXiv:1706.03762.
    """
    # TODO 1: the angle of every hand at every timestep, (B, d_emb // 2): an outer
    # product of t and the frequencies.
    angles = torch.outer(t.float(), sinusoidal_frequencies(d_emb))  # (B, d_emb // 2)
    # END TODO
    # TODO 2: the embedding, (B, d_emb): sines at even dimensions, cosines at odd.
    emb = torch.empty(len(t), d_emb)
    emb[:, 0::2], emb[:, 1::2] = angles.sin(), angles.cos()
    return emb
    # END TODO


def similarity_at(distance: Tensor, d_emb: int) -> Tensor:
    """Cosine similarity of two embeddings whose timesteps lie a distance apart.

    sim(D) = (2 / d_emb) * sum_i cos(w_i D)

    Args:
        distance: Differences of timesteps D, of any shape.
        d_emb: Width of the embedding, even.

    Returns:
        Tensor of the shape of distance, values in [-1, 1].
    """
    frequencies = sinusoidal_frequencies(d_emb)  # (d_emb // 2,)
    # TODO 1: the similarity, without embedding anything: an average over the hands.
    distance = torch.as_tensor(distance)
    return torch.cos(distance[..., None] * frequencies).mean(dim=-1)
    # END TODO


def similarity_matrix(embeddings: Tensor) -> Tensor:
    """Cosine similarity of every row with every other: (N, D) becomes (N, N).

    S_ij = x_i . x_j / (|x_i| |x_j|)

    Args:
        embeddings: N vectors of shape (N, D), none of them 0.

    Returns:
        Symmetric tensor of shape (N, N), values in [-1, 1], 1 on the diagonal.
    """
    # TODO 1: divide each row by its length.
    directions = embeddings / embeddings.norm(dim=1, keepdim=True)  # (N, D)
    # END TODO
    # TODO 2: all dot products of two rows at once.
    return directions @ directions.T
    # END TODO


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


def draw_timesteps(batch_size: int, num_timesteps: int) -> Tensor:
    """Draw a timestep for each image, all of 0 .. num_timesteps - 1 equally likely.

    Args:
        batch_size: Timesteps to draw, B.
        num_timesteps: How many timesteps there are.

    Returns:
        Integers of shape (B,).
    """
    # BUG: return torch.randint(0, num_timesteps - 1, (batch_size,))
    return torch.randint(0, num_timesteps, (batch_size,))
    # END BUG


def ddim_update(
    x_t: Tensor, noise_pred: Tensor, alpha_bar_t: Tensor, alpha_bar_prev: Tensor
) -> Tensor:
    """Go from x_t to an earlier timestep without fresh noise: DDIM with eta = 0.

    x_0    = (x_t - sqrt(1 - alpha_bar_t) * noise_pred) / sqrt(alpha_bar_t)
    x_prev = sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev) * noise_pred

    Args:
        x_t: Noisy images of shape (B, ...).
        noise_pred: The network's prediction of the noise in x_t, of its shape.
        alpha_bar_t: Share of the image's variance left at t, in (0, 1).
        alpha_bar_prev: The same at the timestep to go to; 1 for the clean image.

    Returns:
        x at the earlier timestep, of the shape of x_t.

    Source: Song, Meng and Ermon 2021, equation 12, arXiv:2010.02502.
    """
    # TODO 1: the clean image that fits x_t and the predicted noise. Solve
    # x_t = sqrt(alpha_bar_t) * x_0 + sqrt(1 - alpha_bar_t) * noise_pred for x_0.
    x_0 = (x_t - (1 - alpha_bar_t) ** 0.5 * noise_pred) / alpha_bar_t**0.5
    # END TODO
    # TODO 2: noise that image again, with the same noise, to the level alpha_bar_prev.
    return alpha_bar_prev**0.5 * x_0 + (1 - alpha_bar_prev) ** 0.5 * noise_pred
    # END TODO
