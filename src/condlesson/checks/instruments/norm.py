"""How an embedding scales and shifts the channels: which of the known mistakes it makes, if any."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from condlesson.checks.harness.answer import HALVES, build, call, call_on, cured, shape, tensor_from
from condlesson.checks.harness.run import Wrong, name_of
from condlesson.checks.instruments.modulation import (
    BATCH,
    FORMULA,
    Scores,
    WantedLayer,
    feature_maps,
    fit_channels,
    name_norm,
    read_scores,
)
from condlesson.checks.instruments.norm_cures import layer_cure
from condlesson.checks.instruments.parameters import (
    check_gradients,
    check_modes,
    overwritten,
    slices,
    squeezed,
    trainable,
)
from condlesson.checks.instruments.projection import check_linear, parameter_notes
from condlesson.checks.instruments.slopes import check_slopes, stepped, unmoved
from condlesson.checks.instruments.tied import check_free

__all__ = [
    "PAGE",
    "SIZES",
    "Sizes",
    "apply_raw",
    "check_backward",
    "check_learns",
    "embeddings_like",
    "examine_layer",
    "examine_scores",
    "measure",
    "moved_by_t",
    "with_random_parameters",
]

Sizes = tuple[int, int, int]  # num_channels, d_emb, num_groups
SMALL: Sizes = (12, 16, 4)
PAGE: Sizes = (64, 512, 32)
ONE_EACH: Sizes = (6, 5, 6)  # as many groups as channels
FEW: Sizes = (64, 24, 8)  # fewer groups than the usual 32, which divide the channels, too
SIZES = (SMALL, ONE_EACH, FEW)


def apply(layer: nn.Module, h: Tensor, t_emb: Tensor) -> Tensor:
    """The layer's result, of the shape of h."""
    what = f"The layer, with h {shape(h)} and t_emb {shape(t_emb)},"
    out = call_on(layer, h, t_emb, what=what)
    if out.shape != h.shape:
        raise Wrong(
            f"{what} must return the shape of h, got {shape(out)}. Reshape what is "
            "projected from (B, C) to (B, C, 1, 1): x[:, :, None, None]."
        )
    if out.dtype in HALVES:
        raise Wrong(
            f"{what} returns {out.dtype}, which is too coarse: h is {h.dtype}. Compute in float32, "
            "without .half() and .bfloat16()."
        )
    return out


def embeddings_like(count: int, d_emb: int, seed: int = 5) -> Tensor:
    """Standard normal embeddings (count, d_emb)."""
    return torch.randn(count, d_emb, generator=torch.Generator().manual_seed(seed))


def examine_layer(factory: Callable, sizes: Sizes, *, adds_only: bool = False) -> nn.Module:
    """What any conditioned norm must do: shapes, gradients, items on their own, the norm."""
    num_channels, d_emb, num_groups = sizes
    asked = WantedLayer(num_channels, num_groups, adds_only)
    h, t_emb = feature_maps(BATCH, num_channels), embeddings_like(BATCH, d_emb)
    with cured(partial(layer_cure, asked=asked, d_emb=d_emb)):
        layer = build(factory, *sizes, text=f"{name_of(factory)}{sizes}")
        trainable(layer)
        out = apply(layer, h, t_emb)
    if not torch.equal(out, apply(layer, h, t_emb)):
        raise Wrong(
            "The same input gives another result each time. Make every layer in __init__, none in "
            "forward, and draw nothing at random there."
        )
    with with_random_parameters(layer):
        _check_items(layer, h, t_emb, asked)
    with with_random_parameters(layer, only_matrices=True):  # a norm last is one with its start
        name_norm(partial(apply, layer), asked, t_emb[:1])
        _check_once(layer, asked, t_emb[:1])
    with with_random_parameters(layer):
        check_modes(layer, lambda: apply(layer, h, t_emb))
        _check_sizes(layer, h, t_emb)
        _check_bounds(layer, h, t_emb, asked)
    _check_owned(layer, sizes, t_emb)
    build(factory, *sizes, text=f"{name_of(factory)}{sizes}")  # another one shares nothing
    return layer


