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

from condlesson.notebooks import addresses, myst
from condlesson.notebooks.myst import Mark
from condlesson.notebooks.pages import Book, Page, PageError, Target
from condlesson.notebooks.references import Reference
from condlesson.tables import true_minus

__all__ = ["Inline"]

_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/svg+xml")
GLOSSARY = "notation"  # the page that explains the terms
_WEB = ("https:", "http:", "mailto:")
_LOCAL = re.compile(r"\b(src|href)=\"(?!https?:|data:|mailto:|#)([^\"]+)\"")


@dataclass
class Inline:
    """Translates text of one page, without its blocks.

    Attributes:
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
        pieces, done = [], 0
        for mark in myst.marks(source):
            raw, here = source[mark.start : mark.end], line + source.count("\n", 0, mark.start)
            translate = MARKS[mark.kind]
            pieces += [source[done : mark.start], translate(self, mark, raw, here)]
            done = mark.end
        return "".join([*pieces, source[done:]])

    def _as_it_is(self, mark: Mark, raw: str, line: int) -> str:
        return raw

    def _unknown(self, mark: Mark, raw: str, line: int) -> str:
        raise self._error(line, f"{raw} is not known; write it out.")

    def _role(self, mark: Mark, raw: str, line: int) -> str:
        if mark.target not in ROLES:
            raise self._error(line, f"the role {{{mark.target}}} is not known.")
        return ROLES[mark.target](self, mark.text, line)

    def _autolink(self, mark: Mark, raw: str, line: int) -> str:
        return raw if mark.target.startswith(_WEB) else self._unknown(mark, raw, line)

    def _link(self, mark: Mark, raw: str, line: int) -> str:
        shown = self.inline(mark.text, line)
        page, _, label = mark.target.partition("#")
        if mark.target.startswith(_WEB):
            return f"[{shown}{raw[len(mark.text) + 1 :]}"
        if not page:
            return self._ref(f"{shown} <{label}>" if shown else label, line)
        address = self._address(page.removesuffix(".md"), line)
        return f"[{shown}]({address}{'#' * bool(label)}{label})"

    def _picture(self, mark: Mark, raw: str, line: int) -> str:
        if mark.target.startswith(_WEB):
            return raw
        return f"![{mark.text}]({self._image(mark.target, line)})"

    def _html(self, mark: Mark, raw: str, line: int) -> str:
        def replaced(match: re.Match) -> str:
            if match[1] == "href":
                return self._unknown(mark, match[0], line)
            return f'src="{self._image(match[2], line)}"'

        return _LOCAL.sub(replaced, raw)

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
        title, name = myst.titled(text)
        address = self._address(name, line)
        return f"[{title or self.book.pages[name].title}]({address})"

    def _term(self, text: str, line: int) -> str:
        title, term = myst.titled(text)
        return f"[{title or term}]({self._address(GLOSSARY, line)})"

    def _ref(self, text: str, line: int) -> str:
        title, label = myst.titled(text)
        target = self._target(label, line)
        if not target.is_section and target.page != self.page.name:
            return self._numref(text, line)
        if not target.is_section:
            return title or target.text
        page = "" if target.page == self.page.name else self._address(target.page, line)
        return f"[{title or target.text}]({page}#{_anchor(target.text)})"

    def _numref(self, text: str, line: int) -> str:
        title, label = myst.titled(text)
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
        return true_minus(format(self.glued[name], form))

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


MARKS: dict[str, Callable[[Inline, Mark, str, int], str]] = {
    "backticks": Inline._as_it_is,
    "math_inline": Inline._as_it_is,
    "footnote_ref": Inline._unknown,
    "myst_role": Inline._role,
    "substitution_inline": Inline._unknown,
    "autolink": Inline._autolink,
    "link": Inline._link,
    "image": Inline._picture,
    "html_inline": Inline._html,
}
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
    "term": Inline._term,
}


def _anchor(heading: str) -> str:
    """Where a heading is in its notebook: JupyterLab makes the id of the text that it shows."""
    shown = myst.shown(heading).replace(" ", "-")
    return re.sub(r"[()<>\"]", lambda match: quote(match[0]), shown)
