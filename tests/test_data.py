import gzip
import hashlib
import re
import struct
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from condlesson.data import (
    FILES,
    SUBSET_DIR,
    download_mnist,
    load_mnist,
    load_subset,
    read_idx,
    to_model_range,
)

IMAGES = np.arange(3 * 28 * 28).astype(np.uint8).reshape(3, 28, 28)
LABELS = np.array([7, 0, 9], dtype=np.uint8)


def idx(array):
    """The bytes of an IDX file, written with struct from the format's description."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return struct.pack(">HBB", 0, 8, array.ndim) + sizes + array.tobytes()


def write_set(folder, *, zipped=False, num_labels=3):
    folder.mkdir(parents=True, exist_ok=True)
    for key, name in FILES.items():
        array = IMAGES if key.endswith("images") else np.resize(LABELS, num_labels)
        if key.startswith("test"):
            array = array[:2]
        content = idx(array)
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)
    return folder


# --- read_idx ---------------------------------------------------------------------------------


@pytest.mark.parametrize("array", [IMAGES, LABELS, LABELS[:0]], ids=["images", "labels", "empty"])
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
def test_read_idx_returns_what_was_written(array, zipped, tmp_path):
    path = tmp_path / ("file.gz" if zipped else "file")
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    read = read_idx(path)
    assert read.dtype == np.uint8
    assert read.flags.writeable  # torch.from_numpy warns of an array that is not
    np.testing.assert_array_equal(read, array)


DAMAGED = {
    "cut off by one byte": (idx(IMAGES)[:-1], r"must hold \(3, 28, 28\) bytes .*, got 2351\."),
    "trailing garbage": (idx(IMAGES) + b"!", r"must hold \(3, 28, 28\) bytes .*, got 2353\."),
    "header only": (idx(IMAGES)[:16], r"must hold \(3, 28, 28\) bytes .*, got 0\."),
    "header cut off": (idx(IMAGES)[:10], r"file must hold .* bytes after its header, got 0\."),
    "sizes that overflow 64 bits": (
        struct.pack(">HBB4I", 0, 8, 4, 2**31, 2**31, 2**2, 1),
        r"must hold \(2147483648, 2147483648, 4, 1\)",
    ),
    "another type code": (struct.pack(">HBBI", 0, 0x0D, 1, 0), "unsigned bytes, got the start"),
    "no zeros at the start": (b"\x1f\x8b\x08\x03", "unsigned bytes, got the start"),
    "too short": (b"\0\0\x08", "unsigned bytes, got the start"),
    "nothing": (b"", r"unsigned bytes, got the start b''\."),
}


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("damage", DAMAGED)
def test_read_idx_refuses(damage, zipped, tmp_path):
    content, message = DAMAGED[damage]
    path = tmp_path / ("file.gz" if zipped else "file")
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(ValueError, match=message.replace("file", path.name)) as error:
        read_idx(path)
    assert str(path) in str(error.value)


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


ZIPPED = gzip.compress(np.random.default_rng(0).bytes(2000))


@pytest.mark.parametrize(
    "content",
    [ZIPPED[:-12], ZIPPED + b"garbage", flipped(ZIPPED), idx(IMAGES), ZIPPED[:6]],
    ids=["cut off", "trailing garbage", "a byte changed", "not gzipped", "header cut off"],
)
def test_read_idx_refuses_a_damaged_gzip(content, tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    message = rf"{re.escape(str(path))} is damaged \(.+\)\. Delete it and download it again\."
    with pytest.raises(ValueError, match=message):
        read_idx(path)


# --- load_mnist -------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
@pytest.mark.parametrize("below", [".", "MNIST/raw", "raw"], ids=["flat", "torchvision", "raw"])
def test_load_mnist_finds_the_files(below, zipped, tmp_path):
    write_set(tmp_path / below, zipped=zipped)
    mnist = load_mnist(str(tmp_path))
    assert mnist.train_images.numpy().tobytes() == IMAGES.tobytes()
    assert mnist.train_labels.tolist() == [7, 0, 9]
    assert mnist.test_images.numpy().tobytes() == IMAGES[:2].tobytes()
    assert mnist.test_labels.tolist() == [7, 0]


@pytest.mark.parametrize("name", FILES.values())
def test_load_mnist_names_the_missing_file(name, tmp_path):
    (write_set(tmp_path) / name).unlink()
    with pytest.raises(FileNotFoundError, match=rf"{name}\[\.gz\] is neither in .*raw"):
        load_mnist(tmp_path)


def test_load_mnist_refuses_counts_that_differ(tmp_path):
    write_set(tmp_path, num_labels=2)
    message = r"the train files .* must hold .*, got shapes \(3, 28, 28\) and \(2,\)\."
    with pytest.raises(ValueError, match=message):
        load_mnist(tmp_path)


@pytest.mark.parametrize(("wrong", "right"), [("labels", "images"), ("images", "labels")])
def test_load_mnist_refuses_files_that_are_exchanged(wrong, right, tmp_path):
    write_set(tmp_path)
    (tmp_path / FILES[f"test_{right}"]).write_bytes(
        (tmp_path / FILES[f"test_{wrong}"]).read_bytes()
    )
    with pytest.raises(ValueError, match="the test files"):
        load_mnist(tmp_path)


def test_checksum_depends_on_the_content_and_not_on_the_files(tmp_path):
    plain = load_mnist(write_set(tmp_path / "plain"))
    zipped = load_mnist(write_set(tmp_path / "zipped", zipped=True))
    expected = IMAGES.tobytes() + LABELS.tobytes() + IMAGES[:2].tobytes() + LABELS[:2].tobytes()
    assert plain.checksum() == zipped.checksum() == hashlib.sha256(expected).hexdigest()
    zipped.test_labels[1] = 1
    assert zipped.checksum() != plain.checksum()


# --- the shipped subset -----------------------------------------------------------------------


def test_subset_is_complete():
    subset = load_subset()
    assert subset.train_images.shape == (4096, 28, 28)
    assert subset.train_labels.shape == (4096,)
    assert subset.test_images.shape == (1024, 28, 28)
    assert subset.test_labels.shape == (1024,)
    for labels in (subset.train_labels, subset.test_labels):
        share = torch.bincount(labels.long(), minlength=10) / len(labels)
        assert len(share) == 10
        assert 0.07 < share.min() < share.max() < 0.13


def test_subset_holds_what_its_readme_says():
    readme = (SUBSET_DIR / "README.md").read_text("utf-8")
    stated = {name: sha for sha, name in re.findall(r"^    (\w{64})  (\S+)$", readme, re.M)}
    found = {path.name: path for path in SUBSET_DIR.glob("*.gz")}
    assert set(stated) == set(found) == {f"{name}.gz" for name in FILES.values()}
    for name, path in found.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == stated[name], name


def test_subset_is_small():
    assert sum(path.stat().st_size for path in SUBSET_DIR.iterdir()) < 1_000_000


# --- scaling and download ---------------------------------------------------------------------


def test_to_model_range_scales_every_byte():
    images = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    scaled = to_model_range(images)
    assert scaled.shape == (1, 1, 16, 16)
    assert scaled.dtype == torch.float32
    expected = [byte / 255 * 2 - 1 for byte in range(256)]
    torch.testing.assert_close(scaled.flatten(), torch.tensor(expected), atol=1e-6, rtol=0)
    assert (scaled.min(), scaled.max()) == (-1, 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64, torch.bool])
def test_to_model_range_refuses_other_types(dtype):
    with pytest.raises(TypeError, match=rf"images must be uint8, values 0 \.\. 255, got {dtype}\."):
        to_model_range(torch.zeros(1, 28, 28, dtype=dtype))


def test_download_goes_through_torchvision(monkeypatch, tmp_path):
    def fetch(root, *, train, download):
        assert (train, download) == (True, True)
        write_set(root / "MNIST" / "raw")

    torchvision, datasets = ModuleType("torchvision"), ModuleType("torchvision.datasets")
    torchvision.datasets, datasets.MNIST = datasets, fetch
    monkeypatch.setitem(sys.modules, "torchvision", torchvision)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)
    assert download_mnist(tmp_path).train_labels.tolist() == [7, 0, 9]


def test_download_without_torchvision_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    message = r"torchvision must be installed .*pip install \"condlesson\[train\]\""
    with pytest.raises(ModuleNotFoundError, match=message):
        download_mnist(tmp_path)


def test_model_range_refuses_arrays_and_single_images():
    with pytest.raises(TypeError, match=r"images must be a torch.Tensor, got ndarray"):
        to_model_range(np.zeros((1, 28, 28), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"images must have the shape .*image\[None\]"):
        to_model_range(torch.zeros(28, 28, dtype=torch.uint8))
