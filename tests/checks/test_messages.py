"""The record of all sentences of the checks, for those who read and mend them."""

import re

from tests.checks import messages

# Idioms and words of other rooms, which readers of all countries need not know.
AVOIDED = (
    "dealt out", "like cards", "time of day", "start at 12", "look for", "hand in hand",
    "as it were", "of course", "simply", "obviously", "a piece of cake", "under the hood",
)  # fmt: skip
LONGEST = 34  # words of a sentence


def test_the_record_is_what_the_code_says():
    recorded = messages.RECORD.read_text("utf-8")
    assert messages.listed() == recorded, "python -m tests.checks.messages --write"


def test_sentences_are_plain_and_short():
    for line in messages.listed().splitlines():
        assert not [words for words in AVOIDED if words in line.lower()], line
        for sentence in re.split(r"(?<=[.?!]) ", line):
            assert len(sentence.split()) <= LONGEST, sentence
