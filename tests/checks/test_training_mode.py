"""What is taken out of training mode to look at the rest of it."""

import torch
import torch.nn.functional as F
from torch import nn

from condlesson.checks.instruments.training_mode import Calm


def test_a_batch_norm_in_training_gives_what_it_gives_in_evaluation_mode(draw):
    norm, x = nn.BatchNorm2d(3, momentum=0.5, eps=0.1), draw(4, 3, 5, 5)
    with torch.no_grad():
        for values in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            values.uniform_(1, 2)
    kept = {name: values.clone() for name, values in norm.state_dict().items()}
    expected = norm.eval()(x)
    with Calm():
        assert torch.equal(norm.train()(x), expected)
    for name in ("running_mean", "running_var"):
        assert torch.equal(norm.state_dict()[name], kept[name])


def test_a_batch_norm_without_running_values_takes_those_of_the_batch(draw):
    x = draw(4, 3, 5, 5)
    with Calm():
        found = F.batch_norm(x, None, None, training=True)
    assert torch.equal(found, F.batch_norm(x, None, None, training=True))


def test_dropout_in_training_changes_nothing(draw):
    x = draw(4, 3)
    with Calm():
        assert torch.equal(F.dropout(x, 0.5), x)
        assert torch.equal(F.dropout(input=x, p=0.5), x)
