"""Exact deduplication: one row an input to one row a distinct sample, with the captions of all its occurrences.

The facts are those of the first mention by source and uri, whatever the order of arrival; captions of all mentions are
kept with where they came from. Columns only, no loop over rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataengine.contracts import CAPTION, UNIQUE

_FIRST = [name for name in UNIQUE.names if name not in ("captions", "mentions")]


def unique_samples(samples: pa.Table) -> pa.Table:
    """contracts.SAMPLES in any order to contracts.UNIQUE, ordered by id.

    ``captions``: in the order of source, uri and the mention's own list; of equal texts the first; no blank ones."""
    order = pc.sort_indices(samples, [(name, "ascending") for name in ("id", "source", "uri", "input_id")])
    ids = samples["id"].take(order).to_numpy(zero_copy_only=False)
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]][: len(ids)])
    first = samples.select(_FIRST).take(order.take(pa.array(starts, pa.int64())))
    mentions = np.diff(np.r_[starts, len(ids)]).astype(np.int32)
    captions = _captions(samples.select(["source", "uri", "captions"]).take(order), mentions)
    columns = {**{n: first[n] for n in _FIRST}, "captions": captions, "mentions": pa.array(mentions)}
    return pa.table([columns[name] for name in UNIQUE.names], schema=UNIQUE)


def _captions(ordered: pa.Table, mentions: NDArray[np.int32]) -> pa.Array[Any]:
    """A list of CAPTION for each sample; ``ordered`` holds the mentions of the first sample, then of the second, …"""
    captions = ordered["captions"].combine_chunks()
    text = pc.list_flatten(captions)
    mention = pc.list_parent_indices(captions).to_numpy(zero_copy_only=False).astype(np.int64)
    sample = np.repeat(np.arange(len(mentions)), mentions)[mention]
    kept = _first_of_each(sample, text)
    rows = pa.array(mention[kept], pa.int64())
    source, uri = (ordered[name].combine_chunks().take(rows) for name in ("source", "uri"))
    values = pa.StructArray.from_arrays([text.take(pa.array(kept, pa.int64())), source, uri], fields=list(CAPTION))
    offsets = np.searchsorted(sample[kept], np.arange(len(mentions) + 1))
    lists: pa.Array[Any] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
    return lists


def _first_of_each(sample: NDArray[np.int64], text: pa.Array[Any]) -> NDArray[np.int64]:
    """Indices, ascending, of the first mention of each text by each sample; blank and absent texts are left out."""
    nonblank: Any = pc.not_equal(pc.utf8_trim_whitespace(text), pa.scalar(""))
    encoded: Any = text.dictionary_encode()
    codes = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    candidates = np.flatnonzero(nonblank.fill_null(False).to_numpy(zero_copy_only=False))
    pairs = sample[candidates] * (len(text) + 1) + codes[candidates]
    first = np.unique(pairs, return_index=True)[1]
    return np.sort(candidates[first])
