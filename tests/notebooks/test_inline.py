from base64 import b64encode

import pytest

from condlesson.notebooks import addresses
from condlesson.notebooks.inline import Inline, _anchor
from condlesson.notebooks.pages import Book, PageError

FRONT = "---\nkernelspec:\n  name: python3\n---\n"
PAGES = {
    "one": FRONT + "# Page one\n\n(sec-one)=\n## The first section\n\n"
    "```{code-cell}\n---\nmystnb:\n  figure:\n    name: fig-one\n    caption: A.\n---\nx\n```\n",
    "two": FRONT + "# Page two\n\n$$\na\n$$ (eq-two)\n\n(sec-two)=\n## Of `two`\n\n"
    "```{code-cell}\n---\nmystnb:\n  figure:\n    name: fig-two\n    caption: A.\n---\nx\n```\n",
    "plain": "# No cells\n",
    "notation": "# Notation\n",
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
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(b"a picture")
    book = Book(tmp_path)
    return Inline(book, book.pages["one"], {"x": 0.12345, "n": 58470, "s": "text", "below": -0.5})


PICTURE = f"data:image/png;base64,{b64encode(b'a picture').decode()}"
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
        ("{ref}`there <sec-two>`", "[there](two.ipynb#Of-two)"),
        ("[there](#sec-two)", "[there](two.ipynb#Of-two)"),
        ("[](#sec-one)", "[The first section](#The-first-section)"),
        ("[the picture](#fig-one)", "the picture"),
        ("{ref}`fig-one`", "Fig. 1"),
        ("{ref}`fig-two`", "Fig. 1 of [Page two](two.ipynb)"),
        ("{numref}`fig-one`", "Fig. 1"),
        ("{term}`words <word>`", "[words](https://a.github.io/b/notation.html)"),
        ("{numref}`figure %s <fig-one>`", "figure 1"),
        ("{numref}`fig-two`", "Fig. 1 of [Page two](two.ipynb)"),
        ("{eq}`eq-two`", "(1) of [Page two](two.ipynb)"),
        ("{glue:text}`x:.2f` and {glue:text}`n:,.0f`", "0.12 and 58,470"),
        ("{glue:text}`s`", "text"),
        ("{glue:text}`below:+.1f`", "−0.5"),
        ("[a](two.md#part)", "[a](two.ipynb#part)"),
        ("[a](https://example.org/b.md)", "[a](https://example.org/b.md)"),
        ("![alt](images/a.png)", f"![alt]({PICTURE})"),
        ('<img alt="b" src="images/a.png" width="9">', f'<img alt="b" src="{PICTURE}" width="9">'),
        ("![alt](https://example.org/a.png)", "![alt](https://example.org/a.png)"),
        ('<a href="https://example.org">a</a>', '<a href="https://example.org">a</a>'),
        ("{math}`x^2`", "$x^2$"),
        ("`code` {doc}`two` `{doc}`", "`code` [Page two](two.ipynb) `{doc}`"),
        ("`` {doc}`two` ``", "`` {doc}`two` ``"),
        ("$\\frac{a}{b}$ `x`", "$\\frac{a}{b}$ `x`"),
    ],
)
def test_a_role_becomes_markdown(inline, text, expected):
    assert inline.inline(text, 1) == expected


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Of `two` *and* **three**", "Of-two-and-three"),
        ("A [link](https://example.org)", "A-link"),
        ('"Why?" (part 2)', "%22Why?%22-%28part-2%29"),
    ],
)
def test_a_link_to_a_heading_is_what_jupyterlab_calls_it(heading, anchor):
    assert _anchor(heading) == anchor


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
        ("[a](#none)", "there is no label none"),
        ("a[^note]", r"\[\^note\] is not known"),
        ("<project:#sec-one>", "<project:#sec-one> is not known"),
        ('<a href="two.html">', 'href="two.html" is not known'),
        ("![alt](images/b.png)", "there is no image images/b.png"),
        ("![alt](_static/a.png)", "an image must be .* in images/, got _static/a.png"),
        ('<img src="images/a.xyz">', "an image must be a PNG, JPEG, GIF or SVG file"),
    ],
)
def test_what_is_not_known_is_an_error_with_page_and_line(inline, text, fault):
    with pytest.raises(PageError, match=f"^one.md, line 5: {fault}"):
        inline.inline(f"a\n{text}", 4)


def test_the_address_of_the_site_is_the_setting(inline):
    assert addresses.site_address("plain") in inline.inline("{doc}`plain`", 1)
