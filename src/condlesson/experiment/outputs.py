"""What a trained network does, kept when its weights are not: samples, and how far t reaches.

Weights of every run would be too large for a repository. What the pages show of a network is
small: the images it makes from fixed noise, and how much its blocks move when it is told another
timestep. Both are the same for every run in what they start from, so that runs can be compared
image by image.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from condlesson.batches import clean_images
from condlesson.data import Mnist
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.probes import block_movement
from condlesson.sampling import evaluating, sample_ddim, sample_ddpm
from condlesson.training import TrainConfig, make_model, predict, stream

__all__ = [
    "OUTPUTS",
    "OUTPUTS_TOLERANCE",
    "OutputSizes",
    "compute_outputs",
    "denoise_lied_to",
    "from_bytes",
    "outputs_canary",
    "to_bytes",
]


@dataclass(frozen=True)
class OutputSizes:
    """How much of each output is made.

    Attributes:
        ddim: Images by DDIM.
        ddim_steps: Timesteps that DDIM visits.
        ddpm: Images by ancestral sampling through all T timesteps, 0 for none.
        moved: Noised test images on which the movement of the blocks is measured.
        moved_by: How far down the told timestep moves, in timesteps, at most to 0.
        timesteps: True timesteps at which it is measured, spread over 0 .. T - 1.
    """

    ddim: int = 128
    ddim_steps: int = 50
    ddpm: int = 64
    moved: int = 64
    moved_by: int = 50
    timesteps: int = 10


OUTPUTS = OutputSizes()
CANARY = {"width": 8, "num_timesteps": 20, "precision": "float32"}
CANARY_SIZES = OutputSizes(ddim=2, ddim_steps=5, ddpm=2, moved=4, moved_by=2, timesteps=2)
STILL = 1e-3  # a smaller movement of an untrained network is mostly rounding
OUTPUTS_TOLERANCE = 1e-3  # relative; a byte of an image may round the other way


@torch.no_grad()
def compute_outputs(
    model: nn.Module, config: TrainConfig, data: Mnist, sizes: OutputSizes = OUTPUTS
) -> dict[str, np.ndarray]:
    """Everything that is kept of a trained network beside its losses.

    Args:
        model: The network, called as model(x_t, t).
        config: Its run; gives num_timesteps and the precision of the predictions.
        data: Gives the test images on which the blocks' movement is measured.
        sizes: How much to make.

    Returns:
        ``ddim`` and ``ddpm``: uint8 images of shape (N, H, W), 0 is black; the n-th of either
        kind starts from the same noise in every run. ``movement``: float32 of shape (K, blocks),
        see `condlesson.probes.block_movement`, for ``timesteps``, int64 of shape (K,), and
        ``blocks``, their names.
    """
    schedule = alphas_cumprod(linear_beta_schedule(config.num_timesteps))

    def predicted(x_t: Tensor, t: Tensor) -> Tensor:
        return predict(model, x_t, t, config.precision)

    device = next(model.parameters()).device
    x_T = _noise("samples", max(sizes.ddim, sizes.ddpm), config).to(device)  # noqa: N806
    with evaluating(model):
        ddim = sample_ddim(predicted, x_T[: sizes.ddim], schedule, num_steps=sizes.ddim_steps)
        made = {"ddim": to_bytes(ddim)}
        if sizes.ddpm:
            ancestral = stream(0, "ancestral noise")
            ddpm = sample_ddpm(predicted, x_T[: sizes.ddpm], schedule, generator=ancestral)
            made["ddpm"] = to_bytes(ddpm)
        made.update(_movement(model, config, data, sizes))
    return made


def outputs_canary(config: TrainConfig, data: Mnist) -> list[float]:
    """What `compute_outputs` makes of a small untrained network: it tells when that changes.

    Args:
        config: The run's configuration; only its size and precision are reduced.
        data: The shipped subset.

    Returns:
        Mean and standard deviation of the images of either kind, then the blocks' movements.
    """
    small = replace(config, **CANARY)
    made = compute_outputs(make_model(small), small, data, CANARY_SIZES)
    images = [made[kind].astype(float) for kind in ("ddim", "ddpm")]
    moments = [moment for x in images for moment in (x.mean().item(), x.std().item())]
    return moments + np.maximum(made["movement"].astype(float), STILL).ravel().tolist()


@torch.no_grad()
def denoise_lied_to(model: nn.Module, x_t: Tensor, t: int, told: list[int]) -> Tensor:
    """Estimate the clean image once, from a prediction that was told this or that timestep.

    x_0 = (x_t - sqrt(1 - alpha_bar_t) * noise_pred(x_t, told)) / sqrt(alpha_bar_t)

    Only the network is lied to; the formula has the true alpha_bar_t.

    Args:
        model: Called as model(x_t, t).
        x_t: Noised images of shape (B, 1, 28, 28).
        t: Their true timestep.
        told: The timesteps to tell.

    Returns:
        Tensor of shape (len(told), B, 1, 28, 28), clamped to [-1, 1].
    """
    alpha_bar = alphas_cumprod(linear_beta_schedule())[t]
    estimates = []
    for said in told:
        noise_pred = model(x_t, torch.full((len(x_t),), said))
        estimates.append((x_t - (1 - alpha_bar).sqrt() * noise_pred) / alpha_bar.sqrt())
    return torch.stack(estimates).clamp(-1, 1)


def to_bytes(x: Tensor) -> np.ndarray:
    """Images in [-1, 1], shape (N, 1, H, W), as uint8 of shape (N, H, W); the rest is cut off."""
    return ((x.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)[:, 0].cpu().numpy()


def from_bytes(images: np.ndarray) -> Tensor:
    """The other way: uint8 images (N, H, W) as float32 of shape (N, 1, H, W) in [-1, 1]."""
    return torch.from_numpy(images)[:, None] / 127.5 - 1


def _movement(
    model: nn.Module, config: TrainConfig, data: Mnist, sizes: OutputSizes
) -> dict[str, np.ndarray]:
    chosen = torch.randperm(len(data.test_images), generator=stream(0, "moved"))[: sizes.moved]
    device = next(model.parameters()).device
    x_0 = clean_images(config, data.test_images[chosen]).to(device)
    noise = _noise("moved noise", sizes.moved, config).to(device)
    schedule = alphas_cumprod(linear_beta_schedule(config.num_timesteps))
    spacing = config.num_timesteps / sizes.timesteps
    timesteps = [int((k + 0.5) * spacing) for k in range(sizes.timesteps)]
    rows = []
    for t in timesteps:
        x_t = q_sample(x_0, t, noise, schedule)
        rows.append(block_movement(model, x_t, t, max(t - sizes.moved_by, 0)))
    return {
        "movement": np.array([list(row.values()) for row in rows], dtype=np.float32),
        "timesteps": np.array(timesteps),
        "blocks": np.array(list(rows[0])),
    }


def _noise(purpose: str, n: int, config: TrainConfig) -> Tensor:
    size = config.image_size
    return torch.randn(n, 1, size, size, generator=stream(0, purpose))
