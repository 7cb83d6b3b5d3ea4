"""What decides a training run: its configuration, and the sizes that a reader has time for."""

from dataclasses import dataclass, fields, replace

from condlesson.arguments import check_choice
from condlesson.data import DATASETS, IMAGE_SIZES
from condlesson.diffusion import NUM_TIMESTEPS
from condlesson.networks import NETWORKS

__all__ = ["CHOICES", "PRECISIONS", "TIERS", "TrainConfig"]

PRECISIONS = ("float32", "bfloat16")


CHOICES = {
    "variant": tuple(NETWORKS),
    "precision": PRECISIONS,
    "dataset": DATASETS,
    "image_size": IMAGE_SIZES,
}
LEAST = {
    **dict.fromkeys(("epochs", "batch_size", "num_timesteps", "width", "val_images"), 1),
    **dict.fromkeys(("seed", "final_images"), 0),
}
LEAST_WORDS = ("0 or more", "at least 1")
# Beyond these no memory or no generator of random numbers goes.
MOST = {"width": 1_024, "num_timesteps": 1_000_000, "batch_size": 60_000, "seed": 2**63 - 1}


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides what a training run does.

    Raises:
        TypeError: A field that counts is not an integer; the message names it.
        ValueError: A field is out of range; the message names it.
    """

    variant: str = "sinusoidal"
    seed: int = 42
    images: int = 12_800  # drawn from the training set, by seed
    epochs: int = 5
    batch_size: int = 128
    learning_rate: float = 2e-4  # of Adam
    num_timesteps: int = NUM_TIMESTEPS
    width: int = 32  # channels of the first block; the lesson's networks have 32
    val_images: int = 2_560  # 20 batches: a twelfth of an epoch's time at 12,800 images
    precision: str = "bfloat16"  # autocast; about twice as fast as float32 on recent CPUs
    dataset: str = "mnist"
    image_size: int = 28  # pixels a side; smaller ones are averages over areas
    ema_decay: float = 0.0  # of the average of the weights; 0 for none
    final_images: int = 0  # test images of the final loss, by seed; 0: one fixed set for all seeds
    label_dropout: float = 0.1  # share of images whose class is withheld, where one is told

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            check_choice(name, getattr(self, name), choices)
        for f in fields(self):
            if f.type is int and type(getattr(self, f.name)) is not int:
                raise TypeError(f"{f.name} must be an integer, got {getattr(self, f.name)!r}.")
            if f.type is float and type(getattr(self, f.name)) not in (int, float):
                raise TypeError(f"{f.name} must be a number, got {getattr(self, f.name)!r}.")
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {LEAST_WORDS[least]}, got {getattr(self, name)}.")
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise ValueError(f"{name} must be at most {most:,}, got {getattr(self, name)}.")
        for name in ("ema_decay", "label_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be 0 or more and below 1, got {getattr(self, name)}."
                )
        if not 0 < self.learning_rate <= 1e38:  # what float32 holds
            raise ValueError(
                f"learning_rate must be above 0 and at most 1e38, got {self.learning_rate}."
            )
        if self.batch_size * (self.image_size // 4) ** 2 < 2:
            raise ValueError(
                f"batch_size must be at least 2 with image_size {self.image_size}, got 1: the "
                "bottleneck would have one number in each channel, which no batch norm can take."
            )
        if self.label_dropout != TrainConfig.label_dropout and not self.told_class:
            told = ", ".join(name for name, network in NETWORKS.items() if network.is_told_class)
            raise ValueError(
                f"label_dropout must be left out for {self.variant}, which is told no class, got "
                f"{self.label_dropout}. Networks that are told one: {told}."
            )
        if self.images < self.batch_size:
            raise ValueError(
                f"images must be at least batch_size, {self.batch_size}, got {self.images}."
            )

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in an epoch; what is left over is dropped."""
        return self.images // self.batch_size

    @property
    def told_class(self) -> bool:
        """Whether the network is told the class of an image beside the timestep."""
        return NETWORKS[self.variant].is_told_class


# What a reader has time for. Only the size is a tier's; the variant and the seed are the reader's.
TIERS = {
    # The shipped subset and a narrow network. So few steps need a higher learning rate.
    "quick": TrainConfig(width=16, images=4_096, epochs=8, val_images=1_024, learning_rate=1e-3),
    "small": TrainConfig(),  # of the first study
    "study": TrainConfig(ema_decay=0.999, final_images=5_120, val_images=1_280),  # of the plan
}
TIERS["full"] = replace(TIERS["study"], images=60_000, epochs=10)  # all of MNIST
