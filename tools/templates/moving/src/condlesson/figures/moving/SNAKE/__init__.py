"""A value at each timestep, and what it is at the chosen one."""

from torch import Tensor

from condlesson.figures.moving import Moving, pack

__all__ = ["SNAKE"]


def SNAKE(values: Tensor, label: str) -> Moving:
    """A line over all timesteps: drag t, and read the value there.

    Args:
        values: A number for each timestep from 0 on, shape (T,), finite and below 3.
        label: What they are, with their unit.
    """
    return Moving("SNAKE", {"label": label, "values": pack(values)})
