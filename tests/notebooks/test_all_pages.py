"""All pages of the book as notebooks, with made-up numbers."""

import ast
import builtins
import re
import symtable

import nbformat
import pytest

from condlesson.notebooks.export import KINDS
from tests.notebooks.made import PAGES, sources

pytestmark = pytest.mark.slow  # all pages are exported first

# What Jupyter would show as raw text.
MYST = {
    "a role": r"\{[a-z][\w:+-]*\}`",
    "a directive": r"^\s*(?:`{3,}|~{3,}|:{3,})\s*\{",
    "a fence of colons": r"^\s*:{3,}",
    "a target": r"^\([\w-]+\)=",
    "a comment": r"^%|<!--|\+\+\+",
    "a substitution": r"\{\{",
    "an option": r"^:[\w-]+:",
}
EVERY = [pytest.param(kind, name, id=f"{kind}-{name}") for kind in KINDS for name in PAGES]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_notebook_is_valid_and_its_code_compiles(exported, kind, name):
    made = exported[kind, name]
    nbformat.validate(made)
    assert (made.nbformat, made.nbformat_minor) == (4, 5)
    assert made.metadata.kernelspec.name == "python3"
    for source in sources(made):
        ast.parse(source)
        assert "myst_nb" not in source
        assert "glue(" not in source


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_no_myst_is_left_over(exported, kind, name):
    text = "\n\n".join(sources(exported[kind, name], "markdown"))
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)  # code is code
    found = {what: re.search(pattern, text, re.M) for what, pattern in MYST.items()}
    assert {what: match.group() for what, match in found.items() if match} == {}


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_links_lead_to_notebooks_beside_or_to_the_web(exported, kind, name):
    text = "\n\n".join(sources(exported[kind, name], "markdown"))
    targets = re.findall(r"\]\(([^)\s]+)\)|(?:href|src)=\"([^\"]+)\"", text)
    local = {a or b for a, b in targets if not (a or b).startswith(("https://", "#"))}
    assert {target.partition("#")[0] for target in local} <= {f"{page}.ipynb" for page in PAGES}
    headings = {h.replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)}
    assert {a[1:] for a, _ in targets if a.startswith("#")} <= headings


@pytest.mark.parametrize("name", PAGES)
def test_both_kinds_have_the_same_cells_of_code(exported, name):
    exercise, solution = (sources(exported[kind, name]) for kind in KINDS)
    assert len(exercise) == len(solution)
    for blank, filled in zip(exercise, solution, strict=True):
        assert blank == filled or "TODO" in blank
        assert "TODO" not in filled


def needs(code):
    """Names that a cell binds, and names that it reads."""
    bound, read, tables = set(), set(), [symtable.symtable(code, "cell", "exec")]
    for table in tables:
        is_top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if is_top and (symbol.is_assigned() or symbol.is_imported()):
                bound.add(symbol.get_name())
            if symbol.is_referenced() and (is_top or symbol.is_global()):
                read.add(symbol.get_name())
        tables += table.get_children()
    return bound, read - {*dir(builtins), "__class__"}


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_cell_finds_what_cells_above_it_made(exported, kind, name):
    known = set()
    for code in sources(exported[kind, name]):
        bound, read = needs(code)
        assert read - bound - known == set(), code
        known |= bound


def test_every_exhibit_of_the_museum_runs_alone_behind_the_first_cells(exported):
    _, imports, *cells = exported["exercises", "museum"].cells[1:]
    first = needs(imports.source)[0]
    known, heading = first, ""
    for cell in cells:
        if cell.cell_type == "code":
            bound, read = needs(cell.source)
            assert read - bound - known == set(), heading
            known = known | bound
        elif found := re.search(r"^###? .*", cell.source, re.M):
            known, heading = first, found[0]
