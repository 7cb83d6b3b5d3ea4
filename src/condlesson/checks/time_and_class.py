"""Check of exercise 5: the class of an image beside its timestep."""

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from condlesson import exercises
from condlesson.checks.harness.answer import as_factory, build, call, call_on, cured, shape
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.result import CheckResult
from condlesson.checks.harness.run import Wrong, name_of, run_check
from condlesson.checks.instruments.parameters import check_modes, overwritten, trainable

__all__ = ["check_time_and_class"]

SIZES = ((4, 6), (13, 16))  # num_classes, d_emb
ROWS = "nn.Embedding(num_classes + 1, d_emb)"
REPEATS = 64  # of all labels in a batch, to see what is drawn by chance for a row
CALLS = 150  # with one batch, to see what is drawn for all of its rows


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
            _told(module, t_emb, labels)
            _told(module, t_emb[:2], labels[:2])  # a batch without the null label
        trainable(module)
        _check_chance(module, t_emb, labels)
        check_modes(module, lambda m=module, a=t_emb, b=labels: _told(m, a, b))
        before = _told(module, t_emb[:-1], labels[:-1])
        with overwritten(_random_values(module)):  # rows may start at 0
            _check_live(_told(module, t_emb[:-1], labels[:-1]), before)
            _check_sum(module, t_emb, labels)
            _check_rows(module, t_emb, labels)
            if d_emb == SIZES[-1][1]:
                _check_own(module, t_emb, labels)
        _check_timestep(module, t_emb, labels)
        notes = _check_learning(module, t_emb, labels)
        build(factory, num_classes, d_emb, text=text)  # another one shares nothing
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
    if out.dtype != t_emb.dtype:
        raise Wrong(
            f"{what} must return {t_emb.dtype}, as t_emb is, got {out.dtype}; the layers behind it "
            "would refuse that. Make the rows in float32, as nn.Embedding does."
        )
    return out.detach()


def _check_live(after: Tensor, before: Tensor) -> None:
    """With other numbers in the parameters each class has another row."""
    alike = (after == before).all(dim=1)
    if alike.any():
        raise Wrong(
            f"With other numbers in all parameters the row of class {int(alike.nonzero()[0])} is "
            "the same as before, so it would never learn. What __init__ computes from parameters "
            "stays as it was: compute it in forward."
        )


def _cure(failure: Failure) -> str:
    """A row too few, a one-hot of another width, or labels where rows belong."""
    if re.search(r"out of (range|bounds)", failure.text) and re.search(r"labels\s*-", failure.code):
        return (
            "Labels count from 0, so a label is the number of its row as it is: take off nothing."
        )
    if "out of range" in failure.text or "out of bounds" in failure.text:
        return f"The label num_classes stands for no class, and needs a row of its own: {ROWS}."
    if "Class values must be smaller" in failure.text:
        return "A one-hot of the labels 0 .. num_classes has num_classes + 1 places."
    if "scalar types: Long, Int; but got" in failure.text:
        return (
            "Labels are integers, and index rows. Keep the order forward(self, t_emb, labels), and "
            "the labels as they are, without .float()."
        )
    if re.search(r"expanded size|must match", failure.text):
        return f"A row is d_emb wide: {ROWS}, first how many rows, then their width."
    if re.search(r"cannot be multiplied|size mismatch", failure.text):
        return (
            "Do the widths fit? A one-hot is num_classes + 1 wide, whatever labels a batch holds: "
            "F.one_hot(labels, num_classes + 1). A row is d_emb wide."
        )
    return ""


def _check_chance(module: nn.Module, t_emb: Tensor, labels: Tensor) -> None:
    """Nothing is drawn in the module, neither for a row nor for a batch."""
    many = t_emb.repeat(REPEATS, 1), labels.repeat(REPEATS)
    first = _told(module, *many)
    changed = torch.stack([(_told(module, *many) != first).any(dim=1) for _ in range(3)])
    if not changed.any():
        _check_chance_of_batch(module, t_emb[:2], labels[:2])
        return
    share = changed.double().mean().item()
    if share > 0.97:
        raise Wrong(
            "Every row is another one in each call. Is the layer made in forward, or is there a "
            "dropout? Make layers in __init__, and draw nothing at random here."
        )
    raise Wrong(
        f"The same t_emb and labels give another result each time: {max(share, 1e-4):.2%} of the "
        "rows changed from call to call. Labels are withheld where the batch is made; here each "
        "label has its row."
    )


