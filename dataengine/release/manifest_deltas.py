"""The section of a release's manifest on what is new, where it continues another."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, UnsetType

from dataengine.shards.json_types import Closed, Count, Counts, FileName, Sha256


class Continued(Closed):
    """The release that was continued; ``manifest``: SHA-256 of its manifest.json."""

    name: str
    version: str
    manifest: Sha256


class ShardDelta(Closed):
    """What became of a shard; ``before``: its SHA-256 in the release that was continued."""

    name: FileName
    change: Literal["added", "changed", "untouched", "removed"]
    sha256: Sha256 | UnsetType = UNSET
    before: Sha256 | UnsetType = UNSET


class Deltas(Closed):
    """What is new in a release that continues another: shards, CoT shards (``cot``), and samples that came and went (each is in
    ``deltas.parquet``). ``next_shards``: by split and family the number of the next new shard."""

    continues: Continued
    shards: list[ShardDelta]
    added: Count
    removed: Count
    stayed: Count
    removed_because: Counts
    next_shards: Counts
    cot: list[ShardDelta]
    next_cot_shards: Counts


class TakenDown(Closed):
    """What take-downs have removed since the release was made: inputs (rows of the ledger), and of what was released samples, CoT
    records, and sequences that had one of these. Who they were is in the ledger alone."""

    inputs: Count
    samples: Count
    records: Count
    sequences: Count
