"""The code of cells as a syntax tree, with what only IPython understands."""

import ast
from functools import cache

from IPython.core.inputtransformer2 import TransformerManager

__all__ = ["parse"]


@cache  # each rule looks at each cell
def parse(source: str) -> ast.Module:
    """The tree of a cell; magics, shell lines and questions are calls in it.

    Args:
        source: The cell's code.

    Raises:
        SyntaxError: It is no code.
    """
    return ast.parse(TransformerManager().transform_cell(source))
