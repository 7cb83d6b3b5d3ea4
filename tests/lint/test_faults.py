"""The table of faults is that of the tests' marks."""

import pytest

from tools.lint import faults

MARKED = """
import pytest

@pytest.mark.slow
@pytest.mark.fault("a disk that is full", "a | sentence")
def test_a_full_disk():
    pass

def test_another():
    pass
"""


def test_a_mark_is_a_row(tmp_path):
    folder = tmp_path / "tests"
    for name in ("book/test_disks.py", "test_disks.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(MARKED)
    text = faults.table(list(faults.faults(folder)))
    row = r"| a disk that is full | a \| sentence | [`test_a_full_disk`](../tests/{}) |"
    assert [line for line in text.splitlines() if "disk" in line] == [
        row.format("book/test_disks.py"),
        row.format("test_disks.py"),
    ]
    assert "## The build of the book" in text
    assert "test_another" not in text


def test_the_table_of_the_repository_is_current():
    faults.main()


def test_another_table_is_told_with_the_cure(tmp_path, monkeypatch):
    monkeypatch.setattr(faults, "ROOT", tmp_path)
    monkeypatch.setattr(faults, "TARGET", tmp_path / "faults.md")
    with pytest.raises(SystemExit, match=r"faults\.md is not .* Write it anew: "):
        faults.main()
    faults.main("--write")
    faults.main()
