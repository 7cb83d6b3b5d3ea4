"""The forward process against diffusers and the paper's formulas in float64."""

import math

import pytest
import torch
from diffusers import DDPMScheduler
from torch.testing import assert_close

from condlesson import alphas_cumprod, linear_beta_schedule, q_sample
from condlesson.diffusion import gather

pytestmark = pytest.mark.usefixtures("one_thread")

SCHEDULES = [(1000, 1e-4, 0.02), (100, 1e-3, 0.2), (7, 0.3, 0.1), (1, 0.5, 0.9)]


@pytest.mark.parametrize("arguments", SCHEDULES)
def test_betas_are_the_formula(arguments):
    num_timesteps, start, end = arguments
    last = max(num_timesteps - 1, 1)
    expected = [start + (end - start) * t / last for t in range(num_timesteps)]
    ours = linear_beta_schedule(*arguments)
    assert ours.dtype == torch.float32
    assert_close(ours, torch.tensor(expected), rtol=1e-7, atol=0)


@pytest.mark.parametrize("arguments", SCHEDULES)
def test_alphas_cumprod_is_the_running_product(arguments):
    betas = linear_beta_schedule(*arguments)
    ours = alphas_cumprod(betas)
    product, expected = 1.0, []
    for beta in betas.tolist():
        product *= 1 - beta
        expected.append(product)
    assert ours.dtype == torch.float32
    assert torch.equal(ours, torch.tensor(expected))  # the product is in float64, then rounded


def test_alphas_cumprod_keeps_float64():
    betas = torch.tensor([0.1, 0.0, 0.5], dtype=torch.float64)
    expected = torch.tensor([0.9, 0.9, 0.45], dtype=torch.float64)
    assert_close(alphas_cumprod(betas), expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("arguments", SCHEDULES)
def test_schedule_is_that_of_diffusers(arguments):
    num_timesteps, start, end = arguments
    theirs = DDPMScheduler(num_timesteps, beta_start=start, beta_end=end, beta_schedule="linear")
    betas = linear_beta_schedule(*arguments)
    assert_close(betas, theirs.betas, rtol=1e-6, atol=0)
    # theirs is a product of up to 1000 float32 factors
    assert_close(alphas_cumprod(betas), theirs.alphas_cumprod, rtol=1e-4, atol=1e-7)


def test_the_endpoints_belong_to_a_thousand_steps(schedule):
    assert len(schedule) == 1000
    assert schedule[-1].sqrt().item() == pytest.approx(0.00635, abs=5e-6)
    assert alphas_cumprod(linear_beta_schedule(100))[-1].item() == pytest.approx(0.364, abs=5e-4)


def test_q_sample_is_that_of_diffusers(draw):
    theirs = DDPMScheduler(1000, beta_start=1e-4, beta_end=0.02, beta_schedule="linear")
    t = torch.tensor([0, 1, 250, 998, 999])
    x_0, noise = draw(5, 1, 4, 4), draw(5, 1, 4, 4)
    ours = q_sample(x_0, t, noise, theirs.alphas_cumprod)
    assert_close(ours, theirs.add_noise(x_0, noise, t), rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (3, 2), (3, 1, 4, 4)])
def test_q_sample_is_the_formula(draw, schedule, shape):
    x_0, noise = draw(*shape, dtype=torch.float64), draw(*shape, dtype=torch.float64)
    t = torch.tensor([0, 420, 999])
    ours = q_sample(x_0, t, noise, schedule.double())
    for b in range(3):
        left = schedule[t[b]].item()
        expected = math.sqrt(left) * x_0[b] + math.sqrt(1 - left) * noise[b]
        assert_close(ours[b], expected, rtol=0, atol=1e-14)


def test_q_sample_takes_one_timestep_for_all(draw, schedule):
    x_0, noise = draw(3, 2, 2), draw(3, 2, 2)
    expected = q_sample(x_0, torch.tensor([7, 7, 7]), noise, schedule)
    assert torch.equal(q_sample(x_0, 7, noise, schedule), expected)
    assert torch.equal(q_sample(x_0, torch.tensor(7), noise, schedule), expected)
    assert q_sample(x_0[:0], torch.empty(0, dtype=torch.long), noise[:0], schedule).shape == (
        0,
        2,
        2,
    )


