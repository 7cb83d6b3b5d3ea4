"""Checks never raise, and end in time: what they say of code that does neither."""

import signal
import sys
import threading
import time

import pytest
import torch
from torch import nn

from condlesson import checks
from condlesson.checks.harness import deadline, location, run
from condlesson.checks.harness.run import Wrong
from condlesson.embeddings import sinusoidal_embedding
from tests.answers import Hostile, ask, hostile_class, written
from tests.conftest import weekly_but

pytestmark = pytest.mark.usefixtures("one_thread")
CHECKS = [getattr(checks, name) for name in checks.__all__ if name.startswith("check_")]
FUNCTIONS = [
    checks.check_sinusoidal_embedding,
    checks.check_interleaved_embedding,
    checks.check_similarity_at,
    checks.check_similarity_matrix,
]


def raising(error):
    def answer(*args):
        raise error

    return answer


def endless(*args):
    return endless(*args)


class HostileCallable:
    def __call__(self, *args):
        return Hostile()

    def __getattr__(self, name):
        raise SystemExit


class HostileModule(nn.Module):
    def __getattr__(self, name):
        raise GeneratorExit


class HostileTensor(torch.Tensor):
    @classmethod
    def __torch_function__(cls, *args, **kwargs):
        raise SystemExit


class UnsayableError(Exception):
    def __str__(self):
        raise SystemExit


class TextlessError(Exception):
    def __str__(self):
        return None


class NoClass(BaseException):
    __class__ = property(lambda self: 1 / 0)


ANYTHING = {
    **{repr(value): value for value in (None, ..., NotImplemented, 3, "s", [], {}, int, len, exit)},
    "an object": object(),
    "a generator": (x for x in ()),
    "a static method": staticmethod(len),
    "the module torch": torch,
    "nn.Module": nn.Module,
    "nn.Linear": nn.Linear,
    "a layer": nn.Linear(3, 3),
    "a tensor": torch.zeros(3),
    "hostile": Hostile(),
    "a hostile callable": HostileCallable(),
    "a hostile module": HostileModule,
    "raises ValueError": raising(ValueError("a\nb")),
    "raises what cannot be said": raising(UnsayableError()),
    "raises what says None": raising(TextlessError()),
    "raises what has no class": raising(NoClass()),
    "raises SystemExit": raising(SystemExit()),
    "raises GeneratorExit": raising(GeneratorExit()),
    "raises StopIteration": raising(StopIteration()),
    "raises MemoryError": raising(MemoryError("x" * 5000)),
    "raises an exception of asyncio": raising(__import__("asyncio").CancelledError()),
    "recursion": endless,
    "returns hostile": lambda *args: Hostile(),
    "returns a hostile class": lambda *args: hostile_class(),
    "returns a hostile tensor": lambda *args: torch.zeros(6, 256).as_subclass(HostileTensor),
    "returns nothing": lambda *args: None,
    "returns an empty tensor": lambda *args: torch.zeros(0),
    "returns a flag": lambda *args: torch.zeros(6, 256) > 0,
}

FEW = ("raises SystemExit", "recursion", "returns hostile", "returns nothing", "a hostile class")


@pytest.mark.slow
@pytest.mark.fault(
    "an answer is no function, no class, or raises anything",
    "the check says so and does not raise",
)
@pytest.mark.parametrize("name", weekly_but(FEW, [*ANYTHING, "a hostile class"]))
def test_no_answer_makes_a_check_raise(name, capsys):
    for check in CHECKS:
        found = check(ANYTHING[name] if name in ANYTHING else hostile_class())
        assert found.status in ("wrong", "not done"), found
        assert found.messages
        assert all(type(message) is str and len(message) < 900 for message in found.messages)
        assert check.__name__ in repr(found)
        assert check.__name__ in found._repr_html_()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("check", FUNCTIONS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            ValueError("no such hand"),
            "raised ValueError at line {line}, `raise error`: no such hand.",
        ),
        (SystemExit(3), "raised SystemExit at line {line}, `raise error`: 3."),
        (
            UnsayableError(),
            "raised UnsayableError at line {line}, `raise error`: (its message cannot be shown).",
        ),
        (ValueError("x" * 400), f"`raise error`: {'x' * 300} ..."),
    ],
    ids=["error", "exit", "unsayable", "long"],
)
def test_what_an_answer_raises_is_told_with_its_line(check, error, message):
    answer = raising(error)
    found = check(answer)
    assert found.status == "wrong"
    line = answer.__code__.co_firstlineno + 1
    assert message.format(line=line) in found.messages[0]


@pytest.mark.fault("an answer calls itself without end", "the check says so")
def test_endless_recursion_is_told():
    [message] = checks.check_sinusoidal_embedding(endless).messages
    assert "raised RecursionError at line" in message
    assert "`return endless(*args)`" in message


def test_keyboard_interrupt_passes_and_nothing_else_remains():
    before = torch.get_rng_state(), signal.getsignal(signal.SIGALRM)
    with pytest.raises(KeyboardInterrupt):
        checks.check_sinusoidal_embedding(raising(KeyboardInterrupt()))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert signal.getsignal(signal.SIGALRM) == before[1]
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_keyboard_interrupt_passes_in_another_thread():
    with pytest.raises(KeyboardInterrupt):
        in_thread(lambda: checks.check_sinusoidal_embedding(raising(KeyboardInterrupt())))


@pytest.mark.parametrize("error", [KeyError("k"), SystemExit("k"), GeneratorExit("k")])
def test_an_error_of_the_check_itself_is_told(error):
    found = ask(lambda answer: raising(error)())
    assert found.status == "wrong"
    assert found.messages[0].startswith(
        f"Your code could not be examined: {type(error).__name__} at line"
    )


