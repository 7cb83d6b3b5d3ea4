"""Markup that a reader sees as it was typed, since something in it is amiss."""

import re
from collections.abc import Iterator

from docutils import nodes
from sphinx import addnodes

__all__ = ["literal_markup"]

LITERAL = {  # markup that stands in the text as it was written, and the cure
    r"\[\^[^\]\s]+\]": "There is no such footnote. Write it, or take its mark away.",
    r"\]\s+\([^\s()]*[./:#][^\s()]*\)": "Write a link without a space: [text](address).",
    r"(?<![\w\]])\[[^\]\n]+\]\[[^\]]*\]": "There is no such address: [text](address).",
    r"::\{\w*": "A directive begins with three colons or more.",
    r"(?<![\w*])\*{1,2}(?=\w)|(?<=\w)\*{1,2}(?![\w*])": "Close it, without a space inside.",
    r"~~": "Nothing is struck through here. Take it away.",
    r"`": "Close the code, with as many backticks as it begins with.",
    r"\$(?=[A-Za-z\\])": "Close the formula.",
    r"&#?\w+;": "There is no such character. Write the character itself.",
    r"^\[[ x]\] ": "There are no boxes to tick here. Write a list.",
    r"^\|.*\|$": "Below the head of a table stands a rule: |---|---|.",
    r"\{[a-z][\w:-]*\}\w[\w-]*": "Put what a role is given in backticks: {role}`text`.",
    r"\[@[\w:-]+": "Cite with a role: {cite}`key`.",
    r"^\[!\w+\]": "Write an admonition with a fence: ```{note}.",
    r"\[\[(?=[A-Za-z][\w -]*\]\])": "Write a reference with a role: {doc}`page`.",
    r"!?\[[^\]\n]+\]\(": "Write an address without spaces, and close it: [text](address).",
    r"\)\[[^\]\n]*[./:#][^\]\n]*\]": "The words come first: [text](address).",
    r"<https?://": "Close the address: <https://a.example>.",
    r"(?<!['\"\u2018\u201c])\{[a-z][\w:-]*\}['\"\u2018\u2019\u201c]": (
        "Give a role its text in backticks: {role}`text`."
    ),
    r"(?<![\w:])\\[A-Za-z]{2,}": "LaTeX stands in a formula: $x$. Text has Markdown and roles.",
    r"\$\$": "Close the formula, with $$ on a line of its own.",
    r"\{\{|\{[.#]\w": "There is nothing to put in here. Take it away.",
    r"(?<![\w=])==\w|~\w+~|\^\w+\^": "Nothing is marked or raised so. Write a formula, or words.",
    r"(?<![\w:]):[a-z_]+:(?![\w:`])": "There are no such pictures. Write words.",
    r"(?<!\S)\?\?(?![^\s.,)])": "Say what is meant.",
    r"(?<![\w_/])_{1,2}(?=\w)": "Close it with as many underscores, or put a name in backticks.",
}
AT_THE_BEGIN = {  # of a paragraph or of a line in it
    r"#{1,6}[A-Za-z]": "Write a heading with a space: ## Title.",
    r"(?:[-+*]|\d+[.)](?!x\b))[A-Za-z]": "Write an item of a list with a space: - item.",
    r"\.\. [\w-]+::": "Write a directive with a fence: ```{note}.",
    r"\{[a-z][\w-]*\}\s*$": "Write a directive with a fence: ```{note}.",
}
ROLE = re.compile(r"(?:\{[a-z][\w:-]*\}\s*|(?<!\w):[a-z][\w:]*:)$")  # of text in front of code
AS_WRITTEN = nodes.FixedTextElement, nodes.literal, nodes.math, addnodes.literal_strong


def literal_markup(
    doctree: nodes.document, lines: list[str]
) -> Iterator[tuple[str, str, nodes.Element]]:
    """What is shown though nobody escaped it, what to do, and where."""
    for text in doctree.findall(nodes.Text):
        around = text.parent
        if isinstance(around, AS_WRITTEN) or _is_in_signature(around):
            continue
        before = around[around.index(text) - 1] if around.index(text) else None
        begins = before is None or (isinstance(before, nodes.Text) and before.endswith("\n"))
        where = "(?:\\A|\\n)" if begins else "\\n"
        begun = {where + markup: cure for markup, cure in AT_THE_BEGIN.items()}
        for markup, cure in (LITERAL | begun).items():
            found = re.search(markup, text)
            if found and not _is_escaped(found[0], text, lines):
                yield found[0].strip(), cure, around
        behind = around[around.index(text) + 1 :]
        if behind and isinstance(behind[0], nodes.literal) and (found := ROLE.search(text)):
            yield (
                found[0].strip(),
                "Write a role in braces and without a space: {role}`text`.",
                around,
            )


def _is_in_signature(node: nodes.Node | None) -> bool:
    while node is not None and not isinstance(node, addnodes.desc_signature):
        node = node.parent
    return node is not None


def _is_escaped(found: str, text: nodes.Text, lines: list[str]) -> bool:
    return f"\\{found.strip()[0]}" in _source_of(text, lines)


def _source_of(text: nodes.Text, lines: list[str]) -> str:
    """The lines of a page where a text stands."""
    around = text.parent
    while around.line is None and around.parent is not None:
        around = around.parent
    first = (around.line or 1) - 1
    return "\n".join(lines[first : first + around.astext().count("\n") + 1])
