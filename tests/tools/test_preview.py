"""The preview names what differs between two sites, and nothing that does not matter."""

import shutil
import subprocess
import sys

import pytest
from bs4 import BeautifulSoup

from tools.contents import ROOT
from tools.preview import compare, write_preview

PAGE = """<!DOCTYPE html><html><head><link href="_static/book.css?v=1"></head><body>
<nav class="bd-links"><a href="a.html">Page a</a><a href="b.html">Page b</a></nav>
<article class="bd-article"><h1>Page {name}<a class="headerlink" href="#x">#</a></h1>
<nav class="launch"><a href="https://launch.example">Open</a></nav>
<p>A first <em>sentence</em>. A <a href="b.html">link</a>.</p>
<pre>one = 1
two = 2</pre>
<table><tr><th>Document</th><th>Run Time (s)</th></tr><tr><td>a</td><td>3.5</td></tr></table>
<figure><img src="_images/{name}.svg" alt="A curve.">
<figcaption>Fig. 3 A curve</figcaption></figure>
<img src="_images/other.svg" alt="Another picture.">
<nav class="prev-next-footer"><a href="b.html">next</a></nav>
</article><footer>Version 1, commit abc, 2026-01-01</footer></body></html>"""


@pytest.fixture
def sites(tmp_path):
    """Two folders with the same site of three pages, and an index."""
    before = tmp_path / "before"
    (before / "_images").mkdir(parents=True)
    (before / "_static").mkdir()
    for name in ("a", "b", "c"):
        (before / f"{name}.html").write_text(PAGE.format(name=name))
        (before / "_images" / f"{name}.svg").write_text(f"<svg>{name}</svg>")
    (before / "_images" / "other.svg").write_text("<svg>other</svg>")
    (before / "_static" / "book.css").write_text("p {}")
    (before / "genindex.html").write_text('<article class="bd-article">old</article>')
    after = tmp_path / "after"
    shutil.copytree(before, after)
    return before, after


