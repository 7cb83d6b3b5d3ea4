"""Code under test in a process of its own: killed in time, bounded, and without a trace."""

import builtins
import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
import torch

from condlesson import checks
from condlesson.checks.harness import isolation, run
from condlesson.embeddings import sinusoidal_embedding

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not isolation.can_isolate(), reason="no safe fork on this platform"),
]
check = checks.check_sinusoidal_embedding


@pytest.fixture(autouse=True)
def same_process(monkeypatch):
    """In the place of the fixture of this name: here the checks run as they do for a learner."""
    monkeypatch.setattr(run, "SECONDS", 0.3)
    monkeypatch.setattr(isolation, "GRACE", 0.5)


def endless_c(t, d):
    return sum(iter(int, 1))


def without_alarm(t, d):
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    while True:
        pass


def blocked(t, d):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        pass


@pytest.mark.fault(
    "an answer hangs in one call of C, or with the alarm blocked or replaced",
    "it is killed after the limit, and the check says so",
)
@pytest.mark.parametrize("answer", [endless_c, without_alarm, blocked])
def test_what_no_alarm_stops_is_killed(answer):
    found = check(answer)
    assert found.status == "wrong"
    assert found.messages[0].startswith("Too slow")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)  # no child is left


def test_a_right_answer_passes_and_the_line_of_a_loop_is_told(monkeypatch):
    monkeypatch.setattr(run, "SECONDS", 10.0)
    assert check(sinusoidal_embedding).passed

    def raising(t, d):
        raise ValueError("no such hand")

    assert "`raise ValueError" in check(raising).messages[0]


@pytest.mark.fault("an answer forks", "it is refused")
def test_a_fork_is_refused():
    def forking(t, d):
        os.fork()

    assert "must not fork" in check(forking).messages[0]
    assert os.fork is not isolation._refuse_fork


@pytest.mark.fault("an answer takes all memory", "it is stopped, and the session goes on")
def test_memory_is_bounded():
    found = check(lambda t, d: torch.zeros(isolation.MEMORY // 2))
    assert found.status == "wrong"
    assert "more memory than a check may use" in found.messages[0]


@pytest.mark.fault("an answer ends its process", "the check says so")
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda t, d: os._exit(0), "it called a function such as os._exit"),
        (lambda t, d: os.kill(os.getpid(), signal.SIGSEGV), "it crashed (SIGSEGV)"),
        (lambda t, d: os.kill(os.getpid(), signal.SIGKILL), "the system stopped it"),
    ],
    ids=["exit", "crash", "killed"],
)
def test_the_end_of_its_process_is_told(answer, message):
    found = check(answer)
    assert found.status == "wrong"
    assert message in found.messages[0]


def test_an_interrupt_reaches_the_session():
    def interrupting(t, d):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check(interrupting)


@pytest.mark.fault(
    "an answer changes built-in functions, torch, handlers, the time zone",
    "the session is as before",
)
def test_nothing_of_the_session_changes():
    seen = []

    def hostile(t, d):
        seen.append(1)
        builtins.open = None
        del sys.modules["torch"]
        torch.sin = torch.cos
        os.chdir("/")
        os.write(1, b"past Python")
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))

    before = builtins.open, torch.sin, Path.cwd()
    assert check(hostile).status != "passed"
    assert (builtins.open, torch.sin, Path.cwd()) == before
    assert "torch" in sys.modules
    assert seen == []
    assert check(sinusoidal_embedding).passed


def test_checks_in_another_thread_are_isolated_as_well():
    results = []
    thread = threading.Thread(target=lambda: results.append(check(sinusoidal_embedding)))
    thread.start()
    thread.join(60)
    assert results[0].passed


def in_a_session(code):
    """Run code in a process of its own, which must end well."""
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=300)


SESSION = """
    import sys, torch
    from condlesson import checks
    from condlesson.embeddings import sinusoidal_embedding
    torch.set_num_threads(2)
    x = torch.randn(300, 300, requires_grad=True)
    (x @ x).sum().backward()  # threads, and the engine of gradients, before the fork
    from condlesson.embeddings import TimestepEmbedding
    assert checks.check_timestep_embedding(TimestepEmbedding).passed
    del sys.modules["torch"]
    assert checks.check_sinusoidal_embedding(sinusoidal_embedding).passed
    import builtins
    builtins.open = None
    assert checks.check_sinusoidal_embedding(sinusoidal_embedding).passed
"""


@pytest.mark.fault(
    "a session has threads, no `torch` in `sys.modules` or no `open`",
    "checks still judge",
)
def test_a_session_with_threads_and_broken_names_can_still_check():
    in_a_session(SESSION)


COMPILED = """
    import torch
    from condlesson import checks
    from condlesson.checks.harness.isolation import can_isolate
    from condlesson.embeddings import TimestepEmbedding
    assert can_isolate()
    compiled = torch.compile(lambda x: x.sin().sum(), backend="eager")
    compiled(torch.ones(3, requires_grad=True)).backward()
    assert not can_isolate()
    assert checks.check_timestep_embedding(TimestepEmbedding).passed
"""


@pytest.mark.weekly
@pytest.mark.fault(
    "a session has trained what torch.compile made, so that no child could go backward",
    "checks judge in the session itself",
)
def test_a_session_that_has_trained_compiled_code_can_still_check():
    in_a_session(COMPILED)
