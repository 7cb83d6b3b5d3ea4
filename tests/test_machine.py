import os

import pytest

from condlesson import machine

GIGA = 10**9


@pytest.fixture
def container(tmp_path, monkeypatch):
    """A function that puts this process into control groups, one in the other."""
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "OWN_GROUP", tmp_path / "own")
    monkeypatch.setattr(machine, "MEMORY_INFO", tmp_path / "memory")
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)

    def fill(*, inner=None, outer=None, available=64 * GIGA, version=2):
        own = (
            "5:memory:/x/inner\n2:cpu,cpuacct:/x/inner\n",
            "1:name=systemd:/else\n0::/outer/inner\n",
        )
        (tmp_path / "own").write_text(own[version - 1])
        (tmp_path / "memory").write_text(f"MemTotal: 9 kB\nMemAvailable: {available // 1024} kB\n")
        folders = {1: ("memory", "cpu,cpuacct"), 2: ("outer", "outer/inner")}[version]
        for path, files in zip(folders, (outer, inner), strict=True):
            folder = tmp_path / "groups" / path
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in (files or {}).items():
                (folder / name).write_text(f"{content}\n")

    return fill


@pytest.mark.parametrize(
    ("groups", "cores"),
    [
        ({}, 16),
        ({"inner": {"cpu.max": "max 100000"}}, 16),
        ({"inner": {"cpu.max": "200000 100000"}}, 2),
        ({"inner": {"cpu.max": "400000 100000"}, "outer": {"cpu.max": "300000 100000"}}, 3),
        ({"inner": {"cpu.max": "50000 100000"}}, 1),
    ],
)
def test_cores_are_those_that_the_container_has(container, groups, cores):
    container(**groups)
    assert machine.cores() == cores


def test_without_affinity_the_cores_of_the_machine_count(container, monkeypatch):
    container()
    monkeypatch.delattr(os, "sched_getaffinity")
    assert machine.cores() == 64


@pytest.mark.parametrize(
    ("groups", "free"),
    [
        ({}, 64 * GIGA),
        ({"inner": {"memory.max": "max", "memory.current": GIGA}}, 64 * GIGA),
        ({"inner": {"memory.max": 2 * GIGA, "memory.current": GIGA}}, GIGA),
        (
            {"outer": {"memory.max": 2 * GIGA, "memory.current": 2 * GIGA,
                       "memory.stat": f"anon 5\ninactive_file {GIGA}"}},
            GIGA,
        ),
        ({"inner": {"memory.max": GIGA, "memory.current": 2 * GIGA}}, 0),
    ],
)  # fmt: skip
def test_memory_is_what_is_left_of_the_container_s(container, groups, free):
    container(**groups)
    assert machine.free_memory() == pytest.approx(free, abs=1024)


def test_as_many_processes_run_as_cores_and_memory_allow(container):
    container(inner={"memory.max": 5 * GIGA, "memory.current": 0})
    assert machine.processes(2 * GIGA) == 2
    assert machine.processes(0.1 * GIGA) == 16
    assert machine.processes(9 * GIGA) == 1


def test_where_nothing_says_how_much_memory_there_is_cores_decide(container):
    assert machine.free_memory() == float("inf")
    assert machine.processes(GIGA) == 16


@pytest.mark.parametrize(("memory", "free"), [(2 * GIGA, 1.5 * GIGA), (2**63 - 4096, 64 * GIGA)])
def test_the_first_version_of_control_groups_is_read(container, memory, free):
    used = {"memory.limit_in_bytes": memory, "memory.usage_in_bytes": GIGA}
    stat = {"memory.stat": f"inactive_file 7\ntotal_inactive_file {GIGA // 2}"}
    quota = {"cpu.cfs_quota_us": 300000, "cpu.cfs_period_us": 100000}
    container(outer=used | stat, inner=quota, version=1)
    assert machine.free_memory() == pytest.approx(free, abs=1024)
    assert machine.cores() == 3


def test_no_quota_is_no_limit(container):
    container(inner={"cpu.cfs_quota_us": -1, "cpu.cfs_period_us": 100000}, version=1)
    assert machine.cores() == 16
