"""The browse page as a researcher uses it, in headless Chromium, over a finished run and over its release alone."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait
from support.chromium import chromium, errors
from support.servers import serving
from support.small_corpus import BAD, INPUTS, Setup

from dataengine.browse.page.filters import Filters
from dataengine.browse.page.inputs_table import InputsTable
from dataengine.browse.page.nearest import Nearest
from dataengine.browse.page.pictures import Pictures
from dataengine.browse.page.server import BrowseServer
from dataengine.browse.session import opened

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=\"document.title='taken over'\"> ' OR 1=1 --"


@contextmanager
def served(place: str, workspace: str | None = None) -> Iterator[BrowseServer]:
    with opened(place, workspace) as session, Pictures(session) as pictures:
        server = BrowseServer(InputsTable(session), pictures, Nearest(place, workspace), HOSTILE, "127.0.0.1", 0)
        with serving(server):
            yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with chromium() as driver:
        yield driver


@pytest.fixture(scope="module")
def server(base: Setup) -> Iterator[BrowseServer]:
    with served(str(base.recipe), base.workspace) as running:
        yield running


def wait(browser: WebDriver, text: str) -> None:
    """Until the page counts ``text``."""
    WebDriverWait(browser, 20).until(lambda b: b.find_element(By.ID, "count").text == text)


def opened_page(browser: WebDriver, server: BrowseServer) -> None:
    browser.get("about:blank")
    browser.get(server.address)
    wait(browser, f"{INPUTS} of {INPUTS}")


def test_all_inputs_with_pictures_and_no_script_error(browser: WebDriver, server: BrowseServer) -> None:
    errors(browser)
    opened_page(browser, server)
    cards = browser.find_elements(By.CSS_SELECTOR, ".card")
    assert len(cards) == INPUTS and browser.title == "Browse · dataengine"
    loaded = "return [...document.images].every(i => i.complete && i.naturalWidth > 20) && document.images.length"
    browser.execute_script("for (const one of document.images) one.loading = 'eager'")
    pictures = WebDriverWait(browser, 30).until(lambda b: b.execute_script(loaded))
    assert pictures == INPUTS - len(BAD)
    assert errors(browser) == []
    if place := os.environ.get("SCREENSHOT"):
        browser.save_screenshot(place)


def test_a_facet_a_search_and_a_histogram_narrow_the_grid(browser: WebDriver, server: BrowseServer) -> None:
    opened_page(browser, server)
    browser.find_element(By.CSS_SELECTOR, "[data-facet=outcome][data-value=failed]").click()
    wait(browser, f"{len(BAD)} of {INPUTS}")
    shown = {
        node.get_attribute("data-value") for node in browser.find_elements(By.CSS_SELECTOR, "[data-facet=failure]")
    }
    assert shown == set(BAD.values())
    browser.find_element(By.ID, "words").send_keys("CUT-OFF")
    wait(browser, f"1 of {INPUTS}")
    address = browser.current_url
    browser.get("about:blank")
    browser.get(address)
    wait(browser, f"1 of {INPUTS}")
    box = browser.find_element(By.ID, "words")
    box.clear()
    box.send_keys(HOSTILE)
    wait(browser, f"0 of {INPUTS}")
    assert browser.title == "Browse · dataengine"

    opened_page(browser, server)
    browser.find_element(By.CSS_SELECTOR, "#column option[value=width]").click()
    WebDriverWait(browser, 10).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#bars .all"))
    bars = browser.find_element(By.ID, "bars")
    assert "side >= 96" in bars.text
    half = bars.size["width"] // 2
    start = ActionChains(browser).move_to_element_with_offset(bars, 5 - half, 0).click_and_hold()
    start.move_by_offset(half, 0).release().perform()
    WebDriverWait(browser, 10).until(lambda b: b.find_element(By.ID, "chosen").text.startswith("width"))
    WebDriverWait(browser, 10).until(lambda b: 0 < len(b.find_elements(By.CSS_SELECTOR, ".card")) < INPUTS - len(BAD))


def test_the_life_of_an_input_has_a_permalink_and_its_duplicates(browser: WebDriver, server: BrowseServer) -> None:
    opened_page(browser, server)
    browser.find_element(By.ID, "words").send_keys("copies/cheetah-face.jpg")
    wait(browser, f"1 of {INPUTS}")
    browser.find_element(By.CSS_SELECTOR, ".card").click()
    WebDriverWait(browser, 10).until(lambda b: "duplicate" in b.find_element(By.ID, "lines").text)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#group button")) >= 2
    link = browser.find_element(By.ID, "link").get_attribute("href")
    assert link
    browser.get("about:blank")
    browser.get(link)
    WebDriverWait(browser, 10).until(lambda b: "copies/cheetah-face.jpg" in b.find_element(By.ID, "lines").text)
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    WebDriverWait(browser, 10).until(lambda b: not b.find_element(By.ID, "life").is_displayed())


def test_a_rule_is_tried_and_nothing_written(browser: WebDriver, server: BrowseServer) -> None:
    opened_page(browser, server)
    box = browser.find_element(By.ID, "condition")
    box.send_keys("blur >= 1000000", Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda b: "0 after" in b.find_element(By.ID, "tried").text)
    assert "kept → blur" in browser.find_element(By.ID, "grid").text
    box.clear()
    box.send_keys("no_such_column > 1", Keys.ENTER)
    WebDriverWait(browser, 10).until(lambda b: "no_such_column" in b.find_element(By.ID, "error").text)


def test_a_release_alone_shows_what_it_has(base: Setup) -> None:
    with served(f"{base.workspace}/releases/small") as server:
        assert server.table.total == INPUTS
        kept = server.table.page(Filters({"outcome": ("kept",)}), "", False, 0, 200)["rows"]
        kinds = {server.pictures.media(row["id"])[0].partition("/")[0] for row in kept}
        assert kinds == {"image", "video"}
        assert all(server.pictures.thumbnail(row["id"]).startswith(b"\xff\xd8") for row in kept)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/about", 200),
        ("/api/rows?filters=%7B%22values%22%3A1%7D", 400),
        ("/api/rows?sort=no_such", 400),
        ("/api/rows?offset=-1", 400),
        ("/api/histogram?column=uri", 400),
        ("/api/input/none", 404),
        ("/api/nearest?text=cat", 409),
        ("/api/nothing", 404),
        ("/media/..%2F..%2Fetc%2Fpasswd", 404),
        ("/thumbnail/none", 404),
        ("/../page.js", 404),
    ],
)
def test_requests(server: BrowseServer, path: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    connection.request("GET", path, headers={"Cookie": f"browse-{server.server_address[1]}={server.token}"})
    reply = connection.getresponse()
    body = json.loads(reply.read())
    connection.close()
    assert reply.status == status and ("error" in body) == (status != 200)
    connection.request("GET", path)
    assert connection.getresponse().status == 403
    connection.close()
