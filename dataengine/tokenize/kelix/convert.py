"""Converts whole published Kelix models to checkpoints of this package and back, as ``dataengine tokenizer convert`` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from dataengine.errors import RunError, UsageError
from dataengine.models.sharded import ShardedModel
from dataengine.storage.store import Store
from dataengine.tokenize import checkpoint
from dataengine.tokenize.card import card
from dataengine.tokenize.external import ExternalConfig
from dataengine.tokenize.kelix.config import KelixConfig, NextToken
from dataengine.tokenize.kelix.publish import SHARD, publish, put_file, replace
from dataengine.tokenize.kelix.published import Published


@dataclass(frozen=True)
class Conversion:
    """``facts`` for people: what was converted, left out and ignored."""

    uri: str
    facts: list[tuple[str, str]]


def to_checkpoint(url: str, out: str, config: KelixConfig, prefix: str, ignore: Sequence[str] = ()) -> Conversion:
    """Convert the tokenizer of the model at ``url``; memory holds one tensor. Raises UsageError."""
    if config.objective.kind == "reconstruct":
        config = config.model_copy(update={"objective": NextToken()})  # published weights hold no decoder
    config = config.published()
    tensors = Published(ShardedModel(url), config, prefix, ignore)
    settings, store = config.model_dump(mode="json"), Store(out)
    id_ = put_file(store, checkpoint.FILE, lambda file: checkpoint.write(file, settings, tensors))
    sizes = (config.quantiser.entries,) * config.quantiser.codebooks
    name = url.rstrip("/").rpartition("/")[2]
    text = card(config.name, id_, sizes, settings, {"converted from": name})
    store.put("config.json", json.dumps(settings, sort_keys=True, separators=(",", ":")).encode())
    store.put("README.md", text.encode())
    ignored = ", ".join(f"{count:,} of the {what}" for what, count in sorted(tensors.names.foreign.items()))
    facts = [
        ("tokenizer", id_),
        ("tensors", f"{len(tensors):,}, stored as {', '.join(sorted(kinds(tensors)))}"),
        ("ignored", ignored or "none"),
    ]
    if tensors.names.shared:
        facts.append(
            ("tables of centres", f"{len(tensors.names.shared)} of {len(sizes)} are stored under another's name")
        )
    return Conversion(store.uri(""), facts)


def kinds(tensors: Published) -> set[str]:
    """Types that the tensors are stored in."""
    return {tensors.model.kind(name) for name in set(tensors.names.full.values())}


def to_published(path: str, out: str, into: str | None, prefix: str, shard: int = SHARD) -> Conversion:
    """Write the checkpoint at ``path`` under the published names, or a copy of the whole model ``into`` with this tokenizer in
    it. Raises UsageError, RunError."""
    settings, tensors = checkpoint.unpack(ExternalConfig(path=path).read())
    try:
        config = KelixConfig.model_validate(settings)
    except ValidationError as error:
        raise RunError(f"{path} is not a checkpoint of the kelix tokenizer: {error}") from error
    store = Store(out)
    if into is not None and ShardedModel(into).url == out.rstrip("/"):
        raise UsageError(f"{out} is the model that is read: name another folder")
    decoder = [name for name in tensors if name.startswith("decoder.")]
    if into is None:
        files = publish(store, config, tensors, prefix, shard)
    else:
        files = replace(store, config, tensors, ShardedModel(into), prefix)
    left_out = f"{len(decoder)} tensors of the pixel decoder, which has no published name" if decoder else "none"
    return Conversion(store.uri(""), [("shards", f"{len(files):,}"), ("left out", left_out)])
