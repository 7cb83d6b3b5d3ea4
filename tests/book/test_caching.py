"""Which pages run after a change: those whose inputs changed, and no others."""

import hashlib
import re
import shutil
import time

import pytest
from jupyter_cache import get_cache

from execution import inputs
from tests.book.tiny import ONE, PAGE, TOY, Tiny

# Of a change its file, old text, new text, and what a page shows then. Changes share a build where
# it cannot be said of one that another made a page run.
UNSEEN = ("one.html", "one shows 8 [1]")
NONE_RUNS = {
    "a sentence": (ONE, "Some words.", "Other words.", "one.html", "Other words."),
    "a title": (ONE, "# Page one", "# Page uno", "index.html", "Page uno"),
    "a heading with a label": (ONE, "## A place", "## A spot", "two.html", "A spot"),
    "a question": (ONE, "Which of them?", "Which of both?", "two.html", "Which of both?"),
    "a figure in front of another": (
        *(
            ONE,
            "It is that one.",
            "```{figure} _static/readme-page.png\n:alt: A page.\n\nA page.\n```\n",
        ),
        *("two.html", "Fig. 2"),
    ),
    "a paper": ("book/references.bib", "year={2020}", "year={1999}", "two.html", "1999"),
    "a style": (
        *("book/_static/lesson.css", "", "main { outline-width: 77px; }"),
        *("_static/book.css", "outline-width:77px"),
    ),
    "a script": (
        *("book/_static/lesson.js", "", "window.edited = 1;"),
        *("_static/book.js", "edited"),
    ),
    "the order of pages": (
        *("_toc.yml", "- file: one\n- file: two", "- file: two\n- file: one"),
        *("one.html", '<link rel="prev" title="Page two"'),
    ),
    "a tag": (
        *(ONE, "import os", ":tags: [hide-input]\n\nimport os"),
        *("one.html", "hide-input"),
    ),
    "a docstring": (f"{TOY}/direct.py", "A number twice.", "A number, twice.", *UNSEEN),
    "a comment": (f"{TOY}/indirect.py", "TWO", "# Two.\nTWO", *UNSEEN),
    "a module that no page imports": (f"{TOY}/unused.py", "1", "2", *UNSEEN),
    "a recorded run that none reads": (f"{TOY}/recorded/b.json", "2", "3", *UNSEEN),
    "a package without a pin": ("src/mine-9.dist-info/METADATA", "", "", *UNSEEN),
    "a comment on pins": ("requirements.txt", "# torch and ", "# Both ", *UNSEEN),
}
BOTH_RUN = {
    "a docstring that is shown": (
        *(f"{TOY}/other.py", "Another", "A new one"),
        *("two.html", "two shows A new one"),
    ),
    "a cell": (ONE, "twice(4)", "twice(5)", "one.html", "one shows 10 [1]"),
}
TWO_RUNS = {"a new recorded run": (f"{TOY}/recorded/c.json", "", "[4]", "two.html", "new one. 3")}
ONE_RUNS = {
    "a formula": (f"{TOY}/direct.py", "TWO * x", "TWO + x", "one.html", "one shows 7 [1]"),
    "a formula behind it": (f"{TOY}/indirect.py", "= 2", "= 3", "one.html", "shows 8 [1]"),
    "a recorded run": (f"{TOY}/recorded/a.json", "1", "5", "one.html", "shows 8 [5]"),
}
ALL_RUN = {
    "a pin": ("requirements.txt", "tqdm==", "tqdm==9", "index.html", "Page index"),
    "another version of what has a pin": (
        *("src/tqdm-9.dist-info/METADATA", "", "Name: tqdm"),
        *("index.html", "Page index"),
    ),
}
BUILDS = [  # the changes before each build, and which pages run in it
    (NONE_RUNS, []),
    ({}, []),
    (BOTH_RUN, ["one", "two"]),
    (TWO_RUNS, ["two"]),
    *(({name: change}, ["one"]) for name, change in ONE_RUNS.items()),
    *(({name: change}, ["index", "one", "two"]) for name, change in ALL_RUN.items()),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "book"
    tiny = Tiny(folder)
    cache = get_cache(folder / "_build" / ".jupyter_cache")
    limit = cache.get_cache_limit()
    cache.change_cache_limit(1)  # what this build runs must be kept all the same until it is read
    sound, ran, output = tiny.build()
    assert sound, output
    assert ran == ["index", "one", "two"]
    cache.change_cache_limit(limit)
    return tiny


@pytest.mark.slow
def test_kernels_that_run_side_by_side_share_no_ports(tiny):
    assert "kernels listen by ipc" in tiny.shown("index.html")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "expected"), BUILDS, ids=[", ".join([*c][:2]) or "nothing" for c, _ in BUILDS]
)
def test_only_pages_whose_inputs_changed_run(tiny, changes, expected):
    time.sleep(1.1)  # Python tells modules that were compiled apart by their second
    for file, old, new, _, _ in changes.values():
        tiny.change(file, old, new)
    sound, ran, output = tiny.build()
    assert sound, output
    assert ran == expected
    unseen = [name for name, (*_, page, text) in changes.items() if text not in tiny.shown(page)]
    assert unseen == []


