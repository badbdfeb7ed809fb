"""Measures and fingerprints of pictures that ingest has made while it had their pixels, kept beside the score tables.

They are named by the media tar, the limits and the version of the measuring code, so they are right wherever they exist, and a
stage that does not find them decodes. No commit lists them: whether they are there changes no result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from dataengine.contracts import FINGERPRINTS
from dataengine.media.limits import Limits
from dataengine.media.measures import DETAIL_VERSION, FINGERPRINT_VERSION, NAMES, VERSION, Fingerprint, Measures
from dataengine.samples.locate import Located
from dataengine.storage.workspace import File, Workspace, digest

_ID: pa.Field[Any] = pa.field("id", pa.string(), False)


@dataclass(frozen=True)
class _Kind:
    """One file of measures a media tar."""

    folder: str
    schema: pa.Schema

    def key(self, media: str, limits: Limits) -> str:
        name = media.rpartition("/")[2].removesuffix(".tar")
        return f"annotations/{self.folder}/ingest-{name}-{digest(limits.bounds())[:16]}.parquet"

    def keep(self, workspace: Workspace, media: str, limits: Limits, rows: Mapping[str, Mapping[str, Any]]) -> None:
        if rows:
            listed = [{"id": id_, **row} for id_, row in sorted(rows.items())]
            workspace.write_table(self.key(media, limits), pa.Table.from_pylist(listed, self.schema))

    def kept(self, workspace: Workspace, rows: Sequence[Located], limits: Limits) -> dict[str, dict[str, Any]]:
        wanted, measures = {row.id for row in rows}, dict[str, dict[str, Any]]()
        for media in sorted({row.media for row in rows}):
            if workspace.store.exists(key := self.key(media, limits)):
                table = workspace.read_table([File(key, "", 0, 1)], self.schema).to_pylist()
                measures |= {row.pop("id"): row for row in table if row["id"] in wanted}
        return measures


_TECHNICAL = _Kind(f"technical-{VERSION}", pa.schema([_ID, *(pa.field(n, pa.float64(), False) for n in NAMES)]))
_DETAIL = _Kind(f"detail-{DETAIL_VERSION}", pa.schema([_ID, pa.field("detail", pa.float64())]))
_FINGERPRINTS = _Kind(f"fingerprints-{FINGERPRINT_VERSION}", FINGERPRINTS)


def keep(workspace: Workspace, media: str, limits: Limits, measures: Mapping[str, Measures]) -> None:
    """Keep measures by sample id of pictures in the tar ``media``."""
    _TECHNICAL.keep(workspace, media, limits, {id_: msgspec.structs.asdict(m) for id_, m in measures.items()})


def kept(workspace: Workspace, rows: Sequence[Located], limits: Limits) -> dict[str, Measures]:
    """Measures by id of those of the samples that have some."""
    return {id_: Measures(**row) for id_, row in _TECHNICAL.kept(workspace, rows, limits).items()}


def keep_details(workspace: Workspace, media: str, limits: Limits, details: Mapping[str, float | None]) -> None:
    """Keep by sample id how finely the pictures in the tar ``media`` are resolved."""
    _DETAIL.keep(workspace, media, limits, {id_: {"detail": detail} for id_, detail in details.items()})


def details(workspace: Workspace, rows: Sequence[Located], limits: Limits) -> dict[str, float | None]:
    """The same of those of the samples that were measured; None where there is nothing to measure."""
    return {id_: row["detail"] for id_, row in _DETAIL.kept(workspace, rows, limits).items()}


def keep_fingerprints(workspace: Workspace, media: str, limits: Limits, prints: Mapping[str, Fingerprint]) -> None:
    """Keep fingerprints by sample id of pictures in the tar ``media``."""
    _FINGERPRINTS.keep(workspace, media, limits, prints)


def fingerprints(workspace: Workspace, rows: Sequence[Located], limits: Limits) -> dict[str, dict[str, Any]]:
    """Columns of contracts.FINGERPRINTS by id of those of the samples that have some."""
    return _FINGERPRINTS.kept(workspace, rows, limits)
