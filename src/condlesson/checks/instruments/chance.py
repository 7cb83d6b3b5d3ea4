"""What is drawn by chance: how far counts lie from what they should be."""

from torch import Tensor

__all__ = ["unevenness"]


def unevenness(counts: Tensor) -> float:
    """Chi-square of counts that should be alike: about as many as there are, if they are."""
    counts = counts.double()
    mean = counts.mean()
    return ((counts - mean).square() / mean).sum().item()
