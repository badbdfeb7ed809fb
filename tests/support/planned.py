"""Tables of samples without media, and plans of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from dataengine.config.recipe import Recipe
from dataengine.contracts import DECISIONS, GROUPS, UNIQUE
from dataengine.stage import Run
from dataengine.storage.workspace import File, Output, Record, roles
from dataengine.table_engine import EngineOf, TableEngine, opaque


def sample(number: int, media: str, captions: Iterable[str] = ("a caption",), kind: str = "image") -> dict[str, Any]:
    """A row of contracts.UNIQUE."""
    given = {"id": hashlib.sha256(b"%d" % number).hexdigest()[:32], "kind": kind, "media": f"media/{media}.tar"}
    told = [{"text": text, "source": "s", "uri": f"{number}"} for text in captions]
    row = dict.fromkeys(UNIQUE.names, None) | given | {"captions": told, "offset": 512 * number, "bytes": 100}
    empty = {pa.string(): "", pa.int32(): 1, pa.int8(): 1, pa.int64(): 0, pa.bool_(): False}
    for field in UNIQUE:
        if row[field.name] is None and not field.nullable:
            row[field.name] = empty.get(field.type, [])
    return row


class Tables:
    """A run whose earlier stages have committed these rows of contracts.UNIQUE, in two files."""

    def __init__(
        self, folder: Path, engine: EngineOf[Any], rows: Iterable[dict[str, Any]], name: str = "t", **tokenize: Any
    ) -> None:
        recipe = Recipe.model_validate(
            {
                "name": "planned",
                "workspace": str(folder / "ws"),
                "sources": [{"name": "s", "type": "folder", "path": str(folder)}],
                "tokenize": {"fit_samples": 7, "held_out": 0.1, **tokenize},
                "filter": {"policy": "none.yaml"},
                "release": {"title": "t", "description": "d", "license": "CC0-1.0"},
            }
        )
        self.run = Run(recipe, lambda: cast(TableEngine, opaque(engine)))
        self.rows = sorted(rows, key=lambda row: str(row["id"]))
        self.name = name
        self.commit("dedup.unique", "unique", UNIQUE, self.rows)
        self.group({})
        self.decide(lambda row: True)

    def commit(self, stage: str, role: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> None:
        files = []
        for digits in ("01234567", "89abcdef"):
            some = [row for row in rows if row["id"][0] in digits]
            key = f"{stage}/{self.name}/{digits}.parquet"
            files.append(self.run.workspace.write_table(key, pa.Table.from_pylist(some, schema)))
        self._record(stage, roles(role, files), len(rows))

    def _record(self, stage: str, files: dict[str, File], kept: int) -> None:
        self.run.records[stage] = Record(stage, "", {"all": Output(files, {"kept": kept})})

    def group(self, representatives: dict[str, str]) -> None:
        """Each sample with its representative, itself where none is named."""
        rows = [{"id": r["id"], "representative": representatives.get(r["id"], r["id"]), "size": 1} for r in self.rows]
        self.commit("dedup", "groups", GROUPS, rows)
        groups, unique = (self.run.records[name].parts["all"].files for name in ("dedup", "dedup.unique"))
        self._record("dedup", groups | unique, len(rows))

    def decide(self, keep: Any) -> None:
        """Keep the samples of which ``keep`` is true."""
        rows = [{"id": row["id"], "kept": bool(keep(row))} for row in self.rows]
        self.commit("filter", "decisions", DECISIONS, rows)
        self._record("filter", self.run.records["filter"].parts["all"].files, sum(row["kept"] for row in rows))
