"""What Sphinx must read or write again although no page changed.

Sphinx keeps what it read, and forgets what it complained about. So a page is read again after a
warning about it; and every page, after a warning about none, after a build that broke off while it
read or that wrote no pages, when a file of the site is gone, and when code changed that shapes
pages. Sphinx knows a page by the time when it read it, and so misses one that was saved meanwhile
or put back; here its content counts. Each is written again when something changed that stands on
other pages as well: titles, labels, numbers of figures, questions, citations, the table of
contents, scripts and styles. Nor does Sphinx take a page from the site that is gone from the book.
"""

import hashlib
import logging
from copy import deepcopy
from pathlib import Path

from docutils.nodes import Node
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.logging import NAMESPACE, get_node_location

import assets
import condlesson
import predict

# Modules of the package that shape pages; their files count, so none of them need be loaded.
SHAPING = ("notebooks/*.py", "museum/mistakes/*.py", "scaffold.py")
EXTENSIONS = Path(__file__).parents[1]
ALL = "*"
LAST = 1_000_000  # what else ends a build may still fail or be interrupted


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
        env = getattr(self.app, "env", None)  # none while the settings are read
        names = {name, env.path2doc(name)} & env.found_docs if env else set()
        self.pages |= names or {ALL}


def read_again(app: Sphinx, env: BuildEnvironment, *_: object) -> set[str]:
    """Pages that changed or that the last build warned about; all, if it wrote none to its end."""
    unsound = _mark(app)
    noted = unsound.read_text().split() if unsound.exists() else []
    unsound.write_text(ALL)
    noted += [ALL] if _is_something_gone(app) else []
    read = getattr(env, "sources", {})
    changed = {name for name in env.found_docs if name in read and read[name] != _source(env, name)}
    return env.found_docs if ALL in noted else env.found_docs.intersection(noted) | changed


def note_source(app: Sphinx, env: BuildEnvironment, name: str) -> None:
    """Remember what is about to be read."""
    env.sources = {**getattr(env, "sources", {}), name: _source(env, name)}


def _source(env: BuildEnvironment, name: str) -> str:
    path = Path(env.doc2path(name))
    return _digest([path]) if path.exists() else ""


def end(app: Sphinx, exception: Exception | None) -> None:
    """Remember how this build ended."""
    if app.builder.name != "html":  # what it has read, it did not write
        return
    if exception is None:
        _list(app).write_text("\n".join(_written(Path(app.outdir))), "utf-8")
    if exception is None and not app._warncount:
        _mark(app).unlink(missing_ok=True)
    elif exception is None and app.complaints.pages:
        _mark(app).write_text("\n".join(app.complaints.pages))


def write_all(app: Sphinx, env: BuildEnvironment) -> set[str]:
    """Every page, if what others show of pages is no longer the same."""
    entries = [citation.formatted_entry for citation in env.get_domain("cite").citations]
    shown = (
        {name: title.astext() for name, title in env.titles.items()},
        dict(env.get_domain("std").labels),
        deepcopy(env.toc_fignumbers),  # Sphinx takes those of a page out before it reads it again
        predict.texts(env),
        [(cited.key, cited.label, str(cited.text)) for cited in entries],
        env.external_site_map.as_json(),
        _digest(list(assets.own_files(app).values())),
    )
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


def _list(app: Sphinx) -> Path:
    return Path(app.doctreedir, "written")


def _is_something_gone(app: Sphinx) -> bool:
    """Whether the site lacks a file of the last build; another builder writes no site."""
    if app.builder.name != "html" or not _list(app).exists():
        return False
    names = _list(app).read_text("utf-8").splitlines()
    return not all(Path(app.outdir, name).is_file() for name in names)


def _written(out: Path) -> list[str]:
    """Pages, and what they are shown with; what is published beside them, other tools write."""
    found = {*out.rglob("*.html"), *out.glob("_static/**/*"), *out.glob("_images/*")}
    return sorted(path.relative_to(out).as_posix() for path in found if path.is_file())


def _version() -> int:
    package = Path(condlesson.__file__).parent
    shaping = [path for pattern in SHAPING for path in sorted(package.glob(pattern))]
    files = [*sorted(EXTENSIONS.rglob("*.py")), *shaping]
    files.append(EXTENSIONS.parents[1] / "requirements.txt")
    return int(_digest([path for path in files if path.is_file()])[:12], 16)  # an editor's lock


def _digest(files: list[Path]) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def setup(app: Sphinx) -> dict:
    """Another `env_version` makes Sphinx forget what it has read."""
    app.complaints = Complaints(app)
    logging.getLogger(NAMESPACE).addHandler(app.complaints)
    app.connect("env-get-outdated", read_again)
    app.connect("env-get-outdated", drop_gone)
    app.connect("env-purge-doc", note_source)
    app.connect("env-get-updated", write_all, priority=600)  # behind what numbers the figures
    app.connect("build-finished", end, priority=LAST)
    return {"env_version": _version(), "parallel_read_safe": True, "parallel_write_safe": True}
