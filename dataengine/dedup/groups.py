"""Groups of near-duplicates and their representatives: connected components, cut where they chain too far.

A component may chain samples that are no near-duplicates: a near b, b near c, and so on. So its best sample takes the members
within ``Rules.reach`` times the bound of an edge, the best of the rest takes its own, until none is left; a group then is no
wider than twice that. How many are farther than an edge from their representative, and how many were cut off, is reported.

With ``Rules.apart`` clips that were cut from one video are no duplicates of each other: none of them represents another, and
a component is joined through two of them only where their values are equal (an edge of length 0). A clip of another video, or a
copy of the whole, still represents each clip that it is a near-duplicate of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.config.yaml_loader import did_you_mean
from dataengine.contracts import UNIQUE, columns
from dataengine.dedup.captions import longest_captions
from dataengine.dedup.distances import COLUMNS, TIE, TIED, Bounds, Measure, measures
from dataengine.dedup.effective_resolution import effective_pixels
from dataengine.errors import RunError, UsageError

if TYPE_CHECKING:
    from dataengine.table_engine import Frame, TableEngine

Int64 = NDArray[np.int64]

_NEARLY = 1e-9
_ROUNDS = 10_000
#: Pairs of members and leaders that are judged at once, where a component has several leaders.
_PAIRS = 1 << 20
_COVERED = columns(
    id=pa.string(),
    representative=pa.string(),
    kind=pa.string(),
    distance=pa.float64(),
    chained=pa.bool_(),
    cut=pa.bool_(),
    size=pa.int64(),
    sibling=pa.bool_(),
)
_TIES = columns(tied=pa.string(), ties=pa.list_(TIE))
_ENDS = """
SELECT a AS id, b AS other, kind, distance FROM e WHERE kind IN (KINDS)
UNION ALL SELECT b AS id, a AS other, kind, distance FROM e WHERE kind IN (KINDS)
"""
_JOINING = """
SELECT e.a AS a, e.b AS b FROM e LEFT JOIN c AS x ON e.a = x.id LEFT JOIN c AS y ON e.b = y.id
WHERE e.kind IN (KINDS) AND (x.parent IS NULL OR y.parent IS NULL OR x.parent <> y.parent OR e.distance = 0)
"""
_GROUPS = """
SELECT u.id AS id, COALESCE(c.representative, u.id) AS representative, COALESCE(c.size, 1) AS size, c.kind AS kind,
       c.distance AS distance
FROM u LEFT JOIN c ON u.id = c.id
"""
_SIZES = "SELECT size, CAST(count(*) AS BIGINT) AS members FROM c GROUP BY size ORDER BY size"
_FACTS = """
SELECT CAST(count(*) AS BIGINT) AS members, CAST(sum(CASE WHEN chained THEN 1 ELSE 0 END) AS BIGINT) AS chained,
       CAST(sum(CASE WHEN cut THEN 1 ELSE 0 END) AS BIGINT) AS cut,
       CAST(sum(CASE WHEN sibling THEN 1 ELSE 0 END) AS BIGINT) AS siblings
