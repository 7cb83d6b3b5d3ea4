"""A tiny run, and its state as bytes."""

import io

import torch

from condlesson.training import TrainConfig, TrainState, train

# Four steps an epoch, and three images left over.
TINY = TrainConfig(
    variant="adagn",
    width=8,
    images=67,
    epochs=2,
    batch_size=16,
    val_images=40,
    precision="float32",
)
MOMENTS = 10  # eight steps and two validations, after each of which a run may be stopped


def saved(state):
    file = io.BytesIO()
    torch.save(state.state_dict(), file)
    return file.getvalue()


def restored(config, content):
    state = TrainState.start(config)
    state.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    return state


def finish(state, data):
    for _ in train(state, data):
        pass
    return state


def assert_same_run(a, b):
    assert (a.step, a.train_loss, a.val_loss) == (b.step, b.train_loss, b.val_loss)
    assert torch.equal(torch.stack(a.losses), torch.stack(b.losses))
    assert_equal_tensors(a.model.state_dict(), b.model.state_dict())
    moments_a, moments_b = (x.optimizer.state_dict()["state"] for x in (a, b))
    assert moments_a.keys() == moments_b.keys()
    for key in moments_a:
        assert_equal_tensors(moments_a[key], moments_b[key])


def assert_equal_tensors(a, b):
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def inputs_of_training(config, data):
    """What the network is given in each training step."""
    state = TrainState.start(config)
    seen = []

    def look(module, args):
        if module.training:
            seen.append(tuple(x.clone() for x in args))

    state.model.register_forward_pre_hook(look)
    finish(state, data)
    return seen
