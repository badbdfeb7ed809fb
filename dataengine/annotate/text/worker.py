"""Judges the texts of a part's samples in a child process, many samples at a time; those of a batch that fails, each alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.annotate.text.judge import PRELOAD
from dataengine.annotate.text.verdicts import SampleVerdict, Verdict
from dataengine.annotate.worker import Row, TrackWorker, failed
from dataengine.config.annotate_text import TextConfig, TextKind
from dataengine.media.sandbox.pool import Failed, Ok, Sandbox
from dataengine.samples.locate import LOCATED, Located, longest, objects
from dataengine.samples.worker import ONCE
from dataengine.storage.row_packs import PackedRows
from dataengine.storage.workspace import File, parquet

#: Columns of a part's rows beside those of LOCATED: captions that are released in place of the source's, the place of the best
#: of the source's captions, as text, and the address.
RELEASED, BEST, URL = "released", "best", "url"
_AT_ONCE, _CHARACTERS = 64, 100_000
"""Samples, and characters, of a batch."""
_MESSAGES = {
    "timeout": "judging its texts took longer than annotate.text.seconds",
    "out_of_memory": "judging its texts took more memory than limits.memory",
    "crashed": "the process that judged its texts died",
}


@dataclass(frozen=True)
class TextPart:
    """``rows`` of the samples, and the table of the track ``ocr`` of the same part, None where it did not run."""

    rows: PackedRows
    read: File | None


@dataclass
class TextWorker(TrackWorker):
    """Reads no media. The texts of a sample are in its facts."""

    config: TextConfig
    device: str
    threads: int
    _sandbox: Sandbox | None = field(default=None, init=False, repr=False)

    def samples(self, rows: TextPart | PackedRows | Sequence[Located]) -> Sequence[Located]:
        if not isinstance(rows, TextPart):
            return super().samples(rows)
        table = rows.rows.read(self.workspace.store)
        more = table.select([name for name in (RELEASED, BEST, URL) if name in table.column_names]).to_pylist()
        read = self._read(rows.read)
        return [
            replace(sample, facts={"texts": self._texts(sample, extra, read), "url": extra.get(URL)})
            for sample, extra in zip(objects(table.select(LOCATED.names)), more, strict=True)
        ]

    def _read(self, file: File | None) -> dict[str, str | None]:
        """Text in pictures, by sample."""
        if file is None or "ocr" not in self.config.texts:
            return {}
        table = parquet(self.workspace.store.get(file.key, file.sha256), ["id", "ocr_text"])
        return {str(row["id"]): row["ocr_text"] for row in table.to_pylist()}

    def _texts(
        self, sample: Located, extra: Mapping[str, Any], read: Mapping[str, str | None]
    ) -> list[tuple[str, str]]:
        """Kind and text of what is judged, the chosen caption first; blank ones are not."""
        texts = [("caption", text) for text in captions_of(sample, extra)] if "caption" in self.config.texts else []
        texts += [("ocr", read.get(sample.id) or "")]
        return [(kind, text) for kind, text in texts if text.strip()]

    def content(self, samples: Sequence[Located]) -> Any:
        return [[sample.id, sample.facts["texts"], sample.facts["url"]] for sample in samples]

    def rows(self, samples: Sequence[Located]) -> list[Row]:
        return [self._row(sample, outcome) for sample, outcome in self._judged(samples)]

    def _judged(self, samples: Sequence[Located]) -> Iterator[tuple[Located, SampleVerdict | Failed]]:
        """Every sample once, in no order."""
        alone = list[list[Located]]()
        for batch, outcome in self._map(list(_batches(samples))):
            if isinstance(outcome, Ok):
                yield from zip(batch, outcome.value, strict=True)
            elif len(batch) > 1:
                alone += [[sample] for sample in batch]
            else:
                yield batch[0], outcome
        for [sample], outcome in self._map(alone):
            yield sample, outcome.value[0] if isinstance(outcome, Ok) else outcome

    def _map(self, batches: Sequence[list[Located]]) -> Iterator[tuple[list[Located], Ok | Failed]]:
        if not batches:
            return
        with ONCE:
            if self._sandbox is None:
                self._sandbox = self._started_sandbox()
        items = ([([text for _, text in s.facts["texts"]], s.facts["url"]) for s in batch] for batch in batches)
        yield from zip(batches, self._sandbox.map(items), strict=True)

    def _started_sandbox(self) -> Sandbox:
        limits = replace(self.limits, seconds=self.config.seconds)
        sandbox = Sandbox(
            "dataengine.annotate.text.judge:judge", self.config, workers=self.feed.decoders, limits=limits,
            answer=list[SampleVerdict], preload=PRELOAD, slot_bytes=0,
        )  # fmt: skip
        return sandbox.__enter__()

    def close(self) -> None:
        super().close()
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)
            self._sandbox = None

    def _row(self, sample: Located, outcome: SampleVerdict | Failed) -> Row:
        if isinstance(outcome, Failed):
            return failed(sample, Failed(outcome.failure, _MESSAGES.get(outcome.failure, outcome.message)))
        kinds = [kind for kind, _ in sample.facts["texts"]]
        row: Row = {"id": sample.id, "url_filter": outcome.url, "texts": list(_entries(kinds, outcome.texts))}
        for kind in self.config.texts:
            row |= self._of_kind(kind, [v for k, v in zip(kinds, outcome.texts, strict=True) if k == kind])
        return row

    def _of_kind(self, kind: TextKind, verdicts: Sequence[Verdict]) -> Row:
        """Columns of a kind of text: of the first its reasons and language, of all together how much personal data."""
        row: Row = {f"{kind}_{name}": sum(getattr(v, name) for v in verdicts) for name in ("emails", "ips")}
        if verdicts:
            row |= {f"{kind}_{name}": reason for name, reason in verdicts[0].reasons.items()}
            row |= {f"{kind}_{name}": getattr(verdicts[0], name) for name in ("language", "language_score")}
        return row

    def counts(self, table: pa.Table) -> dict[str, int]:
        column: Any = table["texts"].combine_chunks()
        texts: Any = pc.list_flatten(column)
        fields: dict[str, Any] = {name: pc.struct_field(texts, name) for name in ("kind", "cut", "error", *_FIGURES)}
        return {
            "with": _sum(pc.greater(pc.list_value_length(column), pa.scalar(0))),
            "captions": _sum(pc.equal(fields["kind"], pa.scalar("caption"))),
            "texts in pictures": _sum(pc.equal(fields["kind"], pa.scalar("ocr"))),
            **{what: _sum(fields[name]) for name, what in _FIGURES.items()},
            "texts judged by their beginning": _sum(fields["cut"]),
            "texts with a filter that failed": _sum(pc.is_valid(fields["error"])),
        }

    def values(self, table: pa.Table) -> Mapping[str, int]:
        if "caption_language" not in table.column_names:
            return {}
        return Counter(map(str, table["caption_language"].drop_null().to_pylist()))


_FIGURES = {"emails": "e-mail addresses", "ips": "public IP addresses"}


def _sum(values: Any) -> int:
    return int(pc.sum(values).as_py() or 0)


def captions_of(sample: Located, extra: Mapping[str, Any]) -> list[str]:
    """The captions that are released, the chosen one first, as shards have them."""
    if (released := extra.get(RELEASED)) is not None:
        return [text or "" for text in released]
    texts = [text or "" for text in sample.captions]
    best = int(extra[BEST]) if extra.get(BEST) else longest(texts)
    return [*texts[best : best + 1], *texts[:best], *texts[best + 1 :]]


def _batches(samples: Sequence[Located]) -> Iterator[list[Located]]:
    """Consecutive samples that have something to judge, or nothing: these cost nothing."""
    batch, size = list[Located](), 0
    for sample in samples:
        length = sum(len(text) for _, text in sample.facts["texts"])
        if batch and (len(batch) == _AT_ONCE or size + length > _CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(sample)
        size += length
    if batch:
        yield batch


def _entries(kinds: Sequence[str], verdicts: Sequence[Verdict]) -> Iterator[Row]:
    counts = Counter[str]()
    for kind, verdict in zip(kinds, verdicts, strict=True):
        yield {
            "kind": kind, "n": counts[kind], **verdict.reasons, "language": verdict.language,
            "language_score": verdict.language_score, "emails": verdict.emails, "ips": verdict.ips, "cut": verdict.cut,
            "error": verdict.error or None,
        }  # fmt: skip
        counts[kind] += 1
