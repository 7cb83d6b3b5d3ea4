"""Links in a page's own HTML: each must lead to a page of the book, and to a place on it.

Sphinx knows where a reference leads, and passes HTML by. Here a link in HTML to a page or a place
that is not there fails the build, as one in Markdown does. What is published beside the pages, as
the notebooks are, is there later: `tests/book/test_links.py` looks at those.
"""

import posixpath
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

SHOWS = ("src", "poster")  # attributes that name files
IN_STYLE = re.compile(r"url\(\s*['\"]?([^'\")#][^'\")]*)")
PLACE = re.compile(r'\sid="([^"]+)"')
PUBLISHED = (".zip", ".ipynb", ".whl", "sitemap.xml")  # beside the pages, and later
BLOCKED = {"script", "style", "iframe", "object", "embed", "audio", "video"}
POLICY = "pages run no script of their own and load nothing from elsewhere."
logger = logging.getLogger(__name__)


class _Addresses(HTMLParser):
    """Where some HTML leads and what it shows, but for what is outside of the book."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[SplitResult] = []
        self.files: list[SplitResult] = []
        self.malformed: list[str] = []
        self.blocked: list[str] = []  # by the site's policy, which `assets` writes
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        is_data = given.get("type") == "application/json"
        self.blocked += [f"<{tag}>"] if tag in BLOCKED and not is_data else []
        self.blocked += [name for name in given if name.startswith("on")]
        if tag == "a":
            self._take(given.get("href"), self.links)
            return
        shown = [given[name] or "" for name in SHOWS if name in given]
        shown += given["srcset"].split(",") if given.get("srcset") else []
        for written in shown:
            self._take((written.split() or [""])[0], self.files)
        for written in IN_STYLE.findall(given.get("style") or ""):
            self._take(written, self.files)

    def _take(self, written: str | None, found: list[SplitResult]) -> None:
        """Put an address where it belongs; None is none."""
        if written is None:
            return
        try:
            address = urlsplit(written)
        except ValueError:
            self.malformed.append(written)
            return
        if not address.scheme and not address.netloc:
            found.append(address)
        elif found is self.files and address.scheme != "data":
            self.blocked.append(written)


def look(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Warn of each link and file of a page that is not there."""
    for node in doctree.findall(nodes.raw):
        if node.get("format") != "html":
            continue
        found = _Addresses(node.astext())
        told = [_wrong_link(app, page, unquote(a.path), a.fragment) for a in found.links]
        told += [f"{address} in HTML is no address." for address in found.malformed]
        blocked = found.blocked if node.source else ()  # sphinx-thebe adds what `assets` removes
        told += [f"{what} in HTML: {POLICY}" for what in blocked]
        told += [_wrong_file(app, page, unquote(a.path)) for a in found.files]
        for fault in filter(None, told):
            logger.warning("%s Mend the address, or write a reference.", fault, location=node)
    for image in doctree.findall(nodes.image):
        if urlsplit(image["uri"]).netloc:
            logger.warning(
                "%s: %s Take a copy into the book.", image["uri"], POLICY, location=image
            )


def _wrong_link(app: Sphinx, page: str, path: str, place: str) -> str:
    written = (*app.config.html_additional_pages, "genindex", "search")  # without a source
    target = posixpath.normpath(posixpath.join(posixpath.dirname(page), path))
    target = target.removesuffix(".html") if path else page
    is_file = path.startswith("_static/") and Path(app.srcdir, path).is_file()
    if target in written or path.endswith(PUBLISHED) or path == "./" or is_file:
        return ""
    if (path and not path.endswith(".html")) or target not in app.env.found_docs:
        return f"a link in HTML leads to {path}, and there is no such page."
    if place and place not in _places(app.env, target):
        return f"a link in HTML leads to {path}#{place}, and there is no such place."
    return ""


def _wrong_file(app: Sphinx, page: str, path: str) -> str:
    """Of a picture, a frame, a script; what the build makes itself begins with an underscore."""
    if path.endswith(".html"):
        return _wrong_link(app, page, path, "")
    if path.startswith("_") or Path(app.srcdir, posixpath.dirname(page), path).is_file():
        return ""
    return f"HTML shows {path or 'nothing'}, and there is no such file."


def _places(env: BuildEnvironment, page: str) -> set[str]:
    """Ids of a page."""
    doctree = env.get_doctree(page)
    raw = " ".join(node.astext() for node in doctree.findall(nodes.raw))
    ids = {name for node in doctree.findall(nodes.Element) for name in node["ids"]}
    return ids.union(PLACE.findall(raw))


def setup(app: Sphinx) -> dict:
    """Look when all references are resolved."""
    app.connect("doctree-resolved", look, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
