"""The samplers against those of diffusers, and with networks that know the answer."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import nn
from torch.testing import assert_close

from condlesson import (
    alphas_cumprod,
    ddim_step,
    ddpm_step,
    linear_beta_schedule,
    sample_ddim,
    sample_ddpm,
    timestep_sequence,
)
from condlesson.sampling import SPACINGS, VARIANCES

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (3, 1, 4, 4)
LINEAR = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def smooth_model(x_t, t):
    """A stand-in for a network: bounded, and it hears t."""
    return torch.tanh(x_t + t.reshape(-1, *[1] * (x_t.ndim - 1)) / 1000)


class KnowsTheImage:
    """The perfect network for a data set of one batch: it predicts the noise that was added."""

    def __init__(self, x_0, schedule):
        self.x_0, self.schedule, self.seen = x_0, schedule, []

    def __call__(self, x_t, t):
        self.seen.append(t)
        left = self.schedule[t].to(x_t).reshape(-1, *[1] * (x_t.ndim - 1))
        return (x_t - left.sqrt() * self.x_0) / (1 - left).sqrt()


# The timesteps of a short sampler


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("num_timesteps", [1000, 37])
def test_sequence_is_that_of_diffusers(spacing, num_timesteps):
    scheduler = DDIMScheduler(num_timesteps, timestep_spacing=spacing)
    for num_steps in range(1, num_timesteps + 1):
        scheduler.set_timesteps(num_steps)
        theirs = scheduler.timesteps.tolist()[:num_steps]  # rounding may have added a -1
        assert timestep_sequence(num_timesteps, num_steps, spacing) == theirs


def test_sequence_by_example():
    assert timestep_sequence(10, 3) == [6, 3, 0]
    assert timestep_sequence(10, 4, "linspace") == [9, 6, 3, 0]
    assert timestep_sequence(10, 5, "trailing") == [9, 7, 5, 3, 1]
    assert timestep_sequence() == list(range(980, -1, -20))
    assert timestep_sequence(num_steps=2, spacing="linspace") == [999, 0]
    assert timestep_sequence(1, 1) == [0]
    assert all(type(t) is int for t in timestep_sequence(10, 4, "linspace"))


# Whole samplers


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("clip_x_0", [False, True])
def test_sample_ddpm_is_the_loop_of_diffusers(draw, variance, clip_x_0):
    kind = {"posterior": "fixed_small", "beta": "fixed_large"}[variance]
    scheduler = DDPMScheduler(30, variance_type=kind, clip_sample=clip_x_0, **LINEAR)
    start = x = draw(*SHAPE)
    generator = seeded(5)
    for t in scheduler.timesteps:
        x = scheduler.step(smooth_model(x, t), t, x, generator=generator).prev_sample
    schedule = alphas_cumprod(linear_beta_schedule(30))
    options = {"variance": variance, "clip_x_0": clip_x_0}
    ours = sample_ddpm(smooth_model, start, schedule, generator=seeded(5), **options)
    assert_close(ours, x, rtol=1e-3, atol=1e-3)  # thirty steps of rounding near t = 0


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("eta", [0.0, 0.7])
@pytest.mark.parametrize("clip_x_0", [False, True])
def test_sample_ddim_is_the_loop_of_diffusers(draw, schedule, spacing, eta, clip_x_0):
    scheduler = DDIMScheduler(1000, clip_sample=clip_x_0, timestep_spacing=spacing, **LINEAR)
    num_steps = 5
    scheduler.set_timesteps(num_steps)
    start = x = draw(*SHAPE)
    generator = seeded(5)
    if spacing == "linspace":  # 999, 749, ...: theirs steps by 200, ours to the next of the list
        for t, t_prev in [(999, 749), (749, 500), (500, 250), (250, 0), (0, -1)]:
            noise = torch.randn(SHAPE, generator=generator)
            noise_pred = smooth_model(x, torch.tensor(t))
            options = {"eta": eta, "noise": noise, "clip_x_0": clip_x_0}
            x = ddim_step(x, t, t_prev, noise_pred, schedule, **options)
    else:
        for t in scheduler.timesteps:
            step = scheduler.step(smooth_model(x, t), t, x, eta=eta, generator=generator)
            x = step.prev_sample
    options = {"num_steps": num_steps, "spacing": spacing, "eta": eta, "clip_x_0": clip_x_0}
    ours = sample_ddim(smooth_model, start, schedule, generator=seeded(5), **options)
    assert_close(ours, x, rtol=1e-4, atol=1e-4)


def test_samplers_have_the_documented_defaults(draw, schedule):
    start = draw(*SHAPE)
    named = {"num_steps": 50, "spacing": "leading", "eta": 0.0, "clip_x_0": True}
    plain = sample_ddim(smooth_model, start, schedule)
    assert torch.equal(plain, sample_ddim(smooth_model, start, schedule, **named))
    few = schedule[:5]
    named = {"variance": "posterior", "clip_x_0": True, "generator": seeded(1)}
    plain = sample_ddpm(smooth_model, start, few, generator=seeded(1))
    assert torch.equal(plain, sample_ddpm(smooth_model, start, few, **named))


def test_ddim_computes_the_noise_anew_at_every_step_if_told_so(draw, schedule):
    start = x = 3 * draw(*SHAPE)  # so far out that every estimate is clipped
    for t, t_prev in ((800, 600), (600, 400), (400, 200), (200, 0), (0, -1)):
        noise_pred = smooth_model(x, torch.tensor(t))
        x = ddim_step(x, t, t_prev, noise_pred, schedule, clip_x_0=True, noise_from_x_0=True)
    options = {"num_steps": 5, "clip_x_0": True}
    anew = sample_ddim(smooth_model, start, schedule, noise_from_x_0=True, **options)
    assert_close(anew, x, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(anew, sample_ddim(smooth_model, start, schedule, **options))


@pytest.mark.parametrize("variance", VARIANCES)
def test_ddpm_finds_the_image_that_its_model_knows(draw, variance):
    schedule = alphas_cumprod(linear_beta_schedule(40, 1e-3, 0.3))
    x_0 = torch.tanh(draw(*SHAPE))
    model = KnowsTheImage(x_0, schedule)
    out = sample_ddpm(model, draw(*SHAPE), schedule, variance=variance, generator=seeded(0))
    assert_close(out, x_0, rtol=0, atol=1e-4)
    assert [t.tolist() for t in model.seen] == [[t] * 3 for t in range(39, -1, -1)]
    assert {t.dtype for t in model.seen} == {torch.long}


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_ddim_finds_the_image_that_its_model_knows(draw, schedule, spacing, eta):
    x_0 = torch.tanh(draw(*SHAPE))
    model = KnowsTheImage(x_0, schedule)
    options = {"num_steps": 7, "spacing": spacing, "eta": eta, "generator": seeded(0)}
    assert_close(sample_ddim(model, draw(*SHAPE), schedule, **options), x_0, rtol=0, atol=1e-3)
    assert [t.tolist() for t in model.seen] == [
        [t] * 3 for t in timestep_sequence(1000, 7, spacing)
    ]


@pytest.mark.parametrize("sample", [sample_ddpm, sample_ddim])
def test_clipped_images_lie_in_the_range_of_images(draw, sample):
    schedule = alphas_cumprod(linear_beta_schedule(5))
    options = {} if sample is sample_ddpm else {"num_steps": 5}
    start = 4 * draw(*SHAPE)
    assert sample(smooth_model, start, schedule, **options).abs().max() <= 1
    assert sample(smooth_model, start, schedule, clip_x_0=False, **options).abs().max() > 1


def test_the_noise_of_the_steps_comes_from_the_generator(draw):
    schedule = alphas_cumprod(linear_beta_schedule(6))
    start = draw(*SHAPE)
    for sample, options in ((sample_ddpm, {}), (sample_ddim, {"num_steps": 6, "eta": 1.0})):
        before = torch.get_rng_state()
        first, again, other = (
            sample(smooth_model, start, schedule, generator=seeded(seed), **options)
            for seed in (1, 1, 2)
        )
        assert torch.equal(torch.get_rng_state(), before)
        assert torch.equal(first, again)
        assert not torch.allclose(first, other)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            assert torch.equal(sample(smooth_model, start, schedule, **options), first)


def test_ddim_without_eta_draws_nothing(draw, schedule):
    before = torch.get_rng_state()
    sample_ddim(smooth_model, draw(*SHAPE), schedule, num_steps=3)
    assert torch.equal(torch.get_rng_state(), before)


class Watched(nn.Module):
    """A network with parts in different modes; it notes how it is run."""

    def __init__(self):
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm2d(1), nn.Dropout()
        self.norm.eval()  # frozen, while the rest trains
        self.modes, self.fails = set(), False

    def forward(self, x_t, t):
        if self.fails:
            raise RuntimeError("a fault of the network's own")
        parts = (self.training, self.norm.training, self.dropout.training)
        self.modes.add((*parts, torch.is_grad_enabled()))
        return self.dropout(self.norm(x_t))


@pytest.mark.parametrize("sample", [sample_ddpm, sample_ddim])
def test_a_network_is_evaluated_and_put_back_as_it_was(draw, sample):
    schedule = alphas_cumprod(linear_beta_schedule(3))
    options = {"num_steps": 3} if sample is sample_ddim else {}
    model, start = Watched(), draw(*SHAPE).requires_grad_()
    out = sample(model, start, schedule, **options)
    assert not out.requires_grad
    assert model.modes == {(False, False, False, False)}
    model.fails = True
    with pytest.raises(RuntimeError, match="of the network's own"):
        sample(model, start, schedule, **options)
    assert (model.training, model.norm.training, model.dropout.training) == (True, False, True)
    assert torch.is_grad_enabled()


def test_samplers_keep_the_dtype_and_leave_their_start_alone(draw):
    schedule = alphas_cumprod(linear_beta_schedule(3))
    start = draw(*SHAPE, dtype=torch.float64)
    before = start.clone()
    assert sample_ddpm(smooth_model, start, schedule).dtype == torch.float64
    out = sample_ddim(smooth_model, start, schedule, num_steps=2, eta=1.0)
    assert out.dtype == torch.float64
    assert torch.equal(start, before)


@pytest.mark.parametrize("sample", [sample_ddpm, sample_ddim])
def test_everything_goes_to_the_device_of_the_start(sample):
    """On torch's device without numbers a CPU tensor of more than one number is an error."""
    schedule = alphas_cumprod(linear_beta_schedule(3))
    options = {"num_steps": 2, "eta": 1.0} if sample is sample_ddim else {}
    out = sample(smooth_model, torch.empty(SHAPE, device="meta"), schedule, **options)
    assert out.device.type == "meta"


