"""The built book in a browser: served, or opened as files, and watched while it loads."""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import BrowserContext, Page, Response

from tests.book.built import HTML, PAGES

EVERY_PAGE = (*PAGES, "search", "genindex", "404")
# One of each kind.
SOME_PAGES = (
    "index",
    "exercise-3",
    "exercise-4",
    "museum",
    "desk",
    "contributing",
    "search",
    "404",
)
# Kept from the first moment on: how far the layout has moved, and what the policy forbade.
WATCH = """
window.watched = { shift: 0, forbidden: [] };
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) watched.shift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
addEventListener("securitypolicyviolation", (event) => {
  watched.forbidden.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`);
});
"""
# Reading either of them is an error, as where a browser keeps nothing.
STORAGE_FORBIDDEN = """
for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, {
    configurable: true,
    get() { throw new DOMException("forbidden", "SecurityError"); },
  });
}
"""
# As where a browser shows what it kept, and keeps no more.
STORAGE_FULL = """
Storage.prototype.setItem = () => { throw new DOMException("full", "QuotaExceededError"); };
"""


def as_file(name: str) -> str:
    """Address of a built page in its folder."""
    return (HTML / f"{name}.html").as_uri()


class Quiet(SimpleHTTPRequestHandler):
    """A plain static server that keeps no log."""

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def served() -> Iterator[str]:
    """Address of the built book on a plain static server."""
    handler = functools.partial(Quiet, directory=HTML)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@dataclass
class Visit:
    """A page that was opened, with what it asked for and what it complained of.

    Attributes:
        page: the browser's page.
        asked: addresses that it asked for.
        sizes: for each answer, its size in bytes as the server has it.
        complaints: errors and warnings in the console, and errors of scripts.
    """

    page: Page
    asked: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)

    def open(self, address: str) -> "Visit":
        """Go there, and wait until nothing more is asked for."""
        answers: list[Response] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("response", lambda answer: answers.append(answer))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda message: (
                message.type in ("error", "warning") and self.complaints.append(message.text)
            ),
        )
        self.page.goto(address, wait_until="networkidle")
        if address.startswith("http"):
            self.sizes = {answer.url: len(answer.body()) for answer in answers}
        return self

    @property
    def shift(self) -> float:
        """How far the layout has moved, as browsers count it."""
        return self.page.evaluate("watched.shift")

    @property
    def forbidden(self) -> list[str]:
        """What the policy forbade."""
        return self.page.evaluate("watched.forbidden")


@contextmanager
def visit(context: BrowserContext, address: str) -> Iterator[Visit]:
    """A page of a context, opened and watched."""
    page = context.new_page()
    page.add_init_script(WATCH)
    yield Visit(page).open(address)
    page.close()
