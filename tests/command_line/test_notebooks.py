import pytest

from condlesson.__main__ import main

pytestmark = pytest.mark.usefixtures("one_thread")


def test_notebooks_are_written(small_book, tmp_path, capsys):
    folder = tmp_path / "out"
    assert main(["notebooks", str(folder)]) == 0
    assert capsys.readouterr().out == f"2 notebooks are in {folder}.\n"
    made = {path.relative_to(folder).as_posix() for path in folder.rglob("*.ipynb")}
    assert made == {"exercises/a.ipynb", "solutions/a.ipynb"}


def test_notebooks_are_packed(small_book, tmp_path, capsys):
    archive = tmp_path / "a.zip"
    assert main(["notebooks", str(tmp_path / "out"), "--archive", str(archive)]) == 0
    assert str(archive) in capsys.readouterr().out
    assert archive.is_file()


@pytest.mark.fault("notebooks are written where somebody worked", "they stay")
def test_notebooks_that_somebody_worked_in_stay(small_book, tmp_path, capsys):
    command = ["notebooks", str(tmp_path / "out")]
    assert main(command) == main(command) == 0
    notebook = tmp_path / "out" / "exercises" / "a.ipynb"
    made = notebook.read_text()
    notebook.write_text("their work")
    assert main(command) == 1
    assert "a.ipynb must not differ from what would be" in capsys.readouterr().err
    assert notebook.read_text() == "their work"
    assert main([*command, "--overwrite"]) == 0
    assert notebook.read_text() == made


def test_a_page_that_cannot_be_a_notebook_is_named(small_book, tmp_path, capsys):
    with (small_book / "a.md").open("a") as page:
        page.write("\n```{tab-set}\n```\n")
    assert main(["notebooks", str(tmp_path / "out")]) == 1
    assert "condlesson: a.md, line 8: the directive {tab-set}" in capsys.readouterr().err
