"""From noise back to an image: one reverse step of DDPM or DDIM, and the samplers over them.

Both steps first estimate the clean image from the predicted noise,

    x_0 = (x_t - sqrt(1 - alpha_bar_t) * noise_pred) / sqrt(alpha_bar_t)

and then go to an earlier timestep t_prev: DDPM draws from a Gaussian around a mix of x_0 and x_t,
DDIM adds the predicted noise back at the lower level. t_prev = -1 stands for the clean image,
where alpha_bar is 1. No network appears here: a model is anything called as model(x_t, t).

Source: Ho, Jain and Abbeel 2020, arXiv:2006.11239 (DDPM); Song, Meng and Ermon 2021,
arXiv:2010.02502 (DDIM).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.arguments import check_choice, check_count, check_flag, check_number
from condlesson.diffusion import check_alphas_cumprod, gather, whole_timesteps, widened
from condlesson.tensors import check_floating, check_tensor

__all__ = [
    "SPACINGS",
    "VARIANCES",
    "ddim_step",
    "ddpm_step",
    "evaluating",
    "predict_x_0",
    "sample_ddim",
    "sample_ddpm",
    "timestep_sequence",
]

VARIANCES = ("posterior", "beta")
SPACINGS = ("leading", "linspace", "trailing")

Model = Callable[[Tensor, Tensor], Tensor]  # x_t (B, ...), t (B,) -> noise_pred (B, ...)


def predict_x_0(x_t: Tensor, t: int | Tensor, noise_pred: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """Estimate the clean images: `q_sample` solved for x_0.

    x_0 = (x_t - sqrt(1 - alpha_bar_t) * noise_pred) / sqrt(alpha_bar_t)

    Args:
        x_t: Noisy images of shape (B, ...).
        t: Integer timesteps of shape (B,), or one for all, in 0 .. T - 1; 0 is the least noise.
        noise_pred: The network's prediction of the noise, of the shape of x_t.
        alphas_cumprod: alpha_bar of shape (T,), each value strictly between 0 and 1.

    Returns:
        The estimate, of the shape and dtype of x_t, computed in float32 at least. Nothing keeps
        it within [-1, 1].

    Raises:
        TypeError: t is not integer, or noise_pred is not floating.
        ValueError: A shape does not fit, or a value lies outside its range.

    Source: Ho, Jain and Abbeel 2020, equations 4 and 9, arXiv:2006.11239.
    """
    _check_shape(noise_pred, "noise_pred", x_t)
    wide = widened(x_t, "x_t")
    check_alphas_cumprod(alphas_cumprod, wide.dtype)
    alpha_bar = gather(alphas_cumprod, t, wide)
    return _estimate_x_0(x_t, noise_pred, alpha_bar, clip=False).to(x_t.dtype)


def ddpm_step(
    x_t: Tensor,
    t: int | Tensor,
    noise_pred: Tensor,
    noise: Tensor,
    alphas_cumprod: Tensor,
    *,
    t_prev: int | Tensor | None = None,
    variance: str = "posterior",
    clip_x_0: bool = False,
) -> Tensor:
    """Draw x at t_prev, given x at t: one step of ancestral sampling.

    With alpha = alpha_bar_t / alpha_bar_prev and beta = 1 - alpha, which for t_prev = t - 1 are
    the schedule's own alpha_t and beta_t::

        mean  = sqrt(alpha_bar_prev) * beta / (1 - alpha_bar_t) * x_0
                + sqrt(alpha) * (1 - alpha_bar_prev) / (1 - alpha_bar_t) * x_t
        x_prev = mean + sqrt(variance) * noise

    The variance is one of the two that the paper tries:

    - ``"posterior"``: (1 - alpha_bar_prev) / (1 - alpha_bar_t) * beta, right if the data were one
      known image (beta-tilde in the paper, ``fixed_small`` in diffusers);
    - ``"beta"``: beta itself, right if the data were standard normal (``fixed_large``).

    The step to the clean image adds no noise, whichever variance is chosen.

    Args:
        x_t: Noisy images of shape (B, ...).
        t: Integer timesteps of shape (B,), or one for all, in 0 .. T - 1; 0 is the least noise.
        noise_pred: The network's prediction of the noise, of the shape of x_t.
        noise: Standard normal values, of the shape of x_t.
        alphas_cumprod: alpha_bar of shape (T,), each value strictly between 0 and 1.
        t_prev: Where to go, shape (B,) or one for all, in -1 .. t - 1; by default t - 1. An
            earlier one takes several steps at once.
        variance: ``"posterior"`` or ``"beta"``.
        clip_x_0: Clamp the estimate of x_0 to [-1, 1], the range of the images.

    Returns:
        x at t_prev, of the shape and dtype of x_t, computed in float32 at least.

    Raises:
        TypeError: t or t_prev is not integer, or noise or a prediction of it is not floating.
        ValueError: A shape does not fit, a value lies outside its range, or variance is unknown.

    Source: Ho, Jain and Abbeel 2020, equations 6, 7 and 11 and algorithm 2, arXiv:2006.11239.
    """
    check_choice("variance", variance, VARIANCES)
    check_flag(clip_x_0, "clip_x_0")
    _check_shape(noise_pred, "noise_pred", x_t)
    _check_shape(noise, "noise", x_t)
    if t_prev is None:
        t_prev = whole_timesteps(t, "t", x_t) - 1
    alpha_bar, alpha_bar_prev = _alpha_bars(x_t, t, t_prev, alphas_cumprod)
    alpha = alpha_bar / alpha_bar_prev
    beta = 1 - alpha
    x_0 = _estimate_x_0(x_t, noise_pred, alpha_bar, clip=clip_x_0)
    x_0_share = alpha_bar_prev.sqrt() * beta / (1 - alpha_bar)
    x_t_share = alpha.sqrt() * (1 - alpha_bar_prev) / (1 - alpha_bar)
    if variance == "posterior":
        spread = ((1 - alpha_bar_prev) / (1 - alpha_bar) * beta).sqrt()
    else:
        spread = torch.where(alpha_bar_prev < 1, beta.sqrt(), 0)
    return (x_0_share * x_0 + x_t_share * x_t + spread * noise).to(x_t.dtype)


def ddim_step(
    x_t: Tensor,
    t: int | Tensor,
    t_prev: int | Tensor,
    noise_pred: Tensor,
    alphas_cumprod: Tensor,
    *,
    eta: float = 0.0,
    noise: Tensor | None = None,
    clip_x_0: bool = False,
    noise_from_x_0: bool = False,
) -> Tensor:
    """Go from x at t to x at t_prev, without any randomness if eta is 0.

    sigma  = eta * sqrt((1 - alpha_bar_prev) / (1 - alpha_bar_t))
                 * sqrt(1 - alpha_bar_t / alpha_bar_prev)
    x_prev = sqrt(alpha_bar_prev) * x_0 + sqrt(1 - alpha_bar_prev - sigma^2) * noise_pred
             + sigma * noise

    With eta = 1, t_prev = t - 1 and no clipping this is `ddpm_step` with its posterior variance.

    Args:
        x_t: Noisy images of shape (B, ...).
        t: Integer timesteps of shape (B,), or one for all, in 0 .. T - 1; 0 is the least noise.
        t_prev: Where to go, shape (B,) or one for all, in -1 .. t - 1; -1 is the clean image.
        noise_pred: The network's prediction of the noise, of the shape of x_t.
        alphas_cumprod: alpha_bar of shape (T,), each value strictly between 0 and 1.
        eta: Share of randomness, in [0, 1].
        noise: Standard normal values, of the shape of x_t; needed if eta is above 0, and unused
            if it is 0.
        clip_x_0: Clamp the estimate of x_0 to [-1, 1].
        noise_from_x_0: Compute noise_pred anew from the clamped estimate, so that both fit x_t, as
            guided-diffusion does. By default it is used as it was predicted, as in diffusers.

    Returns:
        x at t_prev, of the shape and dtype of x_t, computed in float32 at least.

    Raises:
        TypeError: t or t_prev is not integer, or noise or a prediction of it is not floating.
        ValueError: A shape does not fit, a value lies outside its range, or noise is missing.

    Source: Song, Meng and Ermon 2021, equations 12 and 16, arXiv:2010.02502.
    """
    check_number(eta, "eta")
    check_flag(clip_x_0, "clip_x_0")
    check_flag(noise_from_x_0, "noise_from_x_0")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie between 0 and 1, got {eta}.")
    if eta > 0 and noise is None:
        raise ValueError(
            f"noise must be given if eta is above 0, got eta {eta} and no noise. "
            "Draw it: torch.randn_like(x_t)."
        )
    _check_shape(noise_pred, "noise_pred", x_t)
    noise = torch.zeros_like(x_t) if eta == 0 else noise
    _check_shape(noise, "noise", x_t)
    alpha_bar, alpha_bar_prev = _alpha_bars(x_t, t, t_prev, alphas_cumprod)
    x_0 = _estimate_x_0(x_t, noise_pred, alpha_bar, clip=clip_x_0)
    if noise_from_x_0:
        noise_pred = (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()
    beta = 1 - alpha_bar / alpha_bar_prev
    sigma = eta * ((1 - alpha_bar_prev) / (1 - alpha_bar) * beta).sqrt()
    kept = (1 - alpha_bar_prev - sigma**2).clamp(min=0).sqrt()  # rounding can go below 0
    return (alpha_bar_prev.sqrt() * x_0 + kept * noise_pred + sigma * noise).to(x_t.dtype)


def timestep_sequence(
    num_timesteps: int = 1000, num_steps: int = 50, spacing: str = "leading"
) -> list[int]:
    """Choose the timesteps that a short sampler visits, most noise first.

    With T = num_timesteps and n = num_steps, in rising order for k = 0 .. n - 1:

    - ``"leading"``: k * floor(T / n). It ends at 0 and starts below T - 1, though the sampler
      starts from pure noise.
    - ``"linspace"``: k * (T - 1) / (n - 1), rounded. Both 0 and T - 1 are visited; a single step
      is at 0.
    - ``"trailing"``: (k + 1) * T / n - 1, rounded. It starts at T - 1 and ends above 0.

    Args:
        num_timesteps: T, at least 1.
        num_steps: How many timesteps to visit, 1 .. T.
        spacing: ``"leading"``, ``"linspace"`` or ``"trailing"``.

    Returns:
        num_steps different timesteps in 0 .. T - 1, falling.

    Raises:
        TypeError: A number is not an integer.
        ValueError: A number is out of range, or spacing is unknown.

    Source: Lin, Liu, Li and Yang 2024, table 2, arXiv:2305.08891, which names the three.
    """
    check_choice("spacing", spacing, SPACINGS)
    check_count(num_timesteps, "num_timesteps")
    check_count(num_steps, "num_steps", maximum=num_timesteps)
    num_timesteps, num_steps = int(num_timesteps), int(num_steps)  # NumPy's small ones would wrap
    if spacing == "leading":
        rising = np.arange(num_steps) * (num_timesteps // num_steps)
    elif spacing == "linspace":
        rising = np.linspace(0, num_timesteps - 1, num_steps).round()
    else:  # counted down, so that halves round as in diffusers; rounding may add an entry
        falling = np.arange(num_timesteps, 0, -num_timesteps / num_steps)[:num_steps]
        rising = falling[::-1].round() - 1
    return [int(t) for t in rising[::-1]]


def sample_ddpm(
    model: Model,
    x_T: Tensor,  # noqa: N803
    alphas_cumprod: Tensor,
    *,
    variance: str = "posterior",
    clip_x_0: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw images by ancestral sampling: `ddpm_step` for every t from T - 1 down to 0.

    Args:
        model: Called as model(x_t, t) with t of shape (B,) on the device of x_T; returns the
            predicted noise. A network runs in evaluation mode, and its mode is put back.
        x_T: The noise to start from, of shape (B, ...), so that several networks can start alike.
        alphas_cumprod: alpha_bar of shape (T,), each value strictly between 0 and 1.
        variance: As in `ddpm_step`.
        clip_x_0: As in `ddpm_step`; on by default, as in the authors' code, since a clean image
            lies in [-1, 1].
        generator: Random numbers for the noise of the steps, on the CPU, so that every device
            draws the same; by default torch's global ones.

    Returns:
        Images of the shape and dtype of x_T. With clipping they lie in [-1, 1].

    Raises:
        TypeError: As `ddpm_step`.
        ValueError: As `ddpm_step`.

    Source: Ho, Jain and Abbeel 2020, algorithm 2, arXiv:2006.11239.
    """
    check_floating(x_T, "x_T")
    check_alphas_cumprod(alphas_cumprod)
    x = x_T
    with torch.no_grad(), evaluating(model):
        for t in reversed(range(len(alphas_cumprod))):
            noise_pred = model(x, _batch_of(t, x))
            noise = _draw_noise(x, generator)
            x = ddpm_step(
                x, t, noise_pred, noise, alphas_cumprod, variance=variance, clip_x_0=clip_x_0
            )
    return x


