"""Seconds to build a book: plain Jupyter Book, and with this book's extensions.

Both build the same generated pages with the same packages, in turn, each in a folder of its own.
Plain Jupyter Book keeps outputs in its cache too, runs pages one after another, and has its own
look. What the extensions do to make pages light counts as theirs.

    python -m benchmarks.building
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks.timing import show

ROOT = Path(__file__).resolve().parents[1]
WAYS = ("plain", "ours")
STEPS = ("cold", "unchanged", "sentence changed")
PAGE = """---
file_format: mystnb
kernelspec:
  name: python3
---

# Page {number}

Some words.

```{{code-cell}} ipython3
import torch
from condlesson import load_run, load_subset, plots, sinusoidal_embedding
from condlesson.probes import cosine_similarity_matrix

t = torch.arange(0, 1000, 10) + {number}
```

```{{code-cell}} ipython3
for _ in range({repeats}):
    similarity = cosine_similarity_matrix(sinusoidal_embedding(t, 256))
print(f"{{similarity.mean():.4f}}, {{len(load_subset().test_images)}} images")
```

```{{code-cell}} ipython3
run = load_run("adagn", seed=42)
plots.training_curves({{"AdaGN": [run.val_loss]}}, ylabel="validation loss");
```
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table for each number of pages, and how the ratios grow."""
    args = _parser().parse_args(argv)
    growth = []
    for pages in args.pages:
        seconds = compare(pages, args.repeats, args.rounds)
        rows = [
            {"build": step, **{way: found[way] for way in WAYS}, **_difference(found)}
            for step, found in seconds.items()
        ]
        title = f"Seconds to build {pages} pages, in turn, {os.cpu_count()} cores"
        show(title, rows, as_json=args.json)
        growth.append((pages, {row["build"]: row for row in rows}))
    rows = [
        {
            "pages": str(pages),
            "cold, ours of plain": found["cold"]["ours of plain"],
            **{f"{step}, s more": found[step]["s more"] for step in STEPS[1:]},
        }
        for pages, found in growth
    ]
    show("How it grows", rows, as_json=args.json)
    return 0


def compare(pages: int, repeats: int, rounds: int) -> dict[str, dict[str, float]]:
    """Build both books, and return seconds by step and way: the median where there are rounds."""
    with tempfile.TemporaryDirectory() as folder:
        books = {way: make_book(Path(folder, way), way, pages, repeats) for way in WAYS}
        found = {step: {way: [] for way in WAYS} for step in STEPS}
        for way, book in books.items():
            found["cold"][way].append(build(book))
        for round_ in range(rounds):
            for step in STEPS[1:]:
                for way, book in books.items():
                    if step == "sentence changed":
                        page = book / "book" / f"page-{pages // 2}.md"
                        page.write_text(page.read_text().replace("words", f"words{round_}", 1))
                    found[step][way].append(build(book))
    return {s: {w: statistics.median(v) for w, v in ways.items()} for s, ways in found.items()}


def make_book(folder: Path, way: str, pages: int, repeats: int) -> Path:
    """Write a book of so many pages of about equal work, with the settings of this one."""
    (folder / "book").mkdir(parents=True)
    shutil.copy(ROOT / "requirements.txt", folder)
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    if way == "plain":
        config = {"title": config["title"], "execute": config["execute"]}
    else:
        for name in ("_ext", "_static", "_templates"):
            shutil.copytree(ROOT / "book" / name, folder / "book" / name)
        (folder / "book" / "references.bib").touch()
        del config["sphinx"]["config"]["execution_checks"]
    (folder / "_config.yml").write_text(yaml.safe_dump(config))
    names = [f"page-{number}" for number in range(pages)]
    toc = {"format": "jb-book", "root": names[0], "chapters": [{"file": n} for n in names[1:]]}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))
    for number, name in enumerate(names):
        text = PAGE.format(number=number, repeats=repeats)
        (folder / "book" / f"{name}.md").write_text(text)
    return folder


def build(book: Path) -> float:
    """Build the book with Jupyter Book; returns seconds.

    Raises:
        RuntimeError: It failed.
    """
    program = Path(sys.executable).with_name("jupyter-book")
    command = [program, "build", "book", "--config", "_config.yml", "--toc", book / "_toc.yml"]
    command += ["--path-output", ".", "-n", "-W", "--keep-going"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=book, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stdout[-2000:] + done.stderr[-4000:])
    return time.perf_counter() - started


def _difference(found: dict[str, float]) -> dict[str, float]:
    return {
        "ours of plain": found["ours"] / found["plain"],
        "s more": found["ours"] - found["plain"],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.building", description=__doc__)
    parser.add_argument("--pages", type=int, nargs="+", default=[12, 48])
    parser.add_argument("--repeats", type=int, default=200, help="how much a page has to do")
    parser.add_argument("--rounds", type=int, default=3, help="builds of which the median is shown")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
