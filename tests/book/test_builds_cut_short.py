"""After a build that failed, was ended, or met a change while it ran, the next one is sound."""

import shutil
import time

import pytest

from tests.book.tiny import ONE, TOY, TWO, Tiny

pytestmark = pytest.mark.weekly

# As a terminal does: to the process that runs the page, and to the one that builds the book.
PATIENCE = 60
CTRL_C = f"""import psutil, signal, time
worker = psutil.Process().parent()
for process in (worker, worker.parent()):
    process.send_signal(signal.SIGINT)
time.sleep({PATIENCE})
"""
# As somebody who saves the page while it runs; a page itself must not write into the repository.
EDIT = """print("in the book:", os.environ.get("CONDLESSON_BOOK"))
import subprocess
subprocess.run(["sed", "-i", "s/twic[e](4)/twice(5)/", "one.md"], check=True)
"""


@pytest.fixture
def tiny(tmp_path):
    return Tiny(tmp_path / "book")


@pytest.mark.fault(
    "a page failed in the last build",
    "it fails again until it is mended, and no other page runs",
)
def test_a_page_that_failed_is_not_kept_and_fails_again(tiny):
    tiny.change(ONE, "print(", "1 / 0; print(")
    sound, ran, output = tiny.build()
    assert not sound
    assert ran == ["index", "one", "two"]
    assert "one.md, line 12, code cell 1: ZeroDivisionError: division by zero" in output
    sound, ran, output = tiny.build()
    assert (sound, ran) == (False, ["one"]), output
    tiny.change(ONE, "1 / 0; ", "")
    sound, ran, output = tiny.build()
    assert (sound, ran) == (True, ["one"]), output
    tiny.change(ONE, "print(", "1 / 0; print(")
    assert not tiny.build()[0]
    tiny.change(ONE, "1 / 0; ", "")
    sound, ran, output = tiny.build()  # nothing else was forgotten
    assert (sound, ran) == (True, []), output
    assert "0 added, 1 changed" in output


@pytest.mark.fault(
    "another page fails, or Ctrl-C comes, after a page has run",
    "the next build shows its new outputs",
)
@pytest.mark.parametrize("fault", ["1 / 0\n", f"import time; time.sleep(8)\n{CTRL_C}"])
def test_a_page_that_ran_in_a_build_that_failed_is_shown_by_the_next_one(tiny, fault):
    assert tiny.build()[0]
    tiny.change(f"{TOY}/direct.py", "TWO * x", "TWO + 100")
    tiny.change(TWO, "import os\n", f"import os\n{fault}")
    sound, ran, output = tiny.build()
    assert not sound
    assert "one" in ran
    tiny.change(TWO, fault, "")
    sound, ran, output = tiny.build()
    assert (sound, ran) == (True, []), output
    assert "one shows 102" in tiny.shown("one.html")


def test_a_check_of_links_keeps_nothing_from_the_site(tiny):
    assert tiny.build()[0]
    tiny.change(f"{TOY}/direct.py", "TWO * x", "TWO + 100")
    tiny.change(TWO, "# Page two", "# Page duo")
    sound, ran, output = tiny.build("links")
    assert (sound, ran) == (True, ["one"]), output
    sound, ran, output = tiny.build()
    assert (sound, ran) == (True, []), output
    assert "one shows 102" in tiny.shown("one.html")
    assert "Page duo" in tiny.shown("one.html")


@pytest.mark.fault("a file of the cache is cut short or gone", "its page runs again")
def test_outputs_that_somebody_took_from_the_cache_are_made_again(tiny):
    assert tiny.build()[0]
    kept = sorted((tiny.folder / "_build" / ".jupyter_cache").rglob("base.ipynb"))
    assert len(kept) == 3
    kept[0].write_text(kept[0].read_text()[:100])  # as a full disk leaves it
    shutil.rmtree(kept[1].parent)
    for expected in (2, 0):
        sound, ran, output = tiny.build()
        assert (sound, len(ran)) == (True, expected), output


@pytest.mark.fault(
    "a folder changes while a page reads it",
    "the page runs again in the next build",
)
def test_a_folder_that_changed_while_a_page_ran_makes_it_run_again(tiny):
    touch = 'import subprocess\nsubprocess.run(["touch", recorded / "z"], check=True)'
    tiny.change(TWO, "print(", f"names = list(recorded.iterdir())\n{touch}\nprint(")
    for expected in (["index", "one", "two"], ["two"], []):
        sound, ran, output = tiny.build()
        assert (sound, ran) == (True, expected), output


@pytest.mark.fault("a page is saved while it runs", "it runs again")
def test_a_page_that_changed_while_it_ran_runs_again(tiny):
    tiny.change(ONE, "import os\n", f"import os\n{EDIT}")
    sound, _, output = tiny.build()
    assert sound, output
    assert "one shows 10" in tiny.shown("one.html")
    assert "in the book: 1" in tiny.shown("one.html")  # also where MyST-NB ran it
    tiny.change(ONE, "import os", ":tags: [hide-input]\n\nimport os")
    for expected in (["one"], []):
        sound, ran, output = tiny.build()
        assert (sound, ran) == (True, expected), output
        assert "one shows 10" in tiny.shown("one.html")


@pytest.mark.fault("Ctrl-C while pages run", "the build ends at once, and the next one is sound")
def test_ctrl_c_ends_a_build_at_once_and_the_next_one_is_sound(tiny):
    tiny.change(ONE, "import os\n", f"import os\n{CTRL_C}")
    begun = time.monotonic()
    sound, ran, output = tiny.build()
    assert not sound
    assert "Interrupted!" in output
    assert time.monotonic() - begun < PATIENCE
    tiny.change(ONE, CTRL_C, "")
    sound, ran, output = tiny.build()
    assert sound, output
    assert "one" in ran


def test_only_the_page_that_a_warning_is_about_is_read_again(tiny):
    assert tiny.build()[0]
    tiny.change(ONE, "Some words.", "See {ref}`nowhere`.")
    for _ in range(2):  # the second time it fails although nothing changed
        sound, ran, output = tiny.build()
        assert (sound, ran) == (False, []), output
        assert "nowhere" in output
        assert "0 added, 1 changed" in output
    tiny.change(ONE, "{ref}`nowhere`", "{ref}`place`")
    sound, ran, output = tiny.build()
    assert (sound, ran) == (True, []), output
    assert "0 added, 1 changed" in output
