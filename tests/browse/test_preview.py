"""What ``--dry-run`` shows before anything runs: counted folders, tables and tars by their first file; the estimate."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.command import dataengine

from dataengine.browse.estimate import estimate, trained
from dataengine.browse.look_at_data import look
from dataengine.browse.preview import Seen, preview
from dataengine.cli.dry_run import duration, size
from dataengine.config import recipe as recipes
from dataengine.config.recipe import Recipe
from dataengine.config.sources import WebDatasetSource
from dataengine.progress import StageReport
from dataengine.testing import CAPTIONS, write_corpus, write_recipe


def table(folder: Path, rows: int) -> str:
    told = [{"path": f"files/{n}.jpg", "caption": f"row {n}", "score": n} for n in range(rows)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    (folder / "files").mkdir()
    (folder / "files/0.jpg").write_bytes(b"x" * 1000)
    return str(folder / "rows.jsonl")


def tars(folder: Path, count: int, samples: int) -> str:
    for part in range(count):
        with tarfile.open(folder / f"{part}.tar", "w") as tar:
            for n in range(samples):
                for name, body in (
                    (f"{n}.jpg", b"x" * 5000),
                    (f"{n}.txt", b"a tar's caption"),
                    (f"{n}.mp4", b"y" * 100),
                ):
                    info = tarfile.TarInfo(name)
                    info.size = len(body)
                    tar.addfile(info, io.BytesIO(body))
    return f"{folder}/*.tar"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A folder, a table, Parquet files, URLs and tars."""
    write_corpus(tmp_path / "in", images=4, videos=1)
    for name in ("in/thumbs/a.jpg", "in/notes.md", "in/alone.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"12345")
    (tmp_path / "web").mkdir()
    urls = pa.table({"url": ["https://example.org/a.jpg"] * 50, "alt": ["", *["an alt text"] * 49]})
    pq.write_table(urls, tmp_path / "urls.parquet")
    sources = [
        {"type": "folder", "name": "photos", "path": str(tmp_path / "in"), "exclude": ["thumbs/"]},
        {"type": "table", "name": "rows", "path": table(tmp_path, 30)},
        {"type": "urls", "name": "crawl", "path": str(tmp_path / "urls.parquet"), "caption": "alt"},
        {"type": "webdataset", "name": "web", "path": tars(tmp_path / "web", 2, 10)},
    ]
    return write_recipe(tmp_path, sources=sources, tokenize={}, cot={})


def test_sources_are_seen_before_they_are_read(recipe: Path) -> None:
    photos, rows, crawl, web = preview(recipes.load(recipe))
    assert (photos.pictures, photos.videos, photos.others, photos.inputs, photos.captioned) == (4, 1, 2, 7, 5)
    files = [path for path in (recipe.parent / "in").iterdir() if path.suffix in (".jpg", ".mp4", ".md")]
    assert photos.bytes == photos.media_bytes == sum(path.stat().st_size for path in files) and photos.exact
    assert len(photos.captions) == 3 and all(text.partition(",")[0] in CAPTIONS for text in photos.captions)
    assert (rows.inputs, rows.captioned, rows.exact, rows.media_bytes) == (30, 30, True, 30_000)
    assert (rows.columns, rows.captions) == (("path", "caption", "score"), ("row 0", "row 1", "row 2"))
    assert (crawl.inputs, crawl.captioned, crawl.media_bytes, crawl.columns) == (50, 49, None, ("url", "alt"))
    assert (web.files, web.exact) == (2, False)
    assert abs(web.pictures - 20) <= 3 and abs(web.videos - 20) <= 3 and web.captions == ("a tar's caption",) * 3


def test_links_in_a_tar_end_nothing(tmp_path: Path) -> None:
    """A picture and a caption that lead to no member; `init` looks at tars in the same way."""
    path = Path(tars(tmp_path, 1, 3).replace("*", "0"))
    with tarfile.open(path, "a") as tar:
        for name in ("9.jpg", "9.txt"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"gone/{name}"
            tar.addfile(link)
    source = {"type": "webdataset", "name": "web", "path": str(path)}
    [web] = preview(recipes.load(write_recipe(tmp_path, sources=[source])))
    assert web.captions == ("a tar's caption",) * 3
    assert "3 video" in look(str(path)).sentences[0]


@pytest.mark.parametrize(
    "header", [b"22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n", b"25 GNU.sparse.map=a,b,c,d\n", b"11 size=-5\n"]
)
def test_a_hostile_tar_is_looked_at_as_ingest_reads_it(tmp_path: Path, header: bytes) -> None:
    extended = tarfile.TarInfo("x")
    extended.type, extended.size = tarfile.XHDTYPE, len(header)
    member = tarfile.TarInfo("0.jpg")
    member.size = 5
    blocks = (
        extended.tobuf(tarfile.USTAR_FORMAT),
        header.ljust(512, b"\0"),
        member.tobuf(),
        b"bytes".ljust(512, b"\0"),
    )
    (tmp_path / "0.tar").write_bytes(b"".join(blocks) + bytes(1024))
    source = WebDatasetSource(type="webdataset", name="web", path=str(tmp_path / "0.tar"))
    web = preview(Recipe.model_construct(sources=[source], partitions=[]))[0]
    assert (web.files, web.pictures, web.media_bytes) == (1, 0, 0)
    looked = look(source.path)
    assert looked.sentences == [f"{source.path}: 1 tars; the first holds 1 image"] and not any(looked.facts)


def test_a_dry_run_shows_it(recipe: Path) -> None:
    shown = dataengine("run", str(recipe), "--dry-run").stdout
    assert "ingest" in shown and "pending" in shown
    for text in (
        "columns of rows: path, caption, score",
        "captions of web:",
        "an alt text",
        "to be trained: tokenizer: kelix, preset tiny",
    ):
        assert text in shown, shown
    assert "estimate: " in shown and "not in it: " in shown and "videos" in shown.partition("not in it: ")[2]
    told = json.loads(dataengine("run", str(recipe), "--dry-run", "--json").stdout)
    assert {one["name"]: one["inputs"] for one in told["sources"]}["rows"] == 30
    assert told["stages"][0]["state"] == "pending" and told["estimate"]["cpu"] > 0
    assert dataengine("run", str(recipe), "--dry-run", "--quiet").stdout == ""
    assert not (recipe.parent / "ws").exists()


def seen(**changes: Any) -> Seen:
    return Seen(**{"name": "a", "type": "folder", "path": "a", "pictures": 1000, "media_bytes": 60_000_000, **changes})


def reports(*names: str, state: str = "pending") -> list[StageReport]:
    return [StageReport(name, state, 4, 0) for name in names]


def test_an_estimate_grows_with_what_is_left(recipe: Path) -> None:
    loaded = recipes.load(recipe)
    whole = estimate(loaded, [seen()], reports("ingest", "score", "tokenize.fit"), 2)
    assert whole.cpu > 100 > estimate(loaded, [seen()], reports("ingest"), 2).cpu > 1
    assert estimate(loaded, [seen()], reports("ingest", state="up to date"), 2).cpu == 0
    films = estimate(loaded, [seen(pictures=0, videos=9)], reports("ingest"), 2)
    assert (films.due, films.cpu, films.without) == (1, 0, ["9 videos"])
    half = [StageReport("ingest", "pending", 4, 2)]
    assert 2 * estimate(loaded, [seen()], half, 2).cpu == pytest.approx(
        estimate(loaded, [seen()], reports("ingest"), 2).cpu
    )
    large = estimate(loaded, [seen(media_bytes=600_000_000)], reports("ingest"), 2)
    assert large.cpu > 3 * estimate(loaded, [seen()], reports("ingest"), 2).cpu
    assert large.workspace > 2 * large.release * 0.9 and large.release > 600_000_000
    assert (
        estimate(loaded, [seen()], reports("ingest"), 4).seconds
        < estimate(loaded, [seen()], reports("ingest"), 1).seconds
    )
    named = estimate(
        loaded, [seen(videos=3), seen(type="urls", media_bytes=None)], reports("annotate.ocr", "cot.paths"), 1
    )
    assert named.without == ["annotate.ocr", "cot.paths", "3 videos", "downloads"]


def test_what_would_be_trained(recipe: Path) -> None:
    loaded = recipes.load(recipe)
    due = reports("tokenize.fit", "index.tree", "sequence.vocabulary", state="waiting")
    assert [line.partition(":")[0] for line in trained(loaded, due)] == ["tokenizer"]
    assert trained(loaded, reports("tokenize.fit", state="up to date")) == []
    fields = loaded.model_dump(exclude={"lock"}) | {
        "index": {"codes": {}},
        "tokenize": {"tokenizer": {"name": "checkpoint", "path": "t"}},
    }
    lines = trained(recipes.Recipe.model_validate(fields), due)
    assert lines[0] == "tokenizer: nothing, it is read from t" and "codebooks" in lines[-1] and len(lines) == 3


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1234, "1.2 kB"), (45_600_000, "46 MB"), (999_600, "1 MB"), (3 * 10**15, "3 PB")],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(3.2, "3 s"), (89, "89 s"), (120, "2 min"), (5400, "1.5 h"), (864_000, "10 days")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
