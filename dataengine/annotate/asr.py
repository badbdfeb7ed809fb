"""The track ``asr``: what is said in videos, in segments with times and language.

Sound is decoded and transcribed a window at a time; a window ends at its quietest moment, so that no word is cut.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.annotate.track import ModelLicence, Track
from dataengine.annotate.worker import Row, TrackWorker, failed
from dataengine.config.annotate import AsrConfig
from dataengine.media.audio import RATE, Sound
from dataengine.media.sandbox.pool import Failed
from dataengine.models import whisper
from dataengine.models.whisper import Speech, Transcriber
from dataengine.samples.decode import Decoded
from dataengine.samples.locate import Located
from dataengine.samples.worker import ONCE
from dataengine.storage.workspace import digest

#: Raised when the same sound and model would give other rows.
VERSION = "2"

_SEGMENT = pa.struct(
    [
        *((name, pa.float64()) for name in ("start", "end")),  # seconds from the start of the video
        *((name, pa.string()) for name in ("text", "language")),
        *((name, pa.float64()) for name in ("no_speech", "logprob", "compression")),
    ]
)
_COLUMNS = (
    pa.field("speech_seconds", pa.float64()),
    pa.field("speech_share", pa.float64()),  # of the video's duration
    pa.field("speech_words", pa.int32()),
    pa.field("speech_language", pa.string()),  # code of the language that is spoken longest
    pa.field("speech_no_speech", pa.float64()),  # mean probability of no speech, by seconds; null without speech
    pa.field("speech_logprob", pa.float64()),  # mean log-probability of tokens, by seconds; null without speech
    pa.field("speech_repeated", pa.int32()),  # segments that repeat themselves, which are left out
    pa.field("speech_partial", pa.bool_()),  # some of the sound is damaged or beyond the end of the video
)
_DETAILS = (pa.field("speech_text", pa.string()), pa.field("speech", pa.list_(_SEGMENT)))
_SILENCE = 0.1
"""Seconds over which loudness is measured where a window may end."""
_LOOK_BACK = 30.0
_LONGEST = 24 * 3600.0
"""Seconds of a video that are transcribed; a time stamp may state any duration."""


def track(config: AsrConfig) -> Track:
    """Raises UsageError where the package that transcribes is not installed, or the checkpoint is not there."""
    model = whisper.model(config.checkpoint)
    version = f"{model.name}-{model.digest[:8]}-{digest(VERSION, config.model_dump(exclude={'in_samples', 'checkpoint'}))[:8]}"
    named = ModelLicence(model.title, model.source, model.licence)
    return Track("asr", version, _COLUMNS, _DETAILS, (named, _DETECTOR), config.in_samples, "with speech", "language")


_DETECTOR = ModelLicence("Silero VAD", "faster-whisper", "MIT")


@dataclass
class AsrWorker(TrackWorker):
    """Transcribes in this process; sound is decoded in children."""

    config: AsrConfig
    device: str
    threads: int
    _transcriber: Transcriber | None = field(default=None, init=False, repr=False)

    function = "dataengine.media.audio:sound"
    ahead = 2

    def answer(self) -> Any:
        return Sound

    def rows(self, samples: Sequence[Located]) -> list[Row]:
        windows = [window for sample in samples for window in self._windows(sample)]
        by_sample = groupby(self.decoded(windows, self._item), key=lambda pair: pair[0].id)
        return [self._row(sample, next(by_sample)[1]) for sample in samples]

    def _windows(self, sample: Located) -> list[Located]:
        """The sample, once for each window; its facts say which."""
        duration = min(sample.facts["duration"] or 0.0, _LONGEST)
        count = max(1, math.ceil(duration / self.config.window))
        return [replace(sample, facts={**sample.facts, "window": n, "last": n == count - 1}) for n in range(count)]

    def _item(self, sample: Located, data: bytes) -> Any:
        return data, sample.facts["window"] * self.config.window, self.config.window

    def _row(self, sample: Located, windows: Iterable[Decoded]) -> Row:
        segments, failures, partial, count = list[Row](), list[Failed](), False, 0
        rest, at = np.zeros(0, np.int16), 0.0
        for window, outcome in windows:
            count += 1
            start = window.facts["window"] * self.config.window
            if isinstance(outcome, Failed):
                failures.append(outcome)
                segments += self._segments(rest, at)
                rest = rest[:0]
                continue
            heard: Sound = outcome.value
            samples, at = np.concatenate([rest, heard.samples]), start - len(rest) / RATE
            goes_on = heard.more and not window.facts["last"]
            partial |= bool(heard.damaged) or (heard.more and not goes_on)
            cut = _quietest(samples) if goes_on else len(samples)
            segments += self._segments(samples[:cut], at)
            rest, at = samples[cut:], at + cut / RATE
        segments += self._segments(rest, at)
        return (
            failed(sample, failures[0])
            if len(failures) == count
            else self._summed(sample, segments, partial or bool(failures))
        )

    def _segments(self, samples: NDArray[np.int16], start: float) -> list[Row]:
        config = self.config
        if not len(samples):
            return []
        spoken, language = self._loaded().transcribe(samples, config.task, config.beam_size)
        return [_entry(speech, start, language) for speech in spoken]

    def _summed(self, sample: Located, segments: Sequence[Row], partial: bool) -> Row:
        kept = [s for s in segments if s["compression"] <= self.config.max_compression]
        return {**_figures(sample, kept), "speech_repeated": len(segments) - len(kept), "speech_partial": partial}

    def counts(self, table: pa.Table) -> dict[str, int]:
        seconds = [value or 0.0 for value in table["speech_seconds"].to_pylist()]
        words = sum(n or 0 for n in table["speech_words"].to_pylist())
        partial = sum(map(bool, table["speech_partial"].to_pylist()))
        repeated = sum(n or 0 for n in table["speech_repeated"].to_pylist())
        spoken = {"with": sum(s > 0 for s in seconds), "seconds": round(sum(seconds)), "words": words}
        return {**spoken, "repeated segments": repeated, "partial": partial}

    def values(self, table: pa.Table) -> Mapping[str, int]:
        return Counter(map(str, table["speech_language"].drop_null().to_pylist()))

    def _loaded(self) -> Transcriber:
        with ONCE:
            if self._transcriber is None:
                model = whisper.model(self.config.checkpoint)
                precision, language = self.config.precision, self.config.language
                self._transcriber = Transcriber(model, self.device, self.threads, precision, language)
            return self._transcriber


def _entry(speech: Speech, start: float, language: str) -> Row:
    return {
        "start": round(start + speech.start, 2),
        "end": round(start + speech.end, 2),
        "text": speech.text,
        "language": language,
        "no_speech": round(speech.no_speech, 4),
        "logprob": round(speech.logprob, 4),
        "compression": round(speech.compression, 4),
    }


def _figures(sample: Located, segments: Sequence[Row]) -> Row:
    lengths = [max(0.0, s["end"] - s["start"]) for s in segments]
    seconds, duration = sum(lengths), sample.facts["duration"] or 0.0
    languages = Counter[str]()
    for segment, length in zip(segments, lengths, strict=True):
        languages[segment["language"]] += length
    text = " ".join(str(s["text"]) for s in segments)
    return {
        "id": sample.id,
        "speech_seconds": round(seconds, 2),
        "speech_share": round(min(1.0, seconds / duration), 4) if duration else 0.0,
        "speech_words": len(text.split()),
        "speech_language": min(languages, key=lambda code: (-languages[code], code), default=None),
        "speech_no_speech": _mean(segments, lengths, "no_speech"),
        "speech_logprob": _mean(segments, lengths, "logprob"),
        "speech_text": text,
        "speech": list(segments),
    }


def _mean(segments: Sequence[Row], lengths: Sequence[float], name: str) -> float | None:
    """Weighted by seconds; None where nothing is said."""
    if not sum(lengths):
        return None
    return round(float(np.average([s[name] for s in segments], weights=lengths)), 4)


def _quietest(samples: NDArray[np.int16]) -> int:
    """Place, within the last ``_LOOK_BACK`` seconds, of the middle of the block with the least energy."""
    size = round(_SILENCE * RATE)
    first = max(0, len(samples) - round(_LOOK_BACK * RATE))
    blocks = samples[first : first + (len(samples) - first) // size * size].reshape(-1, size).astype(np.float32)
    if not len(blocks):
        return len(samples)
    return first + int(np.argmin(np.square(blocks).mean(axis=1))) * size + size // 2
