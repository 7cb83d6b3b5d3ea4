"""Figures that a reader can move on the book's pages.

A folder here is a figure: a function of its name says what its script needs to know, measured by
the package, and beside it lie the script, which draws that as SVG, the template with the controls,
and its style if it has one, each by the figure's name. What figures share stands in this folder.

A cell that ends with a `Moving` stands below a cell that draws a still figure, by `plots`. On the
page a script puts the moving figure in the still one's place (`book/_ext/moving.py`); in print and
without scripts the still one stays. In a notebook the moving figure stands below the still one.
"""

import base64
import io
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from condlesson.figures.moving.frame import frame

__all__ = ["Moving", "pack", "sheet"]

FOLDER = Path(__file__).parent
BOOK = "CONDLESSON_BOOK"  # the environment variable that says "1" where the book's pages are run


def __getattr__(name: str) -> Callable[..., "Moving"]:
    """The function of a figure; a page depends on the figures that it shows, and on no others."""
    if not (FOLDER / name / "__init__.py").is_file():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.")
    figure = getattr(import_module(f"{__name__}.{name}"), name)
    globals()[name] = figure  # in the place of the folder, which the import has put there
    return figure


@dataclass(frozen=True)
class Moving:
    """Data of a figure that moves, for the script of the same name.

    Attributes:
        name: Name of the figure.
        data: What the script reads: numbers, texts, lists and mappings of them.
    """

    name: str
    data: Mapping[str, object]

    def __repr__(self) -> str:
        return f"Moving({self.name!r})"

    def _repr_html_(self) -> str:
        """For a notebook the figure itself; for the book, which makes it, the data."""
        if os.environ.get(BOOK) != "1":
            return frame(self.name, self.data)
        text = json.dumps(self.data, separators=(",", ":")).replace("<", r"\u003c")
        return f'<script type="application/json" data-moving="{self.name}">{text}</script>'


def pack(values: Tensor, decimals: int = 4) -> dict[str, object]:
    """Many numbers in few characters: whole multiples of a small step, 16 bits each.

    Args:
        values: Any shape, finite.
        decimals: How many decimals are kept.

    Returns:
        ``step``, the size of a step, and ``base64``, the little-endian multiples, the last
        dimension fastest.

    Raises:
        ValueError: A value is too large for 16 bits, or not finite.
    """
    steps = (values.double() * 10**decimals).round()
    if not (steps.abs() < 2**15).all():  # not so for a nan either
        raise ValueError(
            f"values must be finite and below {2**15 / 10**decimals:g}, "
            f"got {values.abs().max().item():g}."
        )
    whole = steps.to(torch.int16).numpy().astype("<i2")
    return {"step": 10.0**-decimals, "base64": base64.b64encode(whole.tobytes()).decode()}


def sheet(images: np.ndarray, columns: int, *, lossless: bool = True) -> dict[str, object]:
    """Images row by row on one sheet, as an address that holds it.

    Args:
        images: uint8, shape (N, H, W).
        columns: How many stand in a row.
        lossless: Whether every byte is kept; else the sheet is a few times smaller.

    Returns:
        ``address``, ``columns``, ``size``, the width of an image, and ``rows``.
    """
    from PIL import Image

    _, height, width = images.shape
    padded = np.concatenate([images, np.zeros((-len(images) % columns, height, width), np.uint8)])
    rows = padded.reshape(-1, columns, height, width).swapaxes(1, 2)
    quality = 100 if lossless else 70
    Image.fromarray(rows.reshape(-1, columns * width)).save(
        file := io.BytesIO(), "WEBP", lossless=lossless, quality=quality, method=6
    )
    address = f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
    return {"address": address, "columns": columns, "size": width, "rows": len(rows)}
