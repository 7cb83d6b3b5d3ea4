"""The book as one page: what is folded is open, and links lead inside."""

import pytest
from bs4 import BeautifulSoup

from tools import print_book

PAGE = """<html><body><header>theme</header><article class="bd-article" role="main">
<h1 id="top">{name}<a class="headerlink" href="#top">#</a></h1>
<p class="reading-time">1 minute to read</p>
<p><a href="#top">here</a> <a href="two.html">two</a> <a href="two.html#top">two's top</a>
<a href="https://example.org/x.html#y">outside</a> <a href="search.html">search</a></p>
<p><label for="field">A field</label><input id="field"></p>
<details><summary>Solution</summary><p>42</p></details>
<img src="_images/a.svg" loading="lazy" alt="a"><img src="data:image/png;base64,AA" alt="b">
<button>Copy</button></article></body></html>"""


@pytest.fixture
def whole(tmp_path, monkeypatch):
    """Two small pages as one."""
    monkeypatch.setattr(print_book, "page_names", lambda: ["one", "two"])
    site = tmp_path / "html"
    site.mkdir()
    for name in ("one", "two"):
        (site / f"{name}.html").write_text(PAGE.format(name=name))
    return BeautifulSoup(print_book.one_page(site, tmp_path / "pdf"), "html.parser")


def test_all_pages_are_there_in_order(whole):
    assert [title.get_text() for title in whole.select("h1")] == ["one", "two"]
    assert "theme" not in whole.body.get_text()


def test_links_between_pages_stay_inside(whole):
    links = [link["href"] for link in whole.select("article")[0].select("a")]
    outside = "https://example.org/x.html#y"
    assert "search" in whole.select("article")[0].get_text()  # but only the site has one
    assert links == ["#one--top", "#two--", "#two--top", outside]
    identifiers = [tag["id"] for tag in whole.select("[id]")]
    assert len(identifiers) == len(set(identifiers))
    assert {link.removeprefix("#") for link in links if link[0] == "#"} <= set(identifiers)


def test_a_label_stays_with_its_field(whole):
    assert [label["for"] for label in whole.select("label")] == ["one--field", "two--field"]
    assert [field["id"] for field in whole.select("input")] == ["one--field", "two--field"]


def test_nothing_is_folded_or_waits_for_a_reader(whole):
    assert all(part.has_attr("open") for part in whole.select("details"))
    assert not whole.select("img[loading=lazy]")
    assert not whole.select("button, .headerlink, .reading-time")


def test_images_are_found(whole):
    sources = [image["src"] for image in whole.select("img")]
    assert sources[:2] == ["../html/_images/a.svg", "data:image/png;base64,AA"]


def test_a_page_that_is_not_built_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"index\.html is not built.*make html"):
        print_book.one_page(tmp_path, tmp_path)
