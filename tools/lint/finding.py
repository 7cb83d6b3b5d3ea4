"""What a check of the pages found: where, by which rule, and what to do."""

from typing import NamedTuple

__all__ = ["Finding"]


class Finding(NamedTuple):
    """A fault of a page.

    Attributes:
        path: Path of the page in the repository.
        line: Line of its file, from 1.
        rule: Name of the rule.
        fault: What is wrong, as a sentence.
        cure: What to do, as a sentence.
    """

    path: str
    line: int
    rule: str
    fault: str
    cure: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.fault} {self.cure}"
