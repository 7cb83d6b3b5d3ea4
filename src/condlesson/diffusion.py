"""The forward process of a denoising diffusion model: from an image to noise in T steps.

    alpha_bar_t = prod_{s <= t} (1 - beta_s)
    x_t = sqrt(alpha_bar_t) * x_0 + sqrt(1 - alpha_bar_t) * noise

Timesteps count from 0 (least noise) to T - 1 (nearly pure noise). No network appears here.

Source: Ho, Jain and Abbeel 2020, section 2, arXiv:2006.11239.
"""

from numbers import Integral

import torch
from torch import Tensor

from condlesson.arguments import check_count, check_number
from condlesson.tensors import check_floating

__all__ = ["NUM_TIMESTEPS", "alphas_cumprod", "gather", "linear_beta_schedule", "q_sample"]

NUM_TIMESTEPS = 1000


def linear_beta_schedule(
    num_timesteps: int = NUM_TIMESTEPS, beta_start: float = 1e-4, beta_end: float = 0.02
) -> Tensor:
    """Noise variances that grow linearly with the timestep.

    beta_t = beta_start + (beta_end - beta_start) * t / (T - 1)

    The default endpoints belong to T = 1000: with fewer steps they leave much of the image in
    the last one.

    Args:
        num_timesteps: T, at least 1.
        beta_start: beta_0, in (0, 1).
        beta_end: beta_{T-1}, in (0, 1).

    Returns:
        Float32 tensor of shape (T,).

    Raises:
        TypeError: num_timesteps is not an integer, or a beta is no number.
        ValueError: An argument is out of range.

    Source: Ho, Jain and Abbeel 2020, section 4, arXiv:2006.11239.
    """
    check_count(num_timesteps, "num_timesteps")
    for name, beta in (("beta_start", beta_start), ("beta_end", beta_end)):
        check_number(beta, name)
        if not 0 < beta < 1:
            raise ValueError(f"{name} must lie between 0 and 1, got {beta}.")
    return torch.linspace(beta_start, beta_end, num_timesteps, dtype=torch.float64).float()


def alphas_cumprod(betas: Tensor) -> Tensor:
    """Share of the image's variance that is left at each timestep, alpha-bar in the papers.

    alpha_bar_t = prod_{s=0..t} (1 - beta_s)

    Args:
        betas: Variances of shape (T,), each in [0, 1).

    Returns:
        Tensor of shape (T,), falling, in (0, 1], of the dtype of betas. The product is computed
        in float64. Of very many steps it is too small for the dtype, and 0.

    Raises:
        TypeError: betas is no floating tensor.
        ValueError: betas is not 1-d, or a value lies outside [0, 1).

    Source: Ho, Jain and Abbeel 2020, equation 4, arXiv:2006.11239.
    """
    check_floating(betas, "betas")
    if betas.ndim != 1:
        raise ValueError(f"betas must be 1-d, got shape {tuple(betas.shape)}.")
    if not ((betas >= 0) & (betas < 1)).all():
        raise ValueError(
            f"betas must lie in [0, 1), got values from {betas.min():g} to {betas.max():g}."
        )
    return torch.cumprod(1 - betas.double(), dim=0).to(betas.dtype)


