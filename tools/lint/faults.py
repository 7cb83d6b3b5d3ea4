"""The table of faults, docs/faults.md: what can go wrong, what must happen then, and its test.

python -m tools.lint.faults            whether the table is that of the tests
python -m tools.lint.faults --write    write it anew

A row is the mark `@pytest.mark.fault("what goes wrong", "what must happen")` of a test. Marks are
read and not run, so both are literal strings.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Fault", "faults", "table"]

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "docs" / "faults.md"
# What the first folder or file of tests is about; the order of the table.
AREAS = {
    "book": "The build of the book",
    "notebooks": "Notebooks",
    "checks": "Checks of what a learner wrote",
    "browser": "The site",
    "experiment": "Training and recorded runs",
    "command_line": "The command line",
    "lesson": "The package of the lesson",
    "tools": "Tools and set-up",
}
HEAD = (
    "# Faults\n\n"
    "What can go wrong, what happens then, and the test that sees to it. This page is written from "
    "the marks of the tests, by `.venv/bin/python -m tools.lint.faults --write`; `make lint` fails "
    "where it is another.\n"
)


class Fault(NamedTuple):
    """A row.

    Attributes:
        area: A key of `AREAS`.
        what: What goes wrong.
        then: What must happen.
        path: Path of the test's file in the repository.
        test: Its name.
    """

    area: str
    what: str
    then: str
    path: str
    test: str


def faults(folder: Path) -> Iterator[Fault]:
    """The marked tests of a folder, file by file, in the order of their lines."""
    for file in sorted(folder.rglob("test_*.py")):
        parts = file.relative_to(folder).parts
        area = parts[0] if parts[0] in AREAS else "lesson" if len(parts) == 1 else "tools"
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                for mark in node.decorator_list:
                    if ast.unparse(mark).startswith("pytest.mark.fault("):
                        what, then = (ast.literal_eval(argument) for argument in mark.args)
                        path = Path(folder.name, *parts).as_posix()
                        yield Fault(area, what, then, path, node.name)


def table(found: list[Fault]) -> str:
    """The page."""
    text = HEAD
    for area, title in AREAS.items():
        rows = [fault for fault in found if fault.area == area]
        if rows:
            text += f"\n## {title}\n\n| what goes wrong | what happens | test |\n|---|---|---|\n"
        for fault in rows:
            cells = (cell.replace("|", r"\|") for cell in (fault.what, fault.then))
            text += f"| {' | '.join(cells)} | [`{fault.test}`](../{fault.path}) |\n"
    return text


def main(*options: str) -> None:
    """Write the table, or exit with a sentence where it is another."""
    text = table(list(faults(ROOT / "tests")))
    if options == ("--write",):
        TARGET.write_text(text, "utf-8")
    elif not TARGET.is_file() or TARGET.read_text("utf-8") != text:
        sys.exit(f"{TARGET.relative_to(ROOT)} is not what the marks of the tests say. "
                 "Write it anew: .venv/bin/python -m tools.lint.faults --write")  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
