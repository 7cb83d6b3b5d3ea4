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
        quota = _read(group / "cpu.max").split()
        quota = quota or [_read(group / f"cpu.cfs_{part}_us") for part in ("quota", "period")]
        if all(number.isdigit() for number in quota):
            found = min(found, int(quota[0]) // int(quota[1]))
    return max(1, found)


def free_memory() -> float:
    """Bytes that can be had without taking them from others; infinity where nothing says so."""
    found = [float("inf")]
    for line in _read(MEMORY_INFO).splitlines():
        if line.startswith("MemAvailable:"):
            found.append(1024 * int(line.split()[1]))
    for group in _groups():
        limit = _read(group / "memory.max") or _read(group / "memory.limit_in_bytes")
        used = _read(group / "memory.current") or _read(group / "memory.usage_in_bytes")
        if limit.isdigit() and used.isdigit():
            found.append(max(0, int(limit) - int(used) + _reclaimable(group)))
    return min(found)


def _reclaimable(group: Path) -> int:
    """Bytes of files that are kept in memory, and go when somebody needs the room."""
    stat = dict(line.split() for line in _read(group / "memory.stat").splitlines())
    return int(stat.get("total_inactive_file") or stat.get("inactive_file", 0))


def _groups() -> Iterator[Path]:
    """The control groups of this process; the first version has a tree for each kind."""
    for line in _read(OWN_GROUP).splitlines():
        _, kind, path = line.split(":", 2)
        root = CGROUPS / kind  # "" in the second version
        own = root / path.strip().lstrip("/")
        yield from (folder for folder in (own, *own.parents) if root in (folder, *folder.parents))


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
