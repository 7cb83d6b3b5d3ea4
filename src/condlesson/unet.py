"""The U-Nets of the lesson: one spatial path, and the ways a timestep can enter it.

`UNet` is the whole spatial path, without a timestep. A variant of it says two things only: how
the timestep is embedded (`embed`), and where the embedding enters (`condition`, at the
bottleneck, or the blocks themselves). Networks know nothing of diffusion: they map x_t and t to
a tensor of the shape of x_t.

Source: Ronneberger, Fischer and Brox 2015, arXiv:1505.04597, scaled down to 28 x 28 pixels.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib import import_module

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.arguments import check_count
from condlesson.conditioning import AdaGN, add_to_channels, check_groups
from condlesson.embeddings import (
    ClassEmbedding,
    FourierTimestepEmbedding,
    TimestepEmbedding,
    sinusoidal_embedding,
)
from condlesson.inputs import autocasts, check_image, check_labels, one_for_each

__all__ = [
    "ConditionedBlock",
    "ConvBlock",
    "UNet",
    "UNetAdaGN",
    "UNetFourier",
    "UNetMatched",
    "UNetSimple",
    "UNetSinusoidal",
    "count_parameters",
]

D_SINUSOIDAL = 256
D_EMB = 512
UNET_GROUPS = 8  # 4 to 32 channels a group here; 32 groups would leave 1 channel in the first block

Norm = Callable[[int], nn.Module]  # num_channels -> layer(h)
Block = Callable[[int, int], nn.Module]  # in_channels, out_channels -> layer(h, t_emb)


class ConvBlock(nn.Module):
    """Convolution, norm, ReLU, twice; it does not use the timestep embedding.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of both convolutions.
        norm: Makes a norm layer from its number of channels.
    """

    def __init__(self, in_channels: int, out_channels: int, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm_1 = norm(out_channels)
        self.conv_2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.norm_2 = norm(out_channels)

    def forward(self, h: Tensor, t_emb: Tensor | None = None) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W)."""
        h = F.relu(self.norm_1(self.conv_1(h)))
        return F.relu(self.norm_2(self.conv_2(h)))


class ConditionedBlock(ConvBlock):
    """A `ConvBlock` whose first norm is told the timestep.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of both convolutions.
        norm: Makes the second norm from its number of channels.
        conditioned_norm: Makes the first norm from its number of channels; it is called with
            (h, t_emb).
    """

    def __init__(
        self, in_channels: int, out_channels: int, norm: Norm, conditioned_norm: Norm
    ) -> None:
        super().__init__(in_channels, out_channels, norm)
        self.norm_1 = conditioned_norm(out_channels)

    def forward(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) and t_emb (B, d_emb) to (B, out_channels, H, W)."""
        h = F.relu(in_float32(self.norm_1, self.conv_1(h), t_emb))
        return F.relu(self.norm_2(self.conv_2(h)))


class UNet(nn.Module):
    """The spatial path of all variants; by itself the control, told no timestep.

    28 x 28 pixels go down to 14 and 7 and up again, with a skip connection at 28 and at 14.

    Args:
        width: Channels of the first block; the others have 2, 4 and 8 times as many.
        norm: Makes a norm layer from its number of channels.
        block: Makes a block from its numbers of channels; it is called with (h, t_emb).

    Raises:
        TypeError: width is not an integer.
        ValueError: width is below 1.
    """

    def __init__(
        self,
        width: int = 32,
        *,
        norm: Norm = nn.BatchNorm2d,
        block: Block | None = None,
    ) -> None:
        super().__init__()
        check_count(width, "width")
        block = block or partial(ConvBlock, norm=norm)
        self.enc_1 = block(1, width)
        self.enc_2 = block(width, 2 * width)
        self.enc_3 = block(2 * width, 4 * width)
        self.bottleneck = block(4 * width, 8 * width)
        self.up_2 = nn.ConvTranspose2d(8 * width, 4 * width, 2, stride=2)
        self.dec_2 = block(4 * width + 2 * width, 4 * width)
        self.up_1 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.dec_1 = block(2 * width + width, 2 * width)
        self.head = nn.Sequential(
            nn.Conv2d(2 * width, width, 3, padding=1),
            norm(width),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1),
        )

    def embed(self, t: Tensor) -> Tensor | None:
        """Embed the timesteps (B,). A variant says how; the control has no embedding."""
        return None

    def condition(self, h: Tensor, t_emb: Tensor | None) -> Tensor:
        """Let the embedding into the bottleneck h. A variant says how."""
        return h

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Predict the noise in x_t.

        Args:
            x_t: Noisy images of shape (B, 1, H, W); H and W are multiples of 4.
            t: Timesteps of shape (B,), or one for all, 0 the least noise.

        Returns:
            Predicted noise of the shape of x_t.

        Raises:
            TypeError: t is no timestep.
            ValueError: x_t or t has another shape.
        """
        check_image(x_t, self.head[0].weight)
        with exact(x_t):
            t_emb = self.embed(one_for_each(t, x_t))  # (B, d_emb)
        return self.denoise(x_t, t_emb)

    def denoise(self, x_t: Tensor, t_emb: Tensor | None) -> Tensor:
        """The spatial path: from x_t (B, 1, H, W) and t_emb (B, d_emb) to the predicted noise."""
        h_1 = self.enc_1(x_t, t_emb)  # (B, 32, 28, 28)
        h_2 = self.enc_2(F.max_pool2d(h_1, 2), t_emb)  # (B, 64, 14, 14)
        h_3 = self.enc_3(F.max_pool2d(h_2, 2), t_emb)  # (B, 128, 7, 7)
        h = self.bottleneck(h_3, t_emb)  # (B, 256, 7, 7)
        h = in_float32(self.condition, h, t_emb)
        h = self.dec_2(torch.cat([self.up_2(h), h_2], dim=1), t_emb)  # (B, 128, 14, 14)
        h = self.dec_1(torch.cat([self.up_1(h), h_1], dim=1), t_emb)  # (B, 64, 28, 28)
        return self.head(h)  # (B, 1, 28, 28)


