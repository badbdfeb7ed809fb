"""index.vectors: the vectors of an index, of the representatives' embeddings or of a table of the user's own.

A part is a media tar, as in every stage over samples, or some row groups of the table. Which stages follow is for them to say:
this one makes what all of them read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from dataengine.config.index import IndexConfig, ItemTable
from dataengine.config.recipe import Recipe
from dataengine.contracts import CAPTION_EMBEDDINGS, EMBEDDINGS
from dataengine.embed.reader import ReadsEmbeddings
from dataengine.embed.vectors import rows_of
from dataengine.embed.worker import CAPTIONS, PICTURES, VIDEOS
from dataengine.errors import RunError
from dataengine.index import item_table
from dataengine.index.vectors import LEFT_OUT, SHOWN, VECTORS, Space, left_out_table, placed, publish, table_of
from dataengine.index.worker import VectorsWorker
from dataengine.models.encoders import encoder_of
from dataengine.samples.selection import Selection, representatives
from dataengine.samples.stage import PlannedStage
from dataengine.stage import Part, RecordStage, Run, TableStage, Worker
from dataengine.storage.row_packs import PackedRows
from dataengine.storage.workspace import File, Output, Workspace, digest

_REPEATED = """
SELECT e."id" FROM (SELECT i."id", CAST(count(*) AS BIGINT) AS "n" FROM
(SELECT v."id" FROM v UNION ALL SELECT l."id" FROM l) AS i WHERE i."id" IS NOT NULL GROUP BY i."id") AS e WHERE e."n" > 1
"""
#: Rows of a table from which on too many unusable ones stop a run, as of a source.
_BUDGETED = 50
_HOW_MANY = 'SELECT CAST(count(*) AS BIGINT) AS "n" FROM r'


def config_of(recipe: Recipe) -> IndexConfig:
    """The recipe's ``index`` block. Raises ValueError where it has none, which is a mistake in the code."""
    if recipe.index is None:
        raise ValueError("the recipe has no index")
    return recipe.index


def of_samples(recipe: Recipe) -> bool:
    """Whether embeddings of samples are indexed."""
    return recipe.index is not None and recipe.index.of != "items"


def space_of(recipe: Recipe) -> Space:
    """Where the vectors of an index of samples come from."""
    config, encoder = config_of(recipe), encoder_of(recipe)
    image, caption = encoder.dims
    dims = (image if config.of != "caption" else 0, caption if config.of != "image" else 0)
    weight = config.caption_weight if config.of == "both" else float(config.of == "caption")
    return Space(config.of, encoder.version, dims, encoder.joint, weight)


def reasons(run: Run) -> dict[str, int]:
    """What has no vector that can be indexed, by the reason."""
    files = run.records["index.vectors"].files("left_out")
    tables = run.workspace.batches(files, LEFT_OUT)
    counted = Counter(str(why) for table in tables for why in table["failure"].to_pylist())
    return dict(sorted(counted.items()))


def listed(counted: Mapping[str, int]) -> str:
    """``3 zero, 1 not finite``; "" for none."""
    return ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in counted.items())


class IndexVectors(ReadsEmbeddings, PlannedStage):
    """Vectors of samples. Copies are not in an index: their representative is."""

    name = "index.vectors"
    version = "1"
    needs = ("dedup", "embed")
    has_loads = False

    def embeddings(self, recipe: Recipe) -> list[str]:
        return [PICTURES, VIDEOS, CAPTIONS]

    def active(self, recipe: Recipe) -> bool:
        return of_samples(recipe)

    def settings(self, recipe: Recipe) -> Any:
        space = space_of(recipe)
        return [space.of, space.model, space.caption_weight]

    def selection(self, run: Run) -> Selection:
        return representatives(run)

    def reads_captions(self, recipe: Recipe) -> bool:
        return True

    def plan(self, run: Run) -> list[Part]:
        """``spec`` is (place of the rows, files of their embeddings by role)."""
        return [self._with_embeddings(run, part) for part in super().plan(run)]

    def _with_embeddings(self, run: Run, part: Part) -> Part:
        files = run.records["embed"].parts[part.name].files
        read = {role: files[role] for role in self.embeddings(run.recipe)}
        return Part(part.name, digest(part.key, {role: file.sha256 for role, file in read.items()}), (part.spec, read))

    def worker(self, run: Run) -> Worker:
        return JoinWorker(run.workspace, space_of(run.recipe))


class ItemVectors(RecordStage):
    """Vectors of a table of the user's own."""

    name = "index.vectors"
    version = "1"

    def active(self, recipe: Recipe) -> bool:
        return recipe.index is not None and recipe.index.of == "items"

    def validate(self, recipe: Recipe) -> None:
        table = self._table(recipe)
        item_table.dim_of(item_table.opened_items(table), table.path, table.vector)

    def objection(self, run: Run) -> str:
        """Rows without a usable vector have the budget of inputs that fail."""
        counts, most = run.records[self.name].counts, run.recipe.limits.failed
        rows = counts["samples"] + counts["left_out"]
        if rows < _BUDGETED or counts["left_out"] <= most * rows:
            return ""
        return (
            f"{self._table(run.recipe).path}: {counts['left_out']:,} of {rows:,} rows have no vector that can be indexed "
            f"({listed(reasons(run))}); limits.failed allows {most:.0%}. The first vector of a table says how many components "
            "all must have"
        )

    def settings(self, recipe: Recipe) -> Any:
        table = self._table(recipe)
        return [table.model_dump(exclude={"path"}), item_table.tag(table.path)]

    def plan(self, run: Run) -> list[Part]:
        """``spec`` is (first row group, number of them)."""
        base = digest(self.version, self.settings(run.recipe))
        groups = item_table.groups(item_table.opened_items(self._table(run.recipe)))
        return [Part(f"items-{n:06d}", digest(base, group), group) for n, group in enumerate(groups)]

    def worker(self, run: Run) -> Worker:
        table = self._table(run.recipe)
        dim = item_table.dim_of(item_table.opened_items(table), table.path, table.vector)
        return item_table.ItemWorker(run.workspace, table, dim)

    def _table(self, recipe: Recipe) -> ItemTable:
        table = config_of(recipe).items
        if table is None:
            raise ValueError("the recipe has no table of items")
        return table


