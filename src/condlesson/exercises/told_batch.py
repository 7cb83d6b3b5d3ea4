"""Exercise 5: a batch of images, and what the network is told of each."""

import torch
from torch import Tensor

__all__ = ["told_batch"]


def told_batch(
    images: Tensor,
    labels: Tensor,
    batch_size: int,
    null_label: int,
    dropout: float,
    training: bool,
) -> tuple[Tensor, Tensor]:
    """Draw images with their labels; while training, withhold a share of the labels.

    Args:
        images: The data set, of shape (N, ...).
        labels: Its classes, of shape (N,).
        batch_size: How many to draw, B; at most N.
        null_label: The label that stands for "no class".
        dropout: Probability, in [0, 1], with which a label is replaced by null_label.
        training: Whether labels are withheld at all.

    Returns:
        Images of shape (B, ...), and their labels of shape (B,).

    Source: Ho and Salimans 2022, algorithm 1, arXiv:2207.12598.
    """
    # TODO 1: draw batch_size rows of the data set at random, and take from these rows
    # the images and their labels.
    rows = torch.randint(0, len(images), (batch_size,))
    images, labels = images[rows], labels[rows]
    # END TODO
    # TODO 2: while training, each label becomes null_label with the probability
    # dropout, whatever becomes of the others. Out of place: labels belongs to others.
    if training:
        withheld = torch.rand(batch_size) < dropout
        labels = torch.where(withheld, null_label, labels)
    # END TODO
    return images, labels
