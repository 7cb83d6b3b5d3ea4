import pytest

from condlesson import addresses
from condlesson.book import Book
from condlesson.roles import Inline, PageError

FRONT = "---\nkernelspec:\n  name: python3\n---\n"
PAGES = {
    "one": FRONT + "# Page one\n\n(sec-one)=\n## The first section\n\n"
    "```{code-cell}\n---\nmystnb:\n  figure:\n    name: fig-one\n    caption: A.\n---\nx\n```\n",
    "two": FRONT + "# Page two\n\n$$\na\n$$ (eq-two)\n\n(sec-two)=\n## Of `two`\n\n"
    "```{code-cell}\n---\nmystnb:\n  figure:\n    name: fig-two\n    caption: A.\n---\nx\n```\n",
    "plain": "# No cells\n",
}
BIB = """\
@misc{one2020,
  author = {One, A. and Two, B.},
  title = {T},
  year = {2020},
  eprint = {1},
}
@misc{two2021,
  author = {Two, B.},
  title = {T},
  year = {2021},
  eprint = {2},
}
"""


@pytest.fixture
def inline(tmp_path, monkeypatch):
    """Translates text of page one."""
    monkeypatch.setenv("CONDLESSON_REPOSITORY", "https://github.com/a/b")
    for name, text in PAGES.items():
        (tmp_path / f"{name}.md").write_text(text)
    (tmp_path / "references.bib").write_text(BIB)
    book = Book(tmp_path)
    return Inline(book, book.pages["one"], {"x": 0.12345, "n": 58470, "s": "text"})


ARXIV = "https://arxiv.org/abs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{cite}`one2020`", f"([One and Two, 2020]({ARXIV}/1))"),
        ("{cite:p}`one2020,two2021`", f"([One and Two, 2020]({ARXIV}/1); [Two, 2021]({ARXIV}/2))"),
        ("{cite:t}`two2021`", f"[Two (2021)]({ARXIV}/2)"),
        ("{doc}`two`", "[Page two](two.ipynb)"),
        ("{doc}`a title <two>`", "[a title](two.ipynb)"),
        ("{doc}`plain`", "[No cells](https://a.github.io/b/plain.html)"),
        ("{ref}`sec-one`", "[The first section](#The-first-section)"),
        ("{ref}`there <sec-two>`", "[there](two.ipynb#Of-`two`)"),
        ("{ref}`fig-one`", "Fig. 1"),
        ("{ref}`fig-two`", "Fig. 1 of [Page two](two.ipynb)"),
        ("{numref}`fig-one`", "Fig. 1"),
        ("{numref}`figure %s <fig-one>`", "figure 1"),
        ("{numref}`fig-two`", "Fig. 1 of [Page two](two.ipynb)"),
        ("{eq}`eq-two`", "(1) of [Page two](two.ipynb)"),
        ("{glue:text}`x:.2f` and {glue:text}`n:,.0f`", "0.12 and 58,470"),
        ("{glue:text}`s`", "text"),
        ("[a](two.md#part)", "[a](two.ipynb#part)"),
        ("[a](https://example.org/b.md)", "[a](https://example.org/b.md)"),
        ("![alt](_static/a.png)", "![alt](https://a.github.io/b/_images/a.png)"),
        ("`code` {doc}`two` `{doc}`", "`code` [Page two](two.ipynb) `{doc}`"),
        ("`` {doc}`two` ``", "`` {doc}`two` ``"),
        ("$\\frac{a}{b}$ `x`", "$\\frac{a}{b}$ `x`"),
    ],
)
def test_a_role_becomes_markdown(inline, text, expected):
    assert inline.inline(text, 1) == expected


def test_what_is_cited_is_kept(inline):
    inline.inline("{cite}`one2020` {cite:t}`two2021`", 1)
    assert inline.cited == {"one2020", "two2021"}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{abbr}`a`", "the role {abbr} is not known"),
        ("{cite}`none`", "there is no reference none"),
        ("{doc}`none`", "there is no page none"),
        ("[a](none.md)", "there is no page none"),
        ("{ref}`none`", "there is no label none"),
        ("{glue:text}`none`", "no cell of this page glues none"),
        ("{{ a }}", "{{ a }} is not known"),
    ],
)
def test_what_is_not_known_is_an_error_with_page_and_line(inline, text, fault):
    with pytest.raises(PageError, match=f"^one.md, line 5: {fault}"):
        inline.inline(f"a\n{text}", 4)


def test_the_address_of_the_site_is_the_setting(inline):
    assert addresses.site_address("plain") in inline.inline("{doc}`plain`", 1)
