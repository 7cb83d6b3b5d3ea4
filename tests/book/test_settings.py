"""What is wrong in _config.yml or _toc.yml ends a build before a page runs.

The files are those of the book with one fault each.
"""

import re

import pytest

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
