"""From the Markdown of the pages to what a plain notebook shows.

The pages are written in MyST, whose directives are Sphinx's, and Jupyter shows them as raw text.
Here each becomes CommonMark, maths and HTML that Jupyter renders, or code for a cell. What is not
known here is an error with page and line, so that nothing of MyST is left over unseen.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

from condlesson import scaffold
from condlesson.notebooks import addresses, myst
from condlesson.notebooks.inline import Inline
from condlesson.notebooks.myst import Directive
from condlesson.notebooks.pages import PageError
from condlesson.notebooks.predictions import take_apart

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["STEPS", "Code", "Translator"]

# The path from t to a block: names of the steps, and what each is.
STEPS = {
    "timestep": ("t", "one integer"),
    "embedding": ("sinusoid", "256 sines and cosines"),
    "mlp": ("timestep MLP", "512 learned numbers"),
    "projection": ("projection", "one for each block"),
    "modulation": ("scale and shift", "γ and β per channel"),
    "block": ("block", "conv, norm, ReLU"),
}
ADMONITIONS = ("note", "tip", "hint", "important", "warning", "caution", "attention", "seealso")
LOOKS = ("class", "open", "color", "icon", "animate")  # of the page, which a notebook ignores


class Code(str):
    """Text for a code cell; what is not Code is Markdown."""

    __slots__ = ()


@dataclass
class Translator(Inline):
    """Translates one page, as `Inline` does, with its blocks.

    Attributes:
        with_answers: For the solution notebook, else for the exercise notebook.
        known: Objects that the session has at this place, by name: what the first cell of the page
            imports, what cells of the same section bind, and what the learner has made.
        equations: Numbered formulas so far.
    """

    with_answers: bool = False
    known: dict[str, object] = field(default_factory=dict)
    equations: int = 0
    _first: dict[str, object] = field(default_factory=dict)
    _made: dict[str, object] = field(default_factory=dict)

    def text(self, source: str, line: int) -> list[str]:
        """Translate a piece of the page.

        Args:
            source: MyST text.
            line: Line of the page where it starts.

        Returns:
            Markdown and code in turn.

        Raises:
            PageError: It holds something that is not known.
        """
        pieces: list[str] = []
        for piece in self._blocks(source, line):
            if not isinstance(piece, Code) and pieces and not isinstance(pieces[-1], Code):
                pieces[-1] += piece
            else:
                pieces.append(piece)
        tidy = [p if isinstance(p, Code) else re.sub(r"\n{3,}", "\n\n", p).strip() for p in pieces]
        return [piece for piece in tidy if piece]

    def makes(self, source: str) -> list[str]:
        """Names of the functions and classes that cells within a text define."""
        fences = [b for b in myst.blocks(source) if myst.is_directive(b)]
        found = [directive for b in fences if (directive := myst.directive(b, 0))]
        live = [d for d in found if d.name in LIVE and "read-only" not in d.options]
        return [d.argument.rpartition(".")[2] for d in live]

    def run(self, code: str) -> None:
        """Take note of what a code cell binds, for the imports of later ones."""
        self.known |= scaffold.bound_names(code)
        self._first = self._first or dict(self.known)

    def _blocks(self, source: str, line: int) -> Iterator[str]:
        lines = source.splitlines(keepends=True)
        done = 0
        for token in myst.blocks(source):
            if token.map is None or token.map[0] < done:
                continue
            start, end = token.map
            raw = "".join(lines[start:end])
            pieces = self._block(token, line + start, raw)
            if pieces is not None:
                yield "".join(lines[done:start])
                yield from pieces or [raw]
                done = end
        yield "".join(lines[done:])

    def _block(self, token: "Token", line: int, raw: str) -> list[str] | None:
        """Pieces for a block; none for one that stays as it is; None for one that holds others."""
        kind = token.type
        if kind in UNKNOWN:
            raise self._error(line, f"{UNKNOWN[kind]} is not known.")
        if kind == "heading_open" and token.tag in ("h2", "h3"):  # it may run alone
            self.known = self._first | self._made
        if myst.is_directive(token):
            pieces = self._directive(token, line, raw.strip().splitlines()[-1].strip())
            return [p if isinstance(p, Code) else f"\n{p}\n\n" for p in pieces]
        if kind in ("math_block", "math_block_label") and not token.level:
            return [self._formula(token.content, label=kind == "math_block_label")]
        if kind in ("myst_target", "myst_line_comment") or myst.is_comment(token):
            return ["\n"]
        if kind in ("inline", "html_block"):
            return [self.inline(raw, line)]
        return [] if kind in ("fence", "code_block", "amsmath") else None

    def _directive(self, token: "Token", line: int, last: str) -> list[str]:
        found = myst.directive(token, line)
        if not found:
            raise self._error(line, f"a fence must name a directive, got {token.info.strip()!r}.")
        if token.level:
            raise self._error(line, "a directive must not be in a list or a quotation.")
        if set(last) != set(token.markup):
            fence = token.markup
            raise self._error(line, f"{fence}{token.info.strip()} must be closed by {fence}.")
        if found.name not in DIRECTIVES:
            raise self._error(line, f"the directive {{{found.name}}} is not known.")
        translate, *options = DIRECTIVES[found.name]
        if unknown := [option for option in found.options if option not in options]:
            fault = f"the option {unknown[0]} of {{{found.name}}} is not known."
            raise self._error(line, fault)
        try:
            return translate(self, found)
        except PageError:
            raise
        except (ImportError, AttributeError, ValueError) as error:
            raise self._error(line, f"{{{found.name}}} {found.argument}: {error}") from error

    def _formula(self, latex: str, *, label: bool) -> str:
        """A displayed formula; with its number if it has a label."""
        latex = latex.strip("\n")
        if r"\begin" not in latex and (r"\\" in latex or "&" in latex):
            latex = f"\\begin{{aligned}}\n{latex}\n\\end{{aligned}}"
        if label:
            self.equations += 1
            latex += f"\n\\tag{{{self.equations}}}"
        return f"$$\n{latex}\n$$\n"

    def _map(self, directive: Directive) -> list[str]:
        lit = directive.argument.split()
        if unknown := set(lit) - set(STEPS):
            raise ValueError(f"there is no step {', '.join(sorted(unknown))}.")
        names = [f"**{name}**" if key in lit else name for key, (name, _) in STEPS.items()]
        return [" → ".join(names)]

    def _source(self, directive: Directive) -> list[str]:
        obj = self._object(directive)
        code = scaffold.source(obj)
        if "read-only" in directive.options:
            return [_fenced(code)]
        return [self._live(obj, code)]

    def _scaffold(self, directive: Directive) -> list[str]:
        obj = self._object(directive)
        solved = scaffold.solution(obj)
        code = solved if self.with_answers else scaffold.scaffold(obj)
        return [self._live(obj, code, solved)]  # with all that a learner will need

    def _solution(self, directive: Directive) -> list[str]:
        if not self.with_answers:
            return [self._where_the_answer_is()]
        return [_fenced(scaffold.solution(self._object(directive)))]

    def _live(self, obj: object, code: str, whole: str = "") -> Code:
        """Code for a cell, behind the imports that it, or all of it, needs there."""
        needed = scaffold.imports(whole or code, obj, self.known)
        self.run(needed)
        self._made[obj.__name__] = self.known[obj.__name__] = obj  # the learner's from here on
        return Code(f"{needed}\n\n\n{code}".strip())

    def _dropdown(self, directive: Directive) -> list[str]:
        names = (myst.directive(b, 0) for b in myst.blocks(directive.content) if b.type == "fence")
        if not self.with_answers and any(found and found.name == "solution" for found in names):
            return [self._where_the_answer_is()]
        return [_folded(directive.argument, self._inner(directive))]

    def _predict(self, directive: Directive) -> list[str]:
        """The question, and each choice with what to say to it folded away."""
        if "mistake" in directive.options:  # which shows itself, by the page's own import
            return [Code(f'MISTAKES["{directive.options["mistake"]}"].question')]
        asked = take_apart(directive.content)
        question = self.inline(f"**Predict.** {asked.question}", directive.line)
        right, pieces = int(directive.options.get("right", 0)), [question]
        for number, (choice, told) in enumerate(zip(asked.choices, asked.feedback, strict=True), 1):
            verdict = "✓ Right." if number == right else "✗ No."
            shown = self.inline(f"{verdict} {told}", directive.line)
            pieces.append(_folded(self.inline(choice, directive.line), shown))
        return ["\n\n".join(pieces)]

    def _admonition(self, directive: Directive) -> list[str]:
        if directive.name == "admonition":
            title, content = directive.argument, self._inner(directive)
        else:
            title, content = directive.name.capitalize(), self._inner(directive)
            content = f"{self.inline(directive.argument, directive.line - 1)}\n\n{content}".strip()
        quoted = "\n".join(f"> {line}".rstrip() for line in content.splitlines())
        return [f"> **{title}**\n>\n{quoted}"]

    def _inner(self, directive: Directive) -> str:
        """Content of a directive that holds text; code in there is to be read only."""
        pieces = self.text(directive.content, directive.line)
        return "\n\n".join(_fenced(p) if isinstance(p, Code) else p for p in pieces)

    def _nothing(self, directive: Directive) -> list[str]:
        return ["\n"]

    def _object(self, directive: Directive) -> object:
        module, _, name = directive.argument.rpartition(".")
        return getattr(import_module(module), name)

    def _where_the_answer_is(self) -> str:
        address = addresses.site_address(self.page.name)
        return f"*A solution is on [this page of the book]({address}), folded away.*"


# For each directive what translates it, and the options that it may have.
DIRECTIVES: dict[str, tuple] = {
    "lesson-map": (Translator._map,),
    "source": (Translator._source, "read-only"),
    "scaffold": (Translator._scaffold,),
    "solution": (Translator._solution,),
    "dropdown": (Translator._dropdown, *LOOKS),
    "predict": (Translator._predict, "right", "cells", "mistake", "stop", "whole-section"),
    "predictions": (Translator._nothing,),  # a notebook does not know what was answered on pages
    "desk": (Translator._nothing, "still"),  # a network in JavaScript runs on pages
    "admonition": (Translator._admonition, "class"),
    **dict.fromkeys(ADMONITIONS, (Translator._admonition, "class")),
    "bibliography": (Translator._nothing, "style", "all"),  # each notebook ends with what it cites
}
LIVE = ("source", "scaffold")  # they become cells
UNKNOWN = {
    "dl_open": "a definition list",
    "field_list_open": "a field list",
    "footnote_reference_open": "a footnote",
    "substitution_block": "a substitution",
}


def _fenced(code: str) -> str:
    return f"```python\n{code.rstrip()}\n```"


def _folded(title: str, body: str) -> str:
    title = re.sub(r"`([^`]+)`", r"<code>\1</code>", title)
    return f"<details>\n<summary>{title}</summary>\n\n{body}\n\n</details>"
