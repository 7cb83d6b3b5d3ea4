"""A seed decides all draws, and the same for every variant."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch import nn

from condlesson.data import to_model_range
from condlesson.diffusion import alphas_cumprod, linear_beta_schedule
from condlesson.networks import VARIANTS
from condlesson.training import initialise, make_model, noised_batch, stream, validation_batches
from tests.training.states import TINY, inputs_of_training

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
def test_a_seed_shows_every_variant_the_same(subset):
    config = replace(TINY, images=8, batch_size=4, val_images=4)
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


@pytest.mark.slow
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


def test_validation_by_seed_is_shared_by_the_networks_of_a_seed(subset):
    config = replace(TINY, final_images=48)
    for final in (False, True):
        first = validation_batches(config, subset, final=final)
        assert sum(len(b.t) for b in first) == (48 if final else 40)
        for name, shared in (("variant", True), ("seed", False)):
            value = {"variant": "none", "seed": 43}[name]
            others = validation_batches(replace(config, **{name: value}), subset, final=final)
            for key in ("x_0", "t", "noise"):
                assert torch.equal(getattr(first[0], key), getattr(others[0], key)) is shared, key
    t = torch.cat([b.t for b in validation_batches(config, subset, final=True)])
    assert sorted(t.tolist()) == [k * 1000 // 48 for k in range(48)]


def test_the_final_set_is_that_of_every_epoch_unless_it_is_by_seed(subset):
    every, final = (validation_batches(TINY, subset, final=final) for final in (False, True))
    assert all(torch.equal(a.x_t, b.x_t) for a, b in zip(every, final, strict=True))


def test_validation_refuses_more_final_images_than_there_are(subset):
    with pytest.raises(ValueError, match=r"final_images must be at most 1024, got 1025\."):
        validation_batches(replace(TINY, final_images=1025), subset, final=True)
