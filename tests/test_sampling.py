"""Reverse steps against diffusers, Bayes' rule and the forward process; the samplers over them."""

import math

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
    predict_x_0,
    q_sample,
    sample_ddim,
    sample_ddpm,
    timestep_sequence,
)
from condlesson.sampling import SPACINGS, VARIANCES

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (3, 1, 4, 4)
STEPS = [0, 1, 2, 10, 250, 500, 998, 999]
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


# One step of DDPM


@pytest.mark.parametrize(
    ("variance", "theirs"), [("posterior", "fixed_small"), ("beta", "fixed_large")]
)
@pytest.mark.parametrize("clip_x_0", [False, True])
def test_ddpm_step_is_that_of_diffusers(draw, variance, theirs, clip_x_0):
    scheduler = DDPMScheduler(1000, variance_type=theirs, clip_sample=clip_x_0, **LINEAR)
    for t in STEPS:
        x_t, noise_pred = draw(*SHAPE), draw(*SHAPE)
        noise = torch.randn(SHAPE, generator=seeded(t))
        expected = scheduler.step(noise_pred, t, x_t, generator=seeded(t)).prev_sample
        options = {"variance": variance, "clip_x_0": clip_x_0}
        ours = ddpm_step(x_t, t, noise_pred, noise, scheduler.alphas_cumprod, **options)
        assert_close(ours, expected, rtol=1e-5, atol=1e-5, msg=lambda m, t=t: f"t = {t}: {m}")


@pytest.mark.parametrize(
    ("variance", "theirs"), [("posterior", "fixed_small"), ("beta", "fixed_large")]
)
def test_long_ddpm_steps_are_those_of_diffusers(draw, variance, theirs):
    scheduler = DDPMScheduler(1000, variance_type=theirs, clip_sample=False, **LINEAR)
    scheduler.set_timesteps(50)
    for t in (0, 20, 500, 980):
        x_t, noise_pred = draw(*SHAPE), draw(*SHAPE)
        noise = torch.randn(SHAPE, generator=seeded(t))
        expected = scheduler.step(noise_pred, t, x_t, generator=seeded(t)).prev_sample
        ours = ddpm_step(
            x_t,
            t,
            noise_pred,
            noise,
            scheduler.alphas_cumprod,
            t_prev=max(t - 20, -1),
            variance=variance,
        )
        assert_close(ours, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("t", "t_prev"), [(1, 0), (500, 499), (999, 998), (500, 100), (999, 0)])
