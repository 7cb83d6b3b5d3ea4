"""Begin something new from its template: make page, figure, exercise, variant.

python -m tools.new KIND NAME   (a name of words of small letters and digits, hyphens between them)

A folder of tools/templates holds what a kind begins with, as it will lie in the repository: a start
that works and is tested. In names and texts of its files NAME stands for the name with hyphens,
SNAKE for it with underscores, CAMEL for it as a class has it, and TITLE for it as a heading.
`page.md` is the frame of every page. What else has to know of the new thing stands in `ENTRIES`.
Nothing is written if something is in the way.
"""

import builtins
import keyword
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from condlesson.notebooks.pages import Book
from tools.lint.pages import lint

__all__ = ["KINDS", "add"]

ROOT = Path(__file__).parents[1]
TEMPLATES = Path(__file__).with_name("templates")
KINDS = tuple(sorted(path.name for path in TEMPLATES.iterdir() if path.is_dir()))
SPHINX = ("search", "genindex")  # what Sphinx calls its own pages
OURS = "exercise-1"  # a page of the lesson: parts have other names in other languages


class Entry(NamedTuple):
    """What a file of the repository gets.

    Attributes:
        path: The file.
        place: Regular expression of the one place.
        text: What stands there then, as for `re.sub`.
    """

    path: str
    place: str
    text: str


def _exported(folder: str, name: str) -> Entry:
    """The entry of a module's one name in the package around it."""
    text = rf'\nfrom condlesson.{folder}.SNAKE import {name}\n\g<0>    "{name}",\n'
    return Entry(f"src/condlesson/{folder}/__init__.py", r"\n\n__all__ = \[\n", text)


ENTRIES = {
    "still": [
        Entry("src/condlesson/figures/plots/__init__.py", r"(?m)^_DRAWN = \{\n",
              r'\g<0>    "SNAKE": ("SNAKE",),\n'),
    ],
    "exercise": [
        _exported("exercises", "SNAKE"),
        _exported("checks", "check_SNAKE"),
        Entry("pyproject.toml", r'"additive_block \| ', r"\g<0>SNAKE | "),
    ],
    "variant": [
        Entry("src/condlesson/networks/__init__.py", r"\nfrom condlesson\.unet import",
              r"\nfrom condlesson.networks.SNAKE import UNetCAMEL\g<0>"),
        Entry("src/condlesson/networks/__init__.py", r"(?s)(\nNETWORKS: .*?\n)\}\n",
              '\\1    "SNAKE": Network(\n        UNetCAMEL,\n'
              '        Design("sinusoid", WIDE, "bottleneck", "scales", "batch"),\n'
              '        (GREEN, "d", ":"),\n        is_compared=False,\n    ),\n}\n'),
    ],
}  # fmt: skip


def add(kind: str, name: str, root: Path = ROOT) -> list[Path]:
    """Make the files of a kind, and its entries in others.

    Args:
        kind: One of `KINDS`.
        name: Name of the page, figure, exercise or network; the page's title is made of it.
        root: The repository.

    Returns:
        The files that were made, and then those that have an entry more.

    Raises:
        ValueError: There is no such kind, the name cannot be taken, or a place of an entry is not
            as it was.
        FileExistsError: There is something of that name.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {kind}.")
    _check(kind, name, root)
    made = _files(kind, name, root)
    entered = {root / entry.path: "" for entry in ENTRIES.get(kind, ())}
    for entry in ENTRIES.get(kind, ()):
        path = root / entry.path
        entered[path] = _entered(entry, entered[path] or path.read_text("utf-8"), name)
    if root / "book" / f"{name}.md" in made:
        contents = root / "_toc.yml"
        entered[contents] = _listed(contents.read_text("utf-8"), name)
    for path, text in (made | entered).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return [*made, *entered]


def fill(text: str, name: str) -> str:
    """A template, with the name in its places."""
    words = name.split("-")
    spoken = {"NAME": name, "SNAKE": "_".join(words), "TITLE": " ".join(words).capitalize()}
    spoken["CAMEL"] = "".join(word.capitalize() for word in words)
    for mark, said in spoken.items():
        text = text.replace(mark, said)
    return text


def _check(kind: str, name: str, root: Path) -> None:
    """Refuse a name that is none, or that something has."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ValueError(f"name must be words of a-z and 0-9 with hyphens between, got {name!r}.")
    code = "".join(path.read_text("utf-8") for path in (TEMPLATES / kind).rglob("*.py"))
    snake = name.replace("-", "_")
    if keyword.iskeyword(snake) or hasattr(builtins, snake) or re.search(rf"\b{snake}\b", code):
        raise ValueError(f"name must be no word of Python or of the template, got {name!r}.")
    if name in SPHINX:
        raise FileExistsError(f"there is a page {name} already. Choose another name.")
    label = re.compile(rf"[\s(]fig-{name}(?![\w-])")
    for page in sorted((root / "book").glob("[!.]*.md")):
        if label.search(page.read_text("utf-8")):
            raise ValueError(f"{page.name} has a figure fig-{name} already. Choose another name.")


