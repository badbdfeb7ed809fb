"""sequence.draw: how often each document of a set may be used, in which pieces, and where these stand in the global shuffle.

A part is the documents of a set whose ids begin alike; of one that a corpus has again and again, such as the empty text, the
copies after some ten thousand are parts of their own. The table engine numbers copies and makes the parts; the driver holds none
of their rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.config.sequence import SetConfig
from dataengine.contracts import columns
from dataengine.sequence.base import DRAW, ENCODE, Sequencing, codebook_sizes, releases, sources_of
from dataengine.sequence.encoded import DOCUMENTS
from dataengine.sequence.occurrences import OCCURRENCES, Draws
from dataengine.sequence.special import family_of
from dataengine.sequence.tables import write_tables
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.row_packs import PARTS, PackedRows, places
from dataengine.storage.workspace import File, Output, Workspace, digest
from dataengine.table_engine import PART, Packing, Source

#: What the ledger says of each document, whatever becomes of it.
LISTED = columns(
    source=pa.string(), id=pa.string(), modality=pa.string(), reason=pa.string(), n=pa.int64(), weight=pa.float64(),
    outcome=pa.string(),
)  # fmt: skip
OCCURRENCES_OF, DOCUMENTS_OF = "occurrences", "documents"
#: Fields of a set that decide its draws.
_DRAWN_BY = {"name", "length", "layout", "too_long", "packing", "shares"}
_PARTED = DOCUMENTS.append(pa.field(PART, pa.string()))
_ROWS = 1 << 16
"""Documents of a part, on average at most, and copies of one in it."""
_VERSION = "1"
"""Of the plan."""
#: Numbers the documents of one id and source: all but the first are duplicates.
_SQL = """
SELECT {columns}, "n", CASE WHEN "n" <= {rows} THEN "{part}"
  ELSE "{part}" || '-' || lpad(CAST(CAST(floor(("n" - 1) / {rows}) AS BIGINT) AS STRING), 6, '0') END AS "{part}"
FROM (SELECT d.*, CAST(row_number() OVER (
  PARTITION BY d."source", d."id" ORDER BY d."pack", d."offset", d."reason", d."weight", d."rows") AS BIGINT) AS "n" FROM d
) AS numbered
"""


class SequenceDraw(Sequencing, RecordStage):
    name = DRAW
    version = "1"
    needs = (ENCODE,)

    def settings(self, recipe: Recipe) -> Any:
        config = self.config(recipe)
        return [
            [[source.name, source.epochs] for source in config.sources],
            [[sources_of(config, one), one.model_dump(mode="json", include=_DRAWN_BY)] for one in config.sets],
            recipe.seed,
        ]

    def plan(self, run: Run) -> list[Part]:
        """``spec`` is (what decides the draws, place of the documents)."""
        config, parts = self.config(run.recipe), []
        for one in config.sets:
            files = [out.files["documents"] for out in encoded(run, self, one).values()]
            sizes = codebook_sizes(releases(run, config)) if family_of(one.layout) == "discrete" else ()
            draws = Draws.of(config, one, max(1, len(sizes)), run.recipe.seed)
            settings = [one.model_dump(mode="json", include=_DRAWN_BY), draws.epochs, draws.codebooks, draws.seed]
            key = digest(self.version, settings, [file.sha256 for file in files])
            parts += [Part(f"{one.name}-{name}", key, (draws, rows)) for name, rows in _by_id(run, files)]
        return parts

    def is_planned(self, run: Run) -> bool:
        sets = self.config(run.recipe).sets
        every = ([out.files["documents"] for out in encoded(run, self, one).values()] for one in sets)
        return all(run.workspace.store.exists(_key(files)) for files in every)

    def worker(self, run: Run) -> Worker:
        return DrawWorker(run.workspace)


def encoded(run: Run, stage: Sequencing, one: SetConfig) -> dict[str, Output]:
    """Parts of sequence.encode whose documents a set is made of, by name."""
    family, names = family_of(one.layout), sources_of(stage.config(run.recipe), one)
    return {
        name: out
        for name, out in sorted(run.records[ENCODE].parts.items())
        if out.facts["family"] == family and out.facts["source"] in names
    }


def drawn(run: Run, one: SetConfig) -> dict[str, Output]:
    """Parts of sequence.draw of a set, by name."""
    return {name: out for name, out in sorted(run.records[DRAW].parts.items()) if out.facts["set"] == one.name}


def _by_id(run: Run, files: Sequence[File]) -> Iterator[tuple[str, PackedRows]]:
    """Documents by how their ids begin, numbered (``n``) among those of the same source and id."""
    key, digits, workspace = _key(files), _digits(files), run.workspace
    if not workspace.store.exists(key):
        source = Source(f"by {digits} of the id", files, DOCUMENTS, partial(_with_part, digits), _PARTED)
        packing = Packing(key.removesuffix(".parquet"), ("source", "id", "n"), ())
        sql = _SQL.format(columns=", ".join(f'"{name}"' for name in DOCUMENTS.names), rows=_ROWS, part=PART)
        workspace.write_table(key, run.engine.parts(workspace, {"d": source}, sql, (), packing))
    parts = workspace.read_table([File(key, "", 0, 1)], PARTS)
    yield from zip(parts["part"].to_pylist(), places(parts), strict=True)


def _key(files: Sequence[File]) -> str:
    read = [file.sha256 for file in files]
    return f"plans/{digest('sequence.draw', _VERSION, read, _ROWS, _digits(files), DOCUMENTS.names)}.parquet"


def _digits(files: Sequence[File]) -> int:
    digits, rows = 0, sum(file.rows for file in files)
    while rows > _ROWS * 16**digits:
        digits += 1
    return digits


def _with_part(digits: int, documents: pa.Table) -> pa.Table:
    prefix: Any = (
        pc.utf8_slice_codeunits(documents["id"], 0, digits)
        if digits
        else pa.array(["all"] * len(documents), pa.string())
    )
    return documents.append_column(_PARTED.field(PART), prefix)


@dataclass
class DrawWorker:
    """Holds the documents of a part, and some of their occurrences."""

    workspace: Workspace

    def setup(self) -> None: ...
    def close(self) -> None: ...

    def process(self, part: Part) -> Output:
        draws, place = part.spec
        documents = draws.drawn(place.read(self.workspace.store))
        base = f"sequence/draws/{part.name}-{part.key[:16]}"
        listed = self.workspace.write_table(f"{base}-documents.parquet", documents.select(LISTED.names), LISTED)
        occurrences = write_tables(
            self.workspace, f"{base}-occurrences.parquet", draws.occurrences(documents), OCCURRENCES
        )
        counts = {"documents": listed.rows, "occurrences": occurrences.rows}
        counts["chances"] = int(pc.sum(pc.greater(documents["thousandths"], pa.scalar(0))).as_py() or 0)
        return Output({DOCUMENTS_OF: listed, OCCURRENCES_OF: occurrences}, counts, {"set": draws.config.name})
