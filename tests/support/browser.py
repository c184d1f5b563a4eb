"""The system's Chromium for tests, driven by Playwright: THECAL_BROWSER, or what PATH has. None is fetched.

Where there is none the tests skip; where THECAL_NEEDS_BROWSER is set (`.ci/run`) that is a failure.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
NEEDED = "THECAL_NEEDS_BROWSER"


def find() -> str:
    """The browser's executable. Skips where there is none, or fails where one has to be."""
    named = os.environ.get("THECAL_BROWSER")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        why = "no browser: install Chromium, or name one in THECAL_BROWSER"
        if os.environ.get(NEEDED):
            pytest.fail(f"{why}, and {NEEDED} is set")
        pytest.skip(why)
    return found


@contextmanager
def launched() -> Iterator[Browser]:
    """One that ends with this; every page of it has a context of its own."""
    path = find()
    sandbox = [] if os.geteuid() else ["--no-sandbox"]  # which root cannot have
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*sandbox, "--disable-gpu", "--force-color-profile=srgb"]
        )
        try:
            yield browser
        finally:
            browser.close()
