"""Files that are written whole or not at all."""

import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

__all__ = ["write_all"]


def write_all(content: Mapping[Path, bytes]) -> None:
    """Write files, all of them beside their places before the first takes its place.

    Args:
        content: What goes into each; folders that are missing are made.

    Raises:
        OSError: One cannot be written, as on a full disk; then none is changed.
    """
    written: dict[Path, Path] = {}
    try:
        for path, data in content.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
                written[path] = Path(file.name)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # a full disk says so here at the latest
        for path, beside in written.items():
            beside.chmod(0o666 & ~_umask())
            beside.replace(path)
    finally:
        for beside in written.values():
            beside.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
