"""The browser that drives the tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser

from tools import browser as tool


@contextmanager
def browser() -> Iterator[Browser]:
    """Headless Chromium; where there is none, the test fails with what to install."""
    try:
        with tool.browser() as chromium:
            yield chromium
    except tool.NoBrowserError as error:
        pytest.fail(str(error), pytrace=False)