def test_ddpm_posterior_is_bayes_rule(draw, schedule, t, t_prev):
    """The product of two Gaussians: x_t given x_prev, and x_prev given x_0."""
    schedule = schedule.double()
    x_t, noise_pred, noise = (draw(*SHAPE, dtype=torch.float64) for _ in range(3))
    left, left_prev = schedule[t].item(), schedule[t_prev].item()
    alpha = left / left_prev
    x_0 = (x_t - math.sqrt(1 - left) * noise_pred) / math.sqrt(left)
    variance = 1 / (alpha / (1 - alpha) + 1 / (1 - left_prev))
    mean = variance * (
        math.sqrt(alpha) / (1 - alpha) * x_t + math.sqrt(left_prev) / (1 - left_prev) * x_0
    )
    ours = ddpm_step(x_t, t, noise_pred, noise, schedule, t_prev=t_prev)
    assert_close(ours, mean + math.sqrt(variance) * noise, rtol=1e-10, atol=1e-10)
    wider = ddpm_step(x_t, t, noise_pred, noise, schedule, t_prev=t_prev, variance="beta")
    assert_close(wider, mean + math.sqrt(1 - alpha) * noise, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("t", [0, 500])
def test_the_step_to_the_clean_image_adds_no_noise(draw, schedule, variance, t):
    x_t, noise_pred = draw(*SHAPE), draw(*SHAPE)
    out = ddpm_step(x_t, t, noise_pred, draw(*SHAPE), schedule, t_prev=-1, variance=variance)
    assert_close(out, predict_x_0(x_t, t, noise_pred, schedule), rtol=1e-6, atol=1e-6)


def test_ddpm_step_has_the_posterior_unclipped_as_default(draw, schedule):
    x_t, noise_pred, noise = (draw(*SHAPE) for _ in range(3))
    named = {"t_prev": 499, "variance": "posterior", "clip_x_0": False}
    expected = ddpm_step(x_t, 500, noise_pred, noise, schedule, **named)
    assert torch.equal(ddpm_step(x_t, 500, noise_pred, noise, schedule), expected)


# One step of DDIM


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("clip_x_0", [False, True])
def test_ddim_step_is_that_of_diffusers(draw, eta, clip_x_0):
    scheduler = DDIMScheduler(1000, clip_sample=clip_x_0, **LINEAR)
    for num_steps in (1000, 50):
        scheduler.set_timesteps(num_steps)
        stride = 1000 // num_steps
        for t in (0, 1 * stride, 2 * stride, 500, 1000 - stride):
            x_t, noise_pred = draw(*SHAPE), draw(*SHAPE)
            noise = torch.randn(SHAPE, generator=seeded(t))
            expected = scheduler.step(noise_pred, t, x_t, eta=eta, generator=seeded(t)).prev_sample
            t_prev = max(t - stride, -1)
            options = {"eta": eta, "noise": noise if eta else None, "clip_x_0": clip_x_0}
            ours = ddim_step(x_t, t, t_prev, noise_pred, scheduler.alphas_cumprod, **options)
            assert_close(ours, expected, rtol=1e-5, atol=1e-5, msg=lambda m, t=t: f"t = {t}: {m}")


@pytest.mark.parametrize("t", [1, 2, 500, 999])
def test_ddim_with_eta_one_is_ddpm(draw, schedule, t):
    x_t, noise_pred, noise = (draw(*SHAPE, dtype=torch.float64) for _ in range(3))
    schedule = schedule.double()
    ours = ddim_step(x_t, t, t - 1, noise_pred, schedule, eta=1, noise=noise)
    assert_close(ours, ddpm_step(x_t, t, noise_pred, noise, schedule), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("t", "t_prev"), [(999, 998), (999, 0), (500, 20), (3, -1)])
def test_ddim_with_the_true_noise_walks_back_the_forward_process(draw, schedule, t, t_prev):
    x_0, noise = draw(*SHAPE, dtype=torch.float64), draw(*SHAPE, dtype=torch.float64)
    schedule = schedule.double()
    ours = ddim_step(q_sample(x_0, t, noise, schedule), t, t_prev, noise, schedule)
    expected = x_0 if t_prev == -1 else q_sample(x_0, t_prev, noise, schedule)
    assert_close(ours, expected, rtol=1e-10, atol=1e-10)


def test_ddim_clips_the_image_and_keeps_the_noise(draw, schedule):
    x_t, noise_pred = 3 * draw(*SHAPE), draw(*SHAPE)
    left = schedule[300]
    x_0 = predict_x_0(x_t, 500, noise_pred, schedule).clamp(-1, 1)
    expected = left.sqrt() * x_0 + (1 - left).sqrt() * noise_pred
    ours = ddim_step(x_t, 500, 300, noise_pred, schedule, clip_x_0=True)
    assert_close(ours, expected, rtol=1e-5, atol=1e-6)


def test_ddim_survives_a_root_that_rounds_below_zero(draw, schedule):
    """From 999 to 2 with eta 1 the noise takes the whole variance, in float32 a little more."""
    x_t, noise_pred, noise = (draw(*SHAPE) for _ in range(3))
    ours = ddim_step(x_t, 999, 2, noise_pred, schedule, eta=1.0, noise=noise)
    wide = ddim_step(
        x_t.double(), 999, 2, noise_pred.double(), schedule.double(), eta=1.0, noise=noise.double()
    )
    assert_close(ours.double(), wide, rtol=1e-3, atol=1e-3)


def test_ddim_has_no_randomness_as_default(draw, schedule):
    x_t, noise_pred = 3 * draw(*SHAPE), draw(*SHAPE)
    plain = ddim_step(x_t, 500, 400, noise_pred, schedule)
    named = {"eta": 0.0, "noise": draw(*SHAPE), "clip_x_0": False}
    assert torch.equal(plain, ddim_step(x_t, 500, 400, noise_pred, schedule, **named))


# What both steps share


@pytest.mark.parametrize("t", [0, 1, 500, 999, torch.tensor([0, 500, 999])])
def test_predict_x_0_undoes_q_sample(draw, schedule, t):
    x_0, noise = draw(*SHAPE, dtype=torch.float64), draw(*SHAPE, dtype=torch.float64)
    schedule = schedule.double()
    x_t = q_sample(x_0, t, noise, schedule)
    assert_close(predict_x_0(x_t, t, noise, schedule), x_0, rtol=1e-10, atol=1e-10)


def test_predict_x_0_does_not_clip(draw, schedule):
    assert predict_x_0(5 * draw(*SHAPE), 500, draw(*SHAPE), schedule).abs().max() > 1


def step_both(x_t, t, t_prev, noise_pred, noise, schedule):
    """Every public step from t to t_prev, by name."""
    return {
        "ddpm": ddpm_step(x_t, t, noise_pred, noise, schedule, t_prev=t_prev),
        "ddpm beta": ddpm_step(x_t, t, noise_pred, noise, schedule, t_prev=t_prev, variance="beta"),
        "ddim": ddim_step(x_t, t, t_prev, noise_pred, schedule, eta=0.5, noise=noise),
        "x_0": predict_x_0(x_t, t, noise_pred, schedule),
    }


@pytest.mark.parametrize("dtype", [torch.long, torch.int32, torch.uint8])
def test_each_image_may_have_its_own_timesteps(draw, schedule, dtype):
    x_t, noise_pred, noise = (draw(*SHAPE) for _ in range(3))
    t, t_prev = [0, 7, 200], [-1, 3, 199]
    whole = step_both(
        x_t, torch.tensor(t, dtype=dtype), torch.tensor(t_prev), noise_pred, noise, schedule
    )
    for b in range(3):
        rows = [value[b : b + 1] for value in (x_t, noise_pred, noise)]
        alone = step_both(rows[0], t[b], t_prev[b], *rows[1:], schedule)
        for name, value in alone.items():
            assert_close(whole[name][b : b + 1], value, rtol=1e-6, atol=1e-6)


def test_the_previous_timestep_is_one_earlier_for_any_integer_type(draw, schedule):
    x_t, noise_pred, noise = (draw(*SHAPE) for _ in range(3))
    t = torch.tensor([0, 5, 200])
    expected = ddpm_step(x_t, t, noise_pred, noise, schedule, t_prev=torch.tensor([-1, 4, 199]))
    assert torch.equal(ddpm_step(x_t, t, noise_pred, noise, schedule), expected)
    assert torch.equal(ddpm_step(x_t, t.byte(), noise_pred, noise, schedule), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_steps_keep_the_dtype_and_compute_in_float32_at_least(draw, schedule, dtype):
    x_t, noise_pred, noise = (draw(*SHAPE).to(dtype) for _ in range(3))
    ours = step_both(x_t, 10, 9, noise_pred, noise, schedule)
    wide = step_both(x_t.float(), 10, 9, noise_pred.float(), noise.float(), schedule)
    for name, value in ours.items():
        assert value.dtype == dtype
        assert_close(value.float(), wide[name].to(dtype).float(), rtol=1e-5, atol=1e-5)


def test_steps_take_an_empty_batch(draw, schedule):
    none = draw(0, 1, 4, 4)
    t = torch.empty(0, dtype=torch.long)
    for value in step_both(none, t, t, none, none, schedule).values():
        assert value.shape == (0, 1, 4, 4)


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

BOTH_STEPS = {
    "ddpm": lambda x, t, t_prev, s: ddpm_step(x, t, x, x, s, t_prev=t_prev),
    "ddim": lambda x, t, t_prev, s: ddim_step(x, t, t_prev, x, s),
}


@pytest.mark.parametrize("step", BOTH_STEPS.values(), ids=BOTH_STEPS)
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16])
def test_small_integers_step_as_large_ones(draw, schedule, step, dtype):
    x_t, t, t_prev = draw(*SHAPE), torch.tensor([5, 100, 127]), torch.tensor([4, 0, 126])
    right = step(x_t, t, t_prev, schedule)
    torch.testing.assert_close(step(x_t, t.to(dtype), t_prev.to(dtype), schedule), right)
    with pytest.raises(ValueError, match=NEITHER):  # 400 is no uint8, and wraps to 144
        step(x_t, t.to(dtype), 400, schedule)


