"""Chain-of-thought questions and records for the browse page: what became of each, its text, its paths and their grades.

Of a recipe all questions are there, with the step at which the others were lost. Of a release alone the first records of each
shard are read, from disk or S3. Either is read when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol

from dataengine.browse.page.faceted_table import FacetedTable
from dataengine.browse.page.filters import Filters
from dataengine.browse.page.released_records import ROW, ReleasedRecords
from dataengine.browse.session import Session
from dataengine.browse.view_engine import literal
from dataengine.cot.core.question import Question
from dataengine.cot.core.schemas import CHECKS, OUTCOMES, PATHS, QUESTIONS, REVIEWED
from dataengine.cot.core.stage import every
from dataengine.stage import Run

FACETS = ("outcome", "step", "mode", "grade", "family", "style", "task", "teacher", "difficulty", "split", "reason")
_SEARCHED = ("rid", "sample", "task", "answer", "reason")
_COLUMNS = (*ROW, "grade", "answer", "agreement")
#: Records of a page; characters of a text, of an answer and of a path.
PAGE, _LONGEST = 50, 20_000
_LARGEST = 32 << 20
"""Bytes of a picture of a record."""
_TABLE = """
SELECT o."rid", o."sample", o."mode", o."style", o."task", q."family", q."difficulty", q."split", o."teacher", o."outcome",
       nullif(o."step", '') AS "step", nullif(o."reason", '') AS "reason",
       COALESCE(c."grade", b."grade") AS "grade", q."answer", r."agreement"
FROM {outcomes} AS o
LEFT JOIN (SELECT * FROM {questions} WHERE "rejected" IS NULL) AS q ON o."rid" = q."rid"
LEFT JOIN {reviewed} AS r ON o."rid" = r."rid"
LEFT JOIN (SELECT * FROM {checks} WHERE "kind" = 'path') AS c ON o."rid" = c."rid" AND c."index" = r."chosen"
LEFT JOIN (SELECT "rid", min("grade") AS "grade" FROM {checks} WHERE "kind" = 'path' GROUP BY "rid") AS b ON o."rid" = b."rid"
ORDER BY o."mode", o."task", o."rid"
"""
_PATHS = """
SELECT p."rid", p."index", p."teacher", p."text", p."injected", p."failure", p."message", c."grade", c."answer", c."reasons"
FROM (SELECT * FROM {paths} WHERE "kind" = 'path' AND "rid" IN ({rids})) AS p
LEFT JOIN (SELECT * FROM {checks} WHERE "kind" = 'path' AND "rid" IN ({rids})) AS c
  ON p."rid" = c."rid" AND p."index" = c."index"
ORDER BY p."rid", p."index"
"""


class Source(Protocol):
    """Where records come from. ``note``: what of them is not there, for a person."""

    note: str

    def make(self) -> None:
        """Make the table ``cot_records``."""

    def details(self, rids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of each record its question and reply as blocks, and its paths."""

    def picture(self, rid: str, name: str) -> bytes:
        """A picture of a record, a PNG. Raises KeyError."""


class Records:
    """The records of a session. May be used by several threads. ``there``: whether it has any."""

    def __init__(self, session: Session) -> None:
        self._session, self._lock = session, Lock()
        self._table: FacetedTable | None = None
        run, published = session.run, session.published
        self._source: Source | None = None
        if run is not None and "cot.mix" in run.records:
            self._source = _RunRecords(session, run)
        elif run is None and published is not None and published.manifest.cot.shards:
            self._source = ReleasedRecords(session, published)

    @property
    def there(self) -> bool:
        return self._source is not None

    def page(self, filters: Filters, offset: int, limit: int) -> dict[str, Any]:
        """Records ``offset`` to ``offset + limit`` (at most PAGE) by mode, task and id. Raises ValueError, KeyError."""
        table, source = self._opened()
        page = table.page_of(_COLUMNS, filters, "", False, offset, min(limit, PAGE))
        details = source.details([row["rid"] for row in page["rows"]])
        rows = [row | details.get(row["rid"], {}) for row in page["rows"]]
        return {"count": page["count"], "total": table.total, "note": source.note, "rows": rows}

    def counts(self, filters: Filters) -> dict[str, list[list[Any]]]:
        """As ``FacetedTable.counts``."""
        return self._opened()[0].counts(filters)

    def picture(self, rid: str, name: str) -> bytes:
        """A picture of a record, a PNG. Raises KeyError."""
        return self._opened()[1].picture(rid, name)

    def _opened(self) -> tuple[FacetedTable, Source]:
        if self._source is None:
            raise KeyError("records")
        with self._lock:
            if self._table is None:
                self._source.make()
                self._table = FacetedTable(self._session.engine, "cot_records", FACETS, _SEARCHED)
        return self._table, self._source


