"""Labels: with their images, withheld one by one, and told to the network."""

from dataclasses import replace

import pytest
import torch

from condlesson.batches import NO_CLASS, training_images, withheld
from condlesson.data import to_model_range
from condlesson.training import evaluate, make_model, stream, validation_batches
from tests.training.states import TINY, inputs_of_training

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

CLASSED = replace(TINY, variant="adagn_class")


def told_classes(config, data):
    """The labels that the network is given in each training step."""
    return [labels for *_, labels in inputs_of_training(config, data)]


def test_labels_go_with_their_images(subset):
    seen = inputs_of_training(replace(CLASSED, label_dropout=0.0), subset)
    images = to_model_range(subset.train_images).flatten(1)
    x_0 = inputs_of_images(CLASSED, subset)
    for (_, _, labels), clean in zip(seen, x_0, strict=True):
        rows = torch.cdist(clean.flatten(1).double(), images.double()).argmin(dim=1)
        assert labels.tolist() == subset.train_labels[rows].tolist()


def inputs_of_images(config, data):
    images, _ = training_images(config, data)
    order = [torch.randperm(67, generator=stream(config.seed, "order", e))[:64] for e in (0, 1)]
    return [images[rows] for epoch in order for rows in epoch.view(-1, 16)]


def test_labels_are_withheld_one_by_one():
    config = replace(CLASSED, label_dropout=0.25)
    labels = torch.arange(4000) % 10
    shown = [withheld(labels, config, step) for step in (0, 0, 1)]
    assert torch.equal(shown[0], shown[1])
    assert not torch.equal(shown[0], shown[2])
    dropped = shown[0] == NO_CLASS
    assert dropped.float().mean() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(shown[0][~dropped], labels[~dropped])
    assert not (withheld(labels, replace(config, label_dropout=0.0), 0) == NO_CLASS).any()


def test_no_label_is_withheld_when_the_network_is_judged(subset):
    labels = torch.cat([b.labels for b in validation_batches(CLASSED, subset)])
    assert set(labels.tolist()) <= set(range(10))
    assert validation_batches(TINY, subset)[0].labels is None


def test_withheld_labels_leave_the_other_draws_alone(subset):
    plain = inputs_of_training(TINY, subset)
    classed = inputs_of_training(CLASSED, subset)
    for (x_t, t), (x_c, t_c, labels) in zip(plain, classed, strict=True):
        assert torch.equal(x_t, x_c)
        assert torch.equal(t, t_c)
        assert labels.shape == t.shape


def test_a_network_that_is_told_no_class_is_evaluated_with_the_null_row(subset):
    model, batches = make_model(CLASSED), validation_batches(CLASSED, subset)
    null = [replace(b, labels=torch.full_like(b.labels, NO_CLASS)) for b in batches]
    torch.testing.assert_close(evaluate(model, batches, told_class=False), evaluate(model, null))
    assert not torch.equal(evaluate(model, batches), evaluate(model, null))
