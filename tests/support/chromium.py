"""A headless Chromium for tests of pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver


@contextmanager
def chromium(size: str = "1280,860") -> Iterator[WebDriver]:
    """A browser with a window of that size, closed at the end; what its pages log is kept."""
    options = webdriver.ChromeOptions()
    for option in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={size}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=_path("chromedriver"))
    options.binary_location = _path("chromium")
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def _path(name: str) -> str:
    paths = [Path(folder, name) for folder in os.environ["PATH"].split(":")]
    return str(next(path for path in paths if path.exists()))


def errors(browser: WebDriver) -> list[str]:
    """What its pages have logged as errors since they were last read."""
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]  # type: ignore[no-untyped-call]
