"""`make links` finds addresses that do not answer, by page and line, and leaves the site alone."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.book.test_broken_builds import make_html, tiny_book

pytestmark = pytest.mark.slow


class Site(BaseHTTPRequestHandler):
    """Has one page, with one anchor; its script marks lines, as GitHub's does."""

    def do_GET(self):
        body = b'<p id="here">A page.</p>'
        self.send_response(200 if self.path == "/page" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.weekly
def test_dead_links_are_named_and_living_ones_are_not(site, tmp_path):
    living = f"[a]({site}/page) [b]({site}/page#here) [c]({site}/page#L12-L14)"
    tiny_book(tmp_path, living)
    sound = make_html(tmp_path, target="links")
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert not (tmp_path / "_build" / "html").exists()
    tiny = tmp_path / "book" / "index.md"
    tiny.write_text(f"{tiny.read_text()}\n[d]({site}/gone) [e]({site}/page#nowhere)\n")
    found = make_html(tmp_path, target="links")
    assert found.returncode != 0
    report = found.stderr.partition("do not answer:\n")[2]
    named = [line for line in report.splitlines() if "[broken]" in line]
    assert len(named) == 2
    assert all(line.startswith("index.md:") for line in named)
    assert f"{site}/gone" in report
    assert f"{site}/page#nowhere" in report
