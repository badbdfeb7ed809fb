"""Asks model servers for the captions of a part's samples, each with its media as a child has decoded and encoded them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pyarrow as pa

from dataengine.annotate.captions import prompts
from dataengine.annotate.captions.replies import NoCaption, caption_of
from dataengine.annotate.captions.spans import SPANS
from dataengine.annotate.captions.tables import MADE, TO_CAPTION
from dataengine.annotate.captions.views import View, Views, ViewSettings
from dataengine.config.annotate_captions import CaptionsConfig, Style
from dataengine.config.model_server import ModelServer
from dataengine.errors import RunError
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.models.serving.completion import (
    ChatModel,
    FailedCompletion,
    Failure,
    Request,
    Result,
    raise_if_fatal,
)
from dataengine.models.serving.connect import chat_model
from dataengine.models.serving.messages import image_reference
from dataengine.samples.locate import LOCATED, Located, objects
from dataengine.samples.worker import DecodingWorker
from dataengine.stage import Part
from dataengine.storage.workspace import File, Output, digest, parquet

#: Role of the table of captions among a part's files.
CAPTIONS = "captions"
#: Captions of which no share of failures stops a run, unless all of a few are lost.
SMALLEST, _FEW = 50, 3
#: Failure of a sample that a model without vision could be told nothing of.
NOTHING = "nothing_to_tell"
_MAY_PASS = ("rate_limit", "server_error", "timeout", "disconnected")
_SEED_DIGITS = 13
"""So that every JSON reader keeps the number whole."""
_MESSAGE = 300

Row = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A caption that is asked for, without its outcome, and the pictures that the model is shown; without a request one that
    cannot be asked for, and why."""

    row: Row
    request: Request | None
    pictures: Mapping[str, bytes]


