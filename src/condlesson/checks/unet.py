"""Check of exercise 4: a U-Net that is told the timestep at its bottleneck."""

import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import torch
from torch import Tensor, nn

from condlesson import unet
from condlesson.checks.harness.answer import (
    HALVES,
    as_factory,
    build,
    call,
    call_on,
    cured,
    shape,
    tensor_from,
)
from condlesson.checks.harness.cures import reshape_cure
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check
from condlesson.checks.instruments.inner_maps import check_bounds, check_cuts, check_norms
from condlesson.checks.instruments.mixing import check_mixing
from condlesson.checks.instruments.parameters import overwritten, squeezed, switch, trainable
from condlesson.checks.instruments.spatial_path import (
    check_head,
    check_input,
    check_learning,
    check_skips,
    path_notes,
)
from condlesson.checks.instruments.time_path import (
    ACTIVATED,
    D_EMB,
    PATH,
    WIDE,
    check_clock,
    find_path,
    goes_alone,
    hidden_part,
    small_image,
)
from condlesson.checks.instruments.trace import (
    Entrance,
    enters_behind,
    find_entrance,
    named,
    three_passes,
    time_parameters,
)
from condlesson.checks.instruments.training_mode import check_training

__all__ = ["check_unet_sinusoidal"]


def check_unet_sinusoidal(cls: Callable[[], nn.Module]) -> CheckResult:
    """Check a U-Net with sinusoid and timestep MLP, added to the whole bottleneck.

    Args:
        cls: Called as cls(); an object is called with x_t (B, 1, 28, 28) and t (B,), and returns
            the shape of x_t.

    Returns:
        What was found.
    """
    return run_check(
        "check_unet_sinusoidal",
        cls,
        _unet_sinusoidal,
        exercise=unet.UNetSinusoidal,
        praise="Well done: the clock reaches every channel of the bottleneck, and gradients reach "
        "the clock's network. Next, train it for a few steps, and lay your run beside the "
        "recorded one.",
    )


def _unet_sinusoidal(answer: object) -> list[str]:
    factory = as_factory(answer, "UNetSinusoidal()")
    x, t = _images(2, 28), torch.tensor([10, 700])
    with cured(_cure):
        model = build(factory, text=f"{name_of(factory)}()")
    with cured(partial(_wrong_method, model, x, t), _cure):
        out = _predict(model, x, t)
    if out.dtype in HALVES:
        raise Wrong(
            f"The prediction is {out.dtype}, which is too coarse: x_t is {x.dtype}. Convert it "
            "back: out.float()."
        )
    if out.shape != x.shape:
        raise Wrong(
            f"x_t {shape(x)} must give a prediction of its shape, got {shape(out)}. One number is "
            "predicted for each pixel."
        )
    trainable(model)
    with cured(_cure):
        notes = _examine(model, x, t)
        build(factory, text=f"{name_of(factory)}()")  # another one shares nothing
    return notes


def _examine(model: nn.Module, x: Tensor, t: Tensor) -> list[str]:
    """Everything about a network that returns what has the right shape."""
    notes = _wake(model)
    deaf = _check_backward(model, x, t)
    switch(model, "eval")
    _predict(model, x[:1], t[:1])  # the first call in this mode changes no parameter either
    check_head(model, x[:1])
    check_input(model, x[:1])
    _check_items(model)
    check_mixing(model)
    passes = three_passes(model, x[:1])
    entrance = find_entrance(passes, WIDE)
    try:
        _check_entrance(entrance)
    except Wrong as error:
        raise Wrong(hidden_part(model) or str(error)) from None
    _check_channels(model, entrance, x[:1])
    _check_elsewhere(model, entrance, x[:1])
    check_skips(model, x[:1])
    notes += check_bounds(model, entrance, x[:1])
    check_norms(model, x[:1])
    path = find_path(model, x[:1], time_parameters(passes))
    corner = small_image(model, x[:1])
    entrance = entrance._replace(is_alone=goes_alone(model, corner))
    notes += check_clock(model, path, entrance, corner)
    clock = {*path.perceptron, path.projection}
    check_learning(model, deaf, clock, x[:1])
    check_cuts(model, x[:1])
    check_training(model, entrance, x[:1], corner)
    return [*notes, *_place_note(entrance), *path_notes(model, deaf, clock, passes.one)]


