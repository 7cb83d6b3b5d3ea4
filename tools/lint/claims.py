"""Every number and every marked statement of the book, and where it comes from.

python -m tools.lint.claims            the ledger: page, line, value, source, sentence
python -m tools.lint.claims --hold     only whether all marked statements hold

A number of a page is measured, if a cell hands it over; or cited, if a paper is named with it. A
statement is checked, if `% claim: NAME` stands in the line below it: then the test test_NAME of
tests/claims holds it against the code and the recorded runs.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from condlesson.notebooks.myst import Mark, marks
from condlesson.notebooks.pages import Book, Cell, Page
from tools.lint.cells import parse
from tools.lint.finding import Finding
from tools.lint.prose import ALT, Passage, Sentence, passages, plain, read_texts, references

__all__ = ["CHECKS", "Claim", "ledger", "lint", "verdicts"]

ROOT = Path(__file__).parents[2]
CHECKS = ROOT / "tests" / "claims"
RESULTS = ROOT / "_build" / "claims.xml"  # of these tests, written by make
# Numbers that somebody chose and nobody measured, and where the choice is made.
CHOSEN = {
    "0.0001": "first variance of the schedule: linear_beta_schedule",
    "0.02": "last variance of the schedule: linear_beta_schedule",
    "95%": "level of the intervals: condlesson.experiment.intervals",
    "80%": "share of channels in a band: plots.bands",
}

_NUMBER = re.compile(
    r"(?<![\w.,/])(?<![A-Za-z]-)(?<!Python )(?<!CC BY )"  # no version
    r"(?:\d+(?:\.\d+)?\s?(?:%|per ?cent\b)|\d{1,3}(?:,\d{3})+|\d{5,}|\d*\.\d+(?:e[+-]?\d+)?)"
    r"(?:(?=x\b)|(?!\w))"
)
MADE_UP = "(made up)"  # says so of the numbers of its sentence
# Why a claim may stay open: in a source archive or a shallow clone the book builds all the same.
NO_HISTORY = "the whole history is not here"
VERDICTS = {"failure": "does not hold", "error": "does not hold", "skipped": "was not checked"}
_CITED = ("cite", "cite:p", "cite:t")


class Claim(NamedTuple):
    """Something that the book says, and why it may.

    Attributes:
        path: Path of the page in the repository.
        line: Line of the sentence, from 1.
        kind: measured, cited or checked.
        value: What is said, or the verdict.
        source: The cell that hands it over, the paper, or the test.
        sentence: The sentence, with the values in it.
    """

    path: str
    line: int
    kind: str
    value: str
    source: str
    sentence: str

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}: {self.kind}: {self.value} ({self.source})"
        return f"{where}\n    {self.sentence}"


def lint(
    texts: Mapping[str, Page], pages: Iterable[Page], checks: Path = CHECKS
) -> Iterator[Finding]:
    """Numbers without a source, cells that do more than hand over, marks without a test.

    Args:
        texts: What is to be checked, by path.
        pages: All pages of the book, one of which must mark each test.
        checks: Folder with the tests of the marked statements.
    """
    tests = _tests(checks)
    for path, page in texts.items():
        if path.startswith("book/"):
            yield from _typed(path, page)
            yield from _removed(path, page)
            yield from _untested(path, page, tests)
    marked = {name for page in pages for passage in passages(page) for name, _ in passage.claims}
    for name in sorted(set(tests) - marked, key=tests.get):
        path, line = tests[name]
        fault = f"no page has the mark of test_{name}."
        cure = f"Write % claim: {name} below the sentence that says so."
        yield Finding(path, line, "claim", fault, cure)


def _untested(path: str, page: Page, tests: Iterable[str]) -> Iterator[Finding]:
    for passage in passages(page):
        for name, line in passage.claims:
            if name not in tests:
                fault = f"there is no test of the claim {name!r}."
                cure = f"Write test_{name or 'NAME'} in a file of tests/claims."
                yield Finding(path, line, "claim", fault, cure)
            elif not passage.text:
                fault = f"no sentence stands above the mark of {name}."
                yield Finding(path, line, "claim", fault, "Put it right below what it is about.")


def _tests(checks: Path) -> dict[str, tuple[str, int]]:
    """Names of the claims that are tested, with the files and lines of their tests."""
    base = ROOT if checks.is_relative_to(ROOT) else checks
    return {
        node.name.removeprefix("test_"): (file.relative_to(base).as_posix(), node.lineno)
        for file in sorted(checks.glob("test_*.py"))
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not any("pytest.fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def _typed(path: str, page: Page) -> Iterator[Finding]:
    """Numbers that look measured, and that nobody measured or cited."""
    inputs = _inputs(page)
    cited_above = False
    for passage in passages(page):
        is_row = passage.text.lstrip().startswith("|")
        cited_above = _citations(passage.text) != [] or (cited_above and is_row)
        if passage.kind == ALT or cited_above or passage.claims:
            continue
        for sentence in passage.sentences():
            if MADE_UP in sentence.text:
                continue
            for number in _numbers(sentence):
                if number not in CHOSEN and _value(number) not in inputs:
                    fault = f"nobody measured or cited {number}."
                    cure = "Glue it in a removed cell, cite its paper, or mark a tested claim."
                    yield Finding(path, sentence.line, "number", fault, cure)


def _removed(path: str, page: Page) -> Iterator[Finding]:
    """Removed cells that do something else than to hand numbers over."""
    for cell in _removed_cells(page):
        for node in parse(cell.source).body:
            if not (_is_glue(node) or ast.unparse(node) == "from myst_nb import glue"):
                first = ast.unparse(node).splitlines()[0]
                fault = f"a removed cell does more than glue: `{first}`."
                cure = "Show the work in a visible cell, or write it into the call of glue."
                yield Finding(path, cell.line, "removed-cell", fault, cure)
                break


def _is_glue(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "glue"
        and len(node.value.args) > 1
        and isinstance(node.value.args[0], ast.Constant)
    )


def _removed_cells(page: Page) -> list[Cell]:
    return [c for c in page.cells if c.kind == "code" and "remove-cell" in c.tags]


def _numbers(sentence: Sentence) -> list[str]:
    """Numbers of a sentence that look measured: decimals, shares and exact large counts."""
    found = _NUMBER.findall(plain(sentence.text))
    exact = (number for number in found if not re.fullmatch(r"[\d,]+00", number))
    return [re.sub(r"\s*(?:%|per ?cent)", "%", number) for number in exact]


def _inputs(page: Page) -> set[float]:
    """Numbers that stand in the page's visible code."""
    found = set()
    for cell in page.cells:
        if cell.kind == "code" and "remove-cell" not in cell.tags:
            for node in ast.walk(parse(cell.source)):
                if isinstance(node, ast.Constant) and type(node.value) in (int, float):
                    found.add(round(float(node.value), 12))
    return found


