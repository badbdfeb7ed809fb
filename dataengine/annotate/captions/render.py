"""Renders samples for captioning models, as JPEGs: a picture at several sizes, Slow-Fast frames of a video and of its parts at
several rates. Runs in the decode child.

A frame is slow or fast (Keye-VL-1.5, arXiv 2509.01563) by its likeness to the last slow one of the same view; a fast one is
shown smaller. All views of a video share one decoding pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dataengine.annotate.captions.spans import EVENT, WHOLE, WINDOW, Span, events, windows
from dataengine.annotate.captions.views import View, ViewSettings
from dataengine.config.annotate_captions import SpansConfig
from dataengine.media.image.decode import decode_rgb
from dataengine.media.image.encode import encode_jpeg
from dataengine.media.image.pixels import Pixels
from dataengine.media.image.resize import smart_resize
from dataengine.media.limits import Limits
from dataengine.media.video import reader
from dataengine.media.video.sampling import FAST, SlowFast
from dataengine.media.video.shots import detector, shots
from dataengine.media.video.similarity import Reducer
from dataengine.media.video.slowfast import chosen, kinds_of

_QUALITY = 90
_COMPARED = 256
"""Tokens of a frame for comparison, as Slow-Fast sampling has it."""
_AT_ONCE = 8


def render(context: tuple[Limits, ViewSettings], item: tuple[bytes, str]) -> list[View]:
    """The different views of a sample: ``item`` is (media bytes, kind). Raises InputError."""
    limits, settings = context
    data, kind = item
    return list(_of_picture(data, limits, settings) if kind == "image" else _of_video(data, limits, settings))


def _of_picture(data: bytes, limits: Limits, settings: ViewSettings) -> Iterator[View]:
    """From the largest size on; a size that shows no less than the picture has is one with the picture's own."""
    pixels = decode_rgb(data, limits, max(settings.sides))
    own = min(pixels.shape[:2])
    for side in sorted({min(side, own) for side in settings.sides}, reverse=True):
        yield View(side, 0.0, None, [encode_jpeg(pixels, side, _QUALITY)], [], [])


def _of_video(data: bytes, limits: Limits, settings: ViewSettings) -> Iterator[View]:
    clip = reader.probe(data, limits)
    wanted = {
        (fps, span): _indices(clip, span, fps, settings)
        for span in _spans(data, clip, settings.spans, limits)
        for fps in settings.fps
    }
    first_with: dict[tuple[Span, bytes], float] = {}
    for (fps, span), indices in wanted.items():
        first_with.setdefault((span, indices.tobytes()), fps)
    every = np.unique(np.concatenate(list(wanted.values())))
    frames = dict(zip(every.tolist(), _frames(data, clip, every, settings), strict=True))
    for (span, code), fps in first_with.items():
        yield _view(clip, fps, span, np.frombuffer(code, np.int64), frames, settings.slow_fast)


def _spans(data: bytes, clip: reader.Video, config: SpansConfig | None, limits: Limits) -> list[Span]:
    """The whole video, then its parts by kind and time. Raises InputError."""
    every = [Span(WHOLE, 0.0, round(clip.duration, 3))]
    if config is None or clip.duration <= config.seconds:
        return every
    if WINDOW in config.by:
        every += windows(clip.duration, config)
    if EVENT in config.by:
        cuts = [shot.start for shot in shots(data, clip, detector("content"))]
        every += events(cuts, clip.duration, config)
    return every


def _indices(clip: reader.Video, span: Span, fps: float, settings: ViewSettings) -> npt.NDArray[np.int64]:
    """Evenly spaced frames within a span, from its first to its last."""
    first, last = 0, clip.frames
    if span.kind != WHOLE:
        inside = np.flatnonzero((clip.times >= span.start - 1e-3) & (clip.times < span.end - 1e-3))
        first, last = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (int(clip.at([span.start])[0]), 0)
    most = min(settings.max_frames, settings.slow_fast.most_frames)
    how = replace(settings.slow_fast, fps=fps, max_frames=most)
    return first + chosen(max(1, last - first), clip.rate, how)


@dataclass(frozen=True)
class _Frame:
    slow: bytes
    fast: bytes
    compared: Pixels


def _frames(
    data: bytes, clip: reader.Video, indices: npt.NDArray[np.int64], settings: ViewSettings
) -> Iterator[_Frame]:
    """Each frame as JPEGs of both sizes, and what it is compared by: pixels of one frame are held at a time."""
    how = settings.slow_fast
    to = smart_resize(clip.height, clip.width, min_tokens=how.min_tokens, max_tokens=max(_COMPARED, how.min_tokens))
    reduce, small = Reducer(clip.height, clip.width, to), round(settings.frame_side * math.sqrt(how.fast_ratio))
    for frame in reader.stream(data, clip, indices, at_once=_AT_ONCE):
        yield _Frame(
            encode_jpeg(frame, settings.frame_side, _QUALITY),
            encode_jpeg(frame, max(1, small), _QUALITY),
            reduce(frame),
        )


def _view(
    clip: reader.Video,
    fps: float,
    span: Span,
    indices: Sequence[int] | npt.NDArray[np.int64],
    frames: Mapping[int, _Frame],
    how: SlowFast,
) -> View:
    some = [frames[int(i)] for i in indices]
    kinds = kinds_of(_compared(some), how)
    jpegs = [one.fast if kind == FAST else one.slow for one, kind in zip(some, kinds, strict=True)]
    return View(0, fps, span, jpegs, [round(float(clip.times[int(i)]), 2) for i in indices], kinds)


def _compared(frames: Iterable[_Frame]) -> Iterator[Pixels]:
    return (frame.compared for frame in frames)
