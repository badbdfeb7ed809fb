"""The track ``ocr``: text in pictures and in sampled frames of videos, with boxes and confidence."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataengine.annotate.ocr_pages import Page
from dataengine.annotate.track import ModelLicence, Track
from dataengine.annotate.worker import Row, TrackWorker, failed
from dataengine.config.annotate import OcrConfig
from dataengine.errors import InputError
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.models import text_reader
from dataengine.models.text_reader import Line, TextReader
from dataengine.samples.locate import Located
from dataengine.samples.worker import ONCE
from dataengine.storage.workspace import digest

#: Raised when the same pixels and model would give other rows.
VERSION = "2"

_LINE = pa.struct(
    [
        ("text", pa.string()),
        ("confidence", pa.float64()),
        ("time", pa.float64()),  # seconds of the frame; 0 in pictures
        (
            "box",
            pa.list_(pa.float64()),
        ),  # x, y of four corners, clockwise from the top left, as shares of width and height
    ]
)
_COLUMNS = (
    pa.field("ocr_characters", pa.int32()),
    pa.field("ocr_lines", pa.int32()),
    pa.field("ocr_area", pa.float64()),  # share of the picture in boxes of text; of a video the mean of its frames
    pa.field("ocr_confidence", pa.float64()),  # mean of the lines; null without text
    pa.field("ocr_script", pa.string()),  # ISO 15924 code of most of the letters
    pa.field("ocr_scripts", pa.string()),  # all codes, the commonest first
    pa.field("ocr_partial", pa.bool_()),  # there were more lines than are read
)
_DETAILS = (pa.field("ocr_text", pa.string()), pa.field("ocr", pa.list_(_LINE)))
_SCRIPTS = {
    "LATIN": "Latn", "CJK": "Hani", "HIRAGANA": "Hira", "KATAKANA": "Kana", "HANGUL": "Hang", "CYRILLIC": "Cyrl",
    "GREEK": "Grek", "ARABIC": "Arab", "HEBREW": "Hebr", "DEVANAGARI": "Deva", "THAI": "Thai", "BOPOMOFO": "Bopo",
}  # fmt: skip
_OTHER_SCRIPT = "Zyyy"


def track(config: OcrConfig) -> Track:
    """Raises UsageError where the package that reads text is not installed."""
    options = digest(VERSION, config.model_dump(exclude={"in_samples"}))[:8]
    model = text_reader.model()
    version = f"{model.name}-{model.digest[:8]}-{options}"
    named = ModelLicence(model.title, model.source, model.licence)
    return Track("ocr", version, _COLUMNS, _DETAILS, (named,), config.in_samples, "with text", "script")


@dataclass
class OcrWorker(TrackWorker):
    """Reads in this process; pictures are decoded and shrunk in children."""

    config: OcrConfig
    device: str
    threads: int
    _reader: TextReader | None = field(default=None, init=False, repr=False)

    function = "dataengine.annotate.ocr_pages:pages"
    ahead = 8

    def context(self) -> Any:
        return self.limits, self.config.frames, self.config.max_side

    def answer(self) -> Any:
        return list[Page]

    def rows(self, samples: Sequence[Located]) -> list[Row]:
        def sized(sample: Located, data: bytes) -> Any:
            return data, sample.kind, (sample.facts["width"], sample.facts["height"])

        return [row for rows in self.computed(samples, 1, self._rows, sized) for row in rows]

    def _rows(self, decoded: Sequence[tuple[Located, Ok | Failed]]) -> list[Row]:
        return [
            self._row(sample, outcome.value) if isinstance(outcome, Ok) else failed(sample, outcome)
            for sample, outcome in decoded
        ]

    def _row(self, sample: Located, decoded: Sequence[Page]) -> Row:
        reader, config = self._loaded(), self.config
        try:
            read = list(
                reader.read([p.pixels for p in decoded], config.max_lines, config.min_confidence, config.timeout)
            )
        except InputError as error:
            return failed(sample, Failed(error.failure, error.message))
        times = [page.time for page in decoded]
        kept = [[line for line in page.lines if len(line.text.strip()) >= config.min_characters] for page in read]
        lines = [_entry(time, line) for time, some in zip(times, kept, strict=True) for line in some]
        areas = [sum(_area(line.box) for line in some) for some in kept]
        texts = list(dict.fromkeys(str(line["text"]) for line in lines))
        scripts = _scripts("".join(texts))
        return {
            "id": sample.id,
            "ocr_characters": sum(len(text) for text in texts),
            "ocr_lines": len(texts),
            "ocr_area": round(min(1.0, float(np.mean(areas))), 4),
            "ocr_confidence": round(float(np.mean([line["confidence"] for line in lines])), 4) if lines else None,
            "ocr_script": scripts[0] if scripts else None,
            "ocr_scripts": " ".join(scripts) or None,
            "ocr_partial": any(page.partial for page in read),
            "ocr_text": "\n".join(texts),
            "ocr": lines,
        }

    def counts(self, table: pa.Table) -> dict[str, int]:
        lines = [n or 0 for n in table["ocr_lines"].to_pylist()]
        characters = sum(n or 0 for n in table["ocr_characters"].to_pylist())
        partial = sum(map(bool, table["ocr_partial"].to_pylist()))
        return {"with": sum(n > 0 for n in lines), "lines": sum(lines), "characters": characters, "partial": partial}

    def values(self, table: pa.Table) -> Mapping[str, int]:
        return Counter(map(str, table["ocr_script"].drop_null().to_pylist()))

    def _loaded(self) -> TextReader:
        with ONCE:
            if self._reader is None:
                self._reader = TextReader(self.config.max_side, self.device, self.threads)
            return self._reader


def _entry(time: float, line: Line) -> Row:
    return {"text": line.text, "confidence": round(line.confidence, 4), "time": time, "box": _rounded(line.box)}


def _rounded(box: NDArray[np.float64]) -> list[float]:
    return [round(float(value), 4) for value in box.ravel()]


def _area(box: NDArray[np.float64]) -> float:
    """Of a quadrangle, ``(4, 2)``, by the shoelace formula."""
    x, y = box[:, 0], box[:, 1]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _scripts(text: str) -> list[str]:
    """ISO 15924 codes of the letters, the commonest first."""
    counted = Counter(_letters(text))
    return sorted(counted, key=lambda code: (-counted[code], code))


def _letters(text: str) -> Iterator[str]:
    for letter in filter(str.isalpha, text):
        yield _SCRIPTS.get(unicodedata.name(letter, "").partition(" ")[0], _OTHER_SCRIPT)
