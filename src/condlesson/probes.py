"""Measurements on embeddings and networks. Each takes a model or a tensor and returns numbers.

Nothing here trains, draws a picture or reads a file, so every probe works on a model of yours.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from condlesson.conditioning import AdaGN
from condlesson.training import Batch, evaluate

__all__ = [
    "block_movement",
    "cosine_similarity_matrix",
    "lie_matrix",
    "loss_by_timestep",
    "modulation",
    "pair_similarities",
    "surviving_shift",
]


BLOCKS = ("enc_1", "enc_2", "enc_3", "bottleneck", "dec_2", "dec_1", "head")


def cosine_similarity_matrix(embeddings: Tensor) -> Tensor:
    """Cosine similarity of every pair of embeddings.

    S_jk = dot(e_j, e_k) / (norm(e_j) * norm(e_k))

    Args:
        embeddings: Shape (N, D).

    Returns:
        Tensor of shape (N, N), values in [-1, 1].
    """
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


def loss_by_timestep(losses: Tensor, t: Tensor, num_timesteps: int, num_bins: int = 10) -> Tensor:
    """Mean loss in equal bins of the timestep.

    Args:
        losses: One loss for each image, shape (N,).
        t: Its timestep, shape (N,).
        num_timesteps: T; bin k covers k T / num_bins <= t < (k + 1) T / num_bins.
        num_bins: Number of bins.

    Returns:
        Float64 tensor of shape (num_bins,), nan for an empty bin.
    """
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
    outputs = {name: [] for name in blocks}
    hooks = [
        model.get_submodule(name).register_forward_hook(
            lambda module, inputs, output, kept=kept: kept.append(output.float())
        )
        for name, kept in outputs.items()
    ]
    try:
        for said in (t, told):
            model(x_t, torch.full((len(x_t),), said, device=x_t.device))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: ((b - a).norm() / a.norm()).item() for name, (a, b) in outputs.items()}


def surviving_shift(channels_per_group: int, *, num_channels: int = 64, seed: int = 0) -> float:
    """Share of a per-channel shift that is left after a group norm.

    A random shift is added to a random feature map before the norm. Survival is the variance over
    channels of the change of the channel means, divided by the variance of the shift itself (both
    in units of the normalised feature map): 0 when the norm has cancelled the shift, about
    1 - 1/channels_per_group for a small shift.

    Args:
        channels_per_group: Channels that share a mean and a variance in the norm.
        num_channels: Channels of the feature map, a multiple of channels_per_group.
        seed: Seed of the feature map and the shift.

    Returns:
        The share, 0 or more.

    Raises:
        ValueError: num_channels is not a multiple of channels_per_group.

    Source: Wu and He 2018, equations 1 to 7, arXiv:1803.08494.
    """
    if channels_per_group < 1 or num_channels % channels_per_group:
        raise ValueError(
            "num_channels must be a multiple of channels_per_group, "
            f"got {num_channels} and {channels_per_group}."
        )
    generator = torch.Generator().manual_seed(seed)
    h = torch.randn(64, num_channels, 16, 16, generator=generator)
    shift = 0.1 * torch.randn(64, num_channels, 1, 1, generator=generator)
    num_groups = num_channels // channels_per_group
    change = F.group_norm(h + shift, num_groups) - F.group_norm(h, num_groups)
    return (change.mean(dim=(2, 3)).var() / shift.var()).item()
