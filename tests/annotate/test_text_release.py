"""A release whose captions and texts in pictures were judged: table, policy, card, report, Croissant; run again, and moved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dataengine.annotate.stage import AnnotateOcr
from dataengine.annotate.text.track import track as text_track
from dataengine.annotate.tracks import tracks
from dataengine.annotate.worker import TABLE
from dataengine.config.recipe import load
from dataengine.pipeline import committed, execute
from dataengine.release.reader import open_release
from dataengine.shards.read import read_shard
from dataengine.stage import Part, Worker
from dataengine.storage.workspace import Output
from dataengine.testing import write_corpus, write_recipe
from dataengine.testing.in_process import InProcess
from dataengine.verify.verify import verify

pytestmark = pytest.mark.slow

CAPTIONS = [
    "A red boat with two sails lies in the small harbour.",
    "Ein rotes Boot mit zwei Segeln liegt im kleinen Hafen.",
    "boat boat boat boat boat boat boat boat",
    "Prints of this boat: write to ann@example.com, or see 8.8.8.8 for the list.",
    "",
]
RULE = "{name: en, keep: \"caption_language = 'en' and caption_gopher_repetition = 'pass'\", on_missing: keep, reason: other}"


class Reader:
    """Stands for the worker that reads text in pictures: every picture has the same sign."""

    def __init__(self, worker: Any) -> None:
        self.worker = worker

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        read = [
            {"id": s.id, "ocr_text": "EXIT 24\nto the harbour", "ocr_characters": 21}
            for s in self.worker.samples(part.spec)
        ]
        schema = self.worker.track.schema
        table = pa.Table.from_pylist(sorted(read, key=lambda row: str(row["id"])), schema)
        file = self.worker.workspace.write_table(f"annotations/ocr/{part.name}.parquet", table)
        return Output({TABLE: file}, {"samples": len(read)}, {"failures": {}, "values": {}})


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    folder = tmp_path_factory.mktemp("text")
    for path, caption in zip(write_corpus(folder / "in", images=len(CAPTIONS)), CAPTIONS, strict=True):
        path.with_suffix(".txt").write_text(caption)
    path = write_recipe(folder, annotate={"ocr": {}, "text": {"in_samples": True}, "device": "cpu"})
    (folder / "policy.yaml").write_text(f"{{name: texts, version: '1', rules: [{RULE}]}}")
    recipe = load(path)
    plain = AnnotateOcr.worker

    def reader(self: AnnotateOcr, run: Any) -> Worker:
        return Reader(plain(self, run))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AnnotateOcr, "worker", reader)
        execute(recipe, engine=InProcess())
    return folder, recipe


def test_columns_and_the_policy_that_decides_by_them(released: tuple[Path, Any]) -> None:
    _, recipe = released
    run = committed(recipe)
    track = tracks(recipe)[-1]
    rows = run.table("annotate.text", TABLE, track.schema).to_pylist()
    by_caption = {c: row for c in CAPTIONS for row in rows if _caption(run, row["id"]) == c}
    assert [by_caption[c]["caption_language"] for c in CAPTIONS] == ["en", "de", "en", "en", None]
    assert [by_caption[c]["caption_emails"] for c in CAPTIONS] == [0, 0, 0, 1, 0]
    assert [by_caption[c]["caption_ips"] for c in CAPTIONS] == [0, 0, 0, 1, 0]
    assert {row["ocr_language"] for row in rows} == {"en"} and {len(row["texts"]) for row in rows} == {1, 2}
    assert run.records["filter"].counts == {"in": 5, "kept": 3}
    assert "ann@" not in json.dumps(rows), "what was found is counted and never stored"


def _caption(run: Any, id_: str) -> str:
    from dataengine.contracts import UNIQUE

    [row] = run.rows_of("dedup", "unique", UNIQUE, [id_]).to_pylist()
    return row["captions"][0]["text"] if row["captions"] else ""


def test_what_stands_in_the_release(released: tuple[Path, Any]) -> None:
    folder, _ = released
    release = folder / "ws/releases/test"
    manifest = open_release(str(release)).manifest
    text = manifest.annotations[1]
    assert (text.name, text.samples, text.annotated, text.values) == ("text", 5, 5, {"de": 1, "en": 3})
    assert text.figures["e-mail addresses"] == 1 and text.figures["texts in pictures"] == 5
    assert manifest.labels["caption_gopher_repetition"].before == {"duplicated_2_n_grams": 1, "pass": 3}
    assert manifest.labels["caption_gopher_repetition"].after == {"duplicated_2_n_grams": 0, "pass": 2}
    assert manifest.labels["caption_language"].after == {"en": 2, "de": 0}
    assert verify(str(release)).errors == []
    card, report = (release / "README.md").read_text(), (release / "report.html").read_text()
    assert "licence CC-BY-SA-3.0" in card and "| caption_language | en | 3 | 2 |" in card
    assert "duplicated_2_n_grams" in report and "<h2>Labels</h2>" in report
    croissant = json.loads((release / "croissant.json").read_text())
    assert any(
        tool.startswith("fastText lid.176.ftz (text datatrove-") for tool in croissant["rai:machineAnnotationTools"]
    )
    [shard] = release.glob("shards/*.tar")
    samples = [json.loads(fields["json"]) for _, fields in read_shard(shard)]
    labels = [{label["name"]: label["value"] for label in sample["labels"]} for sample in samples]
    assert {label["caption_fineweb"] for label in labels} == {"pass", ""} and "texts" not in samples[0]


def test_a_second_run_makes_nothing_and_another_filter_asks_for_no_ocr(
    released: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, recipe = released
    assert all(report.state == "up to date" for report in execute(recipe, engine=InProcess()))
    text = recipe.annotate.text.model_copy(update={"c4": None})
    moved = recipe.model_copy(update={"annotate": recipe.annotate.model_copy(update={"text": text})})
    reports = {report.name: report.state for report in execute(moved, only="annotate", dry_run=True)}
    assert reports["annotate.ocr"] == "up to date" and reports["annotate.text"] == "pending"
    assert text_track(text).version != tracks(recipe)[-1].version
