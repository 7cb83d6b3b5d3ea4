"""What stands within a line of the pages, for a plain notebook: citations, references, numbers.

MyST's roles are Sphinx's, and Jupyter shows them as raw text. Here each becomes CommonMark. What
is not known here is an error with page and line.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from mimetypes import guess_type
from urllib.parse import quote

from condlesson.notebooks import addresses
from condlesson.notebooks.pages import Book, Page, PageError, Target
from condlesson.notebooks.references import Reference

__all__ = ["Inline"]

_INLINE = re.compile(
    r"(?P<code>(?<![`}])(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|\{(?P<role>[a-z][\w:+-]*)\}(?P<fence>`+)(?P<text>.+?)(?P=fence)(?!`)"
    r"|!\[(?P<alt>[^\]]*)\]\((?!https?:)(?P<image>[^)\s]+)\)"
    r"|\[(?P<shown>[^\[\]]*)\]\(#(?P<label>[^)\s]+)\)"
    r"|\]\((?!https?:|mailto:|#)(?P<link>[^)\s]+)\)"
    r"|<img\b[^>]*? src=\"(?!https?:|data:)(?P<src>[^\"]+)\""
    r"|(?P<unknown>\{\{.+?\}\}|\[\^[^\]\s]+\]|<(?:project|path|inv|myst):[^>]*>|<#[^>]*>"
    r"|\bhref=\"(?!https?:|mailto:|#)[^\"]+\")",
    re.S,
)
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")
_WITH_TITLE = re.compile(r"(.+?)\s*<([^<>]+)>", re.S)


@dataclass
class Inline:
    """Translates text of one page, without its blocks.

    Args:
        book: The book that the page is in.
        page: The page.
        glued: Numbers of the page, by name.
        cited: Keys of the references so far; `inline` adds to it.
    """

    book: Book
    page: Page
    glued: Mapping[str, bool | int | float | str]
    cited: set[str] = field(default_factory=set)

    def inline(self, source: str, line: int) -> str:
        """Translate a piece without blocks.

        Args:
            source: MyST text.
            line: Line of the page where it starts.

        Returns:
            Markdown.

        Raises:
            PageError: It holds something that is not known.
        """

        def replaced(match: re.Match) -> str:
            if match["code"]:
                return match[0]
            here = line + source.count("\n", 0, match.start())
            if match["unknown"]:
                raise self._error(here, f"{match[0]} is not known; write it out.")
            if match["image"]:
                return f"![{match['alt']}]({self._image(match['image'], here)})"
            if match["src"]:
                return match[0].replace(match["src"], self._image(match["src"], here))
            if match["label"]:
                shown = f"{match['shown']} <{match['label']}>" if match["shown"] else match["label"]
                return self._ref(shown, here)
            if match["link"]:
                name, _, section = match["link"].partition("#")
                target = name.removesuffix(".md")
                return f"]({self._address(target, here)}{'#' * bool(section)}{section})"
            role = ROLES.get(match["role"])
            if not role:
                raise self._error(here, f"the role {{{match['role']}}} is not known.")
            return role(self, match["text"], here)

        return _INLINE.sub(replaced, source)

    def _cite(self, text: str, line: int) -> str:
        found = [self._reference(key.strip(), line) for key in text.split(",")]
        return "(" + "; ".join(f"[{r.who}, {r.year}]({r.url})" for r in found) + ")"

    def _cite_in_text(self, text: str, line: int) -> str:
        found = [self._reference(key.strip(), line) for key in text.split(",")]
        return ", ".join(f"[{r.who} ({r.year})]({r.url})" for r in found)

    def _reference(self, key: str, line: int) -> Reference:
        if key not in self.book.references:
            raise self._error(line, f"there is no reference {key}.")
        self.cited.add(key)
        return self.book.references[key]

    def _doc(self, text: str, line: int) -> str:
        title, name = _split(text)
        address = self._address(name, line)
        return f"[{title or self.book.pages[name].title}]({address})"

    def _ref(self, text: str, line: int) -> str:
        title, label = _split(text)
        target = self._target(label, line)
        if not target.is_section and target.page != self.page.name:
            return self._numref(text, line)
        if not target.is_section:
            return title or target.text
        page = "" if target.page == self.page.name else self._address(target.page, line)
        return f"[{title or target.text}]({page}#{_anchor(target.text)})"

    def _numref(self, text: str, line: int) -> str:
        title, label = _split(text)
        target = self._target(label, line)
        number = target.text.removeprefix("Fig. ")
        shown = title.replace("%s", number).replace("{number}", number) if title else target.text
        if target.page == self.page.name:
            return shown
        page = self.book.pages[target.page]
        return f"{shown} of [{page.title}]({self._address(page.name, line)})"

    def _glue(self, text: str, line: int) -> str:
        name, _, form = text.partition(":")
        if name not in self.glued:
            raise self._error(line, f"no cell of this page glues {name}.")
        return format(self.glued[name], form)

    def _math(self, text: str, line: int) -> str:
        return f"${text}$"

    def _image(self, path: str, line: int) -> str:
        """A local image as an address that holds it.

        So it shows without the book and without a network. Colab shows no attachments of cells.
        """
        kind, file = guess_type(path)[0], self.book.folder / path
        if not path.startswith("images/") or kind not in _IMAGE_TYPES:
            raise self._error(
                line, f"an image must be a PNG, JPEG, GIF or SVG file in images/, got {path}."
            )
        if not file.is_file():
            raise self._error(line, f"there is no image {path}.")
        return f"data:{kind};base64,{b64encode(file.read_bytes()).decode()}"

    def _target(self, label: str, line: int) -> Target:
        if label not in self.book.targets:
            raise self._error(line, f"there is no label {label}.")
        return self.book.targets[label]

    def _address(self, page: str, line: int) -> str:
        """Of another page: its notebook beside this one, or else the book on the web."""
        if page not in self.book.pages:
            raise self._error(line, f"there is no page {page}.")
        if page in self.book.with_notebook:
            return f"{page}.ipynb"
        return addresses.site_address(page)

    def _error(self, line: int, fault: str) -> PageError:
        return PageError(self.page.name, line, fault)


ROLES: dict[str, Callable[[Inline, str, int], str]] = {
    "cite": Inline._cite,
    "cite:p": Inline._cite,
    "cite:t": Inline._cite_in_text,
    "doc": Inline._doc,
    "eq": Inline._ref,
    "glue:text": Inline._glue,
    "math": Inline._math,
    "numref": Inline._numref,
    "ref": Inline._ref,
}


def _anchor(heading: str) -> str:
    """Where a heading is in its notebook: JupyterLab makes the id of the text that it shows."""
    shown = re.sub(r"`([^`]+)`|\*+([^*]+)\*+|\[([^\]]+)\]\([^)]*\)", r"\1\2\3", heading)
    return re.sub(r"[()<>\"]", lambda match: quote(match[0]), shown.replace(" ", "-"))


def _split(text: str) -> tuple[str, str]:
    """Title and target of a reference; the title may be empty."""
    match = _WITH_TITLE.fullmatch(text)
    return (match[1], match[2]) if match else ("", text)