@pytest.mark.weekly
def test_a_sentence_has_no_other_page_written(tmp_path):
    tiny = Tiny(tmp_path / "book")
    assert tiny.build()[0]
    other = tiny.folder / "_build" / "html" / "two.html"
    written = other.stat().st_mtime_ns
    tiny.change(ONE, "Some words.", "Other words.")
    assert tiny.build()[0]
    assert "Other words." in tiny.shown("one.html")
    assert other.stat().st_mtime_ns == written


@pytest.mark.weekly
def test_an_older_page_that_is_put_back_is_read_again(tmp_path):
    tiny = Tiny(tmp_path / "book")
    page, other = tiny.folder / ONE, tmp_path / "one.md"
    shutil.copy2(page, other)
    tiny.change(ONE, "Some words.", "Other words.")
    assert tiny.build()[0]
    other.rename(page)
    sound, ran, output = tiny.build()
    assert (sound, ran) == (True, []), output
    assert "Some words." in tiny.shown("one.html")


@pytest.mark.weekly
def test_pages_run_again_where_a_variable_of_the_package_is_another(tmp_path):
    tiny = Tiny(tmp_path / "book")
    tiny.change(ONE, "print(", "print(os.environ['CONDLESSON_REPOSITORY'], ")
    for name, expected in (("a", 3), ("b", 3), ("b", 0)):
        sound, ran, output = tiny.build(CONDLESSON_REPOSITORY=f"https://github.com/{name}/book")
        assert (sound, len(ran)) == (True, expected), output
        assert f"https://github.com/{name}/book one shows" in tiny.shown("one.html")


def test_what_a_worker_read_for_another_page_is_read_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "_roots", lambda: [tmp_path])
    read = tmp_path / "read.txt"
    for content in ("one", "two"):
        read.write_text(content)
        later = time.time() + 10
        found = inputs.inputs_of([f"read\t{read}"], "", later)
        assert found[f"read {read}"][0] == hashlib.sha256(content.encode()).hexdigest()[:32]


@pytest.mark.weekly
def test_a_page_that_is_gone_is_not_in_the_site(tmp_path):
    tiny = Tiny(tmp_path / "book")
    assert tiny.build()[0]
    (tiny.folder / ONE).rename(tiny.folder / "book" / "uno.md")
    tiny.change("_toc.yml", "file: one", "file: uno")
    sound, _, output = tiny.build()
    assert sound, output
    site = tiny.folder / "_build" / "html"
    assert sorted(path.stem for path in (site / "_sources").iterdir()) == ["index", "two", "uno"]
    assert "one shows 8" in tiny.shown("uno.html")
    assert not (site / "one.html").exists()


@pytest.mark.weekly
def test_pages_run_side_by_side(tmp_path):
    tiny = Tiny(tmp_path / "book")
    spans = "import time; begun = time.time(); time.sleep(4); print('span', begun, time.time())"
    for name in ("one", "two"):
        tiny.write(f"book/{name}.md", PAGE.format(name=name, code=spans, more=""))
    sound, _, output = tiny.build()
    assert sound, output
    found = [re.search(r"span ([\d.]+) ([\d.]+)", tiny.shown(f"{n}.html")) for n in ("one", "two")]
    (begun, ended), (other_begun, other_ended) = (map(float, match.groups()) for match in found)
    overlap = min(ended, other_ended) - max(begun, other_begun)
    assert overlap > 0
