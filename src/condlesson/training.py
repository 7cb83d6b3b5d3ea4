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

import copy
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.batches import (
    Batch,
    noised_batch,
    stream,
    stream_seed,
    training_images,
    validation_batches,
)
from condlesson.config import PRECISIONS, TIERS, TrainConfig
from condlesson.data import Mnist
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.machine import free_memory
from condlesson.networks import NETWORKS
from condlesson.sampling import evaluating
from condlesson.unet import count_parameters

if TYPE_CHECKING:
    from accelerate import Accelerator  # of the training extras; one process needs none of it

__all__ = [
    "PRECISIONS",
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
    "update_average",
    "validation_batches",
]


@dataclass
class TrainState:
    """A run in progress: all that is needed to go on with it.

    Attributes:
        config: What the run does.
        model: The network, as the optimiser's last step left it.
        optimizer: Adam over the network's parameters.
        average: The network with the running average of its weights; None if none is kept.
        step: Optimiser steps done since the start.
        losses: Loss of each step of the present epoch, 0-d tensors.
        seconds: Time of each epoch so far, the present one included.
        train_loss: Mean loss of each finished epoch.
        val_loss: Validation loss after each finished epoch.
    """

    config: TrainConfig
    model: nn.Module
    optimizer: torch.optim.Optimizer
    average: nn.Module | None = None
    step: int = 0
    losses: list[Tensor] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    val_loss: list[float] = field(default_factory=list)

    @classmethod
    def start(cls, config: TrainConfig, device: torch.device | str = "cpu") -> "TrainState":
        """A fresh run: `make_model`'s network and its optimiser.

        Raises:
            MemoryError: They do not fit into the memory that is free.
        """
        _check_memory(config)
        model = make_model(config).to(device, memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        average = copy.deepcopy(model).requires_grad_(False) if config.ema_decay else None
        return cls(config, model, optimizer, average)

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and recorded, which is the average where one is kept."""
        return self.model if self.average is None else self.average

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
            "average": None if self.average is None else self.average.state_dict(),
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
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        for name in ("step", "losses", "seconds", "train_loss", "val_loss"):
            setattr(self, name, state[name])


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
    images, labels = training_images(config, data)
    images = images.to(device)  # all of them, once
    validation = validation_batches(config, data, device)
    schedule = alphas_cumprod(linear_beta_schedule(config.num_timesteps))
    while not state.finished:
        for rows in _batches_left(state):
            with _timed(state):
                told = labels[rows] if config.told_class else None
                x_0 = images[rows.to(device)]
                batch = noised_batch(x_0, schedule, config, state.step, told)
                state.losses.append(_training_step(state, network, batch, accelerator))
                if state.average is not None:
                    update_average(state.average, state.model, config.ema_decay, state.step)
                state.step += 1
            yield state
        with _timed(state):
            losses = evaluate(state.judged, validation)
            state.train_loss.append(torch.stack(state.losses).mean().item())
            state.val_loss.append(losses.mean().item())
        yield state


def _check_memory(config: TrainConfig) -> None:
    """Refuse a network that does not fit: the system would kill whoever asks for the memory."""
    with torch.device("meta"):
        count = count_parameters(NETWORKS[config.variant].make(config.width))
    copies = 5 if config.ema_decay else 4  # weights, gradients, Adam's two averages; the average
    needed, free = copies * count * torch.float32.itemsize, free_memory()
    if needed > free:
        raise MemoryError(
            f"width must be one whose network fits into the free memory, got {config.width}: "
            f"its {count:,} weights take at least {needed / 1e9:.1f} GB in training, and "
            f"{free / 1e9:.1f} GB are free. Make it narrower."
        )


def make_model(config: TrainConfig) -> nn.Module:
    """The network of a configuration, with its starting weights, in float32 on the CPU.

    The global random state is left alone.
    """
    with torch.random.fork_rng(devices=[]):  # for the weights that `initialise` replaces
        model = NETWORKS[config.variant].make(config.width)
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
                torch.manual_seed(stream_seed(seed, f"init {name}"))
                module.reset_parameters()


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Let a running average of a network's weights and buffers take one step.

    average <- d * average + (1 - d) * model,   d = min(decay, (1 + step) / (10 + step))

    At first d is small, so that the starting weights are soon forgotten. Until it reaches decay,
    the average reaches over about the last tenth of the steps.

    Args:
        average: A network with the average, changed in place.
        model: The network, after its step.
        decay: Largest share of the average that a step keeps, in [0, 1).
        step: Number of the optimiser step, from 0.

    Source: the warm-up of TensorFlow's ExponentialMovingAverage; averages in diffusion models, Ho,
    Jain and Abbeel 2020, appendix B, arXiv:2006.11239.
    """
    share = 1 - min(decay, (1 + step) / (10 + step))
    pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    for mean, value in pairs:
        if mean.is_floating_point():
            mean.lerp_(value, share)
        else:  # batch norm counts its batches
            mean.copy_(value)


@torch.no_grad()
def evaluate(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    told_t: int | None = None,
    told_class: bool = True,
) -> Tensor:
    """Loss of a network on each image, in float32 and evaluation mode; its mode is put back.

    Args:
        model: Called as model(x_t, t).
        batches: For instance `validation_batches`.
        told_t: A timestep to tell the network in place of the true ones.
        told_class: Whether to tell it the labels, where the batches have any.

    Returns:
        Mean squared error of each image, a float32 tensor of shape (N,) on the CPU.
    """
    losses = []
    with evaluating(model):
        for batch in batches:
            t = batch.t if told_t is None else torch.full_like(batch.t, told_t)
            labels = batch.labels if told_class else None
            noise_pred = predict(model, batch.x_t, t, "float32", labels)
            losses.append(F.mse_loss(noise_pred, batch.noise, reduction="none").mean(dim=(1, 2, 3)))
    return torch.cat(losses).cpu()


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


def predict(
    model: nn.Module, x_t: Tensor, t: Tensor, precision: str, labels: Tensor | None = None
) -> Tensor:
    """Predict the noise as training does: channels-last, under autocast if precision says so.

    Args:
        model: Called as model(x_t, t), or model(x_t, t, labels) if there are labels.
        x_t: Noised images of shape (B, 1, H, W).
        t: Timesteps of shape (B,).
        precision: ``"float32"`` or ``"bfloat16"``. What carries t is float32 in either.
        labels: Classes of shape (B,), or None.

    Returns:
        Predicted noise of the shape of x_t, in float32.
    """
    x_t = x_t.contiguous(memory_format=torch.channels_last)
    with torch.autocast(x_t.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        return (model(x_t, t) if labels is None else model(x_t, t, labels)).float()


def _training_step(
    state: TrainState, network: nn.Module, batch: Batch, accelerator: "Accelerator | None"
) -> Tensor:
    if accelerator is not None:
        batch = _part(batch, accelerator)
    state.model.train()
    noise_pred = predict(network, batch.x_t, batch.t, state.config.precision, batch.labels)
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
    return batch.each(lambda values: values[part])


def _device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