def test_gather_shapes_its_values_for_the_batch(draw):
    values = torch.tensor([10.0, 20.0, 30.0])
    like = draw(2, 1, 4, 4, dtype=torch.float64)
    picked = gather(values, torch.tensor([2, 0], dtype=torch.uint8), like)
    assert picked.shape == (2, 1, 1, 1)
    assert picked.dtype == torch.float64
    assert picked.flatten().tolist() == [30.0, 10.0]
    assert gather(values, 1, like).shape == (1, 1, 1, 1)
    assert gather(values, 1, like).item() == 20.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "num_timesteps must be at least 1, got 0"),
        ((10, 0.0), "beta_start must lie between 0 and 1, got 0.0"),
        ((10, 1), "beta_start must lie between 0 and 1, got 1"),
        ((10, 0.1, 0), "beta_end must lie between 0 and 1, got 0"),
        ((10, 0.1, 1.0), "beta_end must lie between 0 and 1, got 1.0"),
        ((10, 0.1, math.nan), "beta_end must lie between 0 and 1, got nan"),
        ((10**30,), "num_timesteps must be at least 1 and at most 2147483647, got 1000"),
    ],
)
def test_schedules_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        linear_beta_schedule(*arguments)


NO_TENSORS = {
    "steps": (lambda: linear_beta_schedule(10.0), "num_timesteps must be an integer, got 10.0"),
    "beta": (lambda: linear_beta_schedule(10, "0.1"), "beta_start must be a number, got '0.1'"),
    "betas": (lambda: alphas_cumprod([0.1]), "betas must be a tensor, got list. Make one of"),
    "whole betas": (
        lambda: alphas_cumprod(torch.tensor([0, 0])),
        "betas must be floating, got torch.int64",
    ),
    "images": (lambda: q_sample([1.0], 0, [1.0], ALPHAS), "x_0 must be a tensor, got list"),
    "noise": (lambda: q_sample(ONE, 0, 1.0, ALPHAS), "noise must be a tensor, got float"),
    "sparse": (
        lambda: q_sample(ONE, 0, ONE.to_sparse(), ALPHAS),
        r"noise must be dense, got the layout torch.sparse_coo. Convert it: noise.to_dense\(\)",
    ),
    "alphas": (lambda: q_sample(ONE, 0, ONE, [0.5]), "alphas_cumprod must be a tensor, got list"),
}
ONE, ALPHAS = torch.ones(1, 1), torch.tensor([0.9, 0.5])


@pytest.mark.parametrize(("call", "message"), NO_TENSORS.values(), ids=NO_TENSORS)
def test_what_is_no_tensor_is_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize(
    ("betas", "message"),
    [
        ([[0.1]], r"betas must be 1-d, got shape \(1, 1\)"),
        ([0.1, 1.0], r"betas must lie in \[0, 1\), got values from 0.1 to 1"),
        ([-0.1, 0.5], r"betas must lie in \[0, 1\), got values from -0.1 to 0.5"),
        ([0.1, math.nan], r"betas must lie in \[0, 1\)"),
    ],
)
def test_betas_out_of_range_are_refused(betas, message):
    with pytest.raises(ValueError, match=message):
        alphas_cumprod(torch.tensor(betas))


@pytest.mark.parametrize(
    ("t", "error", "message"),
    [
        (1.0, TypeError, r"t must be an integer timestep, got torch.float32\. .*long"),
        (torch.tensor([True, False]), TypeError, "t must be an integer timestep, got torch.bool"),
        (torch.tensor(1j), TypeError, "t must be an integer timestep, got torch.complex64"),
        (torch.tensor([1, 2, 3]), ValueError, r"one for each of the 2 images, got shape \(3,\)"),
        (torch.tensor([[1], [2]]), ValueError, r"got shape \(2, 1\)"),
        (-1, ValueError, r"t must lie in 0 \.\. 999, got -1 \.\. -1"),
        (
            1000,
            ValueError,
            r"t must lie in 0 \.\. 999, got 1000 .* Timesteps count from 0",
        ),
        (torch.tensor([-1, 5]), ValueError, r"t must lie in 0 \.\. 999, got -1 \.\. 5"),
        (torch.tensor([5, 1000]), ValueError, r"t must lie in 0 \.\. 999, got 5 \.\. 1000"),
        (10**30, ValueError, r"t must be integers that an int64 holds, got 10+\."),
        (torch.tensor([-1, 5], dtype=torch.int8), ValueError, r"t must lie in 0 \.\. 999, got -1"),
    ],
)
def test_timesteps_that_do_not_fit_are_refused(draw, schedule, t, error, message):
    x_0 = draw(2, 1, 4, 4)
    with pytest.raises(error, match=message):
        q_sample(x_0, t, x_0, schedule)


SMALL_INTEGERS = [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32]


@pytest.mark.parametrize("dtype", SMALL_INTEGERS)
def test_every_integer_type_holds_the_timesteps_that_it_can(draw, schedule, dtype):
    x_0, t = draw(2, 1, 4, 4), torch.tensor([3, min(torch.iinfo(dtype).max, 999)])
    assert_close(q_sample(x_0, t.to(dtype), x_0, schedule), q_sample(x_0, t, x_0, schedule))


