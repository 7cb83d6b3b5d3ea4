"""Right and wrong timestep MLPs, and what their checks must say of them."""

import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from diffusers.models import embeddings as foreign
from torch import nn

from condlesson import exercises
from condlesson.checks import check_timestep_embedding, check_timestep_mlp
from condlesson.embeddings import TimestepEmbedding, sinusoidal_embedding
from tests.answers import blank
from tests.checks.mlps import activated, mlp, sequential, started, usual
from tests.checks.variants import assert_noted, rows

pytestmark = pytest.mark.usefixtures("one_thread")
UNKNOWN = "this check does not know your activation"
ROUNDED = "t = 0.5 is rounded to 0"
SINGLE = "does not take a single number, such as t = 500"


class Subclass(TimestepEmbedding):
    """The page's with another activation."""

    def forward(self, t):
        s = sinusoidal_embedding(t, self.d_sinusoidal).to(self.linear_1.weight)
        return self.linear_2(F.silu(self.linear_1(s)))


class FromScratch(nn.Module):
    """No layer, no function of the lesson's."""

    def __init__(self, n, width):
        super().__init__()
        self.register_buffer("w", 10000.0 ** (-torch.arange(0, n, 2) / n))
        self.first, self.second = (
            nn.Parameter(torch.empty(n, width)),
            nn.Parameter(torch.empty(width, width)),
        )
        self.bias_2, self.bias_1 = (
            nn.Parameter(torch.zeros(width)),
            nn.Parameter(torch.zeros(width)),
        )
        nn.init.xavier_uniform_(self.first)
        nn.init.xavier_uniform_(self.second)

    def forward(self, t):
        angles = torch.as_tensor(t).reshape(-1, 1) * self.w
        x = torch.cat([angles.cos(), angles.sin()], dim=1) @ self.first + self.bias_1
        x = 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))
        return x @ self.second + self.bias_2


def in_autocast(m, s):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return usual(m, s).float()


class Convolutions(nn.Module):
    def __init__(self, n, width):
        super().__init__()
        self.n = n
        self.net = nn.Sequential(nn.Conv2d(n, width, 1), nn.GELU(), nn.Conv2d(width, width, 1))

    def forward(self, t):
        return self.net(sinusoidal_embedding(t, self.n)[:, :, None, None]).flatten(1)


