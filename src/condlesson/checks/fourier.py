"""Check of a further task of exercise 1: random Fourier features."""

import math
from collections.abc import Callable
from contextlib import suppress

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from condlesson import embeddings
from condlesson.checks.embedding import (
    DRAWN,
    check_own_rows,
    check_precision,
    check_repeats,
    check_table_shape,
    counted,
)
from condlesson.checks.harness.answer import HALVES, as_factory, build, call, call_on, cured
from condlesson.checks.harness.cures import outer_cure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check
from condlesson.checks.instruments.kinds_of_timesteps import compare_kinds
from condlesson.checks.instruments.parameters import check_modes
from condlesson.checks.instruments.sinusoid import inspect_hands
from condlesson.checks.instruments.sinusoid_fit import fit_hands

__all__ = ["check_random_fourier_features"]

D, T, SCALE = 256, 1000, 16.0
NARROW = 64  # another width
TOO_FAST = 0.15  # turns a timestep, of which whole timesteps do not tell enough


def check_random_fourier_features(cls: Callable[[int], nn.Module]) -> CheckResult:
    """Check sines and cosines of t at random frequencies.

    Args:
        cls: Called as cls(d_emb), and with the keywords num_timesteps and scale; an object is
            called with t of shape (B,) and returns (B, d_emb).

    Returns:
        What was found.
    """
    return run_check(
        "check_random_fourier_features",
        cls,
        _examine,
        exercise=embeddings.RandomFourierFeatures,
        praise="Well done: a clock whose hands turn at random speeds, drawn once and kept. Next, "
        "make the scale 1 and 200, and look at the similarity of t = 500 and t = 501.",
    )


def _examine(answer: object) -> list[str]:
    factory = as_factory(answer, "RandomFourierFeatures(d_emb)")
    with _Unfilled():
        module = build(factory, D, text=f"{name_of(factory)}({D})")
    _check_filled(module)
    features = _features(module, DRAWN)
    check_precision(features)
    check_table_shape(features, len(DRAWN), D)
    check_repeats(features, _features(module, DRAWN), "The module")
    check_own_rows(module, features, DRAWN, _features)
    check_modes(module, lambda: _features(module, DRAWN))
    taken = compare_kinds(lambda t: call_on(module, t, what=""))
    _check_kept(factory, module, features)
    found = [_turns(factory) for _ in range(4)]
    _check_normal(torch.cat(found))
    for turns in found:
        _check_different(turns)
    _check_divisor(factory)
    notes = _check_options(factory)
    _check_width(factory)
    return [*notes, *taken.notes]


