"""What broken code shows that is told a class, as `condlesson.museum.symptoms` for all other."""

from collections.abc import Callable

import torch
from torch import Tensor

from condlesson.data import load_subset, to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.ideal import IdealModel
from condlesson.museum.symptoms import Measured, moved, seeded
from condlesson.unet import UNetAdaGN

__all__ = ["guided_change", "heard_class", "hears_classes", "is_withheld_whole", "withheld_shares"]

NULL = 10
BLOCKS = 3
TOLD_OTHER = "change of the prediction when told another class"


def heard_class(make: Callable[[], UNetAdaGN]) -> Measured:
    """How far the prediction of an untrained network moves with the class."""
    with seeded():
        model = make().eval()
        x_t, t = torch.randn(4, 1, 28, 28), torch.full((4,), 500)
        one, other = (model(x_t, t, torch.full((4,), label)) for label in (3, 8))
    return {TOLD_OTHER: moved(one, other)}


def hears_classes(make: Callable[[], UNetAdaGN]) -> str:
    """What is wrong with a network that should hear the class; empty if it does."""
    if heard_class(make)[TOLD_OTHER] > 0:
        return ""
    return "Told class 3 or class 8, the network predicts exactly the same: it hears no class."


def withheld_shares(tell: Callable[[Tensor, int, int], Tensor]) -> Measured:
    """From how many of 100,000 images the class is withheld, in all of three blocks and in some."""
    with seeded():
        is_withheld = tell(torch.zeros(100_000, dtype=torch.long), BLOCKS, NULL) == NULL
    everywhere = is_withheld.all(dim=0)
    somewhere = is_withheld.any(dim=0) & ~everywhere
    return {
        "share that no block is told": everywhere.float().mean().item(),
        "share that some blocks are told": somewhere.float().mean().item(),
    }


def is_withheld_whole(tell: Callable[[Tensor, int, int], Tensor]) -> str:
    """What is wrong with how labels are withheld: from all blocks or none; empty if nothing is."""
    _, some = withheld_shares(tell).values()
    if some == 0:
        return ""
    return (
        f"From {some:.0%} of the images the class is withheld in some blocks and told in others. "
        "What one block is told it passes on, so that hardly any image is drawn without its class."
    )


def guided_change(guide: Callable) -> Measured:
    """How far a prediction of the ideal model moves between guidance scales 1 and 4."""
    data = load_subset()
    known, labels = to_model_range(data.train_images[:256]), data.train_labels[:256].long()
    schedule = alphas_cumprod(linear_beta_schedule())
    ideal = IdealModel(known, labels, schedule, NULL)
    with seeded():
        t = torch.full((8,), 700)
        x_t = q_sample(known[:8], 700, torch.randn(8, 1, 28, 28), schedule)
        one, four = (guide(ideal, x_t, t, labels[:8], NULL, scale) for scale in (1.0, 4.0))
    return {"change of the prediction from scale 1 to 4": moved(one, four)}
