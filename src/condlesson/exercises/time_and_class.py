"""Exercise 5: the class of an image beside its timestep."""

from torch import Tensor, nn

__all__ = ["TimeAndClass"]


class TimeAndClass(nn.Module):
    """The embedding that tells a network the timestep and the class: a sum of two.

    emb = t_emb + E[label],   E of shape (num_classes + 1, d_emb), whose last row is "no class"

    Args:
        num_classes: Number of classes C; label C stands for "no class".
        d_emb: Width of the timestep embedding, and of a row.

    Source: Dhariwal and Nichol 2021, section 3, arXiv:2105.05233 (the sum); Ho and Salimans 2022,
    section 3.2, arXiv:2207.12598 (the null class).
    """

    def __init__(self, num_classes: int, d_emb: int) -> None:
        super().__init__()
        # TODO 1: the rows, of width d_emb. One for each class 0 .. num_classes - 1, and
        # behind them one more, the null row, for "no class". nn.Embedding holds rows.
        self.rows = nn.Embedding(num_classes + 1, d_emb)
        # END TODO

    def forward(self, t_emb: Tensor, labels: Tensor) -> Tensor:
        """Add to t_emb (B, d_emb) the rows of labels (B,), integers in 0 .. num_classes."""
        # TODO 2: look up the row of each label, and add it to the embedding of t.
        return t_emb + self.rows(labels)
        # END TODO
