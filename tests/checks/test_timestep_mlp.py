"""Right and wrong timestep MLPs, and what their checks must say of them."""

import math
from functools import partial
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from diffusers.models import embeddings as foreign
from torch import nn

from condlesson import embeddings, exercises
from condlesson.checks import check_timestep_embedding, check_timestep_mlp
from condlesson.embeddings import TimestepEmbedding, sinusoidal_embedding
from tests.answers import blank

pytestmark = pytest.mark.usefixtures("one_thread")
UNKNOWN = "the activation is none that we know"
SINGLE = "a single number, such as t = 500, is not taken"


def usual(m, s):
    return m.b(F.gelu(m.a(s)))


def mlp(forward=usual, *, sinusoid=sinusoidal_embedding, parts=None, as_is=False):
    """A class of two layers a and b, put together by a function of them and the sinusoid."""

    class Answer(nn.Module):
        def __init__(self, d_sinusoidal, d_emb):
            super().__init__()
            self.d, self.d_emb = d_sinusoidal, d_emb
            self.a, self.b = nn.Linear(d_sinusoidal, d_emb), nn.Linear(d_emb, d_emb)
            for name, value in parts(d_sinusoidal, d_emb).items() if parts else ():
                delattr(self, name) if hasattr(self, name) else None
                setattr(self, name, value)

        def forward(self, t):
            return forward(self, t if as_is else sinusoid(t, self.d))

    return Answer


def activated(function):
    return mlp(lambda m, s: m.b(function(m.a(s))))


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


class Convolutions(nn.Module):
    def __init__(self, n, width):
        super().__init__()
        self.n = n
        self.net = nn.Sequential(nn.Conv2d(n, width, 1), nn.GELU(), nn.Conv2d(width, width, 1))

    def forward(self, t):
        return self.net(sinusoidal_embedding(t, self.n)[:, :, None, None]).flatten(1)


class Sinusoid(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, t):
        return sinusoidal_embedding(t, self.width)


def sequential(n, width):
    return nn.Sequential(Sinusoid(n), nn.Linear(n, width), nn.GELU(), nn.Linear(width, width))


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


def started(m):
    """Parts whose second layer starts at 0."""
    nn.init.zeros_(m.weight)
    return m


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
    "a second layer that starts at 0": (
        mlp(parts=lambda n, d: {"b": started(nn.Linear(d, d))}),
        "",
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
    "hard swish": (activated(F.hardswish), "the activation is hard swish"),
    "quick GELU": (activated(lambda x: x * torch.sigmoid(1.702 * x)), "a quick GELU"),
    "an activation of one's own": (
        activated(lambda x: torch.where(x > 0, x, 0.3 * x.sin())),
        UNKNOWN,
    ),
}


class NoModule:
    def __init__(self, n, d):
        self.net = sequential(n, d)

    def __call__(self, t):
        return self.net(t)


