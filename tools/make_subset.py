"""Make the subset of MNIST that ships with the package, from the full data set.

python tools/make_subset.py DIR   (a torchvision root, or the folder with the four IDX files)
"""

import gzip
import sys
from pathlib import Path

import numpy as np

from condlesson.data import FILES, SUBSET_DIR, load_mnist
from condlesson.training import stream

SIZES = {"train": 4096, "test": 1024}
UNSIGNED_BYTE = 0x08


def main(root: str, out: Path = SUBSET_DIR) -> None:
    """Write the four gzipped IDX files; the same data gives the same bytes."""
    import torch

    data = load_mnist(root)
    out.mkdir(parents=True, exist_ok=True)
    for split, size in SIZES.items():
        images, labels = getattr(data, f"{split}_images"), getattr(data, f"{split}_labels")
        chosen = torch.randperm(len(images), generator=stream(0, f"subset {split}"))[:size]
        for kind, values in (("images", images), ("labels", labels)):
            _write_idx(out / f"{FILES[f'{split}_{kind}']}.gz", values[chosen].numpy())


def _write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, UNSIGNED_BYTE, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
