"""Tables of re-captioning: samples to caption, what models wrote of them, and what was measured of every caption."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dataengine.samples.locate import LOCATED

#: One row a sample that is captioned. ``context``: JSON of what the model is told of it by the source, null for nothing.
_TO_CAPTION: list[pa.Field[Any]] = [*LOCATED, pa.field("context", pa.string())]
TO_CAPTION = pa.schema(_TO_CAPTION)

#: One row a caption that was asked for, ``n`` counts those of a sample; of a sample that could not be shown one row with the
#: reason. ``span``: whole, window or event of a video, from ``start`` to ``end``; null for pictures. ``side``: of a picture;
#: ``fps`` and ``frames``: of a video; ``seen``: whether the model was shown any. ``context``: whether it was told what the
#: source says; ``speech``: what is said. ``prompt``: digest of the templates; ``finish``: why the model stopped.
_MADE_FIELDS: list[pa.Field[Any]] = [
    pa.field("id", pa.string(), False),
    pa.field("n", pa.int32(), False),
    pa.field("style", pa.string()),
    pa.field("span", pa.string()),
    pa.field("start", pa.float64()),
    pa.field("end", pa.float64()),
    pa.field("side", pa.int32()),
    pa.field("fps", pa.float64()),
    pa.field("frames", pa.int32()),
    pa.field("seen", pa.bool_()),
    pa.field("context", pa.bool_()),
    pa.field("speech", pa.bool_()),
    pa.field("server", pa.string()),
    pa.field("model", pa.string()),
    pa.field("prompt", pa.string()),
    pa.field("seed", pa.int64()),
    pa.field("finish", pa.string()),
    pa.field("tokens_in", pa.int32()),
    pa.field("tokens_out", pa.int32()),
    pa.field("text", pa.string()),
    pa.field("failure", pa.string()),
    pa.field("message", pa.string()),
]
MADE = pa.schema(_MADE_FIELDS)

#: One row a caption of a sample that was captioned: the source's by their place, the synthetic by ``n``. ``match``: with the
#: media (of a part of a video, with frames of that part), null where no scorer tells. ``repetition``: share of its word triples
#: that have occurred before; ``boilerplate``: empty phrases; ``unread``: pieces of text that it quotes and OCR has not read, null
#: where OCR did not run; ``unsupported``: addresses and prices that neither OCR nor the source has; ``script``: of most letters.
_MEASURED_FIELDS: list[pa.Field[Any]] = [
    pa.field("id", pa.string(), False),
    pa.field("synthetic", pa.bool_(), False),
    pa.field("n", pa.int32(), False),
    pa.field("match", pa.float64()),
    pa.field("words", pa.int32(), False),
    pa.field("repetition", pa.float64(), False),
    pa.field("refusal", pa.bool_(), False),
    pa.field("boilerplate", pa.int32(), False),
    pa.field("unread", pa.int32()),
    pa.field("unsupported", pa.int32(), False),
    pa.field("script", pa.string()),
]
MEASURED = pa.schema(_MEASURED_FIELDS)
