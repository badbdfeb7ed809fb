"""annotate.caption_quality: matches every caption of a sample that was captioned with its media, and measures what may be wrong
with it. Reads stored embeddings, texts and the tracks ``ocr`` and ``asr``; of media only videos whose parts have captions, which
are matched with the frames of those parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
from numpy.typing import NDArray

from dataengine.annotate.captions.matching import CaptionMatcher, ClipMatcher, matcher_of
from dataengine.annotate.captions.plan_stage import ROWS
from dataengine.annotate.captions.quality import VERSION, measure
from dataengine.annotate.captions.recaption_worker import CAPTIONS
from dataengine.annotate.captions.replies import measured_text, prose_of
from dataengine.annotate.captions.settings import captioning, match_scorer
from dataengine.annotate.captions.spans import WHOLE
from dataengine.annotate.captions.tables import MADE, MEASURED, TO_CAPTION
from dataengine.config.recipe import Recipe
from dataengine.embed.reader import ReadsEmbeddings
from dataengine.embed.worker import PICTURES, VIDEOS
from dataengine.media.sandbox.pool import Ok
from dataengine.models.device import Float32
from dataengine.samples.locate import LOCATED, Located, objects
from dataengine.samples.worker import DecodingWorker
from dataengine.score.base import stored
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, digest, parquet

#: Role of the table of measures among a part's files.
MEASURES = "measures"

#: What a caption may have taken text from.
_TRACKS = ("ocr", "asr")

Row = dict[str, Any]
Times = tuple[float, float]


class CaptionQuality(ReadsEmbeddings, RecordStage):
    """One part a part of the captions."""

    name = "annotate.caption_quality"
    version = "3"
    needs = ("embed", "score", "annotate.ocr", "annotate.asr", "annotate.caption_plan", "annotate.recaption")

    def active(self, recipe: Recipe) -> bool:
        return captioning(recipe)

    def embeddings(self, recipe: Recipe) -> list[str]:
        return [PICTURES, VIDEOS] if isinstance(matcher_of(recipe), ClipMatcher) else []

    def settings(self, recipe: Recipe) -> Any:
        matcher = matcher_of(recipe)
        return [VERSION, None if matcher is None else matcher.version, recipe.limits.model_dump()]

    def device(self, recipe: Recipe) -> str:
        return recipe.score.device

    def plan(self, run: Run) -> list[Part]:
        base, matcher = digest(self.version, self.settings(run.recipe)), matcher_of(run.recipe)
        plan = run.records["annotate.caption_plan"].parts["all"].files
        tracks = {name: run.records[f"annotate.{name}"].parts for name in _TRACKS if f"annotate.{name}" in run.records}
        scorer = match_scorer(run.recipe)
        parts = []
        for name, output in sorted(run.records["annotate.recaption"].parts.items()):
            files = {"rows": plan[f"{ROWS}{name}"], "made": output.files[CAPTIONS]}
            if scorer is not None and matcher is not None:
                files["scores"] = run.records["score"].parts[name].files[scorer]
                files |= matcher.files(run, name)
            files |= {track: parts_of[name].files["table"] for track, parts_of in tracks.items() if name in parts_of}
            key = digest(base, {role: file.sha256 for role, file in sorted(files.items())})
            parts.append(Part(name, key, files))
        return parts

    def worker(self, run: Run) -> Worker:
        recipe = run.recipe
        device, threads = recipe.score.device, recipe.score.threads
        return MeasureWorker(recipe.limits.to_limits(), run.workspace, matcher_of(recipe), device, threads)


@dataclass
class MeasureWorker(DecodingWorker):
    """Loads the text side of the matcher when there is a caption to match, and the other for captions of parts of videos."""

    matcher: CaptionMatcher | None
    device: str
    threads: int
    _ready: bool = field(default=False, init=False)

    function = "dataengine.annotate.captions.span_frames:prepare"
    ahead = 4

    def context(self) -> Any:
        return self.limits, self._loaded().preparer

    def answer(self) -> Any:
        return list[NDArray[Any]]

    def process(self, part: Part) -> Output:
        files: dict[str, File] = part.spec
        table = self.workspace.read_table([files["rows"]], TO_CAPTION)
        samples = table.to_pylist()
        synthetic = [row for row in self.workspace.read_table([files["made"]], MADE).to_pylist() if row["text"]]
        spoken = {row["id"]: row["speech_text"] or "" for row in self._rows(files.get("asr"), ["id", "speech_text"])}
        read = {row["id"]: row["ocr_text"] for row in self._rows(files.get("ocr"), ["id", "ocr_text", "failure"])}
        known = {row["id"]: [*row["captions"], row["context"] or "", spoken.get(row["id"], "")] for row in samples}
        rows = [self._measured(row, read.get(row["id"]), known[row["id"]]) for row in synthetic]
        for row, match in zip(rows, self._matches(synthetic, objects(table.select(LOCATED.names)), files), strict=True):
            row["match"] = match
        rows += self._of_sources(samples, files, read)
        rows.sort(key=lambda row: (row["id"], row["synthetic"], row["n"]))
        key = f"annotations/caption-quality/{part.name}-{part.key[:16]}.parquet"
        file = self.workspace.write_table(key, pa.Table.from_pylist(rows, MEASURED))
        return Output({MEASURES: file}, {"captions": len(rows), "synthetic": len(synthetic)})

    def _measured(self, row: Row, read: str | None, known: Sequence[str]) -> Row:
        text = measured_text(row["style"], row["text"])
        return {"id": row["id"], "synthetic": True, "n": row["n"], **asdict(measure(text, read, known))}

    def _of_sources(
        self, samples: Sequence[Row], files: Mapping[str, File], read: Mapping[str, str | None]
    ) -> list[Row]:
        """The source's captions, with the match that their scorer has stored."""
        scored = {row["id"]: row["matches"] or [] for row in self._rows(files.get("scores"), ["id", "matches"])}
        rows = []
        for sample in samples:
            matches = scored.get(sample["id"], [])
            for n, text in enumerate(sample["captions"]):
                measures = asdict(measure(text, read.get(sample["id"]), [text]))
                match = matches[n] if n < len(matches) else None
                rows.append({"id": sample["id"], "synthetic": False, "n": n, "match": match, **measures})
        return rows

    def _matches(
        self, captions: Sequence[Row], samples: Sequence[Located], files: Mapping[str, File]
    ) -> list[float | None]:
        if self.matcher is None or not captions:
            return [None] * len(captions)
        matcher = self._loaded()
        pictures: dict[Any, Float32] = {(id_, None): v for id_, v in matcher.pictures(self.workspace, files).items()}
        pictures |= self._parts({(row["id"], span): None for row in captions if (span := _part(row))}, samples)
        texts = matcher.texts([prose_of(row["style"], row["text"]) for row in captions])
        return [
            None if (picture := pictures.get((row["id"], _part(row)))) is None else stored(float(text @ picture))
            for row, text in zip(captions, texts, strict=True)
        ]

    def _parts(
        self, wanted: Iterable[tuple[str, Times]], samples: Sequence[Located]
    ) -> dict[tuple[str, Times], Float32]:
        """The vector of each part of a video, of those that can be decoded."""
        spans: dict[str, list[Times]] = defaultdict(list)
        for id_, times in wanted:
            spans[id_].append(times)

        def item(sample: Located, data: bytes) -> Any:
            return data, spans[sample.id]

        vectors: dict[tuple[str, Times], Float32] = {}
        for sample, outcome in self.decoded([s for s in samples if s.id in spans], item) if spans else ():
            if isinstance(outcome, Ok):
                some = self._loaded().parts(outcome.value)
                vectors |= {(sample.id, times): v for times, v in zip(spans[sample.id], some, strict=True)}
        return vectors

    def _loaded(self) -> CaptionMatcher:
        if self.matcher is None:
            raise RuntimeError("without a scorer nothing is matched")
        if not self._ready:
            self.matcher.setup(self.device, self.threads)
            self._ready = True
        return self.matcher

    def _rows(self, file: File | None, columns: Sequence[str]) -> list[Row]:
        if file is None:
            return []
        return parquet(self.workspace.store.get(file.key, file.sha256), columns).to_pylist()


def _part(caption: Row) -> Times | None:
    """Start and end of the part of a video that a caption is of; None where it is of the whole sample."""
    return None if caption["span"] in (None, WHOLE) else (caption["start"], caption["end"])
