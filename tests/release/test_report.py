"""report.html: what it shows, and what it must not."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from support.ledger_rows import dup, ledger
from support.release_manifest import manifest

from dataengine.engines.duckdb import DuckDBEngine
from dataengine.engines.spark import SparkEngine
from dataengine.media.svg import bars, spreads
from dataengine.release.examples import NAMES, PAIRS, choose, few
from dataengine.release.html_report import page
from dataengine.release.manifest import Manifest

ROWS = (
    {"id": "b", "outcome": "kept"},
    {"id": "a", "outcome": "kept"},
    {"id": "n", "outcome": "filtered", "rule": "nsfw", "value": "0.99"},
    {"outcome": "failed", "failure": "opted_out", "message": "noai"},
    dup("a", "a", 0.0, "exact"),
    dup("c", "a", 2.0),
    dup("d", "b", 5.0),
    dup("m", "n", 6.0),
    dup("v", "b", 0.3, "video"),
)


def test_pictures_are_of_kept_samples_and_of_what_duplicates_them() -> None:
    """Not of what a rule has dropped, nor of what is like that: a duplicate of it has its content."""
    found = choose(ledger(*ROWS), 12)
    assert found.shown == ["a", "b", "c", "d", "v"]
    assert [row["id"] for row in found.kept] == ["a", "b"]
    assert [(d["id"], r["id"]) for d, r in found.pairs["perceptual"]] == [("d", "b"), ("c", "a")], "the farthest first"
    assert [row["id"] for row in found.filtered["nsfw"]] == ["n"] and list(found.failed) == ["opted_out"]


@pytest.mark.parametrize("count", [0, 1, 5])
def test_few_rows_leave_the_engine_and_give_the_same_examples(
    duck: DuckDBEngine, spark: SparkEngine, count: int
) -> None:
    many = [*ROWS, *({"id": f"k{n:03}", "outcome": "kept"} for n in range(40))]
    many += [dup(f"x{n:03}", f"k{n:03}", float(n % 7)) for n in range(40)]
    many += [{"id": f"y{n:03}", "outcome": "filtered", "rule": f"r{n % 2}", "value": str(n)} for n in range(40)]
    table = ledger(*many)
    for engine in (duck, spark):
        rows = few(engine, engine.frame(table), count)
        assert choose(rows, count) == choose(table, count) and rows.num_rows < 40


def test_the_order_of_the_ledger_does_not_matter_and_numbers_are_bounded() -> None:
    many = [{"id": f"{n:03}", "outcome": "kept"} for n in range(50)]
    many += [dup(f"x{n:03}", f"{n:03}", float(n % 7)) for n in range(50)]
    many += [{"id": f"y{n:03}", "outcome": "filtered", "rule": "r", "value": str(n)} for n in range(50)]
    table = ledger(*many)
    found = choose(table, 5)
    assert found == choose(table.take(list(range(table.num_rows))[::-1]), 5)
    assert (len(found.kept), len(found.pairs["perceptual"]), len(found.filtered["r"])) == (5, PAIRS, NAMES)
    none = choose(table, 0)
    assert (none.kept, none.pairs, none.shown) == ((), {}, []) and none.filtered


class Page(HTMLParser):
    """What a browser would load, and what tags are left open."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.figures: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.loads += [value for name in ("src", "href", "data") if (value := told.get(name))]
        self.figures += [told.get("title") or ""] if tag == "figure" else []
        self.open += [] if tag in ("meta", "img", "br") else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(data: bytes) -> Page:
    found = Page()
    found.feed(data.decode())
    assert found.open == []
    return found


_SPREAD = {"count": 3, "min": 0.0, "p10": 1.0, "p50": 2.0, "p90": 3.0, "max": 4.0}
SCORES: dict[str, Any] = {
    "blur": {"before": _SPREAD, "after": {"count": 0}},
    "flat": {"before": _SPREAD | {"max": 0.0}, "after": _SPREAD},
}


def told(**changes: Any) -> Manifest:
    return manifest(scores=SCORES, opt_outs={"noai": 2}, **changes)


def test_a_page_loads_nothing_from_elsewhere_and_escapes_what_it_is_told() -> None:
    hostile = "<script>alert(1)</script>&\"'"
    rows = ledger(*({**row, "uri": f"{hostile}{n}"} for n, row in enumerate(ROWS)))
    pictures = {id_: b"\xff\xd8" + id_.encode() for id_ in "abcd"}
    data = page(told(title=hostile, description=hostile), choose(rows, 12), pictures)
    found = read(data)
    assert b"<script" not in data and b"default-src 'none'" in data
    assert found.loads and all(src.startswith("data:image/jpeg;base64,") for src in found.loads)
    shown = {base64.b64decode(src.partition(",")[2])[2:].decode() for src in found.loads}
    assert shown == set(pictures) and "no thumbnail" in data.decode(), "of the clip there is none"
    assert set(found.figures) == {*pictures, "v"}
    assert data == page(told(title=hostile, description=hostile), choose(rows, 12), pictures)


def test_a_recipe_may_ask_for_no_pictures() -> None:
    data = page(told(), choose(ledger(*ROWS), 0), {})
    assert read(data).figures == [] and b"No thumbnails:" in data


def test_funnel_and_reasons_are_told() -> None:
    text = page(told(), choose(ledger(*ROWS), 2), {}).decode()
    assert "7 inputs = " in text and '<b class="kept">3 kept</b> + <b class="duplicate">1 duplicate</b>' in text
    assert "duplicate: 5 of 64 bits differ (bound: at most 8)" in text and "70% of the frames match" in text
    for said in ("failed: empty", "duplicate: exact", "filtered: blur", ">7</text>", "out of focus", "opt-out signal"):
        assert said in text, said
    assert "`release.biases` is empty" in text


def test_plots_have_a_bar_a_row_within_their_frame() -> None:
    drawn = bars([("a", 0, "kept"), ("b<", 10, "failed")])
    assert drawn.count("<rect") == 2 and "b&lt;" in drawn
    assert bars([]).count("<rect") == 0
    assert "NaN" not in spreads(SCORES).upper().replace("NAN", "NaN")
    places = [float(x) for x in re.findall(r' x="([\d.]+)"', spreads(SCORES))]
    assert places and all(0 <= x <= 720 for x in places)
