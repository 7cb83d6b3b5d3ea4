"""A run goes on as if nothing had been, and touches nothing global."""

import copy
import io
import itertools
from dataclasses import replace

import pytest
import torch

from condlesson.networks import VARIANTS
from condlesson.training import (
    TrainState,
    initialise,
    make_model,
    stream,
    train,
    validation_batches,
)
from tests.training.states import (
    MOMENTS,
    TINY,
    assert_equal_tensors,
    assert_same_run,
    finish,
    restored,
    saved,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

SMALL = replace(TINY, images=19, batch_size=4, val_images=10)  # as many steps, of fewer images


@pytest.fixture(scope="module")
def uninterrupted(subset):
    """A whole run, and its state as bytes at each moment."""
    state = TrainState.start(SMALL)
    states = [saved(state)]
    for _ in train(state, subset):
        states.append(saved(state))
    return state, states


@pytest.mark.parametrize("moment", range(MOMENTS + 1))
def test_a_run_goes_on_from_any_moment_as_if_nothing_had_been(moment, uninterrupted, subset):
    whole, states = uninterrupted
    assert len(states) == MOMENTS + 1
    assert_same_run(finish(restored(SMALL, states[moment]), subset), whole)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_goes_on_in_bfloat16(name, subset):
    config = replace(SMALL, variant=name, epochs=2, images=8, precision="bfloat16")
    whole, cut = TrainState.start(config), TrainState.start(config)
    finish(whole, subset)
    next(train(cut, subset))
    content = saved(cut)
    assert_same_run(finish(restored(config, content), subset), whole)


def test_a_run_can_be_stopped_and_taken_up_in_one_process(uninterrupted, subset):
    state = TrainState.start(SMALL)
    for _ in itertools.islice(train(state, subset), 6):
        pass
    assert (state.step, state.epoch) == (5, 1)
    assert_same_run(finish(state, subset), uninterrupted[0])


def test_a_state_of_another_configuration_is_refused(uninterrupted):
    content = torch.load(io.BytesIO(uninterrupted[1][3]), weights_only=True)
    state = TrainState.start(replace(SMALL, seed=7))
    before = copy.deepcopy(state.model.state_dict())
    with pytest.raises(ValueError, match=r"the checkpoint must belong to .*'seed': 7.* Delete it"):
        state.load_state_dict(content)
    assert_equal_tensors(before, state.model.state_dict())
    assert state.step == 0


# --- nothing global is touched ----------------------------------------------------------------


def global_state():
    return {
        "grad": torch.is_grad_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "random": torch.get_rng_state().tolist(),
    }


def test_global_random_state_and_modes_are_left_alone(subset):
    state = TrainState.start(replace(SMALL, images=4, precision="bfloat16"))
    before = global_state()
    for _ in train(state, subset):
        assert global_state() == before
    initialise(state.model, seed=1)
    stream(1, "any")
    validation_batches(SMALL, subset)
    assert global_state() == before


@pytest.mark.parametrize("name", VARIANTS)
def test_making_a_network_leaves_the_random_state_alone(name):
    before = global_state()
    make_model(replace(SMALL, variant=name))
    assert global_state() == before


def test_the_global_seed_plays_no_part(subset, uninterrupted):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        state = TrainState.start(SMALL)
        for _ in train(state, subset):
            torch.rand(1)
    assert_same_run(state, uninterrupted[0])
