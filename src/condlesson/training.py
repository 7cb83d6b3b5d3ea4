"""Training of a noise-prediction network, made for comparisons.

    loss = mean (noise - network(x_t, t))^2,   t uniform on 0 .. T - 1

Every random draw comes from a seed of its own purpose and position (`stream`): for one seed, all
variants start from the same weights where they have the same layers, and see the same images in
the same order with the same timesteps and the same noise. The draws do not depend on what was
drawn before, so a run that was stopped goes on from its last checkpoint as if nothing had been.

Several processes can share each batch, through `accelerate`. They draw the same whole batch, each
takes its part, and their gradients are averaged: what one process would do, but for rounding, and
but for batch norm, which knows the images of its own process only.

Source: Ho, Jain and Abbeel 2020, algorithm 1 and equation 14, arXiv:2006.11239.
"""

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.data import Mnist, to_model_range
from condlesson.diffusion import NUM_TIMESTEPS, alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.unet import VARIANTS

if TYPE_CHECKING:
    from accelerate import Accelerator  # of the training extras; one process needs none of it

__all__ = [
    "TIERS",
    "Batch",
    "TrainConfig",
    "TrainState",
    "evaluate",
    "initialise",
    "make_model",
    "noised_batch",
    "predict",
    "stream",
    "train",
    "validation_batches",
]

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a training run does.

    Raises:
        TypeError: A field that counts is not an integer; the message names it.
        ValueError: A field is out of range; the message names it.
    """

    variant: str = "sinusoidal"
    seed: int = 42
    images: int = 12_800  # drawn from the training set, by seed
    epochs: int = 5
    batch_size: int = 128  # the draft's
    learning_rate: float = 2e-4  # the draft's, Adam
    num_timesteps: int = NUM_TIMESTEPS
    width: int = 32  # channels of the first block; the lesson's networks have 32
    val_images: int = 2_560  # 20 batches: a twelfth of an epoch's time at 12,800 images
    precision: str = "bfloat16"  # autocast; about twice as fast as float32 on recent CPUs

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS:
            raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, got {self.variant!r}.")
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}."
            )
        for f in fields(self):
            if f.type is int and type(getattr(self, f.name)) is not int:
                raise TypeError(f"{f.name} must be an integer, got {getattr(self, f.name)!r}.")
        for name in ("epochs", "batch_size", "num_timesteps", "width", "val_images"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, got {self.seed}.")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"learning_rate must be above 0 and finite, got {self.learning_rate}.")
        if self.images < self.batch_size:
            raise ValueError(
                f"images must be at least batch_size, {self.batch_size}, got {self.images}."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch; what is left over is dropped."""
        return self.images // self.batch_size


# What a reader has time for. Only the size is a tier's; the variant and the seed are the reader's.
TIERS = {
    # The shipped subset and a narrow network. So few steps need a higher learning rate.
    "quick": TrainConfig(width=16, images=4_096, epochs=8, val_images=1_024, learning_rate=1e-3),
    "small": TrainConfig(),
    "full": TrainConfig(images=60_000, epochs=10),  # the draft's size
}


