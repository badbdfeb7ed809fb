"""A moved threshold through all stages: what is new is asked about, and the release is that of a fresh workspace."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from support.cot_corpus import pictures

from dataengine import pipeline
from dataengine.config import recipe
from dataengine.cot.questions.distractors import partner_count, ring_position
from dataengine.samples.locate import Located
from dataengine.samples.worker import DecodingWorker
from dataengine.storage.workspace import Record
from dataengine.testing import InProcess

STAGES = ("cot.questions", "cot.paths", "cot.check", "cot.review", "cot.mix")


def run(folder: Path, name: str, keep: str) -> dict[str, Record]:
    """The commits of a run in the workspace ``name`` that keeps these samples."""
    rule = {"name": "wide", "keep": keep, "on_missing": "drop", "reason": "not as wide as wanted"}
    (folder / "policy.yaml").write_text(json.dumps({"name": "p", "version": "1", "rules": [rule]}))
    made = {
        "name": "moved",
        "workspace": str(folder / name),
        "sources": [{"type": "folder", "name": "photos", "path": str(folder / "corpus"), "buckets": 2}],
        "dedup": {"radius": 0},
        "score": {"scorers": [{"name": "technical"}]},
        "filter": {"policy": str(folder / "policy.yaml")},
        "tokenize": None,
        "cot": {"questions_per_sample": 4, "teachers": [{"type": "programmatic", "error_injection_rate": 0.2}]},
        "release": {"title": "Moved", "license": "cc0-1.0", "description": "Made to test."},
    }
    path = folder / "recipe.yaml"
    path.write_text(json.dumps(made))
    loaded = recipe.load(str(path))
    pipeline.execute(loaded, engine=InProcess())
    return pipeline.committed(loaded).records


@pytest.mark.slow
def test_a_moved_threshold_asks_about_new_samples_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "corpus").mkdir()
    for id_, data in pictures().items():
        (tmp_path / "corpus" / f"{id_}.jpg").write_bytes(data)
        (tmp_path / "corpus" / f"{id_}.txt").write_text(f"picture {id_}")
    decoded, over = list[tuple[str, str]](), DecodingWorker.decoded

    def counted(worker: DecodingWorker, rows: Sequence[Located], *rest: Any) -> Any:
        decoded.extend((type(worker).__name__, row.id) for row in rows)
        return over(worker, rows, *rest)

    monkeypatch.setattr(DecodingWorker, "decoded", counted)
    before = run(tmp_path, "moved", "width <= 320")
    asked = sorted(id_ for name, id_ in decoded if name == "QuestionWorker")
    decoded.clear()
    after = run(tmp_path, "moved", "width >= 320")
    new = [id_ for name, id_ in decoded if name == "QuestionWorker"]
    sheets = {id_ for id_ in asked if partner_count("image", ring_position(0, id_))}
    assert len(asked) == 36 and len({*new} - {*asked}) == 2
    assert {*new} & {*asked} <= sheets and len(sheets) < 12, "only sheets of others are composed anew"
    assert before["cot.questions"].counts["samples"] == 36 and after["cot.questions"].counts["samples"] == 20
    fresh = run(tmp_path, "fresh", "width >= 320")
    assert {name: after[name].parts for name in STAGES} == {name: fresh[name].parts for name in STAGES}
    tars = [sorted((tmp_path / name / "releases" / "moved" / "cot").glob("*.tar")) for name in ("moved", "fresh")]
    assert tars[1] and [p.read_bytes() for p in tars[0]] == [p.read_bytes() for p in tars[1]]
