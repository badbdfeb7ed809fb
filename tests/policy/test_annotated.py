"""Columns of tracks beside facts and scores: on either engine, of samples with, without and beyond a track."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.engine_fixtures import Parted
from support.planned import Tables, sample

from dataengine.annotate.stage import AnnotateAsr
from dataengine.annotate.tracks import tracks
from dataengine.annotate.worker import FAILURES
from dataengine.config.annotate import AnnotateConfig, AsrConfig, OcrConfig
from dataengine.contracts import GROUPS, UNIQUE
from dataengine.cot.questions.source_metadata_stage import as_metadata
from dataengine.engines.duckdb import DuckDBEngine
from dataengine.errors import UsageError
from dataengine.policy.annotated import annotated, annotated_rows, known_columns, sample_fields
from dataengine.stage import Run
from dataengine.storage.workspace import Output, Record

ROWS = [sample(n, "a", kind="video" if n > 1 else "image") for n in range(4)]
IDS = [row["id"] for row in ROWS]


def run_of(folder: Path, engine: Any) -> Run:
    """Two pictures, two videos; all were read, one of them in vain, and one video has sound."""
    run = Tables(folder, engine, ROWS).run
    config = AnnotateConfig(ocr=OcrConfig(in_samples=True), asr=AsrConfig())
    score = run.recipe.score.model_copy(update={"scorers": []})
    run.recipe = run.recipe.model_copy(update={"annotate": config, "score": score})
    ocr, asr = tracks(run.recipe)
    line = {"text": "EXIT", "confidence": 0.9, "time": 0.0, "box": [0.0] * 8}
    read = [
        {"id": id_, "ocr_characters": 4 * n, "ocr_lines": n, "ocr": [line] * n, "ocr_text": "EXIT"}
        for n, id_ in enumerate(IDS)
    ]
    read[1] = {"id": IDS[1], "failure": "timeout", "message": "took too long"}
    heard = [
        {"id": IDS[3], "speech_seconds": 2.5, "speech_partial": True, "speech_language": "en", "speech_text": "hello"}
    ]
    for track, rows in ((ocr, read), (asr, heard)):
        table = pa.Table.from_pylist(rows, track.schema)
        file = run.workspace.write_table(f"annotations/{track.name}.parquet", table)
        run.records[track.stage] = Record(track.stage, "", {"a": Output({"table": file})})
    run.records["score"] = Record("score", "", {"a": Output()})
    whole = {
        role: run.workspace.write_table(f"whole/{role}.parquet", run.table("dedup", role, schema))
        for role, schema in (("unique", UNIQUE), ("groups", GROUPS))
    }
    run.records["dedup"] = Record("dedup", "", {"all": Output(whole)})
    return run


@pytest.mark.parametrize("engine", [DuckDBEngine(threads=1), Parted(3, 1)], ids=["one process", "parted"])
def test_a_failure_is_null_and_what_a_track_does_not_concern_is_zero(tmp_path: Path, engine: Any) -> None:
    run = run_of(tmp_path, engine)
    wanted = ["ocr_characters", "speech_seconds", "speech_partial", "speech_language", "ocr"]
    rows = {row["id"]: row for row in run.engine.collect(annotated(run, wanted)).to_pylist()}
    assert [rows[i]["ocr_characters"] for i in IDS] == [0, None, 8, 12]
    assert [rows[i]["speech_seconds"] for i in IDS] == [0.0, 0.0, 0.0, 2.5]
    assert [rows[i]["speech_partial"] for i in IDS] == [False, False, False, True]
    assert [rows[i]["speech_language"] for i in IDS] == [None, None, None, "en"]
    assert len(rows[IDS[2]]["ocr"]) == 2 and rows[IDS[1]]["ocr"] is None


def test_one_sample_is_explained_with_the_same_columns(tmp_path: Path) -> None:
    run = run_of(tmp_path, DuckDBEngine(threads=1))
    every = {row["id"]: row for row in run.engine.collect(annotated(run)).to_pylist()}
    assert {row["id"]: row for row in annotated_rows(run, IDS)} == every
    assert "ocr_text" not in every[IDS[0]]


def test_policies_see_columns_and_samples_what_the_recipe_wants(tmp_path: Path) -> None:
    run = run_of(tmp_path, DuckDBEngine(threads=1))
    known = known_columns(run.recipe)
    assert known["ocr_area"] == pa.float64() and known["speech_partial"] == pa.bool_()
    assert "ocr_text" not in known and "speech" not in known
    names = [f.name for f in sample_fields(run.recipe)]
    assert {"ocr", "ocr_text", "ocr_scripts"} <= set(names) and not any(n.startswith("speech") for n in names)


def test_questions_may_be_asked_about_a_track(tmp_path: Path) -> None:
    rows = pa.table({"id": IDS[:2], "ocr_text": ["EXIT", None]})
    made = as_metadata("ocr-model-1", rows).to_pylist()
    size = {"width": None, "height": None}  # a track has no boxes of its own
    assert made[0] == {"id": IDS[0], "source": "annotate", "uri": "ocr-model-1", "meta": '{"ocr_text": "EXIT"}'} | size


@pytest.mark.parametrize(("failed", "stops"), [(10, False), (11, True)])
def test_more_failures_than_the_budget_stop_the_run(tmp_path: Path, failed: int, stops: bool) -> None:
    run = run_of(tmp_path, DuckDBEngine(threads=1))
    parts = {"a": Output({}, {"samples": 50, "failed": failed}, {FAILURES: {"corrupt": failed}})}
    run.records["annotate.asr"] = Record("annotate.asr", "", parts)
    text = AnnotateAsr().objection(run)
    assert bool(text) is stops
    assert (
        not stops or text == "annotate.asr: 11 of 50 samples were not annotated (11 corrupt); limits.failed allows 20%"
    )


def test_a_block_without_a_track_and_a_checkpoint_that_is_none_are_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no track is named"):
        AnnotateConfig()
    recipe = run_of(tmp_path, DuckDBEngine(threads=1)).recipe
    (tmp_path / "config.json").write_text("{}")
    config = AnnotateConfig(asr=AsrConfig(checkpoint=str(tmp_path)))
    with pytest.raises(UsageError, match=r"has no tokenizer\.json, model\.bin: give a local folder"):
        AnnotateAsr().validate(recipe.model_copy(update={"annotate": config}))