def _check_once(layer: nn.Module, asked: WantedLayer, t_emb: Tensor) -> None:
    """Whatever its own scale and shift are, the norm is that of h."""
    own = {
        p: p.detach() + torch.linspace(0, 2, p.numel()).reshape(p.shape)
        for p in layer.parameters()
        if slices(p, asked.num_channels)
    }
    try:
        with overwritten(own):
            name_norm(partial(apply, layer), asked, t_emb)
    except Wrong:
        raise Wrong(
            "With other numbers in the norm's own scale and shift the result is not one group norm "
            "of h that is scaled and shifted. Is the norm applied twice? Apply it once, to h: "
            f"{asked.formula}."
        ) from None


def _check_sizes(layer: nn.Module, h: Tensor, t_emb: Tensor) -> None:
    """Another size of feature map, and one without any contrast."""
    twice = apply(layer, torch.cat([h, h], dim=2), t_emb)
    out = apply(layer, h, t_emb)
    off = (twice - torch.cat([out, out], dim=2)).abs().max()
    if off > 0.05 * max(1.0, out.abs().max().item()):  # a variance over n - 1 moves it by 0.01
        raise Wrong(
            f"It is right for feature maps of {h.shape[2]} x {h.shape[3]} pixels, and not for "
            f"{2 * h.shape[2]} x {h.shape[3]}: two equal halves give something else than one. Take "
            "height and width from h, or let nn.GroupNorm do it."
        )
    apply(layer, torch.zeros_like(h), t_emb)  # raises where a deviation of 0 divides


