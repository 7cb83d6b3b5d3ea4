"""What a check found, as a notebook and as a terminal show it, and the session's summary."""

import html
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

__all__ = [
    "CheckResult",
    "Progress",
    "note_earlier",
    "note_result",
    "progress",
    "statuses",
    "take_ended",
]

# A mark and a word each, so that nothing is said by colour alone.
_LOOKS = {
    "passed": ("✓", "Passed", "#2b8a57"),
    "wrong": ("✗", "Not right yet", "#c8553d"),
    "not done": ("…", "Not done yet", "#8a7a3f"),
    "not tried": ("·", "Not tried", "#808080"),
}
_RESULTS: dict[str, str] = {}  # status by the check's name, in the order of the first try
_EARLIER: dict[str, str] = {}  # those of an earlier session
_ENDED: set[str] = set()  # names of those that ended, until somebody has taken note of them


@dataclass(frozen=True, repr=False)
class CheckResult:
    """What a check found.

    Attributes:
        name: Name of the check, such as ``check_adagn``.
        status: ``"passed"``, ``"wrong"`` or ``"not done"``.
        messages: What was found. If passed: notes, if any, and what to try next. Otherwise the
            first mistake, with what was measured and the cure, or the parts that are still open.
        before: Where the package's own answer was checked, what the check says of the exercise
            as a learner finds it.
    """

    name: str
    status: str
    messages: list[str]
    before: Callable[[], "CheckResult"] | None = field(default=None, compare=False)

    @property
    def passed(self) -> bool:
        """Whether the answer is right."""
        return self.status == "passed"

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        mark, word, _ = _LOOKS[self.status]
        lines = [f"{mark} {word}: {self.name}", *(f"  {message}" for message in self.messages)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if not self.before:
            return self._box()
        found = self.before()
        shown = found._box()
        if found.status == "wrong":  # it names the mistake that is to be found
            shown = _folded("What the check says before it is mended", shown)
        return shown + _folded("The check with the solution", self._box(), "check-solved")

    def _box(self) -> str:
        mark, word, colour = _LOOKS[self.status]
        rest = "".join(_paragraph(message) for message in self.messages)
        return (
            f'<div role="status" style="border-left: 0.4em solid {colour}; padding: 0.2em 0.8em;">'
            f"<p><strong>{mark} {word}</strong>: <code>{html.escape(self.name)}</code></p>"
            f"{rest}</div>"
        )


@dataclass(frozen=True, repr=False)
class Progress:
    """Where a learner stands: each check and how it ended last.

    Attributes:
        statuses: ``"passed"``, ``"wrong"``, ``"not done"`` or ``"not tried"`` by name of the check.
        earlier: Names of those that ended so in an earlier session, and did not run in this one.
    """

    statuses: dict[str, str]
    earlier: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        width = max((len(words) for words, _ in self._rows()), default=0) + 1
        lines = [f"  {words.ljust(width)}{name}" for words, name in self._rows()]
        return "\n".join([self._head(), *lines])

    def _rows(self) -> list[tuple[str, str]]:
        """Mark and words, and the check's name."""
        looks = ((name, *_LOOKS[status][:2]) for name, status in self.statuses.items())
        before = ", in an earlier session"
        return [(f"{m} {word}{before * (name in self.earlier)}", name) for name, m, word in looks]

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><td style="text-align: left;">{words}</td>'
            f'<td style="text-align: left;"><code>{html.escape(name)}</code></td></tr>'
            for words, name in self._rows()
        )
        head = "".join(
            f'<th scope="col" style="text-align: left;">{text}</th>' for text in ("result", "check")
        )
        return (
            f"<p><strong>{self._head()}</strong></p>"
            f'<table class="table"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
        )

    def _head(self) -> str:
        if not self.statuses:
            return "No check has run in this session yet."
        passed = sum(status == "passed" for status in self.statuses.values())
        return f"{passed} of {len(self.statuses)} checks passed."


def note_result(result: CheckResult) -> None:
    """Keep how a check ended, for `progress`."""
    _RESULTS[result.name] = result.status
    _ENDED.add(result.name)


def take_ended() -> set[str]:
    """Names of the checks that have ended since this was asked for last."""
    names = set(_ENDED)
    _ENDED.clear()
    return names


def note_earlier(found: Mapping[str, str]) -> None:
    """Take up how checks ended in an earlier session: statuses by their names."""
    _EARLIER.update({name: status for name, status in found.items() if status in _LOOKS})


def statuses() -> dict[str, str]:
    """How the checks of this session ended last, by their names."""
    return dict(_RESULTS)


def progress(names: Iterable[str] | None = None) -> Progress:
    """Sum up the checks of this session.

    Args:
        names: Names of checks, such as ``["check_adagn"]``, in the order to show them; a check
            among them that has not run yet is shown as not tried. By default the checks that
            have run.

    Returns:
        The last result of each, which a notebook shows as a table and a terminal as text; of one
        that has not run in this session that of an earlier one, if `remember` has kept it.
    """
    known = _EARLIER | _RESULTS
    names = known if names is None else names
    names = [name if name.startswith("check_") else f"check_{name}" for name in names]
    found = {name: known.get(name, "not tried") for name in names}
    return Progress(found, frozenset(_EARLIER.keys() - _RESULTS.keys()) & found.keys())


def _folded(summary: str, content: str, kind: str = "check-begun") -> str:
    return f'<details class="{kind}"><summary>{summary}</summary>{content}</details>'


def _paragraph(message: str) -> str:
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(message))
    return f'<p style="white-space: pre-wrap;">{text}</p>'
