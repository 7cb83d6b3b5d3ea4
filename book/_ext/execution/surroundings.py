"""What a page's kernel takes from outside: this list, and nothing else of the environment.

A book must not depend on who builds it. A kernel gets the variables named here, with an IPython
profile that draws as the lesson does, and with Jupyter settings and a matplotlibrc that are empty.
What the package itself reads begins
with `CONDLESSON_`, and is part of a page's inputs.
"""

import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["OURS", "kernel_environment"]

OURS = "CONDLESSON_"  # how environment variables begin that the package reads
# Without these no program runs, finds its libraries or has a place for temporary files; OPENBLAS_
# chooses kernels that a processor can run.
TAKEN = (
    *("PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "COMSPEC", "PATHEXT", "APPDATA"),
    *("TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "VIRTUAL_ENV"),
)
TAKEN_FROM = (OURS, "OPENBLAS_")
SET = {
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYTHONNOUSERSITE": "1",
    # What moves on a page is put into its figure, by `moving`; and a check takes the package's
    # solutions, since no learner writes a cell here.
    "CONDLESSON_BOOK": "1",
    # Threads of pages that run side by side would wait for each other. It is always one, so that
    # no number depends on what else was run.
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",  # where a page asks for two, they may wait
}
PROFILE = 'get_config().InlineBackend.figure_formats = {"svg"}'  # as the lesson's own figures


def kernel_environment(outside: Mapping[str, str], folder: Path, notes: Path) -> dict[str, str]:
    """The environment of a kernel.

    Args:
        outside: The environment of the build.
        folder: An empty folder of the kernel's own, for the settings of programs.
        notes: Where the kernel notes what it reads, see `tracing/sitecustomize.py`.
    """
    taken = {
        name: value
        for name, value in outside.items()
        if name.upper() in TAKEN or name.startswith(TAKEN_FROM)
    }
    settings = folder / "settings"
    profile = settings / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(PROFILE)
    (settings / "matplotlibrc").touch()
    # A build may be told by PYTHONPATH alone where the package lies.
    places = [str(Path(__file__).parent / "tracing"), outside.get("PYTHONPATH", "")]
    return {
        **taken,
        **SET,
        "PYTHONPATH": os.pathsep.join(filter(None, places)),
        "IPYTHONDIR": str(settings / "ipython"),
        "JUPYTER_CONFIG_DIR": str(settings / "jupyter"),
        "JUPYTER_NO_CONFIG": "1",
        "MATPLOTLIBRC": str(settings / "matplotlibrc"),
        "TRACE_FILE": str(notes),
    }
