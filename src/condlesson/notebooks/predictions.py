"""A question of a page, taken apart: what is asked, the choices, and what to say to each."""

import re
from dataclasses import dataclass

__all__ = ["Asked", "take_apart"]

_CHOICE = re.compile(r"^- ", re.M)


@dataclass(frozen=True)
class Asked:
    """A question as a page holds it, in MyST.

    Attributes:
        question: What is asked.
        choices: The answers that one can choose.
        feedback: For each choice why it is tempting, and why it is so or not.
    """

    question: str
    choices: tuple[str, ...]
    feedback: tuple[str, ...]


def take_apart(content: str) -> Asked:
    """Take the inside of a `{predict}` apart.

    Args:
        content: A question; then a list, each item of which begins with a paragraph that is the
            choice, and goes on with what to say to it.

    Raises:
        ValueError: Something is missing; the message says what.
    """
    question, *items = _CHOICE.split(content)
    if not question.strip():
        raise ValueError("a question must come before its choices, got none.")
    if len(items) < 2:
        raise ValueError(f"a question must have two choices or more, got {len(items)}.")
    choices, feedback = [], []
    for item in items:
        choice, _, told = re.sub(r"^  ", "", item, flags=re.M).strip().partition("\n\n")
        if not told.strip():
            raise ValueError(f"the choice {choice!r} must be followed by what to say to it.")
        choice = " ".join(choice.split())
        if choice in choices:
            raise ValueError(f"each choice must be another one, got {choice!r} twice.")
        choices.append(choice)
        feedback.append(told.strip())
    return Asked(question.strip(), tuple(choices), tuple(feedback))