def _check_chance_of_batch(module: nn.Module, t_emb: Tensor, labels: Tensor) -> None:
    first = _told(module, t_emb, labels)
    changed = sum(not torch.equal(_told(module, t_emb, labels), first) for _ in range(CALLS))
    if changed:
        raise Wrong(
            f"The same t_emb and labels give another result in {changed} of {CALLS} calls: "
            "something is drawn for the whole batch. Labels are withheld where the batch is made; "
            "here each label has its row."
        )


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
    scale = ((out - rows) * t_emb).sum() / t_emb.square().sum()
    if abs(scale - 1) > 1e-3 and torch.allclose(out, scale * t_emb + rows, atol=1e-3):
        raise Wrong(
            f"t_emb is multiplied by {scale:.3g} in the result. Return the plain sum of t_emb and "
            "the row, without a factor."
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

    twice = torch.tensor([1, 1, 0, 1, len(labels) - 1, len(labels) - 1])
    off = (_told(module, t_emb[twice.flip(0)], twice) - t_emb[twice.flip(0)] - rows[twice]).abs()
    if off.max() > 1e-3:
        norm = next((n for n, part in module.named_modules() if isinstance(part, _BatchNorm)), "")
        if norm:
            raise Wrong(
                f"The row of a label changes with the other labels of the batch: {norm} is a batch "
                "norm, which takes its statistics over the batch. Leave it out, and add the row as "
                "it is."
            )
        raise Wrong(
            f"Where labels come twice in a batch, {twice.tolist()}, the result is not t_emb plus "
            "the row of each. Every image gets the whole row of its label."
        )
    single = [_told(module, none[:1], labels[k : k + 1]) for k in range(len(labels))]
    if not torch.allclose(torch.cat(single), rows, atol=1e-4):
        k = int((torch.cat(single) - rows).abs().amax(dim=1).argmax())
        raise Wrong(
            f"Label {k} gives one row alone and another row in a batch with other labels. An `if` "
            "decides for the whole batch: each image gets the row of its own label."
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
    columns = torch.cdist(rows.T.contiguous(), rows.T.contiguous()) + torch.eye(rows.shape[1])
    if columns.min() < 1e-4:
        a, b = sorted(divmod(int(columns.argmin()), rows.shape[1]))
        raise Wrong(
            f"Dimensions {a} and {b} of every row are the same number. A row has d_emb numbers of "
            f"its own: {ROWS}."
        )


def _check_own(module: nn.Module, t_emb: Tensor, labels: Tensor) -> None:
    """Each class has numbers of its own to learn, and what stands for no class is not theirs."""
    null, moved = len(labels) - 1, _gradients(module, t_emb, labels)
    _check_spare(module, moved, len(labels))
    size = moved[:null].abs().amax(dim=1)
    for label in range(null):
        others = torch.cat([size[:label], size[label + 1 :]]).amax(dim=0)
        if size[label].any() and not (size[label] > 3 * others).any():
            raise Wrong(
                f"Class {label} has no row of its own to learn: each number that moves its row "
                "moves those of other classes as much. Classes are no numbers, of which 3 is "
                f"between 2 and 4. Each has a row of a table: {ROWS}."
            )
    one, classes = moved[null].sum(dim=0), moved[:null].flatten(0, 1)
    fitted = torch.linalg.lstsq(classes.T, one[:, None], driver="gelsd").solution
    if one.any() and (classes.T @ fitted - one[:, None]).norm() < 1e-2 * one.norm():
        raise Wrong(
            'The row of "no class" is made of those of the classes, and moves only with them. It '
            f"needs a row of its own: {ROWS}."
        )


def _check_spare(module: nn.Module, moved: Tensor, num_labels: int) -> None:
    """No table has rows that no label reads."""
    parameters = trainable(module)
    used = moved.any(dim=1).any(dim=0).split([p.numel() for p in parameters.values()])
    for (name, table), numbers in zip(parameters.items(), used, strict=True):
        if table.ndim < 2:
            continue
        rows = numbers.reshape(table.shape).flatten(1).any(dim=1)
        if len(table) > num_labels >= rows.sum() and rows.any():
            raise Wrong(
                f"{name} has {len(table)} rows, and the labels 0 .. num_classes read "
                f"{int(rows.sum())} of them; the others are never learned. Make as many as there "
                f"are labels: {ROWS}."
            )


def _gradients(module: nn.Module, t_emb: Tensor, labels: Tensor) -> Tensor:
    """How each number of each row moves with each parameter, (labels, d_emb, parameters)."""
    parameters = list(trainable(module).values())
    rows = call(module, torch.zeros_like(t_emb), labels, what="The module")
    if not rows.requires_grad:
        return torch.zeros(*t_emb.shape, 1)
    found = []
    for number in rows.flatten():
        grads = torch.autograd.grad(number, parameters, retain_graph=True, allow_unused=True)
        pairs = zip(grads, parameters, strict=True)
        dense = [torch.zeros_like(p) if g is None else g.to_dense() for g, p in pairs]
        found.append(torch.cat([g.flatten() for g in dense]))
    return torch.stack(found).reshape(*t_emb.shape, -1)


def _check_timestep(module: nn.Module, t_emb: Tensor, labels: Tensor) -> None:
    """A gradient goes to t_emb: the MLP that made it learns through this sum."""
    given = t_emb.clone().requires_grad_()
    out = call(module, given, labels, what="The module")
    (grad,) = (
        torch.autograd.grad(out.sum(), given, allow_unused=True) if out.requires_grad else [None]
    )
    if grad is None or (grad == 0).any():
        raise Wrong(
            "No gradient reaches t_emb, so the layers that made it would never learn. Leave out "
            "detach, .data, torch.tensor(t_emb) and no_grad."
        )
    if (grad - 1).abs().max() > 1e-3:
        raise Wrong(
            f"The gradient that reaches t_emb is {grad.flatten()[0]:.3g} times the one that "
            "arrives, and of a sum it is the same. Is a part of t_emb detached?"
        )


def _check_learning(module: nn.Module, t_emb: Tensor, labels: Tensor) -> list[str]:
    """Which labels have a row that is learned."""
    null, parameters = len(labels) - 1, list(trainable(module).values())
    for label in labels.tolist():
        out = call(module, t_emb[:1], labels[label : label + 1], what="The module")
        grads = [None] * len(parameters)
        if out.requires_grad:
            grads = torch.autograd.grad(out.square().sum(), parameters, allow_unused=True)
        if any(grad is not None and grad.to_dense().any() for grad in grads):
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
