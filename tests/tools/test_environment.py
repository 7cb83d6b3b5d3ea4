"""The set-up takes what the lock names, from where pip would, and says what helps if it cannot."""

import ast
import json
import os
import runpy
import socket
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.tools.package_index import add
from tools import environment

pytestmark = pytest.mark.slow

SCRIPT = Path(environment.__file__)
NOWHERE = "http://127.0.0.1:9/simple"  # no server listens on the port that discards


def packages(python: Path) -> dict[str, str]:
    """Versions of what an environment holds."""
    command = [Path(sys.prefix, "bin", "uv"), "pip", "list", "--format=json", "--python", python]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {package["name"]: package["version"] for package in json.loads(listed)}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """An empty environment with uv, the usual index, that of CPU builds, and a lock; no network."""
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    usual = (tmp_path / "usual").as_uri()
    monkeypatch.setattr(environment, "pip_settings", lambda python: {"UV_DEFAULT_INDEX": usual})
    digest = add(tmp_path / "usual", "other", "1.0")
    add(tmp_path / "usual", "other", "2.0")
    add(tmp_path / "usual", "torch", "2.14.1", ["cuda-toolkit"])
    add(tmp_path / "usual", "cuda-toolkit".replace("-", "_"), "13")
    (tmp_path / "usual" / "cuda_toolkit").rename(tmp_path / "usual" / "cuda-toolkit")
    add(tmp_path / "cpu", "torch", "2.14.1+cpu")
    (tmp_path / "lock.txt").write_text(f"other==1.0 --hash=sha256:{digest}\ntorch==2.14.1\n")
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (venv / "bin" / "uv").symlink_to(Path(sys.prefix, "bin", "uv"))
    return tmp_path


def install(machine: Path, *more: str) -> dict[str, str]:
    """What is there after an installation of the lock."""
    python = machine / "venv" / "bin" / "python"
    wanted = ["--requirements", machine / "lock.txt", *more]
    environment.install(python, *wanted, "--index-strategy", "unsafe-best-match")
    return packages(python)


def test_the_usual_index_brings_what_its_torch_needs(machine):
    assert install(machine) == {"other": "1.0", "torch": "2.14.1", "cuda-toolkit": "13"}


def test_the_index_of_cpu_builds_is_asked_for_torch_first_and_the_usual_one_for_the_rest(machine):
    index = (machine / "cpu").as_uri()
    assert install(machine, "--index", index) == {"other": "1.0", "torch": "2.14.1+cpu"}


@pytest.mark.fault("a package comes with another hash", "nothing is installed")
def test_a_file_with_another_hash_is_refused(machine):
    wheel = next((machine / "usual" / "other").glob("other-1.0-*"))
    with wheel.open("ab") as file:
        file.write(b"more")
    with pytest.raises(SystemExit, match="Not all could be installed"):
        install(machine)
    assert packages(machine / "venv" / "bin" / "python") == {}


def test_some_packages_come_at_the_versions_of_the_lock(machine):
    python = machine / "venv" / "bin" / "python"
    environment.install(python, "--constraints", machine / "lock.txt", "other")
    assert packages(python) == {"other": "1.0"}


def test_what_pip_is_told_uv_is_told_too(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\nindex-url = https://a.example/simple\ntimeout = 9\n"
        "find-links =\n    /one\n    /two\n"
        "[install]\nindex-url = https://b.example/simple\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://c.example/simple https://d.example/simple")
    found = environment.pip_settings(Path(sys.executable))
    wanted = {
        "UV_DEFAULT_INDEX": "https://b.example/simple",
        "UV_INDEX": "https://c.example/simple https://d.example/simple",
        "UV_FIND_LINKS": "/one,/two",
    }
    assert found.items() >= wanted.items()
    assert set(found) <= set(environment.SETTINGS.values())


