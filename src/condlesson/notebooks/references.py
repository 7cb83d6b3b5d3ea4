"""The book's references, for where no Sphinx is: labels, and entries of a list.

Reads what `book/references.bib` uses of BibTeX and refuses the rest: an entry in braces, one field
a line, the value in braces or bare; names as "Family, Given" joined by "and"; of TeX the common
accents, and letters like the Polish l.
"""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Reference", "read_references"]

_ENTRY = re.compile(r"^@(\w+)\{(\S+),\n(.*?)^\}\n?", re.M | re.S)
_FIELD = re.compile(r" *(\w+) = (?:\{(.*)\}|(\w+)),?")
_ACCENT = re.compile(r"\{?\\(['`^\"~c])\s*\{?(\w)\}?\}?")
_ACCENTS = dict(zip("'`^\"~c", "\u0301\u0300\u0302\u0308\u0303\u0327", strict=True))
_LETTER = re.compile(r"\{\\(L|l|O|o|ss|AA|aa)\}")
_LETTERS = {"L": "Ł", "l": "ł", "O": "Ø", "o": "ø", "ss": "ß", "AA": "Å", "aa": "å"}
_KNOWN = {
    *("author", "title", "year", "booktitle", "journal", "howpublished", "volume", "number"),
    *("pages", "doi", "eprint", "archiveprefix", "url", "note", "publisher", "series", "edition"),
}


@dataclass(frozen=True)
class Reference:
    """One entry.

    Args:
        fields: Values by the names of the fields, as plain text.
    """

    fields: dict[str, str]

    @property
    def people(self) -> list[tuple[str, str]]:
        """Family and given names of the authors."""
        pairs = (name.split(", ", 1) for name in self.fields["author"].split(" and "))
        return [(family, given[0] if given else "") for family, *given in pairs]

    @property
    def who(self) -> str:
        """Authors as a text names them, one, two, or the first and others."""
        families = [family for family, _ in self.people]
        return f"{families[0]} et al." if len(families) > 2 else " and ".join(families)

    @property
    def year(self) -> str:
        """Year of publication."""
        return self.fields["year"]

    @property
    def url(self) -> str:
        """Where to read it."""
        if "eprint" in self.fields:
            return f"https://arxiv.org/abs/{self.fields['eprint']}"
        if "doi" in self.fields:
            return f"https://doi.org/{self.fields['doi']}"
        return self.fields["url"]

    def entry(self) -> str:
        """Markdown of its entry in a list of references."""
        *others, last = [f"{given} {family}".strip() for family, given in self.people]
        authors = f"{', '.join(others)} and {last}" if others else last
        places = (self.fields.get(key) for key in ("booktitle", "journal", "howpublished"))
        where = next((f"{place}, " for place in places if place), "")
        return f"{authors}. [{self.fields['title']}]({self.url}). {where}{self.year}."


def read_references(path: Path) -> dict[str, Reference]:
    """Read a BibTeX file.

    Args:
        path: The file.

    Returns:
        Its entries by their keys.

    Raises:
        ValueError: It holds something that we do not read, or an entry lacks a field.
    """
    text = path.read_text("utf-8")
    rest = _ENTRY.sub("", text).strip()
    if rest:
        raise ValueError(f"{path.name} must hold entries of one form, got {rest[:60]!r}.")
    return {key: _reference(path, key, body) for _, key, body in _ENTRY.findall(text)}


def _reference(path: Path, key: str, body: str) -> Reference:
    fields = {}
    for line in body.splitlines():
        match = _FIELD.fullmatch(line)
        if not match or match[1] not in _KNOWN:
            raise ValueError(
                f"{path.name}, {key}: a line must be `field = {{value}},`, got {line.strip()!r}."
            )
        fields[match[1]] = _plain(path, key, match[2] or match[3])
    if missing := {"author", "title", "year"} - fields.keys():
        raise ValueError(f"{path.name}, {key} must have the field {', '.join(sorted(missing))}.")
    if not fields.keys() & {"eprint", "doi", "url"}:
        raise ValueError(f"{path.name}, {key} must have an eprint, a doi or a url.")
    return Reference(fields)


def _plain(path: Path, key: str, value: str) -> str:
    """A value without braces and commands of TeX."""
    value = _ACCENT.sub(lambda m: unicodedata.normalize("NFC", m[2] + _ACCENTS[m[1]]), value)
    value = _LETTER.sub(lambda m: _LETTERS[m[1]], value)
    value = re.sub(r"[{}]", "", value).replace("--", "\N{EN DASH}").replace(r"\&", "&")
    if "\\" in value:
        raise ValueError(f"{path.name}, {key} must be without further TeX, got {value!r}.")
    return value
