"""What a page says about itself to others: description, address, card, version, and a sitemap.

Canonical addresses, cards and the sitemap need to know where the site is. That is `html.baseurl`
in `_config.yml`, or else what follows from the repository's address once that is set.
`tools/make_card.py` draws the card.
"""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

import condlesson
import reading
from condlesson.notebooks import addresses

LONGEST = 160  # characters of a description; search engines cut longer ones
UNSET = "OWNER"  # the owner in _config.yml as long as nobody has decided
logger = logging.getLogger(__name__)
CARD_ALT = "A clock with many hands, and beside it the title of the lesson."


def set_place(app: Sphinx, config: Config) -> None:
    """Work out where the site is, if that is not set, and which commit it is made from."""
    owner = urlsplit(addresses.repository_url()).path.split("/")[1]
    if not config.html_baseurl and owner != UNSET:
        config.html_baseurl = addresses.site_address()
    config.last_commit = _last_commit(Path(app.srcdir))


def describe_page(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Hand the page's template what it says about the page."""
    site = app.config.html_baseurl
    commit, date = app.config.last_commit
    context |= {
        "site": site,
        "base_path": urlsplit(site).path if page == "404" else "",  # shown at any depth
        "description": description(doctree) or f"{context['docstitle']}: {page}.",
        "card_alt": CARD_ALT,
        "repository": addresses.repository_url(),
        "version_shown": condlesson.__version__,
        "commit": commit,
        "commit_date": date,
    }
    minutes = reading.minutes(app.env, page)
    if minutes:
        told = f"{minutes} minute{'s' * (minutes > 1)} to read"
        context["body"] = context["body"].replace(
            "</h1>", f'</h1>\n<p class="reading-time">{told}</p>', 1
        )
    for button in context["header_buttons"]:
        for link in button.get("buttons", []):
            kind = {"source-edit-button": "edit_url", "source-issues-button": "issue_url"}
            if link.get("label") in kind:
                context[kind[link["label"]]] = link["url"]
    context["header_buttons"] = [
        button
        for button in context["header_buttons"]
        if button.get("label") in ("launch-buttons", "download-buttons")
    ]


def look(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of a page that describes itself, which would be described twice."""
    for own in doctree.findall(nodes.meta):
        told = "html_meta says %s of this page, which its first paragraph does. Take html_meta out."
        kind = own.get("name") or own.get("http-equiv") or own.get("property")
        logger.warning(told, kind, location=app.env.docname)


def write_sitemap(app: Sphinx, error: Exception | None) -> None:
    """List the pages for search engines."""
    site = app.config.html_baseurl
    if error or not site:
        return
    places = "".join(
        f"<url><loc>{escape(site + app.builder.get_target_uri(page))}</loc></url>\n"
        for page in sorted(app.env.found_docs)
    )
    text = (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>\n'
    )
    (Path(app.outdir) / "sitemap.xml").write_text(text, "utf-8")


def description(doctree: nodes.document | None) -> str:
    """The page's first paragraph, cut after a sentence or else after a word."""
    paragraphs = doctree.findall(nodes.paragraph) if doctree else ()
    text = " ".join(next(iter(paragraphs), nodes.paragraph()).astext().split())
    if len(text) <= LONGEST:
        return text
    head = text[: LONGEST - 1]
    sentence = max(head.rfind(mark) for mark in (". ", "? ", "! "))
    return head[: sentence + 1] if sentence > LONGEST / 3 else f"{head.rsplit(' ', 1)[0]}…"


def _last_commit(folder: Path) -> tuple[str, str]:
    """Hash and date of the last commit, both empty where there is none."""
    command = ["git", "log", "-1", "--no-show-signature", "--no-color", "--format=%H %cs"]
    environment = {name: v for name, v in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "", ""
    found = re.search(r"^([0-9a-f]{40,}) (\d{4}-\d\d-\d\d)$", done.stdout, re.M)
    return (found[1], found[2]) if found else ("", "")


def setup(app: Sphinx) -> dict:
    """Run after the launch links (502) have been added to the theme's buttons."""
    app.add_config_value("last_commit", ("", ""), "html")  # another one: write all pages again
    app.connect("config-inited", set_place)
    app.connect("html-page-context", describe_page, priority=503)
    app.connect("doctree-read", look)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