@pytest.fixture
def silent_server():
    """Address of a server that takes calls and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def index(tmp_path):
    """Address of an index that has torch."""
    add(tmp_path, "torch", "1")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("wish", "gpu", "answers", "cpu", "why"),
    [
        ("", False, True, True, "this machine has no NVIDIA GPU"),
        ("", False, False, False, "does not answer within 5 seconds"),
        ("", True, True, False, "this machine has an NVIDIA GPU"),
        ("cpu", True, False, True, "TORCH=cpu asks for it"),
        ("cuda", False, True, False, "TORCH=cuda asks for it"),
    ],
)
def test_which_torch_is_taken_and_why(monkeypatch, wish, gpu, answers, cpu, why):
    monkeypatch.setattr(environment, "has_gpu", lambda: gpu)
    monkeypatch.setattr(environment, "answers", lambda index: answers)
    index, said = environment.torch_index(wish)
    assert index == (environment.TORCH_CPU_INDEX if cpu else "")
    assert why in said


@pytest.mark.fault(
    "PyTorch's index is silent or refuses",
    "the usual index is taken, and it says why",
)
def test_an_index_that_is_silent_or_refuses_does_not_answer(monkeypatch, silent_server, index):
    monkeypatch.setattr(environment, "ANSWERS_WITHIN", 0.2)
    assert not environment.answers(silent_server)
    assert not environment.answers(NOWHERE)
    monkeypatch.setattr(environment, "ANSWERS_WITHIN", 60)
    assert environment.answers(index)
    assert not environment.answers(f"{index}/other")


@pytest.mark.parametrize(
    ("said", "found"), [("GPU 0: NVIDIA H200 (UUID: GPU-1)", True), ("No devices found.", False)]
)
def test_a_gpu_is_one_that_the_driver_lists(monkeypatch, tmp_path, said, found):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not environment.has_gpu()
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{said}'\n")
    tool.chmod(0o755)
    assert environment.has_gpu() is found


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--torch", "gpu"], "TORCH must be cpu, cuda or not set, got gpu."),
        (["--releases", "all"], "RELEASES must be pinned or newest, got all."),
    ],
)
def test_other_values_are_refused(monkeypatch, tmp_path, arguments, said):
    monkeypatch.setattr(sys, "argv", ["environment.py", "--venv", str(tmp_path / "v"), *arguments])
    with pytest.raises(SystemExit, match=said):
        environment.main()
    assert not (tmp_path / "v").exists()


@pytest.mark.fault("Python is too old", "it says which one is needed")
def test_an_old_python_is_told_which_one_is_needed(monkeypatch, tmp_path):
    ast.parse(SCRIPT.read_text(), feature_version=(3, 7))  # it can read the script
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit, match=r"Python must be 3\.11 or newer, got .*PYTHON=python3"):
        runpy.run_path(str(SCRIPT))
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    with pytest.raises(SystemExit, match=r"Python must be 3\.11 or newer"):
        environment.venv(tmp_path / "venv", environment.OLDEST["pinned"])


@pytest.fixture(scope="module")
def made_without_network(tmp_path_factory):
    """Python of a new environment, made as a whole after its making was cut short."""
    folder = tmp_path_factory.mktemp("made") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return environment.venv(folder, (3, 10))


@pytest.mark.fault("the set-up was cut short", "it is done again")
def test_an_environment_that_was_cut_short_is_made_whole(made_without_network):
    assert "pip" in packages(made_without_network)
    assert environment.venv(made_without_network.parents[1], (99, 0)) == made_without_network


@pytest.mark.fault("there is no network", "it says so")
def test_no_network_is_said(made_without_network, monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit, match=r"The package index does not answer\..*HTTPS_PROXY"):
        environment.install_uv(made_without_network)


def test_a_python_that_cannot_bring_pip_is_explained(monkeypatch, tmp_path):
    def failing(command, **options):
        failed = int("ensurepip" in command or "pip" in command)
        return subprocess.CompletedProcess(command, failed, "", "No module named ensurepip\n")

    monkeypatch.setattr(environment, "run", failing)
    with pytest.raises(SystemExit, match=r"No module named ensurepip\n.*python3-venv"):
        environment.venv(tmp_path / "venv", (3, 10))


def test_make_says_that_there_is_no_python(tmp_path):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "setup", "PYTHON=python3.99", f"VENV={tmp_path}/venv"]
    done = subprocess.run(
        command, cwd=environment.ROOT, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "There is no python3.99. Install Python 3.11 or newer, or name yours" in done.stderr
