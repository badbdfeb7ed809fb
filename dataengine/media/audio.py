"""Decodes the sound of a video to mono at 16 kHz, a window of time at once, so that memory does not grow with its length.

Times are seconds from the start of the video track. What a damaged stream still holds is decoded; the rest is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import msgspec
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from dataengine.errors import InputError
from dataengine.media.limits import Limits
from dataengine.media.sniff import video_format
from dataengine.media.video.demux import opened

RATE = 16_000
_PREROLL = 0.25
"""Seconds before a window that are decoded, too: codecs need some packets to be exact."""
_GAP = 0.1
"""Seconds without packets that are silence, not jitter."""
_CODEC_NAMES = (
    "aac aac_latm mp1 mp2 mp3 ac3 eac3 dts truehd opus vorbis flac alac speex wmav1 wmav2 wmapro amrnb amrwb cook nellymoser "
    "gsm gsm_ms adpcm_ms adpcm_ima_wav adpcm_ima_qt adpcm_swf pcm_alaw pcm_mulaw pcm_u8 pcm_s8 pcm_s16le pcm_s16be pcm_s24le "
    "pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_f64be pcm_bluray pcm_dvd amr_nb amr_wb"
)
_CODECS = frozenset(_CODEC_NAMES.split())
"""FFmpeg's names of the codecs that are decoded."""


class Sound(msgspec.Struct):
    """``samples``: ``(n,)`` int16 from the start of the window; ``more``: there is sound after it; ``damaged``: packets that
    could not be decoded and gaps, which are silence here."""

    samples: NDArray[Any]
    more: bool
    damaged: int


def sound(limits: Limits, item: tuple[bytes, float, float]) -> Sound:
    """``item`` is (media bytes, start and length of the window in seconds). Raises InputError where nothing can be decoded."""
    data, start, seconds = item
    limits.check_bytes(len(data))
    media = video_format(data)
    if media is None:
        raise InputError("not_media", "not a video of a known container")
    with opened(data, media) as (container, video):
        if not container.streams.audio:
            raise InputError("no_sound", "the file has no sound track")
        track = container.streams.audio[0]
        if (codec := track.codec_context.codec.canonical_name if track.codec_context else "") not in _CODECS:
            raise InputError("not_media", f"the sound codec {codec or 'of the file'} is not accepted")
        zero = float(video.start_time * video.time_base) if video.start_time is not None and video.time_base else 0.0
        window = _Window(start, seconds)
        for time, frame in _frames(container, track, zero, start, window):
            if time >= start + seconds:
                window.end()
                break
            window.add(time, frame)
    if not window.length and window.damaged:
        raise InputError("corrupt", f"the sound cannot be decoded: {window.damaged:,} packets are damaged")
    return Sound(window.samples(), window.more, window.damaged)


class _Window:
    """Collects what is resampled, at its time."""

    def __init__(self, start: float, seconds: float) -> None:
        self._start, self._most = start, round(seconds * RATE)
        self._resampler, self._form = _resampler(), ("", "", 0)
        self._pieces: list[NDArray[np.int16]] = []
        self.length = 0
        self._skip = 0
        self.more = False
        self.damaged = 0

    def add(self, time: float, frame: AudioFrame) -> None:
        place = round((time - self._start) * RATE)
        if not self._pieces and not self._skip:
            self._skip = max(0, -place)
            self._put(np.zeros(max(0, min(place, self._most)), np.int16))
        elif place - self.length > _GAP * RATE and not self._skip:
            self.damaged += 1
            self._put(np.zeros(min(place, self._most) - self.length, np.int16))
        frame.pts = None  # the resampler would fill or refuse what is out of step
        self._admit((frame.format.name, frame.layout.name, frame.sample_rate))
        for piece in self._resampler.resample(frame):
            self._put(_mono(piece))

    def _admit(self, form: tuple[str, str, int]) -> None:
        """A resampler takes frames of one format, layout and rate; a stream may change them on its way."""
        if form != self._form and self._form[2]:
            self._flush()
            self._resampler = _resampler()
        self._form = form

    def end(self) -> None:
        """There is sound beyond the window: what it lacks is silence."""
        self.more = True
        self._flush()
        self.damaged += self._most - self.length > _GAP * RATE
        self._put(np.zeros(self._most - self.length, np.int16))

    def _put(self, piece: NDArray[np.int16]) -> None:
        dropped = min(self._skip, len(piece))
        self._skip -= dropped
        piece = piece[dropped : dropped + self._most - self.length]
        if len(piece):
            self._pieces.append(piece)
            self.length += len(piece)

    def samples(self) -> NDArray[np.int16]:
        if not self.more:
            self._flush()
        return np.concatenate([np.zeros(0, np.int16), *self._pieces])

    def _flush(self) -> None:
        for piece in self._resampler.resample(None):
            self._put(_mono(piece))


def _resampler() -> AudioResampler:
    return AudioResampler(format="s16", layout="mono", rate=RATE)


def _mono(frame: AudioFrame) -> NDArray[np.int16]:
    samples: NDArray[np.int16] = frame.to_ndarray().ravel().astype(np.int16, copy=False)
    return samples


def _frames(
    container: InputContainer, track: AudioStream, zero: float, start: float, window: _Window
) -> Iterator[tuple[float, AudioFrame]]:
    """Decoded frames from shortly before ``start``, with their times."""
    clock: float | None = None
    for packet in _packets(container, track, window):
        if packet.pts is not None and packet.time_base is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base) - zero
            if end < start - _PREROLL:
                continue
        window.damaged += bool(packet.is_corrupt)
        try:
            frames = packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            window.damaged += 1
            continue
        for frame in frames:
            time = clock if frame.time is None else frame.time - zero
            time = 0.0 if time is None else time
            clock = time + frame.samples / frame.sample_rate
            yield time, frame


def _packets(container: InputContainer, track: AudioStream, window: _Window) -> Iterator[Any]:
    """Until the stream ends or breaks off."""
    try:
        yield from container.demux(track)
    except MemoryError:
        raise
    except av.error.FFmpegError:
        window.damaged += 1
