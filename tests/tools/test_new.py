"""What `make page`, `make figure`, `make exercise` and `make variant` begin, and refuse."""

import re
import shutil

import pytest
import yaml

from condlesson.notebooks.glued import run_page
from condlesson.notebooks.pages import Book, Page
from tools import new
from tools.lint.pages import ROOT, lint
from tools.new import main


@pytest.fixture
def root(tmp_path):
    (tmp_path / "book").mkdir()
    shutil.copy(ROOT / "_toc.yml", tmp_path)
    return tmp_path


def add_page(name, root):
    page, _ = new.add("page", name, root)
    return page


def entries(root):
    parts = yaml.safe_load((root / "_toc.yml").read_text())["parts"]
    return {part["caption"]: [page["file"] for page in part["chapters"]] for part in parts}


def test_the_page_is_entered_at_the_end_of_the_lesson(root):
    contents = root / "_toc.yml"
    contents.write_text(contents.read_text().replace("root: index", "root: index # kept"))
    before, lines = entries(root), contents.read_text().splitlines()
    page = add_page("a-second-clock", root)
    assert page.read_text().splitlines()[6] == "# A second clock"
    assert entries(root) == before | {"The lesson": [*before["The lesson"], "a-second-clock"]}
    [added] = [line for line in contents.read_text().splitlines() if line not in lines]
    assert added.strip() == "- file: a-second-clock"
    assert "root: index # kept\n" in contents.read_text()


@pytest.mark.slow
def test_the_page_keeps_the_rules_and_runs(root):
    page = Page("my-page", add_page("my-page", root).read_text())
    book = Book(ROOT / "book")
    assert [str(finding) for finding in lint({"book/my-page.md": page}, book)] == []
    assert run_page(page)["near"] == pytest.approx(0.97, abs=0.01)
    assert "fig-my-page" in dict(page.targets())


def test_the_lesson_is_found_in_another_language(root):
    contents = root / "_toc.yml"
    contents.write_text(contents.read_text().replace("The lesson", "Die Lektion"))
    add_page("meine-seite", root)
    assert entries(root)["Die Lektion"][-1] == "meine-seite"


@pytest.mark.parametrize(
    "name", ["My-Page", "my page", "../page", "-page", "page-", "page.md", "1"]
)
def test_names_that_are_no_names_are_refused(root, name):
    with pytest.raises(ValueError, match=r"name must be words of a-z and 0-9 .* got"):
        add_page(name, root)
    assert list((root / "book").iterdir()) == []


def test_a_page_that_exists_is_left_alone(root):
    page = add_page("my-page", root)
    page.write_text("mine")
    with pytest.raises(FileExistsError, match=r"there is book/my-page.md already"):
        add_page("my-page", root)
    assert page.read_text() == "mine"


def test_an_entry_without_a_page_is_pointed_out(root):
    with pytest.raises(ValueError, match="has an entry inside already"):
        add_page("inside", root)


@pytest.mark.parametrize("name", ["search", "genindex"])
def test_names_of_sphinx_are_taken(root, name):
    with pytest.raises(FileExistsError, match=f"there is a page {name} already"):
        add_page(name, root)


def test_a_name_that_a_figure_has_is_refused(root):
    (root / "book" / "other.md").write_text("mystnb:\n  figure:\n    name: fig-heatmap\n")
    with pytest.raises(ValueError, match=r"other.md has a figure fig-heatmap already"):
        add_page("heatmap", root)
    add_page("heat", root)


CONTENTS = {
    "a blank line": ("      - file: exercise-2\n", "\n      - file: exercise-2\n"),
    "quotation marks": ("- file: exercise-1\n", '- file: "exercise-1"\n'),
    "a section at the end": (
        "      - file: questions\n",
        "      - file: questions\n        sections:\n          - file: deep\n",
    ),
}


@pytest.mark.parametrize("form", CONTENTS)
def test_contents_of_any_form_get_the_page_at_the_end_of_the_lesson(root, form):
    contents = root / "_toc.yml"
    old, new = CONTENTS[form]
    contents.write_text(contents.read_text().replace(old, new))
    add_page("my-page", root)
    lesson = yaml.safe_load(contents.read_text())["parts"][1]["chapters"]
    assert lesson[-1] == {"file": "my-page"}
    assert lesson[-2]["file"] == "questions"
    assert lesson[-2].get("sections", [{"file": "deep"}]) == [{"file": "deep"}]


def test_contents_without_the_lesson_are_refused(root):
    (root / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    with pytest.raises(ValueError, match="must have a part with the page exercise-1, got none"):
        add_page("my-page", root)
    assert not (root / "book" / "my-page.md").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("page",), "name must be given: make page"),
        (("page", "A"), "got 'A'"),
        (("song", "a"), "kind must be one of exercise, .*page.*, got song"),
        (("exercise", "adagn"), "exercise-3.md has a figure fig-adagn already"),
        (("exercise", "diffusion"), "there is src/condlesson/.*/diffusion.py already"),
        (("exercise", "lambda"), "name must be no word of Python or of the template, got 'lambda'"),
        (("still", "values"), "name must be no word of Python or of the template, got 'values'"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, said):
    with pytest.raises(SystemExit, match=said):
        main(*arguments)


@pytest.fixture
def everything(root):
    """What the entries of all kinds stand in."""
    for entry in [entry for entries in new.ENTRIES.values() for entry in entries]:
        (root / entry.path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / entry.path, root / entry.path)
    return root


def texts(root):
    return {path: path.read_text() for path in root.rglob("*.*") if path.is_file()}


@pytest.mark.parametrize("kind", new.KINDS)
def test_a_kind_is_entered_and_no_mark_of_a_template_is_left(everything, kind):
    before = texts(everything)
    files = new.add(kind, "two-words", everything)
    after = texts(everything)
    assert {path for path in after if after[path] != before.get(path)} == set(files)
    for path in files:
        added = set(after[path].splitlines()) - set(before.get(path, "").splitlines())
        assert any("two_words" in line or "two-words" in line or "TwoWords" in line
                   for line in {*added, str(path)})  # fmt: skip
        assert not re.search("NAME|SNAKE|CAMEL|TITLE|SECTIONS", f"{path} {added}")


@pytest.mark.parametrize("kind", [kind for kind in new.KINDS if kind in new.ENTRIES])
def test_nothing_is_written_where_an_entry_has_no_place(everything, kind):
    entry = new.ENTRIES[kind][-1]
    (everything / entry.path).write_text("")
    before = texts(everything)
    with pytest.raises(ValueError, match=r"must have one place .* got 0"):
        new.add(kind, "two-words", everything)
    assert texts(everything) == before


def test_each_kind_has_a_command():
    targets = re.findall(
        r"^(\w+): .*\n\t@.*tools\.new (.*)$", (ROOT / "Makefile").read_text(), re.M
    )
    begun = {target: rest.split()[0] for target, rest in targets}
    figures = {"figure": '"$(or', **{kind: kind for kind in new.KINDS}}
    del figures["still"], figures["moving"]
    assert begun == figures
