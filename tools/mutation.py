"""Changes what the lesson stands on in small ways, one by one, and counts what no test notices.

    python -m tools.mutation [--sample WORD] [MODULE ...]

`make mutation` calls it. mutmut makes the changes, by the settings in pyproject.toml, and runs the
tests of each function that it changed. It works in a copy of the tree under _build/mutation, which
may be cut short: the next call goes on with what is left. What came out is written to
docs/mutation.md, with a reason for each change that makes no difference (`REASONS`).

All changes of the checks take a day. A sample is one change in `SAMPLED`; a word decides which, so
that another word gives a fresh sample, after tests were written for what the first one found.

A text of a message is held by no test of its own, but all of them by their record,
`tests/checks/messages.txt`. That test reads the code, so it cannot run on code that is changed;
the same comparison is made here.
"""

import argparse
import ast
import difflib
import json
import math
import re
import resource
import shutil
import subprocess
import sys
import textwrap
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

import tomllib

from tests.checks import messages

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "_build" / "mutation"
COPY, TOOL = FOLDER / "tree", FOLDER / "mutmut"
MUTMUT = "mutmut==3.8.1"
RESULT = ROOT / "docs" / "mutation.md"
REASONS = ROOT / "tools" / "mutation_reasons.toml"
MEMORY = 16 * 2**30  # bytes of address space for a process; a change may make a loop endless
ONE_THREAD = {"OMP_NUM_THREADS": "1", "LANG": "C.UTF-8"}
# Exit codes, as mutmut.stats reads them; with any other the change was not tried.
DIED = {1, 3, -24, 24, 36, 152, 255, -11, -9}  # a failed test, a time limit, a crash
SURVIVED = {0, 5, 33}  # no failed test, or none that calls the function
ENOUGH = 0.95  # of the changes that make a difference: so many die
SAMPLED = 16  # one change in so many, in a sample
CHECKS = "condlesson.checks."


@dataclass
class Outcome:
    """What became of the changes of a module."""

    ended: Counter = field(default_factory=Counter)
    alive: list[tuple[str, str, str | None]] = field(default_factory=list)  # where, what, why

    @property
    def share(self) -> float:
        """How many died of those that make a difference and were tried."""
        different = self.ended["dead"] + self.ended["alive"]
        return self.ended["dead"] / different if different else 1.0


def main(*modules: str, sample: str = "") -> int:
    """Try the changes of some modules or of all, write what came out, and say whether it is enough.

    Args:
        modules: Names such as condlesson.embeddings; all of the settings, if there are none.
        sample: The word of a sample; all changes, if there is none.
    """
    for module in modules:
        path = ROOT / "src" / module.replace(".", "/")
        if not path.is_dir() and not path.with_name(f"{path.name}.py").is_file():
            sys.exit(f"MODULES must be names such as condlesson.embeddings, got {module!r}.")
    copy_tree()
    if not TOOL.is_dir():
        command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", MUTMUT]
        subprocess.run([*command, "--python", sys.executable, "--target", TOOL], check=True)
    forget_survivors()
    patterns = [f"{module}.*" for module in modules]
    if sample:
        run_mutmut("condlesson.checks.instruments.chance.x*")  # makes all changes, and tries few
        patterns = sampled(COPY, sample, modules)
    if patterns or not sample:
        run_mutmut(*patterns)
    found = outcomes(COPY)
    drawn = outcomes(COPY, sample) if sample else {}
    before = RESULT.read_text("utf-8") if RESULT.is_file() else ""
    RESULT.write_text(report(found, sample, drawn, before), "utf-8")
    print(f"What came out is in {RESULT.relative_to(ROOT)}")
    return 0 if all(outcome.share >= ENOUGH for outcome in found.values()) else 1


