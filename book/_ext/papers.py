"""Says what is wrong in the book's references, each with its entry, before a page runs."""

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from pybtex import errors
from pybtex.database import Entry, InvalidNameString
from pybtex.database.input.bibtex import (
    BibliographyDataError,
    DuplicateField,
    Parser,
    UndefinedMacro,
)
from pybtex.exceptions import PybtexError
from pybtex.scanner import PybtexSyntaxError
from pybtex.style.formatting.unsrt import Style

YEAR = re.compile(
    r"-?\d{1,4}[a-z]?(?:--?\d{2,4})?|(?:c\.|about) \d{4}|in press|forthcoming|to appear|n\.d\."
)
LATEX = re.compile(r"\$|\\(?:emph|math|text)\w*")
MEANT = {"conference": "inproceedings", "online": "misc", "electronic": "misc"}
ENTRY = re.compile(r"^[ \t]*@", re.M)
HEAD = re.compile(r"\s*@\s*(\w+)\s*[{(]\s*([^\s,{}()]*)")
COMMANDS = {"string", "preamble", "comment"}
KINDS = {name[4:-9] for name in dir(Style) if re.fullmatch("get_.*_template", name)}
CURES = {
    UndefinedMacro: "Put the value in braces.",
    DuplicateField: "Remove one of them.",
    BibliographyDataError: "Remove one of them, or give it another key.",
    InvalidNameString: "Write a name as Family, Given, and `and` between two names.",
}
BROKEN = "Put a comma behind each field, and close each brace and quote."


def wrong_papers(path: Path) -> Iterator[str]:
    """What is wrong in a file of BibTeX, a sentence each.

    Args:
        path: The file.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (FileNotFoundError, IsADirectoryError):
        yield f"_config.yml: bibtex_bibfiles: there is no file {path.name} in book. Mend its name."
        return
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        yield f"{path.name}, line {line}: it must be UTF-8 text. Save it as UTF-8."
        return
    parser = Parser()
    places = [*(found.start() for found in ENTRY.finditer(text)), len(text)]
    for start, end in pairwise(places):
        first = text.count("\n", 0, start) + 1
        for line, fault in _wrong_entry(parser, text[start:end]):
            yield f"{path.name}, line {first + line}: {fault}"


def _wrong_entry(parser: Parser, text: str) -> Iterator[tuple[int, str]]:
    """Lines from 0 of an entry that begins a text, and what is wrong there, with its key."""
    head = HEAD.match(text)
    if head is None:
        yield 0, f"an entry must begin as @article{{key, got {text.splitlines()[0]}. Mend it."
        return
    kind, key = head[1].lower(), head[2]
    if kind not in COMMANDS and ("=" in key or text[head.end() :].lstrip().startswith("=")):
        yield 0, f"an entry has no key to cite it by. Begin it as @{kind}{{key,"
        return
    before = set(parser.data.entries)
    with errors.capture() as found:
        parser.parse_string(text)
    for error in found:
        cure = next((cure for of, cure in CURES.items() if isinstance(error, of)), BROKEN)
        of, told = _told(error)
        line = min(of, len(text.strip().splitlines())) - 1
        yield line, f"{key or 'an entry'}: {told}. {cure}"
    if kind not in KINDS | COMMANDS:
        yield 0, f"{key}: there is no kind of entry @{kind}. {_meant(kind)}"
    for new in parser.data.entries.keys() - before if not found else ():
        yield from ((0, f"{new}: {fault}") for fault in _wrong_fields(parser.data.entries[new]))


def _told(error: PybtexError) -> tuple[int, str]:
    """The line, from 1, and what pybtex says without it."""
    if isinstance(error, UndefinedMacro):
        return error.lineno, f"nothing is called {error.args[0]}"
    if isinstance(error, PybtexSyntaxError):
        return error.lineno or 1, str(error).partition(": ")[2] or str(error)
    return 1, str(error)


def _wrong_fields(entry: Entry) -> Iterator[str]:
    year, url, doi = (entry.fields.get(name) for name in ("year", "url", "doi"))
    if year is not None and not YEAR.fullmatch(year):
        yield f"year must have four digits, or say in press or n.d., got {year}. Mend it."
    for name in ("title", "booktitle", "journal"):
        if found := LATEX.search(entry.fields.get(name, "")):
            yield f"{name} holds {found[0]}, which is shown as it stands. Write the characters."
    if url is not None and not is_address(url):
        yield f"url must be an address that begins with https://, got {url}. Mend it."
    if doi is not None and not doi.startswith("10."):
        yield f"doi must begin with 10., got {doi}. Take away what stands in front of that."


def is_address(text: str) -> bool:
    """Whether a text is an address of the web."""
    try:
        address = urlsplit(text)
    except ValueError:
        return False
    named = address.scheme in ("http", "https") and bool(address.hostname)
    return named and not re.search(r"\s", text)


def _meant(kind: str, kinds: Collection[str] = KINDS) -> str:
    near = [MEANT[kind]] if kind in MEANT else get_close_matches(kind, kinds, 1)
    return f"Is @{near[0]} meant?" if near else "Take @misc."
