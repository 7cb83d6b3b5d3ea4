import gzip
import hashlib

import numpy as np
import pytest
import torch

from condlesson.data import FILES, load_mnist
from condlesson.training import stream
from tools.make_subset import SIZES, main

# A full set in miniature: every image is filled with its own number, so that what was chosen can
# be read off the pixels.
NUM_FULL = {"train": 5000, "test": 1100}
OFFSET = {"train": 0, "test": 10_000}
# SHA-256 of the four files made from that set, unpacked, as of the first recorded runs.
CONTENT = "c4548f12c66ed5b5512d42beb31fac854e6e93b03d95d71d7a36bcd14553655d"


def numbered(split):
    numbers = np.arange(NUM_FULL[split]) + OFFSET[split]
    images = np.zeros((len(numbers), 28, 28), dtype=np.uint8)
    images[:, 0, 0], images[:, 27, 27] = numbers // 256, numbers % 256
    return images, (numbers % 10).astype(np.uint8)


def write(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    for split in NUM_FULL:
        for kind, array in zip(("images", "labels"), numbered(split), strict=True):
            write(folder / FILES[f"{split}_{kind}"], array)
    return folder


@pytest.fixture(scope="module")
def made(full, tmp_path_factory):
    out = tmp_path_factory.mktemp("made") / "subset"
    main(str(full), out)
    return out


@pytest.mark.parametrize("split", SIZES)
def test_subset_holds_the_first_images_of_the_seeded_order(split, made):
    subset = load_mnist(made)
    images = getattr(subset, f"{split}_images").long()
    numbers = images[:, 0, 0] * 256 + images[:, 27, 27] - OFFSET[split]
    order = torch.randperm(NUM_FULL[split], generator=stream(0, f"subset {split}"))
    assert numbers.tolist() == order[: SIZES[split]].tolist()
    assert len(set(numbers.tolist())) == SIZES[split]
    assert getattr(subset, f"{split}_labels").tolist() == (numbers % 10).tolist()


def test_the_same_data_gives_the_same_bytes(full, made, tmp_path):
    main(full, tmp_path)
    names = sorted(f"{name}.gz" for name in FILES.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    for name in names:
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes(), name


def test_no_date_is_written(made):
    for path in made.iterdir():
        assert path.read_bytes()[4:8] == bytes(4)  # gzip's modification time


def test_unpacked_content_is_frozen(made):
    """The order of the draw may not change: the canaries of all recorded runs hang on it."""
    digest = hashlib.sha256()
    for name in FILES.values():
        digest.update(gzip.decompress((made / f"{name}.gz").read_bytes()))
    assert digest.hexdigest() == CONTENT
