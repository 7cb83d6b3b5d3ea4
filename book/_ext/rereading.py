"""What Sphinx must read or write again although no page changed.

Sphinx keeps what it read, and forgets what it complained about. So a page is read again after a
warning about it; and every page, after a warning about none, after a build that broke off while it
read, and when code changed that shapes pages. Each is written again when a title, a label or a
question changed, which other pages show. Nor does Sphinx take a page from the site that is gone
from the book.
"""

import hashlib
import logging
from pathlib import Path

from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.logging import NAMESPACE, get_node_location

import condlesson
import predicting

# Modules of the package that shape pages; their files count, so none of them need be loaded.
SHAPING = (
    *("addresses", "asking", "bibliography", "book"),
    *("mistakes", "notebooks", "scaffold", "translation"),
)
HERE = Path(__file__).parent
ALL = "*"


class Complaints(logging.Handler):
    """Collects which pages warnings are about; one about no page is about all."""

    def __init__(self, app: Sphinx) -> None:
        super().__init__(logging.WARNING)
        self.app = app
        self.pages: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Note the page."""
        place = getattr(record, "location", None)
        if isinstance(place, Node):
            place = get_node_location(place)
        name = (place[0] if isinstance(place, tuple) else place or "").partition(":")[0]
        env = self.app.env
        names = {name, env.path2doc(name)} & env.found_docs if env else set()
        self.pages |= names or {ALL}


def read_again(app: Sphinx, env: BuildEnvironment, *_: object) -> set[str]:
    """Pages that the last build warned about; all, if it did not come to its end."""
    unsound = _mark(app)
    noted = unsound.read_text().split() if unsound.exists() else []
    unsound.write_text(ALL)
    return env.found_docs if ALL in noted else env.found_docs.intersection(noted)


def end(app: Sphinx, exception: Exception | None) -> None:
    """Remember how this build ended."""
    if exception is None and not app._warncount:
        _mark(app).unlink(missing_ok=True)
    elif exception is None and app.complaints.pages:
        _mark(app).write_text("\n".join(app.complaints.pages))


def write_all(app: Sphinx, env: BuildEnvironment) -> set[str]:
    """Every page, if what others show of pages is no longer the same."""
    titles = {name: title.astext() for name, title in env.titles.items()}
    shown = titles, dict(env.get_domain("std").labels), predicting.texts(env)
    before, env.shown_elsewhere = getattr(env, "shown_elsewhere", None), shown
    return env.found_docs if before not in (None, shown) else set()


def drop_gone(app: Sphinx, env: BuildEnvironment, *_: object) -> list[str]:
    """Take pages from the site that are in the book no more; nothing is read again for that."""
    sources = Path(app.outdir, "_sources")
    for source in sources.rglob("*.md"):
        name = source.relative_to(sources).with_suffix("").as_posix()
        if name not in env.found_docs:
            Path(app.outdir, f"{name}.html").unlink(missing_ok=True)
            source.unlink()
    return []


def _mark(app: Sphinx) -> Path:
    return Path(app.doctreedir, "unsound")


def _version() -> int:
    package = Path(condlesson.__file__).parent
    files = [*sorted(HERE.glob("*.py")), *(package / f"{name}.py" for name in SHAPING)]
    files.append(HERE.parents[1] / "requirements.txt")
    content = b"".join(path.read_bytes() for path in files)
    return int.from_bytes(hashlib.sha256(content).digest()[:6], "big")


def setup(app: Sphinx) -> dict:
    """Another `env_version` makes Sphinx forget what it has read."""
    app.complaints = Complaints(app)
    logging.getLogger(NAMESPACE).addHandler(app.complaints)
    app.connect("env-get-outdated", read_again)
    app.connect("env-get-outdated", drop_gone)
    app.connect("env-updated", write_all)
    app.connect("build-finished", end)
    return {"env_version": _version(), "parallel_read_safe": True, "parallel_write_safe": True}
