"""Samples or items whose annotations meet a condition in the grammar of filter policies."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dataengine.annotate.worker import TABLE
from dataengine.errors import UsageError
from dataengine.index import tracks as index_tracks
from dataengine.index.vectors_stage import of_samples
from dataengine.policy import check, grammar, nodes
from dataengine.policy.annotated import annotated, known_columns
from dataengine.policy.model import Rule, kind_of
from dataengine.policy.sql import quoted, rule_case
from dataengine.table_engine import Frame

if TYPE_CHECKING:
    from dataengine.config.recipe import Recipe
    from dataengine.stage import Run


def ids_where(run: Run, condition: str) -> pa.ChunkedArray[Any]:
    """Ids of representatives, or of the items of a table, that pass; of a missing value none does. Raises UsageError for a
    condition that is none, or that names a column that is not there."""
    known = _known(run.recipe)
    try:
        expression = grammar.parse(condition)
    except UsageError as error:
        raise UsageError(f"--where: {error}") from None
    if mistakes := list(check.mistakes(expression, known)):
        raise UsageError("\n".join(f"--where: {mistake}" for mistake in mistakes))
    names = nodes.columns(expression)
    kinds = {name: kind for name in names if (kind := kind_of(known[name])) is not None}
    case = rule_case(Rule("where", expression, "drop", "asked for"), kinds)
    columns = ", ".join(quoted(name) for name in dict.fromkeys(("id", *names)))
    sql = f"SELECT {quoted('id')} FROM (SELECT {columns}, {case.text} AS verdict FROM a) AS judged WHERE verdict = 0"
    rows = annotated(run, set(names)) if of_samples(run.recipe) else _of_items(run, set(names))
    return run.engine.collect(run.engine.sql(sql, {"a": rows}, case.parameters))["id"]


def _known(recipe: Recipe) -> dict[str, pa.DataType]:
    """Columns by their types. Raises UsageError where items have none."""
    if of_samples(recipe):
        return known_columns(recipe)
    known = {f.name: f.type for track in index_tracks.tracks(recipe) for f in track.columns}
    if not known:
        raise UsageError("--where: items have columns of `index.codes` and `index.balance`, and the recipe has neither")
    return known


def _of_items(run: Run, columns: Collection[str]) -> Frame:
    """``id`` and the named columns of items, which have no facts and scores."""
    tracks = index_tracks.tracks(run.recipe)
    frames = {
        f"t{n}": run.frame(one.stage, TABLE, one.schema, ["id", *(f.name for f in one.columns if f.name in columns)])
        for n, one in enumerate(tracks)
    }
    selected = ['t0."id"']
    selected += [f"t{n}.{quoted(f.name)}" for n, one in enumerate(tracks) for f in one.columns if f.name in columns]
    joined = " ".join(["t0", *(f'INNER JOIN t{n} ON t0."id" = t{n}."id"' for n in range(1, len(tracks)))])
    return run.engine.sql(f"SELECT {', '.join(selected)} FROM {joined}", frames)
