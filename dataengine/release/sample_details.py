"""Reads what the report says of a few kept samples beside their pictures: captions and scores as the shards carry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dataengine import contracts
from dataengine.annotate.captions.settings import captioning
from dataengine.annotate.captions.track import SCHEMA as CAPTIONED
from dataengine.annotate.worker import TABLE
from dataengine.policy.annotated import annotated, is_scalar, sample_fields
from dataengine.release.html_parts import Detail
from dataengine.samples.locate import longest
from dataengine.stage import Run

_BEST = "match_caption"
_LONGEST = 40
"""Characters of a string among the scores: hashes and the like tell a reader nothing."""


def sample_details(run: Run, ids: Sequence[str]) -> dict[str, Detail]:
    """By id; nothing of a sample that a shard would not say of it."""
    if not ids:
        return {}
    scores = _scores(run, ids)
    captions = _captions(run, ids, scores)
    return {id_: Detail(tuple(captions.get(id_, ())), _shown(scores.get(id_, {}))) for id_ in ids}


def _captions(run: Run, ids: Sequence[str], scores: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """The released one first, as ``shards.plan`` chooses it."""
    rows = run.rows_of("dedup", "unique", contracts.UNIQUE, ids).select(["id", "captions"]).to_pylist()
    captions = {
        row["id"]: _in_order([one["text"] for one in row["captions"]], scores.get(row["id"], {}).get(_BEST))
        for row in rows
    }
    if captioning(run.recipe):
        for row in run.rows_of("annotate.captions", TABLE, CAPTIONED, ids).select(["id", "captions"]).to_pylist():
            if row["captions"] is not None:
                captions[row["id"]] = [one["text"] for one in row["captions"]]
    return captions


def _scores(run: Run, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    names = [field.name for field in sample_fields(run.recipe) if is_scalar(field)]
    frames = {"a": annotated(run, names), "w": run.engine.frame(pa.table({"id": pa.array(ids, pa.string())}))}
    rows = run.engine.collect(run.engine.sql("SELECT a.* FROM a INNER JOIN w ON a.id = w.id", frames)).to_pylist()
    return {row.pop("id"): row for row in rows}


def _in_order(captions: Sequence[str], chosen: float | None) -> list[str]:
    if not captions:
        return []
    best = int(chosen) if chosen is not None else longest(captions)
    return [captions[best], *(text for n, text in enumerate(captions) if n != best)]


def _shown(scores: Mapping[str, Any]) -> dict[str, float | str]:
    return {
        name: value
        for name, value in scores.items()
        if name != _BEST and (isinstance(value, int | float) or (isinstance(value, str) and 0 < len(value) <= _LONGEST))
    }
