"""The numbers of the lesson stand on the pages where they belong, computed or cited.

Code is left out of the search, so that a number counts only where a cell printed it or the prose
says it.
"""

import re
from decimal import Decimal

import pytest

from tests.book.built import article, text_without

NUMBERS = {
    "refresher": "0.00635 0.364",
    "exercise-1": "0.9721 0.2696 0.0049 0.0470 6.28 58470 6.2 128 256",
    "exercise-2": (
        "394240 131584 262656 437 25 "
        "0.9721 0.6755 0.2696 0.2689 0.9688 0.6346 0.3125 0.3839 "
        "0.9999995 0.99996 0.878 0.852"
    ),
    "exercise-4": "1834913 2343713 12800 784",
    "in-other-code": "0.489 13.06 15.08 35.24 26.14 25.21 19.47 3.99 40.90 1.99 3.36",
}
# Quantities that depend on the order of random draws: page, value, how far off is still the same.
NEAR = [
    ("exercise-3", 0.09, 0.03),  # mean difference of AdaGN's outputs at t = 500 and 50
    ("exercise-3", 0.7, 0.25),  # largest difference
    ("exercise-3", 0.08, 0.02),  # spread of gamma, untrained
    ("exercise-3", 18, 7),  # how many times features shrink without the 1
]
TEXTS = [
    ("exercise-1", "[6, 256]"),
    ("exercise-3", "[1, 64, 16, 16]"),
    ("exercise-4", "modified by an inplace operation"),
]


def numbers_in(text: str) -> list[Decimal]:
    """All numbers of a text; commas between groups of three digits are taken out."""
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text.replace("\N{MINUS SIGN}", "-"))
    return [Decimal(token) for token in re.findall(r"(?<![\w.])[-+]?(?:\d+\.\d+|\.\d+|\d+)", text)]


def is_shown(expected: Decimal, shown: list[Decimal]) -> bool:
    """Whether a number is there, with the digits expected or with more of them."""
    digits = expected.as_tuple().exponent
    return any(
        number.as_tuple().exponent <= digits and number.quantize(expected) == expected
        for number in shown
    )


def numbers_on(name: str) -> list[Decimal]:
    return numbers_in(text_without(name, ".cell_input, .highlight-python, .highlight-ipython3"))


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_the_lesson_are_on_the_page(name):
    shown = numbers_on(name)
    assert [n for n in NUMBERS[name].split() if not is_shown(Decimal(n), shown)] == []


@pytest.mark.parametrize(("name", "value", "tolerance"), NEAR)
def test_measured_numbers_have_the_expected_size(name, value, tolerance):
    assert any(abs(float(number) - value) <= tolerance for number in numbers_on(name))


@pytest.mark.parametrize(("name", "text"), TEXTS)
def test_printed_texts_are_on_the_page(name, text):
    assert text in article(name).get_text()


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ("period 58,470 steps", "58470", True),
        ("sim +.9721,", "0.9721", True),
        ("sim 0.97212", "0.9721", True),
        ("sim 0.97", "0.9721", False),
        ("\N{MINUS SIGN}0.990", "-0.99", True),
        ("v1.2.3 and x256", "256", False),
        ("[6, 256]", "256", True),
    ],
)
def test_numbers_are_read_as_people_read_them(text, expected, found):
    assert is_shown(Decimal(expected), numbers_in(text)) is found
