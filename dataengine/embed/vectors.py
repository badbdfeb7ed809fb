"""Stored embeddings as arrays: binary columns of float16 to matrices, and captions beside the pictures that they describe."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

F2 = np.dtype("<f2")


def rows_of(column: pa.ChunkedArray[Any], dtype: np.dtype[Any] = F2) -> NDArray[Any]:
    """``(n, width)`` of binary values of one length, nulls left out; ``(0, 0)`` where there are none."""
    parts = []
    for chunk in column.drop_null().chunks:
        _, offsets, data = (memoryview(b) if b is not None else b"" for b in chunk.buffers())
        if len(chunk):
            first, last = np.frombuffer(offsets, np.int32)[[chunk.offset, chunk.offset + len(chunk)]]
            values = np.frombuffer(data, np.uint8)[first:last].view(dtype)
            parts.append(values.reshape(len(chunk), -1))
    return np.concatenate(parts) if parts else np.zeros((0, 0), dtype)


def lists(column: pa.ChunkedArray[Any], dim: int) -> Any:
    """Binary float16 vectors as fixed-size lists, null where they are null."""
    valid = column.is_valid().to_numpy()
    every = np.zeros((len(column), dim), np.float16)
    if valid.any():
        every[valid] = rows_of(column)
    return pa.FixedSizeListArray.from_arrays(pa.array(every.ravel()), dim, mask=pa.array(~valid))


def captioned(views: pa.Table, captions: pa.Table) -> pa.Table:
    """id, image and text (binary): a row for each caption of CAPTION_EMBEDDINGS with the vector of its sample's whole view in
    EMBEDDINGS, and one with null text for samples without captions."""
    places = pc.index_in(captions["id"], value_set=views["id"].combine_chunks())
    bare = views.filter(pc.invert(pc.is_in(views["id"], value_set=captions["id"].combine_chunks())))
    ids = pa.chunked_array([*captions["id"].chunks, *bare["id"].chunks], pa.string())
    images = [*views["vector"].take(places).chunks, *bare["vector"].chunks]
    texts = [*captions["vector"].chunks, pa.nulls(len(bare), pa.binary())]
    columns = [ids, pa.chunked_array(images, pa.binary()), pa.chunked_array(texts, pa.binary())]
    return pa.table(columns, names=["id", "image", "text"])
