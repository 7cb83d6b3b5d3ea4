"""How checks end, kept in a small file beside the notebook: a restart of the kernel loses nothing.

The file has for each notebook its checks, how each ended last, when, and the cell that was checked.
It is written in a notebook that asks for it, and nowhere else; who deletes it begins anew.
"""

import json
import re
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from condlesson.checks.harness.handed_in import misspelt
from condlesson.checks.harness.result import (
    CheckResult,
    note_earlier,
    note_result,
    statuses,
    take_ended,
)

__all__ = ["FILE", "hand_in", "remember"]

FILE = "condlesson-progress.json"
KEYS = ("status", "when", "code")  # of each check
_CALL = re.compile(r"\b(check_\w+)\(\s*(\w+)")
_asked: dict[str, str] = {}  # the notebook's name, once it has asked


def remember(notebook: str) -> None:
    """Keep how checks end from now on, and take up what an earlier session has kept.

    It does nothing outside of a notebook. What cannot be written, as in a folder that is not ours,
    is not kept.

    Args:
        notebook: Name of the notebook.
    """
    session = _session()
    if session is None:
        return
    kept = _read().get(notebook, {})
    note_earlier({name: entry["status"] for name, entry in kept.items()})
    if not _asked:
        session.events.register("post_run_cell", _after_a_cell)
    _asked["notebook"] = notebook


def hand_in() -> str:
    """All that is kept in this folder as one text for a teacher: how checks ended, and the code."""
    kept = _read()
    if not kept:
        return f"Nothing is kept in {FILE} yet. Run a check first."
    lines = []
    for notebook, checks in kept.items():
        lines += [f"# {notebook}", ""]
        for name, entry in checks.items():
            lines += [f"## {name}: {entry['status']}, {entry['when']}", "", entry["code"], ""]
    return "\n".join(lines).strip()


def _after_a_cell(result: object) -> None:
    """Say which name was missing, if one was, and keep how the cell's checks ended."""
    cell = result.info.raw_cell or ""
    missing = getattr(result.error_in_exec, "name", None)
    calls = _CALL.findall(cell)
    for check, name in calls:
        if isinstance(result.error_in_exec, NameError) and missing == name:
            _tell(CheckResult(check, "not done", [_why_missing(name)]))
    kept, ended = {}, take_ended()
    for check, name in calls:
        if check in ended:
            status = statuses()[check]
            when = datetime.now().astimezone().isoformat(" ", "minutes")
            kept[check] = {"status": status, "when": when, "code": _cell_of(name)}
    if kept:
        with suppress(OSError):
            _write(kept)


def _tell(result: CheckResult) -> None:
    from IPython.display import display

    note_result(result)
    display(result)


def _why_missing(name: str) -> str:
    stopped = "Its cell stopped with an error before it made one." if _cell_of(name) else ""
    reason = misspelt(name, _session().user_ns) or stopped or "Its cell has not run."
    return f"There is no {name} in this session. {reason} Run that cell, then this one."


def _cell_of(name: str) -> str:
    """The last cell that makes a function or class of this name, or ""."""
    makes = re.compile(rf"^(?:class|def)\s+{name}\b", re.M)
    return next((cell for cell in reversed(_session().user_ns["In"]) if makes.search(cell)), "")


def _session() -> object | None:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _file() -> Path:
    """Beside the notebook, if its front end says where that is; else where the kernel runs."""
    session = _session()
    named = session.user_ns.get("__vsc_ipynb_file__") if session else None
    return Path(named).with_name(FILE) if named else Path(FILE)


def _read() -> dict[str, dict]:
    """What is kept; nothing if there is no file yet, or one that is not ours."""
    try:
        kept = json.loads(_file().read_text("utf-8"))
        return {
            notebook: {c: {key: str(entry[key]) for key in KEYS} for c, entry in checks.items()}
            for notebook, checks in kept.items()
        }
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return {}


def _write(found: dict[str, dict]) -> None:
    kept = _read()
    kept.setdefault(_asked["notebook"], {}).update(found)
    beside = _file().with_suffix(".partial")
    beside.write_text(json.dumps(kept, indent=1, ensure_ascii=False), "utf-8")
    beside.replace(_file())
