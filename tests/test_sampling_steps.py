"""Reverse steps against diffusers, Bayes' rule and the forward process."""

import math

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch.testing import assert_close

from condlesson import ddim_step, ddpm_step, linear_beta_schedule, predict_x_0, q_sample
from condlesson.sampling import VARIANCES

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (3, 1, 4, 4)
STEPS = [0, 1, 2, 10, 250, 500, 998, 999]
LINEAR = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


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
@pytest.mark.parametrize("noise_from_x_0", [False, True])
def test_ddim_step_is_that_of_diffusers(draw, eta, clip_x_0, noise_from_x_0):
    scheduler = DDIMScheduler(1000, clip_sample=clip_x_0, **LINEAR)
    for num_steps in (1000, 50):
        scheduler.set_timesteps(num_steps)
        stride = 1000 // num_steps
        for t in (0, 1 * stride, 2 * stride, 500, 1000 - stride):
            x_t, noise_pred = draw(*SHAPE), draw(*SHAPE)
            noise = torch.randn(SHAPE, generator=seeded(t))
            theirs = {"eta": eta, "use_clipped_model_output": noise_from_x_0}
            expected = scheduler.step(noise_pred, t, x_t, generator=seeded(t), **theirs).prev_sample
            t_prev = max(t - stride, -1)
            options = {"eta": eta, "noise": noise if eta else None, "clip_x_0": clip_x_0}
            options["noise_from_x_0"] = noise_from_x_0
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


def test_images_that_are_none_are_named(draw, schedule):
    noise = draw(*SHAPE)
    for x_t, error, message in (
        (
            torch.zeros(SHAPE, dtype=torch.uint8),
            TypeError,
            "^x_t must be floating, got torch.uint8",
        ),
        (torch.tensor(1.0), ValueError, r"^x_t must have a batch dimension, got a single number"),
    ):
        with pytest.raises(error, match=message):
            predict_x_0(x_t, 5, noise if x_t.ndim else x_t, schedule)
        with pytest.raises(error, match=message):
            ddpm_step(x_t, 5, noise if x_t.ndim else x_t, x_t, schedule)
        with pytest.raises(error, match=message):
            ddim_step(x_t, 5, 4, noise if x_t.ndim else x_t, schedule)


def test_a_timestep_that_is_no_integer_is_named_where_the_previous_one_is_left_out(draw, schedule):
    x_t = draw(*SHAPE)
    with pytest.raises(TypeError, match=r"^t must be an integer timestep, got torch.float32"):
        ddpm_step(x_t, 5.0, x_t, x_t, schedule)
    with pytest.raises(
        TypeError, match=r"^t must be an integer timestep or a tensor of them, got '5'"
    ):
        ddpm_step(x_t, "5", x_t, x_t, schedule)
    with pytest.raises(ValueError, match=r"^t must be on a device that computes"):
        ddpm_step(x_t, torch.tensor(5, device="meta"), x_t, x_t, schedule)


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


@pytest.mark.parametrize(
    "values", [[0.0, 0.5], [0.5, 1.0], [0.5, math.nan], [0.5, 1.5], [1 - 1e-9, 0.5]]
)
def test_schedules_that_divide_by_zero_are_refused(draw, values):
    x_t, schedule = draw(*SHAPE), torch.tensor(values, dtype=torch.float64)  # x_t is float32
    message = "alphas_cumprod must lie strictly between 0 and 1, got values from .* not the betas"
    with pytest.raises(ValueError, match=message):
        predict_x_0(x_t, 1, x_t, schedule)
    with pytest.raises(ValueError, match=message):
        ddpm_step(x_t, 1, x_t, x_t, schedule)
    with pytest.raises(ValueError, match=message):
        ddim_step(x_t, 1, 0, x_t, schedule)


def test_an_unknown_variance_is_refused(draw, schedule):
    x_t = draw(*SHAPE)
    with pytest.raises(ValueError, match="variance must be one of posterior, beta, got 'fixed'"):
        ddpm_step(x_t, 5, x_t, x_t, schedule, variance="fixed")


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


def test_narrow_integers_do_not_overflow(schedule):
    x_t, noise = torch.ones(1, 2), torch.ones(1, 2)
    expected = ddim_step(x_t, 300, 255, noise, schedule)
    narrow = torch.tensor(255, dtype=torch.uint8)
    assert torch.equal(ddim_step(x_t, 300, narrow, noise, schedule), expected)


def test_betas_are_refused_where_alpha_bar_belongs():
    x = torch.ones(1, 2)
    with pytest.raises(ValueError, match="not the betas"):
        ddpm_step(x, 5, x, x, linear_beta_schedule())


@pytest.mark.parametrize("noise", [torch.ones(SHAPE) + 5j, torch.ones(SHAPE).int()])
def test_noise_that_is_not_floating_is_refused(draw, schedule, noise):
    x_t = draw(*SHAPE)
    for call in (
        lambda: predict_x_0(x_t, 3, noise, schedule),
        lambda: ddpm_step(x_t, 3, x_t, noise, schedule),
        lambda: ddim_step(x_t, 3, 1, noise, schedule),
    ):
        with pytest.raises(TypeError, match=r"noise.* must be floating, got torch"):
            call()
