"""Exercise 4, further: what trains and samples."""

import torch
from torch import Tensor

__all__ = ["ddim_update", "draw_timesteps"]


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
