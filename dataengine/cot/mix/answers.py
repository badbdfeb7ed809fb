"""Keeps one answer from being most of a task family: a bound on its share, and an order that takes answers by turns.

Of a family whose answers are measured or constructed, no answer is more than ``max_answer_share`` of its records (0.2 in the
recipe); where a family has too few different answers for that, 2 of them or 4, no more than a tenth above an even share. Of a
family that gives but one answer one record is left.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dataengine.cot.tasks.registry import TASKS
from dataengine.storage.workspace import digest
from dataengine.table_engine import Frame, TableEngine

#: Candidates with ``nth``: the how manieth of its answer a record is, those without planned uses last.
_NUMBERED = """
SELECT "rid", "task", "place", "spare", CAST(row_number() OVER (
  PARTITION BY "task", "answer" ORDER BY "spare", "place", "rid"
) AS BIGINT) AS "nth" FROM (
  SELECT "rid", "task", "place", "answer", CASE WHEN "repeat" = 0 THEN 1 ELSE 0 END AS "spare" FROM c WHERE "outcome" = ?
) AS kept
"""
#: How many answers of a family have an nth record: of those with planned uses, and of all.
_LEVELS = """
SELECT "task", "nth", CAST(sum(1 - "spare") AS BIGINT) AS "planned", CAST(count(*) AS BIGINT) AS "every" FROM n
GROUP BY "task", "nth"
"""
#: Records of a family if each of its answers gives at most ``nth``, and how many answers there are.
_SUMMED = """
SELECT l."task", l."nth", k."planned_answers", k."every_answers",
  CAST(sum(l."planned") OVER (
    PARTITION BY l."task" ORDER BY l."nth" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS BIGINT) AS "planned",
  CAST(sum(l."every") OVER (
    PARTITION BY l."task" ORDER BY l."nth" ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) AS BIGINT) AS "every"
FROM l INNER JOIN (
  SELECT "task", max("planned") AS "planned_answers", max("every") AS "every_answers" FROM l GROUP BY "task"
) AS k ON l."task" = k."task"
"""
#: ``nth`` where so many of ``records`` are at most the share ``?`` (in thousandths) or, of fewer answers, a tenth above an even
#: share, else 0; of a single answer one.
_BOUND = """CASE WHEN "{answers}" * ? >= 1000 THEN CASE WHEN 1000 * "nth" <= ? * "{records}" THEN "nth" ELSE 0 END
  WHEN "{answers}" = 1 THEN 1 WHEN 1000 * "nth" * "{answers}" <= (1000 + 100 * "{answers}") * "{records}" THEN "nth" ELSE 0 END"""
_CAPS = f"""
SELECT "task", CAST(max({_BOUND.format(answers="planned_answers", records="planned")}) AS BIGINT) AS "planned",
  CAST(max({_BOUND.format(answers="every_answers", records="every")}) AS BIGINT) AS "every"
FROM s GROUP BY "task"
"""
#: ``lane`` 0: with planned uses; 1: for what these lack; 2: beyond the bound.
_LANES = """
SELECT n."rid", n."task", n."place", n."nth", CASE WHEN n."spare" = 0 AND n."nth" <= t."planned" THEN 0
  WHEN n."nth" <= t."every" THEN 1 ELSE 2 END AS "lane"
FROM n INNER JOIN t ON n."task" = t."task"
"""
#: The places of a family's records, dealt out anew: any first ones of a family have its answers by turns.
_DEALT = """
SELECT a."rid", a."lane", b."place" FROM (
  SELECT "rid", "task", "lane", CAST(row_number() OVER (
    PARTITION BY "task", "lane" ORDER BY "nth", "place", "rid"
  ) AS BIGINT) AS "turn" FROM l
) AS a INNER JOIN (
  SELECT "task", "lane", "place", CAST(row_number() OVER (
    PARTITION BY "task", "lane" ORDER BY "place", "rid"
  ) AS BIGINT) AS "turn" FROM l
) AS b ON a."task" = b."task" AND a."lane" = b."lane" AND a."turn" = b."turn"
"""
_BALANCED = """
SELECT {columns}, CASE WHEN d."rid" IS NULL THEN c."place" ELSE d."place" END AS "place", d."lane"
FROM c LEFT JOIN d ON c."rid" = d."rid" AND c."outcome" = ?
"""
_LARGEST = """
SELECT "task", CAST(sum(n) AS BIGINT) AS "records", CAST(count(*) AS BIGINT) AS "answers", CAST(max(n) AS BIGINT) AS "most" FROM (
  SELECT c."task", c."answer", CAST(count(*) AS BIGINT) AS n FROM c INNER JOIN k ON c."rid" = k."rid" WHERE c."outcome" = ?
  GROUP BY c."task", c."answer"
) AS counted GROUP BY "task" ORDER BY "task"
"""


def with_bounded_answers() -> frozenset[str]:
    """Families of this process whose answers are measured or constructed, and not taken as they come from the source or a
    model. An engine's other processes do not know those of plugins."""
    return frozenset(name for name, task in TASKS.items() if task.basis in ("measured", "constructed"))


def answer_key(bounded: Collection[str], task: str, rid: str, answer: str) -> str:
    """What the records of a family are counted by: a digest of the answer, or the record's own id where the family is none of
    those with ``bounded`` answers."""
    return digest(answer)[:16] if task in bounded else rid


def balanced(engine: TableEngine, candidates: Frame, columns: list[str], share: float) -> Frame:
    """The candidates with ``lane`` (None for those that are not kept) and their place among those of their quota."""
    part = round(1000 * share)
    numbered = engine.kept(engine.sql(_NUMBERED, {"c": candidates}, ("kept",)))
    levels = engine.kept(engine.sql(_LEVELS, {"n": numbered}))
    caps = engine.sql(_CAPS, {"s": engine.sql(_SUMMED, {"l": levels})}, (part, part, part, part))
    lanes = engine.kept(engine.sql(_LANES, {"n": numbered, "t": caps}))
    dealt = engine.sql(_DEALT, {"l": lanes})
    listed = ", ".join(f'c."{name}"' for name in columns if name != "place")
    return engine.kept(engine.sql(_BALANCED.format(columns=listed), {"c": candidates, "d": dealt}, ("kept",)))


def largest_answers(engine: TableEngine, candidates: Frame, chosen: Frame) -> Mapping[str, Any]:
    """By family whose answers are bounded: records chosen, different answers, and records with the most frequent one."""
    rows = engine.collect(engine.sql(_LARGEST, {"c": candidates, "k": chosen}, ("kept",))).to_pylist()
    bounded = with_bounded_answers()
    return {row.pop("task"): row for row in rows if row["task"] in bounded}
