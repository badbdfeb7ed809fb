"""dedup.confirm: verdicts on pairs of pictures that may be copies, by alignment of their thumbnails, on many machines.

A part is a tile: pairs of one kind whose ids begin alike, so that a worker reads each thumbnail once for many pairs, and no other
one. The table engine makes the parts; the driver holds none of their pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.config.recipe import Recipe
from dataengine.dedup.candidates import confirmed_kinds
from dataengine.dedup.confirmation_cache import CONFIRM_VERSION, PAIRS, PLACED, VERDICTS, judged
from dataengine.dedup.thumbnails import PLACES
from dataengine.media.image.phash import VERSION as HASH_VERSION
from dataengine.media.measures import FINGERPRINT_VERSION
from dataengine.samples.selection import as_is
from dataengine.stage import Part, RecordStage, Run, Worker
from dataengine.storage.row_packs import PARTS, places
from dataengine.storage.workspace import File, Output, Workspace, digest
from dataengine.table_engine import PART, Packing, Source

#: Pairs of a part, some seconds' work, where their ids are spread evenly.
PART_PAIRS = 8192
#: Hex digits of the first and second id that a tile is named by, from few tiles to many.
_DIGITS = ((1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3))
_TILED = PAIRS.append(pa.field(PART, pa.string()))
_SQL = f"SELECT c.{PART} AS {PART}, {PLACED}"


class DedupConfirm(RecordStage):
    """A part's ``spec`` is the place of its rows (``PackedRows``)."""

    name = "dedup.confirm"
    version = "1"
    needs = ("dedup.candidates", "dedup.fingerprint")

    def active(self, recipe: Recipe) -> bool:
        return bool(confirmed_kinds(recipe))

    def settings(self, recipe: Recipe) -> Any:
        return [CONFIRM_VERSION, HASH_VERSION, FINGERPRINT_VERSION, recipe.limits.model_dump()]

    def plan(self, run: Run) -> list[Part]:
        sources = self._sources(run)
        if not sources["c"].files:
            return []
        key, store = self._key(sources), run.workspace.store
        if not store.exists(key):
            packing = Packing(key.removesuffix(".parquet"), ("a", "b"), ("a", "b"))
            run.workspace.write_table(key, run.engine.parts(run.workspace, sources, _SQL, (), packing))
        parts = run.workspace.read_table([File(key, "", 0, 1)], PARTS)
        base = digest(self.version, self.settings(run.recipe))
        rows = zip(parts.select(["part", "digests"]).to_pylist(), places(parts), strict=True)
        return [
            Part(row["part"], digest(base, row["part"].partition("-")[0], *row["digests"]), where)
            for row, where in rows
        ]

    def is_planned(self, run: Run) -> bool:
        sources = self._sources(run)
        return not sources["c"].files or run.workspace.store.exists(self._key(sources))

    def worker(self, run: Run) -> Worker:
        return ConfirmWorker(run.workspace)

    def _sources(self, run: Run) -> dict[str, Source]:
        fresh = [f for f in run.records["dedup.candidates"].files("fresh") if f.rows]
        digits = digits_for(sum(f.rows for f in fresh))
        located = Source("", run.records["dedup.fingerprint"].files("places"), PLACES, as_is, PLACES)
        tiles = Source(f"tiles of {digits}", fresh, PAIRS, partial(tiled, digits), _TILED)
        return {"c": tiles, "x": located, "y": located}

    def _key(self, sources: dict[str, Source]) -> str:
        read = {name: [[f.sha256 for f in source.files], source.name] for name, source in sources.items()}
        return f"plans/{digest(self.name, self.version, read)}.parquet"


def digits_for(pairs: int) -> tuple[int, int]:
    """Digits by which so many pairs make parts of at most PART_PAIRS, on average; sixteen parts at least."""
    return next((d for d in _DIGITS if pairs <= PART_PAIRS * 16 ** sum(d)), _DIGITS[-1])


def tiled(digits: tuple[int, int], pairs: pa.Table) -> pa.Table:
    """Each pair with the name of its part."""
    first, second = (pc.utf8_slice_codeunits(pairs[side], 0, n) for side, n in zip("ab", digits, strict=True))
    name: Any = pc.binary_join_element_wise(pairs["kind"], first, second, pa.scalar("-"))  # type: ignore[call-overload]
    return pairs.append_column(_TILED.field(PART), name)


@dataclass
class ConfirmWorker:
    """Reads the thumbnails of its own pairs."""

    workspace: Workspace

    def setup(self) -> None: ...

    def process(self, part: Part) -> Output:
        verdicts = judged(self.workspace.store, part.spec.read(self.workspace.store))
        key = f"dedup/verdicts/{part.name}-{part.key[:16]}.parquet"
        file = self.workspace.write_table(key, verdicts, VERDICTS)
        kind = part.name.partition("-")[0]
        confirmed = pc.sum(pc.cast(verdicts["alike"], pa.int64())).as_py() or 0
        return Output({f"verdicts/{kind}": file}, {"pairs": len(verdicts), "confirmed": confirmed})

    def close(self) -> None: ...
