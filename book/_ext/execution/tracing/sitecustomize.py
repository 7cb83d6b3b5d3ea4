"""Notes what a Python and its children read, one line each: kind, tab, path or text.

Python imports this at its start where PYTHONPATH names this folder; TRACE_FILE says where the notes
go. The standard library and installed packages are left out.

Kinds:
    import    a module was loaded, from its source or from what was compiled of it
    read      any other file was opened for reading
    list      names in a folder were looked through
    wrote     a file of the repository was written, renamed or deleted, but for what is built
    failed    a task or callback of asyncio raised, or a thread, which the kernel shows in no cell
"""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

LIBRARIES = (f"{Path(os.__file__).parent}{os.sep}", f"{os.sep}site-packages{os.sep}")
ROOT = Path(__file__).resolve().parents[4]
BUILT = {"_build", "__pycache__", ".git", ".venv"}
CHANGES = {"os.remove": 1, "os.rename": 2, "os.rmdir": 1, "os.mkdir": 2}  # where is the dir_fd
WRITING = os.O_WRONLY | os.O_RDWR
# PyTorch keeps the source lines of whoever imports or seeds it, for a message about CUDA.
NOT_SHOWN = "_lazy_call"


def watch(notes: str) -> None:
    """Write down what is read from now on; at once, so that nothing is lost when a kernel dies."""
    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    noted = set()

    def note(event: str, arguments: tuple) -> None:
        if event not in ("open", "os.listdir", "os.scandir", *CHANGES):
            return
        path = arguments[0] or "."
        if isinstance(path, int):  # the number of a file that is open
            return
        if event in CHANGES and arguments[CHANGES[event]] >= 0:
            return  # of a path below a folder that is open, as where `tempfile` cleans up
        if event in CHANGES or (event == "open" and arguments[2] & WRITING):
            kind = "wrote" if _is_ours(Path(os.fsdecode(path)).resolve()) else ""
        else:
            kind = _kind(event, sys._getframe().f_back)
        line = f"{kind}\t{Path(os.fsdecode(path)).absolute()}\n"
        if kind and line not in noted and not any(library in line for library in LIBRARIES):
            noted.add(line)
            os.write(file, line.encode("utf-8", "surrogateescape"))

    sys.addaudithook(note)
    lost = Lost(file)
    logging.getLogger("asyncio").addHandler(lost)
    threading.excepthook = lost.thread


class Lost(logging.Handler):
    """Writes down what asyncio has to say of an exception that nobody awaited."""

    def __init__(self, file: int) -> None:
        super().__init__(logging.WARNING)
        self.file = file

    def emit(self, record: logging.LogRecord) -> None:
        """Write what a record tells."""
        self.note(record.getMessage(), record.exc_info and record.exc_info[1])

    def thread(self, ended: threading.ExceptHookArgs) -> None:
        """Write down what a thread raised; also one that goes on behind the last cell."""
        if not issubclass(ended.exc_type, SystemExit):
            self.note("", ended.exc_value)

    def note(self, told: str, error: BaseException | None) -> None:
        """Write one line: what was raised, and behind a tab the page's line where it was."""
        line = ""
        if error:
            told = f"{type(error).__name__}: {error}"
            frames = traceback.extract_tb(error.__traceback__)
            line = next((f.line for f in reversed(frames) if "ipykernel" in f.filename), "")
        note = f"failed\t{' '.join(told.split())}\t{line}\n"
        os.write(self.file, note.encode("utf-8", "replace"))


def _is_ours(path: Path) -> bool:
    """Whether a file is one that git would look at."""
    return path.is_relative_to(ROOT) and not BUILT.intersection(path.relative_to(ROOT).parts)


def _kind(event: str, caller: FrameType | None) -> str:
    """The kind of a reading; empty for one that cannot change what a page shows."""
    by_importer = caller is not None and "importlib" in caller.f_code.co_filename
    if event == "open" and by_importer:
        return "import"
    if by_importer:  # a search for modules and packages; those found are opened, or are pinned
        return ""
    if event != "open":
        return "list"
    return "" if any(frame.f_code.co_name == NOT_SHOWN for frame in _outwards(caller)) else "read"


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


if "TRACE_FILE" in os.environ:
    watch(os.environ["TRACE_FILE"])
