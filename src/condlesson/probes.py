"""Measurements on embeddings and networks. Each takes a model or a tensor and returns numbers.

Nothing here trains, draws a picture or reads a file, so every probe works on a model of yours.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from condlesson.conditioning import AdaGN
from condlesson.training import Batch, evaluate

__all__ = [
    "block_movement",
    "cosine_similarity_matrix",
    "layer_inputs",
    "lie_matrix",
    "loss_by_timestep",
    "modulation",
    "modulations",
    "pair_similarities",
    "rank_correlation",
    "roughness",
    "surviving_shift",
    "timestep_bound",
    "timestep_floor",
]

BLOCKS = ("enc_1", "enc_2", "enc_3", "bottleneck", "dec_2", "dec_1", "head")


def cosine_similarity_matrix(embeddings: Tensor) -> Tensor:
    """Cosine similarity of every pair of embeddings.

    S_jk = dot(e_j, e_k) / (norm(e_j) * norm(e_k))

    Args:
        embeddings: Shape (N, D).

    Returns:
        Tensor of shape (N, N), values in [-1, 1].

    Raises:
        TypeError: They are no floating numbers.
        ValueError: They have another shape.
    """
    if not embeddings.is_floating_point():
        raise TypeError(f"embeddings must be floating, got {embeddings.dtype}.")
    if embeddings.ndim != 2:
        raise ValueError(f"embeddings must have the shape (N, D), got {tuple(embeddings.shape)}.")
    directions = F.normalize(embeddings.detach(), dim=-1)
    return directions @ directions.T


def pair_similarities(embed: nn.Module, pairs: list[tuple[int, int]]) -> list[float]:
    """Cosine similarity of the embeddings of chosen pairs of timesteps.

    Args:
        embed: Maps timesteps (B,) to embeddings (B, D): a function or a module.
        pairs: Pairs of timesteps.

    Returns:
        One number for each pair.
    """
    left, right = torch.tensor(pairs).T
    with torch.no_grad():
        return F.cosine_similarity(embed(left), embed(right), dim=-1).tolist()


@torch.no_grad()
def modulation(layer: AdaGN, t_emb: Tensor) -> tuple[Tensor, Tensor]:
    """Gamma and beta of an adaptive group norm for each embedding.

    Args:
        layer: An `AdaGN`, or a layer with a `projection` to both.
        t_emb: Shape (N, d_emb).

    Returns:
        gamma and beta, each of shape (N, C).
    """
    gamma, beta = layer.projection(t_emb).chunk(2, dim=-1)
    return gamma, beta


@torch.no_grad()
def modulations(model: nn.Module, t: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Gamma and beta of every adaptive group norm of a network, for each timestep.

    Args:
        model: It has `embed`, which maps timesteps (N,) to embeddings, and layers with a `norm` of
            C channels and a `projection` to 2 C numbers: `AdaGN`, or one of your own.
        t: Timesteps of shape (N,).

    Returns:
        For each such layer, by the name of the block that it is in, gamma and beta of shape (N, C).

    Raises:
        ValueError: The network has no such layer.
    """
    t_emb, found = model.embed(t), {}
    for name, layer in model.named_modules():
        norm, projection = getattr(layer, "norm", None), getattr(layer, "projection", None)
        if norm is not None and projection.out_features == 2 * norm.num_channels:
            found[name.rpartition(".")[0] or name] = modulation(layer, t_emb)
    if not found:
        raise ValueError("model must have a layer with gamma and beta, such as AdaGN, got none.")
    return found


def loss_by_timestep(losses: Tensor, t: Tensor, num_timesteps: int, num_bins: int = 10) -> Tensor:
    """Mean loss in equal bins of the timestep.

    Args:
        losses: One loss for each image, shape (N,).
        t: Its timestep, shape (N,).
        num_timesteps: T; bin k covers k T / num_bins <= t < (k + 1) T / num_bins.
        num_bins: Number of bins.

    Returns:
        Float64 tensor of shape (num_bins,), nan for an empty bin.

    Raises:
        ValueError: There is not one timestep for each loss, or one lies outside 0 .. T - 1.
    """
    t = t.long()  # small integers would wrap
    if t.shape != losses.shape or (t.numel() and not 0 <= t.min() <= t.max() < num_timesteps):
        raise ValueError(
            f"t must have the shape of losses, {tuple(losses.shape)}, and values in "
            f"0 .. {num_timesteps - 1}, got shape {tuple(t.shape)}."
        )
    bins = t * num_bins // num_timesteps
    total = torch.zeros(num_bins, dtype=torch.float64).index_add_(0, bins, losses.double())
    return total / torch.bincount(bins, minlength=num_bins)


