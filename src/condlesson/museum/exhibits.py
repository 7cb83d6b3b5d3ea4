"""What belongs to an exhibit of the museum of silent bugs, and how a notebook shows it.

`condlesson.museum.mistakes` holds the exhibits themselves.
"""

import html
import sys
from collections.abc import Callable
from dataclasses import dataclass

from condlesson import scaffold
from condlesson.arguments import check_choice
from condlesson.tables import Table

__all__ = ["Choice", "Mistake", "Question", "Revealed", "ask", "cured"]


@dataclass(frozen=True)
class Choice:
    """An answer that one can choose, and what to say to it.

    Attributes:
        text: The answer.
        is_right: Whether it is what happens.
        feedback: Why, or why not.
    """

    text: str
    is_right: bool
    feedback: str

    @property
    def verdict(self) -> str:
        """The feedback behind a mark and a word."""
        return f"{'✓ Right.' if self.is_right else '✗ No.'} {self.feedback}"


@dataclass(frozen=True, repr=False)
class Question:
    """A prediction to make before the code is run.

    A notebook shows the answers with their feedback folded away, a terminal with letters for
    `answer`.

    Attributes:
        text: What is asked.
        choices: The answers.
    """

    text: str
    choices: tuple[Choice, ...]

    def answer(self, letter: str) -> str:
        """What to say to an answer.

        Args:
            letter: ``"a"`` for the first, ``"b"`` for the second, and so on.

        Raises:
            ValueError: There is no such answer.
        """
        letters = "abcdefgh"[: len(self.choices)]
        check_choice("letter", letter, letters)
        return self.choices[letters.index(letter)].verdict

    def __repr__(self) -> str:
        lines = [
            f"  {letter}) {c.text}" for letter, c in zip("abcdefgh", self.choices, strict=False)
        ]
        return "\n".join([f"Predict: {self.text}", *lines])

    def _repr_html_(self) -> str:
        folded = "".join(
            f"<details><summary>{html.escape(c.text)}</summary>"
            f"<p>{html.escape(c.verdict)}</p></details>"
            for c in self.choices
        )
        return f"<p><strong>Predict:</strong> {html.escape(self.text)}</p>{folded}"


class Revealed(dict[str, tuple[float, float]]):
    """For each quantity, its value of some code and of the cured one; shown as a table."""

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        rows = [(what, *map(_short, pair)) for what, pair in self.items()]
        return Table(["measured", "this code", "cured"], rows)


def ask(text: str, *choices: tuple[str, str], right: int) -> Question:
    """A question, with answers and their feedback, of which one is right.

    Args:
        text: What is asked.
        choices: An answer each, and what to say to it.
        right: Number of the right one, from 0.
    """
    return Question(text, tuple(Choice(t, k == right, f) for k, (t, f) in enumerate(choices)))


@dataclass(frozen=True)
class Mistake:
    """One bug.

    Attributes:
        name: Its key in the catalogue.
        title: What to call it before it is found.
        bug: What is wrong, in a few words.
        exercise: The page that teaches what it breaks.
        code: The broken version, of `condlesson.museum.broken`.
        check: Name of the check that reveals it; empty if no check can.
        test: What reveals it in place of a check: called with a version, it returns what is
            wrong, or an empty text.
        message: Pattern of what check or test must say.
        source: Address of the thread, the file or the paper.
        measure: What shows it: called with a version, it returns numbers by what they are.
        question: The prediction to make.
    """

    name: str
    title: str
    bug: str
    exercise: str
    code: Callable
    message: str
    source: str
    measure: Callable[[Callable], dict[str, float]]
    question: Question
    check: str = ""
    test: Callable[[Callable], str] | None = None

    @property
    def cured(self) -> Callable:
        """The version with the right line."""
        return cured(self.code)

    def reveal(self, version: Callable | None = None) -> Revealed:
        """Measure a version beside the cured one.

        Args:
            version: By default the broken one; or a repaired one of the reader's.

        Returns:
            What was measured. It takes seconds at most, and is the same each time.
        """
        found, right = self.measure(version or self.code), self.measure(self.cured)
        return Revealed({what: (found[what], right[what]) for what in right})


def cured(code: Callable) -> Callable:
    """Make the cured version of broken code: its source with the line of its CURE comment.

    Args:
        code: Of `condlesson.museum.broken`.
    """
    namespace = dict(vars(sys.modules[code.__module__]))
    exec(compile(scaffold.solution(code), f"<{code.__name__}, cured>", "exec"), namespace)
    return namespace[code.__name__]


def _short(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
