"""manifest.json of a release: what it holds, how it was made and the digest of each file.

Its JSON Schema is exported from these types, and every reader decodes it by them. ``Contents`` is what the checks of a
release stand on; the rest is for people, the card and the report. Nothing in it depends on the clock, the host or a path
outside the release, so equal runs write equal bytes.
"""

from __future__ import annotations

import msgspec

from dataengine.release.manifest_captions import Captions
from dataengine.release.manifest_codes import Alignment, Balance, QuantitativeCodes
from dataengine.release.manifest_cot import Cot
from dataengine.release.manifest_deltas import Deltas, TakenDown
from dataengine.release.manifest_index import IndexSection
from dataengine.release.manifest_sections import (
    Contamination,
    Cost,
    Dedup,
    Difference,
    Distribution,
    FilterStep,
    Histogram,
    Label,
    Ledger,
    Media,
    PluginCode,
    Policy,
    ReleaseFile,
    ScorerVersion,
    Source,
    Text,
    Tokenizer,
)
from dataengine.release.manifest_sequences import Sequences
from dataengine.release.manifest_servers import AskedModel
from dataengine.release.manifest_tracks import AnnotationTrack, SourceColumn
from dataengine.shards.json_types import Count, Counts, FileName, plain
from dataengine.shards.manifest import Shard
from dataengine.shards.sample import canonical


class Contents(msgspec.Struct, kw_only=True):
    """What readers and the checks of a release stand on."""

    name: FileName
    samples: Count
    shards: list[Shard]
    cot: Cot
    files: list[ReleaseFile]
    sources: list[Source]
    ledger: Ledger
    tokenizer: Tokenizer | None
    taken_down: TakenDown | msgspec.UnsetType = msgspec.UNSET


class Manifest(Contents, forbid_unknown_fields=True, kw_only=True):
    """manifest.json of a release."""

    schema_version: str
    title: str
    license: str
    description: str
    version: str
    language: list[str]
    intended_use: Text
    out_of_scope_use: Text
    biases: Text
    limitations: Text
    personal_information: Text
    compute: Text
    date: Text
    citation: Text
    url: Text
    contact: Text
    code_version: str
    recipe_digest: str
    seed: Count
    opt_outs: Counts
    media: Media
    dedup: Dedup
    contamination: Contamination | None
    policy: Policy
    funnel: list[FilterStep]
    scores: dict[str, Distribution]
    histograms: dict[str, Histogram] | msgspec.UnsetType = msgspec.UNSET
    labels: dict[str, Label] | msgspec.UnsetType = msgspec.UNSET
    scorers: list[ScorerVersion]
    plugins: list[PluginCode] | msgspec.UnsetType = msgspec.UNSET
    annotations: list[AnnotationTrack] | msgspec.UnsetType = msgspec.UNSET
    model_servers: list[AskedModel] | msgspec.UnsetType = msgspec.UNSET
    captions: Captions | msgspec.UnsetType = msgspec.UNSET
    index: IndexSection | msgspec.UnsetType = msgspec.UNSET
    source_columns: list[SourceColumn] | msgspec.UnsetType = msgspec.UNSET
    sequences: Sequences | msgspec.UnsetType = msgspec.UNSET
    alignment: Alignment | msgspec.UnsetType = msgspec.UNSET
    quantitative_codes: QuantitativeCodes | msgspec.UnsetType = msgspec.UNSET
    balance: Balance | msgspec.UnsetType = msgspec.UNSET
    difference: Difference | None
    deltas: Deltas | msgspec.UnsetType = msgspec.UNSET
    cost: Cost

    def to_bytes(self) -> bytes:
        """Canonical JSON: equal manifests give equal bytes."""
        return canonical(plain(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises ValueError saying which field is wrong, as ``$.shards[0].sha256``."""
        try:
            return msgspec.json.decode(data, type=cls)
        except RecursionError:
            raise ValueError("nested too deep") from None
