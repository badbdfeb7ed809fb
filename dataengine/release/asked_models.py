"""Counts what was asked of the recipe's model servers, from the tables that hold the answers: the same however often a run was
killed. What came from the cache is in ``dataengine cost``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.annotate.captions.recaption_worker import CAPTIONS, NOTHING
from dataengine.annotate.captions.tables import MADE
from dataengine.config.cot import OpenAIConfig
from dataengine.cot.core.schemas import PATHS
from dataengine.models.serving.connect import chat_model
from dataengine.stage import Run
from dataengine.storage.workspace import digest

_CAPTIONS = """
SELECT "server" AS asked, "failure", CAST(count(*) AS BIGINT) AS n,
CAST(sum(COALESCE("tokens_in", 0)) AS BIGINT) AS tokens_in, CAST(sum(COALESCE("tokens_out", 0)) AS BIGINT) AS tokens_out
FROM m WHERE "style" IS NOT NULL AND ("failure" IS NULL OR "failure" <> ?) GROUP BY "server", "failure"
"""
_PATHS = 'SELECT "teacher" AS asked, "failure", CAST(count(*) AS BIGINT) AS n FROM m GROUP BY "teacher", "failure"'

Json = dict[str, Any]


def asked_models(run: Run) -> list[Json]:
    """A server of the recipe each, by name: its model, and for captions and for reasoning paths how much was asked of it."""
    captions, paths = _captions(run), _paths(run)
    return [
        {
            "name": name,
            "model": one.model,
            "version": one.version,
            "kind": one.kind,
            "digest": digest(one.model, one.identity),
            "asked": [*_asked("captions", captions, name), *_asked("chain-of-thought", paths, name)],
        }
        for name, one in sorted(run.recipe.model_servers.items())
    ]


def _captions(run: Run) -> list[Json]:
    """Without samples that could not be shown, or of which there was nothing to tell: nobody was asked about them."""
    if "annotate.recaption" not in run.records:
        return []
    frame = run.frame("annotate.recaption", CAPTIONS, MADE, ["server", "style", "failure", "tokens_in", "tokens_out"])
    return run.engine.collect(run.engine.sql(_CAPTIONS, {"m": frame}, [NOTHING])).to_pylist()


def _paths(run: Run) -> list[Json]:
    """By server instead of teacher; of teachers that name none, nothing."""
    if "cot.paths" not in run.records or run.recipe.cot is None:
        return []
    servers = {
        chat_model(teacher, None).id: teacher.server
        for teacher in run.recipe.cot.teachers
        if isinstance(teacher, OpenAIConfig) and teacher.server is not None
    }
    frame = run.frame("cot.paths", "paths", PATHS, ["teacher", "failure"])
    rows = run.engine.collect(run.engine.sql(_PATHS, {"m": frame})).to_pylist()
    return [{**row, "asked": servers[row["asked"]]} for row in rows if row["asked"] in servers]


def _asked(purpose: str, rows: Sequence[Mapping[str, Any]], server: str) -> list[Json]:
    calls = [row for row in rows if row["asked"] == server]
    if not calls:
        return []
    failures = {
        row["failure"]: row["n"] for row in sorted(calls, key=lambda row: row["failure"] or "") if row["failure"]
    }
    tokens = {name: sum(row[name] for row in calls) for name in ("tokens_in", "tokens_out") if name in calls[0]}
    return [{"purpose": purpose, "requests": sum(row["n"] for row in calls), "failures": failures, **tokens}]
