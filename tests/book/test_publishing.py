"""What pages say of themselves: titles, descriptions, versions; and addresses, if they have any."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from PIL import Image

import condlesson
import publishing
from condlesson.notebooks import addresses
from tests.book.built import PAGES, ROOT, article, page, text_without
from tests.book.test_broken_builds import GOOD, make_html, tiny_book

OTHERS = ("search", "genindex", "404")
MADE = {"api", "api-tools", "references", "index"}  # from docstrings, entries, templates


def is_folded_or_output(tag):
    is_open = "predict" in " ".join(tag.get("class", []))  # a script opens it, or the reader
    return (tag.name == "details" and not is_open) or "cell_output" in tag.get("class", [])


every_page = pytest.mark.parametrize("name", (*PAGES, *OTHERS))


def described(tree):
    return tree.select_one("meta[name=description]")["content"]


@pytest.mark.parametrize("name", PAGES)
def test_a_description_says_what_the_page_is_about(name):
    assert 40 <= len(described(page(name))) <= publishing.LONGEST
    assert described(page(name))[-1] in ".?!:…"


@pytest.mark.parametrize("name", sorted({*PAGES} - MADE))
def test_a_page_says_how_long_it_takes_to_read(name):
    [told] = [tag.get_text() for tag in page(name).select("h1 + .reading-time")]
    [minutes] = re.findall(r"^(\d+) minutes? to read$", told)
    folded = "details.sd-dropdown, .predict-feedback"
    words = len(text_without(name, f"pre, .cell_output, math, .predictions, {folded}").split())
    code = [pre for pre in article(name)("pre") if not pre.find_parent(is_folded_or_output)]
    lines = sum(bool(line.strip()) for pre in code for line in pre.get_text().splitlines())
    assert 0.7 < int(minutes) / (words / 200 + lines / 25) < 1.3


def test_minutes_are_the_same_wherever_they_are_told():
    told = {name: page(name).select_one(".reading-time").get_text().split()[0] for name in PAGES
            if page(name).select(".reading-time")}  # fmt: skip
    cards = page("index").select(".card-link")
    assert len(cards) == 5
    for card in cards:
        name = card["href"].removesuffix(".html")
        assert card.small.get_text().startswith(f"{told[name]} min to read")
    rows = page("teaching").select_one("table").select("tr")
    named = {row.a["href"].removesuffix(".html"): row("td")[1].get_text() for row in rows if row.a}
    measured = {name: shown for name, shown in named.items() if name != "museum"}
    assert measured == {name: f"{told[name]} min" for name in measured}
    assert len(measured) > 6


def test_titles_and_descriptions_are_each_page_s_own():
    for texts in (
        [page(name).title.get_text() for name in (*PAGES, *OTHERS)],
        [described(page(name)) for name in (*PAGES, *OTHERS)],
    ):
        assert [text for text, count in Counter(texts).items() if count > 1] == []


@every_page
def test_the_footer_says_version_and_commit(name):
    footer = page(name).select_one("footer.book-footer")
    assert f"Version {condlesson.__version__}" in footer.get_text()
    log = subprocess.run(
        ["git", "log", "--format=%H %cs"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    [link] = footer.select("a[href*='/commit/']")
    assert f"{link['href'].rpartition('/')[2]} {footer.time['datetime']}" in log


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_edited_and_mistakes_reported(name):
    links = [link["href"] for link in page(name).select("footer.book-footer a")]
    repository = addresses.repository_url()
    assert f"{repository}/edit/{addresses.source_branch()}/book/{name}.md" in links
    assert any(link.startswith(f"{repository}/issues/new?title=") for link in links)


def test_the_page_for_lost_readers_leads_on():
    links = {link["href"] for link in page("404").select("article a")}
    assert links == {"index.html", "search.html", "genindex.html"}


def test_without_an_address_there_is_no_card():
    tree = page("index")
    assert tree.select("meta[property^='og:'], link[rel=canonical], base") == []


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small book of somebody whose repository is known."""
    folder = tiny_book(tmp_path_factory.mktemp("book"), f"It is about *words*.\n\n{GOOD}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDLESSON_REPOSITORY", "https://github.com/somebody/fork")
        done = make_html(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "_build" / "html"


def parsed(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(), "html.parser")


@pytest.mark.slow
def test_with_an_address_other_sites_can_show_a_page(published):
    site = "https://somebody.github.io/fork/"
    tree = parsed(published / "index.html")
    said = {tag["property"]: tag["content"] for tag in tree.select("meta[property^='og:']")}
    assert said["og:url"] == tree.select_one("link[rel=canonical]")["href"] == f"{site}index.html"
    assert said["og:title"] == "A tiny book"
    assert said["og:description"] == described(tree) == "It is about words."
    card = said["og:image"].removeprefix(site)
    with Image.open(published / card) as image:
        assert image.size == (1200, 630)


@pytest.mark.slow
def test_with_an_address_there_is_a_map_of_the_site(published):
    tree = ElementTree.parse(published / "sitemap.xml")
    places = [place.text for place in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert places == ["https://somebody.github.io/fork/index.html"]


@pytest.mark.slow
def test_with_an_address_a_lost_reader_s_page_works_at_any_depth(published):
    assert parsed(published / "404.html").base["href"] == "/fork/"
    assert parsed(published / "index.html").base is None


@pytest.mark.parametrize(
    ("text", "end"), [("One. " + "word " * 40, "…"), ("word " * 25 + "end. " + "word " * 9, "end.")]
)
def test_a_long_description_ends_after_a_sentence_or_a_word(text, end):
    from docutils.core import publish_doctree

    shown = publishing.description(publish_doctree(text))
    assert len(shown) <= publishing.LONGEST
    assert shown.endswith(end)
    assert re.sub("…$", "", shown) in text
