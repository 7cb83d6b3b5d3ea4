"""Variants of an answer, right and wrong ones, and what a check must say of them."""

import ast
import math
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.answers import written


def cell(code, **known):
    """What a cell of a notebook defines last, with torch at hand."""
    known = {"torch": torch, "nn": nn, "F": F, "math": math, **known}
    return written(code, ast.parse(code).body[-1].name, **known)


def edited(code, edits):
    """Code with pieces replaced, each of which must be in it."""
    for old, new in edits.items():
        assert old in code, old
        code = code.replace(old, new)
    return code


def rows(table, first):
    """The rows of a table as parameters, of which the first so many are for the loop."""
    return [
        pytest.param(row, id=name, marks=[pytest.mark.slow] * (k >= first))
        for k, (name, row) in enumerate(table.items())
    ]


def lines(*code, indent=8):
    """Several lines in the place of one."""
    return f"\n{' ' * indent}".join(code)


def assert_well_formed(result):
    """Each message is made of whole sentences, whatever was put together in it."""
    for message in result.messages:
        assert not re.search(r"(^|[a-z][.?!] )(the|a|an|your|this|each|one|it) ", message), message
        assert re.search(r"[.?!][)`]?$", message), message
        assert not re.search(
            r"XX|\bTHE\b|  | [,;?!]|(?<!\.)\.\.$|[.?!]None|\d{4}[\d.]*%", message
        ), message


def assert_wrong(result, fragment):
    """The check refuses the answer, and names this mistake."""
    assert result.status == "wrong", result
    assert fragment in result.messages[0], result
    assert_well_formed(result)


def assert_passed(result, *notes):
    """The check accepts the answer, with these notes before its praise and no others."""
    assert result.passed, result
    found = result.messages[:-1]
    assert len(found) == len(notes), found
    assert all(note in message for note, message in zip(notes, found, strict=True)), found
    assert_well_formed(result)


def assert_accepted(result):
    """The check accepts the answer, whatever it notes."""
    assert result.passed, result
    assert_well_formed(result)


def assert_noted(notes, expected):
    """One note, or several in a tuple, or none for ""; a part of each is enough."""
    expected = expected if isinstance(expected, tuple) else (expected,) * bool(expected)
    assert len(notes) == len(expected), notes
    assert [part for part, found in zip(expected, notes, strict=True) if part not in found] == []
