"""What several test files share."""

import signal
import zlib

import pytest
import torch

from condlesson import alphas_cumprod, linear_beta_schedule, load_subset
from condlesson.experiment import recording
from condlesson.experiment.outputs import CANARY_SIZES
from condlesson.training import TrainConfig

# Four steps an epoch, as float32 as the canary.
TINY = TrainConfig(
    variant="adagn",
    seed=7,
    width=8,
    images=64,
    epochs=2,
    batch_size=16,
    val_images=40,
    precision="float32",
)


def pytest_addoption(parser):
    parser.addoption("--one-in-seven", metavar="WORD", help="run a seventh; the word says which")


@pytest.hookimpl(trylast=True)  # of those that `-m` leaves
def pytest_collection_modifyitems(config, items):
    """Leave out six in seven where that is asked for."""
    word = config.getoption("one_in_seven")
    if word is not None:
        turn = zlib.crc32(word.encode()) % 7
        items[:] = [item for k, item in enumerate(items) if k % 7 == turn]


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """Python's own answer to Ctrl-C, which a shell takes away from what runs in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def one_thread():
    """Tensors this small gain nothing from threads, which wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


@pytest.fixture(scope="module")
def subset():
    return load_subset()


@pytest.fixture(scope="module")
def few_lies():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recording, "LIE_IMAGES", 2)  # most of the time of a run as small as these
        patch.setattr(recording, "LIE_TIMESTEPS", 4)
        patch.setattr(recording, "OUTPUTS", CANARY_SIZES)
        yield


@pytest.fixture(scope="module")
def original(subset, tmp_path_factory, one_thread, few_lies):
    """A folder with one run, recorded without interruption."""
    folder = tmp_path_factory.mktemp("recorded")
    recording.record(TINY, subset, folder, weights=True, outputs=True)
    return folder
