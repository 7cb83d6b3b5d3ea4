"""On paper: the whole book in one file, and a page that a reader prints."""

import io
import unicodedata

import pytest
from pypdf import PdfReader

from tests.book.built import HTML, PAGES, article
from tests.browser.chromium import browser
from tests.browser.site import as_file
from tools import print_book, screenshots

pytestmark = pytest.mark.slow


def squeezed(text: str) -> str:
    """Without the spaces that a PDF has where a line ends, and without its ligatures."""
    return "".join(unicodedata.normalize("NFKC", text).split())


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    pdf = tmp_path_factory.mktemp("pdf") / "book.pdf"
    assert print_book.main([str(HTML), str(pdf)]) == 0
    return PdfReader(pdf)


@pytest.mark.weekly
def test_every_page_is_a_chapter_with_a_bookmark(book):
    chapters = [entry for entry in book.outline if not isinstance(entry, list)]
    titles = [article(name).h1.get_text().removesuffix("#") for name in PAGES]
    assert [squeezed(entry.title) for entry in chapters] == [squeezed(title) for title in titles]
    begins = [book.get_destination_page_number(entry) for entry in chapters]
    assert begins == sorted(set(begins))  # each on a sheet of its own


@pytest.mark.weekly
def test_solutions_and_answers_are_on_paper(book):
    text = squeezed("".join(sheet.extract_text() for sheet in book.pages))
    folded = [
        paragraph.get_text()
        for name in PAGES
        for paragraph in article(name).select("details p")
        if len(paragraph.get_text()) > 100 and not paragraph.select("math")
    ]
    assert len(folded) > 20
    missing = [told for told in folded if squeezed(told)[:60] not in text]
    assert missing == []


@pytest.mark.weekly
def test_links_inside_the_book_lead_to_sheets(book):
    links = [note.get_object() for sheet in book.pages for note in sheet.get("/Annots", [])]
    inside = [link for link in links if "/Dest" in link]
    assert len(inside) > 100
    outside = [link["/A"]["/URI"] for link in links if "/URI" in link.get("/A", {})]
    assert not [address for address in outside if address.startswith("file:")]


def test_a_reader_who_prints_from_the_dark_gets_white_paper_with_nothing_folded():
    with browser() as chromium:
        page = chromium.new_page(color_scheme="dark")
        page.goto(as_file("exercise-1"))
        folded = page.locator("article details:not([open])")
        before = folded.count()
        assert before > 3
        printed = PdfReader(io.BytesIO(page.pdf()))
        assert folded.count() == before
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.evaluate("document.documentElement.dataset.theme") == "light"
        assert folded.count() == 0
    text = squeezed("".join(sheet.extract_text() for sheet in printed.pages))
    title = article("exercise-1").h1.get_text().removesuffix("#")
    assert squeezed(title) in squeezed(printed.pages[0].extract_text())
    assert "In this guided exercise" in printed.pages[0].extract_text()  # it is no title page
    hidden = [p for p in article("exercise-1").select("details p") if not p.find_parent("summary")]
    assert squeezed(hidden[0].get_text())[:30] in text


@pytest.mark.weekly
def test_pictures_show_whole_pages_in_both_themes_and_widths(tmp_path, capsys):
    arguments = [str(HTML), str(tmp_path), "--pages", "questions", "404"]
    assert screenshots.main(arguments) == 0
    taken = {path.name for path in tmp_path.glob("*.png")}
    for name in ("questions", "404"):
        for theme in ("light", "dark"):
            for width in (1300, 390):
                assert f"{name}-{theme}-{width}-1.png" in taken
    assert str(len(taken)) in capsys.readouterr().out
