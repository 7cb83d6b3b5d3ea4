"""MNIST from disk, the small subset that ships with the package, and the scale networks see.

Files are the original IDX files: a big-endian header (two zero bytes, a type code, the number of
dimensions, then each size as 4 bytes) followed by the bytes of the images or labels.
"""

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "DATASETS",
    "IMAGE_SIZES",
    "Mnist",
    "download_mnist",
    "load_mnist",
    "load_subset",
    "read_idx",
    "reduce_images",
    "to_model_range",
]

DATASETS = ("mnist", "glyphs")
IMAGE_SIZES = (28, 16, 8, 4)  # pixels a side; two poolings need multiples of 4

SUBSET_DIR = Path(__file__).parent / "subset"
FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
UNSIGNED_BYTE = 0x08
IMAGE_SHAPE = (28, 28)
HIGHEST_LABEL = 9
GZIP_START = b"\x1f\x8b"
SIZES = (60_000, 10_000)  # of the whole set, training and test
SHA256 = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"  # its checksum


@dataclass(frozen=True)
class Mnist:
    """Images and labels as they lie in the files.

    Attributes:
        train_images: uint8, shape (N, 28, 28), 0 is background.
        train_labels: uint8, shape (N,), 0 .. 9.
        test_images: uint8, shape (M, 28, 28).
        test_labels: uint8, shape (M,).
        name: ``"mnist"``, or the name of another data set of the same form.
    """

    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    name: str = "mnist"

    def checksum(self) -> str:
        """SHA-256 over the bytes of all images and labels, whatever files they came from."""
        digest = hashlib.sha256()
        for name in FILES:
            digest.update(getattr(self, name).numpy().tobytes())
        return digest.hexdigest()


def load_mnist(root: str | Path) -> Mnist:
    """Read MNIST from a folder.

    Args:
        root: A torchvision root (the files lie in ``MNIST/raw`` below it), or the folder with the
            four IDX files itself; each may be gzipped.

    Returns:
        The data set.

    Raises:
        FileNotFoundError: A file is missing; the message says where it was looked for.
        ValueError: A file is damaged, images and labels do not fit each other, or a set of the
            size of MNIST holds something else.
    """
    root = Path(root)
    arrays = {key: torch.from_numpy(read_idx(_find(root, name))) for key, name in FILES.items()}
    for split in ("train", "test"):
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
        if images.shape != (*labels.shape, *IMAGE_SHAPE) or labels.ndim != 1:
            raise ValueError(
                f"the {split} files in {root} must hold (N, 28, 28) images and N labels, got "
                f"shapes {tuple(images.shape)} and {tuple(labels.shape)}. Images of another size "
                "belong to another data set, files that do not fit each other are not of one "
                "download: give those of MNIST."
            )
        if len(labels) and labels.max() > HIGHEST_LABEL:
            raise ValueError(
                f"the {split} labels in {root} must lie in 0 .. {HIGHEST_LABEL}, got "
                f"{labels.max()}. They are of another data set, as EMNIST's are: give those of "
                "MNIST."
            )
    mnist = Mnist(**arrays)
    if (len(mnist.train_images), len(mnist.test_images)) == SIZES and mnist.checksum() != SHA256:
        raise ValueError(
            f"the files in {root} must hold MNIST, its SHA-256 {SHA256}, got {mnist.checksum()}. "
            "A file is damaged, or they are another set: delete them and download them again."
        )
    return mnist


def load_subset() -> Mnist:
    """The subset that ships with the package: 4,096 training and 1,024 test images of MNIST.

    `tools/make_subset.py` made it from the full set; ``subset/README.md`` says which images.
    """
    return load_mnist(SUBSET_DIR)


def download_mnist(root: str | Path) -> Mnist:
    """Load MNIST through torchvision, which downloads it where it is missing.

    What an earlier download left half-written is removed and fetched again; torchvision would
    trust an unpacked file because it is there.

    Args:
        root: Folder of the torchvision data set.

    Raises:
        ModuleNotFoundError: torchvision is not installed.
        RuntimeError: The download failed.
        ValueError: As `load_mnist`.
    """
    try:
        from torchvision.datasets import MNIST
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"torchvision must be installed for the download ({error}). Install the training "
            'extras: pip install "condlesson[train]".'
        ) from error
    raw = Path(root) / "MNIST" / "raw"
    _remove_damaged(raw)
    try:
        MNIST(root, train=True, download=True)
    except (RuntimeError, OSError, HTTPException) as error:
        raise RuntimeError(
            f"MNIST could not be downloaded into {root} ({error}). Give the same command again "
            f"when the network is back, or copy the four files into {raw}, or train on the images "
            "that ship with the package: --data subset."
        ) from error
    return load_mnist(root)


