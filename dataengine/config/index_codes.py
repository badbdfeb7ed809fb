"""Quantitative codes, item alignment and balance: the parts of the recipe's ``index`` block that describe samples by columns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dataengine.config.sources import Model, SourcePath

#: Levels and codes a level of each preset. QARM (arXiv 2411.11739) has six levels and states no size; the open release of its
#: tokenizer has three of 8192.
PRESETS = {"qarm": (6, 8192), "onerec": (3, 8192)}


class VqConfig(Model):
    """VQ codes of QARM: the numbers, from 1, of the ``nearest`` items among a sample of so many ``items``."""

    items: Annotated[int, Field(ge=1, le=1_000_000)] = 8192
    nearest: Annotated[int, Field(ge=1, le=1000)] = 25

    @model_validator(mode="after")
    def _enough(self) -> VqConfig:
        if self.nearest > self.items:
            raise ValueError(f"nearest is {self.nearest}, more than there are items ({self.items})")
        return self


class CodesConfig(Model):
    """Residual k-means over the vectors of the index, or over aligned ones where the recipe aligns them. ``levels`` and ``size``
    stand for those of the preset."""

    preset: Literal["qarm", "onerec"] = "onerec"
    levels: Annotated[int, Field(ge=1, le=32)] | None = None
    size: Annotated[int, Field(ge=1, le=65_536)] | None = None
    vq: VqConfig | None = None
    iterations: Annotated[int, Field(ge=1, le=1000)] = 15
    """Of Lloyd's algorithm, a level."""
    fit_samples: Annotated[int, Field(ge=1)] = 200_000
    threads: Annotated[int, Field(ge=1)] = 1
    refit: bool = Field(default=False, exclude=True)
    """Fit the codebooks anew although the recipe's lock names some."""

    @property
    def shape(self) -> tuple[int, int]:
        """Levels and codes a level."""
        levels, size = PRESETS[self.preset]
        return self.levels or levels, self.size or size


class PairSource(Model):
    """Pairs of samples that belong together: a Parquet or JSONL file with two ids and a ``weight`` a row, or pairs that are
    derived. ``crops``: two crops of a picture, two halves of a video; ``video``: neighbouring clips of one video; ``column``:
    samples whose sources say the same in a declared column."""

    path: SourcePath | None = None
    a: str = "a"
    b: str = "b"
    weight: str | None = None
    derive: Literal["crops", "video", "column"] | None = None
    column: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> PairSource:
        if (self.path is None) == (self.derive is None):
            raise ValueError("name either `path`, a file of pairs, or `derive`: crops, video or column")
        if (self.derive == "column") != (self.column is not None):
            raise ValueError("`derive: column` and `column: NAME` belong together: name both or neither")
        return self


class AlignConfig(Model):
    """Item alignment of QARM: a linear projection of the index's vectors, trained by InfoNCE so that pairs come nearer."""

    pairs: Annotated[list[PairSource], Field(min_length=1)]
    dim: Annotated[int, Field(ge=2)] | None = None
    """Components of an aligned vector; None: as many as before."""
    most_pairs: Annotated[int, Field(ge=2)] = 200_000
    crop_samples: Annotated[int, Field(ge=2)] = 20_000
    """Samples that two crops are embedded of, at most."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 4
    batch: Annotated[int, Field(ge=2)] = 256
    temperature: Annotated[float, Field(gt=0, le=10)] = 0.05
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 3e-4
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.01
    """Of what the projection has changed since its start, which keeps all distances."""
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the groups of pairs that retrieval is measured on."""
    distractors: Annotated[int, Field(ge=0)] = 20_000
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1)] = 1
    refit: bool = Field(default=False, exclude=True)
    """Train the projection anew although the recipe's lock names one."""

    @property
    def crops(self) -> bool:
        """Whether samples are embedded in crops."""
        return any(source.derive == "crops" for source in self.pairs)


class CoverageConfig(Model):
    """k-centre on a sample of so many vectors: the greedy choice of ``centres`` that leaves no vector far from all of them."""

    centres: Annotated[int, Field(ge=1, le=65_536)] = 1000
    sample: Annotated[int, Field(ge=1)] = 50_000


class BalanceConfig(Model):
    """Columns by which a policy balances clusters: ``by`` leaves of the tree, its subtrees at ``depth`` (layers from the root),
    or the first ``depth`` levels of the codes. Nothing is dropped here."""

    by: Literal["leaf", "subtree", "codes"] = "leaf"
    depth: Annotated[int, Field(ge=1, le=64)] | None = None
    target: Annotated[int, Field(ge=1)] | None = None
    """Samples of a cluster that are kept on average by ``balance_draw < balance_keep``; None: the size of the cluster that the
    median sample is in."""
    temperature: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Of ``balance_weight``: 1 samples as the corpus is, 0 every cluster as often as any other (inverse frequency)."""
    coverage: CoverageConfig | None = None

    @model_validator(mode="after")
    def _depth_where_it_counts(self) -> BalanceConfig:
        if (self.by == "leaf") != (self.depth is None):
            raise ValueError("`depth` belongs to `by: subtree` and `by: codes`, which need it, and not to `by: leaf`")
        return self