def _files(kind: str, name: str, root: Path) -> dict[Path, str]:
    """What the files of a kind will hold."""
    frame, files = (TEMPLATES / "page.md").read_text("utf-8"), {}
    for template in sorted((TEMPLATES / kind).rglob("*.*")):
        place = template.relative_to(TEMPLATES / kind)
        text = template.read_text("utf-8")
        if place.parts[0] == "book":
            text = frame.replace("SECTIONS", text)
        if len(place.parts) > 1:
            files[root / fill(str(place), name)] = fill(text, name)
    for path in files:
        if path.exists():
            there = path.relative_to(root)
            raise FileExistsError(f"there is {there} already. Choose another name, or edit it.")
    return files


def _entered(entry: Entry, text: str, name: str) -> str:
    """A file with an entry more."""
    entered, count = re.subn(entry.place, fill(entry.text, name), text)
    if count != 1:
        raise ValueError(f"{entry.path} must have one place {entry.place!r}, got {count}.")
    return entered


def _listed(contents: str, name: str) -> str:
    """The table of contents, with the page behind the last one of the lesson."""
    if _lists(contents, name):
        raise ValueError(f"_toc.yml has an entry {name} already, and there is no such page.")
    parts = re.finditer(r"^  - caption: .*\n(?:    .*\n|\s*\n)+", contents, re.M)
    part = next((part for part in parts if _lists(part[0], OURS)), None)
    if not part:
        raise ValueError(f"_toc.yml must have a part with the page {OURS}, got none.")
    files = list(re.finditer(r"^( *)- file: .*\n(?:\1 +.*\n)*", part[0], re.M))
    end = part.start() + files[-1].end()
    return f"{contents[:end]}{files[-1][1]}- file: {name}\n{contents[end:]}"


def _lists(contents: str, name: str) -> bool:
    return bool(re.search(rf"^\s*- file: ([\"']?){name}\1\s*(#.*)?$", contents, re.M))


def _order(files: list[Path]) -> None:
    """Put imports and lists in the order that ruff wants."""
    code = [path for path in files if path.suffix == ".py"]
    if code:
        ruff = [sys.executable, "-m", "ruff"]
        subprocess.run([*ruff, "check", "--quiet", "--fix", *code], cwd=ROOT, check=True)
        subprocess.run([*ruff, "format", "--quiet", *code], cwd=ROOT, check=True)


def main(kind: str, name: str = "") -> None:
    """Make it and say what comes next, or say why not."""
    if not name:
        sys.exit(f"name must be given: make {kind} name=my-{kind}")
    try:
        files = add(kind, name)
    except (ValueError, FileExistsError) as error:
        sys.exit(str(error))
    _order(files)
    print("Written or edited:", *(f"  {path.relative_to(ROOT)}" for path in files), sep="\n")
    print(f"\n{fill((TEMPLATES / kind / 'next.txt').read_text('utf-8'), name)}", end="")
    book = Book(ROOT / "book")
    if name not in book.pages:
        return
    for finding in lint({f"book/{name}.md": book.pages[name]}, book):
        print(finding)


if __name__ == "__main__":
    main(*sys.argv[1:])
