"""The versions that Colab has today, of what `colab.txt` beside this file names.

    python tests/colab/today.py            as requirements
    python tests/colab/today.py --python   of Python, as in 3.12

Needs a network, and no package: Colab's developers publish what its machines have.
"""

import re
import sys
from pathlib import Path
from urllib.request import urlopen

PUBLISHED = "https://raw.githubusercontent.com/googlecolab/backend-info/main"
OURS = Path(__file__).with_name("colab.txt")


def requirements(frozen: str, ours: str) -> list[str]:
    """Exact requirements of the packages that ours names.

    Args:
        frozen: what `pip freeze` printed there.
        ours: requirements, of which the names count.

    Raises:
        ValueError: there is no version of a package.
    """
    return [f"{name}=={_version(name, frozen)}" for name in re.findall(r"^\w[\w-]*", ours, re.M)]


def _version(name: str, frozen: str) -> str:
    """A release, without its build: that of torch is for GPUs, and comes as a wheel's address."""
    found = re.search(rf"^{name}(?:==| @ \S*/{name}-)(\d[\w.]*)", frozen, re.M | re.I)
    if not found:
        raise ValueError(f"{PUBLISHED} must say which {name} Colab has, and does not.")
    return found[1]


def python(system: str) -> str:
    """Python's version, of two numbers, from what its machines say of themselves.

    Raises:
        ValueError: they say nothing of Python.
    """
    found = re.search(r"^Python (\d+\.\d+)", system, re.M)
    if not found:
        raise ValueError(f"{PUBLISHED} must say which Python Colab has, and does not.")
    return found[1]


def _published(name: str) -> str:
    with urlopen(f"{PUBLISHED}/{name}", timeout=60) as answer:
        return answer.read().decode()


if __name__ == "__main__":
    if "--python" in sys.argv:
        print(python(_published("os-info.txt")))
    else:
        print(*requirements(_published("pip-freeze.txt"), OURS.read_text()), sep="\n")
