"""index.encode: RQ and VQ codes of every vector of the index, a part at a time; the codebooks are read once a worker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.index import vectors
from dataengine.index.align.projection import Projection, projection_file
from dataengine.index.codes import codebooks
from dataengine.index.codes.encoder import VectorEncoder
from dataengine.index.codes.fit_stage import CODEBOOKS, STAGE, model_of
from dataengine.index.codes.settings import coding
from dataengine.index.worker import VectorsWorker
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.workspace import File, Output, digest

#: One row a representative or item, by id; all but the id is null where it has no vector, and ``failure`` says why.
_FIELDS: list[pa.Field[Any]] = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("rq", pa.list_(pa.int32())),
    pa.field("vq", pa.list_(pa.int32())),
    pa.field("rq_error", pa.float64()),
    pa.field("failure", pa.string()),
    pa.field("message", pa.string()),
]
ENCODED = pa.schema(_FIELDS)
ENCODED_ROLE = "encoded"


class CodesEncode(RecordStage):
    """A part is that of the vectors; a moved threshold or a new batch of inputs encodes none again."""

    name = "index.encode"
    version = "1"
    needs = ("index.vectors", "index.align", STAGE)

    def active(self, recipe: Recipe) -> bool:
        return coding(recipe)

    def plan(self, run: Run) -> list[Part]:
        """``spec`` is (file of vectors, file of what has none)."""
        base = digest(self.version, run.records[STAGE].parts["all"].facts["id"], model_of(run))
        parts = []
        for name, out in sorted(run.records["index.vectors"].parts.items()):
            files = out.files["vectors"], out.files.get("left_out")
            parts.append(Part(name, digest(base, [f and f.sha256 for f in files]), files))
        return parts

    def worker(self, run: Run) -> Worker:
        file = run.records[STAGE].parts["all"].files[CODEBOOKS]
        return EncodeWorker(run.workspace, file, model_of(run), projection_file(run))


@dataclass
class EncodeWorker(VectorsWorker):
    codebooks: File
    model: str
    projection: File | None
    _encoder: VectorEncoder | None = field(default=None, init=False, repr=False)

    def setup(self) -> None:
        data = self.workspace.store.get(self.codebooks.key, self.codebooks.sha256)
        self._encoder = VectorEncoder(codebooks.from_bytes(data))
        self._transform = Projection.load(self.workspace, self.projection)

    def process(self, part: Part) -> Output:
        file, left_out = part.spec
        tables = [self._encoded(file)] if file.rows else []
        if left_out is not None:
            tables.append(_without(self.workspace.read_table([left_out], vectors.LEFT_OUT)))
        table = pa.concat_tables([ENCODED.empty_table(), *tables]).sort_by("id")
        written = self.workspace.write_table(f"annotations/codes/{part.name}-{part.key[:16]}.parquet", table)
        return Output({ENCODED_ROLE: written}, {"samples": file.rows, "failed": len(table) - file.rows})

    def _encoded(self, file: File) -> pa.Table:
        assert self._encoder is not None
        ids, some = vectors.read(self.workspace, [file])
        transformed = some.astype(np.float32) if self._transform is None else self._transform(some)
        rows = self._encoder.table(transformed, self.model)
        return shaped(rows.append_column("id", ids))


def _without(left_out: pa.Table) -> pa.Table:
    """ENCODED of what has no vector; what has no id either has no row."""
    return shaped(left_out.filter(left_out["id"].is_valid()))


def shaped(rows: pa.Table) -> pa.Table:
    """ENCODED, with null for columns that the rows lack."""
    columns = [
        rows[f.name].cast(f.type) if f.name in rows.column_names else pa.nulls(len(rows), f.type) for f in ENCODED
    ]
    return pa.table(columns, schema=ENCODED)
