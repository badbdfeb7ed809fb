"""The sections of a release's manifest on what was added to samples: tracks by models, columns from their sources."""

from __future__ import annotations

from dataengine.shards.json_types import Closed, Count, Counts


class TrackModel(Closed):
    """A model, where its weights are from, and their licence; "" where none is stated."""

    name: str
    source: str
    licence: str


class AnnotationTrack(Closed):
    """A track. ``samples`` were looked at, ``annotated`` of them have something of it, which ``of_samples`` words; ``failed``
    could not be. ``figures``: sums over samples; ``values``: samples by ``value_name``; ``failures``: samples by class."""

    name: str
    version: str
    models: list[TrackModel]
    samples: Count
    annotated: Count
    of_samples: str
    failed: Count
    figures: Counts
    value_name: str
    values: Counts
    failures: Counts
    in_samples: bool


class SourceColumn(Closed):
    """A column that a source fills from a field of its metadata: occurrences of representatives whose value fits the type, and
    those whose value does not, which are null."""

    source: str
    column: str
    field: str
    type: str
    values: Count
    misfits: Count