def _value(number: str) -> float:
    digits = float(number.removesuffix("%").strip().replace(",", ""))
    return round(digits / 100 if number.endswith("%") else digits, 12)


def _citations(text: str) -> list[str]:
    return [found.target for found in references(text) if found.role in _CITED]


def ledger(
    texts: Mapping[str, Page],
    values: Mapping[str, Mapping[str, object]],
    results: Mapping[str, str],
) -> Iterator[Claim]:
    """What the book claims, in the order of its lines.

    Args:
        texts: Pages by path.
        values: What the cells of a page hand over, by the page's name.
        results: Verdict on each marked statement.
    """
    for path, page in texts.items():
        places, given = _places(page), values.get(page.name, {})
        citations: list[str] = []
        for passage in passages(page):
            if passage.kind == ALT:
                continue
            is_row = passage.text.lstrip().startswith("|")
            citations = _citations(passage.text) or (citations if is_row else [])
            for sentence in passage.sentences():
                yield from _measured(path, sentence, given, places)
                if citations and (numbers := _numbers(sentence)):
                    papers, text = ", ".join(citations), _filled(sentence.text, given)
                    yield Claim(path, sentence.line, "cited", ", ".join(numbers), papers, text)
            yield from _checked(path, passage, results, given)


def _measured(
    path: str, sentence: Sentence, values: Mapping[str, object], places: Mapping[str, str]
) -> Iterator[Claim]:
    text = _filled(sentence.text, values)
    for _, name, form in _glued(sentence.text):
        if name in values:  # a page without cells may say how a number is written
            value = f"{name} = {format(values[name], form)}"
            yield Claim(path, sentence.line, "measured", value, places.get(name, "a cell"), text)


