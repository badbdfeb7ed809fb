"""Codes for a table of embeddings of the user's own, in the form of the open release of OneRec's tokenizer: Parquet with ``pid``
and ``embedding`` in, ``pid`` and ``codes`` out. Some ten thousand rows are in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dataengine.config.index_codes import CodesConfig
from dataengine.errors import RunError, UsageError
from dataengine.index.codes import residual
from dataengine.index.codes.codebooks import Codebooks
from dataengine.index.codes.encoder import VectorEncoder
from dataengine.index.codes.quality import Tally
from dataengine.index.codes.text import MOST_LEVELS, to_text
from dataengine.index.item_table import dim_of, opened, rectangular, require_vectors, tag
from dataengine.samples.draws import SmallestKeys, draws
from dataengine.storage.arrays import read_arrays, write_arrays
from dataengine.storage.store import Store
from dataengine.storage.workspace import digest

PID, EMBEDDING = "pid", "embedding"
_ROWS = 1 << 14
#: Square of a vector's length from which on distances are no float32.
_LONGEST = 1e36

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Written:
    """Rows of a table of codes; ``without``: rows whose vector gives none, by reason; ``quality``: as of ``Tally``."""

    rows: int
    without: dict[str, int]
    quality: dict[str, Any]


def _batches(path: str) -> Iterator[tuple[Any, Float32, list[str]]]:
    """pids, ``(n, d)`` vectors and, of each row, what is wrong with its vector ("" where nothing is)."""
    file = opened(path, (PID, EMBEDDING))
    require_vectors(file, path, EMBEDDING)
    dim = dim_of(file, path, EMBEDDING)
    for batch in file.iter_batches(_ROWS, columns=[PID, EMBEDDING], use_threads=False):
        table = pa.Table.from_batches([batch])
        vectors, bad = rectangular(table[EMBEDDING].combine_chunks(), dim)
        exact = vectors.astype(np.float64)
        lengths = np.einsum("ij,ij->i", exact, exact)
        wrong = [why[0] if why else _fault(float(length)) for why, length in zip(bad, lengths, strict=True)]
        yield table[PID].combine_chunks(), vectors, wrong


def _fault(square: float) -> str:
    """What is wrong with a vector whose length has this square; "" where nothing is."""
    if square == 0:
        return "zero"
    return "" if square < _LONGEST else "too_long" if np.isfinite(square) else "not_finite"


def fit(path: str, out: str, config: CodesConfig, seed: int, model: str = "") -> Codebooks:
    """Codebooks of a sample, by pid and seed, of the rows with a usable vector, written to ``out``. Each level lies beside it
    until all are fitted: a fit that was killed goes on with the next. Raises UsageError, RunError."""
    if not out.endswith(".safetensors"):
        raise UsageError(f"{out}: name a file that ends in .safetensors, as codebooks are read by that")
    levels, size = config.shape
    (store, name), key = _place(out), digest(tag(path), config.model_dump(exclude={"threads"}), seed)[:16]
    unfinished = [f"{name}.{key}.level-{level + 1}.npz" for level in range(levels)]
    chosen = sampled(path, config.fit_samples, seed, "codes")[1]
    items, names = None, tuple[str, ...]()
    if config.vq is not None:
        names, items = sampled(path, config.vq.items, seed, "items")
    fitted = residual.fit(
        chosen,
        levels,
        size,
        iterations=config.iterations,
        seed=seed,
        threads=config.threads,
        saved=lambda level: (read_arrays(store, unfinished[level]) or {}).get("centres"),
        save=lambda level, centres: write_arrays(store, unfinished[level], {"centres": centres}),
    )
    nearest = min(config.vq.nearest, len(names)) if config.vq is not None else 0
    codebooks = Codebooks(tuple(fitted), model, items, names, nearest)
    store.put(name, codebooks.to_bytes())
    store.delete(unfinished)
    return codebooks


def _place(out: str) -> tuple[Store, str]:
    folder, _, name = (out if "://" in out else str(Path(out).absolute())).rpartition("/")
    return Store(folder), name


def sampled(path: str, most: int, seed: int, use: str) -> tuple[tuple[str, ...], Float32]:
    """pids and vectors in the order of their draws: the keys are read first, then only the vectors that were drawn."""
    smallest = SmallestKeys(most)
    for pids, _, wrong in _batches(path):
        rows = np.flatnonzero([not why for why in wrong])
        smallest.add(_keys(pids, seed, use)[rows], rows)
    keys = smallest.keys()
    if not len(keys):
        raise RunError(f"{path}: no row has a vector that is finite and not zero, and no longer than 1e18")
    names, parts, of_parts = list[Any](), list[Float32](), list[NDArray[np.uint64]]()
    for pids, vectors, wrong in _batches(path):
        drawn = _keys(pids, seed, use)
        rows = np.flatnonzero(np.isin(drawn, keys) & np.array([not why for why in wrong], np.bool_))
        parts.append(vectors[rows])
        of_parts.append(drawn[rows])
        names += pids.take(pa.array(rows)).to_pylist()
    order = np.argsort(np.concatenate(of_parts), kind="stable")[:most]
    return tuple(str(names[n]) for n in order), np.concatenate(parts)[order]


def _keys(pids: Any, seed: int, use: str) -> NDArray[np.uint64]:
    return draws(seed, [str(pid) for pid in pids.to_pylist()], use)


def encode(path: str, codebooks: Codebooks, out: str, model: str = "", text: bool = False) -> Written:
    """Write ``pid`` (as it is) and ``codes``, with ``vq`` where the codebooks have items and ``semantic_id`` where ``text`` is
    wanted, in the order of the table. Raises UsageError, RunError."""
    if text and len(codebooks.levels) > MOST_LEVELS:
        raise UsageError(
            f"--text: the codebooks have {len(codebooks.levels)} levels, and semantic ids {MOST_LEVELS} at most, a letter each"
        )
    encoder, rows, without, tally = VectorEncoder(codebooks), 0, dict[str, int](), Tally(codebooks.sizes)
    pid = opened(path, (PID, EMBEDDING)).schema_arrow.field(PID).type
    schema = _schema(pid, codebooks, text)
    store, name = _place(out)
    with store.new_file() as place:
        with pq.ParquetWriter(place, schema, compression="zstd") as writer:
            for pids, vectors, wrong in _batches(path):
                usable = np.where(np.array([not why for why in wrong])[:, None], vectors, 0)
                encoded = encoder.table(usable, model)
                _count(tally, encoded)
                writer.write_table(_codes(encoded, schema, pids))
                rows += len(pids)
                for why in filter(None, wrong):
                    without[why] = without.get(why, 0) + 1
        with place.open("rb") as data:
            sha256 = hashlib.file_digest(data, "sha256").hexdigest()
        store.move(place, name, sha256)
    return Written(rows, without, tally.quality())


def _count(tally: Tally, encoded: pa.Table) -> None:
    some = encoded.filter(encoded["rq"].is_valid())
    if len(some):
        lists: Any = some["rq"].combine_chunks()
        tally.add(lists.flatten().to_numpy().reshape(len(some), -1), some["rq_error"].to_numpy())


def _schema(pid: pa.DataType, codebooks: Codebooks, text: bool) -> pa.Schema:
    fields: list[pa.Field[Any]] = [pa.field(PID, pid), pa.field("codes", pa.list_(pa.int32()))]
    if codebooks.items is not None:
        fields.append(pa.field("vq", pa.list_(pa.int32())))
    if text:
        fields.append(pa.field("semantic_id", pa.string()))
    return pa.schema(fields)


def _codes(encoded: pa.Table, schema: pa.Schema, pids: Any) -> pa.Table:
    columns = {PID: pids, "codes": encoded["rq"], "vq": encoded["vq"] if "vq" in encoded.column_names else None}
    if "semantic_id" in schema.names:
        texts = [None if codes is None else to_text(codes) for codes in encoded["rq"].to_pylist()]
        columns["semantic_id"] = pa.array(texts, pa.string())
    return pa.table([columns[name] for name in schema.names], schema=schema)
