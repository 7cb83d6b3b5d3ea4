"""MyST as the book's own parser reads it: blocks of a text, and what marks words up within lines.

All that reads or translates the pages reads them here, by the plugins of markdown-it that MyST
itself is made of. Their tokens say on which lines a block stands; `marks` adds at which characters
a mark does.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token

__all__ = ["Directive", "Mark", "blocks", "directive", "is_comment", "is_directive", "marks",
           "shown", "titled", "walk"]  # fmt: skip

# Directives whose content is text; that of every other one is code or data.
WITH_TEXT = ("dropdown", "admonition", "note", "tip", "hint", "important", "warning", "caution",
             "attention", "danger", "error", "seealso", "glossary", "margin", "sidebar", "epigraph",
             "card", "tab-set", "tab-item", "predict")  # fmt: skip

MARKS = ("backticks", "myst_role", "math_inline", "substitution_inline", "footnote_ref", "link",
         "image", "autolink", "html_inline")  # fmt: skip
_DIRECTIVE = re.compile(r"\{([\w:-]+)\}\s*(.*)")
_OPTION = re.compile(r":([\w-]+):\s*(.*)")
_TITLED = re.compile(r"(.+?)\s*<([^<>]+)>", re.S)


class Mark(NamedTuple):
    """What marks words up, with its words.

    Attributes:
        kind: The rule of markdown-it that finds it, one of MARKS.
        start: Its first character in the text.
        end: The one behind it.
        target: Name of a role, or address of a link or an image.
        text: What a role holds, what a link shows, or what is said instead of an image.
    """

    kind: str
    start: int
    end: int
    target: str = ""
    text: str = ""


class Directive(NamedTuple):
    """A directive, taken apart.

    Attributes:
        name: Its name.
        argument: What stands behind the name.
        options: Values of its options.
        content: What it holds.
        line: Line of the content.
    """

    name: str
    argument: str
    options: dict[str, str]
    content: str
    line: int


def blocks(text: str) -> "list[Token]":
    """Blocks of a text, the outer before the inner; `map` has their first line and that behind."""
    return _parser().parse(text)


def walk(text: str, line: int = 1) -> "Iterator[tuple[Token, int]]":
    """All blocks of a text, with those within directives that hold text, and their first lines.

    Args:
        text: MyST text.
        line: Its first line.
    """
    for token in blocks(text):
        if token.map:
            yield token, line + token.map[0]
            found = directive(token, line + token.map[0]) if is_directive(token) else None
            if found and found.name in WITH_TEXT:
                yield from walk(found.content, found.line)


def is_directive(token: "Token") -> bool:
    """Whether a block is a fence that names a directive, or should."""
    is_named = token.type == "fence" and token.info.strip().startswith("{")
    return is_named or token.type == "colon_fence"


def is_comment(token: "Token") -> bool:
    """Whether a block is a comment of HTML."""
    return token.type == "html_block" and token.content.lstrip().startswith("<!--")


def directive(token: "Token", line: int) -> Directive | None:
    """The directive that a fence names; None if it names none.

    Args:
        token: The fence.
        line: Line of the page where it starts.
    """
    named = _DIRECTIVE.fullmatch(token.info.strip())
    if not named:
        return None
    lines, options = token.content.splitlines(keepends=True), {}
    while lines and (option := _OPTION.fullmatch(lines[0].rstrip())):
        options[option[1]] = option[2]
        del lines[0]
    return Directive(*named.groups(), options, "".join(lines), line + 1 + len(options))


def marks(text: str) -> Iterator[Mark]:
    """What marks words up in a text, in order. What is within a link stands in the link's text.

    Args:
        text: Lines of a page without blocks other than paragraphs, lists and tables.
    """
    found, end = _read(text)[0], 0
    for mark in sorted(found, key=lambda mark: (mark.start, -mark.end)):
        if mark.start >= end:
            yield mark
            end = mark.end


def shown(text: str) -> str:
    """What one sees of a line without references: the words, without what marks them up."""
    return "".join(t.content for t in _read(text)[1] if t.type in ("text", "code_inline"))


def titled(text: str) -> tuple[str, str]:
    """Title and target of a reference such as `title <target>`; the title may be empty."""
    match = _TITLED.fullmatch(text)
    return (match[1], match[2]) if match else ("", text)


def _read(text: str) -> "tuple[list[Mark], list[Token]]":
    found: list[Mark] = []
    tokens: list[Token] = []
    _parser().inline.parse(text, _parser(), {"marks": found, "text": text}, tokens)
    return found, tokens


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from mdit_py_plugins.amsmath import amsmath_plugin
    from mdit_py_plugins.colon_fence import colon_fence_plugin
    from mdit_py_plugins.deflist import deflist_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.field_list import fieldlist_plugin
    from mdit_py_plugins.footnote import footnote_plugin
    from mdit_py_plugins.front_matter import front_matter_plugin
    from mdit_py_plugins.myst_blocks import myst_block_plugin
    from mdit_py_plugins.myst_role import myst_role_plugin
    from mdit_py_plugins.substitution import substitution_plugin

    parser = MarkdownIt("commonmark").enable("table").disable("inline")
    for plugin in (amsmath_plugin, colon_fence_plugin, deflist_plugin, dollarmath_plugin,
                   fieldlist_plugin, front_matter_plugin, myst_block_plugin, myst_role_plugin,
                   substitution_plugin):  # fmt: skip
        parser.use(plugin)
    parser.use(footnote_plugin, inline=False, move_to_end=False, always_match_refs=True)
    rules = parser.inline.ruler
    for name, rule in zip(rules.get_active_rules(), rules.getRules(""), strict=True):
        if name in MARKS:
            rules.at(name, _noting(name, rule))
    return parser


def _noting(kind: str, rule: Callable) -> Callable:
    """A rule that also notes where it found something: tokens within lines do not say so."""

    def found(state: "StateInline", silent: bool) -> bool:
        start, number = state.pos, len(state.tokens)
        if not rule(state, silent):
            return False
        pushed = [token for token in state.tokens[number:] if token.type != "text"]
        if not silent and pushed and state.src == state.env["text"]:
            state.env["marks"].append(_mark(kind, start, state, pushed[0]))
        return True

    return found


def _mark(kind: str, start: int, state: "StateInline", token: "Token") -> Mark:
    target = token.meta.get("name") or token.attrs.get("href") or token.attrs.get("src") or ""
    text = token.content
    if kind == "link":
        text = state.src[start + 1 : state.src.rindex("](", start, state.pos)]
    return Mark(kind, start, state.pos, unquote(str(target)), text)
