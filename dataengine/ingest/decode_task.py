"""What the decode child does with a file: read opt-outs, cut clips, measure facts and hashes, anonymise faces."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from dataengine.config.sources import ClipsConfig, FacesConfig
from dataengine.errors import InputError
from dataengine.ingest import clips
from dataengine.ingest.clips import Clip
from dataengine.media import c2pa
from dataengine.media import inspect as whole
from dataengine.media.face_blur import Finder, blurred_picture, blurred_video
from dataengine.media.facts import Facts
from dataengine.media.limits import Limits
from dataengine.media.measures import Measures


@dataclass(frozen=True)
class DecodeSettings:
    """Settings of one source. ``opt_outs``: uses whose prohibition in a file leaves it out (``media.c2pa.USES``)."""

    limits: Limits
    opt_outs: tuple[str, ...] = ()
    clips: ClipsConfig | None = None
    faces: FacesConfig | None = None
    technical: bool = False
    """Whether pictures are measured for the scorer ``technical`` while their pixels are there."""

    @property
    def seconds(self) -> float:
        """Wall-clock seconds for one file."""
        return max((c.timeout for c in (self.clips, self.faces) if c), default=self.limits.seconds)

    @property
    def gpu(self) -> bool:
        """Whether the detector of faces may run on a GPU."""
        return self.faces is not None and self.faces.device != "cpu"

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules that a child imports before its memory limit is set."""
        network = self.clips is not None and self.clips.detector == "transnetv2"
        modules = {"dataengine.media.video.transnet": network, "dataengine.media.image.technical": self.technical}
        return tuple(name for name, needed in modules.items() if needed)

    @property
    def threaded(self) -> tuple[str, ...]:
        """Those of them that start threads."""
        return ("dataengine.media.faces",) if self.faces else ()


class WholeFile(Struct, frozen=True, tag=True):
    """A file that is not cut. ``facts``: with ``faces`` where they were searched; ``stored``: bytes to keep in place of the
    original, None to keep the original."""

    facts: Facts
    stored: bytes | None = None
    measures: Measures | None = None
    """Of the bytes that are kept."""


class OptOut(Struct, frozen=True, tag=True):
    """The file's own opt-out that forbids its use."""

    signal: str


Decoded = WholeFile | list[Clip] | OptOut


def decode(settings: DecodeSettings, data: bytes) -> Decoded:
    """Decode a file once: its facts, or the two or more clips that it is cut into, or the opt-out that forbids its use. Raises
    InputError."""
    settings.limits.check_bytes(len(data))
    if signal := c2pa.forbidden(data, settings.opt_outs):
        return OptOut(signal)
    if settings.clips is None:
        return _anonymised(settings, data, *_inspected(settings, data))
    result = clips.inspect((settings.clips, settings.limits), data)
    if isinstance(result, dict):
        return _anonymised(settings, data, result)
    files = [(clip, _anonymised(settings, clip.data, clip.facts)) for clip in result]
    return [replace(clip, facts=file.facts, stored=file.stored) for clip, file in files]


def _inspected(settings: DecodeSettings, data: bytes) -> tuple[dict[str, Any], Measures | None]:
    if not settings.technical:
        return whole.inspect(settings.limits, data), None
    from dataengine.media.image.technical import measure

    measures: list[Measures] = []
    facts = whole.inspect(settings.limits, data, lambda picture: measures.append(measure(picture)))
    return facts, measures[0] if measures else None


def _anonymised(
    settings: DecodeSettings, data: bytes, facts: Mapping[str, Any], measures: Measures | None = None
) -> WholeFile:
    """Blur faces where the recipe asks for it. Perceptual hashes stay those of the original, so that copies are found; all other
    facts describe the stored bytes."""
    faces, limits = settings.faces, settings.limits
    if faces is None:
        return _whole(facts, measures=measures)
    finder = _finder(faces.device, faces.threshold)
    if facts["kind"] == "video":
        count, stored = blurred_video(data, limits, finder, faces.frame_interval)
    else:
        count, stored = blurred_picture(data, limits, finder)
    if stored is None:
        return _whole({**facts, "faces": count}, measures=measures)
    blurred, measures = _inspected(settings, stored)
    if any(blurred[name] != facts[name] for name in ("width", "height", "frames")):
        raise InputError(
            "faces_not_blurred", "the re-encoded file differs from the original in size or number of frames"
        )
    return _whole(
        blurred | {"faces": count} | {name: facts[name] for name in ("phash", "frame_hashes")}, stored, measures
    )


def _whole(facts: Mapping[str, Any], stored: bytes | None = None, measures: Measures | None = None) -> WholeFile:
    return WholeFile(cast(Facts, facts), stored, measures)


@functools.cache
def _finder(device: str, threshold: float) -> Finder:
    from dataengine.media.faces import Detector

    return Detector(device, threshold)
