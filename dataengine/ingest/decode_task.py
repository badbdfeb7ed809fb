"""All that is done to a file in the decode child: wishes against its use heeded, clips cut, facts found, faces blurred."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace
from typing import Any

from dataengine.config.sources import ClipsConfig, FacesConfig
from dataengine.errors import InputError
from dataengine.ingest import clips
from dataengine.ingest.clips import Clip
from dataengine.ingest.optout import OptedOutError
from dataengine.media import c2pa
from dataengine.media import inspect as whole
from dataengine.media.face_blur import Finder, blurred_picture, blurred_video
from dataengine.media.limits import Limits


@dataclass(frozen=True)
class Wishes:
    """``respect``: uses that assertions in a file may forbid (``media.c2pa.USES``)."""

    limits: Limits
    respect: tuple[str, ...] = ()
    clips: ClipsConfig | None = None
    faces: FacesConfig | None = None

    @property
    def seconds(self) -> float:
        """Wall clock for one file."""
        return max((c.timeout for c in (self.clips, self.faces) if c), default=self.limits.seconds)

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that have to be there before a child's memory is bounded."""
        network = self.clips is not None and self.clips.detector == "transnetv2"
        return (("dataengine.media.video.transnet",) if network else ()) + (
            ("dataengine.media.faces",) if self.faces else ()
        )


@dataclass(frozen=True)
class Whole:
    """``facts``: the columns ``contracts.FACTS`` of a file, with its ``faces`` where they were looked for. ``stored``: the
    bytes to keep in place of it; None where it is kept as it is."""

    facts: dict[str, Any]
    stored: bytes | None = field(default=None, repr=False)


def examine(wishes: Wishes, data: bytes) -> Whole | list[Clip] | OptedOutError:
    """What there is to know of a file, or of two clips or more that it is cut into, or what forbids its use. Raises
    InputError."""
    wishes.limits.check_bytes(len(data))
    if signal := c2pa.forbidden(data, wishes.respect):
        return OptedOutError(signal, "its C2PA manifest")
    found = clips.inspect((wishes.clips, wishes.limits), data) if wishes.clips else whole.inspect(wishes.limits, data)
    if isinstance(found, dict):
        return _faceless(wishes, data, found)
    made = [(clip, _faceless(wishes, clip.data, clip.facts)) for clip in found]
    return [replace(clip, facts=kept.facts, stored=kept.stored) for clip, kept in made]


def _faceless(wishes: Wishes, data: bytes, facts: dict[str, Any]) -> Whole:
    """Hashes stay those of the original, which is what other copies are like; all else is told of what is kept."""
    faces, limits = wishes.faces, wishes.limits
    if faces is None:
        return Whole(facts)
    finder = _finder(faces.device, faces.threshold)
    if facts["kind"] == "video":
        count, stored = blurred_video(data, limits, finder, faces.frame_interval)
    else:
        count, stored = blurred_picture(data, limits, finder)
    if stored is None:
        return Whole(facts | {"faces": count})
    now = whole.inspect(limits, stored)
    if any(now[name] != facts[name] for name in ("width", "height", "frames")):
        raise InputError("faces_not_blurred", "what was encoded again has not the size or the frames of the original")
    return Whole(now | {"faces": count} | {name: facts[name] for name in ("phash", "frame_hashes")}, stored)


@functools.cache
def _finder(device: str, threshold: float) -> Finder:
    from dataengine.media.faces import Detector

    return Detector(device, threshold)
