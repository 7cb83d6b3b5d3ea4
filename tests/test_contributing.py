"""Commands that the texts and the pages name: make or our command line knows each."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from condlesson.__main__ import _parser
from tests.conftest import outside_make

ROOT = Path(__file__).parents[1]
TEXT = "\n".join(
    path.read_text("utf-8")
    for path in [ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("book/*.md")]
)
TEXT = re.sub(r" \\\n *", " ", TEXT)
MAKE = sorted(set(re.findall(r"(?:^|`)(make [a-z-]+(?: [A-Za-z]+=[\w-]+)*)(?=`|$)", TEXT, re.M)))
TRAIN = sorted(set(re.findall(r"^condlesson (train .+)$", TEXT, re.M)))


def test_there_are_commands():
    assert {"make setup", "make lint", "make claims", "make page name=my-page"} <= set(MAKE)
    assert len(TRAIN) > 2


@pytest.mark.parametrize("command", MAKE)
def test_make_knows(command):
    environment = outside_make()
    done = subprocess.run(
        [*command.split(), "--dry-run", "-o", f"{sys.prefix}/.installed", f"VENV={sys.prefix}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", TRAIN)
def test_our_command_line_knows(command):
    assert _parser().parse_args(command.split()).variant
