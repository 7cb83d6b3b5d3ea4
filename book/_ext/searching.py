"""What a search tells of each page that it finds: its first paragraph, as a script of its own.

Sphinx would fetch every page found for that, which costs much and cannot be done from a file.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import publishing

SCRIPT = "descriptions.js"  # in _static; search.html asks for it, and lesson.js shows what it holds


def remember(app: Sphinx, doctree: nodes.document) -> None:
    """Keep what a page is about."""
    known = app.env.__dict__.setdefault("descriptions", {})
    known[app.env.docname] = publishing.description(doctree)


def forget(app: Sphinx, env: BuildEnvironment, page: str) -> None:
    """Forget a page that is read again."""
    env.__dict__.get("descriptions", {}).pop(page, None)


def merge(app: Sphinx, env: BuildEnvironment, pages: set[str], other: BuildEnvironment) -> None:
    """Take over what another process has read."""
    found = other.__dict__.get("descriptions", {})
    known = env.__dict__.setdefault("descriptions", {})
    known.update({page: found[page] for page in pages if page in found})


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the script."""
    static = Path(app.outdir, "_static")
    if error or not static.is_dir():
        return
    known = {
        app.builder.get_target_uri(page): text
        for page, text in sorted(app.env.__dict__.get("descriptions", {}).items())
    }
    text = f"window.descriptions = {json.dumps(known, ensure_ascii=False)};\n"
    (static / SCRIPT).write_text(text, "utf-8")


def forget_words(app: Sphinx) -> list:
    """Words of texts that are gone, which Sphinx would leave in the index without a page."""
    indexer = getattr(app.builder, "indexer", None)
    for words in (indexer._mapping, indexer._title_mapping) if indexer else ():
        for word in [word for word, pages in words.items() if not pages]:
            del words[word]
    return []


def setup(app: Sphinx) -> dict:
    """Write before the addresses of scripts get their versions (900)."""
    app.connect("doctree-read", remember)
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("html-collect-pages", forget_words)  # when all pages are written
    app.connect("build-finished", write, priority=800)
    return {"env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}
