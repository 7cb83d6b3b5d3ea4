"""Which pages run after a change: those whose inputs changed, and no others."""

import hashlib
import os
import re
import shutil
import time
from pathlib import Path

import pytest
from jupyter_cache import get_cache

from execution import inputs
from tests.book.built import ROOT
from tests.book.test_broken_builds import make_html, tiny_book

pytestmark = pytest.mark.slow

PAGE = """---
file_format: mystnb
kernelspec:
  name: python3
---

# Page {name}

Some words.

```{{code-cell}} ipython3
import os
with open("../ran.log", "a") as log:
    log.write("{name}\\n")
{code}
```

{more}
"""
# As a terminal does: to the process that runs the page, and to the one that builds the book.
PATIENCE = 60
CTRL_C = f"""import psutil, signal, time
worker = psutil.Process().parent()
for process in (worker, worker.parent()):
    process.send_signal(signal.SIGINT)
time.sleep({PATIENCE})
"""
# As somebody who saves the page while it runs.
EDIT = """from pathlib import Path
text = Path("one.md").read_text()
if "twice" + "(4)" in text:
    Path("one.md").write_text(text.replace("twice" + "(4)", "twice(5)"))
"""
CODE = {
    "index": """from ipykernel.connect import get_connection_info
print("kernels listen by", get_connection_info(unpack=True)["transport"])""",
    "one": """from pathlib import Path
from toy import direct
recorded = Path(direct.__file__).parent / "recorded"
print("one shows", direct.twice(4), (recorded / "a.json").read_text())""",
    "two": """from pathlib import Path
from toy import other
recorded = Path(other.__file__).parent / "recorded"
print("two shows", other.__doc__, len(list(recorded.glob("*.json"))))""",
}
MORE = {
    "index": """
```{bibliography}
```
""",
    "one": """
(place)=
## A place

:::{predict} which
:right: 2
Which of them?

- This one.

  No.

- That one.

  Yes.
:::

It is that one.

```{figure} _static/card.png
:name: fig-card

A card.
```
""",
    "two": """
There is {ref}`place`, and {numref}`fig-card`, says {cite}`somebody`.

```{predictions}
```
""",
}
PACKAGE = {
    "__init__.py": "",
    "direct.py": '"""Doubles."""\n\nfrom toy.indirect import TWO\n\n\n'
    'def twice(x):\n    """A number twice."""\n    return TWO * x\n',
    "indirect.py": "TWO = 2\n",
    "other.py": '"""Another."""\n',
    "unused.py": "UNUSED = 1\n",
    "recorded/a.json": "[1]",
    "recorded/b.json": "[2]",
}
TOC = "format: jb-book\nroot: index\nchapters:\n- file: one\n- file: two\n"
PAPER = "@article{somebody, author={Body, Some}, title={It}, journal={J}, year={2020}}\n"
ONE, TWO, TOY = "book/one.md", "book/two.md", "src/toy"
# What is changed: file, old text, new text; then which pages run, and what a page shows then.
CHANGES = {
    "nothing": (ONE, "", "", "", "one.html", "one shows 8 [1]"),
    "a sentence": (ONE, "Some words.", "Other words.", "", "one.html", "Other words."),
    "a title": (ONE, "# Page one", "# Page uno", "", "index.html", "Page uno"),
    "a heading with a label": (ONE, "## A place", "## A spot", "", "two.html", "A spot"),
    "a question": (ONE, "Which of them?", "Which of both?", "", "two.html", "Which of both?"),
    "a figure in front of another": (
        *(ONE, "It is that one.", "```{figure} _static/readme-page.png\nA page.\n```\n"),
        *("", "two.html", "Fig. 2"),
    ),
    "a paper": ("book/references.bib", "year={2020}", "year={1999}", "", "two.html", "1999"),
    "a style": (
        *("book/_static/lesson.css", "", "main { outline-width: 77px; }"),
        *("", "_static/book.css", "outline-width:77px"),
    ),
    "a script": (
        *("book/_static/lesson.js", "", "window.edited = 1;"),
        *("", "_static/book.js", "edited"),
    ),
    "the order of pages": (
        *("_toc.yml", "- file: one\n- file: two", "- file: two\n- file: one"),
        *("", "one.html", '<link rel="prev" title="Page two"'),
    ),
    "a tag": (ONE, "import os", ":tags: [hide-input]\n\nimport os", "", "one.html", "hide-input"),
    "a tag that touches execution": (
        *(ONE, "hide-input]", "hide-input, raises-exception]"),
        *("one", "one.html", "one shows 8 [1]"),
    ),
    "a cell": (ONE, "twice(4)", "twice(5)", "one", "one.html", "one shows 10 [1]"),
    "a docstring": (
        f"{TOY}/direct.py",
        "A number twice.",
        "A number, twice.",
        "",
        "one.html",
        "10",
    ),
    "a comment": (f"{TOY}/indirect.py", "TWO", "# Two.\nTWO", "", "one.html", "10"),
    "a docstring that is shown": (
        *(f"{TOY}/other.py", "Another", "A new one"),
        *("two", "two.html", "two shows A new one"),
    ),
    "a formula": (f"{TOY}/direct.py", "TWO * x", "TWO + x", "one", "one.html", "one shows 7 [1]"),
    "a formula behind it": (f"{TOY}/indirect.py", "= 2", "= 3", "one", "one.html", "shows 8 [1]"),
    "a module that no page imports": (f"{TOY}/unused.py", "1", "2", "", "one.html", "shows 8"),
    "a recorded run": (f"{TOY}/recorded/a.json", "1", "5", "one", "one.html", "shows 8 [5]"),
    "a recorded run that none reads": (f"{TOY}/recorded/b.json", "2", "3", "", "one.html", "8"),
    "a new recorded run": (f"{TOY}/recorded/c.json", "", "[4]", "two", "two.html", "new one. 3"),
    "a pin": ("requirements.txt", "tqdm==", "tqdm==9", "index one two", "index.html", "Page index"),
    "another version of what has a pin": (
        *("src/tqdm-9.dist-info/METADATA", "", "Name: tqdm"),
        *("index one two", "index.html", "Page index"),
    ),
    "a package without a pin": ("src/mine-9.dist-info/METADATA", "", "", "", "one.html", "8"),
    "a comment on pins": ("requirements.txt", "# torch and ", "# Both ", "", "one.html", "8"),
}


