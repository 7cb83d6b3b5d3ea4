"""Wrong timestep MLPs, and which mistake their check names."""

from functools import partial
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from condlesson import embeddings
from condlesson.checks import check_timestep_embedding
from condlesson.embeddings import sinusoidal_embedding
from tests.checks.mlps import activated, mlp, sequential, started, usual
from tests.checks.sinusoids import OTHER_TIMES, changed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


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


def learned_table(rows):
    """An MLP behind a row for each timestep, in the place of the sinusoid."""
    return mlp(
        lambda m, t: m.b(F.gelu(m.a(m.table(t)))),
        parts=lambda n, d: {"table": nn.Embedding(rows, n)},
        as_is=True,
    )


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


def half_cut(m, s):
    kept, cut = m.a(s).chunk(2, dim=1)
    return m.b(F.gelu(torch.cat([kept, cut.detach()], dim=1)))


def result_half_cut(m, s):
    kept, cut = usual(m, s).chunk(2, dim=1)
    return torch.cat([kept, cut.detach()], dim=1)


WRONG = {
    "a sinusoid of another width, in one line": (
        mlp(lambda m, t: m.b(F.gelu(m.a(sinusoidal_embedding(t, m.d_emb)))), as_is=True),
        "takes 256 numbers and gets 512. The sinusoid, d_sinusoidal = 256 wide",
    ),
    # what it starts with, and what can be learned
    "zeros": (
        mlp(parts=started(w_1=0.0, b_1=0.0, w_2=0.0, b_2=0.0)),
        "It can never learn: at the start the gradient of a.weight and b.weight is exactly 0",
    ),
    "two layers of zeros": (
        mlp(parts=started(w_1=0.0, b_1=0.0, w_2=0.0)),
        "One of them may start at 0; leave the other as nn.Linear makes it",
    ),
    "all numbers alike": (
        mlp(parts=started(w_1=0.1, b_1=0.1, w_2=0.1, b_2=0.1)),
        "All 512 numbers of the hidden layer are the same at the start",
    ),
    "a first layer of numbers alike, and zeros": (
        mlp(parts=started(w_1=0.1, b_1=0.0, w_2=0.0)),
        "Start with random weights, as nn.Linear makes them",
    ),
    "ReLUs that are all off": (
        mlp(lambda m, s: m.b(F.relu(m.a(s))), parts=started(w_1=0.0, b_1=0.0)),
        "nothing comes through the activation",
    ),
    "half of the hidden layer cut off": (
        mlp(half_cut),
        "do to the embedding, and 65,536 of its 131,072 numbers get none. A part of the path",
    ),
    "half of the result cut off": (mlp(result_half_cut), "for parts of a layer, too"),
    "a gate cut off": (
        activated(lambda x: x * x.sigmoid().detach()),
        "A part of the path to the result is cut",
    ),
    "first layer frozen": (
        mlp(parts=lambda n, d: {"a": nn.Linear(n, d).requires_grad_(False)}),
        "a.weight is frozen: requires_grad is False",
    ),
    "second layer frozen": (
        mlp(parts=lambda n, d: {"b": nn.Linear(d, d).requires_grad_(False)}),
        "b.weight is frozen: requires_grad is False",
    ),
    "sign": (activated(torch.sign), "is made of steps"),
    "rounded": (activated(lambda x: x + (x.round() - x).detach() * 0 + x.round() - x), "of steps"),
    "cosine": (activated(torch.cos), "keeps every value between -1 and 1"),
    "a bell": (activated(lambda x: torch.exp(-x.square())), "keeps every value between"),
    "arc tangent": (activated(torch.atan), "keeps every value between"),
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
        "takes 512 numbers and gets 256. The sinusoid, d_sinusoidal = 256 wide, goes into",
    ),
    "transposed": (
        mlp(lambda m, s: usual(m, s).T),
        "Each timestep needs one row of d_emb numbers",
    ),
    "the sinusoid alone": (mlp(lambda m, s: s), "must make (6, 512) of 6 timesteps, got (6, 256)"),
    "a tuple": (mlp(lambda m, s: (usual(m, s), s)), "must return one tensor, got a tuple of 2"),
    "squeezed": (mlp(lambda m, s: usual(m, s).squeeze()), "The batch dimension is lost"),
    "half precision": (mlp(lambda m, s: usual(m, s).bfloat16()), "is torch.bfloat16, which is too"),
    # parameters
    "layers in a list": (InAList, "The module has no parameters"),
    "layers in forward": (InForward, "gives another result each time"),
    "frozen": (lambda n, d: mlp()(n, d).requires_grad_(False), "All parameters are frozen"),
    "a table": (learned_table(1000), "It learns a table of 1000 rows"),
    "a table with a row for T": (learned_table(1001), "It learns a table of 1001 rows"),
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
        "a.weight, a.bias are never used: forward does not call the layer",
    ),
    "a sinusoid in training only": (
        mlp(lambda m, s: usual(m, s if m.training else 0 * s)),
        "In evaluation mode, after eval(), it gives another result",
    ),
    "a class for an activation": (
        mlp(lambda m, s: m.b(m.act(m.a(s))), parts=lambda n, d: {"act": nn.GELU}),
        "Write F.gelu(x); or make nn.GELU() in __init__",
    ),
    "an activation's constructor": (
        mlp(lambda m, s: m.b(nn.SiLU(m.a(s)))),
        "nn.SiLU(x) makes a layer, with x as its option, and does not apply it to x",
    ),
    "whole numbers": (
        mlp(lambda m, s: usual(m, s.long())),
        "Integers and floating numbers meet here. Convert the integers: t.float().",
    ),
    "float64 and float32": (mlp(lambda m, s: usual(m, s.double())), "float64, the other float32"),
    "a batch norm": (
        mlp(lambda m, s: usual(m, F.batch_norm(s, None, None, training=True))),
        "makes the items of a batch depend on one another",
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
        "Your GELU stands before both layers. Put it between them",
    ),
    "the first bias behind the activation": (
        mlp(lambda m, s: m.b(F.gelu(s @ m.a.weight.T) + m.a.bias)),
        "The first bias is added behind the activation: GELU bends W_1 s alone",
    ),
    "the first bias behind a ReLU": (
        mlp(lambda m, s: m.b(F.relu(F.linear(s, m.a.weight)) + m.a.bias)),
        "Write the bias inside, ReLU of W_1 s + b_1, which is what nn.Linear returns",
    ),
    "a ReLU first": (
        mlp(lambda m, s: m.b(m.a(F.relu(s)))),
        "Your ReLU stands before both layers. Put it between them",
    ),
    "the activation last": (
        mlp(lambda m, s: F.gelu(m.b(m.a(s)))),
        "After the second layer there is an activation, GELU",
    ),
    "an activation first, too": (
        mlp(lambda m, s: usual(m, F.silu(s))),
        "SiLU is applied to the sinusoid before the first layer",
    ),
    "an activation last, too": (
        mlp(lambda m, s: F.silu(usual(m, s))),
        "After the second layer there is an activation, SiLU",
    ),
    "normalised at the end": (
        mlp(lambda m, s: F.layer_norm(usual(m, s), (m.d_emb,))),
        "After the second layer there is something more",
    ),
    "tanh at the end": (
        mlp(lambda m, s: torch.tanh(usual(m, s))),
        "After the second layer there is an activation, tanh",
    ),
    "tanh": (activated(torch.tanh), "The activation between the layers is tanh"),
    "sigmoid": (activated(torch.sigmoid), "The activation between the layers is sigmoid"),
    "sine": (activated(torch.sin), "The activation between the layers is sine"),
    "ReLU6": (activated(F.relu6), "The activation between the layers is ReLU6"),
    "softmax": (
        activated(lambda x: x.softmax(1)),
        "There is more than an activation between the two",
    ),
    "a norm without parameters": (
        activated(lambda x: F.gelu(F.layer_norm(x, x.shape[1:]))),
        "There is more than an activation between the two",
    ),
    "a factor for an activation": (activated(lambda x: 2 * x), "is linear itself"),
    "all but a line": (activated(lambda x: x + 5e-4 * x.sin()), "is linear itself"),
    "a residual": (
        mlp(lambda m, s: m.a(s) + usual(m, s)),
        "There is no residual connection in this formula",
    ),
    "a factor at the end": (
        mlp(lambda m, s: 3 * usual(m, s)),
        "After the second layer there is something more",
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
    **{
        name: (mlp(sinusoid=changed(change)), message)
        for name, (change, message) in OTHER_TIMES.items()
    },
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
        "and none is a cosine",
    ),
}


@pytest.mark.parametrize(("answer", "message"), WRONG.values(), ids=WRONG)
def test_wrong(answer, message):
    result = check_timestep_embedding(answer)
    assert result.status == "wrong", result
    assert message in " ".join(result.messages)