def run_mutmut(*patterns: str) -> None:
    """Make the changes, and try those that have such names; all, if there are none."""
    done = subprocess.run(
        [sys.executable, "-c", "from mutmut.__main__ import cli; cli()", "run", *patterns],
        cwd=COPY,
        env={"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "PYTHONPATH": str(TOOL), **ONE_THREAD},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        check=False,
    )
    if done.returncode:
        sys.exit(
            f"mutmut ended with status {done.returncode}; what it tried is kept for next time."
        )


def sampled(tree: Path, word: str, modules: Iterable[str] = ()) -> list[str]:
    """Names of the changes of a sample that were not tried yet, or survived."""
    metas = (tree / "mutants" / "src").rglob("*.py.meta")
    codes = [json.loads(meta.read_text("utf-8"))["exit_code_by_key"] for meta in sorted(metas)]
    left = [key for by_key in codes for key, code in by_key.items() if code is None]
    within = tuple(f"{module}." for module in modules) or ("",)
    return [key for key in left if is_sampled(key, word) and key.startswith(within)]


def is_sampled(key: str, word: str) -> bool:
    """Whether a change is in the sample of a word."""
    return zlib.crc32(f"{word} {key}".encode()) % SAMPLED == 0


def copy_tree() -> None:
    """Bring the copy up to date: what git knows, as it lies here; what is gone here goes there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    for name in names:
        here, there = ROOT / name, COPY / name
        if not there.exists() or there.read_bytes() != here.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(here, there)
    for there in [p for p in (COPY / "tests").rglob("*.py") if "mutants" not in p.parts]:
        if there.relative_to(COPY).as_posix() not in names:
            there.unlink()


def forget_survivors() -> None:
    """Have what survived tried again: there may be tests for it now."""
    for meta in (COPY / "mutants").rglob("*.py.meta"):
        kept = json.loads(meta.read_text("utf-8"))
        codes = kept["exit_code_by_key"]
        kept["exit_code_by_key"] = {
            key: None if code in SURVIVED else code for key, code in codes.items()
        }
        meta.write_text(json.dumps(kept), "utf-8")


def outcomes(tree: Path, sample: str = "") -> dict[str, Outcome]:
    """What became of every change, by module, as the folder `mutants` of a tree has it.

    Args:
        tree: The copy in which mutmut worked.
        sample: The word of a sample, if the outcomes are to be of its changes alone.
    """
    sys.path.append(str(TOOL))
    from mutmut.mutation.data import SourceFileMutationData

    reasons = tomllib.loads(REASONS.read_text("utf-8"))
    found = {}
    with chdir(tree):
        for meta in sorted(Path("mutants", "src").rglob("*.py.meta")):
            path = meta.relative_to("mutants").with_suffix("")
            data = SourceFileMutationData(path=path)
            data.load()
            name = ".".join(path.with_suffix("").parts[1:])
            codes = data.exit_code_by_key
            if sample:
                codes = {key: code for key, code in codes.items() if is_sampled(key, sample)}
            if codes:
                found[name] = _outcome(path, codes, _reasons_for(name, reasons))
    return found


def _reasons_for(name: str, reasons: dict[str, dict[str, str]]) -> dict[str, str]:
    """Those of a module and of the packages that it lies in."""
    parts = name.split(".")
    holders = (".".join(parts[:k]) for k in range(1, len(parts) + 1))
    return {part: why for holder in holders for part, why in reasons.get(holder, {}).items()}


def _outcome(path: Path, codes: dict, reasons: dict[str, str]) -> Outcome:
    outcome = Outcome()
    for key, code in codes.items():
        if code not in SURVIVED:
            outcome.ended["dead" if code in DIED else "open"] += 1
            continue
        before, after = _functions(key, path)
        if ROOT / path in messages.SOURCES and _sentences(before) != _sentences(after):
            outcome.ended["dead"] += 1
            continue
        where = key.rpartition(".")[2].rpartition("__mutmut_")[0].removeprefix("x_")
        change = " → ".join(_different_lines(before, after))
        why = next((why for part, why in reasons.items() if re.search(part, change)), None)
        outcome.ended["same" if why else "alive"] += 1
        outcome.alive.append((where.replace("ǁ", ".").removeprefix("x."), change, why))
    return outcome


def _functions(key: str, path: Path) -> tuple[str, str]:
    """The code of a function, and of what became of it."""
    import libcst
    from mutmut.mutation.diff_apply import read_functions_from_index

    return tuple(
        textwrap.dedent(libcst.Module([function]).code).strip()
        for function in read_functions_from_index(key, path)
    )


def _sentences(code: str) -> list[str]:
    return list(messages.sentences(ast.parse(code)))


def _different_lines(before: str, after: str) -> Iterator[str]:
    """The lines that differ, on one line each."""
    lines = [*difflib.ndiff(before.splitlines(), after.splitlines())]
    for sign in ("- ", "+ "):
        yield " ".join(line[2:].strip() for line in lines if line.startswith(sign))


def report(
    found: dict[str, Outcome],
    sample: str = "",
    drawn: dict[str, Outcome] | None = None,
    before: str = "",
) -> str:
    """The page about it.

    Args:
        found: What became of the changes of each module.
        sample: The word of the last sample.
        drawn: What became of the changes of that sample. They stand for a module that was not
            tried to its end: of other samples, those that survived may have been left out since.
        before: The page as it was. A module of which nothing was tried keeps what it has there.
    """
    drawn = drawn or {}
    found = {name: _of_sample(outcome, drawn.get(name)) for name, outcome in found.items()}
    rows = dict(re.findall(r"^(?=\| `(.*?)`)(.*)$", before, re.M))
    parts = dict(re.findall(r"^## (.*)\n\n((?:- .*\n)+)", before, re.M))
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%h"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    lines = [
        "# Changes that no test notices",
        "",
        f"Written by `make mutation` at {commit}, with {MUTMUT}: `tools/mutation.py` says how. "
        f"Of the changes that make a difference at least {ENOUGH:.0%} have to die. A module of "
        "which some are *open* was not tried to its end; one that was tried at an earlier commit "
        "only has what came out then.",
    ]
    kept = {name for name, o in found.items() if _keeps(o, rows.get(name, ""))}
    ended = Counter()
    for name in [name for name in drawn if name.startswith(CHECKS)]:
        ended += _counts(rows[name]) if name in kept else drawn[name].ended
    if ended:
        died, different = ended["dead"], ended["dead"] + ended["alive"]
        low, high = wilson(died, different)
        lines += [
            "",
            f"Of the checks' changes one in {SAMPLED} was drawn by the word *{sample}* (`make "
            f"mutation SAMPLE={sample}`). {died} of the {different} that make a difference died, "
            f"{died / different:.1%}. If all were tried, it would be {low:.1%} to {high:.1%} "
            f"(95% interval). {_untried(ended['open'])}Reasons why a change makes no difference "
            "were written after it was seen.",
        ]
    lines += [
        "",
        "| module | changes | died | make no difference | survived | open | died of the others |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, outcome in found.items():
        n = outcome.ended
        if name in kept:
            lines.append(rows[name])
            continue
        share = f"{outcome.share:.1%}" if n["dead"] + n["alive"] else "–"
        counts = f"{n['dead']} | {n['same']} | {n['alive']} | {n['open']} | {share}"
        lines.append(f"| `{name}` | {n.total()} | {counts} |")
    for name, outcome in found.items():
        told = "".join(f"- {_shown(*change)}\n" for change in outcome.alive)
        if name in kept:
            told = parts.get(name, "")
        if told:
            lines += ["", f"## {name}", "", told.rstrip("\n")]
    return "\n".join(lines) + "\n"


def _untried(count: int) -> str:
    told = f"Of the sample {count} were not tried, those that take longest. "
    return told if count else ""


def _keeps(outcome: Outcome, row: str) -> bool:
    """Whether nothing of a module was tried now, and its row from before says what came out."""
    was_tried = bool(row) and not row.endswith("– |")
    return was_tried and outcome.ended["open"] == outcome.ended.total()


def _counts(row: str) -> Counter:
    """What a row of the table counts of those that were tried."""
    _, died, same, alive = (int(n) for n in re.findall(r"\| (\d+) (?=\|)", row)[:4])
    return Counter(dead=died, same=same, alive=alive)


def _of_sample(found: Outcome, drawn: Outcome | None) -> Outcome:
    """The outcome of a sample beside all that was not tried, where a module was tried in part."""
    if drawn is None or not found.ended["open"]:
        return found
    tried = Counter({how: n for how, n in drawn.ended.items() if how != "open"})
    return Outcome(tried + Counter(open=found.ended.total() - tried.total()), drawn.alive)


def wilson(count: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Ends of Wilson's interval for a share of which a sample shows count in total.

    Source: Wilson 1927, Journal of the American Statistical Association 22(158).
    """
    middle, width = count + z**2 / 2, z * math.sqrt(count * (1 - count / total) + z**2 / 4)
    return (middle - width) / (total + z**2), (middle + width) / (total + z**2)


def _shown(where: str, change: str, why: str | None) -> str:
    return f"`{where}`: ``{change}``" + (f". {why}" if why else "")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sample", metavar="WORD", default="", help="try one change in sixteen")
    parser.add_argument("modules", metavar="MODULE", nargs="*")
    args = parser.parse_args()
    sys.exit(main(*args.modules, sample=args.sample))