class InAList(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.layers = [nn.Linear(n, d), nn.Linear(d, d)]
        self.n = n

    def forward(self, t):
        return self.layers[1](F.gelu(self.layers[0](sinusoidal_embedding(t, self.n))))


class WithoutSuper(nn.Module):
    def __init__(self, n, d):
        self.a = nn.Linear(n, d)


class InForward(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.n, self.d = n, d
        self.b = nn.Linear(d, d)

    def forward(self, t):
        return self.b(F.gelu(nn.Linear(self.n, self.d)(sinusoidal_embedding(t, self.n))))


def trained_frequencies(t, d, w):
    angles = torch.as_tensor(t).reshape(-1, 1) * w
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def layers(*widths):
    """Parts of an MLP with these widths, as functions of d_sinusoidal and d_emb."""

    def parts(n, d):
        sizes = [width(n, d) for width in widths]
        pairs = [nn.Linear(*pair) for pair in pairwise(sizes)]
        return {
            "a": None,
            "b": None,
            "net": nn.Sequential(*[x for p in pairs for x in (p, nn.GELU())][:-1]),
        }

    return parts


def n_wide(n, d):
    return n


def d_wide(n, d):
    return d


def twice_wide(n, d):
    return 4 * d


WRONG = {
    # what was handed in
    "an object": (
        mlp()(256, 512),
        "You handed in an object, Answer(...). Hand in the class itself",
    ),
    "a tensor": (torch.zeros(3), "You handed in a Tensor; this check takes a class"),
    "a number": (1, "You handed in an int; this check takes a class"),
    "no module": (NoModule, "must be an nn.Module, so that an optimiser finds its parameters"),
    "no module from a function": (lambda n, d: 3, "got an int. Write `class Answer(nn.Module)`"),
    "no super().__init__": (WithoutSuper, "Call super().__init__() first in __init__"),
    "one argument": (lambda n: sequential(n, n), "Keep the arguments of the exercise"),
    "raises": (mlp(lambda m, s: 1 / 0), "raised ZeroDivisionError at line"),
    # shapes
    "no sum over dimensions": (
        mlp(lambda m, s: m.a(s) @ m.b(s)),
        "Compare the widths of the layers",
    ),
    "transposed": (
        mlp(lambda m, s: usual(m, s).T),
        "One row for each timestep, d_emb numbers in it",
    ),
    "the sinusoid alone": (mlp(lambda m, s: s), "must make (6, 512) of 6 timesteps, got (6, 256)"),
    "a tuple": (mlp(lambda m, s: (usual(m, s), s)), "must return one tensor, got a tuple of 2"),
    "squeezed": (mlp(lambda m, s: usual(m, s).squeeze()), "The batch dimension is lost"),
    "half precision": (mlp(lambda m, s: usual(m, s).bfloat16()), "is torch.bfloat16, which is too"),
    # parameters
    "layers in a list": (InAList, "The module has no parameters"),
    "layers in forward": (InForward, "gives another result each time"),
    "frozen": (lambda n, d: mlp()(n, d).requires_grad_(False), "All parameters are frozen"),
    "a table": (
        mlp(
            lambda m, t: m.b(F.gelu(m.a(m.table(t)))),
            parts=lambda n, d: {"table": nn.Embedding(1000, n)},
            as_is=True,
        ),
        "It learns a table of 1000 rows",
    ),
    "trained frequencies": (
        mlp(
            lambda m, t: usual(m, trained_frequencies(t, m.d, m.w)),
            parts=lambda n, d: {"w": nn.Parameter(embeddings.sinusoidal_frequencies(n))},
            as_is=True,
        ),
        "The sinusoid is trained: w is a parameter of 128 numbers",
    ),
    "one layer": (
        mlp(lambda m, s: m.a(s), parts=lambda n, d: {"b": None}),
        "There is one linear layer only; the second is missing",
    ),
    "three layers": (
        mlp(lambda m, s: m.net(s), parts=layers(n_wide, d_wide, d_wide, d_wide)),
        "There are 3 linear layers instead of two",
    ),
    "a wide hidden layer": (
        mlp(lambda m, s: m.net(s), parts=layers(n_wide, twice_wide, d_wide)),
        "The hidden layer is 2048 wide instead of d_emb = 512",
    ),
    "a hidden layer as narrow as the sinusoid": (
        mlp(lambda m, s: m.net(s), parts=layers(n_wide, n_wide, d_wide)),
        "The hidden layer is 256 wide instead of d_emb = 512",
    ),
    "t itself": (
        mlp(
            lambda m, t: usual(m, t[:, None].float()),
            parts=lambda n, d: {"a": nn.Linear(1, d)},
            as_is=True,
        ),
        "The first takes one number, t itself",
    ),
    "a sinusoid d_emb wide": (
        mlp(
            lambda m, t: usual(m, sinusoidal_embedding(t, m.d_emb)),
            parts=lambda n, d: {"a": nn.Linear(d, d)},
            as_is=True,
        ),
        "No layer takes the sinusoid: none is d_sinusoidal = 256 wide",
    ),
    "no bias": (
        mlp(parts=lambda n, d: {"b": nn.Linear(d, d, bias=False)}),
        "A bias is missing: leave bias=False out",
    ),
    "a norm": (
        mlp(lambda m, s: m.b(F.gelu(m.norm(m.a(s)))), parts=lambda n, d: {"norm": nn.LayerNorm(d)}),
        "There are other parameters than those of the two linear layers",
    ),
    "a layer unused": (
        mlp(lambda m, s: m.b(F.gelu(m.a(s).detach()))),
        "No gradient reaches a.weight",
    ),
    "no gradient": (mlp(lambda m, s: usual(m, s).detach()), "carries no gradient"),
    "the second layer on the sinusoid only": (
        mlp(lambda m, s: m.b(F.gelu(s.repeat(1, m.d_emb // m.d + 1)[:, : m.d_emb]))),
        "No gradient reaches a.weight",
    ),
    # batch
    "the first timestep": (
        mlp(lambda m, s: usual(m, s[:1].expand_as(s))),
        "only the first of the timesteps is used",
    ),
    "a norm over the batch": (
        mlp(lambda m, s: usual(m, s - s.mean(0))),
        "gets one embedding alone and another one in a batch",
    ),
    "dropout": (mlp(lambda m, s: F.dropout(usual(m, s))), "gives another result each time"),
    # formula
    "no activation": (mlp(lambda m, s: m.b(m.a(s))), "no activation between the two linear layers"),
    "the activation first": (
        mlp(lambda m, s: m.b(m.a(F.gelu(s)))),
        "Your GELU stands before both. Put it between them",
    ),
    "the activation last": (
        mlp(lambda m, s: F.gelu(m.b(m.a(s)))),
        "Behind the second layer stands an activation, GELU",
    ),
    "an activation first, too": (
        mlp(lambda m, s: usual(m, F.silu(s))),
        "SiLU goes over the sinusoid before the first layer",
    ),
    "an activation last, too": (
        mlp(lambda m, s: F.silu(usual(m, s))),
        "Behind the second layer stands an activation, SiLU",
    ),
    "normalised at the end": (
        mlp(lambda m, s: F.layer_norm(usual(m, s), (m.d_emb,))),
        "Behind the second layer stands something more",
    ),
    "tanh at the end": (
        mlp(lambda m, s: torch.tanh(usual(m, s))),
        "Behind the second layer stands an activation, tanh",
    ),
    "tanh": (activated(torch.tanh), "The activation between the layers is tanh"),
    "sigmoid": (activated(torch.sigmoid), "The activation between the layers is sigmoid"),
    "sine": (activated(torch.sin), "The activation between the layers is sine"),
    "ReLU6": (activated(F.relu6), "The activation between the layers is ReLU6"),
    "softmax": (
        activated(lambda x: x.softmax(1)),
        "Between the two linear layers stands more than",
    ),
    "a norm without parameters": (
        activated(lambda x: F.gelu(F.layer_norm(x, x.shape[1:]))),
        "Between the two linear layers stands more than",
    ),
    "a factor for an activation": (activated(lambda x: 2 * x), "is linear itself"),
    "a residual": (
        mlp(lambda m, s: m.a(s) + usual(m, s)),
        "There is no residual connection in this formula",
    ),
    "a factor at the end": (
        mlp(lambda m, s: 3 * usual(m, s)),
        "Behind the second layer stands something more",
    ),
    "weights of length 1": (
        mlp(lambda m, s: F.linear(F.gelu(m.a(s)), F.normalize(m.b.weight, dim=1), m.b.bias)),
        "the result is not W_2 h + b_2",
    ),
    "the sinusoid added": (
        mlp(lambda m, s: usual(m, s) + F.pad(s, (0, m.d_emb - m.d))),
        "Something goes past both layers",
    ),
    "the second bias on the first layer": (
        mlp(lambda m, s: F.gelu(m.a(s) + m.b.bias) @ m.b.weight.T),
        "The second bias does not reach the embedding",
    ),
    "another base": (
        mlp(sinusoid=partial(sinusoidal_embedding, max_period=100.0)),
        "The first layer does not see the sinusoid of exercise 1. The frequencies fall half as",
    ),
    "t / 1000": (
        mlp(sinusoid=lambda t, d: sinusoidal_embedding(torch.as_tensor(t) / 1000, d)),
        "does not see the sinusoid of exercise 1. t is divided by 1000",
    ),
    "t repeated": (
        mlp(sinusoid=lambda t, d: torch.as_tensor(t).reshape(-1, 1).float().expand(-1, d)),
        "Every dimension is t itself",
    ),
    "a sinusoid in half precision": (
        mlp(lambda m, s: usual(m, s.half().float())),
        "does not see the sinusoid of exercise 1. Up to the third digit it is the sinusoid",
    ),
    "the second layer twice": (
        mlp(lambda m, s: m.b(m.b(F.gelu(m.a(s))))),
        "the result is not W_2 h + b_2",
    ),
    "sines alone": (
        mlp(sinusoid=lambda t, d: sinusoidal_embedding(t, 2 * d)[:, :d]),
        "no dimension is a cosine",
    ),
}


@pytest.mark.parametrize(("answer", "note"), RIGHT.values(), ids=RIGHT)
def test_right(answer, note):
    result = check_timestep_embedding(answer)
    assert result.passed, result
    *notes, praise = result.messages
    assert praise.startswith("Well done")
    assert [note in found for found in notes] == [True] * bool(note), notes


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_wrong(answer, message):
    result = check_timestep_embedding(answer)
    assert result.status == "wrong", result
    assert message in " ".join(result.messages)


def test_a_sinusoid_that_cannot_be_read():
    *notes, _ = check_timestep_embedding(activated(lambda x: x * x.relu())).messages
    assert [UNKNOWN in notes[0], "it is not checked" in notes[1]] == [True, True]


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
    "nothing": (None, "hand in your class, which is called cls(d_sinusoidal, d_emb)"),
    "dots": (..., "There is nothing yet"),
    "a function of dots": (lambda n, d: ..., "cls(256, 512) returned"),
    "returns None": (lambda n, d: None, "cls(256, 512) returned None"),
    "forward returns None": (mlp(lambda m, s: None), "Does every path of it end in a return?"),
    "NotImplementedError": (mlp(lambda m, s: raise_not_implemented()), "is not written yet"),
}


def raise_not_implemented():
    raise NotImplementedError


@pytest.mark.parametrize(("answer", "message"), UNDONE.values(), ids=UNDONE)
def test_not_done(answer, message):
    result = check_timestep_embedding(answer)
    assert result.status == "not done", result
    assert message in " ".join(result.messages)
