"""What this process may use of its machine: cores and memory, with the limits of a container."""

import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["cores", "free_memory", "processes"]

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUP = Path("/proc/self/cgroup")
MEMORY_INFO = Path("/proc/meminfo")


def processes(memory: float) -> int:
    """How many processes may run at a time, at least one.

    Args:
        memory: Bytes that each takes.
    """
    return max(1, int(min(cores(), free_memory() // memory)))


def cores() -> int:
    """Cores that this process may use: not those of the machine that a container is on."""
    if hasattr(os, "sched_getaffinity"):
        found = len(os.sched_getaffinity(0))
    else:
        found = os.cpu_count() or 1
    for group in _groups():
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdigit() and period.strip().isdigit():
            found = min(found, int(quota) // int(period))
    return max(1, found)


def free_memory() -> float:
    """Bytes that can be had without taking them from others; infinity where nothing says so."""
    found = [float("inf")]
    for line in _read(MEMORY_INFO).splitlines():
        if line.startswith("MemAvailable:"):
            found.append(1024 * int(line.split()[1]))
    for group in _groups():
        limit, used = _read(group / "memory.max"), _read(group / "memory.current")
        if limit.isdigit() and used.isdigit():
            found.append(max(0, int(limit) - int(used) + _reclaimable(group)))
    return min(found)


def _reclaimable(group: Path) -> int:
    """Bytes of files that are kept in memory, and go when somebody needs the room."""
    lines = (line.split() for line in _read(group / "memory.stat").splitlines())
    return sum(int(value) for name, value in lines if name == "inactive_file")


def _groups() -> Iterator[Path]:
    """The control groups that this process is in, of Linux's second version."""
    for line in _read(OWN_GROUP).splitlines():
        if line.startswith("0::"):
            own = CGROUPS / line.removeprefix("0::").strip().lstrip("/")
            yield from (
                folder for folder in (own, *own.parents) if CGROUPS in (folder, *folder.parents)
            )


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
