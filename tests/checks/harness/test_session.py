"""Checks leave no trace in the session, and depend on no state of it."""

import builtins
import gc
import logging
import math
import os
import random
import signal
import sys
import threading
import time
import warnings
from contextlib import contextmanager

import IPython
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from IPython.core.displaypub import CapturingDisplayPublisher
from torch import nn
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

from condlesson import checks, exercises
from condlesson.embeddings import TimestepEmbedding, sinusoidal_embedding
from tests.answers import blank

pytestmark = pytest.mark.usefixtures("one_thread")


class FunctionMode(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


class DispatchMode(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


KEEP = []


def enter(context):
    KEEP.append(context)
    context.__enter__()


def draw_figure(behind=None):
    plt.figure(behind.number if behind else None)
    plt.figure()
    plt.plot([1, 2])


def set_time_zone():
    os.environ["TZ"] = "Asia/Kathmandu"
    time.tzset()


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


TRACES = {
    "random": (lambda: random.seed(1), random.getstate),
    "numpy.random": (lambda: np.random.seed(1), lambda: np.random.get_state()[1].tolist()),
    "torch random": (lambda: torch.manual_seed(1), lambda: torch.get_rng_state().tolist()),
    "grad mode": (lambda: torch.set_grad_enabled(False), torch.is_grad_enabled),
    "inference mode": (lambda: enter(torch.inference_mode()), torch.is_inference_mode_enabled),
    "dtype": (lambda: torch.set_default_dtype(torch.float64), torch.get_default_dtype),
    "device": (lambda: torch.set_default_device("meta"), torch.get_default_device),
    "device context": (lambda: enter(torch.device("meta")), torch.get_default_device),
    "threads": (lambda: torch.set_num_threads(2), torch.get_num_threads),
    "precision": (
        lambda: torch.set_float32_matmul_precision("medium"),
        torch.get_float32_matmul_precision,
    ),
    "deterministic": (
        lambda: torch.use_deterministic_algorithms(True, warn_only=True),
        lambda: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
    ),
    "anomaly": (lambda: torch.autograd.set_detect_anomaly(True), torch.is_anomaly_enabled),
    "benchmark": (
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
        lambda: torch.backends.cudnn.benchmark,
    ),
    "cudnn": (
        lambda: setattr(torch.backends.cudnn, "deterministic", True),
        lambda: torch.backends.cudnn.deterministic,
    ),
    "print options": (
        lambda: torch.set_printoptions(precision=1),
        lambda: repr(torch.tensor([1 / 3])),
    ),
    "denormals": (
        lambda: torch.set_flush_denormal(True),
        lambda: (torch.full((), 1e-40) * 1).item() == 0,
    ),
    "autocast": (
        lambda: torch.set_autocast_enabled("cpu", True),
        lambda: torch.is_autocast_enabled("cpu"),
    ),
    "autocast cache": (
        lambda: torch.set_autocast_cache_enabled(False),
        torch.is_autocast_cache_enabled,
    ),
    "function modes": (
        lambda: enter(FunctionMode()),
        lambda: len(_get_current_function_mode_stack()),
    ),
    "dispatch modes": (
        lambda: enter(DispatchMode()),
        lambda: len(_get_current_dispatch_mode_stack()),
    ),
    "sys.path": (lambda: sys.path.append("nowhere"), lambda: list(sys.path)),
    "recursion": (lambda: sys.setrecursionlimit(5000), sys.getrecursionlimit),
    "folder": (lambda: os.chdir("/"), os.getcwd),
    "environment": (lambda: os.environ.update(CONDLESSON_TRACE="1"), lambda: dict(os.environ)),
    "environment less": (os.environ.clear, lambda: dict(os.environ)),
    "numpy errors": (lambda: np.seterr(all="raise"), np.geterr),
    "numpy prints": (lambda: np.set_printoptions(precision=1), np.get_printoptions),
    "tracing": (lambda: sys.settrace(lambda *args: None), sys.gettrace),
    "displayhook": (lambda: setattr(sys, "displayhook", print), lambda: sys.displayhook),
    "stdin": (lambda: setattr(sys, "stdin", None), lambda: sys.stdin),
    "stdout": (lambda: setattr(sys, "stdout", None), lambda: sys.stdout),
    "warnings": (
        lambda: warnings.filterwarnings("ignore", message="trace"),
        lambda: [f for f in warnings.filters if f[1] and "trace" in f[1].pattern],
    ),
    "interrupts": (
        lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        lambda: signal.getsignal(signal.SIGINT),
    ),
    "alarms": (
        lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
        lambda: signal.getsignal(signal.SIGTERM),
    ),
    "a function of torch": (lambda: setattr(torch, "sin", torch.cos), lambda: torch.sin),
    "a function of F": (lambda: setattr(torch.nn.functional, "gelu", None), lambda: F.gelu),
    "a method of tensors": (
        lambda: setattr(torch.Tensor, "sin", torch.Tensor.cos),
        lambda: torch.Tensor.sin,
    ),
    "a layer": (lambda: setattr(nn, "Linear", None), lambda: nn.Linear),
    "a builtin": (lambda: setattr(builtins, "open", None), lambda: builtins.open),
    "a builtin less": (lambda: delattr(builtins, "len"), lambda: hasattr(builtins, "len")),
    "a function of math": (lambda: setattr(math, "sin", None), lambda: math.sin),
    "modules": (lambda: sys.modules.pop("torch"), lambda: "torch" in sys.modules),
    "a module": (
        lambda: sys.modules.__setitem__("numpy", None),
        lambda: sys.modules["numpy"],
    ),
    "garbage collection": (gc.disable, gc.isenabled),
    "its thresholds": (lambda: gc.set_threshold(1), gc.get_threshold),
    "umask": (lambda: os.umask(0o777), umask),
    "time zone": (set_time_zone, lambda: time.tzname),
    "logging": (lambda: logging.disable(50), lambda: logging.root.manager.disable),
    "log level": (lambda: logging.root.setLevel(1), lambda: logging.root.level),
    "log handlers": (
        lambda: logging.root.addHandler(logging.NullHandler()),
        lambda: list(logging.root.handlers),
    ),
    "plots": (
        lambda: plt.rcParams.update({"lines.linewidth": 9}),
        lambda: plt.rcParams["lines.linewidth"],
    ),
    "excepthook": (lambda: setattr(sys, "excepthook", print), lambda: sys.excepthook),
    "hooks of threads": (
        lambda: setattr(threading, "excepthook", print),
        lambda: threading.excepthook,
    ),
    "profiling": (lambda: sys.setprofile(lambda *args: None), sys.getprofile),
    "hooks of all layers": (
        lambda: nn.modules.module.register_module_forward_hook(lambda *args: None),
        lambda: len(nn.modules.module._global_forward_hooks),
    ),
    "figures": (draw_figure, plt.get_fignums),
}


@pytest.mark.parametrize(("act", "look"), TRACES.values(), ids=TRACES)
def test_no_trace_is_left(act, look):
    seen = []

    def answer(t, d):
        act()
        seen.append(look())
        raise ValueError

    before = look()
    found = checks.check_sinusoidal_embedding(answer)
    assert "raised ValueError" in found.messages[0]
    assert len(seen) == 1
    assert seen[0] != before
    assert look() == before


def test_figures_of_the_session_stay():
    first, second = plt.figure(), plt.figure()
    try:
        plt.figure(first.number)
        checks.check_sinusoidal_embedding(lambda t, d: draw_figure(second))
        assert plt.get_fignums() == [first.number, second.number]
        assert plt.gcf() is first
    finally:
        plt.close("all")


def test_a_folder_that_is_gone_does_no_harm(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert checks.check_sinusoidal_embedding(sinusoidal_embedding).passed
    monkeypatch.undo()


def test_the_state_of_a_gpu_is_put_back(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: ["cuda"])
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", calls.append)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "get_rng_state", lambda: "mps")
    monkeypatch.setattr(torch.mps, "set_rng_state", calls.append)
    torch.set_autocast_enabled("cuda", True)
    try:
        assert checks.check_sinusoidal_embedding(sinusoidal_embedding).passed
        assert torch.is_autocast_enabled("cuda")
    finally:
        torch.set_autocast_enabled("cuda", False)
    assert calls == ["mps", ["cuda"]]


def test_what_is_printed_or_displayed_is_swallowed(capsys, monkeypatch):
    shell = type("Shell", (), {"display_pub": "the notebook's"})()
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    seen = []

    def answer(t, d):
        print("a")
        print("b", file=sys.stderr)
        warnings.warn("c", stacklevel=1)
        seen.append(type(shell.display_pub))
        return sinusoidal_embedding(t, d)

    assert checks.check_sinusoidal_embedding(answer).passed
    assert set(seen) == {CapturingDisplayPublisher}
    assert shell.display_pub == "the notebook's"
    assert capsys.readouterr() == ("", "")


def test_parameters_of_a_module_stay():
    made = []

    def factory(*sizes):
        made.append(TimestepEmbedding(*sizes))
        made.append({name: p.clone() for name, p in made[-1].named_parameters()})
        return made[-2]

    assert checks.check_timestep_embedding(factory).passed
    for module, before in zip(made[::2], made[1::2], strict=True):
        assert all(torch.equal(p, before[name]) for name, p in module.named_parameters())


# It depends on no state


class Dtype:
    def __enter__(self):
        torch.set_default_dtype(torch.float64)

    def __exit__(self, *args):
        torch.set_default_dtype(torch.float32)


class Seeds:
    def __enter__(self):
        random.seed(5)
        np.random.seed(5)
        torch.manual_seed(5)

    def __exit__(self, *args):
        pass


class Deterministic:
    def __enter__(self):
        torch.use_deterministic_algorithms(True)

    def __exit__(self, *args):
        torch.use_deterministic_algorithms(False)


@contextmanager
def warnings_as_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


STATES = {
    "dtype": Dtype,
    "seeds": Seeds,
    "deterministic": Deterministic,
    "no_grad": torch.no_grad,
    "inference mode": torch.inference_mode,
    "meta": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "warnings": warnings_as_errors,
    "numpy errors": lambda: np.errstate(all="raise"),
}
SAMPLES = {
    checks.check_sinusoidal_embedding: [
        sinusoidal_embedding,
        lambda t, d: sinusoidal_embedding(t, d) + torch.rand(d),
    ],
    checks.check_timestep_embedding: [TimestepEmbedding, blank(exercises.TimestepMLP)],
    checks.check_similarity_matrix: [exercises.similarity_matrix, lambda x: x @ x.T],
    checks.check_random_fourier_features: [checks.fourier.embeddings.RandomFourierFeatures],
}


@pytest.fixture(scope="module")
def expected():
    return {check: [check(answer) for answer in answers] for check, answers in SAMPLES.items()}


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
def test_the_result_does_not_depend_on_the_session(state, expected):
    with state():
        for check, answers in SAMPLES.items():
            assert [check(answer) for answer in answers] == expected[check]


def test_no_guard_is_left_to_be_collected():
    gc.collect()
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


def test_a_check_runs_on_one_thread_and_puts_the_sessions_back():
    seen, before = [], torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        checks.check_similarity_at(lambda *_: seen.append(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}
