"""JupyterLab as a learner meets it: a server in its own folder, driven in headless Chromium."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Locator, Page

TOKEN = "a-learner"
SETTINGS = {
    # All cells in the page, not only those on the screen.
    "notebook-extension/tracker": {"windowingMode": "none"},
    # No request to anywhere, and no question about it.
    "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false"},
}
MINUTE = 60_000  # Playwright counts milliseconds
PROMPT = ".jp-Notebook .jp-CodeCell .jp-InputPrompt"
# A cell that waits its turn shows [*], one that has run shows [3].
HAS_RUN = """([selector, before]) => {
    const prompts = [...document.querySelectorAll(selector)].map(prompt => prompt.innerText);
    const raised = [...document.querySelectorAll(".jp-OutputArea-output")].some(
        output => output.innerText.includes("Traceback (most recent call last)"));
    return !prompts.includes("[*]:") && (prompts.at(-1) != before || raised);
}"""


@contextmanager
def server(folder: Path, home: Path) -> Iterator[str]:
    """JupyterLab on the notebooks of a folder; yields its address. What it writes goes to home."""
    address = f"http://127.0.0.1:{_free_port()}"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.port={address.rsplit(':')[-1]}", "--ServerApp.port_retries=0"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, env=_environment(home), stdout=log, stderr=log)
        try:
            _wait_for(f"{address}/api/status?token={TOKEN}", process, home / "log")
            yield address
        finally:
            _stop(process)


def _stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:  # it waits for requests that a closed browser left behind
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _environment(home: Path) -> dict[str, str]:
    """The environment with Jupyter's and IPython's folders under home, and the settings in it."""
    settings = home / "lab" / "user-settings"
    for name, values in SETTINGS.items():
        path = settings / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    kinds = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    folders = {kind: str(home / kind.lower()) for kind in kinds}
    folders |= {"JUPYTERLAB_SETTINGS_DIR": str(settings)}
    folders |= {"JUPYTERLAB_WORKSPACES_DIR": str(home / "lab" / "workspaces")}
    return {**os.environ, **folders}


def _wait_for(url: str, process: subprocess.Popen, log: Path, seconds: int = 60) -> None:
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urlopen(url, timeout=5).close()
            return
        except URLError:
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-2000:]}", pytrace=False)


class Session:
    """A notebook that is open in JupyterLab, with a kernel that is ready.

    Args:
        page: a page of the browser.
        address: where the server is.
        folder: the folder that it shows.
        path: the notebook in there.
    """

    def __init__(self, page: Page, address: str, folder: Path, path: str) -> None:
        self.page = page
        page.set_default_timeout(MINUTE)
        page.goto(f"{address}/lab/tree/{path}?token={TOKEN}&reset")
        cells = json.loads((folder / path).read_text())["cells"]
        code = sum(cell["cell_type"] == "code" for cell in cells)
        page.locator(PROMPT).nth(code - 1).wait_for()  # cells appear one after the other
        page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()

    def cell(self, text: str) -> Locator:
        """The first code cell whose code holds the text."""
        return (
            self.page.locator(".jp-Notebook .jp-CodeCell")
            .filter(has=self.page.locator(".jp-InputArea-editor", has_text=text))
            .first
        )

    def fill(self, text: str, code: str) -> None:
        """Write code over that of the first cell that holds the text."""
        self.cell(text).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(code)

    def run_all(self) -> None:
        """Run all cells from the menu, and wait until the last one has run or one has raised."""
        before = self.page.locator(PROMPT).last.inner_text()
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(HAS_RUN, arg=[PROMPT, before], timeout=5 * MINUTE)

    def output(self, text: str) -> str:
        """What is shown below the first cell whose code holds the text."""
        return "\n".join(self.cell(text).locator(".jp-OutputArea-output").all_inner_texts())

    def outputs(self) -> str:
        """What is shown below all cells."""
        return "\n".join(self.page.locator(".jp-OutputArea-output").all_inner_texts())
