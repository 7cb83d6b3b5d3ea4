"""Letters and digits drawn from fonts: a second data set, which needs no download.

The fonts come with Matplotlib: DejaVu, STIX and Computer Modern, which all may be used and passed
on freely. Each image is one of 62 characters in one of 21 faces, tilted, scaled and shifted at
random. A fifth of these 1,302 glyphs is kept for the test images, so that none of them is seen in
training.
"""

import math
import string
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.ft2font import FT2Font
from torch import Tensor

from condlesson.data import Mnist

__all__ = ["CHARACTERS", "FACES", "draw_glyphs", "load_glyphs"]

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
FACES = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-BoldOblique", "-Oblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-BoldOblique", "-Oblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-BoldItalic", "-Italic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "BolIta", "Italic")),
    *("cmb10", "cmr10", "cmss10", "cmti10", "cmtt10"),
)
SIDE = 28  # pixels, as MNIST
FINER = 2  # pixels of the drawn glyph to one of the image
EM = 22  # size of the face in pixels of the image: a capital letter is about 16 high
TILT = 10  # degrees to either side
SCALE = 0.15  # by which a glyph is smaller or larger
SHIFT = 2  # pixels to each side
TEST_SHARE = 5  # every fifth glyph
CHUNK = 1_000  # images drawn at a time


def load_glyphs(
    num_train: int = 20_000,
    num_test: int = 10_000,
    *,
    seed: int = 0,
    faces: Sequence[str] = FACES,
) -> Mnist:
    """Draw the data set; the same arguments give the same images.

    Args:
        num_train: Number of training images.
        num_test: Number of test images.
        seed: Seed of the split and of all tilts, scales and shifts.
        faces: Of `FACES`; the data set of the runs has all of them.

    Returns:
        Images and labels in the form of MNIST; a label is the index in `CHARACTERS`.

    Raises:
        ValueError: The installed Matplotlib lacks a face.
    """
    glyphs, labels = draw_glyphs(faces)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(glyphs), generator=generator)
    held_out = len(glyphs) // TEST_SHARE
    parts = []
    for chosen, n in ((order[held_out:], num_train), (order[:held_out], num_test)):
        rows = chosen[torch.randint(len(chosen), (n,), generator=generator)]
        moves = 2 * torch.rand(n, 4, generator=generator) - 1  # tilt, scale, right, down
        pairs = zip(rows.split(CHUNK), moves.split(CHUNK), strict=True)
        parts += [torch.cat([_moved(glyphs[r], m) for r, m in pairs]), labels[rows]]
    return Mnist(*parts, name="glyphs")


def draw_glyphs(faces: Sequence[str] = FACES) -> tuple[Tensor, Tensor]:
    """Every character in every face, upright and in the middle.

    Args:
        faces: Of `FACES`.

    Returns:
        Images of shape (62 * len(faces), 1, 56, 56), values from 0, the background, to 1, and the
        index of each one's character, uint8 of shape (62 * len(faces),).

    Raises:
        ValueError: The installed Matplotlib lacks a face.
    """
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    missing = [face for face in faces if not (fonts / f"{face}.ttf").is_file()]
    if missing:
        raise ValueError(
            "faces must be fonts of the installed Matplotlib, and version "
            f"{matplotlib.__version__} lacks {', '.join(missing)}. Install a newer one (3.11 has "
            "all), or leave them out: faces=FACES[:16]."
        )
    drawn = [_drawn(fonts / f"{face}.ttf", char) for face in faces for char in CHARACTERS]
    labels = torch.arange(len(CHARACTERS), dtype=torch.uint8).repeat(len(faces))
    return torch.from_numpy(np.stack(drawn))[:, None], labels


def _drawn(path: Path, character: str) -> np.ndarray:
    font = FT2Font(str(path))
    font.set_size(EM * FINER, 72)  # at 72 dots an inch a point is a pixel
    font.set_text(character)
    font.draw_glyphs_to_bitmap(antialiased=True)
    glyph = np.asarray(font.get_image(), dtype=np.float32) / 255
    glyph = glyph[glyph.any(axis=1)][:, glyph.any(axis=0)]
    canvas = np.zeros((SIDE * FINER, SIDE * FINER), dtype=np.float32)
    top, left = ((SIDE * FINER - size) // 2 for size in glyph.shape)
    canvas[top : top + glyph.shape[0], left : left + glyph.shape[1]] = glyph
    return canvas


def _moved(glyphs: Tensor, moves: Tensor) -> Tensor:
    """Glyphs (N, 1, 56, 56) as images (N, 28, 28) of bytes; moves (N, 4) lie in -1 .. 1."""
    angle, scale = moves[:, 0] * math.radians(TILT), 1 + SCALE * moves[:, 1]
    right, down = (2 * SHIFT / SIDE * moves[:, k] for k in (2, 3))  # the image reaches from -1 to 1
    cos, sin = angle.cos() / scale, angle.sin() / scale
    x, y = sin * down - cos * right, -sin * right - cos * down  # where the middle comes from
    rows = [torch.stack([cos, -sin, x], 1), torch.stack([sin, cos, y], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(glyphs.shape), align_corners=False)
    moved = F.grid_sample(glyphs, grid, align_corners=False)
    return (F.avg_pool2d(moved, FINER)[:, 0] * 255).round().to(torch.uint8)
