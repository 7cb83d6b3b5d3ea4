"""`make html`, with which `make book` starts, fails when a page or a recorded run is broken."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.book.built import ROOT
from tests.conftest import outside_make

pytestmark = pytest.mark.slow

PAGE = """---
file_format: mystnb
kernelspec:
  name: python3
---

# A tiny book

{text}
"""
GOOD = "```{code-cell} ipython3\n6 * 7\n```"
CHECK = "    execution_checks: [_ext/recorded_runs.md]\n"
RAISES = "```{code-cell} ipython3\none = 1\none / 0\n```"
SOUND = r"""It is 2\*3, with a 5\*\*2, in data\raw, from model(x)[0] or
[[1, 2], [3, 4]], where a==b.
One\
two, a break, and then 1.x versions.

% a comment
% of two lines

$x_{min} < x < x_{max}$ and $y_{pred} - y_{true}$, with $relu(conv(x))$.

\*A remark.
"""
ASKED = """:::{{predict}} {name}
{options}
Which?

{choices}
:::
"""
CHOICES = "- One.\n\n  It is.\n\n- Two.\n\n  It is not."
GLUED = """```{code-cell} ipython3
from myst_nb import glue
glue("loss", 0.0004, display=False)
```

The loss is {glue:text}`loss:.2f`.
"""
BROKEN = {  # pages, and what is named
    "reference": ("See {ref}`no-such-label`.", "no-such-label"),
    "link": ("See {doc}`no-such-page`.", "no-such-page"),
    "citation": ("As shown {cite}`nobody1900`.", "nobody1900"),
    "picture": ("![A picture that nobody drew](nothing.png)", "nothing.png"),
    "html-page": ('See <a href="no-such-page.html">there</a>.', "to no-such-page.html, and"),
    "html-place": ('See <a href="index.html#nowhere">there</a>.', "to index.html#nowhere, and"),
    "html-quotes": ("See <a href='no-such-page.html'>there</a>.", "to no-such-page.html, and"),
    "html-bare": ("See <a href=no-such-page.html>there</a>.", "to no-such-page.html, and"),
    "html-short": ('See <a href="no-such-page">there</a>.', "to no-such-page, and"),
    "html-case": ('See <a href="index.HTML">there</a>.', "to index.HTML, and"),
    "html-query": ('See <a href="index.html?x#nowhere">there</a>.', "to index.html#nowhere, and"),
    "html-no-address": ('See <a href="http://[x">there</a>.', "http://[x in HTML is no address"),
    "choices": (
        ASKED.format(name="a", options=":right: 1", choices=CHOICES.replace("Two", "One")),
        "each choice must be another one, got 'One.' twice",
    ),
    "mistake": (
        ASKED.format(name="b", options=":mistake: batch_axis", choices=CHOICES),
        "mistake must stand alone",
    ),
    "folds-nothing": (
        ASKED.format(name="c", options=":right: 1\n:stop:", choices=CHOICES),
        "stop folds what follows the question, and nothing follows",
    ),
    "folds-without-stop": (
        ASKED.format(name="d", options=":right: 1\n:cells: 2", choices=CHOICES),
        "cells and whole-section say what stop folds, and need it",
    ),
    "folds-too-few": (
        ASKED.format(name="e", options=":right: 1\n:stop:\n:cells: 9", choices=CHOICES)
        + "\n\nText.",
        "cells says that stop folds 9 cells, and 0 follow",
    ),
    "question-name": (
        ASKED.format(name="a><b>", options=":right: 1", choices=CHOICES),
        "a name has small letters, digits and hyphens",
    ),
    "no-mistake": ("```{predict} f\n:mistake: nope\n```", "mistake must be one of "),
    "rounded-away": (
        GLUED,
        "a number of a cell shows as 0.00 and is 0.0004. Have its format show more",
    ),
    "rounded-to-0": (
        GLUED.replace(":.2f", ":.0%"),
        "a number of a cell shows as 0% and is 0.0004. Have its format show more",
    ),
    "html-picture": (
        '<div><img src="nothing.png" alt="Nothing."></div>',
        "HTML shows nothing.png, and there is no such file",
    ),
    "html-frame": ('<iframe src="index.html"></iframe>', "<iframe> in HTML: pages run no script"),
    "html-script": ('<script src="nothing.js"></script>', "HTML shows nothing.js, and"),
    "html-handler": ('<p onclick="go()">Go</p>', "onclick in HTML: pages run no script"),
    "html-elsewhere": ('<img src="https://a.example/b.png">', "b.png: pages run no script"),
    "elsewhere": (
        "![A clock.](https://a.example/b.png)",
        "b.png: pages run no script of their own",
    ),
    "fence-open": (":::{note}\nSome text.", "::: is opened here and not closed"),
    "code-open": ("```python\nx = 1", "``` is opened here and not closed"),
    "fence-without-name": (":::note\nSome text.\n:::", "must be followed by a name in braces"),
    "fence-brace": (":::{note\nSome text.\n:::", "the brace behind ::: is not closed"),
    "rule": ("| a | b |\n|---|\n| 1 | 2 |", "this rule has 1 columns, and the head above it 2"),
    "html-comment": ("<!-- Some text.", "a comment is begun in its HTML and not ended"),
    "no-title": ("Some text.", "the page has no title. Begin it with one"),
    "footnote": ("As we said.[^nowhere]", "[^nowhere] is shown as it stands. There is no such"),
    "link-space": ("See [this page] (index.md).", "] (index.md) is shown as it stands. Write a"),
    "role-space": ("See {doc} `index`.", "{doc} is shown as it stands. Write a role in braces and"),
    "bold": ("This is **not bold **.", "** is shown as it stands. Close it, without a space"),
    "italic": ("This is *not closed.", "* is shown as it stands. Close it, without a space"),
    "struck": ("This ~~is~~ not.", "~~ is shown as it stands. Nothing is struck"),
    "code": ("It is `code and more.", "` is shown as it stands. Close the code"),
    "formula": ("It is $x and more.", "$ is shown as it stands. Close the formula."),
    "character": ("A &nosuch; B.", "&nosuch; is shown as it stands. There is no such character"),
    "footnote-unused": ("Text.\n\n[^a]: More.", "no text has the mark [^a]. Set it, or"),
    "list": ("1. One\n3. Three", "3 in this list is shown as 2. Number it so."),
    "address": ("See [the page][nowhere].", "][nowhere] is shown as it stands. There is no such"),
    "box": ("- [ ] to do", "[ ] is shown as it stands. There are no boxes"),
    "colons": ("::{note}\nText\n::", "::{note is shown as it stands. A directive begins"),
    "link-words": ("See [ ](https://a.example/).", "a link has no words"),
    "link-nowhere": ("See [us](mailto:).", "a link leads to mailto: and no further"),
    "no-alt": ("![](_static/card.png)", "a picture has no alt text"),
    "no-space": ("##Heading", "##H is shown as it stands. Write a heading with a space"),
    "item-below": ("Things:\n-one\n-two", "-o is shown as it stands. Write an item of a list"),
    "item": ("-one\n-two", "-o is shown as it stands. Write an item of a list with a space"),
    "link-open": ("See [the index](index.md and.", "[the index]( is shown as it stands. Write an"),
    "link-turned": ("See (the index)[index.md].", ")[index.md] is shown as it stands. The words"),
    "angle-open": ("See <https://a.example and.", "<https:// is shown as it stands. Close the"),
    "role-quoted": ("See {ref}'place'.", " is shown as it stands. Give a role its text"),
    "role-colons": ("See :ref:`place`.", ":ref: is shown as it stands. Write a role in braces"),
    "directive-dots": (".. note::\n   Text.", ".. note:: is shown as it stands. Write a directive"),
    "directive-bare": ("{note}\n\nText.", "{note} is shown as it stands. Write a directive with"),
    "latex": ("It is \\textbf{bold}.", "\\textbf is shown as it stands. LaTeX stands in a formula"),
    "latex-formula": ("It is \\(x + 1\\).", "\\(x + 1\\) is shown without its \\. Write a formula"),
    "dollars": ("$$ x = 1\n\nMore.", "$$ is shown as it stands. Close the formula"),
    "marked": ("It is ==marked==.", "==m is shown as it stands. Nothing is marked"),
    "emoji": ("Well :smile: done.", ":smile: is shown as it stands. There are no such pictures"),
    "underscore": ("It is _not closed.", "_ is shown as it stands. Close it with as many"),
    "unknown": ("See Figure ??.", "?? is shown as it stands. Say what is meant."),
    "price": ("From $5 and more than $6.", "the formula $5 and more than $ holds words. Write"),
    "nested": (
        ":::{note}\nA\n:::{tip}\nB\n:::\nC\n:::",
        ":::{tip} ends the ::: above it. Give that one a mark more.",
    ),
    "indented": ("Text:\n\n    more text", "what is indented so far is shown as code. Indent it"),
    "percent": ("Some 50\n% of all.", "a line that begins with % is not shown. Write \\%."),
    "link-unused": ("Text.\n\n[a]: https://a.example", "no text has the link [a]. Set it, or"),
    "only": (":::{only} latex\nText.\n:::", "what is `only` for latex is not shown as a page"),
    "raw": ("```{raw} latex\nText.\n```", "raw latex is shown on no page"),
    "no-words-below": ("## One\n\n## Two\n\nText.", "nothing stands below this heading. Write"),
    "no-item": ("- one\n-\n- two", "an item of a list has no words. Write some"),
    "own-machine": ("See <http://localhost:8000>.", "a link leads to http://localhost:8000 and no"),
    "whole": (
        GLUED.replace("0.0004", "1.5").replace(":.2f", ":d"),
        "a number of a cell shows as 1 and is 1.5. Have its format show more",
    ),
    "published": ("See [it](../_config.yml).", "this link publishes ../_config.yml, from outside"),
    "no-rows": ("| a | b |\n|---|---|\n\nText.", "below this rule the table has no row"),
    "table": ("| a | b |\n| c | d |", "| is shown as it stands. Below the head of a table"),
    "role-bare": ("As {cite}vaswani2017 says.", "{cite}vaswani2017 is shown as it stands."),
    "cited": ("As [@vaswani2017] says.", "[@vaswani2017 is shown as it stands. Cite with"),
    "alert": ("> [!NOTE]\n> Text.", "[!NOTE] is shown as it stands. Write an admonition"),
    "wiki": ("See [[index]].", "[[ is shown as it stands. Write a reference"),
    "minutes": ("It takes {minutes}`exercse-2`.", "there is no page exercse-2 whose minutes"),
    "conflict": ("Text.\n\n<<<<<<< HEAD\nMore.", "git left <<<<<<< here. Choose one"),
    "unseen": ("Te\u200bxt.", "the character U+200B cannot be seen. Delete it."),
    "name": ("See {py:func}`Pathless`.", "py:func reference target not found: Pathless"),
    "html-empty": ('<p><img src="" alt="Nothing."></p>', "HTML shows nothing, and there is no"),
    "html-set": (
        '<p><img src="_static/x.svg" srcset="_static/x.svg 1x, nothing.png 2x" alt="A."></p>',
        "HTML shows nothing.png, and there is no such file",
    ),
    "html-style": ("<p style=\"background: url('none.png')\">A</p>", "HTML shows none.png, and"),
    "html-open": ('<div class="box">Some text.', "<div> is opened in its HTML and not closed"),
    "html-closed": ("<div>Some text.</div></div>", "</div> closes nothing that is open"),
    "html-twice": ('<p id="a">One</p>\n\n<p id="a">Two</p>', "the id a stands twice"),
    "no-words": ("##\n\nSome text.", "a heading has no words"),
    "no-such-code": (
        "```{eval-rst}\n.. autofunction:: condlesson.unet.no_such\n```",
        "10: WARNING: condlesson.unet has no function no_such: AttributeError: no_such. Mend",
    ),
    "no-such-module": (
        "```{eval-rst}\n.. autoclass:: condlesson.nowhere.No\n```",
        "condlesson has no class nowhere.No: No module named 'condlesson.nowhere'. Mend the name",
    ),
    "described-twice": (
        "```{eval-rst}\n.. meta::\n   :description: A page.\n```",
        "html_meta says description of this page, which its first paragraph does. Take",
    ),
    "no-still": (
        "```{code-cell} ipython3\nimport torch\nfrom condlesson.figures import moving\n"
        "moving.clock(torch.ones(2))\n```",
        "the moving figure clock must stand below a cell that draws it still. Add that cell.",
    ),
    "cells": ("| a | b |\n|---|---|\n| 1 | 2 | 3 |", "this row has 3 cells, and the head of its"),
}


def tiny_book(folder: Path, text: str, *, check_runs: bool = False) -> Path:
    """The book's settings and extensions around one page."""
    (folder / "tools").mkdir(exist_ok=True)
    copied = ("Makefile", "_config.yml", "requirements.txt", "pyproject.toml")
    for name in (*copied, "tools/build.py", "tools/run_book.py"):
        shutil.copy2(ROOT / name, folder / name)
    for name in ("_ext", "_static", "_templates", "desk"):
        shutil.copytree(ROOT / "book" / name, folder / "book" / name)
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (folder / "book" / "references.bib").touch()
    (folder / "book" / "index.md").write_text(PAGE.format(text=text))
    settings = folder / "_config.yml"
    assert CHECK in settings.read_text()
    if not check_runs:
        settings.write_text(settings.read_text().replace(CHECK, ""))
    return folder


