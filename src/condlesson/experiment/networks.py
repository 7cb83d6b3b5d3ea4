"""How the variants are told the timestep, in words, for tables and for fair pairs."""

from dataclasses import dataclass, fields

__all__ = ["DESIGNS", "Design", "differing"]


@dataclass(frozen=True)
class Design:
    """How a variant is told the timestep, and what norm it has.

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


NOTHING = ("–", "–", "–", "–")
NARROW = "256, 128, 128, ReLU"
WIDE = "256, 512, 512, GELU"
DESIGNS = {
    "none": Design(*NOTHING, "batch"),
    "simple": Design("t / T", "1, 128, 128, ReLU", "half of the bottleneck", "adds", "batch"),
    "simple_matched": Design("t / T, 256 times", NARROW, "half of the bottleneck", "adds", "batch"),
    "sinusoidal_matched": Design("sinusoid", NARROW, "half of the bottleneck", "adds", "batch"),
    "sinusoidal": Design("sinusoid", WIDE, "bottleneck", "adds", "batch"),
    "fourier": Design("random Fourier features", WIDE, "bottleneck", "adds", "batch"),
    "gn_none": Design(*NOTHING, "group"),
    "gn_bottleneck": Design("sinusoid", WIDE, "bottleneck", "adds", "group"),
    "gn_additive": Design("sinusoid", WIDE, "every block", "adds", "group"),
    "adagn": Design("sinusoid", WIDE, "every block", "scales and adds", "group"),
}


def differing(a: str, b: str) -> list[str]:
    """In which parts of their `Design` two variants differ."""
    one, other = DESIGNS[a], DESIGNS[b]
    return [f.name for f in fields(Design) if getattr(one, f.name) != getattr(other, f.name)]
