"""Which texts and address of a sample are judged, and that a part changes with them alone; the same from either engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.engine_fixtures import Parted
from support.planned import Tables, sample

from dataengine.annotate.stage import AnnotateOcr
from dataengine.annotate.text.stage import AnnotateText
from dataengine.config.annotate import AnnotateConfig, OcrConfig
from dataengine.config.annotate_text import TextConfig, UrlConfig
from dataengine.contracts import SAMPLES
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.score.factory import build
from dataengine.score.worker import annotation_schema
from dataengine.stage import Part, Run
from dataengine.storage.workspace import Output, Record

CAPTIONS = [("short", "the longest caption"), ("a", "b", "c"), (), (" ",), ("one",)]
ROWS = [sample(n, "ab"[n % 2], captions) for n, captions in enumerate(CAPTIONS)]
IDS = [row["id"] for row in ROWS]
URIS = {
    IDS[0]: ["https://z.example/0", "http://a.example/0", "ftp://a/0"],
    IDS[1]: ["photos/1.jpg"],
    IDS[4]: ["https://e.example"],
}
STAGE = AnnotateText()


def run_of(folder: Path, engine: Any, read: str = "EXIT", best: int | None = 1) -> Run:
    run = Tables(folder, engine, ROWS).run
    text = TextConfig(url=UrlConfig(lists=False))
    scorers = {"scorers": [{"name": "conse"}]}
    score = run.recipe.score.model_copy(update=scorers)
    config = AnnotateConfig(ocr=OcrConfig(), text=text)
    run.recipe = run.recipe.model_copy(update={"annotate": config, "score": score})
    [scorer] = build(score.scorers)
    scores = [{"id": id_, "match": 0.1, "match_caption": best if id_ == IDS[1] else None} for id_ in IDS]
    track = AnnotateOcr().active_track(run.recipe)
    texts = [{"id": id_, "ocr_text": read if id_ == IDS[0] else ""} for id_ in IDS]
    empty: dict[Any, Any] = {pa.string(): "", pa.int64(): 0, pa.int32(): 1, pa.int8(): 1, pa.bool_(): False}
    blank = {f.name: empty.get(f.type, []) for f in SAMPLES if not f.nullable}
    inputs = [{**blank, "input_id": uri, "id": id_, "uri": uri} for id_, uris in URIS.items() for uri in uris]
    for stage, role, rows, schema in (
        ("score", "conse", scores, annotation_schema(scorer)),
        ("ingest", "samples", inputs, SAMPLES),
    ):
        file = run.workspace.write_table(f"{stage}/{best}.parquet", pa.Table.from_pylist(rows, schema))
        run.records[stage] = Record(stage, "", {"all": Output({role: file})})
    file = run.workspace.write_table(f"ocr/{read}.parquet", pa.Table.from_pylist(texts, track.schema))
    run.records[track.stage] = Record(track.stage, "", {name: Output({"table": file}) for name in "ab"})
    return run


def judged(run: Run, parts: list[Part]) -> dict[str, tuple[list[tuple[str, str]], str | None]]:
    worker: Any = STAGE.worker(run)
    return {s.id: (s.facts["texts"], s.facts["url"]) for part in parts for s in worker.samples(part.spec)}


@pytest.mark.parametrize("engine", [DuckDBEngine(threads=1), Parted(3, 1)], ids=["one process", "parted"])
def test_the_released_caption_comes_first_and_blank_texts_are_left_out(tmp_path: Path, engine: Any) -> None:
    run = run_of(tmp_path, engine)
    assert not STAGE.is_planned(run)
    parts = STAGE.plan(run)
    assert [part.name for part in parts] == ["a", "b"] and STAGE.is_planned(run)
    texts = judged(run, parts)
    assert texts[IDS[0]] == (
        [("caption", "the longest caption"), ("caption", "short"), ("ocr", "EXIT")],
        "http://a.example/0",
    )
    assert texts[IDS[1]] == ([("caption", "b"), ("caption", "a"), ("caption", "c")], None)
    assert texts[IDS[2]] == ([], None) and texts[IDS[3]] == ([], None)
    assert texts[IDS[4]] == ([("caption", "one")], "https://e.example")


def test_a_part_changes_with_what_it_is_made_from_alone(tmp_path: Path) -> None:
    engine = DuckDBEngine(threads=1)
    runs = [
        run_of(tmp_path / "1", engine),
        run_of(tmp_path / "2", Parted(2, 1)),
        run_of(tmp_path / "3", engine, read="OPEN"),
        run_of(tmp_path / "4", engine, best=2),
    ]
    keys = [[part.key for part in STAGE.plan(run)] for run in runs]
    assert keys[0] == keys[1], "engines agree"
    assert keys[2][0] != keys[0][0], "text in a picture"
    assert keys[3][0] == keys[0][0] and keys[3][1] != keys[0][1], "another caption matches best"
