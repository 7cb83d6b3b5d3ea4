"""Builds the book and what is published beside it, step by step.

    python -m tools.build [pages | links | claims | notebooks | wheel | book]

`make book` and others call it. Without make, as on Windows, call it yourself with the Python of
.venv; without a step it builds the whole book.
"""

import hashlib
import marshal
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / "_build"
SITE = BUILT / "html"
ARCHIVE = BUILT / "condlesson-lesson.zip"
# --toc: a relative path would be looked for in book/.
BUILD = ["book", "--config", "_config.yml", "--toc", str(ROOT / "_toc.yml"), "--path-output", "."]
BUILD += ["-n", "-W", "--keep-going"]
IN_WHEEL = ("src", "book", "pyproject.toml", "README.md", "LICENSE", "LICENSE-TEXT")


def pages() -> None:
    """Run the pages that changed, and build the pages alone."""
    run("-m", "tools.run_book", *BUILD)
    print(f"The pages are at {SITE / 'index.html'}", flush=True)


def links() -> None:
    """Ask for every address outside the book that it names; pages run only if they must."""
    builder = ["--builder", "custom", "--custom-builder", "linkcheck"]
    output = BUILT / "linkcheck" / "output.txt"
    output.unlink(missing_ok=True)  # of an earlier run
    try:
        run("-m", "tools.run_book", *builder, *BUILD)
    except SystemExit:
        if output.exists():  # else no address was asked for, and the build has said why
            found = output.read_text("utf-8").splitlines()
            print("Addresses that do not answer:", file=sys.stderr)
            print(*(line for line in found if "[broken]" in line), sep="\n", file=sys.stderr)
        raise


def claims() -> None:
    """Test what the book claims, if code, runs or pins changed since it was tested.

    A test that fails is no fault here: `tools.lint.claims` reads the results, and says which
    sentence is meant.

    Raises:
        SystemExit: pytest was ended before it had results; earlier ones would be no proof.
    """
    results, of = BUILT / "claims.xml", BUILT / "claims.sha256"
    sources = [*(ROOT / "src" / "condlesson").rglob("*"), *(ROOT / "tests" / "claims").glob("*.py")]
    sources += [ROOT / name for name in ("tests/conftest.py", "pyproject.toml", "requirements.txt")]
    state = digest_of(path for path in sources if path.is_file() and path.suffix != ".pyc")
    if results.exists() and of.exists() and of.read_text() == state:
        return
    of.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "--quiet", "--no-header", "--tb=no"]
    command += ["tests/claims", f"--junitxml={results}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if done.returncode not in (0, 1):  # all passed, some failed
        sys.exit(f"The tests of the claims ended without results, with status {done.returncode}.")
    of.write_text(state)


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 of files, by their names and contents."""
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(
            f"{path.relative_to(ROOT)} ".encode() + hashlib.sha256(path.read_bytes()).digest()
        )
    return found.hexdigest()


def notebooks() -> None:
    """Write the exercise and solution notebooks, and the archive to hand out.

    The wheel is built before: the notebooks verify by its hash what they fetch.
    """
    wheel()
    [built] = (BUILT / "wheel").glob("*.whl")
    shutil.rmtree(BUILT / "notebooks", ignore_errors=True)
    run("-m", "tools.write_notebooks", "_build/notebooks", ARCHIVE, built)


def wheel() -> None:
    """Build the package, with the pages and the repository's address in it."""
    from condlesson.notebooks.addresses import repository_url

    shutil.rmtree(BUILT / "wheel", ignore_errors=True)
    with tempfile.TemporaryDirectory() as copy:
        editors = shutil.ignore_patterns(".*")  # such as links of Emacs that lead nowhere
        for name in IN_WHEEL:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, Path(copy, name), ignore=editors)
            else:
                shutil.copy(ROOT / name, Path(copy, name))
        config = (ROOT / "_config.yml").read_text("utf-8")
        ours = re.sub("(?<=^  url: ).*", repository_url(), config, count=1, flags=re.M)
        Path(copy, "_config.yml").write_text(ours, "utf-8")
        into = ["--directory", BUILT / "wheel"]
        run("-m", "hatchling", "build", "--target", "wheel", *into, folder=copy)


def book() -> None:
    """Build the pages, hold what they claim against its tests, and put all else beside them."""
    pages()
    claims()
    run("-m", "tools.lint.claims", "--hold")
    notebooks()
    for old in [SITE / "notebooks", *SITE.glob("condlesson-*")]:
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    shutil.copytree(BUILT / "notebooks", SITE / "notebooks")
    for made in [ARCHIVE, *(BUILT / "wheel").glob("*.whl")]:
        shutil.copy(made, SITE)
    print(f"The book is at {SITE / 'index.html'}")


STEPS = {step.__name__: step for step in (pages, links, claims, notebooks, wheel, book)}


@contextmanager
def alone() -> Iterator[None]:
    """Wait until no other process builds in this folder, and let none begin meanwhile.

    The tools that `run` starts hold on to it as well, should this process be killed.
    """
    BUILT.mkdir(exist_ok=True)
    with (BUILT / ".lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)
        if fcntl:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Another build is at work in this folder. This one waits.", flush=True)
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(*arguments: object, folder: object = ROOT) -> None:
    """Run this Python in a folder, without a date for what it makes: `_config.yml` says the year.

    Raises:
        SystemExit: it fails; what it says was shown.
    """
    command = [sys.executable, *map(str, arguments)]
    around = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    done = subprocess.run(command, cwd=folder, env=around, check=False, close_fds=False)
    if done.returncode:
        sys.exit(done.returncode)


def drop_cut_short(begun: float) -> None:
    """Remove modules that were compiled since then, and of which a full disk kept a part.

    Python 3.11 and older take such a part for the whole, and never get over it (CPython's issue
    126606).
    """
    elsewhere = [] if Path(sys.prefix).is_relative_to(ROOT) else [Path(sys.prefix)]
    for compiled in (path for folder in (ROOT, *elsewhere) for path in folder.rglob("*.pyc")):
        if compiled.stat().st_mtime >= begun - 60:  # this one was compiled before it ran
            try:
                marshal.loads(compiled.read_bytes()[16:])  # behind the header
            except (EOFError, ValueError, TypeError):
                compiled.unlink()
                print(f"{compiled} was cut short, and is removed. Is the disk full?", flush=True)


def main(step: str = "book") -> None:
    """Take one step.

    Raises:
        ValueError: there is no such step.
    """
    if step not in STEPS:
        raise ValueError(f"step must be one of {', '.join(STEPS)}, got {step}.")
    begun = time.time()
    try:
        with alone():
            STEPS[step]()
    except BaseException as error:
        sys.dont_write_bytecode = True  # or the next import might be cut short again
        drop_cut_short(begun)
        from tools.run_book import not_written

        if told := not_written(error):
            sys.exit(told)
        raise


if __name__ == "__main__":
    main(*sys.argv[1:])
