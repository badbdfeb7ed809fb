"""Base of the CoT stages: their configuration, when they are left out, and the parts of those that work on samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from dataengine.config.cot import CotConfig
from dataengine.config.recipe import Recipe
from dataengine.cot.core.earlier import Earlier
from dataengine.cot.core.sample_parts import Cut, are_planned, cut_of, sample_parts
from dataengine.samples.locate import Located, objects
from dataengine.stage import Part, RecordStage, Run
from dataengine.storage.row_packs import PackedRows
from dataengine.storage.workspace import File, Workspace, digest
from dataengine.table_engine import Frame

TEXTS = "cot.texts"
"""The stage of records without pictures, which has tables of all steps up to the checks."""
_NO_ROWS = PackedRows("", 0, 0, "", 0)


class Cot:
    """Only where the recipe has a block ``cot``."""

    def active(self, recipe: Recipe) -> bool:
        return recipe.cot is not None

    def config(self, recipe: Recipe) -> CotConfig:
        if recipe.cot is None:
            raise ValueError("the recipe has no cot")
        return recipe.cot


@dataclass(frozen=True)
class CotPart:
    """``rows``: the place of SOURCE_MATERIAL of the part's samples; ``files``: tables of the steps before, by role."""

    earlier: Earlier
    cut: Cut
    rows: PackedRows = _NO_ROWS
    files: Mapping[str, File] = field(default_factory=dict)

    def located(self, workspace: Workspace) -> dict[str, Located]:
        """The samples by id."""
        rows = objects(self.rows.read(workspace.store)) if self.rows.rows else []
        return {row.id: row for row in rows}


def every(run: Run, stage: str, role: str, schema: pa.Schema, columns: Sequence[str] | None = None) -> Frame:
    """A table of a step with the rows of records without pictures, each of these once."""
    frame = run.frame(stage, role, schema, columns)
    if TEXTS not in run.records:
        return frame
    names = list(columns or schema.names)
    listed = ", ".join(f'"{name}"' for name in names)
    plain = [name for name in names if not pa.types.is_nested(schema.field(name).type)]
    order = ", ".join(f'"{name}"' for name in plain)
    once = (
        f'SELECT {listed} FROM (SELECT *, CAST(row_number() OVER (PARTITION BY "rid" ORDER BY {order}) AS BIGINT) AS n FROM t) '
        "AS numbered WHERE n = 1"
    )
    texts = run.engine.sql(once, {"t": run.frame(TEXTS, role, schema, columns)})
    return run.engine.sql(f"SELECT {listed} FROM a UNION ALL SELECT {listed} FROM b", {"a": frame, "b": texts})


class CotParts(Cot, RecordStage):
    """A record stage on the parts of ``sample_parts``, which copies what it has made before of the same samples."""

    def base(self, run: Run) -> str:
        """Digest of the code, settings and limits that every part depends on."""
        return digest(self.version, self.settings(run.recipe), run.recipe.limits.model_dump())

    def reads_media(self, recipe: Recipe) -> bool:
        """Whether a part needs to know where its samples lie."""
        return True

    def is_planned(self, run: Run) -> bool:
        return not self.reads_media(run.recipe) or are_planned(run)

    def marker_prefix(self, run: Run) -> str:
        return self._folder(self.base(run))

    def marker(self, run: Run, part: Part) -> str:
        """A folder a part, so that what it was before is found without a list of all parts."""
        return f"{part.spec.earlier.folder}/{part.name}/{part.key}.json"

    def parts(self, run: Run, files: Mapping[str, Mapping[str, File]]) -> list[Part]:
        """A part for each in ``files``, the tables of the steps before by part and role, on which it depends."""
        base, cut = self.base(run), cut_of(run)
        rows = {p.name: p.rows for p in sample_parts(run)} if self.reads_media(run.recipe) else {}
        return [
            self.part(
                base, cut, name, [file.sha256 for _, file in sorted(some.items())], rows.get(name, _NO_ROWS), some
            )
            for name, some in sorted(files.items())
        ]

    def part(
        self, base: str, cut: Cut, name: str, depends: object, rows: PackedRows, files: Mapping[str, File]
    ) -> Part:
        """The part ``name``, with the key of ``base`` and of what it depends on."""
        spec = CotPart(Earlier(self._folder(base), name), cut, rows, files)
        return Part(name, digest(base, depends), spec)

    def _folder(self, base: str) -> str:
        return f"stages/{self.name}/parts/{base[:16]}"
