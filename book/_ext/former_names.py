"""Addresses of the reference pages that were made when modules had other names.

An entry's address is its full name: `api-tools.html#condlesson.experiment.runs.load_run`. Here each
gets the name that it had before its module moved as well, so that links from elsewhere still lead
to it.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

from condlesson.moved import MOVED

FORMER = {
    **{f"condlesson.{new}": f"condlesson.{old}" for old, new in MOVED.items()},
    "condlesson.notebooks.export": "condlesson.notebooks",  # a module, and now the package of it
}
# Modules whose names were in one that is still there.
PARTS = dict.fromkeys(("records", "canaries", "verifying"), "condlesson.runs")
PARTS = {f"condlesson.experiment.{part}": whole for part, whole in PARTS.items()}
PARTS["condlesson.notebooks.archive"] = "condlesson.notebooks"
# Single entries that moved, by the ending of their address.
ENTRIES = {
    "experiment.analysis.conclude": "experiment.comparison.conclude",
    "experiment.analysis.Estimate": "experiment.comparison.PairedDifference",
}
MOVED_NAME = re.compile(rf"(module-)?({'|'.join(map(re.escape, FORMER | PARTS))})(\..+)?")


def former(name: str) -> str | None:
    """The address that something had; None if its module has not moved."""
    found = MOVED_NAME.fullmatch(name)
    if not found or (found[1] and found[2] in PARTS):
        return None
    return f"{found[1] or ''}{(FORMER | PARTS)[found[2]]}{found[3] or ''}"


def keep(app: Sphinx, doctree: nodes.document) -> None:
    """Give each entry of a page its former address too."""
    for entry in doctree.findall(nodes.Element):
        ids = entry["ids"]
        ids += [f"condlesson.{ENTRIES[n]}" for i in ids if (n := i.partition(".")[2]) in ENTRIES]
        ids += [before for name in ids if (before := former(name))]


def setup(app: Sphinx) -> dict:
    """Work on a page when it has been read."""
    app.connect("doctree-read", keep)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
