"""CONTRIBUTING.md and docs/howto followed to the letter, in one copy of the repository.

Each edit that they tell is made, and each command is run. What counts is what a reader sees:
sentences that say what goes where, and lines of shell blocks. What looks at the whole repository is
run once, when all edits are made: one build shows a page, figures, an exercise and a network, each
as `make` begins it. Outputs of the pages, which cost minutes to make, are brought along.
"""

import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

from tests.book.built import HTML, ROOT, share_environment
from tests.conftest import outside_make
from tests.test_repository import files

pytestmark = [pytest.mark.weekly, pytest.mark.unsampled]

DOCS = [ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
TEXT = "\n".join(path.read_text("utf-8") for path in DOCS)
STEP = re.compile(
    r"^```sh\n(?P<shell>.*?)^```$"
    r"|[Ii]n `(?P<in>[^`]+)`, change `(?P<old>[^`]+)` to `(?P<by>[^`]+)`",
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
}
# What is run once, when all edits are made, in this order.
LATER = (
    "make lint",
    r"\.venv/bin/python -m pytest tests/(?!book|browser)",
    "make html",
    "make notebooks",
    "make preview",
    r"\.venv/bin/python -m pytest tests/(?=book|browser)",
)
STEPS = [step for path in DOCS for step in STEP.finditer(path.read_text("utf-8"))]
LINES = [line for step in STEPS for line in (step["shell"] or "").splitlines()]


class Walk:
    """Somebody who follows the steps in a copy of the repository."""

    def __init__(self, folder: Path):
        self.folder = folder

    def take(self, step: re.Match) -> None:
        """Make the edit, or run the lines that are not for later."""
        if step["shell"]:
            for line in step["shell"].splitlines():
                if not any(re.match(pattern, line) for pattern in LATER):
                    self.enter(line)
        else:
            path = self.folder / step["in"]
            assert path.read_text().count(step["old"]) == 1, step["old"]
            path.write_text(path.read_text().replace(step["old"], step["by"]))

    def enter(self, line: str) -> None:
        """Run a line, unless it says why not."""
        command, _, seen = line.partition(FAILS)
        if NOT_RUN in line:
            return
        ours = {"PYTHONPATH": str(self.folder / "src"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=outside_make() | ours | IDENTITY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=3600,
            check=False,
        )
        assert (done.returncode != 0) == bool(seen), f"{line}\n{done.stdout}"
        assert seen in done.stdout


IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "somebody"), ("EMAIL", "somebody@example.org"))
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The working tree as a repository, with all edits made and all commands run."""
    folder = tmp_path_factory.mktemp("walks") / "condlesson"
    for path in files():
        copy = folder / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    walk = Walk(folder)
    share_environment(folder)
    walk.enter("git init --quiet --initial-branch=main && git add . && git commit --quiet -m Start")
    shutil.copytree(ROOT / "_build" / ".jupyter_cache", folder / "_build" / ".jupyter_cache")
    shutil.copytree(HTML, folder / "_build" / "html")
    for path in DOCS:
        for step in STEP.finditer(path.read_text("utf-8")):
            walk.take(step)
        walk.enter("git add . && git commit --quiet --allow-empty -m Followed")
    for pattern in LATER:
        for line in dict.fromkeys(line for line in LINES if re.match(pattern, line)):
            walk.enter(line)
    yield folder
    shutil.rmtree(folder)


def built(copy: Path, name: str) -> str:
    return (copy / "_build" / name).read_text()


def test_figures_are_on_their_pages(copy):
    assert "fig-speeds" in built(copy, "html/speeds.html")
    assert "moving-what_is_left" in built(copy, "html/what-is-left.html")


def test_the_exercise_is_on_its_page_and_in_its_notebooks(copy):
    assert "Well done. Now find the timestep" in built(copy, "html/signal-to-noise.html")
    for kind in ("exercises", "solutions"):
        text = built(copy, f"notebooks/{kind}/signal-to-noise.ipynb")
        cells = [cell.source for cell in nbformat.reads(text, 4).cells if cell.cell_type == "code"]
        [cell] = [cell for cell in cells if "def signal_to_noise" in cell]
        assert ("return alpha_bar / (1 - alpha_bar)" in cell) == (kind == "solutions")


def test_the_preview_lists_what_changed_and_what_is_new(copy):
    listed = built(copy, "preview/summary.md")
    assert re.search(r"^- changed: .* \(notation\.html\)", listed, re.M)
    for page in ("my-page", "speeds", "what-is-left", "signal-to-noise"):
        assert re.search(rf"^- new: .* \({page}\.html\)", listed, re.M)


def test_the_translation_has_its_language(copy):
    page = built(copy, "html/notation.html")
    assert '<html lang="de"' in page
    assert "Schreibweisen und Glossar" in page


def test_each_thing_that_make_begins_is_begun():
    begun = {found[1] for line in LINES if (found := re.match(r"make (\w+) name=", line))}
    assert begun == {"page", "figure", "exercise", "variant"}


def test_no_command_is_left_out_but_those_known_here():
    assert {line.partition(NOT_RUN)[0] for line in LINES if NOT_RUN in line} == KNOWN_NOT_RUN
    blocks = re.findall(r"^```(?:sh|bash|shell|console)\n(.*?)^```$", TEXT, re.M | re.S)
    assert len(LINES) == len(re.findall(r"^(?!```).+$", "\n".join(blocks), re.M))


def test_every_sentence_that_tells_an_edit_is_understood():
    told = re.findall(r"\b[Pp]ut (?:into|at the end of) `|\b[Ww]rite `[^`]+`:|, change `", TEXT)
    assert len([step for step in STEPS if not step["shell"]]) == len(told) > 4
