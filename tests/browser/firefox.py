"""Firefox without a driver: started headless, and told what to do by WebDriver BiDi.

Source: https://www.w3.org/TR/webdriver-bidi/
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import websocket

NAMES = ("firefox-esr", "firefox")
LISTENS = re.compile(r"WebDriver BiDi listening on (ws://\S+)")
# It fetches the page behind rel=next in advance, unasked. The policy forbids that; nothing is lost.
LOOKS_AHEAD = r"blocked the loading of a resource \(default-src\) at \S+\.html "
# On a busy machine it draws a formula of which a part has come. Whole pages are looked at for that.
HALF_A_FORMULA = r"Invalid markup: Incorrect number of children for <\w+/> tag"
NO_COMPLAINT = re.compile(f"{LOOKS_AHEAD}|{HALF_A_FORMULA}")
SECONDS = 120  # a busy machine starts slowly
PREFERENCES = {  # nothing is asked of the network, and a script may take its time
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.max_script_run_time": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "data:,",
}


class Firefox:
    """One tab of a Firefox that runs.

    Attributes:
        complaints: errors and warnings of scripts since it was last opened.
    """

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(
            f"{address}/session", timeout=SECONDS, suppress_origin=True
        )
        self.number, self.complaints = 0, []
        self.ask("session.new", capabilities={})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self.tab = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **parameters: object) -> dict:
        """Send a command, and wait for its answer."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == self.number:
                break
            told = answer.get("params", {})
            if told.get("level") in ("error", "warn") and not NO_COMPLAINT.search(told["text"]):
                self.complaints.append(told["text"])
        assert answer["type"] == "success", answer
        return answer["result"]

    def open(self, address: str) -> None:
        """Go there, and wait until it is loaded."""
        self.complaints.clear()
        self.ask("browsingContext.navigate", context=self.tab, url=address, wait="complete")

    def reload(self) -> None:
        """Load the page anew, and wait until it is loaded."""
        self.ask("browsingContext.reload", context=self.tab, wait="complete")

    def resize(self, width: int, height: int) -> None:
        """Give the page a window of so many pixels."""
        size = {"width": width, "height": height}
        self.ask("browsingContext.setViewport", context=self.tab, viewport=size)

    def text(self, selector: str) -> str:
        """What an element says, as it is seen."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def until(self, condition: str) -> None:
        """Wait until an expression is true, on this page or the one that comes after it."""
        end = time.monotonic() + SECONDS
        while not self.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < end, f"{condition} must become true within {SECONDS} seconds"
            time.sleep(0.05)

    def evaluate(self, expression: str) -> object:
        """Value of an expression, awaited, by way of JSON."""
        result = self.ask(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": self.tab},
            awaitPromise=True,
        )
        assert result["type"] == "success", result["exceptionDetails"]["text"]
        return json.loads(result["result"]["value"])

    def press(self, *keys: str) -> None:
        """Press keys, each a letter or a code point of WebDriver."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask(
            "input.performActions",
            context=self.tab,
            actions=[{"type": "key", "id": "keys", "actions": actions}],
        )

    def click(self, selector: str) -> None:
        """Click in the middle of an element, wherever it is on the page, as soon as it is there."""
        self.until(f"document.querySelector({json.dumps(selector)})")
        box = self.evaluate(
            "((it) => { it.scrollIntoView({ block: 'center', behavior: 'instant' });"
            " const { x, y, width, height } = it.getBoundingClientRect();"
            f" return [x, y, width, height]; }})(document.querySelector({json.dumps(selector)}))"
        )
        self.drag((box[0] + box[2] / 2, box[1] + box[3] / 2))

    def drag(self, *places: tuple[float, float]) -> None:
        """Drag the pointer along places of the window, in pixels."""
        moves = [{"type": "pointerMove", "x": round(x), "y": round(y)} for x, y in places]
        down, up = ({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp"))
        actions = [moves[0], down, *moves[1:], up]
        self.ask(
            "input.performActions",
            context=self.tab,
            actions=[{"type": "pointer", "id": "mouse", "actions": actions}],
        )


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Firefox with a fresh profile in a folder; where there is none, the test fails."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.fail(f"no Firefox: none of {', '.join(NAMES)} is installed.", pytrace=False)
    lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in PREFERENCES.items()]
    (folder / "user.js").write_text("\n".join(lines))
    command = [program, "--headless", "--no-remote", "--profile", folder]
    said = folder / "said.txt"
    with said.open("w") as file:
        process = subprocess.Popen([*command, "--remote-debugging-port", "0"], stderr=file)
    try:
        started = Firefox(_address(said))
        yield started
        started.socket.close()
    finally:
        process.terminate()
        process.wait()


def _address(said: Path) -> str:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        found = LISTENS.search(said.read_text())
        if found:
            return found[1]
        time.sleep(0.1)
    raise TimeoutError(f"Firefox must listen within {SECONDS} seconds, said: {said.read_text()}")
