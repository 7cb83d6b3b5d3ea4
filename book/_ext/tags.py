"""Which elements some HTML leaves open, closes without having opened, or names twice."""

from html.parser import HTMLParser

__all__ = ["Tags"]

VOID = {"area", "br", "col", "embed", "hr", "img", "input", "link", "meta"}
VOID |= {"source", "track", "wbr"}
ENDS_BY_ITSELF = {"dd", "dt", "li", "option", "p", "tbody", "td", "tfoot", "th", "thead", "tr"}
ENDS_BY_ITSELF |= {"colgroup", "optgroup", "rp", "rt"}


class Tags(HTMLParser):
    """What is open, and what is wrong so far, over all pieces that are read.

    Args:
        whose: What the sentences add to say where, as " in its HTML".
    """

    def __init__(self, whose: str = "") -> None:
        super().__init__()
        self.whose = whose
        self.ids: set[str] = set()
        self._open: list[tuple[str, object]] = []
        self._wrong: list[tuple[str, object]] = []
        self._place: object = None

    def read(self, html: str, place: object = None) -> "Tags":
        """Go on with a piece, which stands at a place; returns itself."""
        self._place = place
        self.feed(html)
        if self.rawdata.startswith("<"):
            kind = "comment" if self.rawdata.startswith("<!--") else "tag"
            self._wrong.append((f"a {kind} is begun{self.whose} and not ended. End it.", place))
        self.rawdata = ""
        return self

    def faults(self) -> list[tuple[str, object]]:
        """What is wrong, a sentence each, and the place of each."""
        told = f"is opened{self.whose} and not closed. Close it."
        return [*self._wrong, *((f"<{tag}> {told}", place) for tag, place in self._open)]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag not in VOID | ENDS_BY_ITSELF:
            self._open.append((tag, self._place))
        name = dict(attributes).get("id")
        if name in self.ids:
            self._wrong.append((f"the id {name} stands twice{self.whose}. Mend it.", self._place))
        self.ids |= {name} - {None}

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Nothing is open after `<tag/>`, as in SVG."""

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID | ENDS_BY_ITSELF:
            return
        if self._open and self._open[-1][0] == tag:
            self._open.pop()
        else:
            told = f"</{tag}> closes nothing that is open{self.whose}. Mend it."
            self._wrong.append((told, self._place))
