"""What manifest, card and report tell of synthetic captions: counts by the table engine, over the captions that were asked for
and over the choices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dataengine.annotate.captions import prompts
from dataengine.annotate.captions.recaption_worker import CAPTIONS
from dataengine.annotate.captions.settings import captions_config, captions_servers
from dataengine.annotate.captions.tables import MADE
from dataengine.annotate.captions.track import SCHEMA
from dataengine.annotate.worker import TABLE
from dataengine.contracts import ASSIGNMENT
from dataengine.models.serving.connect import chat_model
from dataengine.stage import Run
from dataengine.table_engine import Frame, TableEngine

#: Of the facts of annotate.captions.
SUMMARY = "captions"
#: Kinds of chosen captions, besides the styles of synthetic ones.
OF_SOURCE, NONE, NOT_CAPTIONED = "source", "none", "not captioned"
_SQL_CHOICES = """
SELECT "caption_synthetic", "caption_style", "caption_reason", CAST(count(*) AS BIGINT) AS n FROM c
GROUP BY "caption_synthetic", "caption_style", "caption_reason"
"""
_SQL_ASKED = """
SELECT "server", "style", "span", "failure", CAST(count(*) AS BIGINT) AS n,
CAST(sum(COALESCE("tokens_in", 0)) AS BIGINT) AS tokens_in, CAST(sum(COALESCE("tokens_out", 0)) AS BIGINT) AS tokens_out
FROM m GROUP BY "server", "style", "span", "failure"
"""

Row = Mapping[str, Any]


def summary(run: Run) -> dict[str, Any]:
    """Models, prompts, and the captions that were asked for by style, server, part of a video and failure."""
    config, servers, engine = captions_config(run.recipe), captions_servers(run.recipe), run.engine
    asked = engine.collect(engine.sql(_SQL_ASKED, {"m": run.frame("annotate.recaption", CAPTIONS, MADE)})).to_pylist()
    written = [row for row in asked if row["failure"] is None]
    return {
        "models": [
            {
                "server": name,
                "model": chat_model(server, None).id,
                "sees": server.vision,
                "packaged": server.packaged or "",
            }
            for name, server in servers.items()
        ],
        "prompts": prompts.digests(config),
        **{f"{name}s": counted(written, name) for name in ("style", "span", "server")},
        "failures": counted(asked, "failure"),
        **{name: sum(row[name] for row in asked) for name in ("tokens_in", "tokens_out")},
        "rule": config.choose.rule,
        "share": config.choose.synthetic,
        "rejected_for": list(config.choose.reject),
    }


def chosen_kinds(engine: TableEngine, choices: Frame) -> dict[str, int]:
    """Samples by their chosen caption: the style of a synthetic one, else one of the kinds above."""
    counts = Counter[str]()
    for row in engine.collect(engine.sql(_SQL_CHOICES, {"c": choices})).to_pylist():
        counts[_kind(row)] += row["n"]
    return dict(sorted(counts.items()))


def released_kinds(run: Run) -> dict[str, int]:
    """The same of the samples in the shards."""
    names = ["id", "caption_synthetic", "caption_style", "caption_reason"]
    frames = {
        "t": run.frame("annotate.captions", TABLE, SCHEMA, names),
        "a": run.frame("shard.assign", "assignment", ASSIGNMENT, ["id"]),
    }
    return chosen_kinds(run.engine, run.engine.sql('SELECT t.* FROM t INNER JOIN a ON t."id" = a."id"', frames))


def counted(rows: Sequence[Row], name: str) -> dict[str, int]:
    """Counts by a column, where it is not null."""
    counts = Counter[str]()
    for row in rows:
        if row[name] is not None:
            counts[row[name]] += row["n"]
    return dict(sorted(counts.items()))


def _kind(row: Row) -> str:
    if row["caption_synthetic"]:
        return str(row["caption_style"])
    return {"no caption": NONE, "not captioned": NOT_CAPTIONED}.get(row["caption_reason"], OF_SOURCE)
