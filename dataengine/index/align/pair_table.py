"""Pairs of a recipe as arrays: from files of the user's, from tables and from crops, joined with their vectors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.config.index_codes import PairSource
from dataengine.contracts import GROUPS, columns
from dataengine.embed.vectors import rows_of
from dataengine.errors import RunError, UsageError
from dataengine.index import item_table, vectors
from dataengine.index.align.training import Pairs
from dataengine.samples.draws import draws
from dataengine.storage.object_file import open_object
from dataengine.storage.workspace import File, Workspace

Float32 = NDArray[np.float32]

#: Two ids and the weight of a pair.
NAMED = columns(a=pa.string(), b=pa.string(), weight=pa.float64())
_JSON, _TEXTS = (".jsonl", ".json", ".ndjson"), (".csv", ".tsv", ".txt")
_LINES = 1 << 16
_BLOCK = 1 << 19
_LONGEST = 1 << 20
"""Bytes of a line of JSON."""


@dataclass
class Counted:
    """What became of pairs: by fate, their number; ``unknown``: an id without a vector, "" where none was named."""

    counts: dict[str, int] = field(default_factory=dict)
    unknown: str = ""

    def add(self, fate: str, number: int) -> None:
        self.counts[fate] = self.counts.get(fate, 0) + number


def check(source: PairSource) -> None:
    """Raises UsageError for a file that cannot hold the pairs: by its columns, or, of JSON lines, by the first."""
    path = str(source.path)
    if path.endswith(_JSON):
        try:
            for number, line in enumerate(_lines(source), 1):
                if line.strip():
                    _pair(source, line, number)
                    return
        except RunError as error:
            raise UsageError(str(error)) from None
        return
    if path.endswith(_TEXTS):
        raise UsageError(f"index.align.pairs: {path}: pairs are read from Parquet, or from JSON lines named .jsonl")
    file = item_table.opened(path, (source.a, source.b, source.weight))
    kinds = {
        name: file.schema_arrow.field(name).type for name in (source.a, source.b, source.weight) if name is not None
    }
    for name in (source.a, source.b):
        if not item_table.textual(kinds[name]):
            raise UsageError(f"index.align.pairs: {path}: column `{name}` is {kinds[name]}; it must hold ids")
    if source.weight is not None and not _numeric(kinds[source.weight]):
        raise UsageError(
            f"index.align.pairs: {path}: column `{source.weight}` is {kinds[source.weight]}; a weight must be a number"
        )


def _numeric(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def of_file(source: PairSource) -> Iterator[pa.Table]:
    """NAMED of a Parquet or JSONL file, some ten thousand rows at a time. Raises UsageError, RunError for a bad file."""
    path = str(source.path)
    if path.endswith(_JSON):
        yield from _json_lines(source)
        return
    file = item_table.opened(path, (source.a, source.b, source.weight))
    wanted = [name for name in (source.a, source.b, source.weight) if name is not None]
    for batch in file.iter_batches(_LINES, columns=wanted, use_threads=False):
        table = pa.Table.from_batches([batch])
        weight = table[source.weight] if source.weight else pa.array(np.ones(len(table)))
        try:
            yield pa.table([table[source.a], table[source.b], weight], names=NAMED.names).cast(NAMED)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise RunError(f"index.align.pairs: {path}: its columns are no ids and weights: {error}") from None


def _json_lines(source: PairSource) -> Iterator[pa.Table]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(_lines(source), 1):
        if line.strip():
            rows.append(_pair(source, line, number))
        if len(rows) == _LINES:
            yield pa.Table.from_pylist(rows, NAMED)
            rows = []
    yield pa.Table.from_pylist(rows, NAMED)


def _lines(source: PairSource) -> Iterator[bytes]:
    """Lines of a file, a piece of which is held at a time. Raises RunError for one that is too long to be a pair."""
    with open_object(*item_table.place(str(source.path))) as file:
        number = 0
        while line := file.readline(_LONGEST):
            number += 1
            if len(line) == _LONGEST:
                raise RunError(
                    f"index.align.pairs: {source.path}, line {number}: no pair of ids: more than {_LONGEST:,} bytes"
                )
            yield line


def _pair(source: PairSource, line: bytes, number: int) -> dict[str, Any]:
    """A row of NAMED. Raises RunError for a line that is none."""
    try:
        row = json.loads(line.decode("utf-8", "replace"))
        weight = _number(row.get(source.weight)) if source.weight else 1.0
        a, b = (None if row[side] is None else str(row[side]) for side in (source.a, source.b))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"index.align.pairs: {source.path}, line {number}: no pair of ids: {error!r}") from None
    return {"a": a, "b": b, "weight": weight}


def blocks(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows, some hundred thousand at a time: what reads other files for each table reads them seldom."""
    held = list[pa.Table]()
    for table in tables:
        held.append(table)
        if sum(map(len, held)) >= _BLOCK:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def _number(value: Any) -> float:
    """NaN for what is no number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def usable(pairs: pa.Table, counted: Counted) -> pa.Table:
    """Pairs of two different ids with a weight above zero that is finite, both as float32."""
    with np.errstate(over="ignore"):
        weight = pairs["weight"].to_numpy(zero_copy_only=False).astype(np.float32)
    whole = pairs["a"].is_valid().to_numpy() & pairs["b"].is_valid().to_numpy()
    good = whole & np.isfinite(weight) & (weight > 0)
    counted.add("with a bad id or weight", int((~good).sum()))
    unequal: Any = pc.not_equal(pairs["a"], pairs["b"])
    differ = unequal.fill_null(False).to_numpy(zero_copy_only=False)
    counted.add("of one sample with itself", int((good & ~differ).sum()))
    return pairs.filter(pa.array(good & differ))


def of_representatives(workspace: Workspace, groups: Sequence[File], pairs: pa.Table) -> pa.Table:
    """Pairs with the representatives of copies in place of these; ids that are no samples stay as they are."""
    if not groups or not len(pairs):
        return pairs
    ids = {id_ for side in ("a", "b") for id_ in texts(pairs[side])}
    rows = workspace.rows_of(groups, GROUPS, ids)
    stands = dict(zip(texts(rows["id"]), texts(rows["representative"]), strict=True))
    sides = [pa.array([stands.get(id_, id_) for id_ in texts(pairs[side])], pa.string()) for side in ("a", "b")]
    return pa.table([*sides, pairs["weight"]], schema=NAMED)


def limited(pairs: pa.Table, most: int, seed: int, counted: Counted) -> pa.Table:
    """Each pair once, whichever way round, with its largest weight; at most ``most`` of them, by draws."""
    low, high = pc.min_element_wise(pairs["a"], pairs["b"]), pc.max_element_wise(pairs["a"], pairs["b"])
    both = pa.table([low, high, pairs["weight"]], schema=NAMED)
    once = (
        both.group_by(["a", "b"])
        .aggregate([("weight", "max")])
        .rename_columns(NAMED.names)
        .sort_by([("a", "ascending"), ("b", "ascending")])
    )
    counted.add("named twice", len(pairs) - len(once))
    if len(once) <= most:
        return once
    keys = draws(seed, [f"{a}|{b}" for a, b in zip(texts(once["a"]), texts(once["b"]), strict=True)], "pairs")
    counted.add("beyond most_pairs", len(once) - most)
    return once.take(np.sort(np.argsort(keys, kind="stable")[:most]))


def with_vectors(
    workspace: Workspace, files: Sequence[File], pairs: pa.Table, counted: Counted
) -> tuple[pa.Table, Pairs]:
    """Those of NAMED of which both ids have a vector, with them, a file of vectors in memory at a time; each pair is a group of
    its own. Raises RunError where none has."""
    ids = pc.unique(pa.chunked_array([*pairs["a"].chunks, *pairs["b"].chunks], pa.string()))
    rows: Float32 | None = None
    known = np.zeros(len(ids), np.bool_)
    for file in files:
        names, some = vectors.read(workspace, [file])
        place: Any = pc.index_in(ids, value_set=names.combine_chunks()) if len(names) else pa.nulls(len(ids))
        here = np.flatnonzero(place.is_valid().to_numpy(zero_copy_only=False))
        if len(here):
            rows = np.zeros((len(ids), some.shape[1]), np.float32) if rows is None else rows
            rows[here] = some[place.drop_null().to_numpy()]
            known[here] = True
    a, b = (pc.index_in(column, value_set=ids).to_numpy(zero_copy_only=False) for column in (pairs["a"], pairs["b"]))
    good = known[a] & known[b] if len(pairs) else np.zeros(0, np.bool_)
    counted.add("of an id without a vector", int((~good).sum()))
    counted.unknown = str(ids[int(np.flatnonzero(~known)[0])]) if not known.all() else ""
    if rows is None or not good.any():
        return NAMED.empty_table(), _no_pairs()
    kept = pairs.filter(pa.array(good))
    weight = kept["weight"].to_numpy(zero_copy_only=False).astype(np.float32)
    return kept, Pairs(rows[a[good]], rows[b[good]], weight, np.arange(int(good.sum()), dtype=np.int64))


def _no_pairs() -> Pairs:
    none = np.zeros((0, 0), np.float32)
    return Pairs(none, none, np.zeros(0, np.float32), np.zeros(0, np.int64))


def texts(column: Any) -> list[str]:
    """Values of a column that has no nulls."""
    values: list[str] = column.to_pylist()
    return values


def of_crops(crops: pa.Table, most: int, seed: int) -> tuple[list[str], Pairs]:
    """Ids and pairs of rows of CROPS, at most so many by draws."""
    ids = texts(crops["id"])
    if not ids:
        return [], _no_pairs()
    rows = np.sort(np.argsort(draws(seed, ids, "pairs"), kind="stable")[:most])
    first, second = (rows_of(crops[side])[rows].astype(np.float32) for side in ("first", "second"))
    ones = np.ones(len(rows), np.float32)
    return [ids[n] for n in rows], Pairs(first, second, ones, np.arange(len(rows), dtype=np.int64))


def groups_of(names: Sequence[tuple[str, str]]) -> tuple[list[str], NDArray[np.int64]]:
    """Of each pair the group that it is in, as a number, and the names of the groups: ids that pairs join, directly or not; or,
    where that is one group for more than half of the pairs, the first id alone. Held-out groups share no sample with others in
    the first case."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ids, places = np.unique(np.array(names, object).astype(str).ravel(), return_inverse=True)
    a, b = places.reshape(-1, 2).T
    _, component = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(len(ids),) * 2), directed=False)
    of_pair = component[a]
    if len(of_pair) and np.bincount(of_pair).max() * 2 > len(of_pair):
        of_pair = a
    _, first, group = np.unique(of_pair, return_index=True, return_inverse=True)
    return [str(ids[a[n]]) for n in first], group.astype(np.int64)


def joined(tables: Iterable[pa.Table], most: int, seed: int, counted: Counted) -> pa.Table:
    """``limited`` rows of all tables, of which a few times ``most`` are held."""
    held = NAMED.empty_table()
    for table in tables:
        held = pa.concat_tables([held, table])
        if len(held) > 4 * most:
            held = limited(held, most, seed, counted)
    return limited(held, most, seed, counted)
