import pytest

from condlesson.tables import Table


def test_numbers_stand_flush_right_and_words_flush_left():
    table = Table(["a", "long head", "n"], [(1, 2, -0.5), (333, "x", "+1.25")])
    assert repr(table) == ("  a  long head      n\n  1  2           −0.5\n333  x          +1.25")
    left = ' style="text-align: left"'
    assert f'<th scope="col">a</th><th scope="col"{left}>long head</th>' in table._repr_html_()
    assert f"<td>1</td><td{left}>2</td><td>−0.5</td>" in table._repr_html_()


@pytest.mark.parametrize("cell", ["1,000", "−0.25", "12%", "3x", "0.91 ± 0.02", "1e-05", "–", ""])
def test_numbers_in_all_forms_are_numbers(cell):
    assert Table(["a"], [(cell,)])._is_left() == [False]


@pytest.mark.parametrize("cell", ["x1", "0 to 99", "500 steps", "256, 128, ReLU"])
def test_words_with_numbers_are_words(cell):
    assert Table(["a"], [(cell,)])._is_left() == [True]


def test_a_pair_is_from_one_to_another():
    assert "0 to 50" in repr(Table(["pair"], [((0, 50),)]))


def test_html_has_heads_and_escapes():
    markup = Table(["a<b"], [("x & y",)])._repr_html_()
    assert ">a&lt;b</th>" in markup
    assert "x &amp; y</td>" in markup


def test_short_row_is_refused():
    with pytest.raises(ValueError, match="a row must have 2 cells, got 1"):
        Table(["a", "b"], [(1,)])


def test_words_stand_flush_left():
    table = Table(["a", "bug"], [("long name", "x")], is_text=True)
    assert repr(table).splitlines() == ["a          bug", "long name  x"]
    assert '<th scope="col" style="text-align: left">bug</th>' in table._repr_html_()
    assert '<td style="text-align: left">x</td>' in table._repr_html_()
