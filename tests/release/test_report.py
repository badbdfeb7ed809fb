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
from dataengine.release.charts import bars, histogram, position
from dataengine.release.examples import NAMES, PAIRS, choose, few
from dataengine.release.funnel import by_policy, funnel_rows
from dataengine.release.html_parts import Detail
from dataengine.release.html_report import page
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_sections import Histogram, Quantiles
from dataengine.release.report_files import FIRST, PER_PAGE, further_pages
from dataengine.release.thresholds import Threshold, thresholds

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
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.loads += [value for name in ("src", "href", "data") if (value := told.get(name))]
        self.figures += [told.get("title") or ""] if tag == "figure" else []
        self.open += [] if tag in ("meta", "img", "br") else [tag]
        self.ids += [value for name, value in attrs if name == "id" and value]

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
    pictures_of = [src for src in found.loads if not src.startswith("#")]
    assert pictures_of and all(src.startswith("data:image/jpeg;base64,") for src in pictures_of)
    assert {src[1:] for src in found.loads if src.startswith("#")} == {*found.ids}, "contents lead to sections"
    shown = {base64.b64decode(src.partition(",")[2])[2:].decode() for src in pictures_of}
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
    for said in ("failed: empty", "duplicate: exact", "filtered: blur", ">7</span>", "out of focus", "opt-out signal"):
        assert said in text, said
    assert "`release.biases` is empty" in text


def test_bars_have_a_row_each_and_a_logarithmic_scale_where_small_numbers_would_be_lost() -> None:
    drawn = bars([("a", 0, "kept"), ("b<", 10, "failed"), ("c", 5, "kept")])
    assert drawn.count('class="bar"') == 3 and "b&lt;" in drawn and "Logarithmic" not in drawn
    assert re.findall(r"width:([\d.]+)%", drawn) == ["0.0", "100.0", "50.0"]
    far = bars([("inputs", 1_000_000, "inputs"), ("few", 9, "failed")])
    assert "Logarithmic" in far and re.findall(r"width:([\d.]+)%", far) == ["100.0", "16.7"]
    assert bars([]).count('class="bar"') == 0


SKEWED = Histogram([0.001, 0.01, 0.1, 1.0], True, [4000, 0, 2], [4000, 0, 0])


def test_a_histogram_marks_the_thresholds_of_the_policy() -> None:
    quantiles = {"before": Quantiles(4002, 0.0, 0.002, 0.005, 0.009, 1.0), "after": Quantiles(0)}
    marks = [Threshold("nsfw", "<", 0.01, "kind = 'image'"), Threshold("odd", ">=", 7.0), Threshold("low", ">", 0.0005)]
    drawn = histogram("nsfw<", SKEWED, quantiles, marks)
    assert 'd="M80.0 0V60"' in drawn and 'd="M240.0 0V60"' in drawn, "the first at the end of the first of three bins"
    assert "nsfw: kept &lt; 0.01 when kind = &#x27;image&#x27;" in drawn
    assert "odd: kept &gt;= 7, beyond all values" in drawn and "nsfw&lt;" in drawn
    assert "low: kept &gt; 0.0005<" in drawn and "0.001, and less: from 0<" in drawn, (
        "the first bin holds smaller values, too"
    )
    assert "logarithmic values and heights" in drawn and "all: 4,002, median 0.005" in drawn and "kept: 0<" in drawn


@pytest.mark.parametrize(
    ("value", "place"), [(-1, 0.0), (0.001, 0.0), (0.0055, 1 / 6), (0.01, 1 / 3), (0.55, 2.5 / 3), (1, 1.0), (9, 1.0)]
)
def test_a_value_lies_within_its_bin(value: float, place: float) -> None:
    assert position(SKEWED.edges, value) == pytest.approx(place)


def test_thresholds_come_from_the_conditions_of_the_rules() -> None:
    step = {"reason": "r", "entering": 1, "dropped": 0, "remaining": 1}
    funnel = [
        {"rule": "side", "keep": "width >= 256 and 4096 > height", "when": "kind = 'image'", **step},
        {"rule": "aspect", "keep": "aspect between 0.3 and 3 or format in ('png')", **step},
        {"rule": "two", "keep": "width > height", **step},
        {"rule": "later", "keep": "entropy(width) > 3", **step},
        {"rule": "old", **step},
        {"rule": "not", "keep": "not (nsfw > 0.5 or 9 <= blur) and motion not between 1 and 2", **step},
        {"rule": "nor", "keep": "not entropy not between 3 and 4", **step},
    ]
    assert thresholds(manifest(funnel=funnel)) == {
        "width": [Threshold("side", ">=", 256.0, "kind = 'image'")],
        "height": [Threshold("side", "<", 4096.0, "kind = 'image'")],
        "aspect": [Threshold("aspect", ">=", 0.3), Threshold("aspect", "<=", 3.0)],
        "nsfw": [Threshold("not", "<=", 0.5)],
        "blur": [Threshold("not", "<", 9.0)],
        "motion": [Threshold("not", "<", 1.0), Threshold("not", ">", 2.0)],
        "entropy": [Threshold("nor", ">=", 3.0), Threshold("nor", "<=", 4.0)],
    }