def test_an_error_around_the_examination_is_told(monkeypatch):
    monkeypatch.setattr(run, "own_state", raising(RuntimeError("no state")))
    found = ask(lambda answer: [])
    assert found.status == "wrong"
    assert found.messages[0].startswith("Your code could not be examined: RuntimeError")


def test_long_lines_are_cut():
    answer = written(f"def f(t, d):\n    raise ValueError('{'x' * 200}')\n", "f")
    [message] = checks.check_sinusoidal_embedding(answer).messages
    assert f"line 2, `raise ValueError('{'x' * (location.LENGTH - 18)} ...`" in message


def test_code_without_a_source_has_a_line_number_only():
    exec("def f(t, d):\n    return 1 / 0", namespace := {})
    [message] = checks.check_sinusoidal_embedding(namespace["f"]).messages
    assert "raised ZeroDivisionError at line 2: division by zero." in message


# It ends in time


def loop(*args):
    while True:
        pass


def sleep(*args):
    time.sleep(60)


def swallow(*args):
    while True:
        try:
            time.sleep(0.001)
        except Exception:
            continue


def swallow_everything(*args):
    while True:
        try:
            time.sleep(0.001)
        except:  # noqa: E722 -- as bad code has it
            continue


def swallow_and_return(t, d):
    try:
        loop()
    except BaseException:
        return sinusoidal_embedding(t, d)


SLOW = {f.__name__: f for f in (loop, sleep, swallow, swallow_everything, swallow_and_return)}


def in_thread(work):
    outcome = []

    def run():
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(run, "SECONDS", 0.3)


@pytest.mark.slow
@pytest.mark.fault("an answer does not end", "it is stopped, and its line is told")
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
def test_code_that_does_not_end_is_stopped(answer):
    found = checks.check_sinusoidal_embedding(answer)
    assert found.status == "wrong"
    [message] = found.messages
    assert message.startswith("Too slow: your code was still running after 0 seconds")
    assert "It was at line " in message
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("answer", [loop, swallow], ids=["loop", "swallow"])
def test_code_that_does_not_end_is_stopped_in_another_thread(answer):
    found = in_thread(lambda: checks.check_sinusoidal_embedding(answer))
    assert found.status == "wrong"
    assert found.messages[0].startswith("Too slow")
    assert "It was at line " in found.messages[0]


@pytest.mark.usefixtures("short")
def test_the_line_of_a_loop_is_told():
    [message] = checks.check_sinusoidal_embedding(loop).messages
    first = loop.__code__.co_firstlineno
    assert any(
        f"line {first + k}, `{text}`" in message for k, text in ((1, "while True:"), (2, "pass"))
    )


def test_what_cannot_be_stopped_is_left_behind(short, monkeypatch):
    monkeypatch.setattr(deadline, "AGAIN", 0.001)

    def stubborn(*args):
        for _ in range(4):
            try:
                time.sleep(0.5)
            except BaseException:
                continue

    found = in_thread(lambda: checks.check_sinusoidal_embedding(stubborn))
    assert found.messages[0].startswith("Too slow")


def test_an_alarm_on_the_way_to_its_end_is_no_failure():
    class Late(deadline._Alarm):
        """Rings once more when it is disarmed."""

        is_armed, late = True, 1
        armed = property(lambda self: self.is_armed)

        @armed.setter
        def armed(self, value):
            if not value and self.late:
                self.late -= 1
                raise deadline.TooSlow
            self.is_armed = value

    alarm = Late(1.0)
    alarm.disarm()
    assert (alarm.armed, alarm.late) == (False, 0)
    alarm.ring(signal.SIGALRM, None)  # is not heard any more
    assert alarm.rings == 0


def test_other_threads_and_no_alarm_give_the_same_result(monkeypatch):
    answers = sinusoidal_embedding, lambda t, d: 2 * sinusoidal_embedding(t, d)
    expected = [checks.check_sinusoidal_embedding(answer) for answer in answers]
    assert [
        in_thread(lambda a=a: checks.check_sinusoidal_embedding(a)) for a in answers
    ] == expected
    monkeypatch.delattr(signal, "setitimer")  # as on Windows
    assert [checks.check_sinusoidal_embedding(answer) for answer in answers] == expected


def test_an_alarm_of_the_session_goes_on():
    handler = signal.signal(signal.SIGALRM, own := lambda *args: None)
    signal.setitimer(signal.ITIMER_REAL, 500, 7)
    try:
        assert checks.check_sinusoidal_embedding(sinusoidal_embedding).passed
        delay, interval = signal.getitimer(signal.ITIMER_REAL)
        assert (490 < delay <= 500, interval) == (True, 7)
        assert signal.getsignal(signal.SIGALRM) is own
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


@pytest.mark.slow
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("where", ["main", "thread"])
def test_an_import_is_finished_first(where, tmp_path, monkeypatch):
    name = f"slow_import_{where}"
    (tmp_path / f"{name}.py").write_text("import time\ntime.sleep(0.8)\ndone = True\n")
    monkeypatch.syspath_prepend(tmp_path)

    def answer(t, d):
        __import__(name)
        loop()

    run = in_thread if where == "thread" else lambda work: work()
    found = run(lambda: checks.check_sinusoidal_embedding(answer))
    assert found.messages[0].startswith("Too slow")
    assert sys.modules.pop(name).done


def test_interrupts_pass_wherever_they_come(monkeypatch):
    """While the message of an error is made, and while the code is looked at."""

    class InterruptingError(Exception):
        def __str__(self):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checks.check_sinusoidal_embedding(raising(InterruptingError()))
    monkeypatch.setattr(run, "gaps", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        ask(raising(Wrong("This is wrong.")))