@dataclass
class RecaptionWorker(DecodingWorker):
    """Asks each server in turn for all captions of a part. A part of which servers that falter have left out too much is not
    committed, so that a rerun asks for the rest of it."""

    config: CaptionsConfig
    servers: dict[str, ModelServer]
    seed: int
    _models: dict[str, ChatModel] = field(default_factory=dict, init=False, repr=False)
    _totals: Counter[str] = field(default_factory=Counter, init=False)

    function = "dataengine.annotate.captions.render:render"
    ahead = 8

    def context(self) -> Any:
        c = self.config
        return self.limits, ViewSettings(c.sides, c.fps, c.frame_side, c.max_frames, c.slow_fast, c.spans)

    def answer(self) -> Any:
        return Views

    def setup(self) -> None:
        for name, server in self.servers.items():
            self._models[name] = chat_model(server, self.workspace.store)
            self._models[name].setup()

    def close(self) -> None:
        for model in self._models.values():
            model.close()
        super().close()

    def process(self, part: Part) -> Output:
        rows_file, speech_file = part.spec
        table = self.workspace.read_table([rows_file], TO_CAPTION)
        known: dict[Any, str | None] = dict(zip(table["id"].to_pylist(), table["context"].to_pylist(), strict=True))
        samples = objects(table.select(LOCATED.names))
        speech = self._speech(speech_file)
        rows: list[Row] = []
        for name in self.servers:
            rows += self._captions(name, samples, known, speech)
        self._raise_if_faltering(rows)
        rows = _numbered(rows)
        file = self.workspace.write_table(
            f"annotations/captions/{part.name}-{part.key[:16]}.parquet", pa.Table.from_pylist(rows, MADE)
        )
        failures = Counter(row["failure"] for row in rows if row.get("failure"))
        counts = {"samples": len(samples), "captions": len(rows), "failed": sum(failures.values())}
        counts |= {name: sum(row.get(name) or 0 for row in rows) for name in ("tokens_in", "tokens_out")}
        return Output({CAPTIONS: file}, counts, {"failures": dict(sorted(failures.items()))})

    def _raise_if_faltering(self, rows: Sequence[Row]) -> None:
        self._totals.update(asked=len(rows), lost=sum(row.get("failure") in _MAY_PASS for row in rows))
        calls, lost = self._totals["asked"], self._totals["lost"]
        if too_many(lost, calls, self.config.failed):
            raise RunError(
                f"annotate.captions: servers failed {lost:,} of {calls:,} captions, `failed` allows {self.config.failed:.0%}. "
                "Finished captions are kept: rerun to ask for the others again."
            )

    def _speech(self, file: File | None) -> dict[str, list[Row]]:
        """Segments of speech by sample, from the track ``asr``."""
        if file is None:
            return {}
        rows = parquet(self.workspace.store.get(file.key, file.sha256), ["id", "speech"]).to_pylist()
        return {row["id"]: row["speech"] or [] for row in rows}

    def _captions(
        self, server: str, samples: Sequence[Located], known: Mapping[str, str | None], speech: Mapping[str, list[Row]]
    ) -> list[Row]:
        """All rows of one server, in no order. What was asked is held, with its pictures, until its result is there."""
        rows: list[Row] = []
        waiting: dict[int, Row] = {}
        pictures: dict[str, bytes] = {}
        held = Counter[str]()
        names = list[list[str]]()

        def requests() -> Iterator[Request]:
            for sample, outcome in self.decoded(samples):
                if isinstance(outcome, Failed):
                    rows.append(_failed({"id": sample.id, "server": server}, outcome.failure, outcome.message))
                    continue
                for call in self._to_ask(server, sample, outcome, known[sample.id], speech.get(sample.id, [])):
                    if call.request is None:
                        rows.append(call.row)
                        continue
                    waiting[len(names)] = call.row
                    names.append(list(call.pictures))
                    pictures.update(call.pictures)
                    held.update(names[-1])
                    yield call.request

        for place, result in self._models[server].complete(requests(), pictures.__getitem__):
            rows.append(self._with_outcome(waiting.pop(place), result))
            for name in names[place]:
                held[name] -= 1
                if not held[name]:
                    del pictures[name], held[name]
        return rows

    def _to_ask(
        self, server: str, sample: Located, outcome: Ok, context: str | None, segments: Sequence[Row]
    ) -> Iterator[Asked]:
        """The captions of a sample by a server: of each view in each style; a model that sees none is asked once a span."""
        views: list[View] = outcome.value
        if not self.servers[server].vision:
            views = list({view.span: view for view in reversed(views)}.values())[::-1]
        for view, style in product(views, self.config.styles):
            speech = prompts.quoted(_spoken(segments, view)) if self.config.asr else None
            yield self._one(server, sample, view, style, context, speech)

    def _one(
        self, server: str, sample: Located, view: View, style: Style, context: str | None, speech: str | None
    ) -> Asked:
        seen = self.servers[server].vision
        pictures = {image_reference(jpeg): jpeg for jpeg in view.jpegs} if seen else {}
        shown = [image_reference(jpeg) for jpeg in view.jpegs] if seen else []
        model = self._models[server].id
        span = (view.span.kind, view.span.start, view.span.end) if view.span else (None, None, None)
        seed = int(digest(self.seed, sample.id, model, style, span, view.side, view.fps)[:_SEED_DIGITS], 16)
        row: Row = {
            "id": sample.id,
            "style": style,
            **dict(zip(("span", "start", "end"), span, strict=True)),
            "side": view.side or None,
            "fps": view.fps or None,
            "frames": len(view.jpegs) if view.span else None,
            "seen": seen,
            "context": context is not None,
            "speech": speech is not None,
            "server": server,
            "model": model,
            "prompt": prompts.prompt_digest(prompts.parts_of(style, view, seen, context, speech)),
            "seed": seed,
        }
        if not (seen or context or speech):
            message = "the model sees no pictures, and nothing is known of this sample that it could be told"
            return Asked(_failed(row, NOTHING, message), None, {})
        return Asked(row, prompts.request(style, view, shown, context, speech, seed, self.config), pictures)

    def _with_outcome(self, row: Row, result: Result) -> Row:
        if isinstance(result, FailedCompletion):
            raise_if_fatal(result)
            return _failed(row, result.failure.value, result.message, _FINISH.get(result.failure))
        tokens = {"finish": "stop", "tokens_in": result.tokens_in, "tokens_out": result.tokens_out}
        caption = caption_of(row["style"], result.text, self.config.max_characters)
        if isinstance(caption, NoCaption):
            return _failed(row | tokens, caption.failure, caption.message, "stop")
        return row | tokens | {"text": caption}


def too_many(lost: int, asked: int, allowed: float) -> bool:
    """Whether more than the share ``allowed`` is lost: of fewer than SMALLEST captions as many as of SMALLEST, or all of them. A
    few slow requests must not stop a small corpus, and an outage must not pass for what is wrong with its samples."""
    return lost > allowed * asked and (lost > allowed * SMALLEST or lost == asked >= _FEW)


_FINISH = {Failure.TRUNCATED: "length", Failure.REFUSED: "refusal", Failure.REPETITION: "stop"}
_SPANS = (None, *SPANS)


def _failed(row: Row, failure: str, message: str, finish: str | None = None) -> Row:
    return row | {"finish": finish, "failure": failure, "message": message[:_MESSAGE]}


def _spoken(segments: Sequence[Row], view: View) -> list[Row]:
    """What is said in a span of a video, in a time of its own."""
    if view.span is None:
        return []
    inside = [s for s in segments if s["start"] < view.span.end and s["end"] > view.span.start and s["text"]]
    return [{name: s[name] for name in ("start", "end", "text")} for s in inside]


def _numbered(rows: Sequence[Row]) -> list[Row]:
    """By sample: the whole before its parts, these by time, then by style, server, size and rate; counted for each sample."""

    def place(row: Row) -> tuple[Any, ...]:
        span = _SPANS.index(row.get("span"))
        texts = (row.get("style") or "", row["server"])
        return row["id"], span, row.get("start") or 0.0, *texts, -(row.get("side") or 0), row.get("fps") or 0.0

    counts = Counter[str]()
    numbered = []
    for row in sorted(rows, key=place):
        numbered.append(row | {"n": counts[row["id"]]})
        counts[row["id"]] += 1
    return numbered
