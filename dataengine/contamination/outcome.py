"""Who falls for a benchmark: one verdict a representative, for the filter to act on.

A group falls with any of its samples: by the first preset of the recipe that found one, and the first item that it hit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.contracts import CONTAMINATION
from dataengine.stage import Run

REASONS: Mapping[str, str] = {
    "keye_pretrain": "a benchmark has this picture, or a frame of it (pHash, MinHash, Jaccard)",
    "keye_posttrain": "a benchmark has this picture with this text (embeddings)",
    "phash": "a benchmark has this picture, or a frame of it (pHash within a radius)",
    "ngram": "a benchmark has a run of the words of a caption",
}

_FIRST = """
SELECT "representative" AS "id", "preset", "benchmark", "item" FROM (
  SELECT "representative", "preset", "benchmark", "item", CAST(row_number() OVER (
    PARTITION BY "representative" ORDER BY "place", "benchmark", "item", "id", "kind") AS BIGINT) AS "n" FROM hits
) AS numbered WHERE "n" = 1 ORDER BY "id"
"""


@dataclass(frozen=True)
class Contaminated:
    """``table``: id, rule (``contamination:PRESET``) and value (``BENCHMARK/ITEM``), one row a representative, ordered by id;
    ``rules``: every rule that the recipe asks, in its order, with the reason for the funnel."""

    table: pa.Table
    rules: dict[str, str]


def contaminated(run: Run) -> Contaminated | None:
    """None where the recipe names no benchmarks."""
    config = run.recipe.contamination
    if config is None:
        return None
    names = [preset.name for preset in config.presets]
    hits = run.table("contamination.find", "hits", CONTAMINATION)
    place = pc.index_in(hits["preset"], value_set=pa.array(names, pa.string())).cast(pa.int64())
    first = run.engine.query(_FIRST, {"hits": hits.append_column("place", place)})
    join: Any = pc.binary_join_element_wise
    rule, value = join("contamination", first["preset"], ":"), join(first["benchmark"], first["item"], "/")
    table = pa.table({"id": first["id"], "rule": rule, "value": value})
    return Contaminated(table, {f"contamination:{name}": REASONS[name] for name in names})
