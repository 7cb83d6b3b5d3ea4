"""What Sphinx must read or write again although no page changed.

Sphinx keeps what it read, and forgets what it complained about. So each page is read again after a
build that failed, was cut short or gave a warning, and when code changed that shapes pages. And
each is written again when a title, a label or a question changed, which other pages show.
"""

import hashlib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import predicting
from condlesson import (
    addresses,
    asking,
    bibliography,
    book,
    mistakes,
    notebooks,
    scaffold,
    translation,
)

SHAPING = (addresses, asking, bibliography, book, mistakes, notebooks, scaffold, translation)
HERE = Path(__file__).parent


def read_all(app: Sphinx, env: BuildEnvironment, *_: object) -> set[str]:
    """Every page, if the last build did not end well."""
    unsound = _mark(app)
    found = env.found_docs if unsound.exists() else set()
    unsound.touch()
    return found


def end(app: Sphinx, exception: Exception | None) -> None:
    """Remember whether this build ended well."""
    if exception is None and not app._warncount:
        _mark(app).unlink(missing_ok=True)


def write_all(app: Sphinx, env: BuildEnvironment) -> set[str]:
    """Every page, if what others show of pages is no longer the same."""
    titles = {name: title.astext() for name, title in env.titles.items()}
    shown = titles, dict(env.get_domain("std").labels), predicting.texts(env)
    before, env.shown_elsewhere = getattr(env, "shown_elsewhere", None), shown
    return env.found_docs if before not in (None, shown) else set()


def _mark(app: Sphinx) -> Path:
    return Path(app.doctreedir, "unsound")


def _version() -> int:
    files = [*sorted(HERE.glob("*.py")), *(Path(module.__file__) for module in SHAPING)]
    files.append(HERE.parents[1] / "requirements.txt")
    content = b"".join(path.read_bytes() for path in files)
    return int.from_bytes(hashlib.sha256(content).digest()[:6], "big")


def setup(app: Sphinx) -> dict:
    """Another `env_version` makes Sphinx forget what it has read."""
    app.connect("env-get-outdated", read_all)
    app.connect("env-updated", write_all)
    app.connect("build-finished", end)
    return {"env_version": _version(), "parallel_read_safe": True, "parallel_write_safe": True}
