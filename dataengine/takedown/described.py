"""The manifest of a release without what was taken down, and all that is written from it: card, Croissant, SPDX, report.

What counts the release is counted anew. What describes how it was made (funnel, scores, mix, cost) stays as it was measured when
its samples were chosen, and the card says so. The report has no pictures: the next run of the recipe makes one that has some.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from dataengine import contracts
from dataengine.release.card import card
from dataengine.release.croissant import croissant
from dataengine.release.examples import NAMES, choose
from dataengine.release.html_report import page
from dataengine.release.ledger import counts
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_deltas import Continued, Deltas, ShardDelta, TakenDown
from dataengine.release.manifest_sections import Ledger, RecordShard, ReleaseFile
from dataengine.release.reader import Published
from dataengine.release.spdx import spdx
from dataengine.shards.earlier import next_shards
from dataengine.shards.json_types import known
from dataengine.shards.manifest import Shard
from dataengine.storage.workspace import File, Workspace
from dataengine.takedown.effects import Effects
from dataengine.takedown.released_tables import Tables, merged
from dataengine.takedown.sequence_sets import Rewritten, sections
from dataengine.takedown.targets import ledger_files
from dataengine.takedown.written import Put

#: Files that are written from the manifest, before it.
FROM_MANIFEST = ("README.md", "croissant.json", "spdx.json", "report.html")


@dataclass
class Contents:
    """What the release holds now."""

    shards: list[Shard] = field(default_factory=list)
    cot: list[RecordShard] = field(default_factory=list)
    tokens: int = 0
    """Of visual codes that went."""
    vectors: int | None = None
    """Of the released index, where there is one."""
    files: list[ReleaseFile] = field(default_factory=list)


def manifest_of(
    release: Published, digest: str, version: str, effects: Effects, contents: Contents, tables: Tables, sets: Rewritten
) -> Manifest:
    """The manifest without the files that are written from it. ``digest``: SHA-256 of the earlier one."""
    m: Manifest = msgspec.convert(msgspec.to_builtins(release.manifest), Manifest)
    m.version = version
    m.samples, m.shards = sum(shard.samples for shard in contents.shards), sorted(contents.shards)
    m.ledger = msgspec.convert(counts(merged(tables.tally)), Ledger)
    m.cot.shards = sorted(contents.cot)
    m.cot.modes = {mode: n - effects.modes[mode] for mode, n in m.cot.modes.items()}
    if not isinstance(m.cot.examples, msgspec.UnsetType):
        m.cot.examples = [one for one in m.cot.examples if one.id not in effects.gone]
    if m.tokenizer is not None:
        m.tokenizer.tokens -= contents.tokens
    if not isinstance(m.sequences, msgspec.UnsetType):
        m.sequences.sets = sections(m.sequences.sets, sets)
    if not isinstance(m.index, msgspec.UnsetType) and contents.vectors is not None:
        m.index.released = contents.vectors
    if not isinstance(m.balance, msgspec.UnsetType):
        for cluster in (*m.balance.largest, *m.balance.emptiest):
            cluster.examples = [id_ for id_ in cluster.examples if id_ not in effects.ids]
    m.difference = None
    m.deltas = _deltas(release.manifest, digest, effects, contents)
    m.taken_down = _taken_down(release.manifest, effects, tables, sets)
    m.files = sorted(contents.files)
    return m


def _deltas(m: Manifest, digest: str, effects: Effects, contents: Contents) -> Deltas:
    before = known(m.deltas, None)
    shards, cot = (
        _changes({s.name: s.sha256 for s in old}, {s.name: s.sha256 for s in new})
        for old, new in ((m.shards, contents.shards), (m.cot.shards, contents.cot))
    )
    numbers = (before.next_shards, before.next_cot_shards) if before else ({}, {})
    return Deltas(
        continues=Continued(m.name, m.version, digest),
        shards=shards,
        added=0,
        removed=effects.samples,
        stayed=sum(shard.samples for shard in contents.shards),
        removed_because={"failed: taken_down": effects.samples} if effects.samples else {},
        next_shards=dict(sorted(next_shards(dict(numbers[0]), [s.name for s in m.shards]).items())),
        cot=cot,
        next_cot_shards=dict(sorted(next_shards(dict(numbers[1]), [s.name for s in m.cot.shards]).items())),
    )


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[ShardDelta]:
    changes = []
    for name, sha256 in sorted(before.items()):
        if name not in now:
            changes.append(ShardDelta(name, "removed", before=sha256))
        else:
            changes.append(ShardDelta(name, "untouched" if now[name] == sha256 else "changed", now[name], sha256))
    return changes


def _taken_down(m: Manifest, effects: Effects, tables: Tables, sets: Rewritten) -> TakenDown:
    """Of all take-downs since the release was made."""
    before = known(m.taken_down, None) or TakenDown(0, 0, 0, 0)
    return TakenDown(
        inputs=before.inputs + tables.inputs,
        samples=before.samples + effects.samples,
        records=before.records + sum(effects.modes.values()),
        sequences=before.sequences + sum(change.changed for change in sets.changes.values()),
    )


def write_described(m: Manifest, ledger: pa.Table, put: Put) -> bytes:
    """Write card, Croissant, SPDX and report; the manifest's bytes, whose ``files`` are then complete."""
    data = sorted(m.files)
    written = [put("README.md", card(m).encode())]
    written += [put(f"{name}.json", write(m, data)) for name, write in (("croissant", croissant), ("spdx", spdx))]
    written.append(put("report.html", page(m, choose(ledger, 0), {})))
    m.files = sorted([*data, *written])
    return m.to_bytes()


def new_ledger(release: Published, to: str) -> pa.Table:
    """Rows of the ledger that was written at ``to`` among which the report finds its examples: the first of each rule and
    class of failure in each file."""
    tables = [contracts.LEDGER.empty_table()]
    for file in ledger_files(release):
        table = Workspace(to).read_table([File(file.key, "", file.bytes, 1)], contracts.LEDGER)
        tables.append(pa.Table.from_pylist(_first(table), contracts.LEDGER))
    return pa.concat_tables(tables)


def _first(table: pa.Table) -> list[dict[str, Any]]:
    seen: Counter[Any] = Counter()
    rows = []
    for batch in table.sort_by([("id", "ascending"), ("source", "ascending"), ("uri", "ascending")]).to_batches(
        1 << 16
    ):
        for row in batch.to_pylist():
            key = (row["outcome"], row["rule"], row["failure"])
            if row["outcome"] in ("filtered", "failed") and seen[key] < NAMES:
                seen[key] += 1
                rows.append(row)
    return rows
