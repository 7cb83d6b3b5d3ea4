"""The second data set: what is drawn, that it is the same each time, and that the split holds."""

import pytest
import torch

from condlesson import glyphs
from condlesson.glyphs import CHARACTERS, FACES, draw_glyphs, load_glyphs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drawn():
    return draw_glyphs()


@pytest.fixture(scope="module")
def few():
    return load_glyphs(400, 200)


def test_there_are_21_faces_of_62_characters(drawn):
    images, labels = drawn
    assert (len(FACES), len(CHARACTERS)) == (21, 62)
    assert images.shape == (1302, 1, 56, 56)
    assert torch.equal(torch.bincount(labels.long()), torch.full((62,), 21))


def test_every_glyph_is_another_one_and_lies_whole_in_the_middle(drawn):
    images = drawn[0].flatten(1)
    _, same = torch.unique(images, dim=0, return_inverse=True)
    (alike,) = (torch.bincount(same) > 1).nonzero()[0]
    assert same.max() == 1300  # one face draws I and l alike
    names = [(FACES[k // 62], CHARACTERS[k % 62]) for k in (same == alike).nonzero()[:, 0]]
    assert names == [("cmss10", "I"), ("cmss10", "l")]
    assert images.amax(dim=1).min() > 0.9
    for axis in (2, 3):
        ink = drawn[0].amax(dim=axis)[:, 0] > 0  # (1302, 56)
        first, last = ink.float().argmax(dim=1), 55 - ink.flip(1).float().argmax(dim=1)
        assert ((first - (55 - last)).abs() <= 1).all()
        assert not ink[:, [0, -1]].any()  # nothing is cut off


def test_the_form_is_that_of_mnist(few):
    assert few.name == "glyphs"
    assert few.train_images.shape == (400, 28, 28)
    assert few.test_images.shape == (200, 28, 28)
    assert few.train_images.dtype == few.train_labels.dtype == torch.uint8
    assert (few.train_images.flatten(1).amax(dim=1) > 100).all()
    assert few.train_images.float().mean() / 255 == pytest.approx(0.11, abs=0.03)


def test_the_same_arguments_give_the_same_images(few):
    again, other = load_glyphs(400, 200), load_glyphs(400, 200, seed=1)
    assert again.checksum() == few.checksum()
    assert not torch.equal(other.train_images, few.train_images)


def test_no_glyph_is_in_both_parts(monkeypatch):
    """Unmoved, every image is the glyph itself."""
    for name in ("TILT", "SCALE", "SHIFT"):
        monkeypatch.setattr(glyphs, name, 0)
    data = load_glyphs(3000, 1000)
    train, test = (torch.unique(x.flatten(1), dim=0) for x in (data.train_images, data.test_images))
    assert len(test) == pytest.approx(260, abs=12)
    assert len(train) == pytest.approx(1042 * (1 - 2.718 ** (-3000 / 1042)), rel=0.04)
    both = torch.cat([train, test])
    assert len(torch.unique(both, dim=0)) == len(both)


def test_images_are_moved_by_no_more_than_they_should():
    """Of a dot in the middle, which neither tilt nor scale moves."""
    dot = torch.zeros(1, 1, 56, 56)
    dot[..., 27:29, 27:29] = 1
    moves = torch.tensor([[1.0, 1, 1, 0], [-1, -1, 0, -1], [0, 0, 0, 0]])
    images = glyphs._moved(dot.expand(3, -1, -1, -1), moves).float()
    rows, columns = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
    centre = [[(images[k] * g).sum() / images[k].sum() for g in (rows, columns)] for k in range(3)]
    shifts = torch.tensor(centre) - torch.tensor(centre[2])
    assert shifts.abs().max() == pytest.approx(glyphs.SHIFT, abs=0.05)
    assert (shifts[0][0], shifts[1][1]) == (pytest.approx(0, abs=0.05), pytest.approx(0, abs=0.05))


def test_a_face_that_matplotlib_lacks_is_named():
    with pytest.raises(ValueError, match=r"lacks cmxx99\. Install a newer one"):
        load_glyphs(1, 1, faces=(*FACES[:2], "cmxx99"))
    assert len(load_glyphs(3, 2, faces=FACES[:2]).train_images) == 3
