"""A shard's entry in the list that a release publishes: what a trainer checks a download against."""

from __future__ import annotations

import msgspec

from dataengine.errors import RunError
from dataengine.shards.json_types import Count, FileName, Sha256
from dataengine.shards.sample import FAMILIES


class TarShard(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A tar of one split and family, ``NAME.tar``."""

    name: FileName
    split: str
    family: str
    sha256: Sha256
    bytes: Count


class Shard(TarShard, frozen=True, order=True):
    """One shard of samples, ``shards/NAME.tar``."""

    samples: Count


def split_and_family(name: str) -> tuple[str, str]:
    """``("train", "image")`` of ``train-image-00000``. Raises RunError for other names."""
    split, _, rest = name.rpartition("-")[0].rpartition("-")
    if not split or rest not in FAMILIES:
        raise RunError(f"{name} is not the name of a shard: expected SPLIT-image-NNNNN or SPLIT-video-NNNNN")
    return split, rest
