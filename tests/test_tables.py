import pytest

from condlesson.tables import Table


def test_text_is_aligned():
    assert repr(Table(["a", "long head"], [(1, 2), (333, "x")])) == (
        "  a  long head\n  1          2\n333          x"
    )


def test_html_has_heads_and_escapes():
    markup = Table(["a<b"], [("x & y",)])._repr_html_()
    assert '<th scope="col">a&lt;b</th>' in markup
    assert "<td>x &amp; y</td>" in markup


def test_short_row_is_refused():
    with pytest.raises(ValueError, match="a row must have 2 cells, got 1"):
        Table(["a", "b"], [(1,)])


def test_words_stand_flush_left():
    table = Table(["a", "bug"], [("long name", "x")], is_text=True)
    assert repr(table).splitlines() == ["a          bug", "long name  x"]
    assert '<th scope="col" style="text-align: left">bug</th>' in table._repr_html_()
    assert '<td style="text-align: left">x</td>' in table._repr_html_()