def lie_matrix(model: nn.Module, batches: dict[int, Batch], told: list[int]) -> Tensor:
    """Loss of a network that is told a timestep, true or not.

    Args:
        model: Called as model(x_t, t).
        batches: For each true timestep, a batch that was noised with it.
        told: Timesteps to tell the network.

    Returns:
        Tensor of shape (len(batches), len(told)), a row per true timestep, a column per told one.
    """
    rows = [
        [evaluate(model, [batch], told_t=t).mean().item() for t in told]
        for batch in batches.values()
    ]
    return torch.tensor(rows)


@torch.no_grad()
def block_movement(
    model: nn.Module, x_t: Tensor, t: int, told: int, blocks: Sequence[str] = BLOCKS
) -> dict[str, float]:
    """How much the output of each block moves when the network is told another timestep.

    movement = norm(h_told - h_t) / norm(h_t), over all images, channels and pixels of a block

    The image stays as it is. A block behind others moves with them: the movement counts what
    reaches its output, not what it adds itself.

    Args:
        model: Called as model(x_t, t), in evaluation mode; it has the submodules named in blocks.
        x_t: Noised images of shape (B, 1, H, W).
        t: The timestep to start from.
        told: The timestep that is told instead.
        blocks: Names of submodules, by default the blocks of the lesson's U-Nets and their head.

    Returns:
        For each block a number, 0 or more.

    Raises:
        AttributeError: The model has no such submodule.
    """
    with _kept(model, blocks, lambda inputs, output: output) as outputs:
        for said in (t, told):
            model(x_t, torch.full((len(x_t),), said, device=x_t.device))
    return {name: ((b - a).norm() / a.norm()).item() for name, (a, b) in outputs.items()}


@torch.no_grad()
def layer_inputs(model: nn.Module, x_t: Tensor, t: Tensor, layers: Sequence[str]) -> dict:
    """What goes into some layers of a network.

    Args:
        model: Called as model(x_t, t), in evaluation mode.
        x_t: Noised images of shape (B, 1, H, W).
        t: What it is told, shape (B,).
        layers: Names of its submodules.

    Returns:
        For each layer its first input, for instance a feature map of shape (B, C, H, W).

    Raises:
        AttributeError: The model has no such submodule.
    """
    with _kept(model, layers, lambda inputs, output: inputs[0]) as kept:
        model(x_t, t)
    return {name: first for name, (first,) in kept.items()}


def roughness(h: Tensor) -> Tensor:
    """How much each channel of a feature map changes from one pixel to the next.

    mean (h - its neighbour)^2 / (2 * variance of h), over images, and neighbours right and below.
    It is 1 less the correlation of neighbours: about 0 for a smooth map, 1 for white noise.

    Args:
        h: Feature map of shape (B, C, H, W).

    Returns:
        Tensor of shape (C,), values in 0 .. 2; nan for a channel that is constant.
    """
    down, right = (h.diff(dim=dim).square().mean(dim=(0, 2, 3)) for dim in (2, 3))
    return (down + right) / 2 / (2 * h.var(dim=(0, 2, 3), correction=0))


def rank_correlation(a: Tensor, b: Tensor) -> float:
    """Spearman's correlation: that of the ranks; 1 if b rises wherever a does.

    Args:
        a: Shape (N,), two values or more, no two of them equal, and no nan.
        b: The same.

    Raises:
        ValueError: A shape does not fit, or a value is nan or there twice.
    """
    for name, values in (("a", a), ("b", b)):
        if values.ndim != 1 or len(values) < 2 or a.shape != b.shape:
            raise ValueError(
                "a and b must have one shape (N,) with N at least 2, got "
                f"{tuple(a.shape)} and {tuple(b.shape)}."
            )
        if values.isnan().any() or len(values.unique()) < len(values):
            raise ValueError(
                f"{name} must hold no nan and no two equal values, or it has no ranks."
            )
    ranks = torch.stack([values.argsort().argsort().double() for values in (a, b)])
    return torch.corrcoef(ranks)[0, 1].item()


def timestep_bound(alphas_cumprod: Tensor, num_pixels: int, mean_square: float = 1.0) -> Tensor:
    """How well noised pixels can tell the timestep at best, if the clean ones are known.

    A pixel is normal with mean sqrt(alpha_bar) x_0 and variance v = 1 - alpha_bar, so N of them
    hold the Fisher information

        I(t) = N * (x_0^2 (d sqrt(alpha_bar) / dt)^2 / v + (dv / dt)^2 / (2 v^2))

    and the standard deviation of an unbiased guess is at least 1 / sqrt(I). Who does not know the
    clean pixels cannot do better than who does.

    Args:
        alphas_cumprod: alpha_bar of shape (T,).
        num_pixels: How many pixels, N in the formula.
        mean_square: Mean of x_0^2 over the pixels, 1 for a background of -1.

    Returns:
        Tensor of shape (T,), in timesteps.

    Source: the bound of Rao 1945 and Cramér 1946; for noise levels of diffusion compare Sun et
    al. 2025, arXiv:2502.13129.
    """
    alpha_bar = alphas_cumprod.double()
    v = 1 - alpha_bar
    by_mean = mean_square * _slope(alpha_bar.sqrt()).square() / v
    by_variance = _slope(v).square() / (2 * v.square())
    return (num_pixels * (by_mean + by_variance)).rsqrt()


