"""Divides the samples of a release into parts by the first bits of their ids, which are hashes.

A sample is in the same part whatever other samples there are, so a moved threshold or a new batch changes a part by the samples
that come and go, not by where shards are cut. How many bits follows from the number of samples, in steps of two: parts that were
divided otherwise hold the same samples and are found by ``related``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataengine.cot.core.schemas import SOURCE_MATERIAL
from dataengine.samples.selection import Query, published
from dataengine.stage import Run
from dataengine.storage.row_packs import PackedRows
from dataengine.storage.workspace import File, digest
from dataengine.table_engine import PART, Source

#: Parts of a small release; samples of a part, at least and at most, and of a pack of pictures.
_PARTS, _FEW, _MANY, _PACK = 16, 16, 1024, 16
#: Goes up when the same table would give other rows or digests.
_VERSION = "2"
#: What a part's questions depend on.
_DIGESTS = ("id", "captions", "split", "pairs", "distractors", "texts", "parent", "partners")
_WHOLE = "all"


@dataclass(frozen=True)
class Cut:
    """Into how many parts samples are divided, and how many packs a part has, each a power of two."""

    part_bits: int
    pack_bits: int

    @classmethod
    def of(cls, samples: int) -> Cut:
        part_bits = _bits(samples, min(max(-(-samples // _PARTS), _FEW), _MANY))
        return cls(part_bits, _bits(-(-samples // 2**part_bits), _PACK))

    def part(self, id_: str) -> str:
        """Name of the part of an id, or of the beginning of one."""
        return _binary(id_)[: self.part_bits] or _WHOLE

    def pack(self, id_: str) -> str:
        """Name of an id's pack within its part."""
        return _binary(id_)[self.part_bits : self.part_bits + self.pack_bits]


@dataclass(frozen=True)
class SamplePart:
    """``key`` is a digest of its samples and of what their questions are made of; ``rows`` is the place of SOURCE_MATERIAL."""

    name: str
    key: str
    rows: PackedRows


def sample_parts(run: Run) -> list[SamplePart]:
    """The samples of the release by part, from cot.material. Publishes the plan where there is none."""
    files = _files(run)
    cut, schema = cut_of(run), SOURCE_MATERIAL.append(pa.field(PART, pa.string()))
    query = Query({"m": Source("", files, SOURCE_MATERIAL, partial(with_part, cut), schema)}, "SELECT * FROM m")
    return [SamplePart(name, digest(*keys), rows) for name, keys, rows in published(run, _key(run), query, _DIGESTS)]


def are_planned(run: Run) -> bool:
    """Whether ``sample_parts`` would only read."""
    return run.workspace.store.exists(_key(run))


def cut_of(run: Run) -> Cut:
    """How the samples of the release are divided."""
    return Cut.of(sum(file.rows for file in _files(run)))


def with_part(cut: Cut, samples: pa.Table) -> pa.Table:
    """The rows with the part of each."""
    digits = -(-cut.part_bits // 4)
    prefixes: Any = pc.utf8_slice_codeunits(samples["id"], 0, digits).combine_chunks().dictionary_encode()
    names = pa.array([cut.part(prefix) for prefix in prefixes.dictionary.to_pylist()], pa.string())
    return samples.append_column(PART, names.take(prefixes.indices))


def related(part: str) -> list[str]:
    """Names of the parts that hold samples of a part where other numbers of samples are divided: itself first, then those that
    contain it, then those in it, for up to four times as many samples."""
    bits = part.replace(_WHOLE, "")
    wider = [bits[:n] or _WHOLE for n in range(len(bits), -1, -1)]
    return [*wider, *(bits + more for more in ("0", "1", "00", "01", "10", "11"))]


def _files(run: Run) -> list[File]:
    return run.records["cot.material"].files("material")


def _key(run: Run) -> str:
    return f"plans/{digest(_VERSION, 'cot', [f.sha256 for f in _files(run)], _DIGESTS, SOURCE_MATERIAL.names)}.parquet"


def _bits(count: int, size: int) -> int:
    """Bits by which ``count`` are divided into groups of at most ``size`` on average."""
    return max(0, -(-count // size) - 1).bit_length()


def _binary(id_: str) -> str:
    return f"{int(id_, 16):0{4 * len(id_)}b}" if id_ else ""
