"""Embeds the samples of a media tar: views of pictures, videos and captions, each in a file of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from dataengine.contracts import CAPTION_EMBEDDINGS, EMBEDDINGS
from dataengine.embed.prepared import VERSION, Prepared
from dataengine.media.sandbox.pool import Failed, Ok
from dataengine.models.encoders import Encoder, picture_vectors, text_vectors
from dataengine.samples.decode import Decoded
from dataengine.samples.locate import Located
from dataengine.samples.worker import ONCE, DecodingWorker
from dataengine.stage import Part
from dataengine.storage.workspace import File, Output, digest

#: Roles of a part's files. Readers of pictures get both views by the role ``pictures``.
PICTURES, INNER, VIDEOS, CAPTIONS = "pictures/whole", "pictures/inner", "videos", "captions"

#: Samples whose prepared arrays are held at once; fixed, so that batches never depend on the machine.
_CHUNK = 256

Row = dict[str, Any]


@dataclass
class EmbedWorker(DecodingWorker):
    """Model in this process, loaded when there is something to embed; decoding in children, which get no weights."""

    encoder: Encoder
    roles: tuple[str, ...]
    device: str
    threads: int
    _model: Encoder | None = field(default=None, init=False, repr=False)

    function = "dataengine.embed.views:prepare"
    overlaps = True

    def answer(self) -> Any:
        return Prepared

    def context(self) -> Any:
        return self.limits, self.encoder, INNER in self.roles

    def process(self, part: Part) -> Output:
        rows = self.samples(part.spec)
        keys = {role: self._key(part.name, role, rows) for role in self.roles}
        todo = [role for role in self.roles if not self.workspace.store.exists(keys[role])]
        tables = self._tables(todo, rows)
        files = {r: self.workspace.write_table(keys[r], tables[r]) for r in todo}
        files |= {r: _existing(self.workspace.store.get(k), k) for r, k in keys.items() if r not in todo}
        return Output(files, {"samples": len(rows), **{role: file.rows for role, file in sorted(files.items())}})

    def _key(self, name: str, role: str, rows: Sequence[Located]) -> str:
        made_from = [(r.id, r.captions if role == CAPTIONS else None) for r in rows if _reads(role, r)]
        key = digest(VERSION, self.limits.bounds(), made_from)[:16]
        return f"annotations/embed-{self.encoder.version}/{name}-{role.replace('/', '-')}-{key}.parquet"

    def _tables(self, todo: Sequence[str], rows: Sequence[Located]) -> dict[str, pa.Table]:
        by_role: dict[str, list[Row]] = {role: [] for role in todo}
        wanted = [row for row in rows if any(_reads(role, row) for role in todo if role != CAPTIONS)]
        shown = [role for role in todo if role != CAPTIONS]

        def embedded(chunk: Sequence[Decoded]) -> dict[str, list[Row]]:
            return {r: list(self._embedded(r, [(row, out) for row, out in chunk if _reads(r, row)])) for r in shown}

        for rows_of_chunk in self.computed(wanted, _CHUNK, embedded):
            for role in shown:
                by_role[role] += rows_of_chunk[role]
        if CAPTIONS in by_role:
            by_role[CAPTIONS] = list(self._captions(rows))
        return {role: _table(role, some) for role, some in by_role.items()}

    def _embedded(self, role: str, chunk: Sequence[Decoded]) -> Iterator[Row]:
        """Rows of EMBEDDINGS; a sample that cannot be decoded has one with the reason."""
        view = 1 if role == INNER else 0
        shown = [(row.id, out.value[view]) for row, out in chunk if isinstance(out, Ok) and len(out.value) > view]
        vectors = picture_vectors(self._loaded(), [prepared for _, prepared in shown]) if shown else ()
        for (id_, _), vector in zip(shown, vectors, strict=True):
            yield {"id": id_, "view": view, "vector": vector.astype("<f2").tobytes()}
        for row, out in chunk:
            if isinstance(out, Failed) and role != INNER:
                yield {"id": row.id, "view": view, "failure": out.failure, "message": out.message}

    def _captions(self, rows: Sequence[Located]) -> Iterator[Row]:
        """Rows of CAPTION_EMBEDDINGS."""
        texts = [(row, place, text) for row in rows for place, text in enumerate(row.captions)]
        vectors = text_vectors(self._loaded(), [text for _, _, text in texts]) if texts else ()
        for (row, place, _), vector in zip(texts, vectors, strict=True):
            longest = place == max(range(len(row.captions)), key=lambda n: len(row.captions[n]))
            yield {"id": row.id, "caption": place, "longest": longest, "vector": vector.astype("<f2").tobytes()}

    def _loaded(self) -> Encoder:
        with ONCE:
            if self._model is None:
                model = copy(self.encoder)
                model.setup(self.device, self.threads)
                self._model = model
            return self._model


def _reads(role: str, row: Located) -> bool:
    """Whether a file of this role has something of the sample."""
    return role == CAPTIONS or (row.kind == "video") == (role == VIDEOS)


def _table(role: str, rows: list[Row]) -> pa.Table:
    if role == CAPTIONS:
        order, schema = "caption", CAPTION_EMBEDDINGS
    else:
        order, schema = "view", EMBEDDINGS
    ordered = sorted(rows, key=lambda row: (row["id"], row[order]))
    return pa.Table.from_pylist(ordered, schema)


def _existing(data: bytes, key: str) -> File:
    import pyarrow.parquet as pq

    rows = pq.ParquetFile(pa.BufferReader(data)).metadata.num_rows
    return File(key, hashlib.sha256(data).hexdigest(), len(data), rows)
