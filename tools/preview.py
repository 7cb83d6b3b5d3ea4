"""Two versions of the built site, and a page that says where they differ: make preview BASE=DIR.

python -m tools.preview BEFORE AFTER OUT

A page has changed when its article has: a line of text, a picture's content, a link, or what lies
in its markup. Commit and date in the footer do not count, nor what stands on every page, such as
styles and the table of contents; if that changed, it is said once. OUT gets copies of both sites,
index.html, and the same list as summary.md.
"""

import difflib
import hashlib
import html
import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag

__all__ = ["Article", "Comparison", "Difference", "compare", "write_preview"]

# Of an article, what is not said in it, and when each page was run.
ASIDE = (
    "nav.launch, nav.prev-next-footer, .headerlink, table:has(th:-soup-contains('Run Time (s)'))"
)
BLOCKS = ("address, blockquote, div, dd, dt, figcaption, figure, h1, h2, h3, h4, h5, h6, legend, "
          "li, p, pre, section, summary, td, th, tr")  # fmt: skip
FRAME = {"header": "header:not(article *)", "footer": "footer:not(article *, .prev-next-footer)"}
INDICES = ("404.html", "genindex.html", "search.html")  # change with every page
BY_COMMIT = re.compile(r"\bcommit \w+|\d{4}-\d\d-\d\d")
BUILT = re.compile(r"(\.(?:css|js|svg|png))\?[^\s\"']*")  # a version behind a file's name
STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
:root { background: Canvas; color: CanvasText; }
body { margin: 2rem auto; max-width: 50rem; padding: 0 1rem; overflow-wrap: anywhere; }
li > p, details > p { margin: 0.3rem 0; }
ins { background: #c6f0cf; color: #10361a; }
del { background: #ffd4d4; color: #5c1010; }
"""


class Article:
    """What a page says, without what stands around it.

    Args:
        site: Folder of the site.
        name: Path of the page in it.
    """

    def __init__(self, site: Path, name: str) -> None:
        self.site, self.name = site, name
        page = BeautifulSoup((site / name).read_text("utf-8"), "html.parser")
        self.tree = copy(page.select_one("article.bd-article"))
        for tag in self.tree.select(ASIDE):
            tag.decompose()
        heading = self.tree.find("h1")
        self.title = heading.get_text().strip() if heading else name
        self.entry = f"{self.title} ({name})"
        self.contents = [link.get_text().strip() for link in page.select("nav.bd-links a")]
        self.frame = {
            f"the {name}": BY_COMMIT.sub("", " ".join(tag.get_text() for tag in page.select(where)))
            for name, where in FRAME.items()
        }

    @cached_property
    def text(self) -> list[str]:
        """Its lines: paragraphs, cells of tables, lines of code."""
        tree = copy(self.tree)
        for tag in tree.select(BLOCKS):
            tag.insert_before("\n")
            tag.append("\n")
        lines = (" ".join(line.split()) for line in tree.get_text().splitlines())
        return [line for line in lines if line]

    @cached_property
    def pictures(self) -> dict[str, str]:
        """For each picture, by what it is called, a digest of its content."""
        found: dict[str, str] = {}
        for image in self.tree.select("img[src]"):
            name = _called(image)
            found[name] = f"{found.get(name, '')}{self._content(image['src'])}"
        return found

    @cached_property
    def links(self) -> set[str]:
        """Where it leads."""
        return {link["href"] for link in self.tree.select("a[href]")}

    @cached_property
    def markup(self) -> str:
        """All of it, a picture's content in the place of its name."""
        tree = copy(self.tree)
        for image in tree.select("img[src]"):
            image["src"] = self._content(image["src"])
        return BUILT.sub(r"\1", str(tree))

    def _content(self, source: str) -> str:
        file = (self.site / self.name).parent / unquote(source.partition("?")[0])
        return _digest(file) if file.is_file() else source


def _called(image: Tag) -> str:
    caption = image.find_parent("figure") and image.find_parent("figure").find("figcaption")
    number = caption and re.match(r"\s*(Fig\. \d+)", caption.get_text())
    return number[1] if number else textwrap.shorten(image.get("alt") or image["src"], 60)


class Comparison:
    """What differs between two articles of one page.

    Args:
        before: The older one.
        after: The newer one.
    """

    def __init__(self, before: Article, after: Article) -> None:
        self.before, self.after = before, after
        old, new = before.text, after.text
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        self.lines = [
            (old[a:b], new[c:d]) for kind, a, b, c, d in matcher.get_opcodes() if kind != "equal"
        ]
        self.pictures = _differing(before.pictures, after.pictures)
        self.links = sorted(before.links ^ after.links)

    @property
    def changes(self) -> list[str]:
        """What changed, in a few words each; nothing if the articles are the same."""
        count = sum(max(len(old), len(new)) for old, new in self.lines)
        found = [_number(count, "line of text", "lines of text")] if count else []
        found += [f"pictures: {', '.join(self.pictures)}"] if self.pictures else []
        found += [f"links: {', '.join(self.links)}"] if self.links else []
        same = self.before.markup == self.after.markup
        return found or ([] if same else ["the markup, or the data of a moving figure"])


def _differing(old: dict[str, str], new: dict[str, str]) -> list[str]:
    return [name for name in old | new if old.get(name) != new.get(name)]


def _number(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


class Difference(NamedTuple):
    """What differs between two sites.

    Attributes:
        changed: Pages of both that are not the same.
        added: Pages of the newer alone.
        gone: Pages of the older alone.
        shared: What stands on every page and is another.
        unchanged: How many pages are the same.
    """

    changed: list[Comparison]
    added: list[Article]
    gone: list[Article]
    shared: list[str]
    unchanged: int

    @property
    def verdict(self) -> str:
        """The whole in a sentence."""
        if not self.changed and not self.gone and not self.unchanged:
            return "Nothing was published before, so every page is new."
        counts = {"changed": len(self.changed), "new": len(self.added), "gone": len(self.gone)}
        told = [f"{count} {word}" for word, count in counts.items() if count] or ["none changed"]
        return f"Of the pages, {', '.join(told)}, {self.unchanged} as before."

    def summary(self) -> str:
        """The list, as Markdown."""
        lines = [f"- changed: {c.after.entry}: {'; '.join(c.changes)}" for c in self.changed]
        lines += [f"- new: {article.entry}" for article in self.added]
        lines += [f"- gone: {article.entry}" for article in self.gone]
        lines += [f"- of every page: {', '.join(self.shared)}"] if self.shared else []
        return "\n".join([self.verdict, *([""] if lines else []), *lines]) + "\n"

    def page(self) -> str:
        """The list, as HTML, with the changes of the text."""
        parts = [f"<p>{self.verdict}</p>"]
        for comparison in self.changed:
            parts += [_heading(comparison.after, "before", "after"), _items(comparison.changes)]
            if comparison.lines:
                lines = "".join(_marked(old, new) for old, new in comparison.lines)
                parts += [f"<details open><summary>The text</summary>{lines}</details>"]
        parts += [_heading(article, "after") + "<p>This page is new.</p>" for article in self.added]
        parts += [
            _heading(article, "before") + "<p>This page is gone.</p>" for article in self.gone
        ]
        parts += ["<h2>Every page</h2>", _items(self.shared)] if self.shared else []
        return (
            '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>Preview of the site</title><style>{STYLE}</style></head>"
            f"<body><main><h1>Preview of the site</h1>{''.join(parts)}</main></body></html>\n"
        )


def compare(before: Path, after: Path) -> Difference:
    """What differs between two sites, pages in the order of their names.

    Args:
        before: Folder of the older site; an empty one if there is none yet.
        after: Folder of the newer site.

    Raises:
        FileNotFoundError: There is no such folder, or no page in the newer one, or something else
            in the older one.
    """
    old = _articles(before) if before.is_dir() else {}
    if not before.is_dir() or (not old and {path.name for path in before.iterdir()} - {".git"}):
        raise FileNotFoundError(
            f"BASE must be a folder with a built site, or an empty one, got {before}. Check out "
            "the branch gh-pages there, or build an earlier commit and copy its _build/html."
        )
    new = _articles(after)
    if not new:
        raise FileNotFoundError(f"{after} must hold a built site, got none. Run: make html")
    both = [Comparison(old[name], new[name]) for name in old if name in new]
    changed = [comparison for comparison in both if comparison.changes]
    added = [article for name, article in new.items() if name not in old]
    gone = [article for name, article in old.items() if name not in new]
    shared = _shared(before, after, both[0]) if both else []
    return Difference(changed, added, gone, shared, len(both) - len(changed))


def _articles(site: Path) -> dict[str, Article]:
    return {
        path.name: Article(site, path.name)
        for path in sorted(site.glob("*.html"))
        if path.name not in INDICES and 'class="bd-article"' in path.read_text("utf-8")
    }


def _shared(before: Path, after: Path, page: Comparison) -> list[str]:
    """What stands on every page and is another, seen on one page of both."""
    contents = ["the table of contents"] * (page.before.contents != page.after.contents)
    frame = _differing(page.before.frame, page.after.frame)
    return [*contents, *frame, *_differing(_static(before), _static(after))]


def _static(site: Path) -> dict[str, str]:
    files = (path for path in sorted((site / "_static").rglob("*")) if path.is_file())
    return {path.relative_to(site).as_posix(): _digest(path) for path in files}


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def write_preview(before: Path, after: Path, out: Path) -> Difference:
    """Write both sites, the page and the list; what is in the folder is replaced.

    Args:
        before: As of `compare`.
        after: As of `compare`.
        out: The folder.

    Raises:
        FileNotFoundError: As of `compare`.
        ValueError: The folder lies in one of the sites, or holds one.
    """
    difference = compare(before, after)
    for site in (before.resolve(), after.resolve()):
        if site.is_relative_to(out.resolve()) or out.resolve().is_relative_to(site):
            raise ValueError(f"{out} is replaced, so {site} must lie outside it, and not hold it.")
    shutil.rmtree(out, ignore_errors=True)
    for site, name in ((before, "before"), (after, "after")):
        shutil.copytree(site, out / name, ignore=shutil.ignore_patterns(".git"))
    (out / "summary.md").write_text(difference.summary(), "utf-8")
    (out / "index.html").write_text(difference.page(), "utf-8")
    return difference


def _items(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{html.escape(text)}</li>' for text in texts)}</ul>"


def _heading(article: Article, *versions: str) -> str:
    title = html.escape(article.title)
    links = [
        f'<a href="{version}/{html.escape(article.name)}" aria-label="{version}: {title}">'
        f"{version}</a>"
        for version in versions
    ]
    return f"<h2>{title}</h2><p>{' · '.join(links)}</p>"


def _marked(old: Sequence[str], new: Sequence[str]) -> str:
    """Lines that replace others, with their words marked."""
    before, after = (re.findall(r"\S+|\n", "\n".join(lines)) for lines in (old, new))
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    words = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            words += [html.escape(" ".join(before[a:b]))]
            continue
        words += [f"<del>{html.escape(' '.join(before[a:b]))}</del>"] if b > a else []
        words += [f"<ins>{html.escape(' '.join(after[c:d]))}</ins>"] if d > c else []
    return f"<p>{' '.join(words)}</p>".replace("\n", "<br>")


if __name__ == "__main__":
    try:
        print(write_preview(*map(Path, sys.argv[1:])).summary(), end="")
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