def q_sample(x_0: Tensor, t: int | Tensor, noise: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """Add the noise of timestep t to clean images.

    x_t = sqrt(alpha_bar_t) * x_0 + sqrt(1 - alpha_bar_t) * noise

    Args:
        x_0: Clean images, scaled to [-1, 1], of shape (B, ...).
        t: Integer timesteps of shape (B,), or one for all, in 0 .. T - 1; 0 is the least noise.
        noise: Standard normal values of the shape of x_0.
        alphas_cumprod: alpha_bar of shape (T,).

    Returns:
        x_t, of the shape and dtype of x_0, computed in float32 at least.

    Raises:
        TypeError: t is not integer, or x_0, noise or alphas_cumprod is no floating tensor.
        ValueError: A shape does not fit, a timestep lies outside 0 .. T - 1, or alphas_cumprod
            does not fall or leaves (0, 1).

    Source: Ho, Jain and Abbeel 2020, equation 4, arXiv:2006.11239.
    """
    wide = widened(x_0, "x_0")
    check_floating(noise, "noise", " Draw it: randn_like(x_0).")
    if noise.shape != x_0.shape:
        raise ValueError(
            f"noise must have the shape of x_0, {tuple(x_0.shape)}, got {tuple(noise.shape)}."
        )
    if noise.device != x_0.device:
        raise ValueError(f"noise must be on the device of x_0, {x_0.device}, got {noise.device}.")
    check_alphas_cumprod(alphas_cumprod)
    alpha_bar = gather(alphas_cumprod, t, wide)
    return (alpha_bar.sqrt() * wide + (1 - alpha_bar).sqrt() * noise).to(x_0.dtype)


def widened(x: Tensor, name: str) -> Tensor:
    """Images in float32 at least: in half precision 1 - alpha_bar would lose all its digits."""
    check_floating(x, name, " Scale bytes first: to_model_range(images).")
    if x.ndim == 0:
        raise ValueError(f"{name} must have a batch dimension, got a single number.")
    return x.to(torch.promote_types(x.dtype, torch.float32))


def check_alphas_cumprod(alphas_cumprod: Tensor, dtype: torch.dtype | None = None) -> None:
    """Refuse what cannot be alpha_bar of every timestep, betas above all.

    Args:
        alphas_cumprod: alpha_bar of shape (T,).
        dtype: In which it is used; by default its own.
    """
    check_floating(alphas_cumprod, "alphas_cumprod")
    alphas_cumprod = alphas_cumprod.to(dtype or alphas_cumprod.dtype)
    if alphas_cumprod.ndim != 1 or not len(alphas_cumprod):
        raise ValueError(
            "alphas_cumprod must have the shape (T,) with T at least 1, "
            f"got {tuple(alphas_cumprod.shape)}."
        )
    cure = "Give the running product of 1 - betas, alphas_cumprod(betas), not the betas"
    zero = (alphas_cumprod == 0).nonzero().flatten()
    if len(zero) and 0 < alphas_cumprod[0] < 1 and (alphas_cumprod.diff() <= 0).all():
        raise ValueError(
            f"alphas_cumprod must lie strictly between 0 and 1, got 0 from t = {zero[0]} on: the "
            f"product is too small for {alphas_cumprod.dtype}. Take fewer timesteps, or smaller "
            "betas; those of `linear_beta_schedule` belong to 1000."
        )
    if alphas_cumprod[0] == 1 and alphas_cumprod.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(
            "alphas_cumprod must lie strictly between 0 and 1, got 1 at t = 0, to which "
            f"{alphas_cumprod.dtype} rounds it. Keep it in float32."
        )
    if not ((alphas_cumprod > 0) & (alphas_cumprod < 1)).all():
        raise ValueError(
            "alphas_cumprod must lie strictly between 0 and 1, got values from "
            f"{alphas_cumprod.min():g} to {alphas_cumprod.max():g}. {cure}, and no beta of 0."
        )
    if (alphas_cumprod.diff() >= 0).any():
        raise ValueError(
            "alphas_cumprod must fall from step to step, got values from "
            f"{alphas_cumprod[0]:g} to {alphas_cumprod[-1]:g}. {cure}."
        )


def gather(values: Tensor, t: int | Tensor, like: Tensor) -> Tensor:
    """Pick values[t] for each image of a batch, shaped to multiply the batch.

    Args:
        values: One value per timestep, shape (T,).
        t: Integer timesteps of shape (B,), or one for all, in 0 .. T - 1.
        like: The batch, of shape (B, ...).

    Returns:
        Tensor of shape (B, 1, ..., 1), or (1, 1, ..., 1) for one t, with the device and dtype
        of like.

    Raises:
        TypeError: t is not integer.
        ValueError: t does not fit the batch, or lies outside 0 .. T - 1.
    """
    t = whole_timesteps(t, "t", like)
    if t.numel() and (t.min() < 0 or t.max() >= len(values)):
        raise ValueError(
            f"t must lie in 0 .. {len(values) - 1}, got {t.min()} .. {t.max()}. "
            "Timesteps count from 0."
        )
    picked = values.to(t.device)[t].to(like)  # a t on the CPU costs a GPU no wait
    return picked.reshape(-1, *[1] * (like.ndim - 1))


def whole_timesteps(t: int | Tensor, name: str, like: Tensor) -> Tensor:
    """Timesteps of a batch in int64, whose comparisons hold: in uint8, 1000 is 232.

    Args:
        t: Integers of shape (B,), or one for all.
        name: What a message calls them.
        like: The batch, of shape (B, ...).

    Returns:
        The same as an int64 tensor, of shape (B,) or ().

    Raises:
        TypeError: t is not integer.
        ValueError: t does not fit the batch, or no int64 holds it.
    """
    try:
        t = torch.as_tensor(t)
    except (TypeError, OverflowError, RuntimeError, ValueError) as error:  # as the release has it
        if not all(isinstance(one, Integral) for one in (t if isinstance(t, list) else [t])):
            told = f"{name} must be an integer timestep or a tensor of them, got {t!r}."
            raise TypeError(told) from error
        raise ValueError(f"{name} must be integers that an int64 holds, got {t}.") from error
    if t.is_floating_point() or t.is_complex() or t.dtype == torch.bool:
        raise TypeError(
            f"{name} must be an integer timestep, got {t.dtype}. Convert it: {name}.long()."
        )
    if t.is_meta:
        raise ValueError(f"{name} must be on a device that computes, got a tensor on meta.")
    if t.ndim > 1 or (t.ndim == 1 and t.shape[0] != len(like)):
        raise ValueError(
            f"{name} must be one timestep, or one for each of the {like.shape[0]} images, "
            f"got shape {tuple(t.shape)}."
        )
    if t.dtype == torch.uint64 and (t.long() < 0).any():
        raise ValueError(f"{name} must be integers that an int64 holds, got {t.tolist()}.")
    return t.long()
