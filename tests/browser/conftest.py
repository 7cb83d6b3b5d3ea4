"""What the tests in a browser share: the browser, and the built book on a server."""

import pytest

from tests.browser.chromium import browser
from tests.browser.desk import Desk
from tests.browser.site import served


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def site():
    with served() as address:
        yield address


@pytest.fixture
def open_desk(chromium, site):
    """Opens the desk, or another page with one of its tools, in a window of its own."""
    contexts = []

    def start(address=None, **options):
        contexts.append(
            chromium.new_context(**{"viewport": {"width": 1300, "height": 900}, **options})
        )
        return Desk(contexts[-1].new_page(), address or f"{site}/desk.html")

    yield start
    for context in contexts:
        context.close()
