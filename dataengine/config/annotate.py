"""The recipe's ``annotate`` block: tracks that models add to samples, such as text in pictures and speech."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dataengine.config.annotate_captions import CaptionsConfig
from dataengine.config.annotate_text import TextConfig
from dataengine.config.sources import Model


class TrackConfig(Model):
    """``in_samples``: write the track into the samples' ``.json``, too; policies and the card see its columns in any case."""

    in_samples: bool = False


class OcrConfig(TrackConfig):
    """Text in pictures and in sampled frames of videos. ``max_side``: pixels of the longer side of the copy that is read;
    ``max_lines``: of a picture with more, the first in reading order are read."""

    frames: Annotated[int, Field(ge=1, le=64)] = 4
    max_side: Annotated[int, Field(ge=64, le=4096)] = 2000
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.5
    min_characters: Annotated[int, Field(ge=1)] = 2
    """Shorter lines are left out: in photographs a single character is seldom text."""
    max_lines: Annotated[int, Field(ge=1)] = 1000
    timeout: Annotated[float, Field(gt=0)] = 120.0
    """Seconds that reading one picture or video may take."""


class AsrConfig(TrackConfig):
    """Speech in videos by Whisper. ``checkpoint``: folder of a model converted for CTranslate2; None: Whisper base.
    ``language``: code such as ``en``; None: detected. ``window``: seconds of sound that are held at once."""

    checkpoint: str | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None
    task: Literal["transcribe", "translate"] = "transcribe"
    beam_size: Annotated[int, Field(ge=1, le=16)] = 5
    precision: Literal["float32", "int8", "float16", "int8_float16", "bfloat16"] = "float32"
    max_compression: Annotated[float, Field(gt=1)] = 2.4
    """A segment whose text compresses better repeats itself, as over music and noise, and is left out."""
    window: Annotated[float, Field(ge=60, le=3600)] = 900.0


class AnnotateConfig(Model):
    """Tracks of annotations; one that is not named is not made. ``threads``: of each model on a CPU."""

    ocr: OcrConfig | None = None
    asr: AsrConfig | None = None
    captions: CaptionsConfig | None = None
    text: TextConfig | None = None
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _names_a_track(self) -> AnnotateConfig:
        if not any((self.ocr, self.asr, self.captions, self.text)):
            raise ValueError(
                "no track is named: add `ocr: {}`, `asr: {}`, `captions: {servers: [...]}` or `text: {}`, or leave `annotate` out"
            )
        return self

    @model_validator(mode="after")
    def _texts_that_are_read(self) -> AnnotateConfig:
        if self.text is not None and self.text.texts == ("ocr",) and self.ocr is None:
            raise ValueError(
                "text.texts names ocr alone, which reads no text without `ocr: {}`: add it, or name caption"
            )
        return self

    @property
    def judged_text(self) -> TextConfig | None:
        """``text`` with the texts that there are: none in pictures without ``ocr``."""
        if self.text is None or self.ocr is not None:
            return self.text
        return self.text.model_copy(update={"texts": tuple(kind for kind in self.text.texts if kind != "ocr")})
