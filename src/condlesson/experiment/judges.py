"""Small networks that judge: which digit is this, and how noisy is this image?

There is one judge of digits, and one of noise for each size of images. The digit judge puts a
number beside a grid of samples: how sure it is of its best guess, and how far the samples' features
lie from those of real digits. Neither is "image quality"; each is named as what it is. A noise
judge shows whether t can be read off x_t at all, by a network that is told nothing else.

Source: Heusel et al. 2017, arXiv:1706.08500 (the Fréchet distance, there in the features of
another network).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from condlesson.arguments import check_choice
from condlesson.data import Mnist, reduce_images, to_model_range
from condlesson.diffusion import NUM_TIMESTEPS, alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.experiment.intervals import jackknife
from condlesson.experiment.plan import SIZES
from condlesson.training import initialise, stream

__all__ = [
    "DIGITS",
    "KINDS",
    "NOISE",
    "Judge",
    "SampleScores",
    "accuracy",
    "confidence",
    "feature_distance",
    "frechet_distance",
    "guess_timesteps",
    "make_judge",
    "noise_kind",
    "score_samples",
    "spread_within_classes",
    "train_judge",
]

DIGITS, NOISE = "digits", "noise"


def noise_kind(image_size: int) -> str:
    """The kind of the judge of noise for images of so many pixels a side."""
    return NOISE if image_size == SIZES[0] else f"{NOISE}-{image_size}"


KINDS = (DIGITS, *map(noise_kind, SIZES))
NUM_FEATURES = 32
BATCH_SIZE = 128
LEARNING_RATE = 1e-3


class Judge(nn.Module):
    """Two strided convolutions and two linear layers.

    Args:
        num_outputs: 10 for the digits, 1 for the timestep.
        image_size: Pixels a side, a multiple of 4.
    """

    def __init__(self, num_outputs: int, image_size: int = 28) -> None:
        super().__init__()
        self.image_size = image_size
        self.conv_1 = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.conv_2 = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.linear_1 = nn.Linear(32 * (image_size // 4) ** 2, NUM_FEATURES)
        self.linear_2 = nn.Linear(NUM_FEATURES, num_outputs)

    def features(self, x: Tensor) -> Tensor:
        """Map images (B, 1, H, H) in [-1, 1] to features (B, 32), 0 or more."""
        h = F.relu(self.conv_2(F.relu(self.conv_1(x))))  # (B, 32, 7, 7)
        return F.relu(self.linear_1(h.flatten(1)))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (B, 1, H, H) to (B, num_outputs): logits, or one number in about [0, 1]."""
        return self.linear_2(self.features(x))


def make_judge(kind: str, seed: int = 0) -> Judge:
    """A judge with its starting weights, which the seed and the layers' names decide.

    Args:
        kind: One of `KINDS`.
        seed: Seed of the weights.

    Raises:
        ValueError: The kind is unknown.
    """
    check_choice("kind", kind, KINDS)
    sizes = {noise_kind(size): size for size in SIZES}
    judge = Judge(1, sizes[kind]) if kind in sizes else Judge(10)
    initialise(judge, seed)
    return judge


def train_judge(judge: Judge, kind: str, data: Mnist, steps: int, seed: int = 0) -> Iterator[float]:
    """Train a judge on the training images, one optimiser step at a time.

    The digit judge minimises the cross-entropy. The noise judge is shown x_t for t uniform on
    0 .. T - 1 and minimises the mean absolute error of its guess of t / T, so that its best guess
    is a median.

    Args:
        judge: What `make_judge` made; it is trained in place.
        kind: Its kind.
        data: The data set.
        steps: Number of steps of 128 images.
        seed: Seed of the images, timesteps and noise.

    Yields:
        The loss of each step.
    """
    optimizer = torch.optim.Adam(judge.parameters(), lr=LEARNING_RATE)
    schedule = alphas_cumprod(linear_beta_schedule())
    for step in range(steps):
        generator = stream(seed, f"judge {kind}", step)
        rows = torch.randint(len(data.train_images), (BATCH_SIZE,), generator=generator)
        x_0 = to_model_range(reduce_images(data.train_images[rows], judge.image_size))
        if kind == DIGITS:
            loss = F.cross_entropy(judge(x_0), data.train_labels[rows].long())
        else:
            t = torch.randint(NUM_TIMESTEPS, (BATCH_SIZE,), generator=generator)
            x_t = q_sample(x_0, t, torch.randn(x_0.shape, generator=generator), schedule)
            loss = F.l1_loss(judge(x_t)[:, 0], t / NUM_TIMESTEPS)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        yield loss.item()


