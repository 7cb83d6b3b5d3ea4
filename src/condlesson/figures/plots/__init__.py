"""The book's figures. Functions take arrays and draw them; they compute nothing.

Each returns the Axes, or the Figure where it holds several. Importing this applies the book's
style, and makes notebooks draw SVG. A module is loaded when something of it is first drawn.
"""

from collections.abc import Callable
from importlib import import_module

from condlesson.figures.style import COLOURS, LOOKS, use_style

_DRAWN = {
    "embeddings": ("dials", "embedding_heatmap", "similarity_matrices"),
    "lines": ("bands", "curve_grid", "curve_panels", "curves", "dots", "guesses"),
    "blocks": ("modulation_heatmaps", "modulation_lines", "movements", "shares", "spatial_path"),
    "mechanism": ("adagn_steps", "small_unets", "two_messages"),
    "results": (
        "differences",
        "forest",
        "gains_by_size",
        "guidance_curves",
        "lie_heatmaps",
        "training_curves",
    ),
    "images": ("digits", "samples"),
}
_MODULE_OF = {name: module for module, names in _DRAWN.items() for name in names}

__all__ = ["COLOURS", "LOOKS", *_MODULE_OF]

use_style()


def __getattr__(name: str) -> Callable:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.")
    draw = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = draw  # a module may have the name of what it draws
    return draw


def __dir__() -> list[str]:
    return sorted(__all__)
