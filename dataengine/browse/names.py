"""Finds inputs by what a person calls them: a uri or any end of it, a file's path, a clip or tar, an id or the beginning of one,
a member of a shard, a CoT record.

Each way of naming has a rank; the inputs of the best rank that any input has are the answer, so that a whole name is never
ambiguous because it is a part of another one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dataengine.browse.inputs import outcomes
from dataengine.browse.session import Session
from dataengine.browse.view_engine import quoted
from dataengine.cot.core.schemas import OUTCOMES

_SHORTEST = 6
"""Characters of an id that are enough to look it up."""
_ID = re.compile(r"(?:.*/)?([0-9a-f]{32})(?:[0-9a-f]{32}|(?:\.[a-z0-9]+){1,3})?")
_BEGINNING = re.compile(rf"[0-9a-f]{{{_SHORTEST},32}}")
#: What names a row ``l`` of the ledger, from the surest to the least sure; ``$n`` the name, ``$i`` the id in it.
_RANKS = (
    "l.uri = $n OR l.input_id = $n OR l.source || '/' || l.uri = $n OR l.source || ':' || l.uri = $n",
    "l.id = $i",
    "ends_with(l.uri, '/' || $n) OR ends_with(l.uri, '#' || $n)",
    "ends_with($n, '/' || l.uri) OR (contains(l.uri, '#') AND ends_with($n, '/' || split_part(l.uri, '#', 2)))",
    "split_part(l.uri, '#t=', 1) = $n OR ends_with(split_part(l.uri, '#t=', 1), '/' || $n)",
    "starts_with(l.uri, $n || '#') OR starts_with(l.uri, $n || '/') OR contains(l.uri, '/' || $n || '#')",
    "ends_with(l.uri, $n)",
    "$b AND (starts_with(l.id, $n) OR starts_with(l.input_id, $n))",
    "contains(lower(l.uri), lower($n))",
)
_NEAREST = """
SELECT l.source, l.uri FROM (
  SELECT source, uri, greatest(
    jaro_winkler_similarity(lower(uri), lower($n)),
    jaro_winkler_similarity(lower(regexp_extract(uri, '[^/#]*$')), lower($f))) AS near
  FROM {ledger} WHERE length(uri) < 1000) AS l ORDER BY near DESC, uri, source LIMIT 5
"""


@dataclass(frozen=True)
class Matches:
    """The first of ``count`` rows of the ledger, by source and uri. ``by_id``: they are the mentions of one sample."""

    rows: list[dict[str, Any]]
    count: int
    by_id: bool


def ledger_of(session: Session) -> str:
    """The ledger of a session, of a run as far as it has come; read once and kept."""
    if session.run is None:
        return session.ledger
    return outcomes(session.engine, session.needed("ingest"))


def matches(session: Session, ledger: str, name: str, most: int) -> Matches:
    """The inputs that ``name`` names best; none where it names nothing."""
    name = name.removeprefix("file://").removeprefix("./") or "/"
    ids = _ID.fullmatch(name.lower())
    parameters = {"n": name, "i": ids[1] if ids else "", "b": bool(_BEGINNING.fullmatch(name))}
    ranked = " ".join(f"WHEN {condition} THEN {rank}" for rank, condition in enumerate(_RANKS))
    columns = ", ".join(f"l.{quoted(c)}" for c in ("input_id", "source", "uri", "id", "outcome"))
    values = "SELECT CAST($n AS VARCHAR) AS n, CAST($i AS VARCHAR) AS i, CAST($b AS BOOLEAN) AS b"
    case = re.sub(r"\$([nib])\b", r"p.\1", f"CASE {ranked} END")
    sql = f"""
    WITH p AS MATERIALIZED ({values}), ranked AS MATERIALIZED (
      SELECT * FROM (SELECT {columns}, {case} AS rank FROM {ledger} AS l, p) WHERE rank IS NOT NULL)
    SELECT *, count(*) OVER () AS total, min(id) OVER () = max(id) OVER () AND count(id) OVER () = total AS alike
    FROM ranked WHERE rank = (SELECT min(rank) FROM ranked)
    ORDER BY source, uri LIMIT {most}
    """
    rows = session.engine.rows(sql, parameters).to_pylist()
    if not rows and ids:
        return _by_record(session, ledger, ids[1], most)
    return Matches(rows, rows[0]["total"] if rows else 0, bool(rows) and bool(rows[0]["alike"]))


def _by_record(session: Session, ledger: str, record: str, most: int) -> Matches:
    """The sample that a CoT record is about."""
    run = session.run
    if run is None or "cot.mix" not in run.records:
        return Matches([], 0, False)
    mix = run.frame("cot.mix", "outcomes", OUTCOMES, ["rid", "sample"])
    sql = f"SELECT sample FROM {mix} WHERE rid = $r AND sample <> $r LIMIT 1"
    samples = session.engine.rows(sql, {"r": record}).to_pylist()
    return matches(session, ledger, samples[0]["sample"], most) if samples else Matches([], 0, False)


def nearest(session: Session, ledger: str, name: str) -> list[str]:
    """Uris that are spelled most like ``name``, each with its source."""
    parameters = {"n": name[:1000], "f": re.split("[/#]", name)[-1][:1000]}
    rows = session.engine.rows(_NEAREST.format(ledger=ledger), parameters).to_pylist()
    return [f"{row['uri']} of {row['source']}" for row in rows]
