"""What the decode child does with a file: read opt-outs, cut clips, measure facts and hashes, anonymise faces."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any, cast

from msgspec import Meta, Struct
from msgspec.structs import replace

from dataengine.config.sources import ClipsConfig, FacesConfig
from dataengine.errors import InputError
from dataengine.ingest import clips
from dataengine.ingest.clips import Clip
from dataengine.media import c2pa
from dataengine.media import inspect as whole
from dataengine.media.face_blur import Finder, blurred_picture, blurred_video
from dataengine.media.facts import Facts
from dataengine.media.image.pixels import Pixels
from dataengine.media.limits import Limits
from dataengine.media.measures import Fingerprint, Measures


@dataclass(frozen=True)
class DecodeSettings:
    """Settings of one source. ``opt_outs``: uses whose prohibition in a file leaves it out (``media.c2pa.USES``)."""

    limits: Limits
    opt_outs: tuple[str, ...] = ()
    clips: ClipsConfig | None = None
    faces: FacesConfig | None = None
    technical: bool = False
    """Whether pictures are measured for the scorer ``technical`` while their pixels are there."""
    fingerprints: bool = False
    """Whether they are fingerprinted then, for duplicates."""

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
        modules = {
            "dataengine.media.image.shrunk": True,
            "dataengine.media.video.transnet": network,
            "dataengine.media.image.technical": self.technical,
            "dataengine.media.image.detail": self.technical,
            "dataengine.media.image.fingerprint": self.fingerprints,
        }
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
    detail: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Of the same bytes (``media.image.detail``), measured where there are ``measures``."""
    fingerprint: Fingerprint | None = None


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
        return _anonymised(settings, data, _inspected(settings, data))
    result = clips.inspect((settings.clips, settings.limits), data)
    if isinstance(result, dict):
        return _anonymised(settings, data, WholeFile(cast(Facts, result)))
    files = [(clip, _anonymised(settings, clip.data, WholeFile(clip.facts))) for clip in result]
    return [replace(clip, facts=file.facts, stored=file.stored) for clip, file in files]


def _inspected(settings: DecodeSettings, data: bytes) -> WholeFile:
    if not (settings.technical or settings.fingerprints):
        return WholeFile(cast(Facts, whole.inspect(settings.limits, data)))
    seen: list[dict[str, Any]] = []
    facts = whole.inspect(settings.limits, data, lambda picture, frames: seen.append(_seen(settings, picture, frames)))
    return WholeFile(cast(Facts, facts), **(seen[0] if seen else {}))


def _seen(settings: DecodeSettings, picture: Pixels, frames: int) -> dict[str, Any]:
    """Fields of WholeFile that are made of the pixels."""
    made: dict[str, Any] = {}
    if settings.technical:
        from dataengine.media.image.detail import detail
        from dataengine.media.image.technical import measure

        made |= {"measures": measure(picture), "detail": detail(picture)}
    if settings.fingerprints:
        from dataengine.media.image.fingerprint import fingerprint_of

        made["fingerprint"] = fingerprint_of(picture, frames)
    return made


def _anonymised(settings: DecodeSettings, data: bytes, file: WholeFile) -> WholeFile:
    """Blur faces where the recipe asks for it. Perceptual hashes stay those of the original, so that copies are found; all other
    facts describe the stored bytes."""
    faces, limits, facts = settings.faces, settings.limits, file.facts
    if faces is None:
        return file
    finder = _finder(faces.device, faces.threshold)
    if facts["kind"] == "video":
        count, stored = blurred_video(data, limits, finder, faces.frame_interval)
    else:
        count, stored = blurred_picture(data, limits, finder)
    if stored is None:
        return replace(file, facts=facts | {"faces": count})
    blurred = _inspected(settings, stored)
    if any(blurred.facts[name] != facts[name] for name in ("width", "height", "frames")):
        raise InputError(
            "faces_not_blurred", "the re-encoded file differs from the original in size or number of frames"
        )
    hashes = {name: facts[name] for name in ("phash", "frame_hashes")}
    return replace(blurred, facts=cast(Facts, blurred.facts | {"faces": count} | hashes), stored=stored)


@functools.cache
def _finder(device: str, threshold: float) -> Finder:
    from dataengine.media.faces import Detector

    return Detector(device, threshold)