class _Unfilled(TorchFunctionMode):
    """Memory that is not filled holds nan, and not what lay there by chance."""

    def __torch_function__(
        self, func: Callable, types: tuple, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        made = func(*args, **(kwargs or {}))
        if func in (torch.empty, torch.empty_like, Tensor.new_empty) and made.is_floating_point():
            made.fill_(math.nan)
        return made


def _check_filled(module: nn.Module) -> None:
    tensors = {**vars(module), **module.state_dict()}
    for name, value in tensors.items():
        if not isinstance(value, Tensor) or not value.is_floating_point():
            continue
        if value.isnan().any():
            raise Wrong(
                f"self.{name} was never filled: it is what torch.empty made. Draw the numbers into "
                f"it, as by nn.init.normal_(self.{name}, std=...), and call the method that does "
                "so in __init__."
            )
        if value.dtype in HALVES:
            raise Wrong(
                f"self.{name} is {value.dtype}, which is too coarse for frequencies: the error "
                "grows with t. Keep it in float32."
            )


def _features(module: Callable, t: Tensor) -> Tensor:
    with cured(outer_cure):
        return call_on(module, t, what=f"The module, called with {counted(t)},")


def _check_kept(factory: Callable, module: nn.Module, features: Tensor) -> None:
    trained = [name for name, p in module.named_parameters() if p.requires_grad]
    if trained:
        raise Wrong(
            f"{', '.join(trained)} is trained, as a parameter. Random Fourier features are drawn "
            "once and not trained. Keep them with self.register_buffer(...)."
        )
    loaded, other = (build(factory, D, text=f"{name_of(factory)}({D})") for _ in range(2))
    late = _drawn_late(other)
    if torch.equal(_features(other, DRAWN), features):
        raise Wrong(
            "Two objects have the same frequencies. Draw them anew for each object, from a "
            "normal distribution, without a fixed seed."
        )
    try:  # into an object that was never called, as a sampler's is
        call(
            loaded.load_state_dict,
            module.state_dict(),
            what="Loading the weights of one object into another",
        )
    except Wrong:
        if late:
            raise Wrong(_LATE.format(name=late)) from None
        raise
    if torch.allclose(_features(loaded, DRAWN), features, atol=1e-5):
        return
    raise Wrong(
        _LATE.format(name=late)
        if late
        else "The frequencies are lost when the weights are saved and loaded: they are not in "
        "state_dict(). A plain attribute is not saved; self.register_buffer makes it so."
    )


_LATE = (
    "self.{name} gets its numbers in the first call, in forward. Frequencies that are loaded into "
    "a new object are lost there, since its first call sets others. Draw them in __init__: "
    'self.register_buffer("{name}", ...).'
)


def _drawn_late(module: nn.Module) -> str:
    """Name of the buffer that the first call makes or fills, or ""."""
    before = {name: value.clone() for name, value in module.named_buffers()}
    _features(module, DRAWN)
    return next(
        (
            name
            for name, value in module.named_buffers()
            if value.is_floating_point()
            and not (name in before and torch.equal(value, before[name]))
        ),
        "",
    )


def _turns(factory: Callable, **options: float) -> Tensor:
    """Signed turns per num_timesteps of each frequency."""
    module = _build(factory, options)
    who = f"The frequencies of {name_of(factory)}({D}{_shown(options)})"
    at_once = _turns_at_once(module, options)
    if len(at_once) and at_once.square().mean().sqrt() > TOO_FAST * options.get("num_timesteps", T):
        _check_spread(at_once, options, who)
    table = _features(module, torch.arange(T)).double()
    hands = fit_hands(table)
    turns_per_step = options.get("num_timesteps", T) / (2 * math.pi)
    inspect_hands(table, hands)
    _check_spread(hands.w[~hands.constant] * turns_per_step, options, who)
    sines, cosines = hands.w[hands.is_sine].sort(), hands.w[hands.is_cosine].sort()
    both = min(len(sines[0]), len(cosines[0]))  # a hand that stands almost still has no cosine
    if (sines[0][-both:] - cosines[0][-both:]).abs().max() > 1e-2:
        raise Wrong(
            "Sines and cosines have different frequencies. Each frequency gives one of each: "
            "torch.cat([angles.cos(), angles.sin()], dim=-1)."
        )
    sign = torch.where(hands.phase[hands.is_sine].abs() < 1, 1, -1)[sines[1]]
    return sign * sines[0] * turns_per_step


def _build(factory: Callable, options: dict) -> nn.Module:
    return build(lambda: factory(D, **options), text=f"{name_of(factory)}({D}{_shown(options)})")


def _shown(options: dict) -> str:
    return "".join(f", {name}={value:g}" for name, value in options.items())


def _turns_at_once(module: Callable, options: dict) -> Tensor:
    """The same of a very small step, which no frequency is too fast for; without their order.

    Empty if the module takes whole timesteps only.
    """
    step = 2.0**-10
    with suppress(Wrong):
        near = _features(module, torch.tensor([0.0, step])).double()
        turns = near.diff(dim=0)[0] / (2 * math.pi * step) * options.get("num_timesteps", T)
        return turns * math.sqrt(2)  # half of the columns stand still at t = 0
    return torch.zeros(0)


def _check_spread(turns: Tensor, options: dict, who: str) -> None:
    scale, num_timesteps = options.get("scale", SCALE), options.get("num_timesteps", T)
    spread = turns.square().mean().sqrt().item() if len(turns) else scale
    if 0.75 < spread / scale < 1.33 or 0.45 < spread / scale < 0.7:  # the latter is not normal
        return
    heavy = turns.pow(4).mean() > 10 * turns.square().mean().square()  # 3, or 6 with zeros
    raise Wrong(
        f"{who} have a standard deviation of {spread:.3g} turns in {num_timesteps} timesteps, "
        f"which should be scale = {scale:g}. "
        f"{_HEAVY if heavy else _spread_reason(spread, scale, num_timesteps)}".strip()
        if not 1 < spread < 1.25 or turns.abs().max() > 2.02
        else f"{who} lie between -2 and 2, where nn.init.trunc_normal_ cuts by itself. Take "
        "nn.init.normal_(..., std=self.scale)."
    )


_HEAVY = "A few are much larger than the others. Take normal numbers: torch.randn."


def _spread_reason(spread: float, scale: float, num_timesteps: int) -> str:
    ratio = spread / scale
    if ratio > num_timesteps / 8:  # with or without 2 pi, at another scale
        return (
            "Neighbouring timesteps are unrelated. Divide t by self.num_timesteps, so that a "
            "frequency of 1 makes one turn while t goes through all of them."
        )
    reasons = [
        (0.5, _PI_ALONE.strip()),
        (SCALE / scale, "The argument scale is not used: take self.scale."),
        (
            num_timesteps / T,
            "The argument num_timesteps is not used: divide by self.num_timesteps.",
        ),
        (180 / math.pi, "One turn is 2 pi radians, and not 360: torch.sin takes radians."),
        (1 / (2 * math.pi), "2 pi is missing: a frequency of 1 is one whole turn."),
        (2 * math.pi, "The factor 2 pi is there twice. Leave one of the two out."),
        (1 / scale, "The scale is not used: the standard deviation must be self.scale."),
        (scale, "You multiply by the scale twice."),
        (
            1 / math.sqrt(scale),
            "self.scale is the standard deviation, not the variance. Take no square root of it.",
        ),
        (1 / num_timesteps, "t is divided by num_timesteps twice."),
    ]
    return next((text for value, text in reasons if 0.8 < ratio / value < 1.25), "")


_PI_ALONE = " One turn is 2 pi radians. Is it pi alone?"


def _check_normal(turns: Tensor) -> None:
    spread = turns.square().mean().sqrt().item()
    positive = (turns > 0).double().mean().item()
    if turns.mean() > 4 * turns.std():
        raise Wrong(
            f"The frequencies have a mean of {turns.mean():.3g}, which should be 0. The first "
            "number of a normal distribution is its mean: write std=self.scale."
        )
    if not 0.35 < positive < 0.65:
        raise Wrong(
            f"{positive:.0%} of the frequencies are positive; in a normal distribution around 0 "
            "half of them are. torch.rand draws from 0 to 1, torch.randn from the normal "
            "distribution."
        )
    if not 0.84 < spread / SCALE < 1.17:  # of 4 x 128 numbers, five standard errors
        raise Wrong(
            f"The frequencies have a standard deviation of {spread:.3g} turns in {T} timesteps, "
            f"which should be scale = {SCALE:g}." + _PI_ALONE * (0.45 < spread / SCALE < 0.55)
        )
    if turns.mean().abs() > 5.5 * turns.std() / math.sqrt(len(turns)):
        raise Wrong(
            f"The frequencies have a mean of {turns.mean():.3g}, which should be 0: of "
            f"{len(turns)} normal numbers with that scale it is never so far from 0."
        )
    kurtosis = (turns.pow(4).mean() / turns.square().mean().square()).item()
    if not 2.3 < kurtosis < 4.5:
        raise Wrong(
            f"The frequencies are not normally distributed: their kurtosis is {kurtosis:.2f}, and "
            "that of a normal distribution is 3. Take torch.randn or nn.init.normal_."
        )


def _check_different(turns: Tensor) -> None:
    """Each frequency is a number of its own, and no whole one."""
    if (turns - turns.round()).abs().max() < 0.01:
        raise Wrong(
            "All frequencies are whole numbers of turns, so that t = 0 and t = num_timesteps look "
            "the same. Leave out what rounds them."
        )
    alike = int((turns.abs().sort().values.diff() < 1e-3).sum())
    if alike > len(turns) // 8:  # one of 128 by chance
        raise Wrong(
            f"Only {len(turns) - alike} of the {len(turns)} frequencies differ from one another."
            " Draw each by itself: torch.randn(d_emb // 2)."
        )


def _check_divisor(factory: Callable) -> None:
    """With two timesteps num_timesteps - 1 is half as large."""
    options = {"num_timesteps": 2}
    try:
        turns = _turns_at_once(_build(factory, options), options)
    except Wrong:
        return  # no such keyword: _check_options tells
    if len(turns) and turns.square().mean().sqrt() > 1.6 * SCALE:
        raise Wrong(
            "t is divided by num_timesteps - 1. Divide it by num_timesteps: a frequency of 1 makes "
            "one whole turn while t goes from 0 to num_timesteps."
        )


def _check_width(factory: Callable) -> None:
    """Another d_emb than before must make features of that width, of sines and cosines, too."""
    module = build(factory, NARROW, text=f"{name_of(factory)}({NARROW})")
    try:
        check_table_shape(_features(module, DRAWN), len(DRAWN), NARROW)
        table = _features(module, torch.arange(T)).double()
        inspect_hands(table, fit_hands(table))
    except Wrong as error:
        raise Wrong(
            f"With d_emb = {D} it is right, with d_emb = {NARROW} it is wrong. {error} Is a width "
            f"written down, such as {D // 2}? Take d_emb // 2."
        ) from None


def _check_options(factory: Callable) -> list[str]:
    for options in ({"scale": 6.0}, {"num_timesteps": 300}):
        try:
            _build(factory, options)
        except Wrong as error:
            if "TypeError" not in str(error):
                raise
            return [f"Note: your class does not take the page's keyword {next(iter(options))}."]
        _turns(factory, **options)
    return []
