"""How each score lies before and after filtering: what a threshold has done to the corpus, in five numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

QUANTILES = {"min": 0.0, "p10": 0.1, "p50": 0.5, "p90": 0.9, "max": 1.0}


def distributions(rows: pa.Table, kept: Any) -> dict[str, dict[str, dict[str, float]]]:
    """By numeric column of ``rows`` the quantiles of all of them (``before``) and of those with an id in ``kept``,
    an Arrow array (``after``):
    values that occur, so that no arithmetic rounds them. ``count`` is how many have a finite value; a column without one is
    left out."""
    after = rows.filter(pc.is_in(rows["id"], value_set=kept))
    numeric = [f.name for f in rows.schema if pa.types.is_floating(f.type) or pa.types.is_integer(f.type)]
    found = {name: {"before": _quantiles(rows[name]), "after": _quantiles(after[name])} for name in sorted(numeric)}
    return {name: both for name, both in found.items() if both["before"]["count"]}


def _quantiles(column: Any) -> dict[str, float]:
    values = column.cast(pa.float64()).drop_null().to_numpy()
    values = values[np.isfinite(values)]
    if not len(values):
        return {"count": 0}
    at = np.quantile(values, list(QUANTILES.values()), method="inverted_cdf")
    return {"count": len(values), **{name: float(value) for name, value in zip(QUANTILES, at, strict=True)}}
