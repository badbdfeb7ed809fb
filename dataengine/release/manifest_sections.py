"""The sections of a release's manifest, a Struct each: the source of their part of its JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dataengine.shards.json_types import Closed, Count, Counts, RelativePath, Sha256
from dataengine.shards.manifest import TarShard

Number = int | float
Text = str | None


class RecordShard(TarShard, frozen=True, order=True):
    """One shard of chain-of-thought records, ``cot/NAME.tar``."""

    records: Count


class ReleaseFile(msgspec.Struct, frozen=True, order=True, forbid_unknown_fields=True):
    """A file of the release other than the manifest."""

    path: RelativePath
    sha256: Sha256
    bytes: Count


class Source(Closed):
    """A source of the recipe. ``clips``: of its inputs, those cut out of longer videos; ``videos_cut``: out of how many;
    ``partitions``: those that were read, of a source that has some."""

    name: str
    type: str
    license: Text
    inputs: Count
    clips: Count | UnsetType = UNSET
    videos_cut: Count | UnsetType = UNSET
    partitions: list[Annotated[str, Meta(pattern="^[A-Za-z0-9._=+-]+$")]] | UnsetType = UNSET


class Ledger(Closed):
    """Inputs by outcome, and within them by kind of duplicate, rule of the policy and class of failure."""

    outcome: Counts
    kind: Counts
    rule: Counts
    failure: Counts


class Media(Closed):
    """What was done to metadata and faces, in files; a count is absent where nothing of the kind was done."""

    exif: str
    faces: Literal["keep", "blur"]
    c2pa_opt_outs: list[str]
    metadata_removed: Count | UnsetType = UNSET
    gps_removed: Count | UnsetType = UNSET
    metadata_kept: Count | UnsetType = UNSET
    with_faces: Count | UnsetType = UNSET
    faces_blurred: Count | UnsetType = UNSET


class Semantic(Closed):
    """Cosines that the embeddings of two pictures, and of their captions, must reach; ``confirm``: by alignment."""

    threshold: float
    caption_threshold: float | None
    confirm: bool


class CaptionSimilarity(Closed):
    """Jaccard similarity that the shingles of two captions must reach."""

    threshold: float


class Dedup(Closed):
    """The recipe's settings, then edges by kind, groups by size, and what approximate searches may have missed."""

    radius: Count
    video_overlap: float
    keep: list[str]
    hash_version: str
    pixels: bool
    aligned_radius: Count | None
    semantic: Semantic | None
    text: CaptionSimilarity | None
    group_by: list[str] | None
    max_distance_factor: float | None
    edges: Counts
    group_sizes: Counts
    search: dict[str, dict[str, Number | None]]
    chained: Count
    cut: Count
    sibling_clips: bool | UnsetType = UNSET
    siblings: Count | UnsetType = UNSET
    """Clips that another clip of their video would represent, were they not kept apart."""


class Benchmark(Closed):
    """A benchmark that samples were compared with, and by preset the samples that hit and the items not compared."""

    name: str
    items: Count
    unreadable: Count
    not_compared: Counts
    hits: Counts


class Contamination(Closed):
    """Decontamination: the benchmarks, and the settings of each preset of matching."""

    benchmarks: list[Benchmark]
    presets: dict[str, Any]


class Policy(Closed):
    """The filter policy, by the SHA-256 of its rules."""

    name: str
    version: str
    digest: str


class FilterStep(Closed):
    """One rule of the policy: samples that reached it, that it dropped and that are left; its condition, and that of the samples
    it is for."""

    rule: str
    reason: str
    entering: Count
    dropped: Count
    remaining: Count
    keep: str | UnsetType = UNSET
    when: str | UnsetType = UNSET


class Quantiles(Closed):
    """Quantiles of a score over ``count`` samples with a finite value; none of them where ``count`` is 0."""

    count: Count
    min: float | UnsetType = UNSET
    p10: float | UnsetType = UNSET
    p50: float | UnsetType = UNSET
    p90: float | UnsetType = UNSET
    max: float | UnsetType = UNSET


class Distribution(Closed):
    """A score before and after filtering."""

    before: Quantiles
    after: Quantiles


class Histogram(Closed):
    """Samples by bin of a score before and after filtering: the bins lie between neighbouring ``edges``, equal on a logarithmic
    scale where ``log`` is true; the first and the last hold what lies beyond."""

    edges: Annotated[list[float], Meta(min_length=2)]
    log: bool
    before: list[Count]
    after: list[Count]


class Label(Closed):
    """A string column: how many values it has, and samples by value before and after filtering, of the commonest; none of them
    where it has too many values."""

    distinct: Count
    before: Counts
    after: Counts


class ScorerVersion(Closed):
    """A scorer, and the version of its code and model."""

    name: str
    version: str


class PluginCode(Closed):
    """Code beyond the engine's own: ``name`` of a file, or distribution and version of a package; ``sha256`` of the file, or of
    the package's sources; ``offers``: what it adds, kind and name."""

    name: str
    sha256: Sha256
    offers: list[str]


class VideoSampling(Closed):
    """Slow-Fast sampling of video frames, with token budgets."""

    fps: float
    threshold: float
    fast_ratio: float
    budget: Count
    min_tokens: Count
    max_tokens: Count
    inclusive: bool
    max_frames: Count | None


class TokenizerFit(Closed):
    """The decision that the recipe's lock keeps: digest of the settings, number and digest of the samples fitted on."""

    settings: str
    samples: Count
    samples_digest: str


class Tokenizer(Closed):
    """The visual tokenizer; ``picture_tokens``: fewest and most a picture, ``tokens``: in all, ``made``: how it was fitted,
    ``fit``: on what."""

    name: str
    id: str
    codebook_sizes: list[Count]
    picture_tokens: Annotated[list[Count], Meta(min_length=2, max_length=2)]
    tokens: Count
    video: VideoSampling
    made: dict[str, Number | str]
    fit: TokenizerFit | UnsetType = UNSET


class Previous(Closed):
    """The release that this one is compared with."""

    name: str
    recipe_digest: str
    version: str


class Difference(Closed):
    """Kept samples that came and went since another release, and what became of those that went."""

    previous: Previous
    added: Count
    removed: Count
    same: Count
    removed_because: Counts
    policy_before: Policy
    tokenizer_before: str


class StageCost(Closed):
    """Partitions of a stage, and the files that it has written for the release."""

    stage: str
    parts: Count
    files: Count
    bytes: Count


class Cost(Closed):
    """Inputs read and their bytes, and what each stage has written for the release; the same in equal runs."""

    inputs: Count
    bytes: Count
    stages: list[StageCost]
