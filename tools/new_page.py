"""Begin a page of the book, from the template.

python -m tools.new_page NAME   (words of small letters and digits, with hyphens between them)

Writes book/NAME.md and enters it at the end of the lesson in _toc.yml, whose form stays.
"""

import re
import sys
from pathlib import Path

from condlesson.notebooks.pages import Book
from tools.lint.pages import lint

__all__ = ["add_page"]

ROOT = Path(__file__).parents[1]
TEMPLATE = Path(__file__).with_name("page_template.md")
SPHINX = ("search", "genindex")  # what Sphinx calls its own pages
OURS = "exercise-1"  # a page of the lesson: parts have other names in other languages


def add_page(name: str, root: Path = ROOT) -> Path:
    """Make the page and its entry.

    Args:
        name: Name of the page; its title is made of it.
        root: The repository.

    Returns:
        The page's file.

    Raises:
        ValueError: The name is no name for a page, or one of a figure, or the table of contents has
            no lesson.
        FileExistsError: There is a page of that name.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ValueError(f"name must be words of a-z and 0-9 with hyphens between, got {name!r}.")
    page, contents = root / "book" / f"{name}.md", root / "_toc.yml"
    if page.exists() or name in SPHINX:
        raise FileExistsError(f"there is a page {name} already. Choose another name, or edit it.")
    label = re.compile(rf"[\s(]fig-{name}(?![\w-])")
    for other in sorted(page.parent.glob("*.md")):
        if label.search(other.read_text("utf-8")):
            raise ValueError(f"{other.name} has a figure fig-{name} already. Choose another name.")
    entered = _enter(contents.read_text("utf-8"), name)
    title = name.replace("-", " ").capitalize()
    text = TEMPLATE.read_text("utf-8").replace("TITLE", title).replace("NAME", name)
    page.write_text(text, "utf-8")
    contents.write_text(entered, "utf-8")
    return page


def _enter(contents: str, name: str) -> str:
    """The table of contents, with the page behind the last one of the lesson."""
    if _names(contents, name):
        raise ValueError(f"_toc.yml has an entry {name} already, and there is no such page.")
    parts = re.finditer(r"^  - caption: .*\n(?:    .*\n|\s*\n)+", contents, re.M)
    part = next((part for part in parts if _names(part[0], OURS)), None)
    if not part:
        raise ValueError(f"_toc.yml must have a part with the page {OURS}, got none.")
    files = list(re.finditer(r"^( *)- file: .*\n(?:\1 +.*\n)*", part[0], re.M))
    end = part.start() + files[-1].end()
    return f"{contents[:end]}{files[-1][1]}- file: {name}\n{contents[end:]}"


def _names(contents: str, name: str) -> bool:
    return bool(re.search(rf"^\s*- file: ([\"']?){name}\1\s*(#.*)?$", contents, re.M))


def main(name: str = "") -> None:
    """Make the page, or say why not."""
    if not name:
        sys.exit("name must be given: make page name=my-page")
    try:
        page = add_page(name)
    except (ValueError, FileExistsError) as error:
        sys.exit(str(error))
    print(f"{page.relative_to(ROOT)} is written, and entered in _toc.yml. See it with: make live")
    book = Book(page.parent)
    for finding in lint({f"book/{page.name}": book.pages[name]}, book):
        print(finding)


if __name__ == "__main__":
    main(*sys.argv[1:])
