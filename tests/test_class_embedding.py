"""The rows of the classes, and the null row."""

import pytest
import torch
from torch import nn

from condlesson.embeddings import ClassEmbedding


@pytest.fixture
def embed():
    torch.manual_seed(0)
    return ClassEmbedding(3, 4)


def test_a_row_is_looked_up_and_none_is_the_null_row(embed):
    labels = torch.tensor([2, 0, 3, 2])
    assert torch.equal(embed(labels), embed.weight[labels])
    assert torch.equal(embed(None), embed.weight[3:4])
    assert embed.null == 3


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64])
def test_labels_of_every_integer_type_are_taken(embed, dtype):
    assert torch.equal(embed(torch.tensor([1, 3], dtype=dtype)), embed.weight[[1, 3]])


def test_no_labels_give_no_rows(embed):
    assert embed(torch.empty(0, dtype=torch.long)).shape == (0, 4)


def test_there_is_one_row_more_than_classes_and_all_start_small():
    torch.manual_seed(0)
    embed = ClassEmbedding(10)
    assert embed.weight.shape == (11, 512)
    assert embed.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert isinstance(embed, nn.Embedding)


def test_one_class_and_one_number_are_enough():
    assert ClassEmbedding(1, 1).weight.shape == (2, 1)


@pytest.mark.parametrize(
    ("sizes", "error", "message"),
    [
        ((0, 4), ValueError, "^num_classes must be at least 1, got 0"),
        ((3, 0), ValueError, "^d_emb must be at least 1, got 0"),
        ((3.0, 4), TypeError, "^num_classes must be an integer, got 3.0"),
        ((3, True), TypeError, "^d_emb must be an integer, got True"),
    ],
)
def test_sizes_that_are_none_are_refused(sizes, error, message):
    with pytest.raises(error, match=message):
        ClassEmbedding(*sizes)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([1.0], TypeError, r"^labels must be integers, got torch.float32\. Convert"),
        ([True], TypeError, "^labels must be integers, got torch.bool"),
        ([1j], TypeError, "^labels must be integers, got torch.complex64"),
        ([[1]], ValueError, r"^labels must have the shape \(B,\), got \(1, 1\)"),
        (1, ValueError, r"^labels must have the shape \(B,\), got \(\)"),
        ([0, 4], ValueError, r"^labels must lie in 0 \.\. 3, got 0 \.\. 4\. 3 stands for no class"),
        ([-1, 3], ValueError, r"^labels must lie in 0 \.\. 3, got -1 \.\. 3"),
    ],
)
def test_labels_that_do_not_fit_are_refused(embed, labels, error, message):
    with pytest.raises(error, match=message):
        embed(torch.tensor(labels))
