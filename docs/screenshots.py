"""Takes the screenshots of docs/browse.md in headless Chromium: ``python docs/screenshots.py RECIPE [--workspace W]``, of a
finished demo. Fails where the page logs an error. Look at each picture before it is committed."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

DOCS = Path(__file__).parent
sys.path.append(str(DOCS.parent / "tests"))

from support.chromium import chromium, errors  # noqa: E402
from support.servers import serving  # noqa: E402

from dataengine.browse.page.content import content  # noqa: E402
from dataengine.browse.page.server import BrowseServer  # noqa: E402

_LARGEST = 300_000
_LOADED = """
const all = [...document.images].filter(i => { const r = i.getBoundingClientRect(); return r.width && r.top < innerHeight; });
return all.length && all.every(i => i.complete)
"""


def until(browser: WebDriver, condition: Callable[[WebDriver], object]) -> None:
    WebDriverWait(browser, 60).until(condition)


def opened(browser: WebDriver, address: str, dark: bool = False, phone: bool = False) -> None:
    """The page, in these colours, as wide as a desktop's or a phone's."""
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    size = {"width": 390 if phone else 1280, "height": 844 if phone else 860}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})  # type: ignore[attr-defined]
    metrics = {**size, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)  # type: ignore[attr-defined]
    browser.get("about:blank")
    browser.get(address)
    until(browser, lambda b: " of " in b.find_element(By.ID, "count").text)


def take(browser: WebDriver, name: str) -> None:
    """Write the window as DOCS/NAME.jpg, of less than _LARGEST bytes."""
    until(browser, lambda b: b.execute_script(_LOADED))
    time.sleep(0.5)
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    path = DOCS / f"{name}.jpg"
    for quality in range(88, 30, -6):
        picture.save(path, "JPEG", quality=quality, optimize=True)
        if path.stat().st_size < _LARGEST:
            break
    if logged := errors(browser):
        raise SystemExit(f"{name}: the page has logged {logged}")
    print(f"{path}: {path.stat().st_size:,} bytes")


def show(browser: WebDriver, words: str, wanted: str) -> None:
    """Open the first input that has these words, and wait for a part of its life page."""
    browser.find_element(By.ID, "words").send_keys(words)
    until(browser, lambda b: words in b.find_element(By.CSS_SELECTOR, ".card").text)
    browser.find_element(By.CSS_SELECTOR, ".card").click()
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, wanted))


def shoot(browser: WebDriver, server: BrowseServer) -> None:
    opened(browser, server.address)
    browser.find_element(By.CSS_SELECTOR, "#column option[value=blur]").click()
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "#bars .all"))
    take(browser, "browse")
    opened(browser, server.address)
    show(browser, "concert/band.mp4", ".still")
    take(browser, "browse-video")
    opened(browser, server.address, dark=True)
    browser.find_element(By.ID, "tab-records").click()
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "#records-facets [data-facet=grade]"))
    browser.find_element(By.CSS_SELECTOR, "#records-facets [data-facet=outcome][data-value=kept]").click()
    until(browser, lambda b: b.find_elements(By.CSS_SELECTOR, "#records-chosen button"))
    take(browser, "browse-records")
    opened(browser, server.address, phone=True)
    show(browser, "animals/cheetah-cub.jpg", ".pair")
    take(browser, "browse-phone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("--workspace")
    options = parser.parse_args()
    with content(options.recipe, options.workspace) as shown, chromium() as browser:
        server = BrowseServer(shown, options.recipe, "127.0.0.1", 0)
        with serving(server):
            shoot(browser, server)


if __name__ == "__main__":
    main()