def _cure(failure: Failure) -> str:
    """What to do about an error of a network."""
    match = re.search(r"cannot be multiplied \(\d+x(\d+) and (\d+)x\d+\)", failure.text)
    if match:
        layer = failure.layer or "A layer"
        return f"{layer} takes {match[2]} numbers and gets {match[1]}. {PATH}."
    match = re.search(r"to have (\d+) channels, but got (\d+) channels", failure.text)
    if match:
        return (
            f"{failure.layer or 'A convolution'} takes {match[1]} channels and gets {match[2]}. In "
            "the decoder the channels of both are joined: torch.cat([up, skip], dim=1)."
        )
    if "d_sinusoidal must be an integer" in failure.text:
        return (
            "TimestepEmbedding is a class. Make the layer in __init__, self.embedding = "
            "TimestepEmbedding(256, 512), and call that with t."
        )
    match = re.search(r"__init__\(\) missing .*: '(\w+)'", failure.text)
    if match and not failure.code:
        return f"The class is called without arguments. Give {match[1]} a default, {match[1]}=32."
    if "must match" in failure.text and "non-singleton dimension 1" in failure.text:
        return f"The shift needs {WIDE} numbers, one for each channel. {PATH}."
    return reshape_cure(failure, (2, WIDE))


def _wrong_method(model: nn.Module, x: Tensor, t: Tensor, failure: Failure) -> str:
    """Which method of the learner's returns the wrong thing, where the error is in its caller."""
    wrong = []

    def watched(name: str, method: Callable) -> Callable:
        def call_it(*args: object) -> object:
            try:
                result = method(*args)
            except Exception:
                if name == "condition" and _fits(method, args[1], args[0]):
                    wrong.append(
                        "It is called with h first, then t_emb: condition(self, h, t_emb)."
                    )
                raise
            if result is None:
                wrong.append(f"{name} returned None. End it with return.")
            elif not isinstance(result, Tensor):
                kind = type(result).__name__
                wrong.append(f"{name} returned a {kind}. Return one tensor alone.")
            elif name == "condition" and result.shape != args[0].shape:
                wrong.append(
                    f"condition returned {shape(result)}, and h is {shape(args[0])}. Return h plus "
                    "the shift."
                )
            return result

        return call_it

    own = [name for name in ("embed", "condition") if _is_own(model, name)]
    try:
        for name in own:
            vars(model)[name] = watched(name, getattr(model, name))
        with suppress(Exception):
            model(x, t)
    finally:
        for name in own:
            vars(model).pop(name, None)
    if not wrong and "NoneType" in failure.text:
        return _not_found(model, "embed")
    if not wrong and _fits(model, t, x):
        return "The network is called with x_t first, then t: def forward(self, x_t, t)."
    return wrong[0] if wrong else ""


def _fits(function: Callable, x: Tensor, t: Tensor) -> bool:
    """Whether a function of these returns what has the shape of one of them."""
    with suppress(Exception):
        return function(x, t).shape in (x.shape, t.shape)
    return False


def _not_found(model: nn.Module, name: str) -> str:
    """The class is made of UNet, with the other of its two methods only; else ""."""
    if name in model._modules:
        return (
            f"self.{name} is a layer, and UNet has a method of that name, which it hides. Give "
            f"the layer another name, and write the method {name}."
        )
    other, does = {
        "embed": ("condition", "returns None"),
        "condition": ("embed", "returns h as it is"),
    }[name]
    if not isinstance(model, unet.UNet) or _is_own(model, name) or not _is_own(model, other):
        return ""
    return f"Your class has no {name}, and UNet's own {does}. Is the name spelt right?"


def _is_own(model: nn.Module, name: str) -> bool:
    method = getattr(type(model), name, None)
    return method is not None and method is not getattr(unet.UNet, name)


def _images(count: int, side: int) -> Tensor:
    return torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(4))


def _predict(model: nn.Module, x: Tensor, t: Tensor) -> Tensor:
    return call_on(model, x, t, what=named(x, t))


def _wake(model: nn.Module) -> list[str]:
    """Random values for weights that start at 0, behind which nothing could be measured."""
    asleep = {n: p for n, p in model.named_parameters() if p.ndim > 1 and not p.any()}
    with torch.no_grad():
        for p in asleep.values():
            p.normal_(std=p[0].numel() ** -0.5)
    return [
        f"Note: {name} starts at 0, so its layer gives 0 at first. It can learn." for name in asleep
    ]


def _check_backward(model: nn.Module, x: Tensor, t: Tensor) -> list[str]:
    """Names of parameters that no gradient reaches; `Wrong` if nothing of the path learns."""
    out = tensor_from(call(model, x.clone(), t, what="The network"), "The network")
    if not out.requires_grad:
        raise Wrong(
            "The prediction carries no gradient, so nothing would be learned. Leave out "
            "torch.no_grad, detach, .data and .item."
        )
    call((out * torch.randn_like(out)).sum().backward, what="The backward pass")
    return [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]


