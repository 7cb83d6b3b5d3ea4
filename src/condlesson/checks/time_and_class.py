"""Check of exercise 5: the class of an image beside its timestep."""

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from condlesson import exercises
from condlesson.checks.harness.answer import as_factory, build, call, call_on, cured, shape
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check
from condlesson.checks.instruments.parameters import check_modes, overwritten, trainable

__all__ = ["check_time_and_class"]

SIZES = ((4, 6), (10, 32))  # num_classes, d_emb
ROWS = "nn.Embedding(num_classes + 1, d_emb)"


def check_time_and_class(cls: Callable[[int, int], nn.Module]) -> CheckResult:
    """Check the sum of a timestep's embedding and the row of a class, one row being "no class".

    Args:
        cls: Called as cls(num_classes, d_emb); an object is called with t_emb (B, d_emb) and
            labels (B,), integers in 0 .. num_classes, and returns (B, d_emb).

    Returns:
        What was found.
    """
    return run_check(
        "check_time_and_class",
        cls,
        _time_and_class,
        exercise=exercises.TimeAndClass,
        praise="Well done: one sum tells the timestep and the class, and one row more says that "
        "there is no class. Next, count the parameters that the rows have.",
    )


def _time_and_class(answer: object) -> list[str]:
    factory = as_factory(answer, "TimeAndClass(num_classes, d_emb)")
    notes = []
    for num_classes, d_emb in SIZES:
        text = f"{name_of(factory)}({num_classes}, {d_emb})"
        module = build(factory, num_classes, d_emb, text=text)
        t_emb = torch.randn(num_classes + 1, d_emb, generator=torch.Generator().manual_seed(2))
        labels = torch.arange(num_classes + 1)
        with cured(_cure):
            out = _told(module, t_emb, labels)
            _told(module, t_emb[:2], labels[:2])  # a batch without the null label
        trainable(module)
        if not torch.equal(out, _told(module, t_emb, labels)):
            raise Wrong(
                "The same t_emb and labels give another result each time. Labels are withheld "
                "where the batch is made; here each label has its row."
            )
        check_modes(module, lambda m=module, a=t_emb, b=labels: _told(m, a, b))
        with overwritten(_random_values(module)):  # rows may start at 0
            _check_sum(module, t_emb, labels)
            _check_rows(module, t_emb, labels)
        notes = _check_learning(module, t_emb, labels)
    return notes


def _told(module: nn.Module, t_emb: Tensor, labels: Tensor) -> Tensor:
    what = (
        f"The module, called with t_emb {shape(t_emb)} and the labels {labels[0]} .. {labels[-1]},"
    )
    out = call_on(module, t_emb, labels, what=what)
    if out.shape != t_emb.shape:
        raise Wrong(
            f"{what} must return the shape of t_emb, got {shape(out)}. Add to each row of t_emb "
            "the row of its label."
        )
    return out.detach()


def _cure(failure: Failure) -> str:
    """A row too few, a one-hot of another width, or labels where rows belong."""
    if "out of range" in failure.text or "out of bounds" in failure.text:
        return f"The label num_classes stands for no class, and needs a row of its own: {ROWS}."
    if "Class values must be smaller" in failure.text:
        return "A one-hot of the labels 0 .. num_classes has num_classes + 1 places."
    if re.search(r"cannot be multiplied|size mismatch|expanded size|must match", failure.text):
        return (
            "Do the widths fit? A one-hot is num_classes + 1 wide, whatever labels a batch holds: "
            "F.one_hot(labels, num_classes + 1). A row is d_emb wide."
        )
    return ""


def _random_values(module: nn.Module) -> dict[nn.Parameter, Tensor]:
    generator = torch.Generator().manual_seed(4)
    return {p: torch.randn(p.shape, generator=generator) for p in trainable(module).values()}


def _check_sum(module: nn.Module, t_emb: Tensor, labels: Tensor) -> None:
    """The row of a label is the same whatever it is added to, and belongs to this label only."""
    none = torch.zeros_like(t_emb)
    rows, out = _told(module, none, labels), _told(module, t_emb, labels)
    if torch.allclose(out, rows, atol=1e-5):
        raise Wrong(
            "The timestep is gone: another t_emb gives the same result. The class is added to "
            "t_emb and does not replace it."
        )
    if torch.allclose(rows, none, atol=1e-5) and not torch.allclose(out, t_emb, atol=1e-5):
        raise Wrong(
            "The row is multiplied by t_emb: where t_emb is 0 nothing is left of the class. Add."
        )
    if not torch.allclose(out, t_emb + rows, atol=1e-3):
        raise Wrong(
            "The result is not t_emb plus a row: what the class adds depends on t_emb. Return the "
            "plain sum, with nothing around it."
        )
    turned = _told(module, none, labels.roll(1))
    if not torch.allclose(turned, rows.roll(1, 0), atol=1e-4):
        raise Wrong(
            "A label gives another row in another place of the batch. Each image gets the row of "
            "its own label, whatever the other images are."
        )


def _check_rows(module: nn.Module, t_emb: Tensor, labels: Tensor) -> None:
    rows, null = _told(module, torch.zeros_like(t_emb), labels), len(labels) - 1
    same = [
        (a, b)
        for a in range(null)
        for b in range(a + 1, null + 1)
        if torch.allclose(rows[a], rows[b], atol=1e-5)
    ]
    if len(same) == null * (null + 1) // 2:
        raise Wrong("The label changes nothing: all labels give the same. Add the label's row.")
    told = next((a for a, b in same if b == null), None)
    if told is not None:
        raise Wrong(
            f'The null label {null} gives the row of class {told}. "No class" needs a row of its '
            f"own, or the network learns it as a {told}: {ROWS}."
        )
    if same:
        a, b = same[0]
        raise Wrong(f"The labels {a} and {b} give the same row. Each class has its own.")


def _check_learning(module: nn.Module, t_emb: Tensor, labels: Tensor) -> list[str]:
    """Which labels have a row that is learned."""
    null, parameters = len(labels) - 1, list(trainable(module).values())
    for label in labels.tolist():
        out = call(module, t_emb[:1], labels[label : label + 1], what="The module")
        grads = [None] * len(parameters)
        if out.requires_grad:
            grads = torch.autograd.grad(out.square().sum(), parameters, allow_unused=True)
        if any(grad is not None and grad.abs().max() > 0 for grad in grads):
            continue
        if label == null:
            return [
                "Note: what stands for no class is fixed, and nothing of it is learned. EDM does "
                "so with a row of zeros; most code learns the row."
            ]
        raise Wrong(
            f"The row of class {label} gets no gradient, so it is never learned. Is it "
            "padding_idx, detached or a buffer?"
        )
    return []
