"""Whether a network hears the same timesteps while it trains as in evaluation mode."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from condlesson.checks.harness.run import Wrong
from condlesson.checks.instruments.parameters import switch
from condlesson.checks.instruments.spatial_path import check_head
from condlesson.checks.instruments.time_path import WIDE, bottleneck, timesteps
from condlesson.checks.instruments.trace import (
    Entrance,
    enters_behind,
    find_entrance,
    three_passes,
)

__all__ = ["Calm", "check_training"]

START = "After model.train(), the network is told something else than after model.eval():"


INSTANCE_NORM = (
    *("input", "running_mean", "running_var", "weight", "bias"),
    *("use_input_stats", "momentum", "eps"),
)


class Calm(TorchFunctionMode):
    """Training mode without its chance: no dropout, and batch norms by their running values."""

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return _calm_batch_norm(*args, **kwargs)
        if func is F.instance_norm:
            values = dict(zip(INSTANCE_NORM, args, strict=False)) | kwargs
            return func(**{**values, "use_input_stats": values.get("running_mean") is None})
        if "dropout" in getattr(func, "__name__", ""):
            return args[0] if args else kwargs["input"]
        return func(*args, **kwargs)


def _calm_batch_norm(
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    return F.batch_norm(x, mean, variance, weight, bias, mean is None, momentum, eps)


def check_training(model: nn.Module, entrance: Entrance, x: Tensor, corner: Tensor) -> None:
    """Refuse a network that is told something else while it trains.

    Args:
        model: In evaluation mode, and left so.
        entrance: Where the timestep enters in that mode.
        x: One image, (1, 1, 28, 28).
        corner: Part of it, as small as the network takes.
    """

    def seeded(x: Tensor, t: Tensor) -> Tensor:  # what is drawn while it trains is drawn alike
        torch.default_generator.manual_seed(torch.initial_seed())
        return model(x, t)

    t = timesteps(corner, entrance)
    evaluated = _shifts(seeded, corner, t, entrance)
    switch(model, "train")
    try:
        with Calm():
            _compare(seeded, x, corner, t, evaluated, entrance.is_alone)
            check_head(seeded, x, "After model.train(), the prediction")
    finally:
        switch(model, "eval")


def _shifts(model: Callable, x: Tensor, t: Tensor, entrance: Entrance) -> Tensor:
    """What each timestep changes at the bottleneck against the first one, (N, C)."""
    first = t[:1] if entrance.is_alone else t[:1].expand(len(t))
    return bottleneck(model, x, t, entrance) - bottleneck(model, x, first, entrance)


def _compare(
    model: Callable, x: Tensor, corner: Tensor, t: Tensor, evaluated: Tensor, is_alone: bool
) -> None:
    """Refuse another shift of the bottleneck, or another way in; other differences are allowed."""
    entrance = find_entrance(three_passes(model, x), WIDE)
    if entrance is None or entrance.channels != WIDE:
        raise Wrong(f"{START} its bottleneck does not depend on t.")
    trained = _shifts(model, corner, t, entrance._replace(is_alone=is_alone))
    if not torch.allclose(trained, evaluated, atol=1e-4):
        raise Wrong(f"{START} {_difference(trained, evaluated, t)}")
    if enters_behind(model, entrance, x):
        raise Wrong(f"{START} t enters at a second place, too.")


def _difference(trained: Tensor, evaluated: Tensor, t: Tensor) -> str:
    closest = torch.cdist(trained, evaluated).argmin(dim=1)
    is_moved = (closest != torch.arange(len(t))).double().mean() > 0.5
    if is_moved and torch.allclose(trained, evaluated[closest], atol=1e-4):
        return "an image is told the timestep of another one."
    off = (trained - evaluated).abs().amax(dim=1)
    k = int(off.argmax())
    return (
        f"at t = {int(t[k])} the shifts of the bottleneck differ by up to {off[k]:.2g}. Embed t "
        "in the same way in both modes."
    )
