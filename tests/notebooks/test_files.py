import os
from pathlib import Path

import pytest

from condlesson.notebooks.files import write_all


def test_files_are_written_where_folders_are_missing(tmp_path):
    write_all({tmp_path / "a" / "b": b"one", tmp_path / "c": b"two"})
    assert ((tmp_path / "a" / "b").read_bytes(), (tmp_path / "c").read_bytes()) == (b"one", b"two")
    (tmp_path / "other").touch()
    modes = [(tmp_path / name).stat().st_mode for name in ("c", "other")]
    assert modes[0] == modes[1]


def test_on_a_full_disk_all_stays_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"before")
    full = OSError(28, "No space left on device")
    sync = os.fsync

    def second_fails(number, seen=[]):  # noqa: B006
        seen.append(number)
        if len(seen) == 2:
            raise full
        sync(number)

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(OSError, match="No space left"):
        write_all({tmp_path / "a": b"after", tmp_path / "b": b"after"})
    assert [path.name for path in Path(tmp_path).iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"before"