class UNetSimple(UNet):
    """The scalar network: t / T through an MLP, added to half of the bottleneck.

    Args:
        width: As in `UNet`.
        num_timesteps: T, by which t is divided, so that the MLP sees a number in [0, 1).
    """

    def __init__(self, width: int = 32, *, num_timesteps: int = 1000) -> None:
        super().__init__(width)
        check_count(num_timesteps, "num_timesteps")
        self.num_timesteps = num_timesteps
        self.time_mlp = nn.Sequential(
            nn.Linear(1, 4 * width), nn.ReLU(), nn.Linear(4 * width, 4 * width)
        )

    def embed(self, t: Tensor) -> Tensor:
        """Embed the timesteps (B,) as (B, 4 * width)."""
        t = t.to(self.time_mlp[0].weight)  # the layers' device and dtype
        return self.time_mlp(t[:, None] / self.num_timesteps)

    def condition(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Add the embedding to the first 4 * width of the 8 * width channels."""
        return add_to_channels(h, t_emb)


class UNetSinusoidal(UNet):
    """Sinusoid and timestep MLP, projected and added to every bottleneck channel.

    Args:
        width: As in `UNet`.
        norm: As in `UNet`.
    """

    def __init__(self, width: int = 32, *, norm: Norm = nn.BatchNorm2d) -> None:
        super().__init__(width, norm=norm)
        # TODO 1: the embedding of exercise 2, TimestepEmbedding, 256 -> 512.
        self.time_embedding = TimestepEmbedding(D_SINUSOIDAL, D_EMB)
        # END TODO
        # TODO 2: the projection. One nn.Linear from the embedding's 512 to the
        # bottleneck's 8 * width channels.
        self.time_projection = nn.Linear(D_EMB, 8 * width)
        # END TODO

    def embed(self, t: Tensor) -> Tensor:
        """Embed the timesteps (B,) as (B, 512)."""
        # TODO 3: pass t through the embedding.
        return self.time_embedding(t)
        # END TODO

    def condition(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Add one number per channel to the bottleneck."""
        # TODO 4: add the projected embedding to every channel of h, out of place
        # (add_to_channels, or reshape to (B, C, 1, 1) and use +, never +=).
        return add_to_channels(h, self.time_projection(t_emb))
        # END TODO


class UNetFourier(UNetSinusoidal):
    """The sinusoidal network with random Fourier features in the sinusoid's place.

    Args:
        width: As in `UNet`.
        num_timesteps: T, the run that the features' frequencies count turns in.
    """

    def __init__(self, width: int = 32, *, num_timesteps: int = 1000) -> None:
        super().__init__(width)
        self.time_embedding = FourierTimestepEmbedding(
            D_SINUSOIDAL, D_EMB, num_timesteps=num_timesteps
        )


class UNetMatched(UNet):
    """A pair of networks in which only the encoding of t differs.

    256 numbers that encode t go through a small MLP, as t / T does in `UNetSimple`, and its result
    is added to the same half of the bottleneck. The pair has the same layers and starts from the
    same weights.

    Args:
        width: As in `UNet`.
        encoding: ``"scalar"``, t / T 256 times over, or ``"sinusoid"``.
        num_timesteps: How many timesteps there are.

    Raises:
        ValueError: The encoding is unknown.
    """

    def __init__(
        self, width: int = 32, *, encoding: str = "sinusoid", num_timesteps: int = 1000
    ) -> None:
        super().__init__(width)
        if encoding not in ("scalar", "sinusoid"):
            raise ValueError(f"encoding must be scalar or sinusoid, got {encoding!r}.")
        check_count(num_timesteps, "num_timesteps")
        self.encoding = encoding
        self.num_timesteps = num_timesteps
        self.time_mlp = nn.Sequential(
            nn.Linear(D_SINUSOIDAL, 4 * width), nn.ReLU(), nn.Linear(4 * width, 4 * width)
        )

    def embed(self, t: Tensor) -> Tensor:
        """Embed the timesteps (B,) as (B, 4 * width)."""
        if self.encoding == "sinusoid":
            encoded = sinusoidal_embedding(t, D_SINUSOIDAL)
        else:
            encoded = (t[:, None] / self.num_timesteps).expand(-1, D_SINUSOIDAL)
        return self.time_mlp(encoded.to(self.time_mlp[0].weight))

    def condition(self, h: Tensor, t_emb: Tensor) -> Tensor:
        """Add the embedding to the first 4 * width of the 8 * width channels."""
        return add_to_channels(h, t_emb)


class UNetAdaGN(UNet):
    """Sinusoid and timestep MLP, read by an adaptive group norm in every block.

    Args:
        width: As in `UNet`.
        adagn: Makes a layer from (num_channels, d_emb, num_groups) that is called with
            (h, t_emb): `AdaGN`, or one of your own.
        num_groups: Groups of every norm; width is a multiple of it.
        num_classes: How many classes it can be told; None for a network that is told none.
    """

    def __init__(
        self,
        width: int = 32,
        *,
        adagn: Callable = AdaGN,
        num_groups: int = UNET_GROUPS,
        num_classes: int | None = None,
    ) -> None:
        check_groups(width, num_groups)
        norm = partial(nn.GroupNorm, num_groups)
        block = partial(
            ConditionedBlock,
            norm=norm,
            conditioned_norm=lambda c: adagn(c, D_EMB, num_groups),
        )
        super().__init__(width, norm=norm, block=block)
        self.time_embedding = TimestepEmbedding(D_SINUSOIDAL, D_EMB)
        self.class_embedding = None
        if num_classes is not None:
            self.class_embedding = ClassEmbedding(num_classes, D_EMB)

    def embed(self, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Embed the timesteps (B,), and on top of them the classes (B,)."""
        t_emb = self.time_embedding(t)
        if self.class_embedding is not None:
            class_emb = self.class_embedding(labels)  # (B, 512), or (1, 512) for no class
            if labels is not None:
                check_labels(labels, len(t))
            return t_emb + class_emb
        if labels is not None:
            raise ValueError(
                "labels must be None: this network is told no class. "
                "Make it with num_classes, the number of classes."
            )
        return t_emb

    def forward(self, x_t: Tensor, t: Tensor, labels: Tensor | None = None) -> Tensor:
        """Predict the noise in x_t.

        Args:
            x_t: As in `UNet`.
            t: As in `UNet`.
            labels: Classes of shape (B,), integers in 0 .. num_classes, where the last stands for
                "no class"; None for no class at all.

        Returns:
            Predicted noise of the shape of x_t.

        Raises:
            TypeError: t is no timestep, or labels are no integers.
            ValueError: A shape does not fit, or the network is told no class and labels are given.
        """
        check_image(x_t, self.head[0].weight)
        with exact(x_t):
            t_emb = self.embed(one_for_each(t, x_t), labels)  # (B, 512)
        return self.denoise(x_t, t_emb)


def exact(like: Tensor) -> AbstractContextManager:
    """Switch autocast off: what carries t keeps the precision of the weights.

    bfloat16 has 8 significant bits. In it t / 1000 takes only 507 different values, so that a
    network could not tell some timesteps from their neighbours.

    Args:
        like: A tensor on the device in question.
    """
    return torch.autocast(like.device.type, enabled=False) if autocasts(like) else nullcontext()


def in_float32(layer: Callable, h: Tensor, t_emb: Tensor | None) -> Tensor:
    """Call layer(h, t_emb) without autocast, and with what autocast has rounded in float32."""
    if autocasts(h):
        h = h.float()
    with exact(h):
        return layer(h, t_emb)


def count_parameters(module: nn.Module) -> int:
    """Number of trainable parameters of a module."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def __getattr__(name: str) -> object:
    """`VARIANTS`, which notebooks handed out before version 0.2 import from here."""
    if name == "VARIANTS":
        return import_module("condlesson.networks").VARIANTS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}.")
