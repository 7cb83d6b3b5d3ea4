"""All sentences that the checks and the lesson's code can say, in one list, to be read in one go.

``python -m tests.checks.messages --write`` writes the list anew after a sentence was changed;
without the option it says whether that is needed.
"""

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

RECORD = Path(__file__).with_name("messages.txt")
LESSON = Path(__file__).parents[2] / "src" / "condlesson"
CHECKS = LESSON / "checks"
MODULES = [
    "arguments",
    "conditioning",
    "diffusion",
    "embeddings",
    "guidance",
    "inputs",
    "sampling",
    "tensors",
    "unet",
]
SOURCES = [*sorted(CHECKS.rglob("*.py")), *(LESSON / f"{name}.py" for name in MODULES)]
WORDS = 4  # of a sentence, at least


def listed() -> str:
    """The sentences of every module, in the order of the code."""
    parts = []
    for path in SOURCES:
        found = dict.fromkeys(sentences(ast.parse(path.read_text("utf-8"))))
        if found:
            folder = CHECKS if CHECKS in path.parents else LESSON.parent
            name = path.relative_to(folder).with_suffix("").as_posix()
            parts.append("\n".join([f"== {name}", *found]))
    return "\n\n".join(parts) + "\n"


def sentences(tree: ast.Module) -> Iterator[str]:
    """The sentences of some code, in its order, each on a line."""
    skipped = {id(part) for node in ast.walk(tree) for part in _no_messages(node)}
    for node in ast.walk(tree):
        text = _text(node) if id(node) not in skipped else ""
        if len(text.split()) >= WORDS:
            yield " ".join(text.split())


def _no_messages(node: ast.AST) -> Iterator[ast.AST]:
    """Docstrings, and the parts of a text that is listed as a whole."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        yield node.value
    if isinstance(node, ast.JoinedStr):
        yield from node.values
    if isinstance(node, ast.FormattedValue) and node.format_spec:
        yield node.format_spec


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (p.value if isinstance(p, ast.Constant) else _shown(p) for p in node.values)
        return "".join(parts)
    return ""


def _shown(part: ast.FormattedValue) -> str:
    return "{" + ast.unparse(part.value) + "}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {RECORD.name} anew")
    if parser.parse_args().write:
        RECORD.write_text(listed(), "utf-8")
    if RECORD.read_text("utf-8") == listed():
        return 0
    print(
        f"{RECORD.name} is not what the code says. Write it anew: python -m {__spec__.name} --write"
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
