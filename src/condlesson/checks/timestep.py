"""Checks of exercise 2: the timestep MLP, and the similarities of embeddings."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from condlesson import embeddings, tasks
from condlesson.checks.calling import as_factory, as_function, build, call_on, shape
from condlesson.checks.layers import check_gradients, trainable
from condlesson.checks.perceptron import examine_perceptron, find_layers
from condlesson.checks.result import CheckResult
from condlesson.checks.running import NotDone, Wrong, run_check
from condlesson.checks.sinusoid import DRAWN, check_own_rows, check_repeats

__all__ = ["check_similarity_matrix", "check_timestep_embedding", "check_timestep_mlp"]


def check_timestep_embedding(cls: Callable[[int, int], nn.Module]) -> CheckResult:
    """Check the timestep MLP: sinusoid, linear layer, GELU, linear layer.

    Args:
        cls: Called as cls(d_sinusoidal, d_emb); an object is called with t of shape (B,) and
            returns (B, d_emb).

    Returns:
        What was found.
    """
    return run_check(
        "check_timestep_embedding",
        cls,
        _timestep_embedding,
        exercise=embeddings.TimestepEmbedding,
        praise="Well done: a fixed clock, and a small network that learns to read it. Now change "
        "something: take SiLU for GELU, as most U-Nets do, and then leave the activation out.",
    )


def check_timestep_mlp(cls: Callable[[int, int], nn.Module]) -> CheckResult:
    """Check the timestep MLP in which a bug was to be found.

    Args:
        cls: As in `check_timestep_embedding`.

    Returns:
        What was found.
    """
    return run_check(
        "check_timestep_mlp",
        cls,
        _timestep_embedding,
        exercise=tasks.TimestepMLP,
        praise="Found. Without the activation the two layers would be one linear map of the sinusoid, "
        "and no message would ever say so. Next, count how many parameters it would waste.",
    )


def _timestep_embedding(answer: object) -> list[str]:
    factory = as_factory(answer, "cls(d_sinusoidal, d_emb)")
    notes = []
    for d_sinusoidal, d_emb in ((256, 512), (48, 32)):
        notes = _examine(factory, d_sinusoidal, d_emb)
    return [*notes, *_other_timesteps(factory)]


def _examine(factory: Callable, d_sinusoidal: int, d_emb: int) -> list[str]:
    text = f"cls({d_sinusoidal}, {d_emb})"
    module = build(factory, d_sinusoidal, d_emb, text=text)
    emb = _embed(module, DRAWN)
    if emb.shape != (len(DRAWN), d_emb):
        raise Wrong(
            f"{text} must make {shape((len(DRAWN), d_emb))} of {len(DRAWN)} timesteps, got "
            f"{shape(emb)}. One row for each timestep, d_emb numbers in it."
        )
    trainable(module)
    check_repeats(emb, _embed(module, DRAWN), "The module")
    layers = find_layers(module, d_sinusoidal, d_emb, text)
    check_gradients(module, lambda: _embed(module, DRAWN), "The embedding")
    check_own_rows(module, emb, DRAWN, _embed)
    return examine_perceptron(layers, lambda t: _embed(module, t))


def _embed(module: Callable, t: Tensor) -> Tensor:
    return call_on(module, t, what=f"The embedding of {len(t)} timesteps")


def _other_timesteps(factory: Callable) -> list[str]:
    module = build(factory, 32, 16, text="cls(32, 16)")
    try:
        single = call_on(module, 500, what="").shape
    except (Wrong, NotDone):
        single = None
    if single == (1, 16):
        return []
    return [
        "Note: a single number, such as t = 500, is not taken. The page's module takes it, too."
    ]


def check_similarity_matrix(fn: Callable[[Tensor], Tensor]) -> CheckResult:
    """Check the matrix of all cosine similarities.

    Args:
        fn: Called as fn(embeddings) with shape (N, D); returns (N, N).

    Returns:
        What was found.
    """
    return run_check(
        "check_similarity_matrix",
        fn,
        _similarity_matrix,
        exercise=tasks.similarity_matrix,
        praise="Well done. Next, give it the sinusoids of t = 0, 10, ..., 990 and look along a "
        "diagonal: what is the same all along it, and why?",
    )


def _similarity_matrix(answer: object) -> list[str]:
    fn = as_function(answer, "fn(embeddings)")
    generator = torch.Generator().manual_seed(1)
    for rows, d, scale in ((5, 8, 3.0), (1, 4, 1.0), (40, 16, 0.1), (7, 7, 1.0)):
        x = scale * (torch.rand(rows, 1, generator=generator) + 0.5)
        x = x * (torch.randn(rows, d, generator=generator) + 0.5)
        what = f"fn(embeddings) with shape {shape(x)}"
        got = call_on(fn, x, what=what).detach().double()
        if got.shape != (rows, rows):
            raise Wrong(
                f"{what} must return one number for each pair of rows, shape {(rows, rows)}, got "
                f"{shape(got)}. Rows are vectors: x @ x.T."
            )
        _compare(got, x.double(), what)
    return []


def _compare(got: Tensor, x: Tensor, what: str) -> None:
    unit = nn.functional.normalize(x, dim=1)
    if torch.allclose(got, unit @ unit.T, atol=1e-4):
        return
    across = nn.functional.normalize(x, dim=0)
    norms = x.norm(dim=1)
    known = [
        (x @ x.T, "These are plain dot products. Divide each row by its length first."),
        (across @ across.T, "Columns were divided by their lengths. Divide the rows: dim=1."),
        ((x @ x.T) / norms.square()[:, None], "Only one of the two rows was divided, twice. Divide "
         "by both lengths."),
        ((x @ x.T) / norms.square()[None, :], "Only one of the two rows was divided, twice. Divide "
         "by both lengths."),
        ((x @ x.T) / norms[:, None], "Only one of the two rows is divided by its length."),
        ((x @ x.T) / norms[None, :], "Only one of the two rows is divided by its length."),
        ((x @ x.T) / x.norm().square(), "All were divided by one length, that of the whole matrix. "
         "Each row has its own: norm(dim=1, keepdim=True)."),
        ((unit @ unit.T).abs(), "Signs are lost: similarities go down to -1."),
        (1 - unit @ unit.T, "This is the cosine distance, 1 - similarity."),
        (torch.cdist(x, x), "This is the Euclidean distance."),
        (torch.softmax(unit @ unit.T, dim=1), "A softmax went over it. Similarities are not "
         "probabilities."),
        ((x @ x.T).softmax(dim=1), "A softmax went over it. Similarities are not probabilities."),
        (torch.corrcoef(x) if len(x) > 1 else x @ x.T, "Means were subtracted: this is the "
         "correlation. Cosine similarity keeps them."),
    ]  # fmt: skip
    reason = next((text for wrong, text in known if torch.allclose(got, wrong, atol=1e-4)), "")
    reason = reason or "Divide each row by its length, then take the dot product of every two rows."
    off = (got.diagonal() - 1).abs().max().item()
    symptom = (
        f"A row's similarity with itself is {got.diagonal()[0]:.3g}"
        if off > 1e-3
        else f"The similarity of rows 0 and {len(got) - 1} is {got[0, -1]:.3f}"
    )
    right = "1" if off > 1e-3 else f"{(unit @ unit.T)[0, -1]:.3f}"
    raise Wrong(f"{what}: {symptom}, which must be {right}. {reason}")