def sample_ddim(
    model: Model,
    x_T: Tensor,  # noqa: N803
    alphas_cumprod: Tensor,
    *,
    num_steps: int = 50,
    spacing: str = "leading",
    eta: float = 0.0,
    clip_x_0: bool = True,
    noise_from_x_0: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw images in few steps: `ddim_step` along `timestep_sequence`, and from its end to -1.

    Each step goes to the next timestep of the sequence. Where num_steps does not divide T this
    differs from diffusers for ``"linspace"`` and ``"trailing"``, whose steps keep one length.

    Args:
        model: Called as model(x_t, t) with t of shape (B,) on the device of x_T; returns the
            predicted noise. A network runs in evaluation mode, and its mode is put back.
        x_T: The noise to start from, of shape (B, ...), so that several networks can start alike.
        alphas_cumprod: alpha_bar of shape (T,), each value strictly between 0 and 1.
        num_steps: How many steps to take, 1 .. T.
        spacing: As in `timestep_sequence`.
        eta: As in `ddim_step`; with 0 the images depend on x_T alone.
        clip_x_0: As in `ddim_step`; on by default, since a clean image lies in [-1, 1].
        noise_from_x_0: As in `ddim_step`.
        generator: Random numbers for the noise of the steps if eta is above 0, on the CPU, so
            that every device draws the same; by default torch's global ones.

    Returns:
        Images of the shape and dtype of x_T. With clipping they lie in [-1, 1].

    Raises:
        TypeError: As `timestep_sequence`.
        ValueError: As `timestep_sequence` and `ddim_step`.

    Source: Song, Meng and Ermon 2021, section 4, arXiv:2010.02502.
    """
    check_floating(x_T, "x_T")
    check_alphas_cumprod(alphas_cumprod)
    check_number(eta, "eta")
    sequence = timestep_sequence(len(alphas_cumprod), num_steps, spacing)
    x = x_T
    with torch.no_grad(), evaluating(model):
        for t, t_prev in zip(sequence, [*sequence[1:], -1], strict=True):
            noise_pred = model(x, _batch_of(t, x))
            noise = _draw_noise(x, generator) if eta > 0 else None
            x = ddim_step(
                x, t, t_prev, noise_pred, alphas_cumprod, eta=eta, noise=noise,
                clip_x_0=clip_x_0, noise_from_x_0=noise_from_x_0,
            )  # fmt: skip
    return x


def _estimate_x_0(x_t: Tensor, noise_pred: Tensor, alpha_bar: Tensor, *, clip: bool) -> Tensor:
    x_0 = (x_t - (1 - alpha_bar).sqrt() * noise_pred) / alpha_bar.sqrt()
    return x_0.clamp(-1, 1) if clip else x_0


def _alpha_bars(
    x_t: Tensor, t: int | Tensor, t_prev: int | Tensor, alphas_cumprod: Tensor
) -> tuple[Tensor, Tensor]:
    """alpha_bar at t and at t_prev, each of shape (B, 1, ...) or (1, 1, ...)."""
    wide = widened(x_t, "x_t")
    check_alphas_cumprod(alphas_cumprod, wide.dtype)
    alpha_bar = gather(alphas_cumprod, t, wide)
    t = whole_timesteps(t, "t", x_t)
    t_prev = whole_timesteps(t_prev, "t_prev", x_t).to(t.device)
    if not ((t_prev >= -1) & (t_prev < t)).all():
        raise ValueError(
            f"t_prev must lie between -1 (the clean image) and t - 1, got t_prev {t_prev.tolist()} "
            f"for t {t.tolist()}."
        )
    with_clean = F.pad(alphas_cumprod, (1, 0), value=1.0)  # index 0 is t_prev = -1
    return alpha_bar, gather(with_clean, t_prev + 1, wide)


def _batch_of(t: int, x: Tensor) -> Tensor:
    return torch.full((len(x),), t, device=x.device)


def _draw_noise(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(x.shape, generator=generator).to(x)


@contextmanager
def evaluating(model: Model) -> Iterator[None]:
    """Evaluation mode for a network and all its parts, each put back afterwards."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    was_training = [module.training for module in modules]
    try:
        for module in modules:
            module.training = False
        yield
    finally:
        for module, mode in zip(modules, was_training, strict=True):
            module.training = mode


def _check_shape(value: Tensor, name: str, x_t: Tensor) -> None:
    check_tensor(x_t, "x_t")
    check_tensor(value, name)
    if value.shape != x_t.shape:
        raise ValueError(
            f"{name} must have the shape of x_t, {tuple(x_t.shape)}, got {tuple(value.shape)}."
        )
    if x_t.is_floating_point() and not value.is_floating_point():
        raise TypeError(f"{name} must be floating, got {value.dtype}.")