def _check_bounds(layer: nn.Module, h: Tensor, t_emb: Tensor, asked: WantedLayer) -> None:
    """A bright pixel, which the norm makes larger than others ever are, is treated as all are."""
    bright = h.repeat(1, 1, 4, 4)
    bright[:, :: h.shape[1] // asked.num_groups, 2, 3] += 50.0  # one channel of each group
    if fit_channels(bright, apply(layer, bright, t_emb)).residual.max() > 1e-3:
        raise Wrong(
            "A pixel far above all others comes out smaller than the others tell: something bounds "
            f"it, as by clamp. The layer is {asked.formula}, whatever the values are."
        )


def _check_owned(layer: nn.Module, sizes: Sizes, t_emb: Tensor) -> None:
    """Refuse a layer in which t_emb acts by what no optimiser would train."""
    frozen = {n: p for n, p in layer.named_parameters() if not p.requires_grad}
    with with_random_parameters(layer), overwritten(dict.fromkeys(trainable(layer).values(), 0.0)):
        scores = measure(layer, sizes, t_emb)
    if moved_by_t(scores.scale).any() or moved_by_t(scores.shift).any():
        if frozen:
            raise Wrong(
                f"t_emb acts through {next(iter(frozen))}, which is frozen: requires_grad is "
                "False, so an optimiser would not train it. Freeze nothing."
            )
        raise Wrong(
            "With all trainable parameters set to 0, t_emb still has an effect: the layer that "
            "projects it is not among them, so an optimiser would not train it. Keep the layer "
            "as an attribute, self.projection = nn.Linear(...), not in a plain list, and freeze "
            "nothing."
        )


def check_backward(layer: nn.Module, h: Tensor, t_emb: Tensor) -> None:
    """Refuse a layer that stops a backward pass, to its parameters or to its inputs."""
    leaves = h.clone().requires_grad_(), t_emb.clone().requires_grad_()
    with with_random_parameters(layer):
        check_gradients(layer, lambda: apply_raw(layer, *(x * 1.0 for x in leaves)), "The result")
    for name, p in trainable(layer).items():
        deaf = p.grad == 0
        if len(squeezed(p)) == 2 and deaf.double().mean() > 0.4:
            raise Wrong(_deaf_text(layer, name, deaf, lambda: apply(layer, h, t_emb)))
    for leaf, name in zip(leaves, ("h", "t_emb"), strict=True):
        if leaf.grad is None:
            raise Wrong(
                f"No gradient reaches {name}: the layers before this one would not learn. Leave "
                "out detach, .data and no_grad."
            )
    unused = int((leaves[1].grad == 0).all(0).sum())
    if unused > 0.4 * t_emb.shape[1]:
        raise Wrong(
            f"{unused} of the {t_emb.shape[1]} numbers of t_emb have no effect. Project all of it."
        )
    with with_random_parameters(layer):
        check_slopes(layer, partial(apply_raw, layer), h, t_emb)


def check_learns(layer: nn.Module, sizes: Sizes, *, adds_only: bool = False) -> None:
    """Refuse a layer whose start no gradient leaves, so that t_emb never has an effect."""
    h, t_emb = feature_maps(BATCH, sizes[0]), embeddings_like(BATCH, sizes[1])
    values = stepped(layer, partial(apply_raw, layer), h, t_emb)
    with overwritten(values):
        scores = measure(layer, sizes, embeddings_like(48, sizes[1]))
    for kind, found in (("scale", scores.scale), ("shift", scores.shift)):
        if (adds_only and kind == "scale") or (found.std(0) > 1e-5).all():
            continue
        raise Wrong(
            f"From this start t_emb can never set the {kind} of every channel: after some steps of "
            "gradient descent it still has no effect. Two factors in a row that both start at 0 "
            f"keep each other there. Let only one of them start at 0.{unmoved(layer, values)}"
        )


def _deaf_text(layer: nn.Module, name: str, deaf: Tensor, run: Callable[[], Tensor]) -> str:
    """Why a large part of a weight gets no gradient."""
    p = dict(layer.named_parameters())[name]
    before = run().detach()
    with overwritten({p: p.detach() + deaf}):
        is_used = not torch.equal(run().detach(), before)
    share = f"{deaf.double().mean():.0%} of {name} {tuple(p.shape)}"
    if is_used:
        return (
            f"No gradient reaches {share}, though the result depends on it: the path is cut. Leave "
            "out detach, .data and no_grad."
        )
    return f"{share} has no effect: make the layer only as wide as you need it."


def apply_raw(layer: nn.Module, h: Tensor, t_emb: Tensor) -> Tensor:
    """The layer's result on tensors that carry gradients, without copies."""
    return tensor_from(call(layer, h, t_emb, what="The layer"), "The layer")


def with_random_parameters(layer: nn.Module, *, only_matrices: bool = False) -> object:
    """Random values in parameters for a while, so that no start hides what a layer does."""
    generator = torch.Generator().manual_seed(11)
    return overwritten(
        {
            p: torch.randn(p.shape, generator=generator)
            * (0.5 if p.ndim < 2 else p.shape[-1] ** -0.5)
            for p in layer.parameters()
            if len(squeezed(p)) > 1 or not only_matrices
        }
    )


def _check_items(layer: nn.Module, h: Tensor, t_emb: Tensor, asked: WantedLayer) -> None:
    together = apply(layer, h, t_emb).detach()
    alone = torch.cat([apply(layer, h[k : k + 1], t_emb[k : k + 1]) for k in range(len(h))])
    if torch.allclose(together, alone.detach(), atol=1e-3):
        return
    first = apply(layer, h, t_emb[:1].expand(len(h), -1)).detach()
    if torch.allclose(first, together, atol=1e-3):
        raise Wrong(
            "Every feature map of the batch is modulated by the first embedding, t_emb[0]. Each "
            "has its own timestep: keep the batch dimension."
        )
    rest = feature_maps(len(h) - 1, h.shape[1], seed=13)  # of another form, too: norms undo sizes
    others = torch.cat([h[:1], rest])  # does the first feature map look at the others?
    if torch.allclose(apply(layer, others, t_emb)[0].detach(), together[0], atol=1e-3):
        raise Wrong(
            "A feature map is modulated by the embeddings of the whole batch, not by its own. Each "
            "has its own timestep: average nothing over the batch, dimension 0, and do not "
            "reshape or split across it."
        )
    raise Wrong(
        "A feature map comes out differently alone and in a batch: the items influence one "
        "another, as in a batch norm. Group norm looks at each feature map by itself: "
        f"{asked.norm_of('num_groups', asked.width)}."
    )


def measure(layer: nn.Module, sizes: Sizes, t_emb: Tensor) -> Scores:
    """Scale and shift of every channel for each embedding."""
    h = feature_maps(1, sizes[0]).expand(len(t_emb), -1, -1, -1)
    return read_scores(h, fit_channels(h, apply(layer, h, t_emb)), sizes[2])


def examine_scores(layer: nn.Module, sizes: Sizes) -> list[str]:
    """How gamma and beta depend on t_emb; return notes or raise `Wrong`."""
    t_emb = embeddings_like(48, sizes[1])
    with with_random_parameters(layer):
        scores = measure(layer, sizes, t_emb)
    _check_dependence(scores, sizes[0])
    check_backward(layer, feature_maps(3, sizes[0]), t_emb[:3])
    notes = _check_linear(layer, sizes, scores, t_emb)
    read = partial(measure, layer, sizes, t_emb)
    check_free(layer, lambda: _named(read()), sizes[0])
    check_learns(layer, sizes)
    return [*notes, *parameter_notes(layer, sizes, read)]


def _check_linear(layer: nn.Module, sizes: Sizes, scores: Scores, t_emb: Tensor) -> list[str]:
    """Notes, or `Wrong` with what bends gamma or beta, which a norm's own random scale hides."""
    try:
        return check_linear(scores, t_emb)
    except Wrong:
        with with_random_parameters(layer, only_matrices=True):
            check_linear(measure(layer, sizes, t_emb), t_emb)
        raise


def _named(scores: Scores) -> dict[str, Tensor]:
    return {"gamma": scores.scale, "beta": scores.shift}


def moved_by_t(values: Tensor) -> Tensor:
    """Which channels of (N, C) change with the embedding."""
    return values.std(0) > 1e-4


def _check_dependence(scores: Scores, num_channels: int) -> None:
    scaled, shifted = moved_by_t(scores.scale), moved_by_t(scores.shift)
    if not scaled.any() and not shifted.any():
        raise Wrong(
            "t_emb has no effect: the result is the same for every embedding. Project it, and "
            f"modulate with what comes out: {FORMULA}."
        )
    if not scaled.any():
        raise Wrong(
            f"Gamma is missing: each channel is scaled by {scores.scale.mean():.3g} whatever "
            f"t_emb is, and only shifted by it. The layer needs both: {FORMULA}."
        )
    if not shifted.any():
        raise Wrong(
            "Beta is missing: each channel is scaled by t_emb, but nothing is added. The layer "
            f"needs both: {FORMULA}."
        )
    for moved, name in ((scaled, "gamma"), (shifted, "beta")):
        if not moved.all():
            still = (~moved).nonzero().flatten().tolist()
            raise Wrong(
                f"Only {int(moved.sum())} of {num_channels} channels are given a {name} by t_emb; "
                f"channel {still[0]}{' and others have' if len(still) > 1 else ' has'} none. The "
                f"projection must have 2 * num_channels outputs, and all must be used."
            )
    for values, name in ((scores.scale, "gamma"), (scores.shift, "beta")):
        if (values - values[:, :1]).abs().max() < 1e-3 * values.abs().max():
            raise Wrong(
                f"All channels get one and the same {name}. Each channel has its own: the "
                "projection has 2 * num_channels outputs."
            )
        halves = values[:, : num_channels // 2], values[:, num_channels // 2 :]
        if torch.allclose(*halves, atol=1e-3):
            raise Wrong(f"The second half of the channels repeats the {name} of the first half.")
    for offset in (0, 1):
        if torch.allclose(scores.scale - offset, scores.shift, atol=1e-3):
            raise Wrong(
                "Gamma and beta are the same numbers. The projection has 2 * num_channels outputs: "
                "one half for gamma, the other for beta."
            )
