"""The best noise prediction that there can be, where the data are a known set of images.

It is the mean of the images x_i that fit, weighted by how well::

    E[x_0 | x_t] = sum_i p_i x_i,
    p = softmax over i of -|x_t - sqrt(alpha_bar_t) x_i|^2 / (2 (1 - alpha_bar_t))

Nothing is trained. What a network can gain from a class, and what guidance does where the
predictions are right, can be measured on it.

Source: Karras et al. 2022, appendix B.3, arXiv:2206.00364 (there with the noise level sigma).
"""

import torch
from torch import Tensor

from condlesson.arguments import check_integer
from condlesson.diffusion import check_alphas_cumprod, gather
from condlesson.inputs import check_labels
from condlesson.tensors import check_floating, check_tensor

__all__ = ["IdealModel"]


class IdealModel:
    """Predicts the noise in images of a known set, each of them equally likely.

    Args:
        images: The set, in [-1, 1], of shape (N, ...).
        labels: Its classes, of shape (N,).
        alphas_cumprod: alpha_bar of shape (T,).
        null_label: The label that stands for "no class", which none of the images has.

    Raises:
        TypeError: Images, or those of a call, are not floating, or null_label is no integer.
        ValueError: There is not one label for each image, or one of them is null_label; in the
            call, x_t has another shape than the images, there is not one label for each, a label
            is that of no image, or t lies outside 0 .. T - 1.
    """

    def __init__(
        self, images: Tensor, labels: Tensor, alphas_cumprod: Tensor, null_label: int
    ) -> None:
        check_floating(images, "images", " Scale bytes: to_model_range(images).")
        check_alphas_cumprod(alphas_cumprod, images.dtype)
        check_integer(null_label, "null_label")
        check_labels(labels, len(images))
        if (labels == null_label).any():
            raise ValueError(
                f"null_label must be the label of no image, got {null_label}. Take the number "
                "of classes."
            )
        self.images, self.labels = images, labels
        self.alphas_cumprod, self.null_label = alphas_cumprod, null_label

    def __call__(self, x_t: Tensor, t: int | Tensor, labels: Tensor) -> Tensor:
        """Predict the noise in x_t (B, ...) at t (B,), told labels (B,)."""
        weights = self.weights(x_t, t, labels)
        alpha_bar = gather(self.alphas_cumprod, t, x_t)
        x_0 = (weights @ self.images.flatten(1)).reshape(x_t.shape)
        return (x_t - alpha_bar.sqrt() * x_0) / (1 - alpha_bar).sqrt()

    def weights(self, x_t: Tensor, t: int | Tensor, labels: Tensor) -> Tensor:
        """How likely each image of the set is to be the one in x_t: shape (B, N), rows sum to 1.

        Args:
            x_t: Noisy images of shape (B, ...).
            t: Integer timesteps of shape (B,), or one for all; 0 is the least noise.
            labels: Classes of shape (B,); null_label leaves all images in question.
        """
        check_tensor(x_t, "x_t")
        if x_t.shape[1:] != self.images.shape[1:] or x_t.dtype != self.images.dtype:
            raise ValueError(
                f"x_t must have the shape {('B', *self.images.shape[1:])} and the type of the "
                f"images, {self.images.dtype}, got {tuple(x_t.shape)} and {x_t.dtype}."
            )
        check_labels(labels, len(x_t))
        known = (labels[:, None] == self.labels) | (labels == self.null_label)[:, None]
        if not known.any(dim=1).all():
            raise ValueError(
                f"labels must be among those of the images, or {self.null_label}, got "
                f"{labels[~known.any(dim=1)].tolist()}."
            )
        alpha_bar = gather(self.alphas_cumprod, t, x_t.flatten(1))  # (B, 1) or (1, 1)
        y = self.images.flatten(1)
        products = alpha_bar.sqrt() * (x_t.flatten(1) @ y.T) - alpha_bar * y.square().sum(1) / 2
        return (products / (1 - alpha_bar)).masked_fill(~known, -torch.inf).softmax(dim=1)
