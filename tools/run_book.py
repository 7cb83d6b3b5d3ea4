"""Runs Jupyter Book, and says in a sentence what is wrong with its settings."""

import errno
import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# jsonschema, by which Jupyter Book reads its settings, would make forty grammars of addresses
# beyond ASCII at each start, a third of a build of nothing. It does without where there are none.
GRAMMARS = "rfc3987_syntax"
sys.modules[GRAMMARS] = None
sys.path.append(str(ROOT / "book" / "_ext"))

NOT_WRITTEN = ("EACCES", "EDQUOT", "EFBIG", "ENOSPC", "EPERM", "EROFS")


def not_written(error: BaseException | None) -> str | None:
    """What to say of an error if it is about a disk or a folder that takes no more; else None."""
    if errno.errorcode.get(getattr(error, "errno", None)) not in NOT_WRITTEN:
        return None
    return (
        f"The book could not be written: {error}. Make room, or the folder writable, and build "
        "again; what is half-written now is not read then."
    )


def wrong_folder(folder: Path) -> str | None:
    """What to say of a folder whose name Sphinx takes for a pattern; else None."""
    if found := re.search(r"[%\[]", str(folder)):
        return (
            f"The folder of the book must have no {found[0]} in its path, got {folder}. Rename it, "
            "or move the book."
        )
    return None


def run_book(*arguments: str) -> None:
    """Build the book in this process, if its settings are right.

    Args:
        arguments: Those of `jupyter-book build`.

    Raises:
        SystemExit: They are wrong, or the build failed; what was wrong has been told.
    """
    os.environ.pop("SOURCE_DATE_EPOCH", None)  # or each page would have its year as the book's
    if told := wrong_folder(ROOT):
        print(told, file=sys.stderr)
        raise SystemExit(1)
    from jupyter_book.cli.main import main

    from settings import wrong_files

    if told := wrong_files(ROOT):
        print(*told, sep="\n", file=sys.stderr)
        raise SystemExit(1)
    try:
        main(["build", *arguments], standalone_mode=False)
    except RuntimeError as error:
        if not error.__cause__:  # which Sphinx has told
            raise
        if told := not_written(error.__cause__):
            print(told, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    run_book(*sys.argv[1:])