def _check_items(model: nn.Module) -> None:
    x, t = _images(1, 28).expand(3, -1, -1, -1), torch.tensor([300, 0, 999])
    out = _predict(model, x, t).detach()
    if (_predict(model, x, t) - out).abs().max() > 1e-5:
        raise Wrong(
            "In evaluation mode the same input gets another prediction each time. A layer that is "
            "made in forward starts anew in every call, and never learns; make it in __init__. And "
            "nothing may be drawn at random there."
        )
    alone = torch.cat([_predict(model, x[:1], t[k : k + 1]) for k in range(3)]).detach()
    if max((y - y[:1]).abs().max() for y in (alone, out)) < 1e-6:
        raise Wrong(
            "The prediction does not depend on t: t = 0, 300 and 999 give the same. "
            f"{_lost(model, find_entrance(three_passes(model, x[:1]), WIDE))}"
        )
    if torch.allclose(out, alone, atol=1e-4):
        return
    if (out - out[:1]).abs().max() < 1e-6:
        raise Wrong(
            "All images of a batch are told one timestep, though each has its own. Keep the batch "
            "dimension of t."
        )
    raise Wrong(
        "In evaluation mode an image gets one prediction alone and another one in a batch: "
        "timesteps or images influence one another. Nothing may mix along dimension 0."
    )


def _lost(model: nn.Module, entrance: Entrance | None) -> str:
    if entrance is None:
        return _not_found(model, "condition") or f"Embed t, and add it. {PATH}."
    change = entrance.change.abs().max()
    if change < 1e-3:
        return (
            f"It enters {_where(entrance)}, but t = 10 and t = 700 differ there by {change:.1g} at "
            "most. Is t divided before it is embedded? The sinusoid takes t as it is."
        )
    return (
        f"It enters {_where(entrance)}, and what follows cancels it. Does a norm with one "
        "channel in each group follow? It subtracts each channel's mean. Add the shift behind it."
    )


def _check_entrance(entrance: Entrance | None) -> None:
    if entrance is None:
        raise Wrong(f"t enters no feature map. {PATH}.")
    if entrance.size != entrance.deepest or entrance.wide == 0:
        raise Wrong(f"The timestep enters {_where(entrance)}, and not at the bottleneck. {PATH}.")
    if entrance.channels > WIDE:
        raise Wrong(
            f"The embedding is joined to the feature map, {entrance.channels} channels in all, "
            f"and not added to it. {PATH}."
        )
    flat = entrance.change.flatten(1)
    if (flat - flat[:, :1]).abs().max() > 1e-4 * flat.abs().max() + 1e-6:
        raise Wrong(
            "What the timestep changes differs from pixel to pixel of the bottleneck, so it is "
            "not one number added to each channel. Reshape the projection to (B, 256, 1, 1), and "
            "add it. Do not multiply by it."
        )
    if entrance.channels == WIDE and (flat[:, 0] - flat[0, 0]).abs().max() < 1e-6:
        raise Wrong(
            "Every channel of the bottleneck gets the same number. Project the embedding to 256 "
            "numbers, one for each channel: nn.Linear(512, 256)."
        )


def _check_channels(model: nn.Module, entrance: Entrance, x: Tensor) -> None:
    """All channels must be told the time, whatever the weights are."""
    told = _told(entrance.change)
    if entrance.channels == WIDE and told.all():
        return
    negated = {
        p: -p.detach()
        for p in model.parameters()
        if squeezed(p) in {(WIDE, D_EMB), (D_EMB, WIDE), (WIDE,)}
    }
    with overwritten(negated):
        other = find_entrance(three_passes(model, x), WIDE)
    if other is not None and other.channels == WIDE and not torch.equal(_told(other.change), told):
        raise Wrong(ACTIVATED)
    raise Wrong(
        f"The timestep reaches {int(told.sum())} of the {WIDE} channels of the bottleneck; the "
        f"others are told nothing. Project the embedding to all {WIDE}: nn.Linear(512, 256)."
    )


def _check_elsewhere(model: nn.Module, entrance: Entrance, x: Tensor) -> None:
    if enters_behind(model, entrance, x):
        raise Wrong(
            "The timestep enters the network at a second place, too: with the bottleneck of "
            "another t the prediction still changes with t. Or is the shift added twice? Let t "
            f"enter at one place only: {PATH}."
        )


def _told(change: Tensor) -> Tensor:
    return change.flatten(1).abs().amax(1) > 1e-6


def _where(entrance: Entrance) -> str:
    size = f"{entrance.channels} channels of {entrance.size} x {entrance.size} pixels"
    if entrance.size == entrance.deepest and entrance.wide:
        return f"at the bottleneck, in {size}"
    if entrance.wide:
        return f"in the decoder, in {size}"
    place = "at the first block" if entrance.size == 28 else "in front of the bottleneck"
    return f"{place}, in {size}"


def _place_note(entrance: Entrance) -> list[str]:
    if entrance.is_behind:
        return []
    return [
        "Note: the timestep enters between the two convolutions of the bottleneck, as in the first "
        "diffusion U-Nets. The page adds it behind both."
    ]
