"""The browser in which tests look at pages, if there is one."""

import contextlib
import shutil

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# Not at home in a container as root, nor without a network, unless told:
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@contextlib.contextmanager
def launched():
    """A headless browser; where there is none, the test is skipped."""
    if BROWSER is None:
        pytest.skip("no chromium or chrome on PATH")
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def watched_page(browser, width, height, alarming=("error",)):
    """A page of this size, and a list of what goes wrong in it: requests that leave the machine, alarming messages."""
    page, problems = browser.new_page(viewport={"width": width, "height": height}), []
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or problems.append(request.url))
    page.on("console", lambda message: message.type in alarming and problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    return page, problems
