"""The running average of the weights, and images of fewer pixels."""

from dataclasses import replace

import pytest
import torch

from condlesson.training import TrainState, evaluate, train, validation_batches
from tests.training.states import (
    TINY,
    assert_equal_tensors,
    assert_same_run,
    finish,
    restored,
    saved,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

AVERAGED = replace(TINY, ema_decay=0.5)


def test_the_average_follows_its_formula(subset):
    """A float64 loop over the weights after every step, with batch norm's buffers among them."""
    state = TrainState.start(replace(AVERAGED, variant="none"))
    expected = {k: v.double() for k, v in state.model.state_dict().items()}
    for step, _ in enumerate(s for s in train(state, subset) if s.steps_left < 4 or not s.losses):
        if state.step == step + 1:
            d = min(0.5, (1 + step) / (10 + step))
            for k, value in state.model.state_dict().items():
                expected[k] = d * expected[k] + (1 - d) * value.double()
    counted = "enc_1.norm_1.num_batches_tracked"
    expected[counted] = state.model.state_dict()[counted].double()
    for k, value in state.average.state_dict().items():
        if "num_batches" not in k:
            torch.testing.assert_close(value.double(), expected[k], rtol=1e-5, atol=1e-6)
    assert state.average.state_dict()[counted] == 8


def test_the_average_changes_no_step(subset):
    assert_same = [finish(TrainState.start(c), subset) for c in (TINY, AVERAGED)]
    a, b = assert_same
    assert a.train_loss == b.train_loss
    assert_equal_tensors(a.model.state_dict(), b.model.state_dict())
    assert a.average is None
    assert a.judged is a.model


def test_the_average_is_what_is_validated(subset):
    state = finish(TrainState.start(AVERAGED), subset)
    batches = validation_batches(AVERAGED, subset)
    assert state.val_loss[-1] == evaluate(state.average, batches).mean().item()
    assert state.val_loss[-1] != evaluate(state.model, batches).mean().item()
    assert not any(value.requires_grad for value in state.average.parameters())


@pytest.mark.parametrize("variant", ["none", "adagn"])
def test_a_stopped_run_goes_on_with_its_average(variant, subset):
    config = replace(AVERAGED, variant=variant)
    whole = finish(TrainState.start(config), subset)
    stopped = TrainState.start(config)
    for _ in train(stopped, subset):
        if stopped.step == 6:
            break
    resumed = finish(restored(config, saved(stopped)), subset)
    assert_same_run(whole, resumed)
    assert_equal_tensors(whole.average.state_dict(), resumed.average.state_dict())


@pytest.mark.parametrize("size", [28, 16, 8, 4])
@pytest.mark.parametrize("variant", ["none", "adagn"])
def test_networks_train_on_smaller_images(variant, size, subset):
    config = replace(TINY, variant=variant, image_size=size, learning_rate=2e-3)
    state = finish(TrainState.start(config), subset)
    assert validation_batches(config, subset)[0].x_t.shape == (16, 1, size, size)
    assert state.val_loss[-1] < state.val_loss[0]
    assert all(value.isfinite().all() for value in state.model.state_dict().values())
