"""A session that is left as it was found: a check's own state inside, the learner's outside."""

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import _tensor_str, nn
from torch.overrides import _get_current_function_mode_stack as _function_modes
from torch.overrides import _pop_mode as _pop_function_mode
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack as _dispatch_modes
from torch.utils._python_dispatch import _pop_mode as _pop_dispatch_mode

from condlesson.checks.harness.handed_in import shell

__all__ = ["own_state", "untouched"]

Restore = Callable[[], object]
SEED = 20
_MODULES = {k: v for k, v in sys.modules.items() if k.split(".")[0] in ("torch", "numpy")}
_KEPT = []  # guards that must outlive a learner's unfinished inference_mode


@contextmanager
def untouched() -> Iterator[None]:
    """Put back, at the end, all state of the session that code under test may change."""
    sys.modules.update({k: v for k, v in _MODULES.items() if k not in sys.modules})
    restores = [restore for keep in _KEEPERS for restore in keep()]
    try:
        with warnings.catch_warnings(), _no_output():
            warnings.simplefilter("ignore")
            yield
    finally:
        for restore in reversed(restores):
            with suppress(Exception):
                restore()


@contextmanager
def own_state() -> Iterator[None]:
    """The same state for every check, whatever the session has; for the thread that runs it."""
    _seed()
    with ExitStack() as stack:
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        for device in _autocast_devices():
            stack.enter_context(torch.autocast(device, enabled=False))
        torch.set_num_threads(1)  # threads that wait for one another on a busy machine cost seconds
        torch.set_default_dtype(torch.float32)
        torch.set_grad_enabled(True)
        _set_deterministic(False)
        torch.autograd.set_detect_anomaly(False)
        stack.enter_context(_full_precision())
        yield


@contextmanager
def _full_precision() -> Iterator[None]:
    """Leave out what an answer does in torch.autocast: its rounding hides what it computes."""
    enter = torch.autocast.__enter__

    def entered(context: torch.autocast) -> torch.autocast:
        context._enabled = False
        return enter(context)

    torch.autocast.__enter__ = entered
    try:
        yield
    finally:
        torch.autocast.__enter__ = enter


def _seed() -> None:
    random.seed(SEED)
    np.random.seed(SEED)
    torch.default_generator.manual_seed(SEED)  # torch.manual_seed would reach for every GPU


def _random_states() -> list[Restore]:
    python, numpy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    restores = [
        lambda: random.setstate(python),
        lambda: np.random.set_state(numpy),
        lambda: torch.set_rng_state(cpu),
    ]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        cuda = torch.cuda.get_rng_state_all()
        restores.append(lambda: torch.cuda.set_rng_state_all(cuda))
    if torch.backends.mps.is_available():
        mps = torch.mps.get_rng_state()
        restores.append(lambda: torch.mps.set_rng_state(mps))
    return restores


def _torch_modes() -> list[Restore]:
    dtype, threads = torch.get_default_dtype(), torch.get_num_threads()
    precision, grad = torch.get_float32_matmul_precision(), torch.is_grad_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    anomaly, check_nan = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    inference, cudnn = torch.is_inference_mode_enabled(), torch.backends.cudnn
    benchmark, fixed = cudnn.benchmark, cudnn.deterministic
    shown, flushes = dict(vars(_tensor_str.PRINT_OPTS)), _flushes_denormals()
    return [
        lambda: torch.set_grad_enabled(grad),
        lambda: _set_inference_mode(inference),
        lambda: torch.set_default_dtype(dtype),
        lambda: torch.get_num_threads() == threads or torch.set_num_threads(threads),
        lambda: torch.set_float32_matmul_precision(precision),
        lambda: _set_deterministic(deterministic, warn_only),
        lambda: torch.autograd.set_detect_anomaly(anomaly, check_nan),
        lambda: setattr(cudnn, "benchmark", benchmark),
        lambda: setattr(cudnn, "deterministic", fixed),
        lambda: vars(_tensor_str.PRINT_OPTS).update(shown),
        lambda: _flushes_denormals() == flushes or torch.set_flush_denormal(flushes),
    ]


def _flushes_denormals() -> bool:
    return (torch.full((), 1e-40, device="cpu", dtype=torch.float32) * 1).item() == 0


def _set_deterministic(mode: bool, warn_only: bool = False) -> None:
    now = torch.are_deterministic_algorithms_enabled()
    if (now, torch.is_deterministic_algorithms_warn_only_enabled()) != (mode, warn_only):
        torch.use_deterministic_algorithms(mode, warn_only=warn_only)  # seconds at its first call


def _set_inference_mode(mode: bool) -> None:
    if torch.is_inference_mode_enabled() != mode:
        _KEPT.append(torch.inference_mode(mode))
        _KEPT[-1].__enter__()


def _mode_stacks() -> list[Restore]:
    """Take off modes that a stopped answer, or our own recorder, has left on."""
    kinds = ((_dispatch_modes, _pop_dispatch_mode), (_function_modes, _pop_function_mode))
    depths = [len(modes()) for modes, _ in kinds]

    def restore() -> None:
        for (modes, pop), depth in zip(kinds, depths, strict=True):
            while len(modes()) > depth:
                pop()

    return [restore]


def _default_device() -> list[Restore]:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    device = None if context is None else context.device

    def restore() -> None:
        if getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None) is not context:
            torch.set_default_device(device)

    return [restore]


