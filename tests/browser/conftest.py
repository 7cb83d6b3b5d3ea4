"""What the tests in a browser share: the browser, and the built book on a server."""

import pytest

from tests.browser.chromium import browser
from tests.browser.site import served


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def site():
    with served() as address:
        yield address
