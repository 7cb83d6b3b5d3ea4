"""The commands of the README work: each is run here, or it is one that this suite runs under."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import outside_make

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BY_CI = {"make book", "make test"}  # `.ci/run` is `make test`, and that builds the book
# Not run: the first needs an address that is not decided, the others a server of other people.
NOT_HERE = {
    "git clone ADDRESS condlesson && cd condlesson",
    "make book TORCH=cpu",
    ".venv/bin/condlesson train --variant sinusoidal --seed 42 --epochs 5 --images 12800 "
    "--data data --download --out my-runs",
    # Of folders and GPUs that are not here; test_command_line.py does both with what is.
    ".venv/bin/condlesson runs collect job-1 job-2 --out my-runs",
    ".venv/bin/accelerate launch --num_processes 2 -m condlesson train --variant adagn "
    "--data data --out my-runs",
}
# Would run these tests again, do again what the book's build does, or remove what it made.
DRY = {"make live", "make test-unit", "make runs-verify", "make clean"}


def commands(language: str) -> list[str]:
    """Lines of the README's code blocks in a language."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)
    return [line for block in blocks for line in block.splitlines()]


RUN = [
    pytest.param(line, marks=pytest.mark.slow) if ".venv" in line else line
    for line in commands("sh")
    if line not in BY_CI | NOT_HERE | DRY
]


def run(line: str, out: Path) -> subprocess.CompletedProcess:
    """Run a command of the README in this environment; what it writes goes to out."""
    line = line.replace(".venv/bin/", f"{sys.prefix}/bin/").replace("my-runs", str(out))
    if line.startswith("make "):
        line += f" -o {sys.prefix}/.installed VENV={sys.prefix}"
    environment = outside_make()
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        cwd=ROOT,
        # One thread: two would wait for each other where all cores are busy.
        env={**environment, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("line", RUN)
def test_command_runs(line, tmp_path):
    result = run(line, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.strip()
    if " train " in line:
        assert len(list(tmp_path.glob("*.json"))) == 1


@pytest.mark.parametrize("line", sorted(DRY | {"make book TORCH=cpu"}))
def test_command_is_known_to_make(line, tmp_path):
    result = run(f"{line} --dry-run", tmp_path)
    assert result.returncode == 0, result.stderr


def test_every_exception_is_in_the_readme():
    assert (BY_CI | NOT_HERE | DRY).issubset(commands("sh"))


def test_the_training_command_that_downloads_is_one_we_understand():
    from condlesson.__main__ import _parser

    (line,) = [line for line in NOT_HERE if "bin/condlesson train " in line]
    assert _parser().parse_args(line.split()[1:]).download


def test_steps_for_windows_are_those_of_the_makefile():
    recipes = (ROOT / "Makefile").read_text().replace("$(BIN)/", ".venv/bin/")
    steps = [line.replace("\\", "/") for line in commands("powershell")[1:]]
    steps = [line.removeprefix("py -3.11 ").replace("Scripts", "bin") for line in steps]
    assert steps == ["tools/environment.py", ".venv/bin/python -m tools.build"]
    assert f" {steps[0]} " in recipes
    assert re.search(rf"^book: .*\n\t@{re.escape(steps[1])}$", recipes, re.M)


def test_files_that_the_readme_names_exist():
    named = re.findall(r"\]\(([\w/.-]+)\)|`([\w./-]*\.(?:md|cff|yml)|LICENSE[\w-]*)`", README)
    missing = {a or b for a, b in named if not (ROOT / (a or b)).exists()}
    assert not missing


def test_no_address_of_the_repository_is_written_down():
    assert not re.search(r"(?:github|gitlab)\.(?:com|io)/", README)
