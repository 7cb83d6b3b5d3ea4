"""How every check runs: in a state of its own, for ten seconds at most, and without raising."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from condlesson.checks.harness.cures import cure_of
from condlesson.checks.harness.deadline import TooSlow, within
from condlesson.checks.harness.failure import Failure
from condlesson.checks.harness.gaps import gaps
from condlesson.checks.harness.handed_in import not_the_learners
from condlesson.checks.harness.isolation import Died, can_isolate, isolated
from condlesson.checks.harness.location import place_of_error
from condlesson.checks.harness.result import CheckResult, note_result
from condlesson.checks.harness.session import own_state, untouched
from condlesson.scaffold import begun

__all__ = ["CALLED", "MADE", "NotDone", "Raised", "Wrong", "name_of", "run_check", "say"]

SECONDS = 10.0
PASSING = (KeyboardInterrupt, TooSlow)  # what no check may hold back on its way

MADE: list[object] = []  # by the answer's class, since the check began
CALLED: set[tuple[int, bool]] = set()  # which of them, by id, and whether in training mode

Outcome = tuple[str, list[str]]  # status and messages


class Wrong(Exception):  # noqa: N818 -- a finding, no error of ours
    """A mistake in the answer; the message says what was measured, and the cure."""


class Raised(Wrong):
    """The answer raised an error.

    Attributes:
        failure: What can be seen where it did.
        cure: What to do about it, from those who know the exercise; "" if they do not know.
    """

    def __init__(self, text: str, failure: Failure) -> None:
        super().__init__(text)
        self.failure, self.cure = failure, ""

    def __str__(self) -> str:
        text = super().__str__()
        text += "" if text.endswith((".", "!", "?")) else "."
        return f"{text} {self.cure or cure_of(self.failure)}".strip()


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
        The result, which `progress` will know. That of the package's own solution, which the
        book's pages hand in, also tells what a learner will see who begins.
    """
    examined = partial(_examined, name, examine=examine, exercise=exercise, praise=praise)
    result = examined(answer)
    note_result(result)
    if answer is exercise:
        return replace(result, before=lambda: examined(begun(exercise)))
    return result


def _examined(
    name: str,
    answer: object,
    *,
    examine: Callable[[object], list[str]],
    exercise: object,
    praise: str,
) -> CheckResult:
    def work() -> Outcome:
        with untouched():
            return _in_time(lambda: _outcome(answer, examine, exercise))

    try:
        status, messages = isolated(work, SECONDS) if can_isolate() else work()
    except TooSlow:
        status, messages = "wrong", [_too_slow("")]
    except Died as error:
        status, messages = "wrong", [f"Your code ended Python before there was a result: {error}."]
    return CheckResult(name, status, [*messages, praise] if status == "passed" else messages)


def _in_time(work: Callable[[], Outcome]) -> Outcome:
    try:
        return within(SECONDS, work)
    except TooSlow as error:
        return "wrong", [_too_slow(say(error))]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return "wrong", [_unexpected(error)]


def _outcome(answer: object, examine: Callable[[object], list[str]], exercise: object) -> Outcome:
    MADE.clear()
    CALLED.clear()
    with own_state():
        try:
            other = not_the_learners(answer, exercise)
            return ("not done", [other]) if other else ("passed", list(examine(answer)))
        except PASSING:
            raise
        except NotDone as error:
            return "not done", _open_messages(answer, exercise, [str(error)])
        except Wrong as error:
            messages = _open_messages(answer, exercise, [], has_run=_has_run(error))
            return ("not done", messages) if messages else ("wrong", [str(error)])
        except BaseException as error:
            return "wrong", [_unexpected(error)]


def _has_run(error: Wrong) -> bool:
    """Whether a mistake is no missing name, of what stands in a gap."""
    kind = error.failure.kind if isinstance(error, Raised) else ""
    return kind not in ("NameError", "UnboundLocalError")


def _open_messages(
    answer: object, exercise: object, otherwise: list[str], *, has_run: bool = False
) -> list[str]:
    """What is open; `otherwise` if nothing is, or if the answer has run without what is."""
    try:
        found = gaps(answer, exercise)
    except PASSING:
        raise
    except BaseException:  # an answer can make even a look at it fail
        found = []
    if not found or (has_run and not any(gap.is_needed for gap in found)):
        return otherwise
    owner = found[0].owner  # what is built on something unfinished comes after it
    labelled = [gap for gap in found if gap.owner == owner and gap.label]
    if not labelled:
        return [
            (
                "Some of it is still open: a line does nothing yet. Fill it in, and run this check "
                "again."
            )
        ]
    labels = [gap.label for gap in labelled]
    is_base = isinstance(answer, type) and owner != answer.__name__
    whose = f" in {owner}, which {answer.__name__} is built on" if is_base else ""
    verb = "is" if len(labels) == 1 else "are"
    return [
        f"{_listed(labels)} {verb} still open{whose}.",
        f"Next, {labels[0]}: {labelled[0].hint}",
    ]


def _listed(labels: list[str]) -> str:
    if len(labels) == 1:
        return labels[0]
    return f"{', '.join(labels[:-1])} and {labels[-1]}"


def _too_slow(place: str) -> str:
    where = f" It was at {place}." if place else ""
    return (
        f"Too slow: your code was still running after {SECONDS:.0f} seconds, and about one is "
        f"enough.{where} Is there a loop that does not end, or one over single timesteps?"
    )


def _unexpected(error: BaseException) -> str:
    place = place_of_error(error)
    where = f" at {place}" if place else ""
    return f"Your code could not be examined: {type(error).__name__}{where}: {say(error)}"


def name_of(answer: object, otherwise: str = "your_function") -> str:
    """What the learner calls an answer, to be shown as code."""
    try:
        name = getattr(answer, "__name__", "")
        return name if isinstance(name, str) and name.isidentifier() else otherwise
    except PASSING:
        raise
    except BaseException:
        return otherwise


def say(error: BaseException) -> str:
    """Message of an exception in one line, whatever its class does."""
    try:
        text = " ".join(str(error).split())
    except PASSING:
        raise
    except BaseException:
        text = "(its message cannot be shown)"
    return text if len(text) <= 300 else f"{text[:300]} ..."
