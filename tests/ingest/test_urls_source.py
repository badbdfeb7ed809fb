"""Tables of URLs through ingest: every URL ends in the ledger, and nothing that is committed is asked for again."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sklearn
from support.web_server import HOSTS, Page, Web, web

from dataengine import contracts
from dataengine.config.recipe import MediaConfig, Recipe
from dataengine.config.sources import UrlsSource
from dataengine.errors import InputError
from dataengine.ingest import web_url
from dataengine.ingest.retry import forget_failed
from dataengine.ingest.stage import Ingest
from dataengine.ingest.table import UrlsReader
from dataengine.pipeline import execute, open_run
from dataengine.progress import StageReport
from dataengine.storage.pinned_packages import SCIKIT_IMAGE
from dataengine.storage.workspace import Record
from dataengine.testing import InProcess

PICTURES = Path(sklearn.__file__).parent / "datasets" / "images"
CHINA, FLOWER = ((PICTURES / name).read_bytes() for name in ("china.jpg", "flower.jpg"))


@pytest.fixture
def site() -> Iterator[Web]:
    with web() as server:
        server.pages = {
            "/china.jpg": Page(CHINA),
            "/again.jpg": Page(status=301, headers=(("Location", "/china.jpg"),)),
            "/flower.jpg": Page(FLOWER),
            "/noai.jpg": Page(CHINA, headers=(("X-Robots-Tag", "noai"),)),
            "/tdm.jpg": Page(FLOWER, headers=(("TDM-Reservation", "1"),)),
            "/page.html": Page(b"<html>not a picture</html>"),
            "/down.jpg": Page(status=500),
        }
        yield server


def recipe(site: Web, folder: Path, **changes: Any) -> Recipe:
    rows = [
        {"url": site.url(path, HOSTS[n % 2]), "caption": f"no {n}", "license": "cc-by-4.0" if n % 2 else None, "w": n}
        for n, path in enumerate([*site.pages, "/gone.jpg"])
    ]
    if not (folder / "t.jsonl").exists():
        (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    http = {"delay": 0, "backoff": 0.01, "timeout": 60, "allow_private": True, **changes}
    source = {"type": "urls", "name": "web", "path": str(folder / "t.jsonl"), "buckets": 4, "license": "other"}
    return Recipe.model_validate(
        {
            "name": "r",
            "workspace": str(folder / "ws"),
            "workers": 2,
            "sources": [{**source, "http": http}],
            "filter": {"policy": "p"},
            "release": {"title": "t", "license": "cc0-1.0", "description": "d"},
        }
    )


def ingest(recipe: Recipe) -> tuple[StageReport, Record, pa.Table, pa.Table]:
    [report] = execute(recipe, plan=[Ingest()], engine=InProcess())
    run = open_run(recipe)
    record = run.workspace.record(Ingest().record_path(run, Ingest().key(run)))
    assert record is not None
    run.records["ingest"] = record
    samples = run.table("ingest", "samples", contracts.SAMPLES)
    return report, record, samples, run.table("ingest", "failures", contracts.FAILURES)


def test_every_url_ends_in_a_table(site: Web, tmp_path: Path) -> None:
    report, record, samples, failures = ingest(recipe(site, tmp_path))
    assert report.counts == {"inputs": 8, "samples": 3, "failed": 5}
    by_path = {row["uri"].rpartition("/")[2]: row for row in samples.to_pylist()}
    assert by_path["china.jpg"]["id"] == by_path["again.jpg"]["id"] == contracts.sample_id(CHINA)[0]
    assert by_path["flower.jpg"]["id"] == contracts.sample_id(FLOWER)[0]
    assert by_path["china.jpg"]["license"] == "other" and by_path["again.jpg"]["license"] == "cc-by-4.0"
    assert by_path["flower.jpg"]["captions"] == ["no 2"] and json.loads(by_path["flower.jpg"]["meta"]) == {"w": 2}
    ends = {row["uri"].rpartition("/")[2]: row["failure"] for row in failures.to_pylist()}
    assert ends == {
        "noai.jpg": "opted_out",
        "tdm.jpg": "opted_out",
        "page.html": "not_media",
        "down.jpg": "http_500",
        "gone.jpg": "http_404",
    }
    opt_outs = [out.facts["opt_outs"] for out in record.parts.values() if out.facts]
    assert {k: v for part in opt_outs for k, v in part.items()} == {"X-Robots-Tag: noai": 1, "TDM-Reservation: 1": 1}


def test_what_is_committed_is_not_asked_for_again(site: Web, tmp_path: Path) -> None:
    first = ingest(recipe(site, tmp_path))
    asked = len(site.seen)
    again = recipe(site, tmp_path, concurrency=1, concurrency_per_host=1, timeout=50, tries=2)
    assert ingest(again)[0].state == "up to date" and len(site.seen) == asked, "politeness changes no key"
    site.pages["/down.jpg"] = Page(FLOWER)
    assert forget_failed(open_run(again)) == 2, "the hosts of /down.jpg and /gone.jpg"
    _, record, samples, failures = ingest(again)
    assert {row["failure"] for row in failures.to_pylist()} == {"opted_out", "not_media", "http_404"}
    assert site.asked("/china.jpg") == 2 and site.asked("/flower.jpg") == 1, "one of them was a redirect"
    assert samples.num_rows == 4
    fresh = ingest(again.model_copy(update={"workspace": str(tmp_path / "other")}))
    assert fresh[1].digest == record.digest != first[1].digest
    assert ingest(recipe(site, tmp_path, x_robots_tag=[]))[0].counts["samples"] == 5, (
        "what is respected changes the key"
    )


@pytest.mark.slow
def test_faces_of_what_is_tried_again(site: Web, tmp_path: Path) -> None:
    """Of a picture with a face the original is not there to be taken again: it is asked for again, with the same result."""
    face = SCIKIT_IMAGE.read("skimage/data/astronaut.png")
    site.pages = {
        "/face.png": Page(face),
        "/flower.jpg": Page(FLOWER),
        "/down.jpg": Page(status=500),
        "/x": Page(status=404),
    }
    blurred = recipe(site, tmp_path).model_copy(update={"media": MediaConfig.model_validate({"faces": "blur"})})
    _, first, samples, _ = ingest(blurred)
    [row] = [row for row in samples.to_pylist() if row["faces"]]
    assert row["sha256"] == contracts.sample_id(face)[1] != row["media_sha256"]
    site.pages["/down.jpg"] = Page(CHINA)
    assert forget_failed(open_run(blurred)) > 0
    _, again, samples, _ = ingest(blurred)
    assert samples.num_rows == 3 and first.digest != again.digest
    assert (site.asked("/face.png"), site.asked("/flower.jpg")) == (2, 1)
    assert ingest(blurred.model_copy(update={"workspace": str(tmp_path / "other")}))[1].digest == again.digest


def test_credentials_are_requested_and_never_stored(site: Web, tmp_path: Path) -> None:
    """With new signatures the inputs are the same ones, and two rows that differ in nothing else stay two."""
    inputs = []
    for secret in ("sesame", "barley"):
        paths = [f"/china.jpg?w=1&X-Amz-Signature={secret}-{n}" for n in range(2)] + [f"/gone.jpg?token={secret}"]
        site.pages |= {path: Page(CHINA if n else FLOWER) for n, path in enumerate(paths[:2])}
        folder = tmp_path / secret
        folder.mkdir()
        urls = [site.url(path).replace("//", f"//user:{secret}@") for path in paths]
        rows = [{"url": url, "meta_url": f"{url}&more=1", "license": f"https://x:{secret}@l"} for url in urls]
        (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        _, _, samples, failures = ingest(recipe(site, folder))
        assert samples.num_rows == 2 and len({row["id"] for row in samples.to_pylist()}) == 2
        assert failures["failure"].to_pylist() == ["http_404"]
        assert secret not in f"{samples.to_pylist()}{failures.to_pylist()}"
        assert [path for _, _, path in site.seen if secret in path] != [], "they are requested as they are"
        inputs.append({row["uri"]: row["input_id"] for row in samples.to_pylist() + failures.to_pylist()})
    assert inputs[0] == inputs[1]
    china = f"t.jsonl#{site.url('/china.jpg?w=1')}"
    assert set(inputs[0]) == {china, f"{china}#2", f"t.jsonl#{site.url('/gone.jpg')}"}


def test_rows_of_a_host_are_in_one_part(tmp_path: Path) -> None:
    rows = [{"url": f"https://h{n % 5}.example/{n}.jpg"} for n in range(50)] + [{"url": "not one"}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    reader = UrlsReader(UrlsSource(type="urls", name="u", path=str(tmp_path / "t.jsonl"), buckets=7))
    places: dict[str, set[str]] = {}
    total = 0
    for part in reader.parts():
        for item in reader.occurrences(part.spec):
            total += 1
            places.setdefault(item.location.rpartition("/")[0], set()).add(part.name)
    assert total == 51 and all(len(parts) == 1 for parts in places.values())
    assert len(set().union(*places.values())) > 1


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_rows_of_other_parts_are_parsed_once(tmp_path: Path, ending: str) -> None:
    """A worker's second part of a table, in any order, has the rows that it would have as its first."""
    rows = [{"url": f"https://h{n % 7}.example/{n}.jpg?w=1", "caption": f"no {n}"} for n in range(60)] + [
        {"url": "", "caption": ""}
    ]
    table = tmp_path / f"t.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), table)
    elif ending == "csv":
        table.write_text("url,caption\n\n" + "".join(f"{row['url']},{row['caption']}\n" for row in rows))
    else:
        table.write_text("not JSON\n\n" + "".join(json.dumps(row) + "\n" for row in rows))
    source = UrlsSource(type="urls", name="u", path=str(table), buckets=5)
    warm = UrlsReader(source)
    specs = [part.spec for part in warm.parts()]
    alone = {spec.bucket: list(UrlsReader(source).occurrences(spec)) for spec in specs}
    for spec in [*reversed(specs), *specs]:
        assert str(list(warm.occurrences(spec))) == str(alone[spec.bucket])
    assert sum(map(len, alone.values())) == 61 + (ending == "jsonl")


