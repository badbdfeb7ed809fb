"""The browse page as a researcher uses it, in headless Chromium, over a finished run and over its release alone."""

from __future__ import annotations

import http.client
import json
import shlex
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

from dataengine.browse.page.content import content
from dataengine.browse.page.filters import Filters
from dataengine.browse.page.server import BrowseServer
from dataengine.contracts import sample_id
from dataengine.cot.core.schemas import OUTCOMES

pytestmark = pytest.mark.slow
HOSTILE = "<img src=x onerror=\"document.title='taken over'\"> ' OR 1=1 --"


@contextmanager
def served(place: str, workspace: str | None = None) -> Iterator[BrowseServer]:
    with content(place, workspace) as shown:
        server = BrowseServer(shown, HOSTILE, "127.0.0.1", 0)
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
    WebDriverWait(browser, 120).until(lambda b: b.find_element(By.ID, "count").text == text)


def search(browser: WebDriver, words: str) -> None:
    """Type them, and wait until the page shows what fits all of them: on a busy machine it asks before the last is there."""
    browser.find_element(By.ID, "words").send_keys(words)
    WebDriverWait(browser, 120).until(
        lambda b: b.execute_script("return state.words === arguments[0] && !loading", words)
    )


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
    pictures = WebDriverWait(browser, 120).until(lambda b: b.execute_script(loaded))
    assert pictures == INPUTS - len(BAD)
    assert errors(browser) == []


def test_a_facet_a_search_and_a_histogram_narrow_the_grid(browser: WebDriver, server: BrowseServer) -> None:
    opened_page(browser, server)
    browser.find_element(By.CSS_SELECTOR, "[data-facet=outcome][data-value=failed]").click()
    wait(browser, f"{len(BAD)} of {INPUTS}")
    shown = {
        node.get_attribute("data-value") for node in browser.find_elements(By.CSS_SELECTOR, "[data-facet=failure]")
    }
    assert shown == set(BAD.values())
    search(browser, "CUT-OFF")
    wait(browser, f"1 of {INPUTS}")
    address = browser.current_url
    browser.get("about:blank")
    browser.get(address)
    wait(browser, f"1 of {INPUTS}")
    browser.find_element(By.ID, "words").clear()
    search(browser, HOSTILE)
    wait(browser, f"0 of {INPUTS}")
    assert browser.title == "Browse · dataengine"

    opened_page(browser, server)
    browser.find_element(By.CSS_SELECTOR, "#column option[value=width]").click()
    WebDriverWait(browser, 120).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#bars .all"))
    bars = browser.find_element(By.ID, "bars")
    assert "side >= 96" in bars.text
    half = bars.size["width"] // 2
    start = ActionChains(browser).move_to_element_with_offset(bars, 5 - half, 0).click_and_hold()
    start.move_by_offset(half, 0).release().perform()
    WebDriverWait(browser, 120).until(lambda b: b.find_element(By.ID, "chosen").text.startswith("width"))
    WebDriverWait(browser, 120).until(lambda b: 0 < len(b.find_elements(By.CSS_SELECTOR, ".card")) < INPUTS - len(BAD))


def test_the_life_of_an_input_has_a_permalink_and_its_duplicates(browser: WebDriver, server: BrowseServer) -> None:
    opened_page(browser, server)
    search(browser, "copies/cheetah-face.jpg")
    wait(browser, f"1 of {INPUTS}")
    browser.find_element(By.CSS_SELECTOR, ".card").click()
    WebDriverWait(browser, 120).until(lambda b: "duplicate" in b.find_element(By.ID, "lines").text)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#group button")) >= 2
    link = browser.find_element(By.ID, "link").get_attribute("href")
    assert link
    browser.get("about:blank")
    browser.get(link)
    WebDriverWait(browser, 120).until(lambda b: "copies/cheetah-face.jpg" in b.find_element(By.ID, "lines").text)
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    WebDriverWait(browser, 120).until(lambda b: not b.find_element(By.ID, "life").is_displayed())