def _filled(text: str, values: Mapping[str, object]) -> str:
    """The text with its numbers, as far as they are known."""
    for mark, name, form in reversed([*_glued(text)]):  # from behind, so that places stay
        if name in values:
            text = f"{text[: mark.start]}{format(values[name], form)}{text[mark.end :]}"
    return text


def _glued(text: str) -> Iterator[tuple[Mark, str, str]]:
    """Numbers that a text takes from cells: the mark, the name, and how it is written."""
    for mark in marks(text):
        if mark.target == "glue:text":
            name, _, form = mark.text.partition(":")
            yield mark, name, form


def _places(page: Page) -> dict[str, str]:
    """For each number that is handed over, the expression and the line of its cell."""
    return {
        node.value.args[0].value: f"cell at line {cell.line}: {ast.unparse(node.value.args[1])}"
        for cell in page.cells
        if cell.kind == "code"
        for node in parse(cell.source).body
        if _is_glue(node)
    }


def _checked(
    path: str, passage: Passage, results: Mapping[str, str], values: Mapping[str, object]
) -> Iterator[Claim]:
    is_row = passage.text.lstrip().startswith("|")
    words = _filled(passage.text, values).split()
    sentence = " ".join([*(["The table that ends in"] * is_row), *words])
    for name, _ in passage.claims:
        verdict = results.get(name, "was not checked")
        yield Claim(path, passage.line, "checked", verdict, f"test_{name}", sentence)


def verdicts(file: Path = RESULTS) -> dict[str, str]:
    """For each claim "holds", or what the test says; one that was skipped holds nothing.

    Args:
        file: What pytest wrote of its run, in JUnit's form.
    """
    found: dict[str, str] = {}
    for case in ElementTree.parse(file).iter("testcase"):
        name = case.get("name", "").partition("[")[0].removeprefix("test_")
        told = [f"{VERDICTS[c.tag]}: {c.get('message', '')}" for c in case if c.tag in VERDICTS]
        if told:
            found[name] = " ".join(told[0].split())
        else:
            found.setdefault(name, "holds")
    return found


def main(*options: str, results: Path = RESULTS) -> None:
    """Print the ledger; fail if a marked statement does not hold."""
    book = Book(ROOT / "book")
    texts = read_texts(book)
    if "--hold" not in options:
        from tools.glued import glued

        names = [page.name for page in book.pages.values() if "{glue:" in page.text]
        values = glued([book.folder / f"{name}.md" for name in names])
        claims = list(ledger(texts, values, verdicts(results)))
        print(*claims, sep="\n")
        kinds = [claim.kind for claim in claims]
        print(*(f"{kinds.count(kind)} {kind}" for kind in ("measured", "cited", "checked")))
    else:
        marks = ((path, p) for path, page in texts.items() for p in passages(page))
        claims = [claim for path, p in marks for claim in _checked(path, p, verdicts(results), {})]
    false = []
    for claim in claims:
        if claim.kind == "checked" and NO_HISTORY in claim.value:
            print(f"Left unchecked, since {NO_HISTORY}: {claim.path}:{claim.line}", file=sys.stderr)
        elif claim.kind == "checked" and claim.value != "holds":
            false.append(claim)
    if false:
        sys.exit("\n".join(["Not true, or no longer:", *map(str, false)]))


if __name__ == "__main__":
    main(*sys.argv[1:])