def test_plain_urls_are_parsed_as_all_others_are() -> None:
    """The short way and the full rules give one result, and so one bucket."""
    pieces = [
        "/",
        "?",
        "#",
        "%",
        "%41",
        "%zz",
        "..",
        ".",
        "/.",
        "//",
        ";",
        "=&",
        "@",
        "x",
        "\\",
        "[",
        "ä",
        " ",
        "+",
        ":",
        "~",
    ]
    hosts = ["a.test", "1.2.3.4", "A-b.C", "xn--a", "a..b", "user:x@h", "[::1]", "2130706433", "münchen.test", ""]
    draw, plain = random.Random(1), 0
    for _ in range(3000):
        start = (
            draw.choice(["http://", "https://"]) + draw.choice(hosts) + draw.choice(["", ":80", ":443", ":0", ":99999"])
        )
        url = start + "".join(draw.choice(pieces) for _ in range(draw.randrange(6)))
        plain += web_url._PLAIN.fullmatch(url) is not None
        ends = []
        for parse in (web_url.parsed, lambda u: web_url._parsed(u, None)):
            try:
                ends.append(parse(url))
            except InputError as error:
                ends.append(error.message)
        assert ends[0] == ends[1], url
        assert web_url.host_of(url) == (ends[1].host if isinstance(ends[1], web_url.WebUrl) else ""), url
    assert plain > 50
