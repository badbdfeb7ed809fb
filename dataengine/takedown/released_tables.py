"""The tables of a release without some samples: ledger, assignments, and what is new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from dataengine import contracts
from dataengine.cot.mix.shards import COT_ASSIGNMENT
from dataengine.ingest.hash_lists import TAKEN_DOWN
from dataengine.release.deltas import DELTAS
from dataengine.release.ledger import Tally
from dataengine.release.manifest_sections import ReleaseFile
from dataengine.release.reader import Published
from dataengine.storage.workspace import File, Workspace
from dataengine.takedown.effects import Effects
from dataengine.takedown.targets import ledger_files
from dataengine.takedown.written import Put, to_parquet
from dataengine.verify.ledger_audit import tally

pc: Any = pyarrow.compute  # whose stubs admit less than its functions do

MESSAGE = "taken down after it was released; nothing of it is kept"
_NOTHING = ("representative", "kind", "distance", "rule", "value")


@dataclass
class Tables:
    """Files that were written, counts of the new ledger, and inputs that were taken down by this."""

    files: list[ReleaseFile] = field(default_factory=list)
    tally: list[Any] = field(default_factory=list)
    inputs: int = 0


def rewrite(release: Published, effects: Effects, put: Put) -> Tables:
    """Write ledger, assignments and deltas, a file of them in memory at a time."""
    result = Tables()
    for file in ledger_files(release):
        ledger, count = taken_down(_read(release, file, contracts.LEDGER), effects.ids)
        result.inputs += count
        result.tally += _counts(ledger)
        result.files.append(put(file.key, to_parquet(ledger)))
    numbers = _numbers(release, effects)
    for file in _of(release, "assignment"):
        table = renumbered(_read(release, file, contracts.ASSIGNMENT), effects.ids, numbers)
        result.files.append(put(file.key, to_parquet(table)))
    records = pa.array(sorted(effects.gone - effects.ids), pa.string())
    for file in _of(release, "cot_assignment"):
        table = _read(release, file, COT_ASSIGNMENT)
        left = table.filter(pc.invert(pc.is_in(table["rid"], value_set=records)))
        result.files.append(put(file.key, to_parquet(left)))
    result.files.append(put("deltas.parquet", to_parquet(_deltas(effects))))
    return result


def taken_down(ledger: pa.Table, ids: frozenset[str]) -> tuple[pa.Table, int]:
    """The ledger in which all inputs with these ids have failed as taken down, and how many have. Ids and uris stay: they name
    what was taken down to whoever has a copy."""
    named: Any = pc.is_in(ledger["id"], value_set=pa.array(sorted(ids), pa.string()))
    fixed = {"outcome": "failed", "failure": TAKEN_DOWN, "message": MESSAGE, **dict.fromkeys(_NOTHING)}
    for name, value in fixed.items():
        column = contracts.LEDGER.field(name)
        values = pc.if_else(named, pa.scalar(value, column.type), ledger[name])
        ledger = ledger.set_column(ledger.column_names.index(name), column, values)
    return ledger, int(pc.sum(named).as_py() or 0)


def ids_taken_down(release: Published) -> set[str]:
    """Ids of samples that take-downs have removed from the release since it was made."""
    rows = release.inputs(lambda ledger: pc.equal(ledger["failure"], TAKEN_DOWN))
    return set(map(str, rows["id"].drop_null().to_pylist()))


def ids_named(release: Published, ids: frozenset[str]) -> set[str]:
    """Those of the ids that inputs in the ledger have which are not taken down yet."""
    wanted = pa.array(sorted(ids), pa.string())
    rows = release.inputs(lambda ledger: pc.is_in(ledger["id"], value_set=wanted))
    return set(map(str, rows["id"].to_pylist())) - ids_taken_down(release)


def _counts(ledger: pa.Table) -> Tally:
    return [row for row in tally(ledger) if row["n"]]


def _numbers(release: Published, effects: Effects) -> dict[str, Any]:
    """Positions that go, by shard, ascending."""
    wanted = pa.array(sorted(effects.ids), pa.string())
    positions: dict[str, list[int]] = {}
    for file in _of(release, "assignment"):
        table = _read(release, file, contracts.ASSIGNMENT)
        for row in table.filter(pc.is_in(table["id"], value_set=wanted)).to_pylist():
            positions.setdefault(row["shard"], []).append(row["position"])
    return {shard: np.array(sorted(numbers)) for shard, numbers in positions.items()}


def renumbered(table: pa.Table, ids: frozenset[str], gone: dict[str, Any]) -> pa.Table:
    """contracts.ASSIGNMENT without these samples, positions of their shards without gaps. ``gone``: positions that go, by
    shard, of the whole assignment, of which this may be a part."""
    left = table.filter(pc.invert(pc.is_in(table["id"], value_set=pa.array(sorted(ids), pa.string()))))
    positions = left["position"].to_numpy().copy()
    for shard, numbers in gone.items():
        own = np.asarray(pc.equal(left["shard"], pa.scalar(shard)))
        positions[own] -= np.searchsorted(numbers, positions[own]).astype(positions.dtype)
    column = contracts.ASSIGNMENT.field("position")
    return left.set_column(left.column_names.index("position"), column, pa.array(positions, column.type))


def _deltas(effects: Effects) -> pa.Table:
    rows = [
        {"id": id_, "change": "removed", "shard": shard, "outcome": "failed", "why": TAKEN_DOWN}
        for shard, ids in effects.shards.items()
        for id_ in ids
    ]
    return pa.Table.from_pylist(sorted(rows, key=lambda row: row["id"]), DELTAS)


def _of(release: Published, role: str) -> Iterator[File]:
    """Files of a table, ``ROLE.parquet`` or ``ROLE/PREFIX.parquet``."""
    for f in sorted(release.manifest.files):
        if f.path == f"{role}.parquet" or (f.path.startswith(f"{role}/") and f.path.endswith(".parquet")):
            yield File(f.path, f.sha256, f.bytes, 1)


def _read(release: Published, file: File, schema: pa.Schema) -> pa.Table:
    return Workspace(release.store.url).read_table([file], schema)


def merged(rows: list[Any]) -> Tally:
    """Counts of several files as those of one."""
    total: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        total[tuple(row[name] for name in ("outcome", "kind", "rule", "failure"))] += row["n"]
    return [
        {"source": None, **dict(zip(("outcome", "kind", "rule", "failure"), key, strict=True)), "n": n}
        for key, n in total.items()
    ]