NEITHER = r"t_prev must lie between -1 \(the clean image\) and t - 1, got t_prev"


@pytest.mark.parametrize(
    ("t", "t_prev", "error", "message"),
    [
        (5, 5, ValueError, f"{NEITHER} 5 for t 5"),
        (5, 6, ValueError, NEITHER),
        (5, -2, ValueError, NEITHER),
        (torch.tensor([5, 5, 5]), torch.tensor([4, 5, 4]), ValueError, NEITHER),
        (5, 4.0, TypeError, r"t_prev must be an integer timestep, got torch.float32"),
        (5, True, TypeError, "t_prev must be an integer timestep, got torch.bool"),
        (5, 1j, TypeError, "t_prev must be an integer timestep, got torch.complex64"),
        (5, torch.tensor([1, 2]), ValueError, r"t_prev must be one .* 3 images.* \(2,\)"),
        (5, torch.tensor([[1], [2], [3]]), ValueError, r"t_prev must be one .* shape \(3, 1\)"),
        (1000, 5, ValueError, r"t must lie in 0 \.\. 999, got 1000"),
        (-1, -1, ValueError, r"t must lie in 0 \.\. 999, got -1"),
        (5.0, 4, TypeError, "t must be an integer timestep, got torch.float32"),
        (torch.tensor([5, 6]), 4, ValueError, "t must be one timestep, or one for each of the 3"),
    ],
)
def test_steps_that_go_nowhere_are_refused(draw, schedule, t, t_prev, error, message):
    x_t = draw(*SHAPE)
    with pytest.raises(error, match=message):
        ddpm_step(x_t, t, x_t, x_t, schedule, t_prev=t_prev)
    with pytest.raises(error, match=message):
        ddim_step(x_t, t, t_prev, x_t, schedule)


