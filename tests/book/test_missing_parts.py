"""Scripts, templates and figures that are gone: what is missing is named, with its place."""

import shutil
from types import SimpleNamespace

import pytest
from docutils import nodes

import assets
import desk
import moving
from condlesson.notebooks.pages import Book
from tests.book.built import ROOT

FIGURES = ROOT / "src" / "condlesson" / "figures" / "moving"


@pytest.fixture
def told(monkeypatch):
    """What is warned of, with its place."""
    found = []

    def warning(message, *arguments, location):
        found.append((location, message % arguments))

    for extension in (assets, desk, moving):
        monkeypatch.setattr(extension, "logger", SimpleNamespace(warning=warning))
    return found


@pytest.mark.fault(
    "a moving figure, or the desk, lacks one of its files",
    "the build fails before anything runs, and names the file",
)
@pytest.mark.parametrize(
    ("whole", "look", "gone"),
    [
        (FIGURES, moving._missing, ["clock/clock.js", "lies/lies.html", "moving.js", "moving.css"]),
        (
            ROOT / "book" / "desk",
            desk._wrong_parts,
            ["ask.js", "unet.js", "desk.css", "parts.html"],
        ),
    ],
)
def test_a_file_that_is_gone_is_named(tmp_path, whole, look, gone):
    assert list(look(whole)) == []
    folder = shutil.copytree(whole, tmp_path / whole.name)
    (folder / ".#moving.js").symlink_to("nowhere")
    for name in gone:
        (folder / name).unlink()
    missing = sorted(f"{whole.name}/{name}" for name in gone)
    assert sorted(fault.split(" is missing, ")[0] for fault in look(folder)) == missing


@pytest.mark.fault(
    "a script of the desk is in no list", "the build fails, and says where to enter it"
)
def test_a_script_that_would_not_be_shipped_is_named(tmp_path):
    folder = shutil.copytree(ROOT / "book" / "desk", tmp_path / "desk")
    (folder / "new.js").touch()
    assert list(desk._wrong_parts(folder)) == [
        "desk/new.js is in neither ENGINE nor TOOLS of desk.py. Enter it there."
    ]


@pytest.mark.fault(
    "a page asks for a script that is not there", "the build fails and names page and script"
)
def test_a_script_that_is_asked_for_and_not_there_is_told(told, tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "a.js").touch()
    for name in ("_static/a.js?v=1", "_static/b.js?v=1", "https://c.example/c.js", ""):
        assets._warn_if_missing(SimpleNamespace(outdir=tmp_path), "page", name)
    fault = "the page asks for the script b.js, and there is no such file. Write it."
    assert told == [("page", fault)]


@pytest.mark.fault(
    "a moving figure has no still one above it, or a tool of the desk names no figure as still",
    "the build fails, and names page, figure and cure",
)
def test_what_has_no_still_figure_is_told(told):
    document = nodes.document("", "")
    cell = nodes.container(classes=["cell"])
    output = nodes.container("", nodes.raw(), classes=["cell_output"])
    tool = desk.desk_tool(name="pad", still="fig-no")
    document += [cell, tool]
    cell += output
    cell.line = 9
    for kind, arguments in (
        (moving.MovingFigures, ("clock", {}, output[0])),
        (desk.DeskTools, (tool,)),
    ):
        transform = kind.__new__(kind)
        transform.document = document
        transform._join(*arguments)
    still = "the moving figure clock must stand below a cell that draws it still. Add that cell."
    named = "{desk} pad: still must be a figure of this page, got 'fig-no'. Mend the name."
    assert told == [(cell, still), (tool, named)]
    assert list(document.findall(desk.desk_tool)) == []


@pytest.mark.fault("Emacs locks a page, by a link to nowhere", "the book is read without it")
def test_what_an_editor_leaves_is_no_page(tmp_path):
    (tmp_path / "a.md").write_text("# A\n")
    (tmp_path / ".#a.md").symlink_to("nobody@nowhere.1")
    (tmp_path / "b.md").symlink_to("nowhere")
    assert list(Book(tmp_path).pages) == ["a"]
