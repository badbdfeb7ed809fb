"""Makes and tokenizes the documents of one part: some hundred at a time, so that memory does not grow with the part."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.sequence import (
    CotSource,
    PairsSource,
    SamplesSource,
    SegmentsSource,
    TextSource,
    VisionConfig,
)
from dataengine.cot.core.record import Record
from dataengine.errors import InputError
from dataengine.sequence import segments
from dataengine.sequence.assemble import Assembler
from dataengine.sequence.chat import ChatTemplate
from dataengine.sequence.compose import CaptionedSample, cot_draft, pair_draft, sample_drafts, text_draft
from dataengine.sequence.corpus import TEXTS
from dataengine.sequence.draft import Draft, Visual
from dataengine.sequence.encode_part import EncodePart, Material
from dataengine.sequence.encoded import DOCUMENTS, failed_row, left_out, row_of
from dataengine.sequence.material import MATERIAL, codes_of, continuous, discrete
from dataengine.sequence.record_visuals import PictureEncoder, RecordVisuals, record_of, visual_of
from dataengine.sequence.releases import Tar
from dataengine.sequence.tables import write_rows
from dataengine.sequence.text_tokenizer import TextTokenizer
from dataengine.shards.read import read_shard
from dataengine.stage import Part
from dataengine.storage.store import Store
from dataengine.storage.workspace import File, Output, Workspace
from dataengine.tokenize.base import Codes

_AT_ONCE = 512
_LOOKED_UP = 4_096
"""Records, or rows of segments, whose media are looked up in one pass over the release's tables."""
_NO_SEMANTIC_ID = "its .json has no codes: it has no vector, or its release was made without `index.in_samples`"
T = TypeVar("T")
#: A draft, or a row of DOCUMENTS that says why there is none.
Made = Draft | dict[str, Any]


