"""`make live`: a save is on the open page within seconds; a broken one keeps the last good page."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress

import pytest
from websockets.sync.client import connect

from tests.book.built import ROOT
from tests.book.test_broken_builds import tiny_book

pytestmark = pytest.mark.slow

TEXT = "Some words.\n\n```{code-cell} ipython3\n6 * 7\n```"
SECONDS = 3  # from a save to the page, as CONTRIBUTING.md says
PATIENCE = 60  # for a build that may take as long as it likes


@contextmanager
def live(folder):
    """`make live` in a folder; gives the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
    arguments = ["book", "--config", "_config.yml", "--toc", str(folder / "_toc.yml")]
    arguments += ["--path-output", ".", "-n", "-W", "--keep-going"]
    command = [sys.executable, "-m", "tools.live", str(port), *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        try:
            assert any(line.startswith(b"Serving on") for line in server.stdout)
            wait_for(port)
            yield port
        finally:
            server.kill()


def wait_for(port):
    """Wait until somebody listens there."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    pytest.fail(f"nobody listens on port {port}.")


def get(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html") as answer:
        return answer.read().decode()


def save(port, page, old, new):
    """Change a page as an editor does; the page as it is after the reload, and the seconds."""
    with connect(f"ws://127.0.0.1:{port}/websocket-reload") as socket_of_page:
        text = page.read_text()
        assert old in text
        begun = time.perf_counter()
        page.write_text(text.replace(old, new))
        assert socket_of_page.recv(timeout=PATIENCE) == "refresh"
        return get(port), time.perf_counter() - begun


def test_a_save_is_shown_and_a_broken_one_keeps_the_last_good_page(tmp_path):
    page = tiny_book(tmp_path, TEXT) / "book" / "index.md"
    for name in ("src", "tools"):
        (tmp_path / name).mkdir()
    (tmp_path / "tools" / "live.py").write_bytes((ROOT / "tools" / "live.py").read_bytes())
    with live(tmp_path) as port:
        assert "Some words" in get(port)
        for old, new in (("Some words", "Other words"), ("Other words", "New words")):
            shown, seconds = save(port, page, old, new)
            assert new in shown
            assert "build-fault" not in shown
        assert seconds < SECONDS
        shown, _ = save(port, page, "New words", "See {ref}`no-such-label`")
        assert "New words" in shown
        assert "no-such-label" in shown.partition("build-fault")[2]
        shown, _ = save(port, page, "See {ref}`no-such-label`", "Mended words")
        assert "Mended words" in shown
        assert "build-fault" not in shown
        shown, _ = save(port, page, "6 * 7", "6 / 0")
        assert "Mended words" in shown
        assert "ZeroDivisionError" in shown.partition("build-fault")[2]