# What is refused


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 1), ValueError, "num_timesteps must be at least 1, got 0"),
        ((10, 0), ValueError, "num_steps must be at least 1 and at most 10, got 0"),
        ((10, 11), ValueError, "num_steps must be at least 1 and at most 10, got 11"),
        ((10.0, 5), TypeError, "num_timesteps must be an integer, got 10.0"),
        ((10, 5.0), TypeError, "num_steps must be an integer, got 5.0"),
        ((10, True), TypeError, "num_steps must be an integer, got True"),
        ((10, 5, "even"), ValueError, "spacing must be one of leading, linspace, trailing, got"),
    ],
)
def test_sequences_out_of_range_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        timestep_sequence(*arguments)


@pytest.mark.parametrize("name", ["x_t", "noise_pred", "noise", "alphas_cumprod"])
@pytest.mark.parametrize("step", [ddpm_step, ddim_step])
def test_what_is_no_tensor_is_refused(draw, schedule, step, name):
    x = draw(*SHAPE)
    given = {"x_t": x, "t": 5, "t_prev": 4, "noise_pred": x, "noise": x, "alphas_cumprod": schedule}
    options = {"eta": 1.0} if step is ddim_step else {}
    with pytest.raises(TypeError, match=f"{name} must be a tensor, got list"):
        step(**{**given, name: [0.5]}, **options)


