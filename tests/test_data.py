import gzip
import hashlib
import re
import struct
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import ModuleType

import numpy as np
import pytest
import torch

from condlesson import data, list_runs
from condlesson.data import (
    FILES,
    SUBSET_DIR,
    download_mnist,
    load_mnist,
    load_subset,
    read_idx,
    reduce_images,
    to_model_range,
)
from condlesson.experiment.runs import RECORDED_DIR
from condlesson.training import TIERS

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
    "no zeros at the start": (b"\1\0\x08\x03", "unsigned bytes, got the start"),
    "too short": (b"\0\0\x08", "unsigned bytes, got the start"),
    "nothing": (b"", r"unsigned bytes, got the start b''\."),
}


@pytest.mark.fault(
    "a file of MNIST is cut short, too long or of another type",
    "it is named with what is wrong",
)
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


@pytest.mark.fault("a packed file is damaged", "it is named")
@pytest.mark.parametrize(
    "content",
    [ZIPPED[:-12], ZIPPED + b"garbage", flipped(ZIPPED), ZIPPED[:6]],
    ids=["cut off", "trailing garbage", "a byte changed", "header cut off"],
)
def test_read_idx_refuses_a_damaged_gzip(content, tmp_path):
    path = tmp_path / "file.gz"
    path.write_bytes(content)
    message = rf"{re.escape(str(path))} is damaged \(.+\)\. Delete it and download it again\."
    with pytest.raises(ValueError, match=message):
        read_idx(path)


@pytest.mark.parametrize("name", ["labels.gz", "labels"])
@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
def test_the_content_says_whether_a_file_is_packed(name, zipped, tmp_path):
    """A browser may unpack a file and keep its name, or add to it."""
    content = idx(LABELS)
    (tmp_path / name).write_bytes(gzip.compress(content) if zipped else content)
    np.testing.assert_array_equal(read_idx(tmp_path / name), LABELS)


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


@pytest.mark.fault("images have another size", "they are refused")
@pytest.mark.parametrize("split", ["train", "t10k"])
@pytest.mark.parametrize("side", [32, 27])
def test_load_mnist_refuses_images_of_another_size(split, side, tmp_path):
    images = np.zeros((3 if split == "train" else 2, 28, side), dtype=np.uint8)
    (write_set(tmp_path) / f"{split}-images-idx3-ubyte").write_bytes(idx(images))
    with pytest.raises(ValueError, match=rf"must hold \(N, 28, 28\) images .*, 28, {side}\)"):
        load_mnist(tmp_path)


@pytest.mark.fault("labels lie beyond 9", "they are refused")
def test_load_mnist_refuses_labels_of_another_set(tmp_path):
    labels = np.array([1, 26, 3], dtype=np.uint8)
    (write_set(tmp_path) / FILES["train_labels"]).write_bytes(idx(labels))
    message = r"the train labels in .* must lie in 0 \.\. 9, got 26\. .*EMNIST"
    with pytest.raises(ValueError, match=message):
        load_mnist(tmp_path)


