"""The list of shards that a release publishes: what a trainer checks a download against."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any

from dataengine import contracts
from dataengine.errors import RunError
from dataengine.shards.sample import FAMILIES, canonical


@dataclass(frozen=True, order=True)
class Shard:
    """One shard; the file is called ``name`` + ``.tar``."""

    name: str
    split: str
    family: str
    sha256: str
    bytes: int
    samples: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Shard:
        """Raises RunError where a field is missing, unknown or of another type."""
        wanted = {f.name: str if f.type == "str" else int for f in fields(cls)}
        wrong = sorted(k for k in wanted.keys() | data.keys() if not isinstance(data.get(k), wanted.get(k, ())))
        if wrong:
            raise RunError(f"shard manifest: {', '.join(wrong)} missing, unknown or of the wrong type in {data}")
        return cls(**data)


def split_and_family(name: str) -> tuple[str, str]:
    """``("train", "image")`` of ``train-image-00000``. Raises RunError for other names."""
    split, _, rest = name.rpartition("-")[0].rpartition("-")
    if not split or rest not in FAMILIES:
        raise RunError(f"{name} is not the name of a shard")
    return split, rest


@dataclass(frozen=True)
class ShardManifest:
    """All shards of a release, by name."""

    shards: tuple[Shard, ...]
    schema_version: str = contracts.VERSION

    @classmethod
    def of(cls, shards: Iterable[Shard]) -> ShardManifest:
        return cls(tuple(sorted(shards)))

    @property
    def samples(self) -> int:
        return sum(s.samples for s in self.shards)

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal manifests give equal bytes."""
        return canonical({"schema_version": self.schema_version, "shards": [s.to_json() for s in self.shards]})

    @classmethod
    def from_bytes(cls, data: bytes) -> ShardManifest:
        """Raises RunError for another schema version or a malformed entry."""
        raw = json.loads(data)
        if raw.get("schema_version") != contracts.VERSION:
            raise RunError(f"shard manifest has schema version {raw.get('schema_version')}, not {contracts.VERSION}")
        return cls(tuple(Shard.from_json(s) for s in raw["shards"]))