class DistinctItems(TableStage):
    """Stops a run whose table names an item twice: an id must have one vector, one leaf and one row of codes."""

    name = "index.items"
    version = "1"
    needs = ("index.vectors",)

    def active(self, recipe: Recipe) -> bool:
        return recipe.index is not None and recipe.index.of == "items"

    def compute(self, run: Run, key: str) -> Output:
        frames = {
            "v": run.frame("index.vectors", "vectors", VECTORS, ["id"]),
            "l": run.frame("index.vectors", "left_out", LEFT_OUT, ["id"]),
        }
        repeated = run.engine.kept(run.engine.sql(_REPEATED, frames))
        [total] = run.engine.collect(run.engine.sql(_HOW_MANY, {"r": repeated})).to_pylist()
        if total["n"]:
            first = run.engine.collect(run.engine.sql('SELECT "id" FROM r ORDER BY "id" LIMIT 3', {"r": repeated}))
            table = config_of(run.recipe).items
            raise RunError(
                f"index.items: {total['n']:,} ids are in several rows of {table.path if table else 'the table'}, such as "
                f"{', '.join(map(str, first['id'].to_pylist()))}: an id names one item. Leave one row of each"
            )
        return Output({}, {"samples": run.records["index.vectors"].counts["samples"]})


@dataclass
class JoinWorker(VectorsWorker):
    """Joins the embeddings of a part's samples."""

    space: Space

    def process(self, part: Part) -> Output:
        table, left_out = self._joined(*part.spec)
        files = publish(self.workspace, f"index/vectors/{part.name}-{part.key[:16]}", table, left_out)
        counts = {"samples": len(table), "left_out": len(left_out)}
        return Output(files, counts, {"dim": self.space.dim, "models": [self.space.model]})

    def _joined(self, place: PackedRows, files: dict[str, File]) -> tuple[pa.Table, pa.Table]:
        """``(VECTORS, LEFT_OUT)``."""
        if not place.rows:
            return VECTORS.empty_table(), LEFT_OUT.empty_table()
        rows = place.read(self.workspace.store)
        image, caption = self._image(rows, files), self._caption(rows, files)
        has = np.zeros(len(rows), np.bool_)
        for block in (image, caption):
            has |= block.any(axis=1) if block is not None else False
        faults = _undecoded(self.workspace, files)
        without = [
            (id_, *faults.get(str(id_), ("no_embedding", f"it has nothing to embed: no {_WANTED[self.space.of]}")))
            for id_, known in zip(rows["id"].to_pylist(), has, strict=True)
            if not known
        ]
        good = np.flatnonzero(has)
        vectors = self.space.joined(*(None if block is None else block[good] for block in (image, caption)))
        table, bad = table_of(_shown(rows.take(good)), vectors)
        return table, pa.concat_tables([bad, left_out_table(without)]).sort_by("id")

    def _image(self, rows: pa.Table, files: dict[str, File]) -> Any:
        if not self.space.dims[0]:
            return None
        views = self.workspace.read_table([files[PICTURES], files[VIDEOS]], EMBEDDINGS, ("id", "vector"))
        views = views.filter(views["vector"].is_valid())
        return placed(views["id"], rows["id"].combine_chunks(), rows_of(views["vector"]), self.space.dims[0])

    def _caption(self, rows: pa.Table, files: dict[str, File]) -> Any:
        if not self.space.dims[1]:
            return None
        texts = self.workspace.read_table([files[CAPTIONS]], CAPTION_EMBEDDINGS, ("id", "longest", "vector"))
        longest = texts.filter(texts["longest"])
        return placed(longest["id"], rows["id"].combine_chunks(), rows_of(longest["vector"]), self.space.dims[1])


_WANTED = {"image": "picture that can be decoded", "caption": "caption", "both": "picture and no caption"}


def _undecoded(workspace: Workspace, files: dict[str, File]) -> dict[str, tuple[str, str]]:
    """Why samples have no picture's embedding, by id."""
    views = workspace.read_table([files[PICTURES], files[VIDEOS]], EMBEDDINGS, ("id", "failure", "message"))
    bad = views.filter(views["failure"].is_valid())
    return {row["id"]: (row["failure"], row["message"]) for row in bad.to_pylist()}


def _shown(rows: pa.Table) -> pa.Table:
    """SHOWN of rows of LOCATED: of the captions the first of the longest, which is the one that is embedded."""
    captions = [max(texts, key=len) if texts else None for texts in rows["captions"].to_pylist()]
    return rows.append_column("caption", pa.array(captions, pa.string())).select(list(SHOWN))
