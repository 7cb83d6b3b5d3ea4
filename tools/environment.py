r"""Makes an environment: uv by its pin, then by uv what a lock holds, checked by its hashes.

    python3 tools/environment.py [--venv .venv] [--torch cpu|cuda] [--releases newest]
    python3 tools/environment.py --venv DIR --lock tests/colab/requirements.txt
    python3 tools/environment.py --venv DIR numpy jupyterlab

The first makes that of the book, as `make setup` does. It needs no package and no make, and is the
same on Windows, where it is called by hand: `py -3.11 tools\environment.py`. The second has what
another lock holds, the third some packages of the book's lock and what these need.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

OLDEST = {"pinned": (3, 11), "newest": (3, 10)}  # the package alone runs on 3.10 too
TOO_OLD = (
    f"Python must be 3.11 or newer, got {sys.version.split()[0]}. "
    "Name one: make setup PYTHON=python3.12, or on Windows: py -3.12 tools\\environment.py"
)
if sys.version_info < min(OLDEST.values()):  # before what follows is read as newer Python
    sys.exit(TOO_OLD)

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.txt"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
ANSWERS_WITHIN = 5  # seconds
NETWORK = (
    "The set-up needs a network: it fetches up to 3 GB, once. "
    "Behind a proxy set HTTPS_PROXY. A mirror is set as for pip: PIP_INDEX_URL, or pip's own file."
)
NO_PIP = (
    "This Python cannot bring pip; its message above says why. On Debian and Ubuntu it is a "
    "package of its own: apt install python3-venv"
)
# Settings of pip that uv has under another name. Who must fetch from elsewhere has told pip.
SETTINGS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
    "proxy": "ALL_PROXY",
}


def main() -> None:
    """Make the environment, or bring up to date the one that is there.

    Raises:
        SystemExit: it cannot be made; the text says why, and what helps.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--venv", default=".venv", type=Path, help="where it is")
    parser.add_argument("--lock", default=LOCK, type=Path, help="another list of what it holds")
    parser.add_argument("--releases", default="pinned", help="pinned, or the newest allowed")
    parser.add_argument("--torch", default="", help="cpu or cuda; else what suits the machine")
    parser.add_argument("packages", nargs="*", help="of the lock, if not all")
    wish = parser.parse_args()
    if wish.releases not in OLDEST:
        sys.exit(f"RELEASES must be pinned or newest, got {wish.releases}.")
    if wish.torch not in ("", "cpu", "cuda"):
        sys.exit(f"TORCH must be cpu, cuda or not set, got {wish.torch}.")
    python = venv(wish.venv.absolute(), OLDEST[wish.releases])
    install_uv(python)
    index, why = torch_index(wish.torch)
    build = "the CPU-only build" if index else "the usual build"
    print(f"torch: {build}, since {why}.", flush=True)
    if wish.releases == "newest":
        wanted = ["--upgrade", "-e", f"{ROOT}[test]"]
    elif wish.packages:
        wanted = ["--constraints", wish.lock, *wish.packages]
    else:
        wanted = ["--requirements", wish.lock]
    # Of builds of one version that for CPUs is taken: 2.14.1+cpu comes after 2.14.1.
    wanted += ["--index", index] if index else []
    install(python, *wanted, "--index-strategy", "unsafe-best-match")
    if wish.lock == LOCK:
        install(python, "--quiet", "--no-deps", "--no-build-isolation", "-e", ROOT)


def venv(folder: Path, oldest: tuple[int, int]) -> Path:
    """Make a virtual environment with pip, unless it is there; return its Python."""
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        if sys.version_info < oldest:
            sys.exit(TOO_OLD)
        if run([sys.executable, "-m", "venv", "--without-pip", folder], shown=True).returncode:
            sys.exit(f"{folder} cannot be made; the message above says why.")
    if run([python, "-m", "pip", "--version"]).returncode:  # new, or its making was cut short
        made = run([python, "-m", "ensurepip", "--default-pip"])
        if made.returncode:
            sys.exit(f"{made.stderr}{NO_PIP}")
    return python


def install_uv(python: Path) -> None:
    """Install the pinned uv by pip, checked by its hashes."""
    [pin] = re.findall(r"^uv==(?:.*\\\n)*.*\n", LOCK.read_text("utf-8"), re.M)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "uv.txt")
        file.write_text(pin, "utf-8")
        command = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", file]
        done = run([*command, "--no-deps", "--only-binary", ":all:", "--retries", "1"])
    if done.returncode:
        if "after connection broken" in done.stderr:
            sys.exit(f"{done.stderr}The package index does not answer. {NETWORK}")
        sys.exit(f"{done.stderr}uv cannot be installed.")


def torch_index(wish: str) -> tuple[str, str]:
    """Index of the CPU-only torch, or "" where that of all packages shall do; and why."""
    if wish:
        return TORCH_CPU_INDEX if wish == "cpu" else "", f"TORCH={wish} asks for it"
    if has_gpu():
        return "", "this machine has an NVIDIA GPU"
    if answers(TORCH_CPU_INDEX):
        return TORCH_CPU_INDEX, "this machine has no NVIDIA GPU (TORCH=cuda takes the usual one)"
    return "", f"the index of the CPU-only one does not answer within {ANSWERS_WITHIN} seconds"


def has_gpu() -> bool:
    """Whether NVIDIA's driver knows of a GPU."""
    tool = shutil.which("nvidia-smi")
    return bool(tool) and "GPU 0" in run([tool, "-L"]).stdout


def answers(index: str) -> bool:
    """Whether an index has an answer in time; the look-up of its name counts too."""
    answered = []

    def ask() -> None:
        try:
            with urlopen(f"{index}/torch/", timeout=ANSWERS_WITHIN):
                answered.append(index)
        except OSError:
            pass

    asking = Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ANSWERS_WITHIN)
    return bool(answered)


def install(python: Path, *arguments: object) -> None:
    """Install by uv, from where pip would take it.

    Raises:
        SystemExit: uv cannot.
    """
    uv = python.with_name(f"uv{python.suffix}")
    settings = {**pip_settings(python), **os.environ}  # what is told to uv itself comes first
    done = run([uv, "pip", "install", "--python", python, *arguments], shown=True, env=settings)
    if done.returncode:
        sys.exit(f"Not all could be installed; uv says why above. {NETWORK}")


def pip_settings(python: Path) -> dict[str, str]:
    """What pip is told in its files and variables, as environment variables of uv."""
    listed = run([python, "-m", "pip", "config", "list"]).stdout
    pairs = re.findall(r"^(global|install|:env:)\.([\w-]+)=(.+)$", listed, re.M)
    pairs.sort(key=lambda pair: ("global", "install", ":env:").index(pair[0]))  # the last one wins
    found = {name: ast.literal_eval(text).split() for _, name, text in pairs if name in SETTINGS}
    return {
        SETTINGS[name]: ("," if name == "find-links" else " ").join(values)
        for name, values in found.items()
    }


def run(
    command: list, *, shown: bool = False, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    """Run a command, and show or else keep what it says."""
    pipe = None if shown else subprocess.PIPE
    command = [str(part) for part in command]
    return subprocess.run(command, stdout=pipe, stderr=pipe, env=env, text=True, check=False)


if __name__ == "__main__":
    main()
