"""The clock with many hands."""

from torch import Tensor

from condlesson.figures.moving import Moving

__all__ = ["clock"]


def clock(frequencies: Tensor, *, num_timesteps: int = 1000) -> Moving:
    """The clock with many hands: drag t, and see all hands turn.

    Args:
        frequencies: As `condlesson.embeddings.sinusoidal_frequencies` gives them, shape (K,).
        num_timesteps: T, the length of a run.
    """
    return Moving("clock", {"frequencies": frequencies.tolist(), "steps": num_timesteps})
