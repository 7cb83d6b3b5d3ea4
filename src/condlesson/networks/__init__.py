"""The networks that can be trained: what each is, how it is told the time, and how it is drawn.

A network is one record here, and everything else follows from it: what the command line trains,
which runs the book expects, what is asked of them, the tables of the pages, and the look of lines.
The classes are those of `unet`; a network that the lesson does not teach has a module here.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

from torch import nn

from condlesson.conditioning import AdditiveGN
from condlesson.unet import (
    UNET_GROUPS,
    UNet,
    UNetAdaGN,
    UNetFourier,
    UNetMatched,
    UNetSimple,
    UNetSinusoidal,
)

__all__ = ["DESIGNS", "NETWORKS", "VARIANTS", "Design", "Network", "differing"]


@dataclass(frozen=True)
class Design:
    """How a network is told the timestep, and what norm it has, in words.

    Attributes:
        encoding: The numbers that stand for t.
        mlp: Widths and activation of the layers behind them.
        place: Where the result enters.
        action: What it does there.
        norm: Norm of all blocks.
    """

    encoding: str
    mlp: str
    place: str
    action: str
    norm: str


@dataclass(frozen=True)
class Network:
    """A network that can be trained.

    Attributes:
        make: Makes one, from the channels of its first block.
        design: How it is told the timestep. If it is told anything, the experiment asks of it
            whether that helps.
        look: Colour, marker and line of its plots. Networks of one norm are drawn together, those
            of two norms in two panels: each family has a colour for each network but for the
            matched pair, which is dashed in the colours of the pair that it refines. No two
            networks of a family share a marker, which tells them apart without any colour.
        is_compared: Whether the experiment compares it. If so, the book expects recorded runs of
            it, one for each seed.
        is_told_class: Whether it is told the class of an image beside the timestep.
    """

    make: Callable[[int], UNet]
    design: Design
    look: tuple[str, str, str]
    is_compared: bool = True
    is_told_class: bool = False


NOTHING = ("–", "–", "–", "–")
NARROW = "256, 128, 128, ReLU"
WIDE = "256, 512, 512, GELU"
GROUP = partial(nn.GroupNorm, UNET_GROUPS)  # the norm that UNetAdaGN has by default
# The hues of Okabe and Ito, safe for colour-blind readers, dark enough for lines on white.
GREY, ORANGE, BLUE, PINK, GREEN = "#4D4D4D", "#C05200", "#0072B2", "#B0568A", "#1C6E37"
BROWN, NAVY = "#7A3300", "#00366B"  # darker than orange and blue: the same encodings, matched

NETWORKS: dict[str, Network] = {
    "none": Network(UNet, Design(*NOTHING, "batch"), (GREY, "s", "-")),
    "simple": Network(
        UNetSimple,
        Design("t / T", "1, 128, 128, ReLU", "half of the bottleneck", "adds", "batch"),
        (ORANGE, "^", "-"),
    ),
    "simple_matched": Network(
        partial(UNetMatched, encoding="scalar"),
        Design("t / T, 256 times", NARROW, "half of the bottleneck", "adds", "batch"),
        (BROWN, "v", "--"),
    ),
    "sinusoidal_matched": Network(
        partial(UNetMatched, encoding="sinusoid"),
        Design("sinusoid", NARROW, "half of the bottleneck", "adds", "batch"),
        (NAVY, "X", "--"),
    ),
    "sinusoidal": Network(
        UNetSinusoidal,
        Design("sinusoid", WIDE, "bottleneck", "adds", "batch"),
        (BLUE, "o", "-"),
    ),
    "fourier": Network(
        UNetFourier,
        Design("random Fourier features", WIDE, "bottleneck", "adds", "batch"),
        (PINK, "P", "-."),
    ),
    "gn_none": Network(partial(UNet, norm=GROUP), Design(*NOTHING, "group"), (GREY, "p", "-")),
    "gn_bottleneck": Network(
        partial(UNetSinusoidal, norm=GROUP),
        Design("sinusoid", WIDE, "bottleneck", "adds", "group"),
        (BLUE, "h", "-"),
    ),
    "gn_additive": Network(
        partial(UNetAdaGN, adagn=AdditiveGN),
        Design("sinusoid", WIDE, "every block", "adds", "group"),
        (PINK, "*", "-."),
    ),
    "adagn": Network(
        UNetAdaGN,
        Design("sinusoid", WIDE, "every block", "scales and adds", "group"),
        (GREEN, "D", "-"),
    ),
    "adagn_class": Network(
        partial(UNetAdaGN, num_classes=10),
        Design("sinusoid, and the class", WIDE, "every block", "scales and adds", "group"),
        (GREEN, "d", "--"),
        is_compared=False,
        is_told_class=True,
    ),
}

COMPARED = {name: network for name, network in NETWORKS.items() if network.is_compared}
VARIANTS = {name: network.make for name, network in COMPARED.items()}
DESIGNS = {name: network.design for name, network in COMPARED.items()}


def differing(a: str, b: str) -> list[str]:
    """In which parts of their `Design` two networks differ."""
    one, other = DESIGNS[a], DESIGNS[b]
    return [f.name for f in fields(Design) if getattr(one, f.name) != getattr(other, f.name)]