def _autocast() -> list[Restore]:
    states = {device: torch.is_autocast_enabled(device) for device in _autocast_devices()}
    cache = torch.is_autocast_cache_enabled()
    return [
        lambda: [torch.set_autocast_enabled(device, on) for device, on in states.items()],
        lambda: torch.set_autocast_cache_enabled(cache),
    ]


def _autocast_devices() -> list[str]:
    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]


def _interpreter() -> list[Restore]:
    path, depth, folder = list(sys.path), sys.getrecursionlimit(), _folder()
    environment, errors, prints = dict(os.environ), np.geterr(), np.get_printoptions()
    tracer, hook, standard_input = sys.gettrace(), sys.displayhook, sys.stdin

    def restore_environment() -> None:
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)

    return [
        lambda: sys.path.__setitem__(slice(None), path),
        lambda: sys.setrecursionlimit(depth),
        lambda: folder is None or folder == _folder() or os.chdir(folder),
        restore_environment,
        lambda: np.seterr(**errors),
        lambda: np.set_printoptions(**prints),
        lambda: sys.gettrace() is tracer or sys.settrace(tracer),
        lambda: setattr(sys, "displayhook", hook),
        lambda: setattr(sys, "stdin", standard_input),
    ]


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 -- what os.chdir takes back
    except OSError:  # the folder is gone
        return None


def _namespaces() -> list[Restore]:
    """Names of what everything uses, and the list of modules."""
    modules = dict(sys.modules)
    kept = [(thing, dict(vars(thing))) for thing in _SHARED]

    def restore() -> None:
        sys.modules.update({k: v for k, v in modules.items() if sys.modules.get(k) is not v})
        for thing, names in kept:
            now = dict(vars(thing))
            if isinstance(thing, type):  # what is new in a module stays: an import may have made it
                for name in now.keys() - names.keys():
                    delattr(thing, name)
            for name, value in names.items():
                if now.get(name, _SHARED) is not value:
                    setattr(thing, name, value)

    return [restore]


def _signals() -> list[Restore]:
    """Handlers of signals, as far as this thread may set them."""
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def restore() -> None:
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    return [restore]


def _surroundings() -> list[Restore]:
    """What belongs to the process: garbage collection, time zone, umask, logging."""
    collects, thresholds = gc.isenabled(), gc.get_threshold()
    mask, level, handlers = os.umask(0), logging.root.level, list(logging.root.handlers)
    os.umask(mask)
    disabled, zone = logging.root.manager.disable, time.tzname
    rc = sys.modules.get("matplotlib")
    parameters = rc.rcParams.copy() if rc else None

    def restore_zone() -> None:  # after the environment
        if time.tzname != zone and hasattr(time, "tzset"):
            time.tzset()

    return [
        restore_zone,
        lambda: gc.enable() if collects else gc.disable(),
        lambda: gc.set_threshold(*thresholds),
        lambda: os.umask(mask),
        lambda: logging.root.setLevel(level),
        lambda: logging.disable(disabled),
        lambda: logging.root.handlers.__setitem__(slice(None), handlers),
        lambda: parameters is None or dict.update(rc.rcParams, parameters),
    ]


def _hooks() -> list[Restore]:
    """Functions that Python, and layers of torch, call by themselves."""
    profiler, breakpoint_hook = sys.getprofile(), sys.breakpointhook
    hooks, threads = (sys.excepthook, sys.unraisablehook), threading.excepthook
    of_layers = [(kept, dict(kept)) for kept in _LAYER_HOOKS]

    def restore_layers() -> None:
        for hooks, before in of_layers:
            if hooks != before:
                hooks.clear()
                hooks.update(before)

    return [
        lambda: sys.getprofile() is profiler or sys.setprofile(profiler),
        lambda: setattr(sys, "breakpointhook", breakpoint_hook),
        lambda: setattr(sys, "excepthook", hooks[0]),
        lambda: setattr(sys, "unraisablehook", hooks[1]),
        lambda: setattr(threading, "excepthook", threads),
        restore_layers,
    ]


def _figures() -> list[Restore]:
    """Close what the code under test drew, or a notebook would show it below the result."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    numbers = set(pyplot.get_fignums()) if pyplot else set()
    current = pyplot.gcf().number if numbers else None

    def restore() -> None:
        now = sys.modules.get("matplotlib.pyplot")
        for number in set(now.get_fignums()) - numbers if now else ():
            now.close(number)
        if current is not None and now.gcf().number != current:
            now.figure(current)

    return [restore]


@contextmanager
def _no_output() -> Iterator[None]:
    """Keep out what is printed or displayed."""
    session = shell()
    streams, publisher = (sys.stdout, sys.stderr), getattr(session, "display_pub", None)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        try:
            sys.stdout = sys.stderr = nowhere
            if publisher is not None:
                from IPython.core.displaypub import CapturingDisplayPublisher

                session.display_pub = CapturingDisplayPublisher()
            yield
        finally:
            sys.stdout, sys.stderr = streams
            if publisher is not None:
                session.display_pub = publisher


_SHARED = (builtins, math, os, random, time, np, torch, torch.Tensor, torch.autocast)
_SHARED += (nn, nn.init, nn.Module, F)
_LAYER_HOOKS = [
    kept
    for name, kept in vars(nn.modules.module).items()
    if name.startswith("_global_") and isinstance(kept, dict)
]
_KEEPERS = (
    _surroundings,  # restored last: the time zone follows the environment
    _random_states,
    _torch_modes,
    _mode_stacks,
    _default_device,
    _autocast,
    _interpreter,
    _signals,
    _hooks,
    _figures,
    _namespaces,  # restored first, since the others use them
)