@pytest.mark.fault("two files are exchanged", "they are refused")
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


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder that torchvision downloads from, through a server of this machine."""
    from torchvision.datasets import MNIST

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    folder = write_set(tmp_path / "mirror", zipped=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    names = [f"{name}.gz" for name in FILES.values()]
    sums = [hashlib.md5((folder / name).read_bytes()).hexdigest() for name in names]
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", list(zip(names, sums, strict=True)))
    yield folder
    server.shutdown()
    server.server_close()


def test_download_fetches_what_is_missing(mirror, tmp_path):
    mnist = download_mnist(tmp_path / "data")
    assert mnist.train_images.numpy().tobytes() == IMAGES.tobytes()


@pytest.mark.fault("a download is damaged", "it is refused and fetched again")
@pytest.mark.parametrize("damage", [lambda content: content[:-9], flipped], ids=["cut", "changed"])
def test_a_download_that_is_damaged_is_refused_and_fetched_again(damage, mirror, tmp_path):
    path = mirror / f"{FILES['train_images']}.gz"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    message = r"could not be downloaded into .*corrupted.* Give the same command again"
    with pytest.raises(RuntimeError, match=f"(?s){message}"):
        download_mnist(tmp_path / "data")
    path.write_bytes(whole)
    assert len(download_mnist(tmp_path / "data").train_images) == 3


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES.values())
def test_a_file_that_was_unpacked_by_half_is_unpacked_again(name, mirror, tmp_path):
    raw = tmp_path / "data" / "MNIST" / "raw"
    download_mnist(tmp_path / "data")
    (raw / name).write_bytes((raw / name).read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{name} must hold .* delete it and download it again"):
        load_mnist(tmp_path / "data")
    assert download_mnist(tmp_path / "data").train_images.numpy().tobytes() == IMAGES.tobytes()


def test_without_a_network_the_message_says_what_to_do(monkeypatch, tmp_path):
    from torchvision.datasets import MNIST

    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:9/"])  # nobody listens there
    message = r"could not be downloaded .*refused.* copy the four files into .*--data subset"
    with pytest.raises(RuntimeError, match=f"(?s){message}"):
        download_mnist(tmp_path)


def test_a_whole_set_must_be_mnist(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "SIZES", (3, 2))
    with pytest.raises(ValueError, match=r"must hold MNIST, its SHA-256 06b0.*, got [0-9a-f]{64}"):
        load_mnist(write_set(tmp_path))
    monkeypatch.setattr(data, "SIZES", (3, 1))
    load_mnist(tmp_path)


def test_recorded_runs_were_trained_on_mnist_or_on_the_shipped_subset():
    trained_on = {data.SHA256: set(), load_subset().checksum(): set()}
    for run in list_runs(RECORDED_DIR):
        trained_on[run.provenance["data_sha256"]].add(run.config.width)
    assert list(trained_on.values()) == [{TIERS["small"].width}, {TIERS["quick"].width}]


def test_download_without_torchvision_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    message = r"torchvision must be installed .*pip install \"condlesson\[train\]\""
    with pytest.raises(ModuleNotFoundError, match=message):
        download_mnist(tmp_path)


def test_model_range_refuses_arrays_and_single_images():
    with pytest.raises(TypeError, match=r"images must be a torch.Tensor, got ndarray"):
        to_model_range(np.zeros((1, 28, 28), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"images must have the shape .*image\[None\]"):
        to_model_range(torch.zeros(28, 28, dtype=torch.uint8))


# --- fewer pixels -----------------------------------------------------------------------------


def reduced_by_hand(image, size):
    """Area averages in float64: the share of every pixel that each new one covers."""
    side = image.shape[0]
    edges = torch.arange(size + 1, dtype=torch.float64) * side / size
    pixels = torch.arange(side, dtype=torch.float64)
    low, high = edges[:-1, None], edges[1:, None]
    share = (torch.minimum(high, pixels + 1) - torch.maximum(low, pixels)).clamp(min=0)
    share = share * size / side
    return share @ image.double() @ share.T


@pytest.mark.parametrize("size", [28, 16, 8, 4, 5, 1])
def test_reduced_images_are_means_over_areas(size):
    images = load_subset().test_images[:20]
    reduced = reduce_images(images, size)
    assert reduced.shape == (20, size, size)
    assert reduced.dtype == torch.uint8
    for image, small in zip(images, reduced, strict=True):
        assert (small.double() - reduced_by_hand(image, size)).abs().max() <= 0.5 + 1e-4


@pytest.mark.parametrize("size", [0, 29])
def test_reduce_images_refuses_sizes_it_cannot_make(size):
    with pytest.raises(ValueError, match=rf"size must lie in 1 \.\. 28, got {size}\."):
        reduce_images(torch.zeros(1, 28, 28, dtype=torch.uint8), size)


def test_reduce_images_refuses_what_is_not_square():
    with pytest.raises(
        ValueError, match=r"images must have the shape \(N, H, H\), got \(1, 28, 27\)"
    ):
        reduce_images(torch.zeros(1, 28, 27, dtype=torch.uint8), 4)


@pytest.mark.parametrize("dtype", [torch.int16, torch.float32])
def test_only_bytes_are_reduced(dtype):
    with pytest.raises(TypeError, match=f"images must be bytes, uint8, got {dtype}"):
        reduce_images(torch.full((1, 4, 4), 200).to(dtype), 2)