class _RunRecords:
    """All questions of a run, from the tables of its steps; their frames stay as long as the session."""

    note = ""

    def __init__(self, session: Session, run: Run) -> None:
        self._session, self._run = session, run
        self._frames: dict[str, str] = {}

    def make(self) -> None:
        with self._session.lock:
            run = self._run
            named = {
                "outcomes": run.frame("cot.mix", "outcomes", OUTCOMES),
                "reviewed": run.frame("cot.review", "reviewed", REVIEWED, ["rid", "chosen", "text", "agreement"]),
                "questions": every(run, "cot.questions", "questions", QUESTIONS),
                "paths": every(run, "cot.paths", "paths", PATHS),
                "checks": every(run, "cot.check", "checks", CHECKS),
            }
            self._frames = {name: str(frame) for name, frame in named.items()}
            self._session.engine.execute(f"CREATE TABLE cot_records AS {_TABLE.format(**self._frames)}")

    def details(self, rids: Sequence[str]) -> dict[str, dict[str, Any]]:
        if not rids:
            return {}
        listed = ", ".join(map(literal, rids))
        frames = self._frames
        questions = self._rows(
            f'SELECT "rid", "question" FROM {frames["questions"]} WHERE "rejected" IS NULL AND "rid" IN ({listed})'
        )
        chosen = {
            row["rid"]: row
            for row in self._rows(f'SELECT "rid", "chosen", "text" FROM {frames["reviewed"]} WHERE "rid" IN ({listed})')
        }
        paths: dict[str, list[dict[str, Any]]] = {}
        for row in self._rows(_PATHS.format(rids=listed, **frames)):
            paths.setdefault(row.pop("rid"), []).append(_path(row))
        details = {}
        for row in questions:
            rid, review = row["rid"], chosen.get(row["rid"], {})
            made = next((p for p in paths.get(rid, []) if p["index"] == review.get("chosen")), None)
            reply = review.get("text") or (made["text"] if made else "")
            details[rid] = {
                "question": [block.model_dump(mode="json") for block in Question.from_json(row["question"]).content],
                "reply": [{"type": "text", "text": reply[:_LONGEST]}] if reply else [],
                "paths": paths.get(rid, []),
            }
        return details

    def picture(self, rid: str, name: str) -> bytes:
        """Of a question, or of the path whose tools made it."""
        for frame, condition in (("questions", '"rejected" IS NULL'), ("paths", "\"kind\" = 'path'")):
            sql = f'SELECT "pack", "members" FROM {self._frames[frame]} WHERE "rid" = {literal(rid)} AND {condition}'
            for row in self._rows(sql):
                for member in row["members"] or ():
                    if member["name"] == name and row["pack"] and member["size"] <= _LARGEST:
                        return self._run.workspace.store.get_range(row["pack"], member["offset"], member["size"])
        raise KeyError(name)

    def _rows(self, sql: str) -> list[dict[str, Any]]:
        with self._session.lock:
            rows: list[dict[str, Any]] = self._session.engine.rows(sql).to_pylist()
        return rows


def _path(row: dict[str, Any]) -> dict[str, Any]:
    """A path as JSON, its text cut."""
    text = row["text"] or ""
    reasons = "; ".join(row["reasons"] or ())
    failed = f"{row['failure']}: {row['message']}" if row["failure"] else ""
    return {
        "index": row["index"],
        "teacher": row["teacher"],
        "grade": row["grade"],
        "answer": (row["answer"] or "")[:_LONGEST],
        "reasons": failed or reasons,
        "injected": row["injected"],
        "text": text[:_LONGEST],
    }
