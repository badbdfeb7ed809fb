"""The review page as a reviewer uses it, in headless Chromium."""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait
from support.chromium import chromium
from support.review_items import items, media
from support.servers import serving

from dataengine.cot.review.base import Action
from dataengine.cot.review.board import Board
from dataengine.cot.review.decisions import logged, read_decisions
from dataengine.cot.review.server import ReviewServer
from dataengine.storage.store import Store


@pytest.fixture(scope="module")
def browser() -> Iterator[WebDriver]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ReviewServer]:
    running = ReviewServer(Board(items(), Store(tmp_path), "log"), media, "127.0.0.1", 0, "ann")
    with serving(running):
        yield running


def open_page(browser: WebDriver, server: ReviewServer) -> None:
    browser.get(server.address)
    wait(browser, "#work:not([hidden]) .path")
    WebDriverWait(browser, 120).until(lambda b: b.find_element(By.ID, "reviewer").get_property("value") == "ann")


def wait(browser: WebDriver, selector: str) -> None:
    WebDriverWait(browser, 120).until(lambda b: b.find_elements(By.CSS_SELECTOR, selector))


def wait_for(browser: WebDriver, place: str, text: str) -> None:
    WebDriverWait(browser, 120).until(lambda b: text in b.find_element(By.ID, place).text)


def press(browser: WebDriver, *keys: str) -> None:
    browser.execute_script("document.activeElement.blur()")
    for key in keys:
        ActionChains(browser).send_keys(key).perform()


def decisions(server: ReviewServer) -> list[tuple[Action, int | None, str]]:
    return [(d.action, d.path, d.comment) for d in read_decisions(server.board.store, "log").values()]


def test_accept_edit_reject_and_reload(browser: WebDriver, server: ReviewServer) -> None:
    open_page(browser, server)
    first = browser.current_url
    assert browser.title == "Review · dataengine"  # markup in a reply is text
    assert "<script>" in browser.find_element(By.CSS_SELECTOR, ".path .text").text
    loaded = "return [...document.images].every(i => i.complete && i.naturalWidth > 100)"
    WebDriverWait(browser, 120).until(lambda b: b.execute_script(loaded))
    if place := os.environ.get("SCREENSHOT"):
        browser.save_screenshot(place)
    press(browser, "2", "a")
    wait_for(browser, "progress", "1 of 3")
    assert decisions(server) == [(Action.ACCEPT, 1, "")]

    press(browser, "e")
    box = browser.find_element(By.ID, "text")
    good = box.get_property("value")
    assert isinstance(good, str)
    browser.execute_script("arguments[0].value = 'no form'", box)
    browser.find_element(By.ID, "save").click()
    wait_for(browser, "error", "does not have the form of thinking")
    browser.execute_script("arguments[0].value = arguments[1]", box, good.replace("<think>", "<think>Shorter. "))
    browser.find_element(By.ID, "save").click()
    wait_for(browser, "progress", "2 of 3")

    browser.find_element(By.ID, "comment").send_keys("unclear", Keys.ESCAPE)
    press(browser, "r")
    wait(browser, "#done:not([hidden])")
    assert sorted(decisions(server)) == sorted(
        [(Action.ACCEPT, 1, ""), (Action.EDIT, 0, ""), (Action.REJECT, 0, "unclear")]
    )
    browser.get(first)
    browser.refresh()
    wait_for(browser, "decided", "ann: accept")
    assert browser.find_element(By.CSS_SELECTOR, ".path.chosen").get_attribute("data-index") == "1"


def test_two_reviewers_are_shown_different_items(browser: WebDriver, server: ReviewServer) -> None:
    open_page(browser, server)
    first = browser.current_url
    press(browser, "j")
    WebDriverWait(browser, 120).until(lambda b: b.current_url != first)
    shown = server.board.next("bob")["item"]["qid"]
    assert shown not in browser.current_url
    assert not logged(server.board.store, "log")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 403),
        ("/?token=wrong", {}, 403),
        ("/?token={token}", {"Host": "elsewhere.example"}, 403),
        ("/api/next?token={token}&reviewer=x", {"Origin": "http://elsewhere.example"}, 403),
        ("/api/item/none?token={token}", {}, 409),
        ("/nothing?token={token}", {}, 404),
    ],
)
def test_strangers_are_refused(server: ReviewServer, path: str, headers: dict[str, str], status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    connection.request("GET", path.format(token=server.token), headers=headers)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    assert reply.status == status and b"<html" not in body
