"""Maths as MathML, made at build time: no script, no request, readable by screen readers."""

import re

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
convert = LatexToMathML().convert_with_local_state
# A channel's scale and shift have a colour each; the schedule's variances have an index.
MODULATION = re.compile(r"(?<!<msub>)<mi>([γβ])</mi>")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z][a-z]{2,}\b(?!\s*[(=])")
NO_WORDS = re.compile(
    r"[_^]\{[A-Za-z, ]+\}|\\(?:text|math|operatorname|begin|end)\w*\s*\{[^}]*\}|\\\w+"
)
NAMES = {"γ": "gamma", "β": "beta"}


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Write inline maths; two words in it are a text between two prices, as a rule."""
    words = WORD.findall(NO_WORDS.sub("", node.astext()))
    if len(words) > 1:
        told = "the formula $%s$ holds words. Write them as \\text{words}, and a price as \\$5."
        logger.warning(told, node.astext(), location=node)
    translator.body.append(_mathml(node, node.astext(), displaystyle=False))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Write displayed maths, with its number if it has one."""
    latex = node.astext()
    if r"\\" in latex and r"\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    translator.body.append(translator.starttag(node, "div", CLASS="math-block"))
    translator.body.append(_mathml(node, latex, displaystyle=True))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Permalink to this equation")
        translator.body.append("</span>")
    translator.body.append("</div>")
    raise nodes.SkipNode


def _mathml(node: nodes.Element, latex: str, *, displaystyle: bool) -> str:
    try:
        written = convert(latex, displaystyle=displaystyle)
        return MODULATION.sub(lambda m: f'<mi class="{NAMES[m[1]]}">{m[1]}</mi>', written)
    except LatexError as error:
        logger.warning("maths %r: %s", latex, error, location=node)
        return ""


def setup(app: Sphinx) -> dict:
    """Register the renderer under the name that `html_math_renderer` gives."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
