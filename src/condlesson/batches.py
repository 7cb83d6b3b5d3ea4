"""What a network is shown: images, timesteps, noise and labels, each from a stream of its own.

The draws depend on the seed, the purpose and the position, and not on what was drawn before. So
all networks of a seed see the same, and a run that was stopped sees what it would have seen.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from condlesson.config import TrainConfig
from condlesson.data import Mnist, reduce_images, to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample

__all__ = [
    "NO_CLASS",
    "Batch",
    "clean_images",
    "make_batch",
    "noised_batch",
    "stream",
    "stream_seed",
    "training_images",
    "validation_batches",
    "validation_count",
    "withheld",
]

NO_CLASS = 10  # the label of an image whose digit is not told: the null row of the embedding


@dataclass(frozen=True)
class Batch:
    """Noised images, with all that was drawn to make them.

    Attributes:
        x_0: Clean images in [-1, 1], shape (B, 1, H, W).
        t: Timesteps, shape (B,), 0 is the least noise.
        noise: Standard normal values, shape (B, 1, H, W).
        x_t: The noised images, shape (B, 1, H, W).
        labels: Classes, shape (B,); None for networks that are told none.
    """

    x_0: Tensor
    t: Tensor
    noise: Tensor
    x_t: Tensor
    labels: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        """The batch with all its tensors changed in the same way."""
        values = (getattr(self, f.name) for f in fields(self))
        return Batch(*(None if value is None else change(value) for value in values))


def noised_batch(
    x_0: Tensor,
    schedule: Tensor,
    config: TrainConfig,
    step: int,
    labels: Tensor | None = None,
) -> Batch:
    """Draw timesteps and noise for one training step, the same for every variant and device.

    Args:
        x_0: Clean images in [-1, 1], shape (B, 1, H, W).
        schedule: alpha_bar of shape (T,), on the CPU.
        config: Names the seed, and the share of labels that are withheld.
        step: Number of the optimiser step, from 0.
        labels: Classes of the images, shape (B,), on the CPU; None for none.

    Returns:
        The noised batch, on the device of x_0; a label that is withheld is `NO_CLASS`.
    """
    generator = stream(config.seed, "noise", step)
    t = torch.randint(0, config.num_timesteps, (len(x_0),), generator=generator)
    noise = torch.randn(x_0.shape, generator=generator)
    if labels is not None:
        labels = withheld(labels, config, step)
    return make_batch(x_0, t, noise, schedule, labels)


def withheld(labels: Tensor, config: TrainConfig, step: int) -> Tensor:
    """Labels of which each is replaced by `NO_CLASS` with the probability label_dropout."""
    draws = torch.rand(len(labels), generator=stream(config.seed, "label dropout", step))
    return labels.long().masked_fill(draws < config.label_dropout, NO_CLASS)


def validation_batches(
    config: TrainConfig, data: Mnist, device: torch.device | str = "cpu", *, final: bool = False
) -> list[Batch]:
    """A validation set: test images, timesteps and noise, equal for all networks of a seed.

    The timesteps are spread evenly over 0 .. T - 1 and shuffled, so that their luck plays no part.
    Without `final_images` the set is the same for all seeds, and their luck is in no interval.

    Args:
        config: Gives num_timesteps, batch_size, how many images and whether the seed plays a part.
        data: The data set.
        device: Where the batches go.
        final: The set of the final loss, `final_images` of them, not that of every epoch.

    Returns:
        Batches of at most batch_size images.

    Raises:
        ValueError: The data set holds too few test images.
    """
    n = validation_count(config, data, final=final)
    by_seed = config.final_images > 0
    purpose = "final" if final and by_seed else "validation"
    generator = stream(config.seed if by_seed else 0, purpose)
    chosen = torch.randperm(len(data.test_images), generator=generator)[:n]
    x_0 = clean_images(config, data.test_images[chosen])
    t = (torch.arange(n) * config.num_timesteps // n)[torch.randperm(n, generator=generator)]
    noise = torch.randn(x_0.shape, generator=generator)
    schedule = alphas_cumprod(linear_beta_schedule(config.num_timesteps))
    labels = data.test_labels[chosen].long() if config.told_class else None
    batch = make_batch(x_0, t, noise, schedule, labels)
    parts = [range(k, min(k + config.batch_size, n)) for k in range(0, n, config.batch_size)]
    return [batch.each(lambda x, p=p: x[p.start : p.stop].to(device)) for p in parts]


def validation_count(config: TrainConfig, data: Mnist, *, final: bool = False) -> int:
    """How many test images `validation_batches` has; ValueError if there are not so many."""
    field = "final_images" if final and config.final_images else "val_images"
    n = getattr(config, field)
    if n > len(data.test_images):
        raise ValueError(f"{field} must be at most {len(data.test_images)}, got {n}.")
    return n


def stream(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A random stream of its own for each purpose and position of a run, on the CPU.

    Args:
        seed: The run's seed, 0 or more.
        purpose: What the numbers are for.
        index: For instance the epoch or the step.

    Returns:
        A generator whose numbers depend on these three and on nothing else.
    """
    return torch.Generator().manual_seed(stream_seed(seed, purpose, index))


def stream_seed(seed: int, purpose: str, index: int = 0) -> int:
    """The seed of such a stream."""
    tag = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    state = np.random.SeedSequence([seed, tag, index]).generate_state(1, dtype=np.uint64)
    return int(state[0] >> np.uint64(1))  # torch takes 63 bits and a sign


def training_images(config: TrainConfig, data: Mnist) -> tuple[Tensor, Tensor]:
    """The images that a run is trained on, drawn by seed, and their labels.

    Returns:
        Images of shape (N, 1, H, W) in [-1, 1], and labels of shape (N,), int64.

    Raises:
        ValueError: The data set holds fewer images than the configuration asks for.
    """
    available = len(data.train_images)
    if config.images > available:
        raise ValueError(f"images must be at most {available}, got {config.images}.")
    order = torch.randperm(available, generator=stream(config.seed, "images"))
    chosen = order[: config.images]
    return clean_images(config, data.train_images[chosen]), data.train_labels[chosen].long()


def clean_images(config: TrainConfig, images: Tensor) -> Tensor:
    """Bytes of shape (N, 28, 28) as a network of the configuration sees them, (N, 1, H, W)."""
    return to_model_range(reduce_images(images, config.image_size))


def make_batch(
    x_0: Tensor, t: Tensor, noise: Tensor, schedule: Tensor, labels: Tensor | None = None
) -> Batch:
    """Noise clean images; t, noise and labels may lie on the CPU, the batch is where x_0 is."""
    noise = _sent(noise, x_0.device)
    x_t = q_sample(x_0, t, noise, schedule)  # t on the CPU: its range is checked without a wait
    labels = None if labels is None else _sent(labels, x_0.device)
    return Batch(x_0, _sent(t, x_0.device), noise, x_t, labels)


def _sent(values: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on its way to a device; a GPU fetches it while Python goes on."""
    pinned = values.pin_memory() if device.type == "cuda" else values
    return pinned.to(device, non_blocking=True)
