"""Each page is whole: headings, figures, search, formulas, outputs, and where runs were made."""

import re
from collections import Counter
from itertools import pairwise

import pytest

from condlesson.experiment.runs import list_runs
from tests.book.built import HTML, PAGES, article, page, text_without

CODE = "pre, code, script, style, math"
LEFT_OVER = {
    "TeX": re.compile(r"\\[(\[]|\\(?:frac|sqrt|mathrm|bar|begin)\b|\$\$|\$\\"),
    "MyST": re.compile(
        r"\{(?:ref|numref|doc|cite\w*|glue\w*|term|py:\w+|math|eq)(?::\w+)?\}|^:{3,}", re.M
    ),
    "a missing glue value": re.compile(r"glue:|No key|undefined"),
}

every_page = pytest.mark.parametrize("name", PAGES)


@every_page
def test_page_is_built(name):
    assert article(name).get_text().strip()


@every_page
def test_one_heading_of_the_first_level(name):
    # The theme adds a second one that only print shows.
    headings = [h for h in page(name).find_all("h1") if not h.find_parent(class_="onlyprint")]
    assert [h.find_parent("article") is not None for h in headings] == [True]


@every_page
def test_headings_skip_no_level(name):
    levels = [int(h.name[1]) for h in article(name).find_all(re.compile("^h[1-6]$"))]
    jumps = [pair for pair in pairwise(levels) if pair[1] > pair[0] + 1]
    assert not jumps


@every_page
def test_page_says_its_language_and_title(name):
    assert page(name).html["lang"] == "en"
    assert page(name).title.get_text().strip()


@every_page
def test_images_stand_in_figures_with_captions(name):
    for img in article(name)("img"):
        figure = img.find_parent("figure")
        assert figure is not None, f"{img['src']} is in no figure"
        assert figure.get("id"), f"{img['src']} has no name"
        assert len(figure.figcaption.get_text().strip()) > 20, f"{figure['id']} has no caption"


@every_page
def test_one_search_field(name):
    assert len(page(name).select("input[type=search]")) == 1  # in a dialog that a button opens
    # One beside the text on wide screens, an icon on narrow ones.
    for kind in ("search-button-field", "search-button"):
        assert len(page(name).select(f"button.{kind}")) == 1


@every_page
def test_ids_are_unique(name):
    counts = Counter(tag["id"] for tag in page(name).find_all(id=True))
    assert [key for key, count in counts.items() if count > 1] == []


@every_page
@pytest.mark.parametrize("kind", LEFT_OVER)
def test_no_markup_is_left_over(name, kind):
    found = LEFT_OVER[kind].search(text_without(name, CODE))
    assert not found, f"{kind} is left over: {found and found.group()!r}"


@every_page
def test_formulas_are_mathml(name):
    assert not page(name).select("span.math.notranslate, div.math.notranslate, .MathJax")
    for formula in article(name)("math"):
        assert "\\" not in formula.get_text(), formula.get_text()


@every_page
def test_nothing_is_marked_as_broken(name):
    assert not page(name).select(".problematic, .system-message, .error-message")


@every_page
def test_cells_ran_without_complaint(name):
    assert not article(name).select(".output.stderr, .output.traceback, .stderr, .traceback")
    assert "Traceback (most recent call last)" not in article(name).get_text()


@every_page
def test_no_object_is_shown_by_its_address(name):
    outputs = " ".join(tag.get_text() for tag in article(name).select(".cell_output"))
    assert not re.search(r"<[\w.]+ .*at 0x[0-9a-f]+>|<Axes|<Figure", outputs)


@every_page
def test_page_asks_no_other_server(name):
    soup = page(name)
    sources = [tag["src"] for tag in soup.select("[src]")]
    sheets = [tag["href"] for tag in soup.select("link[rel=stylesheet]")]
    assert not [url for url in sources + sheets if url.startswith(("http:", "https:", "//"))]


@every_page
def test_places_of_recorded_runs_are_true(name):
    shown = re.findall(r"[^\n]*\((?:CPU|GPU)\), \d{4}-\d\d-\d\d", article(name).get_text())
    places = tuple(run.recorded_on for run in list_runs())
    assert [text for text in shown if not text.endswith(places)] == []


def test_the_comparison_says_where_its_runs_were_made():
    text = article("exercise-4").get_text()
    assert any(run.recorded_on in text for run in list_runs())


@every_page
def test_glued_numbers_have_a_true_minus(name):
    shown = [tag.get_text() for tag in article(name).select(".pasted-text")]
    assert [text for text in shown if text.startswith("-")] == []


def test_the_search_index_knows_the_pages():
    index = (HTML / "searchindex.js").read_text()
    assert [name for name in PAGES if f'"{name}"' not in index] == []
