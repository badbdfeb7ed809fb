"""Measures of pictures that ingest has taken while it had their pixels, kept beside the score tables.

They are named by the media tar, the limits and the version of the measuring code, so they are right wherever they exist, and a
stage that does not find them decodes. No commit lists them: whether they are there changes no result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from dataengine.media.limits import Limits
from dataengine.media.measures import NAMES, VERSION, Measures
from dataengine.samples.locate import Located
from dataengine.storage.workspace import File, Workspace, digest

_COLUMNS: list[pa.Field[Any]] = [pa.field("id", pa.string(), False), *(pa.field(n, pa.float64(), False) for n in NAMES)]
_SCHEMA = pa.schema(_COLUMNS)


def keep(workspace: Workspace, media: str, limits: Limits, measures: Mapping[str, Measures]) -> None:
    """Keep measures by sample id of pictures in the tar ``media``."""
    if measures:
        rows = [{"id": id_, **msgspec.structs.asdict(m)} for id_, m in sorted(measures.items())]
        workspace.write_table(_key(media, limits), pa.Table.from_pylist(rows, _SCHEMA))


def kept(workspace: Workspace, rows: Sequence[Located], limits: Limits) -> dict[str, Measures]:
    """Measures by id of those of the samples that have some."""
    wanted, measures = {row.id for row in rows}, dict[str, Measures]()
    for media in sorted({row.media for row in rows}):
        if workspace.store.exists(key := _key(media, limits)):
            table = workspace.read_table([File(key, "", 0, 1)], _SCHEMA).to_pylist()
            measures |= {row.pop("id"): Measures(**row) for row in table if row["id"] in wanted}
    return measures


def _key(media: str, limits: Limits) -> str:
    name = media.rpartition("/")[2].removesuffix(".tar")
    return f"annotations/technical-{VERSION}/ingest-{name}-{digest(limits.bounds())[:16]}.parquet"
