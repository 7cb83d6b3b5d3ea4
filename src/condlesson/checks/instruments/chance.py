"""What is drawn by chance: how far counts lie from what they should be."""

import torch
from torch import Tensor

__all__ = ["are_coarse", "unevenness"]

COARSE = 0.25  # set after a look: draws in float16 correlate with it by 0.45, others by 0.05


def unevenness(counts: Tensor) -> float:
    """Chi-square of counts that should be alike: about as many as there are, if they are."""
    counts = counts.double()
    mean = counts.mean()
    return ((counts - mean).square() / mean).sum().item()


def are_coarse(counts: Tensor) -> bool:
    """Whether the numbers of draws are those of torch.rand in float16, which has 2048 values."""
    coarse = (torch.arange(2048) / 2048).half()
    for product in (coarse * len(counts), coarse.float() * len(counts)):
        likely = torch.bincount(product.long(), minlength=len(counts))[: len(counts)]
        if torch.corrcoef(torch.stack([counts, likely]).double())[0, 1] > COARSE:
            return True
    return False
