"""Where media comes from, as a recipe or a benchmark list says it, and the units that all models of a recipe share."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


def parse_size(value: Any) -> Any:
    """``"16 MB"`` → 16000000; numbers pass through. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([\d_.]+)\s*([A-Za-z]*)\s*", value)
    if not match or match[2].upper() not in _UNITS:
        raise ValueError("a size is a number with an optional unit: 16 MB, 512 MiB, 1000000")
    return int(float(match[1].replace("_", "")) * _UNITS[match[2].upper()])


Size = Annotated[int, BeforeValidator(parse_size), Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class ClipsConfig(Model):
    """Videos are cut at their shots, each clip a sample. ``seconds`` of wall clock for one video, in place of the limit."""

    detector: Literal["transnetv2", "content"] = "transnetv2"
    min_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2.0
    max_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    precise: bool = False
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0

    @model_validator(mode="after")
    def _halves_fit(self) -> ClipsConfig:
        if self.max_seconds < 2 * self.min_seconds:
            raise ValueError("max_seconds must be at least twice min_seconds, or a long shot has no place to be split")
        return self


class SourceModel(Model):
    """What all sources can say; what is not said is not dumped, so that older keys stay as they are."""

    clips: ClipsConfig | None = None

    @model_serializer(mode="wrap")
    def _without_clips(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        return {k: v for k, v in dumped.items() if k != "clips" or v is not None}


class FolderSource(SourceModel):
    """Media files below a folder or prefix; NAME.txt (one caption a line) or NAME.json beside each."""

    type: Literal["folder"]
    name: Name
    path: str
    license: str | None = None
    buckets: Annotated[int, Field(ge=1, le=4096)] = 16


class TableSource(SourceModel):
    """JSONL, CSV or Parquet tables, one row an input; ``path`` may be a glob, media paths are relative to the table."""

    type: Literal["table"]
    name: Name
    path: str
    media: str = "path"
    caption: str | None = "caption"
    license_column: str | None = "license"
    license: str | None = None
    buckets: Annotated[int, Field(ge=1, le=4096)] = 16


class WebDatasetSource(SourceModel):
    """Existing WebDataset tars (img2dataset's layout included); ``path`` may be a glob."""

    type: Literal["webdataset"]
    name: Name
    path: str
    license: str | None = None


Source = Annotated[FolderSource | TableSource | WebDatasetSource, Field(discriminator="type")]