class Tiny:
    """A book of a few pages over a package of its own, and a log of the pages that run."""

    def __init__(self, folder: Path):
        self.folder, self.log = folder, folder / "ran.log"
        folder.mkdir()
        tiny_book(folder, "")
        (folder / "_toc.yml").write_text(TOC)
        (folder / "book" / "references.bib").write_text(PAPER)
        for name, code in CODE.items():
            self.write(f"book/{name}.md", PAGE.format(name=name, code=code, more=MORE[name]))
        for name, content in PACKAGE.items():
            self.write(f"{TOY}/{name}", content)

    def write(self, name: str, content: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def change(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text() if (self.folder / name).exists() else ""
        assert old in text
        self.write(name, text.replace(old, new, 1) if old else text + new)

    def build(self, target: str = "html", **environment: str) -> tuple[bool, list[str], str]:
        """Whether the build succeeded, which pages ran, and what it said."""
        self.log.write_text("")
        sources = f"{self.folder / 'src'}{os.pathsep}{ROOT / 'src'}"
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            result = make_html(self.folder, sources, target)
        output = result.stdout + result.stderr
        return result.returncode == 0, sorted(self.log.read_text().split()), output

    def shown(self, page: str) -> str:
        return (self.folder / "_build" / "html" / page).read_text()


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


def test_kernels_that_run_side_by_side_share_no_ports(tiny):
    assert "kernels listen by ipc" in tiny.shown("index.html")


@pytest.mark.parametrize("change", CHANGES)
def test_only_pages_whose_inputs_changed_run(tiny, change):
    name, old, new, expected, page, text = CHANGES[change]
    time.sleep(1.1)  # Python tells modules that were compiled apart by their second
    tiny.change(name, old, new)
    sound, ran, output = tiny.build()
    assert sound, output
    assert ran == expected.split()
    assert text in tiny.shown(page)


def test_a_page_that_failed_is_not_kept_and_fails_again(tmp_path):
    tiny = Tiny(tmp_path / "book")
    tiny.change(ONE, "print(", "1 / 0; print(")
    sound, ran, output = tiny.build()
    assert not sound
    assert ran == ["index", "one", "two"]
    assert "one.md, line 12, code cell 1: ZeroDivisionError: division by zero" in output
    sound, ran, output = tiny.build()
    assert (sound, ran) == (False, ["one"]), output
    tiny.change(ONE, "1 / 0; ", "")
    sound, ran, output = tiny.build()
    assert (sound, ran) == (True, ["one"]), output
    tiny.change(ONE, "print(", "1 / 0; print(")
    assert not tiny.build()[0]
    tiny.change(ONE, "1 / 0; ", "")
    sound, ran, output = tiny.build()  # nothing else was forgotten
    assert (sound, ran) == (True, []), output
    assert "0 added, 1 changed" in output


@pytest.mark.parametrize("fault", ["1 / 0\n", f"import time; time.sleep(8)\n{CTRL_C}"])
def test_a_page_that_ran_in_a_build_that_failed_is_shown_by_the_next_one(tmp_path, fault):
    tiny = Tiny(tmp_path / "book")
    assert tiny.build()[0]
    tiny.change(f"{TOY}/direct.py", "TWO * x", "TWO + 100")
    tiny.change(TWO, "import os\n", f"import os\n{fault}")
    sound, ran, output = tiny.build()
    assert not sound
    assert "one" in ran
    tiny.change(TWO, fault, "")
    sound, ran, output = tiny.build()
    assert (sound, ran) == (True, []), output
    assert "one shows 102" in tiny.shown("one.html")


def test_a_check_of_links_keeps_nothing_from_the_site(tmp_path):
    tiny = Tiny(tmp_path / "book")
    assert tiny.build()[0]
    tiny.change(f"{TOY}/direct.py", "TWO * x", "TWO + 100")
    tiny.change(TWO, "# Page two", "# Page duo")
    sound, ran, output = tiny.build("links")
    assert (sound, ran) == (True, ["one"]), output
    sound, ran, output = tiny.build()
    assert (sound, ran) == (True, []), output
    assert "one shows 102" in tiny.shown("one.html")
    assert "Page duo" in tiny.shown("one.html")


def test_a_sentence_has_no_other_page_written(tmp_path):
    tiny = Tiny(tmp_path / "book")
    assert tiny.build()[0]
    other = tiny.folder / "_build" / "html" / "two.html"
    written = other.stat().st_mtime_ns
    tiny.change(ONE, "Some words.", "Other words.")
    assert tiny.build()[0]
    assert "Other words." in tiny.shown("one.html")
    assert other.stat().st_mtime_ns == written


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


def test_pages_run_again_where_a_variable_of_the_package_is_another(tmp_path):
    tiny = Tiny(tmp_path / "book")
    tiny.change(ONE, "print(", "print(os.environ['CONDLESSON_REPOSITORY'], ")
    for name, expected in (("a", 3), ("b", 3), ("b", 0)):
        sound, ran, output = tiny.build(CONDLESSON_REPOSITORY=f"https://github.com/{name}/book")
        assert (sound, len(ran)) == (True, expected), output
        assert f"https://github.com/{name}/book one shows" in tiny.shown("one.html")


def test_outputs_that_somebody_took_from_the_cache_are_made_again(tmp_path):
    tiny = Tiny(tmp_path / "book")
    assert tiny.build()[0]
    kept = sorted((tiny.folder / "_build" / ".jupyter_cache").rglob("base.ipynb"))
    assert len(kept) == 3
    kept[0].write_text(kept[0].read_text()[:100])  # as a full disk leaves it
    shutil.rmtree(kept[1].parent)
    for expected in (2, 0):
        sound, ran, output = tiny.build()
        assert (sound, len(ran)) == (True, expected), output


def test_a_folder_that_changed_while_a_page_ran_makes_it_run_again(tmp_path):
    tiny = Tiny(tmp_path / "book")
    tiny.change(TWO, "print(", 'names = list(recorded.iterdir())\n(recorded / "z").touch()\nprint(')
    for expected in (["index", "one", "two"], ["two"], []):
        sound, ran, output = tiny.build()
        assert (sound, ran) == (True, expected), output


def test_what_a_worker_read_for_another_page_is_read_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "_roots", lambda: [tmp_path])
    read = tmp_path / "read.txt"
    for content in ("one", "two"):
        read.write_text(content)
        later = time.time() + 10
        found = inputs.inputs_of(f"read\t{read}", "", later)
        assert found[f"read {read}"][0] == hashlib.sha256(content.encode()).hexdigest()[:32]


def test_a_page_that_changed_while_it_ran_runs_again(tmp_path):
    tiny = Tiny(tmp_path / "book")
    tiny.change(ONE, "import os\n", f"import os\n{EDIT}")
    sound, _, output = tiny.build()
    assert sound, output
    assert "one shows 10" in tiny.shown("one.html")
    tiny.change(ONE, "import os", ":tags: [hide-input]\n\nimport os")
    for expected in (["one"], []):
        sound, ran, output = tiny.build()
        assert (sound, ran) == (True, expected), output
        assert "one shows 10" in tiny.shown("one.html")


def test_ctrl_c_ends_a_build_at_once_and_the_next_one_is_sound(tmp_path):
    tiny = Tiny(tmp_path / "book")
    tiny.change(ONE, "import os\n", f"import os\n{CTRL_C}")
    begun = time.monotonic()
    sound, ran, output = tiny.build()
    assert not sound
    assert "Interrupted!" in output
    assert time.monotonic() - begun < PATIENCE
    tiny.change(ONE, CTRL_C, "")
    sound, ran, output = tiny.build()
    assert sound, output
    assert "one" in ran


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


def test_only_the_page_that_a_warning_is_about_is_read_again(tmp_path):
    tiny = Tiny(tmp_path / "book")
    assert tiny.build()[0]
    tiny.change(ONE, "Some words.", "See {ref}`nowhere`.")
    for _ in range(2):  # the second time it fails although nothing changed
        sound, ran, output = tiny.build()
        assert (sound, ran) == (False, []), output
        assert "nowhere" in output
        assert "0 added, 1 changed" in output
    tiny.change(ONE, "{ref}`nowhere`", "{ref}`place`")
    sound, ran, output = tiny.build()
    assert (sound, ran) == (True, []), output
    assert "0 added, 1 changed" in output


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