def edit(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def changes(sites):
    found = compare(*sites)
    assert (found.added, found.gone) == ([], [])
    return {comparison.after.name: comparison.changes for comparison in found.changed}


MARKUP = "the markup, or the data of a moving figure"
UNIMPORTANT = {
    "commit and date": ("commit abc, 2026-01-01", "commit def, 2026-02-02"),
    "the version of a style sheet": ("book.css?v=1", "book.css?v=2"),
    "the table of contents": ("Page b</a></nav>", "Page c</a></nav>"),
    "what comes next": ('href="b.html">next', 'href="c.html">next'),
    "seconds of a run": ("<td>3.5</td>", "<td>4.5</td>"),
    "a launch link": ("launch.example", "launch.example/new"),
    "nothing": ("Page", "Page"),
}
IMPORTANT = {
    "a sentence": ("A first", "The first", ["1 line of text"]),
    "a line of code": ("two = 2", "two = 3\nthree = 3", ["2 lines of text"]),
    "a link": ('href="b.html">link', 'href="c.html">link', ["links: b.html, c.html"]),
    "an alt text": ('alt="A curve."', 'alt="A line."', [MARKUP]),
    "a picture's name": (
        *("_images/other.svg", "_images/none.svg"),
        ["pictures: Another picture."],
    ),
}


@pytest.mark.parametrize("change", UNIMPORTANT)
def test_what_does_not_matter_is_no_change(sites, change):
    edit(sites[1] / "a.html", *UNIMPORTANT[change])
    (sites[1] / "genindex.html").write_text('<article class="bd-article">new</article>')
    assert changes(sites) == {}


@pytest.mark.parametrize("change", IMPORTANT)
def test_what_changed_is_named_on_its_page_alone(sites, change):
    old, new, expected = IMPORTANT[change]
    edit(sites[1] / "a.html", old, new)
    assert changes(sites) == {"a.html": expected}


def test_a_picture_that_changed_behind_the_same_page_is_named_by_its_number(sites):
    (sites[1] / "_images" / "b.svg").write_text("<svg>another colour</svg>")
    assert changes(sites) == {"b.html": ["pictures: Fig. 3"]}


def test_a_picture_of_another_name_and_the_same_content_is_the_same(sites):
    (sites[1] / "_images" / "b.svg").rename(sites[1] / "_images" / "moved.svg")
    edit(sites[1] / "b.html", "_images/b.svg", "_images/moved.svg")
    assert changes(sites) == {}


def test_the_page_lists_pages_with_links_to_both_versions(sites, tmp_path):
    before, after = sites
    edit(after / "a.html", "first <em>sentence</em>", "last <b>&lt;phrase&gt;</b>")
    (after / "b.html").rename(after / "d.html")
    (after / "_static" / "book.css").write_text("p { color: red }")
    (before / ".git").mkdir()
    summary = write_preview(before, after, tmp_path / "out").summary()
    page = BeautifulSoup((tmp_path / "out" / "index.html").read_text(), "html.parser")
    links = [link["href"] for link in page.select("a")]
    assert links == ["before/a.html", "after/a.html", "after/d.html", "before/b.html"]
    assert all((tmp_path / "out" / link).is_file() for link in links)
    assert [mark.get_text() for mark in page.select("del, ins")] == [
        "first sentence.",
        "last <phrase>.",
    ]
    assert "_static/book.css" in page.get_text()
    assert not (tmp_path / "out" / "before" / ".git").exists()
    assert summary.splitlines() == [
        "Of the pages, 1 changed, 1 new, 1 gone, 1 as before.",
        "",
        "- changed: Page a (a.html): 1 line of text",
        "- new: Page b (d.html)",
        "- gone: Page b (b.html)",
        "- of every page: _static/book.css",
    ]
    assert (tmp_path / "out" / "summary.md").read_text() == summary


def test_nothing_published_and_nothing_changed_are_told_apart(sites, tmp_path):
    before, after = sites
    empty = tmp_path / "empty"
    empty.mkdir()
    told = [compare(folder, after).summary() for folder in (empty, before)]
    assert told[0].startswith(
        "Nothing was published before, so every page is new.\n\n- new: Page a"
    )
    assert told[1] == "Of the pages, none changed, 3 as before.\n"


def test_the_table_of_contents_is_said_once(sites):
    edit(sites[1] / "a.html", "Page b</a></nav>", "Page c</a></nav>")
    assert compare(*sites).shared == ["the table of contents"]


def test_pictures_of_one_name_are_told_apart_by_content(sites):
    for site in sites:
        twice = '<img src="_images/first.svg" alt="Another picture."><img><img src="_images/other'
        edit(site / "a.html", '<img src="_images/other', twice)
        (site / "_images" / "first.svg").write_text(f"<svg>{site}</svg>")
    assert changes(sites) == {"a.html": ["pictures: Another picture."]}


def test_a_picture_whose_name_is_quoted_is_found(sites):
    for site in sites:
        (site / "_images" / "my pic.svg").write_text(f"<svg>{site}</svg>")
        edit(site / "a.html", "_images/other.svg", "_images/my%20pic.svg")
    assert changes(sites) == {"a.html": ["pictures: Another picture."]}


def test_a_footer_that_changed_is_said_once(sites):
    for name in ("a", "b", "c"):
        edit(sites[1] / f"{name}.html", "Version 1", "Version 2")
    assert compare(*sites).shared == ["the footer"]


WRONG = {
    "none after": "Check out the branch gh-pages",
    "after/_images after": "Check out the branch gh-pages",
    "after empty": "Run: make html",
    "out/before after": "must lie outside it",
    ". after": "Check out the branch gh-pages",
}


@pytest.mark.slow
@pytest.mark.parametrize("folders", WRONG)
def test_a_folder_that_is_not_there_or_holds_no_site_is_an_error(sites, folders):
    root = sites[0].parent
    (root / "empty").mkdir()
    shutil.copytree(sites[0], root / "out" / "before")
    named = [root / name for name in [*folders.split(), "out"]]
    done = subprocess.run(
        [sys.executable, "-m", "tools.preview", *named],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert WRONG[folders] in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
