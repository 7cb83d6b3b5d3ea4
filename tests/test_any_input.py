"""Whatever the public functions get, they give a documented result, or say what is wrong with it.

What comes of random input is a finite result of the documented shape, or a ValueError or TypeError
that names the argument: never another error from deep inside, and never a nan out of finite input.
"""

import math
import string

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from condlesson import (
    AdaGN,
    TrainConfig,
    alphas_cumprod,
    cosine_similarity_at,
    linear_beta_schedule,
    q_sample,
    sinusoidal_embedding,
    timestep_sequence,
)
from condlesson.networks import NETWORKS
from condlesson.probes import cosine_similarity_matrix
from condlesson.sampling import ddim_step, ddpm_step, predict_x_0

pytestmark = pytest.mark.slow

settings.register_profile(
    "lesson",
    max_examples=100,
    deadline=None,  # a busy machine is no fault
    database=None,  # nothing is left behind
    derandomize=True,  # the same inputs in each run
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("lesson")

DTYPES = [
    *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
    *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.bool, torch.complex64),
]
SCHEDULE = alphas_cumprod(linear_beta_schedule())
shapes = st.lists(st.integers(0, 5), max_size=5).map(tuple)
numbers = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=True, allow_infinity=True),
    st.booleans(),
    st.none(),
    st.text(string.ascii_letters, max_size=3),
)
# How large something is to be: what is larger is made as long as there is memory.
sizes = st.one_of(st.integers(-2, 40), numbers.filter(lambda n: type(n) is not int or n <= 0))


@st.composite
def tensors(draw, shape=shapes):
    """A tensor of any type, on the CPU or on `meta`, which stands for another device."""
    made = torch.randn(
        draw(shape), generator=torch.Generator().manual_seed(draw(st.integers(0, 9)))
    )
    scale = draw(st.sampled_from([0.0, 1.0, 100.0, 1e30, math.inf, math.nan]))
    made = (made * scale).nan_to_num(0, 1e30, -1e30) if scale == 0 else made * scale
    dtype = draw(st.sampled_from(DTYPES))
    if not dtype.is_floating_point and not dtype.is_complex:
        made = made.nan_to_num(0).clamp(-200, 1200)
    return made.to(dtype).to(draw(st.sampled_from(["cpu", "cpu", "cpu", "meta"])))


def told(call, *arguments, **options):
    """The result, or None where the arguments are refused in words of ours."""
    try:
        return call(*arguments, **options)
    except (TypeError, ValueError) as error:
        text = str(error)
        assert " must " in text, f"{type(error).__name__}: {text}"
        assert "got" in text, text
        return None


@given(t=st.one_of(tensors(), numbers), d_emb=sizes)
def test_an_embedding_is_finite_or_refused(t, d_emb):
    emb = told(sinusoidal_embedding, t, d_emb)
    if emb is not None:
        count = t.numel() if isinstance(t, torch.Tensor) else 1
        assert emb.shape == (count, d_emb)
        assert emb.device.type == "meta" or (emb.abs() <= 1).all()


@given(distance=st.one_of(tensors(), numbers), d_emb=st.integers(-2, 40))
def test_a_similarity_is_between_minus_one_and_one_or_refused(distance, d_emb):
    found = told(cosine_similarity_at, distance, d_emb)
    if found is not None and found.device.type == "cpu" and found.numel():
        assert found.abs().max() <= 1 + 1e-6


@given(x_0=tensors(), t=st.one_of(tensors(), numbers), noise=tensors())
def test_noised_images_have_the_shape_of_the_images_or_are_refused(x_0, t, noise):
    x_t = told(q_sample, x_0, t, noise, SCHEDULE)
    if x_t is not None:
        assert x_t.shape == x_0.shape


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(1, 4), st.integers(1, 4)),
    dtype=st.sampled_from(DTYPES),
    t=st.one_of(tensors(st.integers(1, 3).map(lambda n: (n,))), numbers),
    t_prev=st.one_of(st.none(), st.integers(-3, 1200)),
)
@pytest.mark.parametrize("step", [ddim_step, ddpm_step, predict_x_0])
def test_a_step_is_finite_or_refused(step, shape, dtype, t, t_prev):
    x_t = torch.ones(shape).to(dtype)
    arguments = {
        predict_x_0: [x_t, t, x_t, SCHEDULE],
        ddim_step: [x_t, t, t_prev, x_t, SCHEDULE],
        ddpm_step: [x_t, t, x_t, x_t, SCHEDULE],
    }
    options = {"t_prev": t_prev} if step is ddpm_step else {}
    found = told(step, *arguments[step], **options)
    if found is not None:
        assert found.shape == x_t.shape
        assert found.isfinite().all()


@given(h=tensors(), t_emb=tensors())
def test_a_layer_keeps_the_shape_or_refuses(h, t_emb):
    out = told(AdaGN(4, 3, num_groups=2), h, t_emb)
    if out is not None:
        assert out.shape == h.shape


@given(
    h=tensors(st.tuples(st.integers(0, 2), st.just(4), st.integers(0, 3), st.integers(0, 3))),
    t_emb=tensors(st.tuples(st.integers(0, 2), st.just(3))),
)
def test_a_layer_of_fitting_shapes_keeps_them_or_refuses(h, t_emb):
    t_emb = t_emb.float() if t_emb.is_floating_point() else t_emb  # the type of the weights
    out = told(AdaGN(4, 3, num_groups=2).to(t_emb.device), h, t_emb)
    if out is not None:
        assert out.shape == h.shape


@given(channels=sizes, d_emb=sizes, groups=sizes)
def test_a_layer_of_any_numbers_is_made_or_refused(channels, d_emb, groups):
    told(AdaGN, channels, d_emb, groups)


@given(x_t=tensors(), t=st.one_of(tensors(), numbers))
@pytest.mark.parametrize("variant", NETWORKS)
def test_a_network_predicts_or_refuses(variant, x_t, t):
    options = {"labels": torch.zeros(len(x_t) if x_t.ndim else 1, dtype=torch.long)}
    options = options if NETWORKS[variant].is_told_class else {}
    out = told(NETWORKS[variant].make(8).eval(), x_t, t, **options)
    if out is not None:
        assert out.shape == x_t.shape


@given(x=tensors())
def test_a_similarity_matrix_is_square_or_refused(x):
    matrix = told(cosine_similarity_matrix, x)
    if matrix is not None:
        assert matrix.shape == (len(x), len(x))


@given(total=sizes, steps=sizes, spacing=st.sampled_from(["leading", "trailing", "linspace", 1]))
def test_a_sequence_falls_or_is_refused(total, steps, spacing):
    found = told(timestep_sequence, total, steps, spacing)
    if found is not None:
        assert len(found) == steps
        assert found == sorted(set(found), reverse=True)
        assert 0 <= found[-1] <= found[0] < total


@given(
    field=st.sampled_from(sorted(TrainConfig.__dataclass_fields__)),
    value=numbers,
)
def test_a_configuration_is_made_or_refused(field, value):
    told(TrainConfig, **{field: value})
