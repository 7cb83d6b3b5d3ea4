"""What the tests of the command line share."""

from pathlib import Path

import pytest

from condlesson.__main__ import main
from condlesson.data import SUBSET_DIR
from condlesson.notebooks import export, pages
from condlesson.training import TrainConfig

SRC = Path(__file__).parents[2] / "src"
CONFIG = TrainConfig(
    variant="none",
    seed=3,
    width=8,
    images=32,
    epochs=2,
    batch_size=16,
    val_images=32,
    learning_rate=3e-4,
    num_timesteps=500,
    precision="float32",
)
OPTIONS = (
    "--variant none --seed 3 --width 8 --images 32 --epochs 2 --batch-size 16 --val-images 32 "
    "--learning-rate 3e-4 --num-timesteps 500 --precision float32 --device cpu --threads 1"
)
TRAIN = ["train", *OPTIONS.split(), "--data", str(SUBSET_DIR)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory, one_thread, few_lies):
    folder = tmp_path_factory.mktemp("recorded")
    assert main([*TRAIN, "--weights", "--out", str(folder)]) == 0
    return folder


@pytest.fixture(autouse=True)
def nothing_seen(tmp_path, monkeypatch):
    """No run was found well before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def small_book(tmp_path, monkeypatch):
    """One page in the place of the book's."""
    (tmp_path / "a.md").write_text("---\nkernelspec:\n  name: python3\n---\n\n# A page\n")
    (tmp_path / "references.bib").touch()
    monkeypatch.setattr(export, "Book", lambda: pages.Book(tmp_path))

    def numbers(paths, report):
        return {path.stem: {} for path in paths}

    monkeypatch.setattr(export, "measure", numbers)
    return tmp_path