@torch.no_grad()
def accuracy(judge: Judge, images: Tensor, labels: Tensor) -> float:
    """Share of images, of shape (N, 1, 28, 28) in [-1, 1], that the digit judge names right."""
    return (judge(images).argmax(dim=1) == labels).float().mean().item()


@torch.no_grad()
def confidence(judge: Judge, images: Tensor) -> Tensor:
    """Probability that the digit judge gives to its best guess.

    Args:
        judge: A trained digit judge.
        images: Shape (N, 1, 28, 28), in [-1, 1].

    Returns:
        Tensor of shape (N,), values from 1/10 to 1. A judge may be sure of what is no digit.
    """
    return judge(images).softmax(dim=1).amax(dim=1)


@torch.no_grad()
def frechet_distance(judge: Judge, images: Tensor, reference: Tensor) -> float:
    """Squared Fréchet distance of two sets of images in the features of the digit judge.

    d^2 = norm(m_1 - m_2)^2 + trace(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

    for the features' means m and covariances C, as if they were Gaussian. It is no FID: the
    features are others, and few images make it larger.

    Args:
        judge: A trained digit judge.
        images: Shape (N, 1, 28, 28), in [-1, 1], N above 1.
        reference: As images, of any number.

    Returns:
        The distance, 0 or more.

    Source: Heusel et al. 2017, equation 6, arXiv:1706.08500.
    """
    return feature_distance(judge.features(images), judge.features(reference))


@dataclass(frozen=True)
class SampleScores:
    """What the digit judge says of a set of images, each number with its spread.

    Attributes:
        confidence: Mean of `confidence`.
        confidence_sd: Its standard deviation over the images.
        distance: `frechet_distance` from the reference.
        distance_error: Its standard error over the images, by the jackknife.
    """

    confidence: float
    confidence_sd: float
    distance: float
    distance_error: float


@torch.no_grad()
def score_samples(judge: Judge, images: Tensor, reference: Tensor) -> SampleScores:
    """Put numbers beside a grid of samples.

    Few images make the distance larger: beside it belongs that of as many real ones.

    Args:
        judge: A trained digit judge.
        images: Shape (N, 1, 28, 28), in [-1, 1], N above 2.
        reference: Real images, of any number.

    Returns:
        Confidence and distance.
    """
    sure = confidence(judge, images)
    features, real = judge.features(images), judge.features(reference)
    distance, error = jackknife(lambda kept: feature_distance(features[kept], real), len(images))
    return SampleScores(sure.mean().item(), sure.std().item(), distance, error)


def feature_distance(a: Tensor, b: Tensor) -> float:
    """Squared Fréchet distance of two sets of features, see `frechet_distance`.

    Args:
        a: Features of shape (N, D), N above 1.
        b: Features of shape (M, D), M above 1.

    Returns:
        The distance, 0 or more.
    """
    a, b = a.double(), b.double()
    mean = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    # the eigenvalues of C_1 C_2 are real and not below 0, as both are covariances
    roots = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    return (mean + cov_a.trace() + cov_b.trace() - 2 * roots).clamp(min=0).item()


@torch.no_grad()
def spread_within_classes(judge: Judge, images: Tensor, labels: Tensor) -> float:
    """How varied the images of a class are: root mean square distance from their mean.

    Args:
        judge: A trained digit judge; distances are those of its features.
        images: Shape (N, 1, 28, 28), in [-1, 1], at least two of each class.
        labels: Their classes, shape (N,).
    """
    features = judge.features(images).double()
    classes = [features[labels == label] for label in labels.unique()]
    squares = torch.cat([(f - f.mean(dim=0)).square() * len(f) / (len(f) - 1) for f in classes])
    return squares.sum(dim=1).mean().sqrt().item()


@torch.no_grad()
def guess_timesteps(judge: Judge, x_t: Tensor) -> Tensor:
    """Timesteps that the noise judge reads off noised images.

    Args:
        judge: A trained noise judge.
        x_t: Shape (N, 1, 28, 28).

    Returns:
        Tensor of shape (N,), rounded and cut to 0 .. T - 1.
    """
    return (judge(x_t)[:, 0] * NUM_TIMESTEPS).round().clamp(0, NUM_TIMESTEPS - 1)
