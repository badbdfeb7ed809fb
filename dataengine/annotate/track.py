"""A track: what one stage of this wing adds to samples. Its table has the columns that policies ask about, the text and its
places, and of a sample that could not be annotated the reason.

A failure is the track's, not the sample's: its columns are null, and the policy's ``on_missing`` decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

#: Stages of this wing, in their order: what reads annotations needs them.
ANNOTATIONS = ("annotate.columns", "annotate.ocr", "annotate.asr", "annotate.captions", "annotate.text")
FAILURE: list[pa.Field[Any]] = [pa.field("failure", pa.string()), pa.field("message", pa.string())]


@dataclass(frozen=True)
class ModelLicence:
    """A model of a track, as the card names it: where its weights are from, and their licence as an SPDX id; empty where nothing
    states one."""

    name: str
    source: str
    licence: str


@dataclass(frozen=True)
class Track:
    """``name``: of the table and, after its ``wing``, of the stage. ``version``: of model, options and code, part of the name of
    every file. ``columns``: numbers and short texts for policies, statistics and the card; ``details``: text and structures.
    ``of_samples``: what a sample is said to be in the card where it has something of the track (``with text``); ``value_name``:
    by what samples are counted, such as a language; ``unreleased``: details that samples never carry."""

    name: str
    version: str
    columns: tuple[pa.Field[Any], ...]
    details: tuple[pa.Field[Any], ...]
    models: tuple[ModelLicence, ...]
    in_samples: bool = False
    of_samples: str = "annotated"
    value_name: str = "value"
    unreleased: tuple[pa.Field[Any], ...] = ()
    wing: str = "annotate"

    @property
    def stage(self) -> str:
        """Name of the stage that makes it."""
        return f"{self.wing}.{self.name}"

    @property
    def schema(self) -> pa.Schema:
        """Of its table: one row a sample that was looked at, by id."""
        return pa.schema([pa.field("id", pa.string(), False), *self.columns, *self.details, *self.unreleased, *FAILURE])


def absent(column: pa.Field[Any]) -> Any:
    """What a column says of a sample that the track does not concern, as speech a picture: zero, no text."""
    if pa.types.is_boolean(column.type):
        return False
    return 0 if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) else None
