"""Each rule of the pages, with a page that breaks it and what is said about it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from condlesson.notebooks.pages import Book, Page
from tools.lint import spelling
from tools.lint.pages import ROOT, RULES, lint
from tools.lint.prose import read_texts

FRONT = "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n\n"
FIGURE = """```{{code-cell}} ipython3
---
mystnb:
  figure:
    name: {name}
    caption: "{caption}"
  image:
    alt: "{alt}"
---
plots.curves(x, y);
```
"""
NAMED = f"---\nmystnb:\n  figure:\n    name: fig-a\n    caption: {20 * 'words '}\n---\n"
CAPTION = "A line that rises from left to right."
LONG = "\n".join(f"x_{number} = {number}" for number in range(13))


@pytest.fixture(scope="module")
def book():
    return Book(ROOT / "book")


def told(book, text, path="book/page.md"):
    return [str(finding) for finding in lint({path: Page("page", FRONT + text)}, book)]


def cell(code, options=""):
    return f"```{{code-cell}} ipython3\n{options}{code}\n```\n"


BROKEN = {
    "a long cell": (
        "# Page\n\n" + cell("import torch\n" + LONG),
        "book/page.md:9: cell-length: the cell has 13 lines without its imports, more than 12. "
        "Cut it in two, or move the work into a function of the package.",
    ),
    "a wide line": (
        "# Page\n\n" + cell("x = 1\ny = '" + 80 * "y" + "'"),
        "book/page.md:11: code-width: the line has 86 characters, more than 84. "
        "Break it, or readers must scroll.",
    ),
    "a plot by hand": (
        "# Page\n\n" + cell("x = 1\nplt.plot(x)"),
        "book/page.md:11: plotting: the cell uses Matplotlib. "
        "Write a function in condlesson.figures.plots, and call it here.",
    ),
    "no caption": (
        "# Page\n\n" + FIGURE.format(name="fig-a", caption="A line.", alt=CAPTION),
        "book/page.md:9: caption: the caption has 7 characters, not more than 20. "
        "Say under mystnb, figure, caption: what to look at.",
    ),
    "no name": (
        "# Page\n\n" + FIGURE.format(name="", caption=CAPTION, alt=CAPTION),
        "book/page.md:9: figure-name: the figure has no name. "
        "Give it one under mystnb, figure, name: in the cell's options.",
    ),
    "a poor alt text": (
        "# Page\n\n" + FIGURE.format(name="fig-a", caption=CAPTION, alt="A figure."),
        "book/page.md:9: alt-text: the alt text has 9 characters, not more than 20. "
        "Say what is seen, for somebody who cannot see it.",
    ),
    "an image without an alt text": (
        "# Page\n\nSee\n![](index.md)",
        "book/page.md:10: alt-text: the alt text has 0 characters, not more than 20. "
        "Say what is seen, for somebody who cannot see it.",
    ),
    "a figure by an imported name": (
        "# Page\n\n" + cell("from condlesson.figures.plots import curves\ncurves(x, y)", NAMED),
        "book/page.md:9: alt-text: the alt text has 0 characters, not more than 20. "
        "Say what is seen, for somebody who cannot see it.",
    ),
    "an image in HTML": (
        "# Page\n\n<IMG src='a.png' alt='A figure.'>",
        "book/page.md:9: alt-text: the alt text has 9 characters, not more than 20. "
        "Say what is seen, for somebody who cannot see it.",
    ),
    "a wide line of an indented cell": (
        "# Page\n\n  " + cell("y = '" + 80 * "y" + "'").replace("\n", "\n  ") + "\n",
        "book/page.md:10: code-width: the line has 86 characters, more than 84. "
        "Break it, or readers must scroll.",
    ),
    "code that is none": (
        "# Page\n\n" + cell("x = 1\ny = ("),
        "book/page.md:11: cell: this is no Python: '(' was never closed. "
        "Mend it. Code that is to be shown and not run goes into a block of python.",
    ),
    "a tag that is no list": (
        "# Page\n\n" + cell("x = 1") + "\nText.\n\n" + cell("x = 1", ":tags: hide-input\n\n"),
        "book/page.md:15: cell: the options of the cell cannot be read: 'hide-input' is not of "
        "type 'array'. Write them as YAML, and tags as a list: [one, another].",
    ),
    "options that are no YAML": (
        "# Page\n\n" + cell("x = 1", "---\nmystnb: [\n---\n"),
        "book/page.md:9: cell: the options of the cell cannot be read: Invalid YAML; while parsing "
        "a flow node expected the node content, but found '<stream end>'. "
        "Write them as YAML, and tags as a list: [one, another].",
    ),
    "an underlined title": (
        "Page\n====\n\nText.",
        "book/page.md:7: heading: this heading is underlined. "
        "Begin the page with one line that starts with #, and use ## for its sections.",
    ),
    "a paper in a question": (
        "# Page\n\n:::{predict} a-b\n:right: 1\nDid {cite}`nobody1900` say so?\n\n- Yes.\n:::",
        "book/page.md:11: link: there is no reference nobody1900. "
        "Mend the name, or add what it names.",
    ),
    "a word behind a long fence": (
        "# Page\n\n```python\nx = 1\n`````\n\nA colr.",
        "book/page.md:13: spelling: colr is in no dictionary. "
        "If it is right, add it to tools/lint/words.txt; else: coir, col, cola.",
    ),
    "no title": (
        "## Section",
        "book/page.md:1: heading: the page has no heading of the first level. "
        "Begin the page with one line that starts with #, and use ## for its sections.",
    ),
    "two titles": (
        "# Page\n\n# Another",
        "book/page.md:9: heading: this is a second heading of the first level. "
        "Begin the page with one line that starts with #, and use ## for its sections.",
    ),
    "a page that is not there": (
        "# Page\n\nIn\n{doc}`this <nowhere>` place.",
        "book/page.md:10: link: there is no page nowhere. Mend the name, or add what it names.",
    ),
    "a figure that is not there": (
        "# Page\n\n{numref}`fig-nothing` shows it.",
        "book/page.md:9: link: there is no label fig-nothing. Mend the name, or add what it names.",
    ),
    "a paper that is not there": (
        "# Page\n\nSo they say {cite}`ho2020,nobody1900`.",
        "book/page.md:9: link: there is no reference nobody1900. "
        "Mend the name, or add what it names.",
    ),
    "a file that is not there": (
        "# Page\n\nIt is [over there](over-there.md).",
        "book/page.md:9: link: there is no target over-there.md. "
        "Mend the name, or add what it names.",
    ),
    "a name that stands for something else later": (
        "# Page\n\n" + 2 * (cell("x = 1") + "\n" + cell("print(x)") + "\n"),
        "book/page.md:13: rerun: the cell reads x, which the cell at line 17 binds anew. "
        "Run again behind it, this one shows something else: take another name.",
    ),
    "a cell that changes what it reads": (
        "# Page\n\n" + cell("x = 1") + "\n" + cell("if True:\n    x += x"),
        "book/page.md:13: rerun: the cell changes the x that it reads, and does so again on each "
        "run. Call the result something else.",
    ),
    "a misspelt word": (
        "# Page\n\nThe network sinusoyd it.",
        "book/page.md:9: spelling: sinusoyd is in no dictionary. "
        "If it is right, add it to tools/lint/words.txt; else: sinusoid.",
    ),
    "a misspelt caption": (
        "# Page\n\n" + FIGURE.format(name="fig-a", caption=CAPTION + " Mirorr.", alt=CAPTION),
        "book/page.md:14: spelling: Mirorr is in no dictionary. "
        "If it is right, add it to tools/lint/words.txt; else: mirror.",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_rule_says_what_is_wrong_and_what_to_do(book, fault):
    text, message = BROKEN[fault]
    assert told(book, text) == [message]


SOUND = {
    "what IPython understands": cell("%time x = 1\ny = !ls\nfor _ in x:\n    %time y\nx.mean?"),
    "a cell of the shell": cell("%%bash\nls | grep page"),
    "names that come again": "\n".join(
        cell(code)
        for code in (
            "from torch import nn\nx = 1\ntotal = 0\nfor k in range(3):\n    total += k",
            "def f(x):\n    y = [x for x in (x, nn)]\n    return f(x), y, total",
            "try:\n    f(2)\nexcept ValueError as error:\n    print(error)",
            "from torch import nn\nx = 2\nk = 1\nerror = nn",
        )
    ),
    "a cell without anything": "```{code-cell} ipython3\n```",
    "options in other forms": cell(
        "plots.curves(x, y)",
        f'---\nmystnb: {{figure: {{name: fig-a, "caption": "{CAPTION}"}}, '
        f'image: {{alt : "{CAPTION}"}}}}\n---\n',
    ),
    "code between tildes": "~~~python\n# not a title, and no color\n~~~",
    "a wide line of which only the output is shown": cell(
        f"x = '{100 * 'x'}'", ":tags: [remove-input]\n\n"
    ),
    "a cell of 12 lines and its imports": cell("from torch import (\n    nn,\n)\n" + LONG[:-10]),
    "a wide line that is not shown": cell(f"glue('x', '{100 * 'x'}')", ":tags: [remove-cell]\n\n"),
    "a figure": FIGURE.format(name="fig-a", caption=CAPTION, alt=CAPTION),
    "a function that draws": cell("def show(x):\n    plots.curves(x, x)"),
    "a heading in code": "```python\n# not a title\n```",
    "references": "{doc}`exercise-1`, {ref}`how-long`, {numref}`fig-heatmap`, {cite}`ho2020`.",
    "links": "[index](index.md) and [a site](https://example.org/nothing) and [here](#how-long).",
    "a role in code": "Write ``{doc}`nowhere` ``.",
    "words that are no words": "`colr`, $colr$, gn_colr, and [colr-x](https://colr.example).",
    "hidden": "% colr\n\n<!-- colr -->",
}


@pytest.mark.parametrize("kind", SOUND)
def test_rules_let_pass(book, kind):
    assert told(book, "# Page\n\n" + SOUND[kind]) == []


@pytest.mark.parametrize(
    "options", ["mystnb:", "mystnb:\n  figure:", "mystnb:\n  figure:\n    caption: 12"]
)
def test_a_figure_with_nothing_behind_its_options_has_no_caption(book, options):
    page = "# Page\n\n" + cell("plots.curves(x, y)", f"---\n{options}\n---\n")
    assert [line.split()[1] for line in told(book, page)][-2:] == ["caption:", "figure-name:"]


def test_a_page_that_cannot_be_read_is_named_whichever_is_asked_for(tmp_path):
    (tmp_path / "broken.md").write_text(FRONT + "# Page\n\n" + cell("x = ("))
    (tmp_path / "sound.md").write_text("\ufeff" + FRONT + "# Page\n\nText.\n")
    book = Book(tmp_path)
    [finding] = lint({"book/sound.md": book.pages["sound"]}, book)
    assert (finding.path, finding.line, finding.rule) == ("book/broken.md", 10, "cell")


@pytest.mark.parametrize(
    ("target", "is_there"),
    [
        ("CONTRIBUTING.md#set-up", True),
        ("CONTRIBUTING.md#the-tree-and-its-rule", True),
        ("CONTRIBUTING.md#no-such-place", False),
        ("#no-such-place", False),
        ("#licences", True),
        ("docs/decisions.md", True),
        ("docs/no-such.md#place", False),
        ("tools/new.py#L10", True),
        ("book/experiment.md#no-such-place", False),
    ],
)
def test_a_link_of_a_text_leads_to_a_heading_that_is_there(book, target, is_there):
    found = told(book, f"# Page\n\n[There]({target}).\n\n## Licences", "README.md")
    fault = f"README.md:9: link: there is no target {target}. Mend the name, or add what it names."
    assert found == ([] if is_there else [fault])


@pytest.mark.slow
def test_the_book_keeps_its_rules(book):
    assert [str(finding) for finding in lint(read_texts(book), book)] == []


def test_a_page_that_includes_a_text_is_that_text(book):
    texts = read_texts(book)
    assert "CONTRIBUTING.md" in texts
    assert "book/contributing.md" not in texts
    assert texts["CONTRIBUTING.md"].title == "Contributing"


def test_every_rule_is_tested():
    tested = {message.split()[1].rstrip(":") for _, message in BROKEN.values()}
    assert len(tested) == len(RULES) + 3  # figure has three; spelling and cell are none of RULES
    assert tested >= {rule.__name__.replace("_", "-") for rule in RULES} - {"figure", "image"}


def test_words_are_in_order_and_needed(book):
    words = spelling.WORDS.read_text("utf-8").splitlines()[2:]
    assert words == sorted(words, key=lambda word: (word.lower(), word))
    said = "\n".join(page.text for page in read_texts(book).values())
    assert [word for word in words if word.lower() not in said.lower()] == []


@pytest.mark.parametrize(
    ("language", "unknown"),
    [("en", ["Straße"]), ("de", []), ("de_AT", []), ("fr", ["Straße"]), ("is", None)],
)
def test_a_translation_has_the_words_of_its_language_and_english_ones(language, unknown):
    page = Page("page", "# Page\n\nDie Straße has a colour, xqzwv.")
    found = [finding.fault.split()[0] for finding in spelling.check({"p.md": page}, language)]
    if unknown is None:  # no dictionary
        assert found == []
    else:
        assert set(unknown) | {"xqzwv"} <= set(found)
        assert ("Straße" in found) == bool(unknown)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A color\nof a curve.", ["color"]),
        ("A colour.", []),
        (":::{note}\nIts behavior.\n:::", ["behavior"]),
        (f"Of `color`.\n\n{cell('color = torch.arange(3)')}\nThe center.", ["center"]),
    ],
)
def test_an_american_word_is_found_by_typos(text, found):
    command = [Path(sys.executable).with_name("typos"), "--format", "json", "-"]
    done = subprocess.run(command, input=text, cwd=ROOT, capture_output=True, text=True)
    assert [json.loads(line)["typo"] for line in done.stdout.splitlines()] == found


def test_make_lint_has_typos_read_the_pages_of_an_english_book():
    command = ["make", "-n", "-o", ".venv/.installed", "lint"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "grep -q '^ *language: en' _config.yml || " in said
    assert "bin/typos --format brief book/*.md *.md" in said
    assert "    language: en" in (ROOT / "_config.yml").read_text("utf-8").splitlines()


def test_the_language_is_that_of_the_book(monkeypatch, tmp_path):
    config = tmp_path / "_config.yml"
    monkeypatch.setattr(spelling, "CONFIG", config)
    page = Page("page", "# Page\n\nA straße.")
    for language, is_known in (("en", False), ("de", True)):
        config.write_text(f"sphinx: {{config: {{language: {language}}}}}")
        assert (list(spelling.check({"p.md": page})) == []) == is_known


@pytest.mark.slow
def test_the_command_fails_with_the_number_of_faults():
    command = [sys.executable, "-m", "tools.lint.pages", str(ROOT / "book" / "index.md")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    done = subprocess.run([*command, "/nowhere.md"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 1


def test_every_rule_is_said():
    command = [sys.executable, "-m", "tools.lint.pages", "--rules"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    said = {line.split()[0] for line in done.stdout.splitlines()}
    assert said >= {message.split()[1].rstrip(":") for _, message in BROKEN.values()}


def test_pre_commit_does_what_make_lint_does():
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    [repository] = settings["repos"]
    [hook] = repository["hooks"]
    assert (repository["repo"], hook["language"]) == ("local", "system")
    assert hook["entry"].split()[::2] == ["make", "lint"]
    assert not hook["pass_filenames"]
