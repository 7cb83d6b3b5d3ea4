"""What is wrong in _config.yml or _toc.yml ends a build before a page runs.

The files are those of the book with one fault each.
"""

import re

import pytest

from papers import wrong_papers
from settings import wrong_files
from tests.book.built import ROOT
from tests.book.test_broken_builds import GOOD, make_html, tiny_book

CONFIG, TOC = "_config.yml", "_toc.yml"
FAULTS = {  # the file, what of it is replaced, by what, and what is told; LINE is where that stood
    "top": (
        CONFIG,
        "launch_buttons:",
        "launch_button:",
        "LINE: launch_button is .* launch_buttons mea",
    ),
    "inside": (
        CONFIG,
        "  timeout:",
        "  timout:",
        "LINE: execute: timout is no .* Is timeout meant?",
    ),
    "twice": (CONFIG, "author:", "title: B\nauthor:", "title stands there twice, .* Remove one"),
    "type": (CONFIG, "timeout: 900", "timeout: long", "execute: timeout: 'long' is not of type"),
    "extension": (CONFIG, "napoleon", "napolean", "no .* sphinx.ext.napolean. Is napoleon meant"),
    "own": (
        CONFIG,
        "desk: book",
        "desc: book",
        "there is no Sphinx extension desc. Is desk meant?",
    ),
    "parent": (CONFIG, "execution.re", "exekution.re", "exekution.rereading. Is execution meant?"),
    "suppressed": (
        CONFIG,
        "suppress_warnings: ..",
        "suppress_warnings: [ref]",
        r"suppress_warnings must be \[\], got \['ref'\]: faults would pass",
    ),
    "off": (CONFIG, "notebooks: cache", 'notebooks: "off"', "must be 'cache', got 'off'"),
    "errors": (CONFIG, "  timeout:", "  allow_errors: true\n  timeout:", "must be False, got True"),
    "guard": (
        CONFIG,
        "    figures: book/_ext\n",
        "",
        "figures is missing, .* Enter it: figures: book",
    ),
    "nothing": (CONFIG, ".*", "", "must hold keys with values"),
    "list": (CONFIG, ".*", "- a", "must hold keys with values"),
    "tab": (CONFIG, "  branch", "\tbranch", "LINE: it is no YAML: .* Indent by spaces"),
    "bracket": (CONFIG, "deflist, .*?]", "deflist", "LINE: it is no YAML: .* close brackets"),
    "latin": (CONFIG, "authors", "\udce9", "LINE: it must be UTF-8 text. Save it as UTF-8."),
    "no toc": (TOC, ".*", "", "must hold keys with values"),
    "toc yaml": (TOC, "root:", "root: [", "LINE: it is no YAML: .* close brackets and quotes."),
    "page": (TOC, "root: index", "root: indax", "LINE: there is no page indax. Is index meant?"),
    "toc twice": (
        TOC,
        "  - caption: The",
        "    chapters:\n      - file: refresher\n  - caption: The",
        "LINE: chapters stands there twice, .* Join them.",
    ),
    "toc caption": (TOC, "caption: More", "caption:", "LINE: caption has no words. Write some"),
    "toc dot": (TOC, "- file: working", "- file: ./working", "LINE: write working, got ./working"),
    "norwegian": (CONFIG, "language: en", "language: no", "must be a text, got False. Put it in"),
    "language": (CONFIG, "language: en", "language: xx", "must be one that Sphinx speaks, got xx."),
    "folder": (CONFIG, "book: book", "book: boook", "path_to_book must be a folder .* got boook"),
    "docs": (CONFIG, "docs: book", "docs: boook", "path_to_docs must be a folder .* got boook"),
    "address": (
        CONFIG,
        "https://mybinder.org",
        "mybinder.org",
        "binderhub_url must be empty or an address with https://, got mybinder.org. Mend it.",
    ),
    "outputs": (
        CONFIG,
        "nb_merge_streams",
        "nb_remove_code_outputs: true\n    nb_merge_streams",
        "outputs must be False, got True",
    ),
    "comments": (
        CONFIG,
        "  home_page",
        "  comments: {hypothesis: true}\n  home_page",
        "html: comments would do nothing: .* Take it out.",
    ),
    "analytics": (
        CONFIG,
        "  home_page",
        "  analytics: {google_analytics_id: G-1}\n  home_page",
        "html: analytics would do nothing: .* Take it out.",
    ),
    "footer": (CONFIG, "</a>", "", "html: extra_footer: <a> is opened and not closed. Close it."),
    "announcement": (
        CONFIG,
        "  home_page",
        '  announcement: "<b>New</i></b>"\n  home_page',
        "html: announcement: </i> closes nothing that is open. Mend it.",
    ),
    "style": (
        CONFIG,
        "style: author_year",
        "style: author_yaer",
        "there is no style author_yaer. Is author_year meant?",
    ),
    "sheet": (
        CONFIG,
        r"\[lesson.css",
        "[lessons.css",
        "there is no file book/_static/lessons.css. Is lesson.css meant?",
    ),
    "papers": (CONFIG, "references.bib", "reference.bib", "there is no file reference.bib in book"),
    "toc key": (TOC, "root: index", "root: index\nchaptres: 1", "chaptres"),
}


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The two files of the book, and a page for each entry."""
    folder = tmp_path_factory.mktemp("settings")
    (folder / "book").symlink_to(ROOT / "book")
    return folder


@pytest.mark.fault(
    "a setting, an extension or a page is misspelt, or _config.yml or _toc.yml is no YAML",
    "the build fails before anything runs, with file, line, what is near and cure",
)
@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_in_the_two_files_is_told(book, name):
    file, old, new, told = FAULTS[name]
    for kept in (CONFIG, TOC):
        (book / kept).write_bytes((ROOT / kept).read_bytes())
    assert wrong_files(book) == []
    text = (book / file).read_text("utf-8")
    place = re.search(old, text, re.S)
    faulty = text[: place.start()] + new + text[place.end() :]
    (book / file).write_bytes(faulty.encode("utf-8", "surrogateescape"))
    [fault] = wrong_files(book)
    assert fault.startswith(file)
    line = text.count("\n", 0, place.start()) + 1
    assert re.search(told.replace("LINE", f"line {line}"), fault)


def test_a_file_that_is_gone_is_named(book):
    (book / CONFIG).unlink(missing_ok=True)
    (book / TOC).unlink(missing_ok=True)
    assert [fault.split(" is missing")[0] for fault in wrong_files(book)] == [CONFIG, TOC]


PAPER = "@misc{{a,\n  {}\n}}\n"
PAPERS = {  # what a file of BibTeX holds, and what is told of it
    "comma": (PAPER.format("title = {T}\n  year = {2020}"), "line 3: a: '}' expected. Put a comma"),
    "brace": (
        PAPER.format("title = {T") + "@misc{b,}",
        "line 3: a: premature end of file. Put a comma behind each field, and close each brace",
    ),
    "kind": ("@artcle{a,}", "line 1: a: there is no kind of entry @artcle. Is @article meant?"),
    "names": (
        PAPER.format("author = {A, B, C, D}"),
        "line 1: a: Too many commas in 'A, B, C, D'. Write a name as Family, Given, and `and`",
    ),
    "string": (PAPER.format("title = foo"), "line 2: a: nothing is called foo. Put the value in"),
    "field": (PAPER.format("title={T}, title={T}"), "line 1: a: .* duplicate title field. Remove"),
    "key": (PAPER.format("") + "\n@misc{A,}", "line 5: A: repeated bibliography entry: A. Remove"),
    "no key": (
        "@misc{title = {T}}",
        "line 1: an entry has no key to cite it by. Begin it",
    ),
    "no kind": ("@ {a,}", "line 1: an entry must begin as @article{key, got @ {a,}. Mend it."),
    "year": (
        PAPER.format("year = {20x0}"),
        "line 1: a: year must have four digits, or say in press",
    ),
    "url": (PAPER.format("url = {www.a.org}"), "line 1: a: url must be an address .* got www.a"),
    "doi": (PAPER.format("doi = {https://doi.org/10.1/a}"), "line 1: a: doi must begin with 10., "),
    "latin": ("\udce9", "line 1: it must be UTF-8 text. Save it as UTF-8."),
}


@pytest.mark.fault(
    "the file of references is no BibTeX, or an entry of it has a kind, a name, a year or an "
    "address that is none",
    "the build fails before anything runs, with file, line, entry and cure",
)
@pytest.mark.parametrize("name", PAPERS)
def test_what_is_wrong_with_a_reference_is_told(tmp_path, name):
    text, told = PAPERS[name]
    (tmp_path / "papers.bib").write_bytes(text.encode("utf-8", "surrogateescape"))
    [fault] = wrong_papers(tmp_path / "papers.bib")
    start, middle, end = told.partition(".*")
    assert fault.startswith(f"papers.bib, {start}")
    assert not middle or end in fault


def test_sound_references_pass(tmp_path):
    strings = '@string{j = "A Journal"}\n@comment{No entry}\n@preamble{"p"}\n\n'
    (tmp_path / "papers.bib").write_text(f"{strings}@article(a, journal = j, year = 2020)\n")
    assert list(wrong_papers(tmp_path / "papers.bib")) == []


@pytest.mark.slow
@pytest.mark.fault(
    "a setting of Sphinx or an option of the theme is misspelt",
    "the build fails before anything runs, with file, what is near and cure",
)
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("language: en", "html_them: furo", "html_them is no setting .* Is html_theme meant?"),
        ("show_toc_level", "show_toc_levl", "show_toc_levl is no .* Is show_toc_level meant?"),
        ("show_toc_level: 2", "show_toc_level: two", "must be a whole number, got 'two'"),
        ("fieldlist", "fieldlists", "'fieldlists'"),
        ("  timeout: 900", "  timout: 900", "Is timeout meant?"),
    ],
)
def test_a_setting_that_nothing_knows_ends_the_build(tmp_path, old, new, told):
    settings = tiny_book(tmp_path, GOOD) / CONFIG
    settings.write_text(settings.read_text().replace(old, new, 1))
    result = make_html(tmp_path)
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert re.search(rf"{told}", output)
    assert "Traceback" not in output