def test_the_funnel_is_in_the_order_of_the_policy() -> None:
    ledger_of = {
        "outcome": {"kept": 1, "duplicate": 0, "filtered": 3, "failed": 0},
        "kind": {},
        "rule": {"a": 1, "b": 1, "z": 1},
        "failure": {},
    }
    funnel = [{"rule": r, "reason": r, "entering": 1, "dropped": 1, "remaining": 0} for r in ("z", "b")]
    m = manifest(ledger=ledger_of, funnel=funnel)
    assert [name for name, _ in by_policy(m)] == ["z", "b", "a"]
    text = page(m, choose(ledger(*ROWS), 0), {}).decode()
    assert text.index("filtered: z") < text.index("filtered: b") < text.index("filtered: a")
    assert [name for name, _ in funnel_rows(m)[1:4]] == ["- filtered: z", "- filtered: b", "- filtered: a"]


def test_samples_have_captions_and_scores_and_these_stay_text() -> None:
    hostile = "</figcaption><script>alert(1)</script>\u202egpj"
    detail = Detail((hostile, "two", "three", "four", "x" * 999), {"blur": 0.123456, "mood<": "calm"})
    m = told()
    data = page(m, choose(ledger(*ROWS), 12), {}, {"a": detail})
    text = data.decode()
    assert read(data).figures and "<script" not in text and "\u202e" not in text
    assert "&lt;/figcaption&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\u202egpj" in text
    assert "<dt>blur</dt><dd>0.1235</dd><dt>mood&lt;</dt><dd>calm</dd>" in text and "and 2 more captions" in text
    assert data == page(m, choose(ledger(*ROWS), 12), {}, {"a": detail})


def test_more_samples_have_pages_of_their_own() -> None:
    rows = ledger(*({"id": f"{n:032x}", "outcome": "kept"} for n in range(FIRST + 2 * PER_PAGE + 1)))
    kept = choose(rows, 1000).kept
    pages = further_pages(told(title="<b>"), kept, {}, {kept[-1]["id"]: Detail(("a <b> caption",), None)})
    assert list(pages) == ["samples/001.html", "samples/002.html", "samples/003.html"]
    figures = [read(data).figures for data in pages.values()]
    assert [len(some) for some in figures] == [PER_PAGE, PER_PAGE, 1]
    assert [id_ for some in figures for id_ in some] == [row["id"] for row in kept[FIRST:]]
    assert read(pages["samples/002.html"]).loads == ["../report.html", "001.html", "003.html"]
    assert (
        b"a &lt;b&gt; caption" in pages["samples/003.html"]
        and b"<title>Samples 145 to 145 of &lt;b&gt;" in pages["samples/003.html"]
    )
    text = page(told(), choose(rows, 1000).first(FIRST), {}, {}, [(path, path) for path in pages]).decode()
    assert text.count("<figure") == FIRST and 'href="samples/003.html"' in text
    assert further_pages(told(), kept[:FIRST], {}, {}) == {}


def test_a_section_for_cot_and_clusters() -> None:
    cot = {
        "shards": [],
        "modes": {"thinking": 5},
        "rejected": {"wrong <answer>": 2},
        "funnel": [{"step": "drafted", "entering": 7, "dropped": 2, "remaining": 5}],
        "examples": [{"id": "c1", "mode": "thinking", "question": "how many <cats>?", "reply": "two"}],
    }
    even = {"samples": 9, "clusters": 2, "effective": 1.5, "gini": 0.2, "largest": 0.7}
    cluster = {"name": "0", "words": ["cats<"], "before": 9, "after": 3, "examples": ["a" * 32]}
    balance = {
        "by": "leaf",
        "depth": 1,
        "target": 4,
        "temperature": 1.0,
        "before": even,
        "after": even,
        "largest": [cluster],
        "emptiest": [],
    }
    m = told(cot=cot, balance=balance)
    data = page(m, choose(ledger(*ROWS), 2), {"a" * 32: b"\xff\xd8"})
    text = data.decode()
    assert read(data).ids.count("chain-of-thought-records") == 1 and "questions by step" in text
    assert "how many &lt;cats&gt;?\n\ntwo" in text and "wrong &lt;answer&gt;" in text
    assert "<h4>cats&lt;</h4>" in text and text.count("<h3>Largest clusters</h3>") == 1


def test_a_published_histogram_is_drawn_and_a_manifest_without_one_still_has_a_page() -> None:
    drawn = {name: {"edges": [0.0, 2.0, 4.0], "log": False, "before": [1, 2], "after": [0, 1]} for name in SCORES}
    text = page(told(histograms=drawn), choose(ledger(*ROWS), 0), {}).decode()
    assert text.count("<svg") == 2 and "histogram of blur" in text
    assert "<svg" not in page(told(), choose(ledger(*ROWS), 0), {}).decode()
