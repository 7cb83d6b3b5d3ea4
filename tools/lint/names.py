"""What cells call things: a name that a cell reads must mean the same when the cell runs again."""

import ast
from collections.abc import Iterator
from symtable import symtable

from condlesson.notebooks.pages import Book, Cell, Page
from tools.lint.cells import parse
from tools.lint.finding import Finding

__all__ = ["rerun"]

BINDING = (ast.FunctionDef, ast.ClassDef, ast.For, ast.With, ast.Try)  # before they read


def rerun(path: str, page: Page, book: Book) -> Iterator[Finding]:
    """A cell runs again as it did, out of order too: what it reads is bound for one thing."""
    cells = [c for c in page.cells if c.kind == "code" and "remove-cell" not in c.tags]
    bound = [_bound(cell) for cell in cells]
    for place, cell in enumerate(cells):
        own, foreign = _read(cell)
        for read in sorted(own):
            fault = f"the cell changes the {read} that it reads, and does so again on each run."
            yield Finding(path, cell.line, "rerun", fault, "Call the result something else.")
        for read in sorted(foreign):
            before = [names[read] for names in bound[:place] if read in names]
            after = [
                other.line
                for other, names in zip(cells[place:], bound[place:], strict=True)
                if before and read in names and names[read] != before[-1]
            ]
            if after:
                fault = f"the cell reads {read}, which the cell at line {after[0]} binds anew."
                cure = "Run again behind it, this one shows something else: take another name."
                yield Finding(path, cell.line, "rerun", fault, cure)


def _bound(cell: Cell) -> dict[str, str]:
    """Names that a cell binds, with what they stand for: an import, or something of this cell."""
    tree = parse(cell.source)
    found = dict.fromkeys(_names(tree)[0], f"line {cell.line}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            source = getattr(node, "module", "")
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = f"{source}:{alias.name}"
    return found


def _read(cell: Cell) -> tuple[set[str], set[str]]:
    """Names that a cell reads before it binds them: those that it binds then, and the others."""
    bound: set[str] = set()
    early: set[str] = set()
    for statement in parse(cell.source).body:
        stored, read = _names(statement)
        binds_first = isinstance(
            statement, ast.FunctionDef | ast.ClassDef | ast.For | ast.With | ast.Try
        )
        early |= read - bound - (stored if binds_first else set())
        bound |= stored
    return early & bound, early - bound


def _names(code: ast.AST) -> tuple[set[str], set[str]]:
    """Names of the session that code binds, and that it reads, in its functions too."""
    stored, read, tables = set(), set(), [symtable(ast.unparse(code), "cell", "exec")]
    for table in tables:
        is_top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if is_top and (symbol.is_assigned() or symbol.is_imported()):
                stored.add(symbol.get_name())
            if symbol.is_referenced() and (is_top or symbol.is_global()):
                read.add(symbol.get_name())
        tables += table.get_children()
    return stored, read
