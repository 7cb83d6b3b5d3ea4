"""The book's references, for where no Sphinx is: labels, and entries of a list.

pybtex reads `book/references.bib`, as it does for the book. What would not come out right in a
notebook is refused: commands of TeX that it leaves, fields that we do not know, entries that name
no place to read.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pybtex.database import Entry

__all__ = ["Reference", "read_references"]

_KNOWN = {
    *("author", "title", "year", "booktitle", "journal", "howpublished", "volume", "number"),
    *("pages", "doi", "eprint", "archiveprefix", "url", "note", "publisher", "series", "edition"),
}


@dataclass(frozen=True)
class Reference:
    """One entry.

    Attributes:
        fields: Values by the names of the fields, as plain text.
        people: Family and given names of the authors.
    """

    fields: dict[str, str]
    people: tuple[tuple[str, str], ...]

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
    from pybtex.database import PybtexError, parse_string

    try:
        entries = parse_string(path.read_text("utf-8"), "bibtex").entries
    except PybtexError as error:
        raise ValueError(f"{path.name} must be BibTeX, got an error: {error}.") from error
    return {key: _reference(f"{path.name}, {key}", entry) for key, entry in entries.items()}


def _reference(place: str, entry: "Entry") -> Reference:
    names = {name.lower() for name in (*entry.fields, *entry.persons)}
    if unknown := names - _KNOWN:
        raise ValueError(f"{place} must have known fields, got {', '.join(sorted(unknown))}.")
    if missing := {"author", "title", "year"} - names:
        raise ValueError(f"{place} must have the field {', '.join(sorted(missing))}.")
    if not names & {"eprint", "doi", "url"}:
        raise ValueError(f"{place} must have an eprint, a doi or a url.")
    fields = {name.lower(): _plain(place, value) for name, value in entry.fields.items()}
    people = (
        (_plain(place, " ".join([*p.prelast_names, *p.last_names, *p.lineage_names])),
         _plain(place, " ".join([*p.first_names, *p.middle_names])))
        for p in entry.persons["author"]
    )  # fmt: skip
    return Reference(fields, tuple(people))


def _plain(place: str, value: str) -> str:
    """A value without braces and commands of TeX."""
    from pybtex.richtext import Text

    plain = str(Text.from_latex(value))
    if "\\" in plain:
        raise ValueError(f"{place} must be without further TeX, got {value!r}.")
    return plain
