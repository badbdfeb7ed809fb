"""Contamination verdicts for the filter: one rule and benchmark item a representative.

A group falls with any of its samples: by the first preset of the recipe that found one, and the first item that it hit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.contracts import CONTAMINATION, columns
from dataengine.stage import Run
from dataengine.table_engine import Frame

REASONS: Mapping[str, str] = {
    "keye_pretrain": "a benchmark has this picture, or a frame of it (pHash, MinHash, Jaccard)",
    "keye_posttrain": "a benchmark has this picture with this text (embeddings)",
    "phash": "a benchmark has this picture, or a frame of it (pHash within a radius)",
    "ngram": "a benchmark has a run of the words of a caption",
}

_FIRST = """
SELECT "representative" AS "id", "preset", "benchmark", "item" FROM (
  SELECT "representative", "preset", "benchmark", "item", CAST(row_number() OVER (
    PARTITION BY "representative" ORDER BY {place}, "benchmark", "item", "id", "kind") AS BIGINT) AS "n" FROM hits
) AS numbered WHERE "n" = 1
"""
_VERDICTS = columns(id=pa.string(), rule=pa.string(), value=pa.string())


@dataclass(frozen=True)
class Contaminated:
    """``table``: id, rule (``contamination:PRESET``) and value (``BENCHMARK/ITEM``), one row a representative, in no order;
    ``rules``: every rule that the recipe asks, in its order, with the reason for the funnel."""

    table: Frame
    rules: dict[str, str]


def contaminated(run: Run) -> Contaminated | None:
    """None where the recipe names no benchmarks."""
    config = run.recipe.contamination
    if config is None:
        return None
    names = [preset.name for preset in config.presets]
    hits = run.frame("contamination.find", "hits", CONTAMINATION)
    place = " ".join(f"WHEN ? THEN {number}" for number in range(len(names)))
    first = run.engine.sql(_FIRST.format(place=f'CASE "preset" {place} END'), {"hits": hits}, names)
    table = run.engine.local(first, (), _verdicts, _VERDICTS)
    return Contaminated(table, {f"contamination:{name}": REASONS[name] for name in names})


def _verdicts(first: pa.Table) -> pa.Table:
    join: Any = pc.binary_join_element_wise
    rule, value = join("contamination", first["preset"], ":"), join(first["benchmark"], first["item"], "/")
    return pa.table([first["id"], rule, value], schema=_VERDICTS)
