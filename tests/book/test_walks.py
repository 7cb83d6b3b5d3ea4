"""CONTRIBUTING.md followed to the letter: each edit that it tells is made, each command is run.

A section with shell lines is a walk-through, and starts in a fresh copy of the repository. What
counts is what a reader sees: sentences that say what goes where, and lines of shell blocks. Outputs
of the pages, which cost minutes to make, are brought along.
"""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest

from tests.book.built import ROOT
from tests.test_repository import files

pytestmark = pytest.mark.slow

CODE = r":\n\n(?P<{0}_fence>`{{3,}})\w+\n(?P<{0}_text>.*?)^(?P={0}_fence)$"
STEP = re.compile(
    r"^```sh\n(?P<shell>.*?)^```$"
    r"|[Pp]ut into `(?P<into>[^`]+)`, (?P<side>above|behind) the line `(?P<line>[^`]+)`"
    + CODE.format("into")
    + r"|[Pp]ut at the end of `(?P<end>[^`]+)`"
    + CODE.format("end")
    + r"|[Ww]rite `(?P<new>[^`]+)`"
    + CODE.format("new")
    + r"|[Ii]n `(?P<in>[^`]+)`, change `(?P<old>[^`]+)` to `(?P<by>[^`]+)`",
    re.M | re.S,
)
NOT_RUN, FAILS = "  # not followed: ", "  # fails: "
# Needs an address, a fork, a person, MNIST and hours, or other people's servers.
KNOWN_NOT_RUN = {
    "make test-unit",
    "git clone ADDRESS condlesson && cd condlesson",
    "make live",
    "git push --set-upstream origin clearer-notation",
    ".venv/bin/condlesson train --variant gated --tier quick --out my-runs",
    "make runs DATA=data",
    ".venv/bin/condlesson train --variant simple --seed 42 --epochs 5 --images 12800 --outputs "
    "--data data --download --out src/condlesson/experiment/recorded --again",
    "git remote add upstream ADDRESS",
    "git pull --no-rebase upstream main",
    "python3 -m venv ../repo2docker",
    "../repo2docker/bin/pip install jupyter-repo2docker==2026.4.0",
    "../repo2docker/bin/jupyter-repo2docker --no-build --debug .",
}


class Section(NamedTuple):
    """A part of CONTRIBUTING.md with a heading, and the steps that it tells."""

    heading: str
    steps: list[re.Match]

    @property
    def lines(self) -> list[str]:
        blocks = [step["shell"] for step in self.steps if step["shell"]]
        return [line for block in blocks for line in block.splitlines()]

    @property
    def is_run(self) -> bool:
        return any(NOT_RUN not in line for line in self.lines)


def sections(text: str) -> list[Section]:
    """The parts of a text with headings; one inside a block is none."""
    blank = re.sub(r"^(`{3,}).*?^\1$", lambda block: " " * len(block[0]), text, flags=re.M | re.S)
    starts = [heading.end() for heading in re.finditer("^## ", blank, re.M)]
    parts = [text[a:b] for a, b in itertools.pairwise([*starts, len(text)])]
    return [Section(part.partition("\n")[0], list(STEP.finditer(part))) for part in parts]


TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SECTIONS = sections(TEXT)
WALKS = [section for section in SECTIONS if section.is_run]