class BufferedTable(nn.Module):
    """The sinusoids of all timesteps, computed once."""

    def __init__(self, n, width):
        super().__init__()
        self.register_buffer("table", sinusoidal_embedding(torch.arange(1000), n))
        self.net = nn.Sequential(nn.Linear(n, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, t):
        return self.net(self.table[t])


class Diffusers(nn.Module):
    """As diffusers put it together, in its own layout."""

    def __init__(self, n, width):
        super().__init__()
        self.time_proj = foreign.Timesteps(n, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = foreign.TimestepEmbedding(n, width)

    def forward(self, t):
        return self.time_embedding(self.time_proj(torch.as_tensor(t).reshape(-1)))


class AtOnce(nn.Module):
    """One timestep at a time, mapped over the batch."""

    def __init__(self, n, width):
        super().__init__()
        self.n, self.a, self.b = n, nn.Linear(n, width), nn.Linear(width, width)

    def forward(self, t):
        one = torch.vmap(lambda s: self.b(F.gelu(self.a(s))))
        return one(sinusoidal_embedding(t, self.n))


def whole(t):
    return torch.as_tensor(t).reshape(-1).long()


def compiled(n, width):
    return torch.compile(mlp()(n, width), backend="eager")


RIGHT = {
    "the page's": (TimestepEmbedding, ""),
    "the task's": (exercises.TimestepMLP, ""),
    "other names": (mlp(), ""),
    "from scratch": (FromScratch, ""),
    "convolutions": (Convolutions, ""),
    "a function that builds": (sequential, ""),
    "a partial": (partial(TimestepEmbedding), ""),
    "a dictionary of layers": (
        mlp(
            lambda m, s: m.more["2"](F.gelu(m.more["1"](s))),
            parts=lambda n, d: {
                "a": None,
                "b": None,
                "more": nn.ModuleDict({"1": nn.Linear(n, d), "2": nn.Linear(d, d)}),
            },
        ),
        "",
    ),
    "softplus by hand": (
        activated(lambda x: (1 + x.exp()).log()),
        "the activation is softplus",
    ),
    "lazy layers": (
        mlp(parts=lambda n, d: {"a": nn.LazyLinear(d), "b": nn.LazyLinear(d)}),
        "",
    ),
    "float64": (lambda n, d: mlp(lambda m, s: usual(m, s.double()))(n, d).double(), ""),
    "float64 at the end": (mlp(lambda m, s: usual(m, s).double()), ""),
    "tensors only": (mlp(sinusoid=lambda t, d: sinusoidal_embedding(t[:], d)), SINGLE),
    "one tensor only": (
        mlp(sinusoid=lambda t, d: sinusoidal_embedding(t + t.new_zeros(1), d)),
        SINGLE,
    ),
    "half as wide a result": (mlp(sinusoid=partial(sinusoidal_embedding, layout="cos_sin")), ""),
    "in turn": (mlp(sinusoid=partial(sinusoidal_embedding, layout="interleaved")), ""),
    "half_minus_one": (
        mlp(sinusoid=partial(sinusoidal_embedding, denominator="half_minus_one")),
        "your exponents are i / (d/2 - 1)",
    ),
    "fixed frequencies among the parameters": (
        mlp(parts=lambda n, d: {"w": nn.Parameter(torch.ones(n // 2), requires_grad=False)}),
        "",
    ),
    "a table that is not trained": (BufferedTable, SINGLE),
    "a second layer that starts at 0": (mlp(parts=started(w_2=0.0)), ""),
    "a second layer and bias that start at 0": (mlp(parts=started(w_2=0.0, b_2=0.0)), ""),
    "a first layer that starts at 0": (mlp(parts=started(w_1=0.0, b_1=0.0)), ""),
    "weights of 0 and biases that are not": (mlp(parts=started(w_1=0.0, w_2=0.0)), ""),
    "weights alike and biases that are not": (mlp(parts=started(w_1=0.1, w_2=0.1)), ""),
    "a first layer of numbers alike": (mlp(parts=started(w_1=0.1, b_1=0.0)), ""),
    "a second layer of numbers alike": (mlp(parts=started(w_2=0.1, b_2=0.1)), ""),
    "vmap": (AtOnce, ""),
    "rounded t": (mlp(sinusoid=lambda t, d: sinusoidal_embedding(whole(t), d)), ROUNDED),
    "compiled": (compiled, ""),
    "ReLU, and a second layer that starts at 0": (
        mlp(lambda m, s: m.b(F.relu(m.a(s))), parts=started(w_2=0.0)),
        "the activation is ReLU",
    ),
    "SiLU": (activated(F.silu), "the activation is SiLU, as in most production U-Nets"),
    "SiLU in a subclass": (Subclass, "the activation is SiLU, as in most production U-Nets"),
    "diffusers": (Diffusers, "the activation is SiLU, as in most production U-Nets"),
    "tanh form of GELU": (activated(partial(F.gelu, approximate="tanh")), ""),
    "ReLU": (activated(F.relu), "the activation is ReLU"),
    "LeakyReLU": (activated(partial(F.leaky_relu, negative_slope=0.1)), "is LeakyReLU(0.1)"),
    "Mish": (activated(F.mish), "the activation is Mish"),
    "ELU": (activated(F.elu), "the activation is ELU"),
    "SELU": (activated(F.selu), "the activation is SELU"),
    "softplus": (activated(F.softplus), "the activation is softplus"),
    "weight norm": (
        mlp(parts=lambda n, d: {"b": nn.utils.parametrizations.weight_norm(nn.Linear(d, d))}),
        "",
    ),
    "a frozen table": (
        mlp(
            lambda m, t: m.b(F.gelu(m.a(m.table[torch.as_tensor(t).reshape(-1).long()]))),
            parts=lambda n, d: {
                "table": nn.Parameter(sinusoidal_embedding(torch.arange(10000), n), False)
            },
            as_is=True,
        ),
        ROUNDED,
    ),
    "autocast": (mlp(lambda m, s: in_autocast(m, s)), ""),
    "hard swish": (activated(F.hardswish), "the activation is hard swish"),
    "quick GELU": (activated(lambda x: x * torch.sigmoid(1.702 * x)), "a quick GELU"),
    "an activation of one's own": (
        activated(lambda x: torch.where(x > 0, x, 0.3 * x.sin())),
        UNKNOWN,
    ),
}


@pytest.mark.parametrize("row", rows(RIGHT, 8))
def test_right(row):
    answer, note = row
    result = check_timestep_embedding(answer)
    assert result.passed, result
    *notes, praise = result.messages
    assert praise.startswith("Well done")
    assert_noted(notes, note)


BENT = (  # none of them is a straight line anywhere
    lambda x: x * x.relu(),
    lambda x: x.square(),
    lambda x: x.sign() * x.abs().log1p(),
    lambda x: x + x.sin().square(),
    lambda x: (x / 2).sinh(),
    lambda x: F.logsigmoid(x),
    lambda x: x * x.sin(),
)


@pytest.mark.slow
@pytest.mark.parametrize("function", BENT)
def test_the_sinusoid_is_read_through_any_activation(function):
    *notes, _ = check_timestep_embedding(activated(function)).messages
    assert [UNKNOWN in note for note in notes] == [True]
    slow = check_timestep_embedding(mlp(lambda m, s: m.b(function(m.a(s))), sinusoid=divided))
    assert slow.status == "wrong"
    assert "t is divided by 1000" in slow.messages[0]


def test_a_sinusoid_that_cannot_be_read():
    answer = activated(lambda x: x.square() + (50 * x).sin())
    *notes, _ = check_timestep_embedding(answer).messages
    assert [UNKNOWN in notes[0], "it is not checked" in notes[1]] == [True, True]


def divided(t, d):
    return sinusoidal_embedding(torch.as_tensor(t) / 1000, d)


def test_the_bug_of_the_task_is_found():
    result = check_timestep_mlp(blank(exercises.TimestepMLP))
    assert result.status == "wrong"
    assert "no activation between the two linear layers" in result.messages[0]
    right = "hidden = F.gelu(self.linear_1(sinusoid))"
    mended = blank(exercises.TimestepMLP, ("hidden = self.linear_1(sinusoid)", right))
    result = check_timestep_mlp(mended)
    assert result.passed
    assert "one linear map of the sinusoid" in result.messages[-1]


UNDONE = {
    "nothing": (None, "hand in your class, which is called TimestepEmbedding(d_sinusoidal, d_emb)"),
    "dots": (..., "There is nothing yet"),
    "a function of dots": (lambda n, d: ..., "your_function(256, 512) returned"),
    "returns None": (lambda n, d: None, "your_function(256, 512) returned None"),
    "forward returns None": (mlp(lambda m, s: None), "Does every branch of it end with a return?"),
    "NotImplementedError": (mlp(lambda m, s: raise_not_implemented()), "is not written yet"),
}


def raise_not_implemented():
    raise NotImplementedError


@pytest.mark.parametrize(("answer", "message"), UNDONE.values(), ids=UNDONE)
def test_not_done(answer, message):
    result = check_timestep_embedding(answer)
    assert result.status == "not done", result
    assert message in " ".join(result.messages)
