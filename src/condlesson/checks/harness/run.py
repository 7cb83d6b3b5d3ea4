"""How every check runs: in a state of its own, for ten seconds at most, and without raising."""

from collections.abc import Callable

from condlesson.checks.harness.deadline import TooSlow, within
from condlesson.checks.harness.gaps import gaps
from condlesson.checks.harness.location import place_of_error
from condlesson.checks.harness.result import CheckResult, note_result
from condlesson.checks.harness.session import own_state, untouched

__all__ = ["NotDone", "Wrong", "run_check", "say"]

SECONDS = 10.0
PASSING = (KeyboardInterrupt, TooSlow)  # what no check may hold back on its way

Outcome = tuple[str, list[str]]  # status and messages


class Wrong(Exception):  # noqa: N818 -- a finding, no error of ours
    """A mistake in the answer; the message says what was measured, and the cure."""


class NotDone(Exception):  # noqa: N818
    """The answer is not there yet."""


def run_check(
    name: str,
    answer: object,
    examine: Callable[[object], list[str]],
    *,
    exercise: object,
    praise: str,
) -> CheckResult:
    """Examine an answer; nothing but KeyboardInterrupt gets out.

    Args:
        name: Name of the check.
        answer: What the learner handed in.
        examine: Returns notes, or raises `Wrong` or `NotDone`. All its calls of the learner's
            code must go through `condlesson.checks.harness.answer`.
        exercise: The package's own solution, to tell gaps of its scaffold.
        praise: Message if passed, after the notes.

    Returns:
        The result, which `progress` will know.
    """
    with untouched():
        try:
            status, messages = within(SECONDS, lambda: _outcome(answer, examine, exercise))
        except TooSlow as error:
            status, messages = "wrong", [_too_slow(say(error))]
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            status, messages = "wrong", [_unexpected(error)]
    result = CheckResult(name, status, [*messages, praise] if status == "passed" else messages)
    note_result(result)
    return result


def _outcome(answer: object, examine: Callable[[object], list[str]], exercise: object) -> Outcome:
    with own_state():
        try:
            return "passed", list(examine(answer))
        except PASSING:
            raise
        except NotDone as error:
            return "not done", _open_messages(answer, exercise, [str(error)])
        except Wrong as error:
            messages = _open_messages(answer, exercise, [])
            return ("not done", messages) if messages else ("wrong", [str(error)])
        except BaseException as error:
            return "wrong", [_unexpected(error)]


def _open_messages(answer: object, exercise: object, otherwise: list[str]) -> list[str]:
    try:
        found = gaps(answer, exercise)
    except PASSING:
        raise
    except BaseException:  # an answer can make even a look at it fail
        found = []
    labels = [label for label, _ in found if label]
    if not found:
        return otherwise
    if not labels:
        return ["Some of it is still open: a line does nothing yet. Fill it, and run this again."]
    verb = "is" if len(labels) == 1 else "are"
    next_hint = next(hint for label, hint in found if label)
    return [f"{_listed(labels)} {verb} still open.", f"Next, {labels[0]}: {next_hint}"]


def _listed(labels: list[str]) -> str:
    if len(labels) == 1:
        return labels[0]
    return f"{', '.join(labels[:-1])} and {labels[-1]}"


def _too_slow(place: str) -> str:
    where = f" It was at {place}." if place else ""
    return (
        f"Too slow: it was still running after {SECONDS:.0f} seconds, where about one is "
        f"enough.{where} Look for a loop that does not end, or one over single timesteps."
    )


def _unexpected(error: BaseException) -> str:
    place = place_of_error(error)
    where = f" at {place}" if place else ""
    return f"The answer could not be examined: {type(error).__name__}{where}: {say(error)}"


def say(error: BaseException) -> str:
    """Message of an exception in one line, whatever its class does."""
    try:
        text = " ".join(str(error).split())
    except PASSING:
        raise
    except BaseException:
        text = "(its message cannot be shown)"
    return text if len(text) <= 300 else f"{text[:300]} ..."
