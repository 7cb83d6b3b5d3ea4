import copy
import io
import itertools
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from condlesson.data import load_subset, to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.training import (
    TIERS,
    Batch,
    TrainConfig,
    TrainState,
    evaluate,
    initialise,
    make_model,
    noised_batch,
    stream,
    train,
    validation_batches,
)
from condlesson.unet import VARIANTS

pytestmark = pytest.mark.usefixtures("one_thread")

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


@pytest.fixture(scope="module")
def subset():
    return load_subset()


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
    "learning_rate": (0.0, r"learning_rate must be above 0 and finite, got 0\.0\."),
    "images": (127, r"images must be at least batch_size, 128, got 127\."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_config_refuses(name):
    value, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        TrainConfig(**{name: value})


def test_config_refuses_a_learning_rate_that_is_no_number():
    with pytest.raises(ValueError, match="learning_rate must be above 0 and finite, got nan"):
        TrainConfig(learning_rate=float("nan"))


def test_config_accepts_the_smallest_values():
    names = ("images", "epochs", "batch_size", "num_timesteps", "width", "val_images")
    config = TrainConfig(**dict.fromkeys(names, 1), seed=0)
    assert config.steps_per_epoch == 1


def test_what_is_left_of_an_epoch_is_dropped():
    assert TINY.steps_per_epoch == 4
    assert replace(TINY, images=64).steps_per_epoch == 4
    assert replace(TINY, images=63).steps_per_epoch == 3


# --- the same draws for every variant ---------------------------------------------------------


def test_a_seed_shows_every_variant_the_same(subset):
    config = replace(TINY, images=32)
    runs = {name: inputs_of_training(replace(config, variant=name), subset) for name in VARIANTS}
    for name, seen in runs.items():
        assert len(seen) == 4
        for (x_t, t), (x_t_first, t_first) in zip(seen, runs["none"], strict=True):
            assert torch.equal(t, t_first), name
            assert torch.equal(x_t, x_t_first), name


def test_another_seed_shows_something_else(subset):
    config = replace(TINY, variant="none", epochs=1, images=32)
    one, other = (inputs_of_training(replace(config, seed=s), subset) for s in (1, 2))
    for (x_t, t), (x_t_other, t_other) in zip(one, other, strict=True):
        assert not torch.equal(t, t_other)
        assert not torch.equal(x_t, x_t_other)


def test_epochs_hold_the_same_images_in_another_order(subset):
    """Without noise (alpha_bar close to 1) the images can be read off what the network sees."""
    config = replace(TINY, variant="none", num_timesteps=1)
    seen = [x_t for x_t, _ in inputs_of_training(config, subset)]
    clean = to_model_range(subset.train_images).flatten(1)
    found = [torch.cdist(x_t.flatten(1), clean).argmin(dim=1).tolist() for x_t in seen]
    first, second = (list(itertools.chain(*found[k : k + 4])) for k in (0, 4))
    assert len(set(first)) == len(set(second)) == 64
    assert first != second
    assert len({*first, *second}) <= 67  # three of them are left over in each epoch


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(VARIANTS, 2)))
def test_variants_start_equal_where_they_have_the_same_layers(a, b):
    a, b = (make_model(replace(TINY, variant=name)).state_dict() for name in (a, b))
    alike = {name for name in a if name in b and a[name].shape == b[name].shape}
    layers = {name.rpartition(".")[0] for name in {*a, *b} - alike}  # that differ in a shape
    shared = [name for name in alike if name.rpartition(".")[0] not in layers]
    assert len([name for name in shared if ".conv_" in name and name.endswith("weight")]) == 12
    assert [name for name in shared if not torch.equal(a[name], b[name])] == []


def test_seeds_and_layers_start_different():
    one, other = (make_model(replace(TINY, seed=s)).state_dict() for s in (1, 2))
    for name in one:
        if ".conv_" in name or "linear" in name or "projection" in name:
            assert not torch.equal(one[name], other[name]), name
    alike = [one[f"{block}.projection.weight"] for block in ("dec_2.norm_1", "enc_3.norm_1")]
    assert alike[0].shape == alike[1].shape
    assert not torch.equal(*alike)


def test_each_layer_draws_as_its_own_class_does():
    layer = nn.Sequential(nn.Linear(400, 300))
    initialise(layer, seed=0)
    bound = 400**-0.5  # of torch.nn.Linear
    weight = layer[0].weight.detach()
    assert weight.abs().max() < bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.02)


def test_stream_depends_on_all_it_is_given_and_on_nothing_else():
    def draw(*args):
        return torch.randint(0, 2**40, (4,), generator=stream(*args)).tolist()

    torch.rand(3)
    assert draw(1, "a", 2) == draw(1, "a", 2)
    others = [draw(1, "a", 2), draw(2, "a", 2), draw(1, "b", 2), draw(1, "a", 3), draw(2, "a", 1)]
    assert all(a != b for a, b in itertools.combinations(others, 2))
    assert draw(1, "a") == draw(1, "a", 0)


def test_stream_is_frozen():
    """Recorded runs depend on these numbers; they are those of the first recorded runs."""
    drawn = torch.randint(0, 1000, (5,), generator=stream(42, "noise", 3))
    assert drawn.tolist() == [478, 382, 450, 899, 337]