def test_samplers_look_at_what_they_are_given_before_they_draw(draw, schedule):
    for sample in (sample_ddpm, sample_ddim):
        with pytest.raises(TypeError, match="x_T must be a tensor, got list"):
            sample(smooth_model, [0.5], schedule)
        with pytest.raises(TypeError, match="alphas_cumprod must be a tensor, got list"):
            sample(smooth_model, draw(*SHAPE), [0.5])
        with pytest.raises(TypeError, match="clip_x_0 must be True or False, got 'no'"):
            sample(smooth_model, draw(*SHAPE), schedule, clip_x_0="no")


def test_unknown_options_are_refused(draw, schedule):
    x_t = draw(*SHAPE)
    with pytest.raises(TypeError, match="eta must be a number, got '1'"):
        sample_ddim(smooth_model, x_t, schedule, eta="1")
    with pytest.raises(ValueError, match="variance must be one of"):
        sample_ddpm(smooth_model, x_t, schedule, variance="fixed")
    with pytest.raises(ValueError, match="spacing must be one of leading, linspace, trailing, got"):
        sample_ddim(smooth_model, x_t, schedule, spacing="even")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint64])
def test_numpy_counts_do_not_wrap(kind):
    for spacing in SPACINGS:
        assert timestep_sequence(kind(100), kind(50), spacing) == timestep_sequence(
            100, 50, spacing
        )
