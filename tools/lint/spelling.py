"""Spelling of the pages: every word is in a dictionary or in words.txt.

pyspellchecker has the dictionary, of American and some British words. American spellings are left
to typos, which `make lint` runs by its own settings.

In a translation, words of its language are right as well as the English ones, of which there may
be many left. Of a language without a dictionary nothing is said.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml
from spellchecker import SpellChecker

from condlesson.notebooks.pages import Page
from tools.lint.finding import Finding
from tools.lint.prose import passages, plain

__all__ = ["WORDS", "check"]

WORDS = Path(__file__).with_name("words.txt")
CONFIG = Path(__file__).parents[2] / "_config.yml"
_WORD = re.compile(r"(?<![\w.@/])[^\W\d_]+(?:['\u2019][^\W\d_]+)*(?![\w@/])")


def check(texts: dict[str, Page], language: str | None = None) -> Iterator[Finding]:
    """Words that are not known.

    Args:
        texts: Pages by path.
        language: Of the book, as "de" or "pt_BR"; by default the one in `_config.yml`.
    """
    language = (language or _language()).partition("_")[0]
    if language not in SpellChecker.languages():
        return
    for path, page in texts.items():
        for line, text in _lines(page):
            for word in dict.fromkeys(_WORD.findall(text)):
                if not _is_known(word, language):
                    guesses = sorted(_dictionary(language).candidates(word.lower()) or [])[:3]
                    guess = f"; else: {', '.join(guesses)}" if guesses else ""
                    cure = f"If it is right, add it to tools/lint/words.txt{guess}."
                    yield Finding(path, line, "spelling", f"{word} is in no dictionary.", cure)


def _lines(page: Page) -> Iterator[tuple[int, str]]:
    """Words of the page, line by line."""
    for passage in passages(page):
        yield from enumerate(plain(passage.text).splitlines(), passage.line)


def _is_known(word: str, language: str) -> bool:
    stem = re.sub(r"['\u2019]s?$", "", word)
    return (
        len(stem) == 1
        or stem.isupper()
        or stem in _ours()
        or stem.lower() in _ours()
        or stem.lower() in _dictionary(language)
        or word.lower().replace("\u2019", "'") in _dictionary(language)
    )


@cache
def _ours() -> frozenset[str]:
    lines = WORDS.read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _language() -> str:
    return yaml.safe_load(CONFIG.read_text("utf-8"))["sphinx"]["config"]["language"]


@cache
def _dictionary(language: str) -> SpellChecker:
    return SpellChecker(language=sorted({"en", language}), distance=1)
