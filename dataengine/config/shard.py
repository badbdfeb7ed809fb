"""The recipe's ``shard`` block: size of shards, and shares of the splits."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from dataengine.config.sources import Model, Size

Split = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]  # what Hugging Face takes, too


class ShardConfig(Model):
    target_bytes: Size = 500_000_000
    splits: dict[Split, Annotated[float, Field(gt=0, le=1)]] = {"train": 1.0}

    @model_validator(mode="after")
    def _sums_to_one(self) -> ShardConfig:
        if abs(sum(self.splits.values()) - 1) > 1e-9:
            raise ValueError(f"the shares of the splits add up to {sum(self.splits.values()):g}; they must add up to 1")
        return self
