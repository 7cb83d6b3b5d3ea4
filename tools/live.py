"""Serve the book while somebody writes it: each save rebuilds it and reloads the open page.

python -m tools.live PORT

sphinx-autobuild watches and serves. It would run `sphinx-build` anew each time, which takes seconds
to load what a build needs. Here that is loaded once, and each build is a child of this process.
A saved sentence is on the open page within three seconds. What is served is a copy of the last
build that succeeded. After one that failed, its message stands above the page.
"""

import contextlib
import gc
import html
import importlib
import io
import multiprocessing
import re
import shutil
import socket
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import uvicorn
from sphinx_autobuild.filter import IgnoreFilter
from sphinx_autobuild.middleware import JavascriptInjectorMiddleware
from sphinx_autobuild.server import RebuildServer
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from tools.build import BUILD, alone
from tools.run_book import run_book

HOST = "127.0.0.1"
BUILT, SERVED, FAULT = Path("_build/html"), Path("_build/live"), Path("_build/live-fault.txt")
WATCHED = ("book", "src", "CONTRIBUTING.md", "_config.yml", "_toc.yml", "requirements.txt")
IGNORED = r"__pycache__|\.ipynb_checkpoints|/\.[^/]*$|~$"
# What a build loads and nobody changes: nothing of the repository.
LOADED = (
    *("torch", "jupytext", "math_core", "jupyter_book.cli.main", "jupyter_book.sphinx"),
    *("myst_nb.sphinx_ext", "jupyter_cache.executors.basic", "sphinx_external_toc"),
    *("sphinx_book_theme", "sphinxcontrib.bibtex", "sphinx.ext.autodoc", "sphinx.ext.napoleon"),
    *("sphinx.builders.html", "sphinx_thebe", "sphinx_comments", "sphinx_copybutton"),
    *("sphinx_design", "sphinx_togglebutton", "sphinx_jupyterbook_latex"),
)
# It would forbid the script that reloads a page.
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
NO_PAGE = "<!DOCTYPE html><html><head><title>No page yet</title></head><body></body></html>"
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class Both(io.StringIO):
    """Keeps what is written, and passes it on."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self.stream = stream

    def write(self, text: str) -> int:
        """Write to both."""
        self.stream.write(text)
        self.stream.flush()
        return super().write(text)


class Injector(JavascriptInjectorMiddleware):
    """Adds to each page the script that reloads it, and what is wrong with the last build."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        self.reload = getattr(self, "reload", self.script)
        self.script = self.reload + notice().encode()
        await super().__call__(scope, receive, send)


class SameOrigin:
    """Turns away what a page of another site asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or say 403; a socket is closed before it opens."""
        headers = Headers(scope=scope) if scope["type"] in ("http", "websocket") else {}
        origin = headers.get("origin")
        if origin is None or origin.partition("://")[2] == headers.get("host"):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse("This page is for its own site.", 403)(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).close(1008)


class Rebuild:
    """Builds the book; called in a child of the process that loaded the modules."""

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments

    def __call__(self, *, changed_paths: Sequence[Path]) -> None:
        """Build, and serve what came out if it is sound."""
        # It looks at all objects that there are, and one of PyTorch's is deprecated.
        warnings.filterwarnings("ignore", module="sphinx_external_toc")
        started = time.perf_counter()
        said = Both(sys.stderr)
        try:
            with alone(), contextlib.redirect_stderr(said):
                run_book(*self.arguments)
        except (Exception, SystemExit) as error:
            if not isinstance(error, SystemExit):  # which has told already
                print(f"{type(error).__name__}: {error}", file=said)
            FAULT.write_text(COLOURS.sub("", said.getvalue()) or "The build failed.")
            print("The build failed. The pages of the last sound one are served still.")
        else:
            copy(BUILT, SERVED)
            FAULT.unlink(missing_ok=True)
            print(f"Built in {time.perf_counter() - started:.1f} s.")


def copy(source: Path, target: Path) -> None:
    """Copy the files that differ in time or size, with their times; pages without their policy.

    What is not in the source is removed.
    """
    for path in target.rglob("*"):
        if path.is_file() and not (source / path.relative_to(target)).exists():
            path.unlink()
    for path in source.rglob("*"):
        if path.is_dir():
            continue
        there = target / path.relative_to(source)
        now, is_page = path.stat(), path.suffix == ".html"
        if there.exists():
            then = there.stat()
            if then.st_mtime_ns == now.st_mtime_ns and (is_page or then.st_size == now.st_size):
                continue
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, there)
        if is_page:
            there.write_text(POLICY.sub("", path.read_text("utf-8")), "utf-8")
            shutil.copystat(path, there)


def notice() -> str:
    """What the last build complained about, as HTML; empty if it was sound."""
    if not FAULT.exists():
        return ""
    style = (
        "position:fixed;top:0;left:0;right:0;z-index:99999;max-height:60vh;overflow:auto;margin:0;"
        "padding:1rem;background:#fff;color:#900;border-bottom:4px solid #900;white-space:pre-wrap"
    )
    return (
        f'<pre id="build-fault" role="alert" style="{style}">{html.escape(FAULT.read_text())}</pre>'
    )


def check_port(port: str) -> None:
    """End with a message if nobody can serve there."""
    if not port.isdecimal() or not 0 < int(port) < 65536:
        sys.exit(f"PORT must be a number from 1 to 65535, got {port!r}.")
    try:
        socket.create_server((HOST, int(port))).close()
    except OSError as error:
        sys.exit(f"PORT must be free, got {port}: {error.strerror}. Try: make live PORT=8001")


def main(port: str) -> None:
    """Build, serve, and build again after each change, until it is interrupted."""
    check_port(port)
    for name in LOADED:
        importlib.import_module(name)
    gc.freeze()  # the children need not look through what they never change
    SERVED.mkdir(parents=True, exist_ok=True)
    rebuild = Rebuild(BUILD)
    first = multiprocessing.Process(target=rebuild, kwargs={"changed_paths": ()})
    first.start()
    first.join()
    if FAULT.exists() and not (SERVED / "index.html").exists():
        (SERVED / "404.html").write_text(NO_PAGE)  # which carries what is wrong
    server = RebuildServer(list(WATCHED), IgnoreFilter([], [IGNORED]), rebuild)
    app = Starlette(
        routes=[
            WebSocketRoute("/websocket-reload", server),
            Mount("/", app=StaticFiles(directory=SERVED, html=True)),
        ],
        middleware=[
            # Or another site could read what is served here, by a name of its own for this address.
            Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"]),
            Middleware(SameOrigin),
            Middleware(Injector, ws_url=f"{HOST}:{port}"),
        ],
        lifespan=server.lifespan,
    )
    print(f"Serving on http://{HOST}:{port}; stop with Ctrl-C.", flush=True)
    uvicorn.run(app, host=HOST, port=int(port), log_level="warning")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):  # in the first build; uvicorn has its own
        main(*sys.argv[1:])
