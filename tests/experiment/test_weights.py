"""Weights as they are stored: what comes back is what was there, to half a step."""

import pytest
import torch

from condlesson.experiment import plan
from condlesson.experiment.runs import load_model, read_expected
from condlesson.experiment.weights import DTYPES, restored, stored
from condlesson.training import TrainConfig, make_model


@pytest.mark.parametrize("variant", ["adagn_class", "sinusoidal"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_network_comes_back(variant, dtype):
    tensors = make_model(TrainConfig(variant=variant, width=8)).state_dict()
    back = restored(stored(tensors, dtype))
    assert list(back) == list(tensors)
    for name, tensor in tensors.items():
        if dtype == "float16" or tensor.ndim < 2:
            expected = tensor.half() if tensor.is_floating_point() else tensor
            assert torch.equal(back[name], expected), name
        else:
            axis = 1 if name.startswith("up_") else 0
            largest = tensor.abs().movedim(axis, 0).flatten(1).amax(dim=1)
            off = (back[name] - tensor).abs().movedim(axis, 0).flatten(1).amax(dim=1)
            assert (off <= 0.501 * largest / 127).all(), name


def test_int8_takes_half_the_room():
    tensors = make_model(TrainConfig(variant="adagn", width=8)).state_dict()
    half, eighth = (sum(a.nbytes for a in stored(tensors, dtype).values()) for dtype in DTYPES)
    assert 0.5 < eighth / half < 0.55


def test_what_was_in_int8_stays_as_it_is():
    tensors = make_model(TrainConfig(variant="adagn", width=8)).state_dict()
    once = restored(stored(tensors, "int8"))
    again = restored(stored(once, "int8"))
    for name, tensor in once.items():
        torch.testing.assert_close(again[name], tensor, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("config", plan.FULL[:2], ids=lambda config: config.variant)
def test_networks_of_the_full_size_are_in_int8(config):
    run = read_expected(config, plan.MATRIX_DIR)
    assert run.weights["dtype"] == "int8"
    assert not load_model(run, plan.MATRIX_DIR).training