def opened_input(browser: WebDriver, server: BrowseServer, words: str) -> None:
    """The life page of the one input that has these words."""
    opened_page(browser, server)
    search(browser, words)
    wait(browser, f"1 of {INPUTS}")
    browser.find_element(By.CSS_SELECTOR, ".card").click()


def loaded(browser: WebDriver, selector: str) -> int:
    """How many pictures there are, once all of them are shown."""
    script = "const all = [...document.querySelectorAll(arguments[0])]; for (const one of all) one.loading = 'eager';"
    script += "return all.length && all.every(i => i.complete && i.naturalWidth > 20) && all.length"
    return int(WebDriverWait(browser, 120).until(lambda b: b.execute_script(script, selector)))


def test_a_picture_beside_what_its_codes_keep_of_it(browser: WebDriver, server: BrowseServer) -> None:
    errors(browser)
    opened_input(browser, server, "animals/cheetah-cub.jpg")
    assert loaded(browser, "#visuals .pair img") == 2
    [original, decoded] = browser.execute_script(
        "return [...document.querySelectorAll('#visuals .pair img')].map(i => i.naturalWidth / i.naturalHeight)"
    )
    assert original == pytest.approx(decoded, rel=0.1)
    assert "codes" in browser.find_element(By.ID, "visuals").text and errors(browser) == []


def test_a_video_as_slow_and_fast_frames_with_its_shots(browser: WebDriver, server: BrowseServer) -> None:
    errors(browser)
    opened_input(browser, server, "concert/singer.mp4")
    frames = loaded(browser, "#visuals .still img:first-child")
    assert loaded(browser, "#visuals .still img[alt='from its codes']") == frames
    kinds = {node.get_attribute("class") for node in browser.find_elements(By.CSS_SELECTOR, ".still")}
    assert "still slow" in kinds <= {"still slow", "still fast"}
    row = server.content.table.page(Filters(words="concert/singer.mp4"), "", False, 0, 1)["rows"][0]
    shown = server.content.visuals(row["id"])
    assert len(browser.find_elements(By.CSS_SELECTOR, "#visuals .cut")) == len(shown["cuts"])
    assert [frame["time"] for frame in shown["frames"]] == sorted(frame["time"] for frame in shown["frames"])
    assert shown["notes"] == [] and errors(browser) == []


def test_the_first_bytes_of_what_could_not_be_read(browser: WebDriver, server: BrowseServer) -> None:
    errors(browser)
    opened_input(browser, server, "broken/error-page.jpg")
    WebDriverWait(browser, 120).until(lambda b: "|<" in b.find_element(By.ID, "bytes").text)
    assert browser.find_element(By.CSS_SELECTOR, "#bytes pre").text.startswith("00000000  3c ")
    failed = server.content.table.page(Filters({"outcome": ("failed",)}), "", False, 0, 50)["rows"]
    dumps = {row["uri"]: server.content.first_bytes(row["input_id"]) for row in failed}
    assert {uri for uri, dump in dumps.items() if not dump["lines"]} == {
        "broken/empty.jpg",
        "captions.jsonl#images/never-downloaded.jpg",
    }
    assert errors(browser) == []


