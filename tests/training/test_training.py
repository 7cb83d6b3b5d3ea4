"""The configuration, the steps of training against torch alone, and evaluation."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from condlesson import count_parameters, training
from condlesson.data import to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.training import (
    TIERS,
    Batch,
    TrainConfig,
    TrainState,
    evaluate,
    make_model,
    stream,
    train,
    validation_batches,
)
from tests.training.states import MOMENTS, TINY, finish, inputs_of_training

pytestmark = pytest.mark.usefixtures("one_thread")

# --- the configuration ------------------------------------------------------------------------

REFUSED = {
    "variant": ("film", r"variant must be one of none, simple, .*, got 'film'\."),
    "precision": ("float16", r"precision must be one of float32, bfloat16, got 'float16'\."),
    "epochs": (0, r"epochs must be at least 1, got 0\."),
    "batch_size": (-1, r"batch_size must be at least 1, got -1\."),
    "num_timesteps": (0, r"num_timesteps must be at least 1, got 0\."),
    "width": (0, r"width must be at least 1, got 0\."),
    "val_images": (0, r"val_images must be at least 1, got 0\."),
    "seed": (-1, r"seed must be 0 or more, got -1\."),
    "learning_rate": (0.0, r"learning_rate must be above 0 and at most 1e38, got 0\.0\."),
    "images": (127, r"images must be at least batch_size, 128, got 127\."),
    "dataset": ("cifar", r"dataset must be one of mnist, glyphs, got 'cifar'\."),
    "image_size": (14, r"image_size must be one of 28, 16, 8, 4, got 14\."),
    "ema_decay": (1.0, r"ema_decay must be 0 or more and below 1, got 1\.0\."),
    "label_dropout": (-0.1, r"label_dropout must be 0 or more and below 1, got -0\.1\."),
    "final_images": (-1, r"final_images must be 0 or more, got -1\."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_config_refuses(name):
    value, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{name: value})


def test_config_refuses_a_learning_rate_that_is_no_number():
    with pytest.raises(ValueError, match="learning_rate must be above 0 and at most 1e38, got nan"):
        TrainConfig(learning_rate=float("nan"))


def test_config_accepts_the_smallest_values():
    names = ("images", "epochs", "batch_size", "num_timesteps", "width", "val_images")
    config = TrainConfig(**dict.fromkeys(names, 1), seed=0)
    assert config.steps_per_epoch == 1


def test_what_is_left_of_an_epoch_is_dropped():
    assert TINY.steps_per_epoch == 4
    assert replace(TINY, images=64).steps_per_epoch == 4
    assert replace(TINY, images=63).steps_per_epoch == 3


@pytest.mark.parametrize(("name", "value"), [("seed", 1.5), ("width", True), ("epochs", "3")])
def test_config_counts_in_integers(name, value):
    with pytest.raises(TypeError, match=f"{name} must be an integer, got {value!r}"):
        TrainConfig(**{name: value})


@pytest.mark.fault("a network wider than the memory", "refused at once: how much it needs")
def test_a_network_that_does_not_fit_is_refused(monkeypatch):
    count = count_parameters(make_model(TINY))
    monkeypatch.setattr(training, "free_memory", lambda: 16 * count - 1)
    with pytest.raises(MemoryError, match=f"got {TINY.width}: its {count:,} weights take at least"):
        TrainState.start(TINY)
    monkeypatch.setattr(training, "free_memory", lambda: 16 * count)
    TrainState.start(TINY)
    with pytest.raises(MemoryError):
        TrainState.start(replace(TINY, ema_decay=0.9))


# --- evaluate ---------------------------------------------------------------------------------


class Told(nn.Module):
    """Predicts t / 10 everywhere, 1 more while it trains."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x_t, t):
        value = t.float() / 10 + self.training + self.weight
        return value[:, None, None, None].expand_as(x_t)


def told_batch():
    t = torch.tensor([0, 10, 20])
    noise = torch.zeros(3, 1, 4, 4)
    return Batch(noise, t, noise, noise)


@pytest.mark.parametrize("training", [True, False])
def test_evaluate_leaves_the_mode_as_it_was(training):
    model = Told().train(training)
    assert evaluate(model, [told_batch()]).tolist() == [0, 1, 4]
    assert model.training is training


def test_evaluate_leaves_the_modes_of_parts_as_they_were(subset):
    model = make_model(TINY).train()
    model.enc_1.eval()
    evaluate(model, validation_batches(TINY, subset))
    assert model.training
    assert not model.enc_1.norm_1.training
    with pytest.raises(AttributeError):
        evaluate(model, [None])
    assert model.dec_1.training


def test_evaluate_tells_the_timestep_it_is_given():
    batch = told_batch()
    assert evaluate(Told(), [batch, batch], told_t=30).tolist() == [9] * 6
    assert evaluate(Told(), [batch], told_t=0).tolist() == [0] * 3
    assert batch.t.tolist() == [0, 10, 20]


def test_evaluate_gives_the_loss_of_each_image(subset):
    model = make_model(TINY)
    batches = validation_batches(TINY, subset)
    losses = evaluate(model, batches)
    model.eval()
    expected = []
    for batch in batches:
        for k in range(len(batch.t)):
            prediction = model(batch.x_t[k : k + 1], batch.t[k : k + 1])[0].double()
            expected.append(((prediction - batch.noise[k]) ** 2).mean().item())
    assert not losses.requires_grad
    torch.testing.assert_close(losses.double(), torch.tensor(expected).double(), rtol=1e-5, atol=0)


