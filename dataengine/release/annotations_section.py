"""Says which tracks models have added to the samples: by what, of how many, and what could not be annotated. From the manifest
alone."""

from __future__ import annotations

from dataengine.release.card_text import table
from dataengine.release.manifest import Manifest
from dataengine.release.manifest_tracks import AnnotationTrack
from dataengine.shards.json_types import known

_MOST = 12
"""Languages or scripts of a track that are named."""


def annotated(m: Manifest) -> str:
    """Section of the card; "" without tracks."""
    tracks = known(m.annotations, [])
    if not tracks:
        return ""
    text = (
        "Models have added the tracks below to the representatives. A sample that could not be annotated is still a sample: its "
        "columns are null, and the filter policy says what becomes of it."
    )
    head = ("track", "samples looked at", *("with something", "failed", "version"))
    parts = [f"## Annotations by models\n\n{text}\n\n{table(head, map(_row, tracks))}"]
    parts += ["\n".join(f"- {sentence}" for track in tracks for sentence in sentences(track))]
    return "\n\n".join(parts)


def _row(track: AnnotationTrack) -> tuple[str, int, str, int, str]:
    return track.name, track.samples, f"{track.annotated:,} {track.of_samples}", track.failed, track.version


def sentences(track: AnnotationTrack) -> list[str]:
    """Models with their licences, figures and values, failures: a sentence each."""
    models = "; ".join(f"{m.name} (from {m.source}, licence {m.licence or 'not stated'})" for m in track.models)
    lines = [f"`{track.name}`: by {models}."]
    if figures := ", ".join(f"{n:,} {what}" for what, n in track.figures.items() if n):
        lines.append(f"`{track.name}`: {figures}.")
    if track.values:
        most = sorted(track.values.items(), key=lambda pair: (-pair[1], pair[0]))
        named = ", ".join(f"{value} ({n:,})" for value, n in most[:_MOST])
        lines.append(f"`{track.name}`: samples by {track.value_name}: {named}{', …' if len(most) > _MOST else ''}.")
    if track.failures:
        named = ", ".join(f"{failure} ({n:,})" for failure, n in track.failures.items())
        lines.append(f"`{track.name}`: not annotated: {named}.")
    return lines


def steps(m: Manifest) -> list[str]:
    """What was done, a sentence a track, for Croissant."""
    return [
        f"Track {t.name}: {t.annotated:,} of {t.samples:,} samples {t.of_samples}, {t.failed:,} could not be annotated."
        for t in known(m.annotations, [])
    ]


def tools(m: Manifest) -> list[str]:
    """The models, for Croissant."""
    return [f"{model.name} ({t.name} {t.version})" for t in known(m.annotations, []) for model in t.models]
