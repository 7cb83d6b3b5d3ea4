"""TITLE."""

from torch import Tensor

__all__ = ["SNAKE"]


def SNAKE(alpha_bar: Tensor) -> Tensor:
    """Signal-to-noise ratio: the image's share of the variance of x_t over the noise's.

    SNR = alpha_bar / (1 - alpha_bar)

    Args:
        alpha_bar: Shares of the variance left to the image, in [0, 1), of any shape.

    Returns:
        Tensor of the shape of alpha_bar, 0 and more.

    Source: Kingma et al. 2021, section 3.1, arXiv:2107.00630.
    """
    # TODO 1: divide one share of the variance by the other.
    return alpha_bar / (1 - alpha_bar)
    # END TODO