def test_noise_of_another_shape_is_refused(draw, schedule):
    message = r"noise must have the shape of x_0, \(2, 1, 4, 4\), got \(2, 4, 4\)"
    with pytest.raises(ValueError, match=message):
        q_sample(draw(2, 1, 4, 4), 5, draw(2, 4, 4), schedule)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_q_sample_keeps_the_noise_in_half_precision(dtype):
    schedule, t = alphas_cumprod(linear_beta_schedule()), torch.arange(5)
    zeros, ones = torch.zeros(5, 1, dtype=dtype), torch.ones(5, 1, dtype=dtype)
    x_t = q_sample(zeros, t, ones, schedule)
    assert x_t.dtype == dtype
    torch.testing.assert_close(
        x_t[:, 0].double(), (1 - schedule[:5].double()).sqrt(), rtol=1e-2, atol=0
    )


def test_q_sample_refuses_noise_that_does_not_fit(draw, schedule):
    x_0 = draw(2, 1, 4, 4)
    with pytest.raises(TypeError, match=r"noise must be floating, got torch.int64\. Draw it"):
        q_sample(x_0, 5, torch.zeros(2, 1, 4, 4, dtype=torch.int64), schedule)
    with pytest.raises(ValueError, match="noise must be on the device of x_0, cpu, got meta"):
        q_sample(x_0, 5, torch.zeros(2, 1, 4, 4, device="meta"), schedule)
    with pytest.raises(ValueError, match="x_0 must have a batch dimension, got a single number"):
        q_sample(torch.tensor(1.0), 5, torch.tensor(1.0), schedule)


def test_q_sample_refuses_bytes():
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"x_0 must be floating, got torch.uint8.*to_model_range"):
        q_sample(images, 0, torch.zeros(2, 1, 4, 4), torch.tensor([0.9, 0.5]))


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (linear_beta_schedule(), r"alphas_cumprod must fall .* not the betas"),
        (torch.tensor([0.9, 0.3, 0.6]), "must fall from step to step, got values from 0.9 to 0.6"),
        (torch.tensor([0.9, 0.9]), "alphas_cumprod must fall from step to step, got"),
        (torch.tensor([[0.9, 0.5]]), r"alphas_cumprod must have the shape \(T,\)"),
        (torch.tensor([]), r"alphas_cumprod must have the shape \(T,\)"),
        (torch.tensor([0.0, 0.0]), r"got values from 0 to 0\. Give the running product"),
        (torch.tensor([1.0, 0.0]), r"got values from 0 to 1\. Give the running product"),
        (torch.tensor([1.5, 0.0]), r"got values from 0 to 1\.5\. Give the running product"),
        (torch.tensor([0.5, 0.0, 0.9]), r"got values from 0 to 0\.9\. Give the running product"),
        (torch.tensor([1.0]).half(), r"got 1 at t = 0, to which torch\.float16 rounds it"),
    ],
)
def test_q_sample_refuses_what_is_no_alpha_bar(schedule, message):
    with pytest.raises(ValueError, match=message):
        q_sample(torch.zeros(1, 2), 0, torch.zeros(1, 2), schedule)


def test_a_schedule_that_comes_to_0_or_is_rounded_to_1_is_told_so(draw):
    x_0, schedule = draw(3, 1, 4, 4), alphas_cumprod(linear_beta_schedule())
    for wrong in (alphas_cumprod(linear_beta_schedule(20_000)), torch.tensor([0.5, 0.0])):
        with pytest.raises(
            ValueError, match=r"got 0 from t = \d+ on: the product is too small for"
        ):
            q_sample(x_0, 1, x_0, wrong)
    with pytest.raises(ValueError, match=r"got 1 at t = 0, to which torch\.float16 rounds"):
        q_sample(x_0, 3, x_0, schedule.half())


def test_large_unsigned_timesteps_are_no_negative_ones(draw):
    x_0, schedule = draw(2, 1, 4, 4), alphas_cumprod(linear_beta_schedule())
    t = torch.tensor([0, 1], dtype=torch.uint64)
    assert torch.equal(q_sample(x_0, t, x_0, schedule), q_sample(x_0, t.long(), x_0, schedule))
    with pytest.raises(ValueError, match="t must be integers that an int64 holds, got"):
        q_sample(x_0, torch.tensor([0, -1]).to(torch.uint64), x_0, schedule)
    with pytest.raises(ValueError, match="t must be integers that an int64 holds, got"):
        q_sample(x_0, [0, 10**30], x_0, schedule)


@pytest.mark.parametrize("t", [None, {}, [1, [2]], "5"])
def test_what_is_no_timestep_is_named_so(draw, t):
    x_0, schedule = draw(3, 1, 4, 4), alphas_cumprod(linear_beta_schedule())
    with pytest.raises(TypeError, match="t must be an integer timestep or a tensor of them, got"):
        q_sample(x_0, t, x_0, schedule)
