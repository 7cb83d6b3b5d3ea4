"""What several test files share."""

import pytest
import torch

from condlesson import alphas_cumprod, linear_beta_schedule


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
