"""What several test files share."""

import gc
import os
import signal
import zlib
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

import tools.run_book  # noqa: F401 (what it leaves out, builds leave out)
from condlesson import alphas_cumprod, linear_beta_schedule, load_subset
from condlesson.experiment import canaries, recording
from condlesson.experiment.outputs import CANARY_SIZES
from condlesson.training import TrainConfig

# Four steps an epoch, as float32 as the canary.
TINY = TrainConfig(
    variant="adagn",
    seed=7,
    width=8,
    images=16,
    epochs=2,
    batch_size=4,
    val_images=10,
    precision="float32",
)


# No samples through all T timesteps: tests/experiment/test_outputs.py makes those.
OUTPUTS = replace(CANARY_SIZES, ddpm=0)
CANARY = {"images": 16, "batch_size": 4, "val_images": 16}


def pytest_addoption(parser):
    parser.addoption("--one-in-seven", metavar="WORD", help="run a seventh; the word says which")


def weekly_but(kept, values):
    """Parameters of a test, marked as weekly but for the few that are kept in each run."""
    return [v if v in kept else pytest.param(v, marks=pytest.mark.weekly) for v in values]


def outside_make():
    """The environment without what the make that runs these tests hands to another one."""
    handed_on = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    return {name: value for name, value in os.environ.items() if name not in handed_on}


@pytest.hookimpl(trylast=True)  # of those that `-m` leaves
def pytest_collection_modifyitems(config, items):
    """Leave out six in seven where that is asked for."""
    word = config.getoption("one_in_seven")
    if word is not None:
        items[:] = [item for item in items if not item.get_closest_marker("unsampled")]
        turn = zlib.crc32(word.encode()) % 7
        items[:] = items[turn::7] or items[:1]  # or pytest would fail: there is nothing to run


def pytest_xdist_auto_num_workers(config):
    """Two more than there are cores, where tests wait much for a browser or a build."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return cores + 2 * ("slow" not in config.option.markexpr)


def pytest_collection_finish():
    """Modules that were imported stay: the collector need not go through them, test by test."""
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Python's own answer to Ctrl-C, which a shell takes away from what runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def one_thread():
    """Tensors this small gain nothing from threads, which wait for each other on a busy machine."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def schedule():
    """The lesson's alpha_bar, T = 1000."""
    return alphas_cumprod(linear_beta_schedule())


@pytest.fixture
def draw():
    """A function that draws standard normal values of a shape, the same in every run."""
    generator = torch.Generator().manual_seed(0)

    def randn(*shape, dtype=torch.float32):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return randn


@pytest.fixture(scope="session")
def subset():
    return load_subset()


@contextmanager
def no_file_longer_than(size):
    """As on a disk with so many bytes left, for this process and what it starts."""
    import resource  # not on Windows

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def little():
    """What takes most of the time of a run as small as these: here there is little of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "LIE_IMAGES", 2)
        patch.setattr(recording, "LIE_TIMESTEPS", 4)
        patch.setattr(recording, "OUTPUTS", OUTPUTS)
        patch.setattr(canaries, "CANARY", {**canaries.CANARY, **CANARY})
        yield


@pytest.fixture(scope="module")
def few_lies():
    with little():
        yield


@pytest.fixture(scope="session")
def original(subset, tmp_path_factory, one_thread):
    """A folder with one run, recorded without interruption."""
    folder = tmp_path_factory.mktemp("recorded")
    with little():
        recording.record(TINY, subset, folder, weights=True, outputs=True)
    return folder