def _remove_damaged(raw: Path) -> None:
    for name in FILES.values():
        try:
            if (raw / name).exists():
                read_idx(raw / name)
        except ValueError:
            (raw / name).unlink()


def read_idx(path: str | Path) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzipped or not.

    Args:
        path: The file. Its content says whether it is packed: a browser may unpack a file and
            keep the ``.gz`` in its name.

    Returns:
        uint8 array of the shape that the header states.

    Raises:
        ValueError: The file is no such IDX file, or is cut off or damaged.
    """
    path = Path(path)
    raw = path.read_bytes()
    try:
        raw = gzip.decompress(raw) if raw.startswith(GZIP_START) else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"{path} is damaged ({error}). Delete it and download it again."
        ) from error
    if len(raw) < 4 or raw[:3] != bytes([0, 0, UNSIGNED_BYTE]):
        raise ValueError(
            f"{path} must be an IDX file of unsigned bytes, got the start {raw[:4]!r}."
        )
    start = 4 + 4 * raw[3]  # raw[3] is the number of dimensions
    shape = tuple(int.from_bytes(raw[k : k + 4], "big") for k in range(4, start, 4))
    if len(raw) - start != math.prod(shape):
        raise ValueError(
            f"{path} must hold {shape} bytes after its header, got {max(len(raw) - start, 0)}. "
            "It is cut off or damaged: delete it and download it again."
        )
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape).copy()


def reduce_images(images: Tensor, size: int) -> Tensor:
    """Reduce images to fewer pixels, each the mean of the area that it covers.

    Args:
        images: uint8, shape (N, H, H).
        size: Pixels a side, at most H.

    Returns:
        uint8 tensor of shape (N, size, size), rounded.

    Raises:
        TypeError: The images are no bytes.
        ValueError: size is below 1 or above H, or the images are not square.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be bytes, uint8, got {images.dtype}.")
    height = images.shape[-1] if images.ndim else 0
    if images.ndim != 3 or images.shape[1] != height:
        raise ValueError(f"images must have the shape (N, H, H), got {tuple(images.shape)}.")
    if not 1 <= size <= height:
        raise ValueError(f"size must lie in 1 .. {height}, got {size}.")
    if size == height:
        return images
    common = math.gcd(size, height)
    finer = images.float().repeat_interleave(size // common, 1)
    finer = finer.repeat_interleave(size // common, 2)
    means = F.avg_pool2d(finer[:, None], height // common)[:, 0]
    return means.round().to(torch.uint8)


def to_model_range(images: Tensor) -> Tensor:
    """Scale images for a network: bytes 0 .. 255 become float32 values from -1 to 1.

    Args:
        images: uint8, shape (N, H, W).

    Returns:
        Float32 tensor of shape (N, 1, H, W).

    Raises:
        TypeError: images is no tensor, or not uint8.
        ValueError: images has another number of dimensions.
    """
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images must be a torch.Tensor, got {type(images).__name__}. "
            "Make one of an array: torch.from_numpy(images)."
        )
    if images.dtype != torch.uint8:
        raise TypeError(f"images must be uint8, values 0 .. 255, got {images.dtype}.")
    if images.ndim != 3:
        raise ValueError(
            f"images must have the shape (N, 28, 28), got {tuple(images.shape)}. "
            "Add a dimension to a single image: image[None]."
        )
    return images[:, None].float() / 127.5 - 1


def _find(root: Path, name: str) -> Path:
    for folder in (root, root / "MNIST" / "raw", root / "raw"):
        for candidate in (folder / name, folder / f"{name}.gz"):
            if candidate.is_file():
                return candidate
    raise FileNotFoundError(
        f"{name}[.gz] is neither in {root} nor in {root / 'MNIST' / 'raw'}. Give the folder with "
        "the four IDX files or a torchvision root, or let torchvision fetch them: "
        "condlesson train ... --download."
    )
