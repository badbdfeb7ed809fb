"""The plan of CoT shards, on frames: each chosen record with all that the steps have found out about it, and its shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import pyarrow as pa

from dataengine.contracts import columns
from dataengine.cot.core.columns import Member
from dataengine.cot.core.question import Question
from dataengine.cot.core.record import Family, PathSummary
from dataengine.cot.core.schemas import PATHS, PLAN, QUESTIONS, REVIEWED, SCORES
from dataengine.cot.core.stage import every
from dataengine.cot.core.tables import PlanRow, Row, rows_of, table_of
from dataengine.shards.earlier import Earlier
from dataengine.stage import Run
from dataengine.storage.workspace import Workspace
from dataengine.table_engine import Frame, TableEngine

_RECORDS_PER_SHARD = 10_000
_REVIEWS: Mapping[str, Literal["", "accepted", "edited"]] = {"accept": "accepted", "edit": "edited"}
#: PLAN, and the shard that the record goes into.
PLANNED = PLAN.append(pa.field("shard", pa.string()))
_RECORDS = """
SELECT k."rid", k."split", k."family", q."question", q."pack", q."members", p."text", p."pack" AS "path_pack",
       p."members" AS "path_members", r."text" AS "edited", r."paths", r."text_only", r."chosen", r."agreement", r."equal",
       r."action", s."quality", s."prior", s."weight", k."uses" AS "repeat"
FROM k INNER JOIN q ON k."rid" = q."rid" INNER JOIN r ON k."rid" = r."rid" INNER JOIN s ON k."rid" = s."rid"
INNER JOIN p ON k."rid" = p."rid" AND r."chosen" = p."index" WHERE p."kind" = ?
"""
_NUMBERED = """
SELECT "rid", "split", "family",
       CAST(row_number() OVER (PARTITION BY "split", "family" ORDER BY "rid") AS BIGINT) AS n FROM p
"""
#: Where each record is. It keeps its shard in a release that continues this one, as long as its split and family stay.
COT_ASSIGNMENT = columns(rid=pa.string(), split=pa.string(), family=pa.string(), shard=pa.string())
_BOTH = 'p."rid" = e."rid" AND p."split" = e."split" AND p."family" = e."family"'
_NEW = f'SELECT p.* FROM p LEFT JOIN e ON {_BOTH} WHERE e."rid" IS NULL'
_STAY = f'SELECT p."rid", p."split", p."family", e."shard" FROM p INNER JOIN e ON {_BOTH}'
_PLACED = 'SELECT "rid", "split", "family", "shard" FROM s UNION ALL SELECT "rid", "split", "family", "shard" FROM n'


def planned(run: Run, chosen: Frame, earlier: Earlier | None) -> Frame:
    """PLANNED of the ``chosen`` records (rid, split, family, uses), in no order. A shard has records of one split and family,
    which have the same members; ids are hashes, so their order is a shuffle. Records of the ``earlier`` release keep their
    shards, others go into new ones."""
    engine = run.engine
    frames = {
        "k": chosen,
        "q": every(run, "cot.questions", "questions", QUESTIONS, ["rid", "question", "pack", "members"]),
        "p": every(run, "cot.paths", "paths", PATHS, ["rid", "kind", "index", "text", "pack", "members"]),
        "r": run.frame("cot.review", "reviewed", REVIEWED),
        "s": run.frame("cot.score", "scores", SCORES),
    }
    records = engine.kept(engine.local(engine.sql(_RECORDS, frames, ("path",)), (), plan_rows, PLAN))
    shards = _placed(run.engine, records, earlier)
    return engine.sql('SELECT p.*, s."shard" FROM p INNER JOIN s ON p."rid" = s."rid"', {"p": records, "s": shards})


def _placed(engine: TableEngine, records: Frame, earlier: Earlier | None) -> Frame:
    """COT_ASSIGNMENT of the records."""
    if earlier is None or not earlier.cot_assignment:
        return _numbered(engine, records, earlier.next_cot_shards if earlier else {})
    before = engine.kept(engine.scan(Workspace(earlier.store.url), earlier.cot_assignment, COT_ASSIGNMENT))
    frames = {"p": records, "e": before}
    new = _numbered(engine, engine.sql(_NEW, frames), earlier.next_cot_shards)
    return engine.sql(_PLACED, {"s": engine.sql(_STAY, frames), "n": new})


def _numbered(engine: TableEngine, records: Frame, first: Mapping[str, int]) -> Frame:
    numbered = engine.sql(_NUMBERED, {"p": records})
    return engine.local(numbered, (), partial(shard_names, first), COT_ASSIGNMENT)


@dataclass(frozen=True)
class ChosenRecord(Row):
    """A question, its pictures, its chosen path, the pictures that a model's tools gave (``path_pack`` is None where it had no
    tools), its review and its score."""

    schema = QUESTIONS
    rid: str
    split: str
    family: str
    question: Question
    pack: str
    members: tuple[Member, ...]
    text: str
    path_pack: str | None
    path_members: tuple[Member, ...]
    edited: str | None
    paths: tuple[PathSummary, ...]
    text_only: Literal["", "right", "wrong"]
    chosen: int
    agreement: float
    equal: bool
    action: str
    quality: int
    prior: float
    weight: float
    repeat: int

    def planned(self) -> PlanRow:
        """Records of one shard have the same members: where tools worked on a picture, the family says how many pictures a
        record has unless the tools gave just one."""
        by_model = self.path_pack is not None
        members = self.path_members if by_model else self.members
        as_usual = not (by_model or self.family == "canvas") or len(members) == self.question.shown + 1
        return PlanRow(
            rid=self.rid,
            split=self.split,
            family=cast(Family, self.family if as_usual else f"{self.family}_{len(members)}"),
            question=self.question,
            text=self.text if self.edited is None else self.edited,
            paths=self.paths,
            chosen=self.chosen,
            pack=self.pack if self.path_pack is None else self.path_pack,
            members=members,
            review=_REVIEWS.get(self.action, ""),
            text_only=self.text_only,
            equal=self.equal,
            quality=float(self.quality),
            agreement=self.agreement,
            prior=self.prior,
            weight=self.weight,
            repeat=float(self.repeat),
        )


def plan_rows(records: pa.Table) -> pa.Table:
    """PLAN of ChosenRecord rows."""
    return table_of(PlanRow, [record.planned() for record in rows_of(records, ChosenRecord)])


def shard_names(first: Mapping[str, int], numbered: pa.Table) -> pa.Table:
    """COT_ASSIGNMENT of (rid, split, family, n), where ``n`` counts the records of a split and family from 1; ``first``: number
    of the first shard of ``{split}-{family}``, 0 where it has none."""
    names = []
    for row in numbered.select(["split", "family", "n"]).to_pylist():
        run = f"{row['split']}-{row['family']}"
        names.append(f"{run}-{first.get(run, 0) + (row['n'] - 1) // _RECORDS_PER_SHARD:05d}")
    columns = [numbered[name] for name in ("rid", "split", "family")]
    return pa.table([*columns, pa.array(names, pa.string())], schema=COT_ASSIGNMENT)