def timestep_floor(
    alphas_cumprod: Tensor,
    num_pixels: int,
    timesteps: Sequence[int],
    *,
    mean_square: float = 1.0,
    draws: int = 500,
    seed: int = 0,
) -> Tensor:
    """Error of the best guess of the timestep, if the clean pixels and the range of t are known.

    The guess is the mean of t, uniform on 0 .. T - 1 beforehand, given the noised pixels. No other
    has a smaller mean squared error over the whole range; a biased guess can be nearer at some
    timesteps, and it is here at the ends. `timestep_bound` holds for guesses without a bias only,
    which do not know that no timestep lies beyond T - 1.

    Args:
        alphas_cumprod: alpha_bar of shape (T,).
        num_pixels: How many pixels, 2 or more.
        timesteps: True timesteps at which the error is wanted.
        mean_square: As in `timestep_bound`.
        draws: Noised images that are drawn for each timestep.
        seed: Seed of the draws.

    Returns:
        Root mean square error, float64 of shape (len(timesteps),), in timesteps.

    Raises:
        ValueError: A timestep lies outside 0 .. T - 1.
    """
    if not all(0 <= true < len(alphas_cumprod) for true in timesteps):
        raise ValueError(
            f"timesteps must lie in 0 .. {len(alphas_cumprod) - 1}, got {list(timesteps)}."
        )
    alpha_bar = alphas_cumprod.double()
    mean, v = alpha_bar.sqrt(), 1 - alpha_bar
    rng = np.random.default_rng(seed)
    along = torch.from_numpy(rng.standard_normal((draws, 1)))  # of the noise, in x_0's direction
    across = torch.from_numpy(rng.chisquare(num_pixels - 1, (draws, 1)))  # squared, in the others
    t, errors = torch.arange(len(v), dtype=torch.float64), []
    for true in timesteps:
        gap = (mean[true] - mean) * math.sqrt(num_pixels * mean_square)
        squares = (gap + v[true].sqrt() * along).square() + v[true] * across  # (draws, T)
        posterior = (-squares / (2 * v) - num_pixels / 2 * v.log()).softmax(dim=-1)
        errors.append((posterior @ t - true).square().mean().sqrt())
    return torch.stack(errors)


def surviving_shift(
    channels_per_group: int,
    *,
    num_channels: int = 64,
    seed: int = 0,
    h: Tensor | None = None,
    after: bool = False,
) -> float:
    """Share of a per-channel shift that is left where a group norm has done its work.

    A random shift is added to a feature map, before the norm or after it. Survival is the variance
    over channels of the change of the channel means, divided by the variance of the shift itself
    (both in units of the normalised feature map): 0 when the norm has cancelled the shift, about
    1 - 1/channels_per_group for a small shift before the norm.

    Args:
        channels_per_group: Channels that share a mean and a variance in the norm.
        num_channels: Channels of the feature map, a multiple of channels_per_group.
        seed: Seed of the feature map and the shift.
        h: A feature map of shape (B, C, H, W) in place of a random one, and of num_channels.
        after: Add the shift after the norm.

    Returns:
        The share, 0 or more.

    Raises:
        ValueError: The number of channels is not a multiple of channels_per_group.

    Source: Wu and He 2018, equations 1 to 7, arXiv:1803.08494.
    """
    num_channels = num_channels if h is None else h.shape[1]
    if channels_per_group < 1 or num_channels % channels_per_group:
        raise ValueError(
            "num_channels must be a multiple of channels_per_group, "
            f"got {num_channels} and {channels_per_group}."
        )
    generator = torch.Generator().manual_seed(seed)
    num_groups, spread = num_channels // channels_per_group, 1.0
    if h is None:
        h = torch.randn(64, num_channels, 16, 16, generator=generator)
    else:  # what the norm divides by, for each channel
        spread = h.reshape(len(h), num_groups, -1).std(dim=-1)
        spread = spread.repeat_interleave(channels_per_group, dim=1)[..., None, None]
    shift = 0.1 * torch.randn(len(h), num_channels, 1, 1, generator=generator)
    norm = F.group_norm(h, num_groups)
    shifted = norm + shift if after else F.group_norm(h + spread * shift, num_groups)
    return ((shifted - norm).mean(dim=(2, 3)).var() / shift.var()).item()


@contextmanager
def _kept(model: nn.Module, names: Sequence[str], chosen) -> Iterator[dict[str, list[Tensor]]]:  # noqa: ANN001
    """What submodules take in or put out while the context lasts, a list for each."""
    kept = {name: [] for name in names}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, seen=seen: seen.append(chosen(inputs, output).float())
        )
        for name, seen in kept.items()
    ]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def _slope(values: Tensor) -> Tensor:
    """Change per timestep."""
    return torch.gradient(values)[0]