# --- train ------------------------------------------------------------------------------------


def test_train_takes_the_steps_of_the_formula(subset):
    """Two steps, written out with torch alone: mean squared error, Adam."""
    config = replace(TINY, variant="none")
    state = TrainState.start(config)
    model = copy.deepcopy(state.model).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    seen = inputs_of_training(replace(config, epochs=1), subset)
    chosen = torch.randperm(4096, generator=stream(config.seed, "images"))[:67]
    order = torch.randperm(67, generator=stream(config.seed, "order", 0))
    alpha_bar = alphas_cumprod(linear_beta_schedule())
    for k, _ in zip(range(2), train(state, subset), strict=False):
        x_0 = to_model_range(subset.train_images[chosen][order[16 * k : 16 * k + 16]])
        x_t, t = seen[k]
        share = alpha_bar[t][:, None, None, None]
        noise = (x_t - share.sqrt() * x_0) / (1 - share).sqrt()
        loss = F.mse_loss(model(x_t, t), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(state.losses[k], loss.detach(), rtol=1e-4, atol=0)
    assert state.losses[0] != state.losses[1]


def test_train_yields_every_step(subset):
    state = TrainState.start(TINY)
    steps, epochs, finished = [], [], []
    for yielded in train(state, subset):
        assert yielded is state
        steps.append(state.step)
        epochs.append((len(state.losses), len(state.train_loss), len(state.val_loss)))
        finished.append(state.finished)
    assert steps == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8]  # after each epoch its validation
    epoch = [(k, 0, 0) for k in (1, 2, 3, 4)] + [(4, 1, 1)]
    assert epochs == epoch + [(k, e + 1, e + 1) for k, e, _ in epoch]
    assert finished == [False] * (MOMENTS - 1) + [True]
    assert len(state.seconds) == TINY.epochs
    assert min(state.seconds) > 0
    assert list(train(state, subset)) == []


def test_epoch_losses_are_what_they_say(subset):
    state = finish(TrainState.start(replace(TINY, epochs=1)), subset)
    assert state.train_loss == [pytest.approx(torch.stack(state.losses).mean().item())]
    again = evaluate(state.model, validation_batches(TINY, subset)).mean().item()
    assert state.val_loss == [again]
    assert state.epoch == 1


def test_training_lowers_the_loss(subset):
    state = finish(TrainState.start(replace(TINY, learning_rate=2e-3)), subset)
    assert state.val_loss[-1] < state.val_loss[0]
    assert state.train_loss[-1] < 0.9 * state.train_loss[0]


def test_bfloat16_changes_training_and_not_evaluation(subset):
    states = {}
    for precision in ("float32", "bfloat16"):
        config = replace(TINY, precision=precision, epochs=1, images=16)
        states[precision] = finish(TrainState.start(config), subset)
    single, half = states["float32"], states["bfloat16"]
    assert single.losses[0] != half.losses[0]
    torch.testing.assert_close(single.losses[0], half.losses[0], rtol=0.02, atol=0)
    assert half.losses[0].dtype == torch.float32
    model = half.model.eval()
    batches = validation_batches(TINY, subset)
    with torch.no_grad():
        losses = [F.mse_loss(model(b.x_t, b.t), b.noise, reduction="none") for b in batches]
    expected = torch.cat([loss.mean(dim=(1, 2, 3)) for loss in losses]).mean().item()
    assert half.val_loss[0] == pytest.approx(expected, rel=1e-6)


def test_a_loss_that_is_kept_keeps_nothing_else(subset):
    state = next(train(TrainState.start(TINY), subset))
    assert state.losses[0].untyped_storage().nbytes() == 4


def test_train_refuses_more_images_than_there_are(subset):
    state = TrainState.start(replace(TINY, images=4097))
    with pytest.raises(ValueError, match=r"images must be at most 4096, got 4097\."):
        next(train(state, subset))


# --- several processes ------------------------------------------------------------------------


class Accelerator:
    """What `train` uses of accelerate's, for one of several processes that never meet."""

    def __init__(self, index, count):
        self.process_index, self.num_processes = index, count

    def prepare_model(self, model):
        return model

    def reduce(self, loss, reduction):
        assert reduction == "mean"
        return loss


def test_processes_share_each_batch_between_them(subset):
    whole = TrainState.start(replace(TINY, epochs=1))
    parts = [TrainState.start(whole.config) for _ in range(2)]
    next(train(whole, subset))
    for k, part in enumerate(parts):
        next(train(part, subset, accelerator=Accelerator(k, 2)))
    mean = torch.stack([part.losses[0] for part in parts]).mean()
    assert parts[0].losses[0] != parts[1].losses[0]
    torch.testing.assert_close(mean, whole.losses[0], rtol=1e-6, atol=0)


def test_a_batch_that_cannot_be_shared_is_refused(subset):
    state = TrainState.start(TINY)
    with pytest.raises(ValueError, match=r"a multiple of the number of processes, 3, got 16\."):
        next(train(state, subset, accelerator=Accelerator(0, 3)))


# --- tiers ------------------------------------------------------------------------------------


def test_the_quick_tier_fits_the_shipped_subset(subset):
    quick = TIERS["quick"]
    assert quick.images == len(subset.train_images)
    assert quick.val_images == len(subset.test_images)


def test_tiers_leave_variant_and_seed_to_the_reader():
    assert {(tier.variant, tier.seed) for tier in TIERS.values()} == {("sinusoidal", 42)}
    assert TIERS["small"] == TrainConfig()
