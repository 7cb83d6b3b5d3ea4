"""Spelling of the pages: every word is in a dictionary or in words.txt, and it is British.

pyspellchecker has the dictionary, of American and some British words; typos knows the American
spellings, and many misspellings with their cure. Both are given the words alone, without code.

In a translation, words of its language are right as well as the English ones, of which there may
be many left, and typos, which knows English only, is not asked. Of a language without a dictionary
nothing is said.
"""

import json
import re
import subprocess
import sys
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
    """Words that are wrong, or not known.

    Args:
        texts: Pages by path.
        language: Of the book, as "de" or "pt_BR"; by default the one in `_config.yml`.
    """
    language = (language or _language()).partition("_")[0]
    if language not in SpellChecker.languages():
        return
    lines = [line for path, page in texts.items() for line in _lines(path, page)]
    ours = _ours()
    american = set()
    text_of_all = "\n".join(text for *_, text in lines)
    for place, word, right in _misspelt(text_of_all) if language == "en" else ():
        path, line, _ = lines[place]
        if word not in ours:
            american.add((path, line, word))
            fault = f"{word} is misspelt, or American."
            yield Finding(path, line, "spelling", fault, f"Write {' or '.join(right)}.")
    for path, line, text in lines:
        for word in dict.fromkeys(_WORD.findall(text)):
            if not _is_known(word, language) and (path, line, word) not in american:
                guesses = _dictionary(language).candidates(word.lower()) or []
                guess = ", ".join(sorted(guesses)[:3])
                cure = (
                    f"If it is right, add it to tools/lint/words.txt{guess and f'; else: {guess}'}."
                )
                yield Finding(path, line, "spelling", f"{word} is in no dictionary.", cure)


def _lines(path: str, page: Page) -> Iterator[tuple[str, int, str]]:
    """Words of the page, line by line."""
    for passage in passages(page):
        for number, text in enumerate(plain(passage.text).splitlines(), passage.line):
            yield path, number, text


def _misspelt(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Place of the line, word and cure, as typos has them."""
    command = [Path(sys.executable).with_name("typos"), "--isolated", "--locale", "en-gb",
               "--format", "json", "-"]  # fmt: skip
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, encoding="utf-8", check=False
    )
    if done.returncode not in (0, 2):  # 2: something was found
        raise RuntimeError(f"typos must run, got {done.stderr.strip()}.")
    for line in done.stdout.splitlines():
        found = json.loads(line)
        if found["type"] == "typo":
            yield found["line_num"] - 1, found["typo"], found["corrections"]


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