@dataclass
class TrainState:
    """A run in progress: all that is needed to go on with it.

    Attributes:
        config: What the run does.
        model: The network.
        optimizer: Adam over the network's parameters.
        step: Optimiser steps done since the start.
        losses: Loss of each step of the present epoch, 0-d tensors.
        seconds: Time of each epoch so far, the present one included.
        train_loss: Mean loss of each finished epoch.
        val_loss: Validation loss after each finished epoch.
    """

    config: TrainConfig
    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)

    @classmethod
    def start(cls, config: TrainConfig, device: torch.device | str = "cpu") -> "TrainState":
        """A fresh run: `make_model`'s network and its optimiser."""
        model = make_model(config).to(device, memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        return cls(config, model, optimizer)

    @property
    def epoch(self) -> int:
        """The present epoch, counted from 0; it ends with its validation."""
        return len(self.val_loss)

    @property
    def steps_left(self) -> int:
        """Steps that the present epoch still has before its validation."""
        return (self.epoch + 1) * self.config.steps_per_epoch - self.step

    @property
    def finished(self) -> bool:
        """Whether every epoch is done and validated."""
        return len(self.val_loss) == self.config.epochs

    def state_dict(self) -> dict:
        """Everything as plain values and tensors, for a checkpoint."""
        return {
            "config": asdict(self.config),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "losses": self.losses,
            "seconds": self.seconds,
            "train_loss": self.train_loss,
            "val_loss": self.val_loss,
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state_dict`.

        Raises:
            ValueError: The state belongs to another configuration.
        """
        if state["config"] != asdict(self.config):
            raise ValueError(
                f"the checkpoint must belong to {asdict(self.config)}, got {state['config']}. "
                "Delete it, or train with its configuration."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("step", "losses", "seconds", "train_loss", "val_loss"):
            setattr(self, name, state[name])


@dataclass(frozen=True)
class Batch:
    """Noised images, with all that was drawn to make them.

    Attributes:
        x_0: Clean images in [-1, 1], shape (B, 1, 28, 28).
        t: Timesteps, shape (B,), 0 is the least noise.
        noise: Standard normal values, shape (B, 1, 28, 28).
        x_t: The noised images, shape (B, 1, 28, 28).
    """

    x_0: Tensor
    t: Tensor
    noise: Tensor
    x_t: Tensor


def train(
    state: TrainState, data: Mnist, *, accelerator: "Accelerator | None" = None
) -> Iterator[TrainState]:
    """Train to the end of the configuration, one optimiser step at a time.

    The state is updated in place and yielded after every step, and after every epoch's validation
    once more, so that logging, checkpoints and stopping early belong to the caller. A state that
    is loaded from a checkpoint of any of these moments goes on from there.

    Args:
        state: A fresh state, or one that was loaded from a checkpoint.
        data: The data set; the state's model decides the device.
        accelerator: Of several processes that share each batch; None for a single one.

    Yields:
        The same state, one step or one validation further.

    Raises:
        ValueError: The data set holds fewer images than the configuration asks for, or the
            processes cannot share a batch equally.
    """
    config, device = state.config, _device_of(state.model)
    network = _shared(state, accelerator)
    images = to_model_range(_chosen_images(config, data)).to(device)  # all of them, once
    validation = validation_batches(config, data, device)
    schedule = alphas_cumprod(linear_beta_schedule(config.num_timesteps))
    while not state.finished:
        for rows in _batches_left(state).to(device):
            with _timed(state):
                batch = noised_batch(images[rows], schedule, config, state.step)
                state.losses.append(_training_step(state, network, batch, accelerator))
                state.step += 1
            yield state
        with _timed(state):
            losses = evaluate(state.model, validation)
            state.train_loss.append(torch.stack(state.losses).mean().item())
            state.val_loss.append(losses.mean().item())
        yield state


def make_model(config: TrainConfig) -> nn.Module:
    """The network of a configuration, with its starting weights, in float32 on the CPU.

    The global random state is left alone.
    """
    with torch.random.fork_rng(devices=[]):  # for the weights that `initialise` replaces
        model = VARIANTS[config.variant](config.width)
    initialise(model, config.seed)
    return model


def initialise(model: nn.Module, seed: int) -> None:
    """Draw the starting weights of every layer from a seed of the layer's own name.

    So layers that two variants share start equal, whatever else the variants hold. Each layer
    draws as its own `reset_parameters` does. The global random state is left alone.

    Args:
        model: The network, changed in place.
        seed: The run's seed.
    """
    with torch.random.fork_rng(devices=[]):
        for name, module in model.named_modules():
            if hasattr(module, "reset_parameters"):
                torch.manual_seed(_stream_seed(seed, f"init {name}"))
                module.reset_parameters()


def noised_batch(x_0: Tensor, schedule: Tensor, config: TrainConfig, step: int) -> Batch:
    """Draw timesteps and noise for one training step, the same for every variant and device.

    Args:
        x_0: Clean images in [-1, 1], shape (B, 1, 28, 28).
        schedule: alpha_bar of shape (T,), on the CPU.
        config: Names the seed.
        step: Number of the optimiser step, from 0.

    Returns:
        The noised batch, on the device of x_0.
    """
    generator = stream(config.seed, "noise", step)
    t = torch.randint(0, config.num_timesteps, (len(x_0),), generator=generator)
    noise = torch.randn(x_0.shape, generator=generator)
    return _make_batch(x_0, t, noise, schedule)


def validation_batches(
    config: TrainConfig, data: Mnist, device: torch.device | str = "cpu"
) -> list[Batch]:
    """The fixed validation set: test images, timesteps and noise, equal for all runs.

    The timesteps are spread evenly over 0 .. T - 1 and shuffled, so that their luck plays no part.

    Args:
        config: Gives num_timesteps, val_images and batch_size; its seed plays no part.
        data: The data set.
        device: Where the batches go.

    Returns:
        Batches of at most batch_size images.

    Raises:
        ValueError: The data set holds fewer than val_images test images.
    """
    n = config.val_images
    if n > len(data.test_images):
        raise ValueError(f"val_images must be at most {len(data.test_images)}, got {n}.")
    generator = stream(0, "validation")
    chosen = torch.randperm(len(data.test_images), generator=generator)[:n]
    x_0 = to_model_range(data.test_images[chosen])
    t = (torch.arange(n) * config.num_timesteps // n)[torch.randperm(n, generator=generator)]
    noise = torch.randn(x_0.shape, generator=generator)
    schedule = alphas_cumprod(linear_beta_schedule(config.num_timesteps))
    parts = zip(*(part.split(config.batch_size) for part in (x_0, t, noise)), strict=True)
    return [_make_batch(x.to(device), t_part, e, schedule) for x, t_part, e in parts]


@torch.no_grad()
def evaluate(model: nn.Module, batches: Iterable[Batch], *, told_t: int | None = None) -> Tensor:
    """Loss of a network on each image, in float32 and evaluation mode; its mode is put back.

    Args:
        model: Called as model(x_t, t).
        batches: For instance `validation_batches`.
        told_t: A timestep to tell the network in place of the true ones.

    Returns:
        Mean squared error of each image, a float32 tensor of shape (N,) on the CPU.
    """
    was_training = model.training
    model.eval()
    losses = []
    for batch in batches:
        t = batch.t if told_t is None else torch.full_like(batch.t, told_t)
        noise_pred = predict(model, batch.x_t, t, "float32")
        losses.append(F.mse_loss(noise_pred, batch.noise, reduction="none").mean(dim=(1, 2, 3)))
    model.train(was_training)
    return torch.cat(losses).cpu()


def stream(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A random stream of its own for each purpose and position of a run, on the CPU.

    Args:
        seed: The run's seed, 0 or more.
        purpose: What the numbers are for.
        index: For instance the epoch or the step.

    Returns:
        A generator whose numbers depend on these three and on nothing else.
    """
    return torch.Generator().manual_seed(_stream_seed(seed, purpose, index))


def _stream_seed(seed: int, purpose: str, index: int = 0) -> int:
    tag = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    state = np.random.SeedSequence([seed, tag, index]).generate_state(1, dtype=np.uint64)
    return int(state[0] >> np.uint64(1))  # torch takes 63 bits and a sign


def _chosen_images(config: TrainConfig, data: Mnist) -> Tensor:
    available = len(data.train_images)
    if config.images > available:
        raise ValueError(f"images must be at most {available}, got {config.images}.")
    generator = stream(config.seed, "images")
    return data.train_images[torch.randperm(available, generator=generator)[: config.images]]


def _batches_left(state: TrainState) -> Tensor:
    """Indices of the images that the rest of the epoch shows, a row a batch; it starts here."""
    config, left = state.config, state.steps_left
    if left == config.steps_per_epoch:
        state.losses = []
        state.seconds.append(0.0)
    order = torch.randperm(config.images, generator=stream(config.seed, "order", state.epoch))
    batches = order[: config.steps_per_epoch * config.batch_size].view(-1, config.batch_size)
    return batches[config.steps_per_epoch - left :]


@contextmanager
def _timed(state: TrainState) -> Iterator[None]:
    started = time.perf_counter()
    yield
    state.seconds[-1] += time.perf_counter() - started


def _make_batch(x_0: Tensor, t: Tensor, noise: Tensor, schedule: Tensor) -> Batch:
    noise = _sent(noise, x_0.device)
    x_t = q_sample(x_0, t, noise, schedule)  # t on the CPU: its range is checked without a wait
    return Batch(x_0, _sent(t, x_0.device), noise, x_t)


def _sent(values: Tensor, device: torch.device) -> Tensor:
    """A tensor of the CPU on its way to a device; a GPU fetches it while Python goes on."""
    pinned = values.pin_memory() if device.type == "cuda" else values
    return pinned.to(device, non_blocking=True)


def predict(model: nn.Module, x_t: Tensor, t: Tensor, precision: str) -> Tensor:
    """Predict the noise as training does: channels-last, under autocast if precision says so.

    Args:
        model: Called as model(x_t, t).
        x_t: Noised images of shape (B, 1, 28, 28).
        t: Timesteps of shape (B,).
        precision: ``"float32"`` or ``"bfloat16"``.

    Returns:
        Predicted noise of the shape of x_t, in float32.
    """
    x_t = x_t.contiguous(memory_format=torch.channels_last)
    with torch.autocast(x_t.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        return model(x_t, t).float()


def _training_step(
    state: TrainState, network: nn.Module, batch: Batch, accelerator: "Accelerator | None"
) -> Tensor:
    if accelerator is not None:
        batch = _part(batch, accelerator)
    state.model.train()
    noise_pred = predict(network, batch.x_t, batch.t, state.config.precision)
    loss = F.mse_loss(noise_pred, batch.noise)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    state.optimizer.step()
    loss = loss.detach().clone()  # mse_loss leaves its number in a buffer of the batch's size
    return loss if accelerator is None else accelerator.reduce(loss, reduction="mean")


def _shared(state: TrainState, accelerator: "Accelerator | None") -> nn.Module:
    """The network whose backward pass averages the gradients of all processes."""
    if accelerator is None:
        return state.model
    processes, size = accelerator.num_processes, state.config.batch_size
    if size % processes:
        raise ValueError(
            f"batch_size must be a multiple of the number of processes, {processes}, got {size}."
        )
    return accelerator.prepare_model(state.model)


def _part(batch: Batch, accelerator: "Accelerator") -> Batch:
    """This process's part of a batch; parts are equal, so the mean of means is the whole mean."""
    size = len(batch.t) // accelerator.num_processes
    part = slice(accelerator.process_index * size, (accelerator.process_index + 1) * size)
    return Batch(*(getattr(batch, f.name)[part] for f in fields(Batch)))


def _device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