class Walk:
    """Somebody who follows the steps in a copy of the repository."""

    def __init__(self, folder: Path):
        self.folder = folder

    def take(self, step: re.Match) -> None:
        """Make the edit, or run the lines."""
        if step["shell"]:
            for line in step["shell"].splitlines():
                self.enter(line)
        elif step["new"]:
            assert not (self.folder / step["new"]).exists()
            (self.folder / step["new"]).write_text(step["new_text"])
        elif step["end"]:
            with (self.folder / step["end"]).open("a") as file:
                file.write(step["end_text"])
        elif step["into"]:
            path = self.folder / step["into"]
            lines = path.read_text().splitlines(keepends=True)
            [place] = [k for k, line in enumerate(lines) if line.strip() == step["line"]]
            lines.insert(place + (step["side"] == "behind"), step["into_text"])
            path.write_text("".join(lines))
        else:
            path = self.folder / step["in"]
            assert path.read_text().count(step["old"]) == 1, step["old"]
            path.write_text(path.read_text().replace(step["old"], step["by"]))

    def enter(self, line: str) -> None:
        """Run a line in this environment, which is taken as set up, unless it says why not."""
        command, _, seen = line.partition(FAILS)
        if NOT_RUN in line:
            return
        command = command.replace(".venv/bin/", f"{sys.prefix}/bin/")
        if command.startswith("make "):
            command += f" -o {sys.prefix}/.installed VENV={sys.prefix}"
        ours = {"PYTHONPATH": str(self.folder / "src"), "OMP_NUM_THREADS": "1"}
        kept = {
            k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=kept | ours | IDENTITY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        assert (done.returncode != 0) == bool(seen), f"{line}\n{done.stdout}"
        assert seen in done.stdout


IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "somebody"), ("EMAIL", "somebody@example.org"))
}


@pytest.fixture
def walk(tmp_path):
    """A copy of the working tree as a repository with one commit, and what the pages gave."""
    folder = tmp_path / "condlesson"
    for path in files():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    walk = Walk(folder)
    walk.enter("git init --quiet --initial-branch=main && git add . && git commit --quiet -m Start")
    shutil.copytree(ROOT / "_build" / ".jupyter_cache", folder / "_build" / ".jupyter_cache")
    return walk


def built(walk: Walk, name: str) -> str:
    return (walk.folder / "_build" / name).read_text()


def has_the_figure(walk):
    assert "fig-speeds-counted" in built(walk, "html/speeds.html")


def has_the_exercise(walk):
    assert "Well done. Next, look for the timestep" in built(walk, "html/signal-and-noise.html")
    for kind in ("exercises", "solutions"):
        text = built(walk, f"notebooks/{kind}/signal-and-noise.ipynb")
        cells = [cell.source for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]
        [cell] = [cell for cell in cells if "def signal_to_noise" in cell]
        assert ("return alpha_bar / (1 - alpha_bar)" in cell) == (kind == "solutions")


def previews_the_sentence(walk):
    lines = [line for line in built(walk, "preview/summary.md").splitlines() if line[:2] == "- "]
    assert lines == ["- changed: Notation and glossary (notation.html): 1 line of text"]


def is_german(walk):
    page = built(walk, "html/notation.html")
    assert '<html lang="de"' in page
    assert "Schreibweisen und Glossar" in page


# What there is to see at the end of a walk-through, beside commands that succeed.
SEEN = {
    "Add a figure": has_the_figure,
    "Add an exercise with its check": has_the_exercise,
    "What a change changes": previews_the_sentence,
    "Translate the book": is_german,
}


@pytest.mark.parametrize("section", WALKS, ids=[section.heading for section in WALKS])
def test_steps_can_be_followed_as_they_are_written(walk, section):
    for step in section.steps:
        walk.take(step)
    SEEN.get(section.heading, lambda walk: None)(walk)


def test_there_is_a_walk_for_each_thing_that_people_come_to_change():
    headings = {section.heading for section in WALKS}
    assert headings >= {
        "A first contribution",
        "Add a page",
        "Add a figure",
        "Add an exercise with its check",
        "Add a variant",
        "Re-record runs",
        "What a change changes",
        "Translate the book",
    }
    assert set(SEEN) <= headings


def test_no_command_is_left_out_but_those_known_here():
    lines = [line for section in SECTIONS for line in section.lines]
    assert {line.partition(NOT_RUN)[0] for line in lines if NOT_RUN in line} == KNOWN_NOT_RUN
    assert len(lines) == len(re.findall(r"^(?!```).+$", "\n".join(SHELL.findall(TEXT)), re.M))


SHELL = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```$", re.M | re.S)


def test_every_sentence_that_tells_an_edit_is_understood():
    told = re.findall(r"\b[Pp]ut (?:into|at the end of) `|\b[Ww]rite `[^`]+`:|, change `", TEXT)
    edits = [step for section in SECTIONS for step in section.steps if not step["shell"]]
    assert len(edits) == len(told)
