"""Classifier-free guidance: a network's prediction with a class, moved away from that without one.

    noise_pred = uncond + s * (cond - uncond)

s is the guidance scale: 0 is the prediction without a class, 1 that with it, and above 1 the class
counts for more than the network says. The paper writes the same as (1 + w) * cond - w * uncond, so
that s = 1 + w. The name of a weight does not tell which of the two it is: `CONVENTIONS` does.

Guidance may be kept to a part of the clock: `interval_scale`.

Source: Ho and Salimans 2022, equation 6, arXiv:2207.12598.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from condlesson.arguments import check_choice, check_finite, check_integer
from condlesson.inputs import check_labels, one_for_each
from condlesson.tensors import check_tensor

__all__ = ["CONVENTIONS", "GuidedModel", "guidance_scale", "guided_prediction", "interval_scale"]

# What has to be added to a weight to make it the scale.
CONVENTIONS = {"conditional_at_1": 0, "conditional_at_0": 1}


def guidance_scale(weight: float, convention: str = "conditional_at_1") -> float:
    """The guidance scale s of a weight in either convention.

    s = weight in ``"conditional_at_1"`` (diffusers, DiT), 1 + weight in ``"conditional_at_0"`` (the
    paper).

    Args:
        weight: Any finite number; what makes s negative guides away from the class.
        convention: One of `CONVENTIONS`.

    Raises:
        TypeError: weight is no number.
        ValueError: weight is not finite, or convention is unknown.
    """
    check_choice("convention", convention, CONVENTIONS)
    check_finite(weight, "weight")
    return weight + CONVENTIONS[convention]


def guided_prediction(
    model: Callable, x_t: Tensor, t: Tensor, labels: Tensor, null_label: int, scale: float | Tensor
) -> Tensor:
    """Predict the noise with guidance: one call of the model, on a batch of twice the size.

    noise_pred = uncond + scale * (cond - uncond)

    Args:
        model: Called as model(x_t, t, labels); returns the predicted noise, of the shape of x_t.
        x_t: Noisy images of shape (B, ...).
        t: Integer timesteps of shape (B,), 0 is the least noise.
        labels: Classes of shape (B,).
        null_label: The label that stands for "no class".
        scale: The guidance scale s; 0 is without the class, 1 with it. A tensor of shape
            (B, 1, ...) has one for each image.

    Returns:
        The guided prediction, of the shape of x_t.

    Raises:
        TypeError: x_t, t or labels is no tensor, or null_label or scale no number.
        ValueError: There is not one timestep, label and scale for each image, or a scale is not
            finite.

    Source: Ho and Salimans 2022, equation 6, arXiv:2207.12598.
    """
    check_guided(x_t, t, labels, null_label, scale)
    # TODO 1: one batch of twice the size. Each image and each timestep is in it two
    # times, once with its label and once with null_label. torch.cat joins along dim 0.
    told = torch.cat([labels, torch.full_like(labels, null_label)])  # (2 B,)
    noise_pred = model(torch.cat([x_t, x_t]), torch.cat([t, t]), told)  # (2 B, ...)
    # END TODO
    # TODO 2: take the two halves apart again, in the same order, and go from the one
    # without the class to the one with it, scale times as far.
    cond, uncond = noise_pred.chunk(2)  # (B, ...) each
    return uncond + scale * (cond - uncond)
    # END TODO


def interval_scale(t: Tensor, scale: float, low: int, high: int) -> Tensor:
    """The guidance scale of each image if there is guidance in an interval of timesteps only.

    Args:
        t: Integer timesteps of shape (B,), 0 is the least noise.
        scale: The guidance scale s in the interval.
        low: The first timestep that is guided.
        high: The first one behind the interval, as in Python's range.

    Returns:
        Scales of shape (B,), which are scale where low <= t < high, and elsewhere 1, the class
        alone.

    Raises:
        TypeError: t is no tensor, scale no number, or low or high no integer.
        ValueError: scale is not finite.

    Source: Kynkäänniemi et al. 2024, arXiv:2404.07724.
    """
    check_interval(t, scale, low, high)
    t = t.long()  # or small integers would wrap: in uint8, 300 is 44
    # TODO 1: which timesteps lie in the interval? There the scale is scale. Outside,
    # the prediction with the class is used as it is: which scale is that?
    inside = (t >= low) & (t < high)  # (B,)
    return torch.where(inside, scale, 1.0)
    # END TODO


def check_guided(
    x_t: Tensor, t: Tensor, labels: Tensor, null_label: int, scale: float | Tensor
) -> None:
    """Refuse what is not one for each image, and a scale that would spread over the pixels."""
    for name, value in (("x_t", x_t), ("t", t)):
        check_tensor(value, name)
    check_labels(labels, len(x_t))
    check_integer(null_label, "null_label")
    if t.shape != labels.shape:
        raise ValueError(
            f"t must have the shape ({len(x_t)},), one timestep for each image, got "
            f"{tuple(t.shape)}."
        )
    if not isinstance(scale, Tensor):
        check_finite(scale, "scale")
        return
    shape = (len(x_t), *[1] * (x_t.ndim - 1))
    if scale.ndim and scale.shape != shape:
        raise ValueError(
            f"scale must be a number or have the shape {shape}, one for each image, got "
            f"{tuple(scale.shape)}. Reshape it: scale.reshape{shape}."
        )


def check_interval(t: Tensor, scale: float, low: int, high: int) -> None:
    """Refuse timesteps that are no tensor, a scale that is not finite, and ends between steps."""
    check_tensor(t, "t")
    check_finite(scale, "scale")
    check_integer(low, "low")
    check_integer(high, "high")


class GuidedModel(nn.Module):
    """A network that is told a class, as a model of x_t and t alone: what a sampler takes.

    Args:
        network: Called as network(x_t, t, labels), for instance a `UNetAdaGN` with num_classes.
        labels: Classes of shape (B,), integers; None for no class, whatever the weight is.
        weight: Guidance weight, as in `guidance_scale`.
        convention: One of `CONVENTIONS`.
        null_label: The label that stands for "no class"; by default that of the network's
            class_embedding.
        interval: Guides at the timesteps low <= t < high only, see `interval_scale`; by default at
            all.

    Raises:
        TypeError: weight is no number.
        ValueError: weight is not finite, convention is unknown, or no null_label is found; in the
            call, there is not one label for each image.
    """

    def __init__(
        self,
        network: Callable,
        labels: Tensor | None,
        weight: float = 1.0,
        *,
        convention: str = "conditional_at_1",
        null_label: int | None = None,
        interval: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.scale = guidance_scale(weight, convention)
        if labels is not None:
            check_tensor(labels, "labels")
        self.interval = interval
        self.network = network
        labels = None if labels is None else labels.long()  # a uint8 holds no null_label of 300
        self.register_buffer("labels", labels, persistent=False)
        if null_label is None:
            null_label = getattr(getattr(network, "class_embedding", None), "null", None)
        if null_label is None:
            raise ValueError(
                f"null_label must be given: {type(network).__name__} has no class_embedding that "
                "says it. With ten classes 0 .. 9 it is 10 in most code."
            )
        self.null_label = null_label

    def forward(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """Predict the noise in x_t (B, ...) at t, of shape (B,) or one for all."""
        t, labels, scale = one_for_each(t, x_t), self.labels, self.scale
        if labels is None:  # without a class, which needs no guidance
            labels, scale = torch.full((len(x_t),), self.null_label, device=x_t.device), 1
        check_labels(labels, len(x_t))
        if self.interval is not None and scale != 1:
            scales = interval_scale(t, scale, *self.interval)
            scale = scales.reshape(-1, *[1] * (x_t.ndim - 1)) if (scales != 1).any() else 1
        if isinstance(scale, int | float) and scale == 1:  # at half the cost
            return self.network(x_t, t, labels)
        return guided_prediction(self.network, x_t, t, labels, self.null_label, scale)
