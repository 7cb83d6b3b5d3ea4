"""Writes the locks anew from what is asked for: the book's and that of the Colab tests.

    python -m tools.lock [--upgrade] [--upgrade-package NAME]

`make lock` calls it. A lock has the versions that uv resolves for every system and Python 3.11 and
newer, with the hashes of all files; torch and torchvision have none, since their builds differ by
system and index. A version that still fits stays, unless an option of uv's says otherwise.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {
    "requirements.txt": ["pyproject.toml", "--extra", "test"],
    "tests/colab/requirements.txt": ["tests/colab/colab.txt", "tests/colab/runner.txt"],
}
HEAD = """\
# The exact versions that are installed, with the hashes of their files. Written by `make lock` from
# {source}, which says what is asked for, and why.
#
# torch and torchvision have a version and no hash: a CPU-only build (2.14.1+cpu) is as good, and a
# build for CUDA brings its libraries. Both are exact, since printed numbers may move with them.
"""
# What torch's builds for CUDA ask for. A lock that held it would bring it to every CPU.
CUDA = """\
cuda-bindings
cuda-toolkit
nvidia-cudnn-cu13
nvidia-cusparselt-cu13
nvidia-nccl-cu13
nvidia-nvshmem-cu13
triton
"""
HASHED_TORCH = re.compile(r"^(torch(?:vision)?==\S+)(?: ;[^\\\n]*)? \\\n(?: +--hash.*\n)+", re.M)


def main() -> None:
    """Write every lock; what the command line has goes to uv."""
    for lock, sources in LOCKS.items():
        found = resolved(ROOT / lock, [*sources, *sys.argv[1:]])
        (ROOT / lock).write_text(HEAD.format(source=sources[0]) + found, "utf-8")


def resolved(lock: Path, sources: list[str]) -> str:
    """What uv resolves, close to what an earlier lock has; torch without hashes.

    Args:
        lock: The earlier lock.
        sources: Files of requirements, and options of `uv pip compile`.

    Raises:
        SystemExit: uv finds no versions; its message says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, left_out = Path(folder, "lock.txt"), Path(folder, "cuda.txt")
        output.write_bytes(lock.read_bytes())  # uv keeps the versions that it finds there
        left_out.write_text(CUDA, "utf-8")
        uv = shutil.which("uv", path=Path(sys.executable).parent)
        command = [uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"]
        command += ["--generate-hashes", "--no-header", "--no-annotate"]
        command += ["--excludes", left_out, "--output-file", output, *sources]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            sys.exit(f"{lock} is as it was: uv found no versions, and says above why.")
        return HASHED_TORCH.sub(r"\1\n", output.read_text("utf-8"))


if __name__ == "__main__":
    main()