def test_noised_batch_draws_every_timestep_and_standard_normal_noise(schedule):
    x_0 = torch.zeros(4000, 1, 4, 4)
    batch = noised_batch(x_0, schedule[:5], replace(TINY, num_timesteps=5), step=0)
    counts = torch.bincount(batch.t, minlength=5)
    assert len(counts) == 5
    assert (counts - 800).abs().max() < 110  # four standard deviations
    assert batch.noise.mean().abs() < 0.02
    assert batch.noise.std() == pytest.approx(1, abs=0.01)
    assert batch.x_0 is x_0


def test_noised_batch_mixes_as_the_formula_says(subset, schedule):
    x_0 = to_model_range(subset.train_images[:8])
    batch = noised_batch(x_0, schedule, TINY, step=3)
    alpha_bar = schedule[batch.t].double()[:, None, None, None]
    expected = alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * batch.noise
    torch.testing.assert_close(batch.x_t.double(), expected, atol=1e-6, rtol=1e-6)


# --- the validation set -----------------------------------------------------------------------


def test_validation_is_the_same_for_every_seed_and_variant(subset):
    first = validation_batches(TINY, subset)
    for name, seed in itertools.product(VARIANTS, (1, 2)):
        others = validation_batches(replace(TINY, variant=name, seed=seed, epochs=9), subset)
        for batch, other in zip(first, others, strict=True):
            for key in ("x_0", "t", "noise", "x_t"):
                assert torch.equal(getattr(batch, key), getattr(other, key)), key


@pytest.mark.parametrize(("n", "steps"), [(40, 1000), (64, 10), (7, 3), (1, 1)])
def test_validation_timesteps_are_spread_evenly(n, steps, subset):
    config = replace(TINY, val_images=n, num_timesteps=steps)
    batches = validation_batches(config, subset)
    t = torch.cat([batch.t for batch in batches])
    assert sorted(t.tolist()) == [k * steps // n for k in range(n)]
    assert [len(batch.t) for batch in batches] == [16] * (n // 16) + [n % 16] * (n % 16 > 0)


def test_validation_shuffles_the_timesteps_and_takes_different_test_images(subset):
    batches = validation_batches(replace(TINY, val_images=256), subset)
    t = torch.cat([batch.t for batch in batches])
    assert t.tolist() != sorted(t.tolist())
    x_0 = torch.cat([batch.x_0 for batch in batches]).flatten(1)
    test_images = to_model_range(subset.test_images).flatten(1)
    distance, nearest = torch.cdist(x_0.double(), test_images.double()).min(dim=1)
    assert distance.max() < 1e-5
    assert len(set(nearest.tolist())) == 256


def test_validation_mixes_as_the_formula_says(subset):
    alpha_bar = alphas_cumprod(linear_beta_schedule(TINY.num_timesteps)).double()
    for batch in validation_batches(TINY, subset):
        share = alpha_bar[batch.t][:, None, None, None]
        expected = share.sqrt() * batch.x_0 + (1 - share).sqrt() * batch.noise
        torch.testing.assert_close(batch.x_t.double(), expected, atol=1e-6, rtol=1e-6)


def test_validation_refuses_more_images_than_there_are(subset):
    with pytest.raises(ValueError, match=r"val_images must be at most 1024, got 1025\."):
        validation_batches(replace(TINY, val_images=1025), subset)


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


# --- going on ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uninterrupted(subset):
    """A whole run, and its state as bytes at each moment."""
    state = TrainState.start(TINY)
    states = [saved(state)]
    for _ in train(state, subset):
        states.append(saved(state))
    return state, states


@pytest.mark.parametrize("moment", range(MOMENTS + 1))
def test_a_run_goes_on_from_any_moment_as_if_nothing_had_been(moment, uninterrupted, subset):
    whole, states = uninterrupted
    assert len(states) == MOMENTS + 1
    assert_same_run(finish(restored(TINY, states[moment]), subset), whole)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_goes_on_in_bfloat16(name, subset):
    config = replace(TINY, variant=name, epochs=2, images=32, precision="bfloat16")
    whole, cut = TrainState.start(config), TrainState.start(config)
    finish(whole, subset)
    next(train(cut, subset))
    content = saved(cut)
    assert_same_run(finish(restored(config, content), subset), whole)


def test_a_run_can_be_stopped_and_taken_up_in_one_process(uninterrupted, subset):
    state = TrainState.start(TINY)
    for _ in itertools.islice(train(state, subset), 6):
        pass
    assert (state.step, state.epoch) == (5, 1)
    assert_same_run(finish(state, subset), uninterrupted[0])


def test_a_state_of_another_configuration_is_refused(uninterrupted):
    content = torch.load(io.BytesIO(uninterrupted[1][3]), weights_only=True)
    state = TrainState.start(replace(TINY, seed=7))
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
    state = TrainState.start(replace(TINY, images=16, precision="bfloat16"))
    before = global_state()
    for _ in train(state, subset):
        assert global_state() == before
    initialise(state.model, seed=1)
    stream(1, "any")
    validation_batches(TINY, subset)
    assert global_state() == before


@pytest.mark.parametrize("name", VARIANTS)
def test_making_a_network_leaves_the_random_state_alone(name):
    before = global_state()
    make_model(replace(TINY, variant=name))
    assert global_state() == before


def test_the_global_seed_plays_no_part(subset, uninterrupted):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(99)
        state = TrainState.start(TINY)
        for _ in train(state, subset):
            torch.rand(1)
    assert_same_run(state, uninterrupted[0])


@pytest.mark.parametrize(("name", "value"), [("seed", 1.5), ("width", True), ("epochs", "3")])
def test_config_counts_in_integers(name, value):
    with pytest.raises(TypeError, match=f"{name} must be an integer, got {value!r}"):
        TrainConfig(**{name: value})


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