@pytest.mark.parametrize("t", [1000, -1])
def test_an_estimate_outside_the_schedule_is_refused(draw, schedule, t):
    x_t = draw(*SHAPE)
    with pytest.raises(ValueError, match=r"t must lie in 0 \.\. 999"):
        predict_x_0(x_t, t, x_t, schedule)
    with pytest.raises(ValueError, match=r"t must lie in 0 \.\. 999"):
        ddpm_step(x_t, t, x_t, x_t, schedule)


def test_arguments_of_another_shape_are_refused(draw, schedule):
    x_t, other = draw(*SHAPE), draw(3, 4, 4)
    wrong = r"must have the shape of x_t, \(3, 1, 4, 4\), got \(3, 4, 4\)"
    with pytest.raises(ValueError, match=f"noise_pred {wrong}"):
        predict_x_0(x_t, 5, other, schedule)
    with pytest.raises(ValueError, match=f"noise_pred {wrong}"):
        ddpm_step(x_t, 5, other, x_t, schedule)
    with pytest.raises(ValueError, match=f"noise {wrong}"):
        ddpm_step(x_t, 5, x_t, other, schedule)
    with pytest.raises(ValueError, match=f"noise_pred {wrong}"):
        ddim_step(x_t, 5, 4, other, schedule)
    with pytest.raises(ValueError, match=f"noise {wrong}"):
        ddim_step(x_t, 5, 4, x_t, schedule, eta=1.0, noise=other)


@pytest.mark.parametrize("values", [[0.0, 0.5], [0.5, 1.0], [0.5, math.nan], [0.5, 1.5]])
def test_schedules_that_divide_by_zero_are_refused(draw, values):
    x_t, schedule = draw(*SHAPE), torch.tensor(values)
    message = "alphas_cumprod must lie strictly between 0 and 1, got values from .* not the betas"
    with pytest.raises(ValueError, match=message):
        predict_x_0(x_t, 1, x_t, schedule)
    with pytest.raises(ValueError, match=message):
        ddpm_step(x_t, 1, x_t, x_t, schedule)
    with pytest.raises(ValueError, match=message):
        ddim_step(x_t, 1, 0, x_t, schedule)


def test_unknown_options_are_refused(draw, schedule):
    x_t = draw(*SHAPE)
    with pytest.raises(ValueError, match="variance must be one of posterior, beta, got 'fixed'"):
        ddpm_step(x_t, 5, x_t, x_t, schedule, variance="fixed")
    with pytest.raises(ValueError, match="variance must be one of"):
        sample_ddpm(smooth_model, x_t, schedule, variance="fixed")
    with pytest.raises(ValueError, match="spacing must be one of leading, linspace, trailing, got"):
        sample_ddim(smooth_model, x_t, schedule, spacing="even")


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_eta_out_of_range_is_refused(draw, schedule, eta):
    x_t = draw(*SHAPE)
    with pytest.raises(ValueError, match="eta must lie between 0 and 1, got"):
        ddim_step(x_t, 5, 4, x_t, schedule, eta=eta, noise=x_t)


def test_eta_without_noise_is_refused(draw, schedule):
    x_t = draw(*SHAPE)
    message = r"noise must be given if eta is above 0, got eta 0.5 and no noise\. .*randn_like"
    with pytest.raises(ValueError, match=message):
        ddim_step(x_t, 5, 4, x_t, schedule, eta=0.5)


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


def test_narrow_integers_do_not_overflow(schedule):
    x_t, noise = torch.ones(1, 2), torch.ones(1, 2)
    expected = ddim_step(x_t, 300, 255, noise, schedule)
    narrow = torch.tensor(255, dtype=torch.uint8)
    assert torch.equal(ddim_step(x_t, 300, narrow, noise, schedule), expected)


def test_betas_are_refused_where_alpha_bar_belongs():
    x = torch.ones(1, 2)
    with pytest.raises(ValueError, match="not the betas"):
        ddpm_step(x, 5, x, x, linear_beta_schedule())
