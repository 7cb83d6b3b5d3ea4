"""The first cell of a notebook: it finds the lesson or fetches it, or says what to do.

The cell is all that a notebook has before the package is there. So it says everything itself.
"""

import json
from importlib.metadata import PackageNotFoundError, distribution

from condlesson.notebooks import addresses

__all__ = ["SETUP", "first_cell", "installed_hash"]

NAME = "condlesson"  # of the distribution
SETUP = """\
# Finds the lesson beside this notebook or fetches it, and what else is missing. What is here
# already, torch, numpy and matplotlib above all, stays as it is.
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

wheel = os.environ.get("CONDLESSON_WHEEL", "{wheel}")
cures = {
    "No module named pip": "Choose a kernel whose Python has pip, or run: python -m ensurepip",
    "externally-managed-environment": "This Python belongs to the system. Make one of your own "
    "(python3 -m venv lesson), install jupyterlab and torch there, and start Jupyter from it.",
    "DO NOT MATCH": "What came is not what was published with this notebook: fetch both again.",
    "": "Without a network, unpack the archive beside this notebook. {archive}",
}


def is_here(name):
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.origin is not None  # not just a folder of that name


def install(*packages):
    pip = [sys.executable, "-m", "pip", "install", "--quiet", *packages]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["pip said nothing"])[-1]
        cure = next(cure for sign, cure in cures.items() if sign in done.stderr)
        raise RuntimeError(f"{packages[-1]} could not be installed: {last}\\n{cure}")
    importlib.invalidate_caches()


here = Path(globals().get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or "x")
for folder in (here.parent.resolve(), here.parent.resolve().parent):
    if not is_here("condlesson") and (folder / "condlesson" / "__init__.py").is_file():
        sys.path.insert(0, str(folder))
if not is_here("condlesson"):
    if not wheel:
        raise RuntimeError(f"The lesson's package, condlesson, must be here. {cures['']}")
    install("--no-deps", wheel)
if missing := [name for name in ("torch", "numpy", "matplotlib") if not is_here(name)]:
    install(*missing)"""
NOWHERE = "Take it from whoever gave you this notebook."


def first_cell(wheel_hash: str = "") -> str:
    """The cell for where this repository publishes.

    Args:
        wheel_hash: SHA-256 of the published wheel, in hexadecimal digits, by which pip verifies
            what it fetches; if it is empty, nothing verifies it.
    """
    wheel = addresses.wheel_address() + (f"#sha256={wheel_hash}" if wheel_hash else "")
    archive = f"It is at {addresses.site_address()}{addresses.ARCHIVE}"
    if not addresses.is_published():
        wheel, archive = "", NOWHERE
    return SETUP.replace("{wheel}", wheel).replace("{archive}", archive)


def installed_hash() -> str:
    """SHA-256 of the wheel that this package was installed from, if pip has noted it."""
    try:
        noted = distribution(NAME).read_text("direct_url.json") or "{}"
    except PackageNotFoundError:
        noted = "{}"
    hashes = json.loads(noted).get("archive_info", {}).get("hashes", {})
    return hashes.get("sha256", "")