def make_html(
    folder: Path, source: Path = ROOT / "src", target: str = "html"
) -> subprocess.CompletedProcess:
    """Run `make html` there with this environment, which is taken as set up (-o)."""
    environment = outside_make() | {"PYTHONPATH": str(source)}
    return subprocess.run(
        ["make", "-o", f"{sys.prefix}/.installed", target, f"VENV={sys.prefix}"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


AROUND = {"SOURCE_DATE_EPOCH": "315532800", "PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error"}
LOCKS = (  # as Emacs writes them
    *(".#index.md", ".#references.bib", "_static/.#lesson.js", "_static/.#lesson.css"),
    *("_templates/.#404.html", "desk/.#pad.js"),
)


def test_a_sound_book_builds_and_says_where_it_is(tmp_path, monkeypatch):
    for name, value in AROUND.items():  # as nix and others set them
        monkeypatch.setenv(name, value)
    tiny_book(tmp_path, f"{GOOD}\n\nIt is 2\\*3, with a 5\\*\\*2.")
    for name in LOCKS:
        (tmp_path / "book" / name).symlink_to("nobody@nowhere.1")
    result = make_html(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    page = tmp_path / "_build" / "html" / "index.html"
    assert "42" in page.read_text()
    assert "1980" not in page.read_text()
    assert result.stdout.splitlines()[-1] == f"The pages are at {page}"


@pytest.mark.fault("a cell raises", "the build fails and names the page and the statement")
def test_a_cell_that_raises_fails_the_build_by_name(tmp_path):
    result = make_html(tiny_book(tmp_path, RAISES))
    output = result.stdout + result.stderr
    assert result.returncode != 0, output
    assert "index.md" in output
    assert "one / 0" in output


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """What two builds of a book say whose every page but the first is broken."""
    folder = tiny_book(tmp_path_factory.mktemp("broken"), "Sound.")
    with (folder / "_toc.yml").open("a") as toc:
        toc.write("chapters:\n" + "".join(f"- file: {name}\n" for name in BROKEN))
    for name, (text, _) in BROKEN.items():
        page = PAGE.replace("# A tiny book", "") if name == "no-title" else PAGE
        (folder / "book" / f"{name}.md").write_text(page.format(text=text))
    return [make_html(folder) for _ in range(2)]


@pytest.mark.fault(
    "a broken reference, link, citation, picture or link in HTML, a question of two equal choices"
    " or that folds nothing, a number that is rounded to nothing, HTML that is not closed, what "
    "the site's policy blocks, an open fence, a row of a table with a cell too many, a heading "
    "without words, a picture without an alt text, a link to nowhere, markup that is shown in "
    "place of what it means, a price that becomes a formula, a fence that ends the one around it, "
    "lines that are code or comments unseen, a heading or an item with nothing in it, what git "
    "left of two versions, a footnote that no mark calls, a list that would get other numbers",
    "the build fails, and fails again, and names the page and what is missing",
)
@pytest.mark.parametrize("build", [0, 1], ids=["at first", "again"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_page_fails_the_build_by_name(broken, name, build):
    result = broken[build]
    output = result.stdout + result.stderr
    assert result.returncode != 0, output
    told = [line for line in output.splitlines() if f"{name}.md" in line]
    assert any(BROKEN[name][1] in line for line in told), output


@pytest.mark.fault(
    "the book lies in a folder with % or [ in its name", "the build says so, and what to do"
)
def test_a_folder_whose_name_is_a_pattern_is_told(tmp_path):
    for name, mark in {"100%": "%", "a[1]": "["}.items():
        (tmp_path / name).mkdir()
        result = make_html(tiny_book(tmp_path / name, GOOD))
        assert result.returncode != 0
        assert f"The folder of the book must have no {mark} in its path" in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.fault("recorded runs are missing", "the build fails with the command that makes each")
def test_missing_runs_fail_the_build_with_the_command_that_makes_them(tmp_path):
    package = tmp_path / "source" / "condlesson"
    ignored = shutil.ignore_patterns("recorded", "__pycache__")
    shutil.copytree(ROOT / "src" / "condlesson", package, ignore=ignored)
    (package / "experiment" / "recorded").mkdir()
    tiny_book(tmp_path, GOOD, check_runs=True)
    result = make_html(tmp_path, source=package.parent)
    output = result.stdout + result.stderr
    assert result.returncode != 0, output
    for variant in ("none", "simple", "sinusoidal", "adagn"):
        assert f"{variant}-seed42-12800x5" in output
        assert f"condlesson train --variant {variant} --seed 42" in output
