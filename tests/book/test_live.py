"""`make live`: a save is on the open page within seconds; a broken one keeps the last good page."""

import http.client
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import closing, contextmanager, suppress

import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.book.built import ROOT
from tests.book.test_broken_builds import tiny_book

pytestmark = pytest.mark.slow

TEXT = "Some words.\n\n```{code-cell} ipython3\n6 * 7\n```"
SECONDS = 3  # of the processor, from a save to the page; a busy machine takes longer
PATIENCE = 60  # for a build that may take as long as it likes


@pytest.fixture
def folder(tmp_path):
    """A book of one page, and all that is watched."""
    tiny_book(tmp_path, TEXT)
    (tmp_path / "src").mkdir()
    (tmp_path / "CONTRIBUTING.md").touch()
    (tmp_path / "tools" / "live.py").write_bytes((ROOT / "tools" / "live.py").read_bytes())
    return tmp_path


@contextmanager
def live(folder):
    """`make live` in a folder; gives the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}"}
    command = [sys.executable, "-m", "tools.live", str(port)]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        try:
            assert any(line.startswith(b"Serving on") for line in server.stdout)
            wait_for(port)
            yield port, psutil.Process(server.pid)
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
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.html") as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def spent(server):
    """Seconds of the processor that builds have taken which are over."""
    times = server.cpu_times()
    return times.children_user + times.children_system


def save(port, page, old, new):
    """Change a page as an editor does; the page as it is after the reload."""
    with connect(f"ws://127.0.0.1:{port}/websocket-reload") as socket_of_page:
        text = page.read_text()
        assert old in text
        page.write_text(text.replace(old, new))
        assert socket_of_page.recv(timeout=PATIENCE) == "refresh"
        return get(port)


@pytest.mark.weekly
@pytest.mark.fault(
    "a page is saved broken under `make live`",
    "the last good page stays, and the fault is told",
)
def test_a_save_is_shown_and_a_broken_one_keeps_the_last_good_page(folder):
    page = folder / "book" / "index.md"
    with live(folder) as (port, server):
        assert "Some words" in get(port)
        for old, new in (("Some words", "Other words"), ("Other words", "New words")):
            before = spent(server)
            shown = save(port, page, old, new)
            assert new in shown
            assert "build-fault" not in shown
        assert spent(server) - before < SECONDS
        shown = save(port, page, "New words", "See {ref}`no-such-label`")
        assert "New words" in shown
        assert "no-such-label" in shown.partition("build-fault")[2]
        shown = save(port, page, "See {ref}`no-such-label`", "Mended words")
        assert "Mended words" in shown
        assert "build-fault" not in shown
        shown = save(port, page, "6 * 7", "6 / 0")
        assert "Mended words" in shown
        assert "ZeroDivisionError" in shown.partition("build-fault")[2]
        shown = save(port, page, "6 / 0", "6 * 7")
        assert "build-fault" not in shown
        shown = save(port, folder / "_config.yml", "title: How", "title: [How")
        assert "Mended words" in shown
        assert "close brackets" in shown.partition("build-fault")[2]
        shown = save(port, folder / "_config.yml", "title: [How", "title: How")
        assert "build-fault" not in shown


@pytest.mark.weekly
@pytest.mark.fault("the first build of `make live` fails", "the page says why until it is mended")
def test_a_first_build_that_fails_shows_why_and_the_page_once_it_is_mended(folder):
    page = folder / "book" / "index.md"
    page.write_text(page.read_text().replace("Some words", "See {ref}`no-such-label`"))
    with live(folder) as (port, _):
        assert "no-such-label" in get(port).partition("build-fault")[2]
        shown = save(port, page, "See {ref}`no-such-label`", "Mended words")
        assert "Mended words" in shown
        assert "build-fault" not in shown
        assert "No page yet" not in (folder / "_build" / "live" / "404.html").read_text()


@pytest.mark.weekly
@pytest.mark.fault("another site asks `make live` for the book", "it is turned away")
def test_another_site_gets_nothing(folder):
    with live(folder) as (port, _):
        for headers, status in (
            ({"Host": "evil.example"}, 400),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": f"http://127.0.0.1:{port}"}, 200),
        ):
            with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
                connection.request("GET", "/index.html", headers=headers)
                answer = connection.getresponse()
                answer.read()
                assert answer.status == status
        address = f"ws://127.0.0.1:{port}/websocket-reload"
        with pytest.raises(InvalidStatus):
            connect(address, additional_headers={"Origin": "https://evil.example"})


@pytest.mark.parametrize(
    ("port", "said"), [("abc", "got 'abc'"), ("0", "got '0'"), ("70000", "got '70000'")]
)
def test_a_port_that_is_none_is_refused_before_anything_is_built(folder, port, said):
    assert said in refused(folder, port)
    assert not (folder / "_build").exists()


@pytest.mark.fault("the port is in use", "it is refused before anything is built")
def test_a_port_in_use_is_refused_before_anything_is_built(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "PORT must be free" in refused(folder, str(taken.getsockname()[1]))
    assert not (folder / "_build").exists()


def refused(folder, port):
    done = subprocess.run(
        [sys.executable, "-m", "tools.live", port],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr
