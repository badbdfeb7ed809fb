"""The recipe's ``index`` block: the index over embeddings that search, balance columns and quantitative codes read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dataengine.config.index_codes import AlignConfig, BalanceConfig, CodesConfig
from dataengine.config.sources import Model, SourcePath


class ItemTable(Model):
    """A table of the user's own: Parquet with an id and a vector (a list of floats of one length) a row. ``title``: column with a
    text to show; ``model``: column that names the model of each vector: a table with vectors of two models is refused."""

    path: SourcePath
    id: str = "id"
    vector: str = "vector"
    title: str | None = None
    model: str | None = None


class BehaviourSequences(Model):
    """Sequences of ids, such as what each user has looked at, in order: Parquet with a list a row. Two ids co-occur where they
    are at most ``window`` places apart in one sequence."""

    path: SourcePath
    column: str = "ids"
    window: Annotated[int, Field(ge=1, le=1000)] = 10
    neighbours: Annotated[int, Field(ge=1, le=1000)] = 64
    """Ids that are kept for each, those that co-occur with it most."""


class IndexConfig(Model):
    """``of``: which embeddings are indexed; ``both``: picture and longest caption, weighted by ``caption_weight``. ``kind``: what
    `dataengine search` asks; the tree is built in any case."""

    of: Literal["image", "caption", "both", "items"] = "image"
    caption_weight: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of the caption in the similarity of ``both``."""
    items: ItemTable | None = None
    leaf_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    fan_out: Literal[2, 4, 8, 16, 32] = 2
    """Children of an inner node: 4 keeps every second layer of the binary tree, 8 every third."""
    kind: Literal["tree", "ivf", "hnsw"] = "tree"
    rebuild_at: Annotated[float, Field(gt=1)] = Field(default=1.5, exclude=True)
    """Drift from which a rebuild is advised: how many times farther new samples lie from the centres of their leaves than those
    that the tree was fitted on, or half of how many times fuller the fullest leaf is."""
    rebuild: bool = Field(default=False, exclude=True)
    """Fit the tree anew although the recipe's lock names one."""
    sequences: BehaviourSequences | None = None
    align: AlignConfig | None = None
    codes: CodesConfig | None = None
    balance: BalanceConfig | None = None
    in_samples: bool = False
    """Whether samples carry their codes and clusters in the ``.json`` of shards."""
    release: bool = False
    """Whether the release has an index over its samples, which `dataengine search` asks wherever a copy of it lies."""

    @model_validator(mode="after")
    def _names_its_items(self) -> IndexConfig:
        if (self.of == "items") != (self.items is not None):
            raise ValueError("`of: items` and `items: {path: TABLE.parquet}` belong together: name both or neither")
        return self