@dataclass
class EncodeWorker:
    workspace: Workspace
    files: Mapping[str, File]
    facts: Mapping[str, Any]
    codebook_sizes: tuple[int, ...]
    vision: VisionConfig
    frame_markers: bool
    split_from: int | None
    system: str | None
    encoder: PictureEncoder | None = None
    _tokenizer: TextTokenizer | None = field(default=None, repr=False)

    def setup(self) -> None:
        data = self.workspace.store.get(self.files["tokenizer"].key, self.files["tokenizer"].sha256)
        self._tokenizer = TextTokenizer(data, self.facts["special"], self.facts["first_code"])

    def close(self) -> None:
        self._tokenizer = None

    def process(self, part: Part) -> Output:
        spec: EncodePart = part.spec
        if self._tokenizer is None:
            raise ValueError("setup was not called")
        sizes = self.codebook_sizes if spec.family == "discrete" else ()
        assembler = Assembler(self._tokenizer, spec.family, sizes, self.frame_markers, self.split_from)
        base = f"sequence/documents/{part.name}-{part.key}"
        counts: Counter[str] = Counter()
        with self.workspace.store.new_file() as path:
            digest = hashlib.sha256()
            with path.open("wb") as out:

                def write(data: bytes) -> None:
                    out.write(data)
                    digest.update(data)

                rows = self._rows(spec, assembler, part.name, write, counts)
                table = write_rows(self.workspace, f"{base}.parquet", rows, DOCUMENTS)
            size = path.stat().st_size
            self.workspace.store.move(path, f"{base}.bin", digest.hexdigest())
        files = {"documents": table, "tokens": File(f"{base}.bin", digest.hexdigest(), size)}
        facts = {"family": spec.family, "source": spec.source.name, "codebooks": max(1, len(sizes))}
        return Output(files, dict(sorted(counts.items())), facts)

    def _rows(
        self, spec: EncodePart, assembler: Assembler, pack: str, write: Any, counts: Counter[str]
    ) -> Iterator[dict[str, Any]]:
        offset = 0
        for batch in batches(self._drafts(spec), _AT_ONCE):
            documents = iter(assembler.documents([one for one in batch if isinstance(one, Draft)]))
            for one in batch:
                if not isinstance(one, Draft):
                    counts[one["outcome"]] += 1
                    yield one
                    continue
                document = next(documents)
                if isinstance(document, InputError):
                    counts["failed"] += 1
                    yield failed_row(one.id, spec.source.name, document, one.weight)
                    continue
                data = document.to_bytes()
                write(data)
                counts.update({"documents": 1, "rows": len(document.first), "visual": len(document.codes)})
                yield row_of(one, spec.source.name, document, pack, offset)
                offset += len(data)

    def _drafts(self, spec: EncodePart) -> Iterator[Made]:
        source = spec.source
        if isinstance(source, TextSource) and spec.texts is not None:
            yield from self._texts(spec.texts, source)
        elif isinstance(source, SamplesSource) and spec.samples is not None:
            yield from self._samples(spec.samples, source, spec.family)
        elif isinstance(source, CotSource | PairsSource) and spec.records is not None:
            yield from self._records(spec, source)
        elif isinstance(source, SegmentsSource):
            yield from self._segments(spec, source)

    def _texts(self, file: File, source: TextSource) -> Iterator[Made]:
        for table in self.workspace.batches([file], TEXTS):
            for row in table.to_pylist():
                if row["outcome"]:
                    yield left_out(row["id"], source.name, row["outcome"], row["reason"], row["weight"])
                else:
                    yield text_draft(row["id"], row["text"], row["weight"], source.loss)

    def _samples(self, material: Material, source: SamplesSource, family: str) -> Iterator[Made]:
        rows = (row for table in self.workspace.batches([material.file], MATERIAL) for row in table.to_pylist())
        for batch in batches(rows, _AT_ONCE - _AT_ONCE % source.group):
            visuals = self._visuals(batch, [material.tar] * len(batch), family, source.loss.vision)
            good = []
            for row in batch:
                visual = visuals[row["id"]]
                if isinstance(visual, InputError):
                    yield failed_row(row["id"], source.name, visual)
                elif source.semantic_ids != "none" and not row["rq"]:
                    yield failed_row(row["id"], source.name, InputError("no_semantic_id", _NO_SEMANTIC_ID))
                else:
                    semantic_id = tuple(row["rq"] or ())
                    good.append(CaptionedSample(row["id"], visual, tuple(row["captions"]), semantic_id))
            yield from sample_drafts(good, source)

    def _records(self, spec: EncodePart, source: CotSource | PairsSource) -> Iterator[Made]:
        template = ChatTemplate(self.workspace.store.get(self.files["template"].key).decode())
        if spec.records is None:
            return
        with spec.records.local() as path:
            ahead = (record_of(members) for _, members in read_shard(path))
            every = read_shard(path)
            for block in batches((one.parents if isinstance(one, Record) else () for one in ahead), _LOOKED_UP):
                parents = self._parents(spec.parents, set().union(*block))
                for batch in batches(islice(every, len(block)), _AT_ONCE):
                    yield from self._of_records(batch, parents, template, spec.family, source)

    def _of_records(
        self,
        batch: Sequence[tuple[str, Mapping[str, bytes]]],
        parents: Mapping[str, tuple[dict[str, Any], Tar]],
        template: ChatTemplate,
        family: str,
        source: CotSource | PairsSource,
    ) -> Iterator[Made]:
        records = [(key, record_of(members), members) for key, members in batch]
        ids = [parent for _, record, _ in records if isinstance(record, Record) for parent in record.parents]
        visuals = self._visuals_of(parents, ids, family, source.loss.vision)
        for key, record, members in records:
            try:
                if isinstance(record, InputError):
                    raise record
                look = RecordVisuals(record, visuals, members, family, self.vision, self.encoder, source.loss.vision)
                if isinstance(source, PairsSource):
                    if not record.parents:
                        raise InputError("no_sample", "a record of text alone has no picture and caption to pair with")
                    first = record.parents[0]
                    visual = look(f"sample:{first}")
                    yield pair_draft(
                        record, CaptionedSample(first, visual, tuple(parents[first][0]["captions"])), source
                    )
                else:
                    yield cot_draft(record, look, template, self.system, source)
            except InputError as error:
                yield failed_row(key, source.name, error)

    def _segments(self, spec: EncodePart, source: SegmentsSource) -> Iterator[Made]:
        if spec.rows is None or spec.inputs is None:
            return
        for batch in batches(segments.documents(spec.rows, source), _LOOKED_UP):
            good = [listed for _, listed in batch if not isinstance(listed, InputError)]
            known = spec.inputs.ids(set().union(*map(segments.references, good)))
            ids = {id_ for one in good for id_ in segments.samples_of(one, known)}
            visuals = self._visuals_of(self._parents(spec.parents, ids), ids, spec.family, source.loss.vision)
            look = partial(visual_of, visuals)
            for id_, listed in batch:
                try:
                    if isinstance(listed, InputError):
                        raise listed
                    yield segments.segments_draft(id_, listed, known, look, source)
                except InputError as error:
                    yield failed_row(id_, source.name, error)

    def _parents(self, materials: Sequence[Material], ids: set[str]) -> dict[str, tuple[dict[str, Any], Tar]]:
        """The row of MATERIAL of each of these samples, and the tar that it is of."""
        wanted = pa.array(sorted(ids), pa.string())
        parents: dict[str, tuple[dict[str, Any], Tar]] = {}
        for material in materials:
            for table in self.workspace.batches([material.file], MATERIAL):
                some = table.filter(pc.is_in(table["id"], value_set=wanted)).to_pylist()
                parents |= {row["id"]: (row, material.tar) for row in some}
        return parents

    def _visuals_of(
        self, parents: Mapping[str, tuple[dict[str, Any], Tar]], ids: Iterable[str], family: str, loss: bool
    ) -> dict[str, Visual | InputError]:
        """The visual parts of those of these samples that there are."""
        some = [parents[id_] for id_ in dict.fromkeys(ids) if id_ in parents]
        return self._visuals([row for row, _ in some], [tar for _, tar in some], family, loss)

    def _visuals(
        self, rows: Sequence[Mapping[str, Any]], tars: Sequence[Any], family: str, loss: bool
    ) -> dict[str, Visual | InputError]:
        """The visual part of each sample, or why it has none."""
        out: dict[str, Visual | InputError] = {}
        codes = self._codes(rows, tars) if family == "discrete" else {}
        for row in rows:
            try:
                out[row["id"]] = (
                    discrete(row, codes.get(row["id"]), loss)
                    if family == "discrete"
                    else continuous(row, family, self.vision)
                )
            except InputError as error:
                out[row["id"]] = error
        return out

    def _codes(self, rows: Sequence[Mapping[str, Any]], tars: Sequence[Any]) -> dict[str, Codes]:
        out: dict[str, Codes] = {}
        for tar in dict.fromkeys(tars):
            some = [row for row, own in zip(rows, tars, strict=True) if own == tar and row["codes_size"] is not None]
            if not some:
                continue
            store = Store(tar.url)
            places = [row["codes_offset"] for row in some], [row["codes_size"] for row in some]
            for row, data in zip(some, store.get_ranges(tar.key(store), *places), strict=True):
                out[row["id"]] = codes_of(row, data)
        return out


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items, the last of them shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