def test_records_by_mode_and_grade_and_those_of_a_sample(browser: WebDriver, server: BrowseServer) -> None:
    errors(browser)
    opened_page(browser, server)
    run = server.content.session.needed("cot.mix")
    rows = run.table("cot.mix", "outcomes", OUTCOMES).to_pylist()
    kept = [row for row in rows if row["outcome"] == "kept"]
    browser.find_element(By.ID, "tab-records").click()
    wait(browser, f"{len(rows):,} of {len(rows):,} questions")
    browser.find_element(By.CSS_SELECTOR, "#records-facets [data-facet=outcome][data-value=kept]").click()
    wait(browser, f"{len(kept):,} of {len(rows):,} questions")
    modes = {mode: sum(row["mode"] == mode for row in kept) for mode in {row["mode"] for row in kept}}
    mode = min(modes, key=lambda name: (modes[name], name))
    browser.find_element(By.CSS_SELECTOR, f"#records-facets [data-facet=mode][data-value={mode}]").click()
    wait(browser, f"{modes[mode]:,} of {len(rows):,} questions")
    records = browser.find_elements(By.CSS_SELECTOR, "#records-list .record")
    assert len(records) == min(20, modes[mode]) and all(mode in record.text for record in records)
    assert all(record.find_elements(By.CSS_SELECTOR, ".reply p") for record in records)
    grades = server.content.records.counts(Filters({"outcome": ("kept",)}))["grade"]
    assert sum(count for _, count in grades) == len(kept) and {grade for grade, _ in grades} <= {"A", "B"}
    address = browser.current_url
    browser.get("about:blank")
    browser.get(address)
    wait(browser, f"{modes[mode]:,} of {len(rows):,} questions")
    browser.find_element(By.CSS_SELECTOR, "#records-list .record > button").click()
    WebDriverWait(browser, 120).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#cot .record"))
    about = browser.find_element(By.CSS_SELECTOR, "#cot h2").text
    sample = next(row for row in kept if row["rid"] == records_shown(browser, server, mode))["sample"]
    assert about.startswith(f"{sum(row['sample'] == sample for row in rows)} ")
    assert errors(browser) == [] and browser.title == "Browse · dataengine"


def records_shown(browser: WebDriver, server: BrowseServer, mode: str) -> str:
    """Id of the first record of a mode."""
    page = server.content.records.page(Filters({"outcome": ("kept",), "mode": (mode,)}), 0, 1)
    return str(page["rows"][0]["rid"])


def test_a_rule_is_tried_and_nothing_written(browser: WebDriver, server: BrowseServer) -> None:
    opened_page(browser, server)
    box = browser.find_element(By.ID, "condition")
    box.send_keys("blur >= 1000000", Keys.ENTER)
    WebDriverWait(browser, 120).until(lambda b: "0 after" in b.find_element(By.ID, "tried").text)
    assert "kept → blur" in browser.find_element(By.ID, "grid").text
    command = shlex.split(browser.find_element(By.ID, "command").text)
    assert command[:3] == ["dataengine", "filter", HOSTILE]
    assert command[3:7] == ["--workspace", server.content.workspace, "--try", "blur >= 1000000"]
    box.clear()
    box.send_keys("no_such_column > 1", Keys.ENTER)
    WebDriverWait(browser, 120).until(lambda b: "no_such_column" in b.find_element(By.ID, "error").text)


def test_a_release_alone_shows_what_it_has(base: Setup) -> None:
    with served(f"{base.workspace}/releases/small") as server:
        shown = server.content
        assert shown.table.total == INPUTS
        kept = shown.table.page(Filters({"outcome": ("kept",)}), "", False, 0, 200)["rows"]
        media = {row["id"]: shown.pictures.media(row["id"]) for row in kept}
        assert {kind.partition("/")[0] for kind, _, _ in media.values()} == {"image", "video"}
        assert all(sample_id(data)[0] == id_ for id_, (_, data, _) in media.items())
        assert all(shown.pictures.thumbnail(row["id"]).startswith(b"\xff\xd8") for row in kept)
        # The release lies in its workspace, and so does its tokenizer.
        assert shown.reconstructions.picture(kept[0]["id"], 0).startswith(b"\xff\xd8")
        records = shown.records.page(Filters(), 0, 50)
        assert records["total"] == shown.records.page(Filters({"outcome": ("kept",)}), 0, 1)["count"] > 0
        [one] = shown.records.page(Filters({"sample": (records["rows"][0]["sample"],)}), 0, 1)["rows"]
        assert one["question"] and one["reply"] and one["grade"] in ("A", "B")


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
        ("/frame/none/0", 404),
        ("/frame/none", 400),
        ("/reconstruction/none/0", 404),
        ("/observation/none/obs0.png", 404),
        ("/api/visuals/none", 404),
        ("/api/bytes/none", 404),
        ("/api/sample/none", 404),
        ("/api/none/none", 404),
        ("/api/records?filters=%7B%22values%22%3A%7B%22no_such%22%3A%5B%22x%22%5D%7D%7D", 400),
        ("/api/record-counts", 200),
        ("/server.py", 404),
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