FROM c
"""


def caption_count(samples: pa.Table) -> Int64:
    """Distinct captions, ``(n,)``."""
    lists: Any = samples["captions"]
    return np.asarray(pc.list_value_length(lists).to_numpy(), np.int64)


def caption_length(samples: pa.Table) -> Int64:
    """Characters of the longest caption, ``(n,)``; 0 where there is none."""
    longest: Any = longest_captions(samples)
    length: Any = pc.utf8_length(longest)
    return np.asarray(length.fill_null(0).to_numpy(zero_copy_only=False), np.int64)


def duration(samples: pa.Table) -> Int64:
    """Milliseconds, ``(n,)``; 0 for stills."""
    seconds: Any = samples["duration"]
    return np.asarray(np.round(1000 * seconds.fill_null(0).to_numpy()), np.int64)


#: What ``keep`` may name, with the columns that it looks at; more is better, and the smaller id breaks ties.
KEEP: dict[str, tuple[Callable[[pa.Table], Int64], tuple[str, ...]]] = {
    "resolution": (effective_pixels, ("width", "height")),
    "bytes": (lambda samples: samples["bytes"].to_numpy(), ("bytes",)),
    "caption_length": (caption_length, ("captions",)),
    "captions": (caption_count, ("captions",)),
    "mentions": (lambda samples: samples["mentions"].to_numpy(), ("mentions",)),
    "duration": (duration, ("duration",)),
    "frames": (lambda samples: samples["frames"].to_numpy(), ("frames",)),
}


@dataclass(frozen=True)
class Rules:
    """``kinds``: of edges, that make groups; ``keep``: names of KEEP, the first decides; ``reach``: how many times the bound
    of an edge a member may be from its representative, None for any; ``apart``: clips of one video are no duplicates of each
    other."""

    kinds: tuple[str, ...]
    bounds: Bounds
    keep: tuple[str, ...]
    reach: float | None = 2.0
    apart: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.keep if name not in KEEP]
        if unknown:
            raise UsageError(f"keep: `{unknown[0]}` cannot be compared; {did_you_mean(unknown[0], KEEP)}")

    @property
    def columns(self) -> list[str]:
        """Columns of UNIQUE that the rules look at, id first."""
        wanted = {name for kind in self.kinds for name in COLUMNS.get(kind, ())}
        wanted |= {name for keep in self.keep for name in KEEP[keep][1]}
        wanted |= {"parent"} if self.apart else set()
        return ["id", *(name for name in UNIQUE.names if name in wanted)]


@dataclass(frozen=True)
class Grouped:
    """contracts.GROUPS, in no order; ``facts``: chained, cut and the sizes of groups of two and more; ``siblings``, where there
    are any: clips that another clip of their video would represent, were they not ``apart``."""

    groups: Frame
    facts: Callable[[], dict[str, Any]]


def group(engine: TableEngine, unique: Frame, edges: Frame, rules: Rules, detail: Frame | None = None) -> Grouped:
    """Groups of ``unique``, which has the ``rules.columns`` of contracts.UNIQUE, by ``edges``; ``detail``: contracts.DETAIL,
    where resolutions are compared.

    Raises RunError for an edge to an unknown sample."""
    components = engine.kept(engine.components(_joining(engine, unique, edges, rules)))
    members = _members(engine, unique, components, rules, edges)
    if detail is not None:
        members = engine.sql("SELECT m.*, d.detail FROM m LEFT JOIN d ON m.id = d.id", {"m": members, "d": detail})
    covered = engine.kept(engine.local(members, ("component",), partial(cover, rules), _COVERED))
    groups = engine.sql(_GROUPS, {"u": engine.sql("SELECT id FROM u", {"u": unique}), "c": covered})

    def facts() -> dict[str, Any]:
        totals = engine.collect(engine.sql(_FACTS, {"c": covered})).to_pylist()[0]
        there = engine.collect(engine.sql("SELECT CAST(count(*) AS BIGINT) AS n FROM c", {"c": components}))
        if there["n"][0].as_py() != totals["members"]:
            raise RunError(f"an edge names {_stranger(engine, components, unique)}, which is no sample that is known")
        sizes = engine.collect(engine.sql(_SIZES, {"c": covered})).to_pylist()
        several = {str(row["size"]): row["members"] // row["size"] for row in sizes if row["size"] > 1}
        siblings = {"siblings": totals["siblings"]} if totals["siblings"] else {}
        return {"chained": totals["chained"] or 0, "cut": totals["cut"] or 0, "group_sizes": several, **siblings}

    return Grouped(groups, facts)


def _joining(engine: TableEngine, unique: Frame, edges: Frame, rules: Rules) -> Frame:
    """The edges (a, b) that join samples into components."""
    listed = ", ".join("?" for _ in rules.kinds)
    if not rules.apart:
        return engine.sql(f"SELECT a, b FROM e WHERE kind IN ({listed})", {"e": edges}, rules.kinds)
    clips = engine.sql("SELECT id, parent FROM u WHERE parent IS NOT NULL", {"u": unique})
    return engine.sql(_JOINING.replace("KINDS", listed), {"e": edges, "c": clips}, rules.kinds)


def _members(engine: TableEngine, unique: Frame, components: Frame, rules: Rules, edges: Frame) -> Frame:
    """Samples that have an edge, with their component and the columns that the rules look at."""
    selected = ", ".join(f'u."{name}"' for name in rules.columns)
    members = engine.sql(f"SELECT c.component, {selected} FROM c JOIN u ON u.id = c.id", {"u": unique, "c": components})
    tied = [kind for kind in rules.kinds if kind in TIED]
    if not tied:
        return members
    ends = engine.sql(_ENDS.replace("KINDS", ", ".join("?" for _ in tied)), {"e": edges}, (*tied, *tied))
    ties = engine.local(ends, ("id",), fold, _TIES)
    return engine.sql("SELECT m.*, t.ties AS ties FROM m LEFT JOIN t ON m.id = t.tied", {"m": members, "t": ties})


def fold(ends: pa.Table) -> pa.Table:
    """_TIES of the rows (id, other, kind, distance) of whole ids."""
    ordered = ends.sort_by([(name, "ascending") for name in ("id", "kind", "other")]).combine_chunks()
    if not len(ordered):
        return _TIES.empty_table()
    ids = ordered["id"].to_numpy()
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    offsets = pa.array(np.r_[starts, len(ids)], pa.int32())
    ties = pa.StructArray.from_arrays([ordered[f.name].combine_chunks() for f in TIE], fields=list(TIE))
    return pa.table(
        [ordered["id"].take(pa.array(starts, pa.int64())), pa.ListArray.from_arrays(offsets, ties)], schema=_TIES
    )


def _stranger(engine: TableEngine, components: Frame, unique: Frame) -> str:
    sql = "SELECT min(c.id) AS id FROM c LEFT JOIN u ON c.id = u.id WHERE u.id IS NULL"
    return str(engine.collect(engine.sql(sql, {"c": components, "u": unique}))["id"][0].as_py())


def cover(rules: Rules, members: pa.Table) -> pa.Table:
    """_COVERED for whole components: each round the best remaining samples of each take who is within reach of them."""
    members = members.sort_by("id").combine_chunks()
    component: Any = members["component"].combine_chunks().dictionary_encode()
    code = component.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    worst_last = [-KEEP[name][0](members).astype(np.int64) for name in rules.keep]
    left = np.lexsort((np.arange(len(code)), *reversed(worst_last), code))
    videos, sibling = _videos(members, rules), np.zeros(len(code), np.bool_)
    metrics = measures(members, rules.kinds, rules.bounds)
    rows: list[tuple[NDArray[Any], ...]] = []
    most = 1
    for number in range(_ROUNDS):
        if not len(left):
            break
        start, lead = _leaders(code[left], videos[left], most)
        related = videos[left] == videos[left[start]]
        sibling[left[related & (start != np.arange(len(left)))]] = True
        row, turn = _pairs(start, lead, np.flatnonzero(~related))
        kind, distance, state = judge(metrics, left[row], left[start[row] + turn], rules.reach)
        within = np.flatnonzero(state != OUT)
        within = within[np.unique(row[within], return_index=True)[1]]  # by its first leader
        covered, by = row[within], turn[within]
        best = left[start[covered] + by]
        rows.append((left[covered], best, kind[within], distance[within], state[within], number + by))
        own = np.flatnonzero(lead)
        none = np.zeros_like(own)
        rows.append((left[own], left[own], none, np.zeros(len(own)), none + DIRECT, none + number))
        most = min(2 * most, max(1, _PAIRS // max(1, int(np.count_nonzero(~related)))))
        left = np.delete(left, np.concatenate([own, covered]))
    rows.append((left, left, np.zeros_like(left), np.zeros(len(left)), left * 0, left * 0 + 1))
    member, best, kind, distance, state, turn = (np.concatenate(column) for column in zip(*rows, strict=True))
    alone = member == best
    sizes = np.bincount(best, minlength=len(code))[best]
    ids: Any = members["id"]
    arrays: list[Any] = [
        ids.take(pa.array(member)),
        ids.take(pa.array(best)),
        pa.array(np.array([*rules.kinds])).cast(pa.string()).take(pa.array(kind, mask=alone)),
        pa.array(distance, mask=alone),
        pa.array(state == CHAINED),
        pa.array((turn > 0) & ~sibling[member]),
        pa.array(sizes.astype(np.int64)),
        pa.array(sibling[member] & alone),
    ]
    return pa.table(arrays, schema=_COVERED)


def _videos(members: pa.Table, rules: Rules) -> Int64:
    """The video that each member was cut from, as a number; members that are no duplicates of each other have equal ones."""
    none: Int64 = -1 - np.arange(len(members))
    if not rules.apart:
        return none
    parents: Any = members["parent"].combine_chunks().dictionary_encode()
    video = parents.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return np.where(video < 0, none, video)


def _leaders(code: Int64, videos: Int64, most: int) -> tuple[Int64, NDArray[np.bool_]]:
    """Of members ordered by component, best first: where the component of each starts, and which represent themselves for sure:
    the best of each component and, up to ``most`` (all, where there are no others), clips of its video that follow on it."""
    place = np.arange(len(code))
    start = np.maximum.accumulate(np.where(np.r_[True, code[1:] != code[:-1]], place, 0))
    others = np.cumsum(videos != videos[start])
    ahead = others == others[start]
    one_video = np.bincount(start, ~ahead, len(code))[start] == 0
    return start, ahead & (one_video | (place - start < most))


def _pairs(start: Int64, lead: NDArray[np.bool_], others: Int64) -> tuple[Int64, Int64]:
    """Each of ``others`` with each leader of its component: its place, and the leader's place in the component."""
    each = np.bincount(start[lead], minlength=len(lead))[start[others]]
    row = np.repeat(others, each)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(each) - each, each)


#: How a sample is to its representative: an edge's length away, within reach, or out of it.
DIRECT, CHAINED, OUT = 0, 1, 2


def judge(
    asked: Sequence[Measure], members: Int64, others: Int64, reach: float | None
) -> tuple[Int64, NDArray[np.float64], Int64]:
    """For pairs of rows ``(kind, distance, state)``: the first kind by which they are near-duplicates, else the one that they are
    nearest by, as a multiple of its bound."""
    kind, distance = np.zeros(len(members), np.int64), np.full(len(members), np.nan)
    times = np.full(len(members), np.inf)
    for number, measure in enumerate(asked):
        measured = measure.distance(members, others)
        with np.errstate(divide="ignore", invalid="ignore"):
            multiple = np.where(measured <= measure.bound + _NEARLY, 0.0, measured / measure.bound)
        better = np.isfinite(measured) & ((multiple < times) | np.isnan(distance))
        kind[better], distance[better], times[better] = number, measured[better], multiple[better]
    state = np.where(times == 0, DIRECT, CHAINED)
    if reach is not None:
        state[times > reach + _NEARLY] = OUT
    return kind, distance, state.astype(np.int64)
