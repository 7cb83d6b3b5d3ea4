"""A build that is killed, or that cannot write, leaves nothing that the next takes for whole."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.book.built import ROOT
from tests.book.test_same_bytes import contents
from tests.book.tiny import Tiny
from tests.conftest import no_file_longer_than, outside_make

pytestmark = [pytest.mark.weekly, pytest.mark.unsampled]

SEEDS = range(6)


def kill_build(tiny, seconds):
    """Begin a build, and kill it with all that it started, unless it ends before."""
    tiny.log.write_text("")
    sources = f"{tiny.folder / 'src'}{os.pathsep}{ROOT / 'src'}"
    process = subprocess.Popen(
        ["make", "-o", f"{sys.prefix}/.installed", "html", f"VENV={sys.prefix}"],
        cwd=tiny.folder,
        env=outside_make() | {"PYTHONPATH": sources},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The site of a build that nobody disturbed, and the seconds that it took."""
    tiny = Tiny(tmp_path_factory.mktemp("whole") / "book")
    begun = time.monotonic()
    sound, _, output = tiny.build()
    assert sound, output
    return contents(tiny.folder / "_build" / "html"), time.monotonic() - begun


@pytest.mark.fault(
    "a build is killed at a random moment, with all that it started",
    "the next one gives the same bytes, and nothing need be cleaned by hand",
)
@pytest.mark.parametrize("seed", SEEDS)
def test_the_build_after_a_kill_gives_the_same_site(seed, whole, tmp_path):
    site, seconds = whole
    chance = random.Random(seed)
    tiny = Tiny(tmp_path / "book")
    for _ in range(chance.choice((1, 2))):
        kill_build(tiny, chance.uniform(0.1, 1) * seconds)
    sound, _, output = tiny.build()
    assert sound, output
    assert contents(tiny.folder / "_build" / "html") == site


@pytest.mark.fault(
    "the disk is full while the book is built",
    "the build fails and says so, and the next one gives the same bytes when there is room",
)
@pytest.mark.parametrize("longest", [100, 3_000, 20_000, 60_000, 400_000])
def test_the_build_after_a_full_disk_gives_the_same_site(longest, whole, tmp_path):
    tiny = Tiny(tmp_path / "book")
    with no_file_longer_than(longest):
        sound, _, output = tiny.build()
    assert not sound
    assert re.search("File too large|disk I/O error|Is the disk full", output), output
    sound, _, output = tiny.build()
    assert sound, output
    assert contents(tiny.folder / "_build" / "html") == whole[0]
